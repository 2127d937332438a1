//! The ways from the main thread to the shards and the committer, for whoever asks them something.

use super::{driver::Visited, threads::Door};
use crate::committer::{Committer, CommitterHandle, Unasked, home};
use pychat_proto::UserName;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

/// A thread that has not answered by then is busy beyond measure, or stuck.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Ways to all threads. While anybody holds them, the committer does not end.
#[derive(Clone)]
pub(crate) struct Reins {
    doors: Arc<[Door]>,
    committer: CommitterHandle,
}

/// A thread did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error(transparent)]
    Unasked(#[from] Unasked),
    #[error("a thread of the server does not answer")]
    Silent,
}

impl Reins {
    pub(super) fn new(doors: Vec<Door>, committer: CommitterHandle) -> Self {
        Self { doors: doors.into(), committer }
    }

    /// Asks each shard; answers come in their order.
    pub(crate) async fn each_shard<T: Send + 'static>(
        &self,
        question: impl Fn(&mut Visited<'_>) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, NoAnswer> {
        self.each_shard_for_itself(question).await.into_iter().collect()
    }

    /// Asks each shard, and tells which of them do not answer. Takes no longer for several of those.
    pub(crate) async fn each_shard_for_itself<T: Send + 'static>(
        &self,
        question: impl Fn(&mut Visited<'_>) -> T + Clone + Send + 'static,
    ) -> Vec<Result<T, NoAnswer>> {
        let deadline = Instant::now() + ANSWER_MAX;
        let asked: Vec<_> = self.doors.iter().map(|door| door.ask(question.clone())).collect();
        let mut answers = Vec::with_capacity(asked.len());
        for answer in asked {
            answers.push(match answer {
                Ok(answer) => wait(answer, deadline).await,
                Err(unasked) => Err(unasked.into()),
            });
        }
        answers
    }

    /// Asks the shard that a user's session lives on.
    pub(crate) async fn shard_of<T: Send + 'static>(
        &self,
        user: &UserName,
        question: impl FnOnce(&mut Visited<'_>) -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let shards = u8::try_from(self.doors.len()).unwrap_or(u8::MAX);
        let door = self.doors.get(usize::from(home(user, shards))).ok_or(NoAnswer::Silent)?;
        wait(door.ask(question)?, Instant::now() + ANSWER_MAX).await
    }

    /// Has the committer do something, unless it has too much to do.
    pub(super) fn have_committer(&self, what: impl FnOnce(&mut Committer) + Send + 'static) {
        // Nobody waits for the end of it.
        let _ = self.committer.ask(what);
    }

    /// Asks the committer.
    pub(crate) async fn committer<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Committer) -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        wait(self.committer.ask(question)?, Instant::now() + ANSWER_MAX).await
    }
}

async fn wait<T>(answer: oneshot::Receiver<T>, deadline: Instant) -> Result<T, NoAnswer> {
    match timeout_at(deadline, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) | Err(_) => Err(NoAnswer::Silent),
    }
}
