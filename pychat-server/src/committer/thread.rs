//! The thread around the committer.
//!
//! Shards never block: what does not fit into the queue stays with the shard, whose sessions' windows
//! bound it. The committer blocks while a shard's channel is full; since shards always go on to empty
//! theirs, neither waits for the other forever.

use super::{Committer, Done, Job, Work};
use crate::{
    bell::Bell,
    store::{Command, StoreError},
};
use pychat_proto::chat::{DEVICE_KEY_BYTES_MAX, PREKEY_BYTES_MAX, PREKEYS_MAX};
use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread::JoinHandle,
};
use tokio::sync::oneshot;

/// Most jobs executed at once. The others wait in the queue for the next batch.
pub const JOBS_PER_BATCH_MAX: usize = 4096;

/// Bytes of entries and keys from which on a batch takes no further job. The last one may exceed it.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// What a user's end-to-end keys take at most: whatever changes them, all of them are written.
pub(super) const KEYS_BYTES: usize =
    DEVICE_KEY_BYTES_MAX + (PREKEYS_MAX + 1) * (PREKEY_BYTES_MAX + 1);

/// Jobs that wait while a batch is on its way to the disk. Beyond it [`CommitterHandle::submit`]
/// gives the job back.
pub const JOBS_QUEUED_MAX: usize = 2 * JOBS_PER_BATCH_MAX;

/// Hands jobs to the committer's thread.
#[derive(Clone, Debug)]
pub struct CommitterHandle {
    queue: SyncSender<ToCommitter>,
}

/// What comes to the thread.
#[allow(clippy::large_enum_variant)] // Nearly all of them are jobs.
pub(super) enum ToCommitter {
    /// A shard's.
    Job(Job),
    /// Somebody else's, who looks after the answer: done after the batch that it comes with.
    Visit(Visit),
}

/// Looks at the committer, or has it do something.
pub(super) type Visit = Box<dyn FnOnce(&mut Committer) + Send>;

/// What gathered.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) jobs: Vec<Job>,
    pub(super) visits: Vec<Visit>,
}

/// Why a job was not taken. It comes back, to be kept, and so is as large as a job.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// [`JOBS_QUEUED_MAX`] are waiting: try again, in the same order, after the next message from the
    /// committer or a few milliseconds.
    #[error("the committer's queue is full")]
    Full(Job),
    /// The thread has ended.
    #[error("the committer has stopped")]
    Stopped(Job),
}

impl CommitterHandle {
    /// Hands a job over, without waiting.
    ///
    /// # Errors
    /// See [`SubmitError`]; the job is in it.
    #[allow(clippy::result_large_err)]
    pub fn submit(&self, job: Job) -> Result<(), SubmitError> {
        self.queue.try_send(ToCommitter::Job(job)).map_err(|error| match error {
            TrySendError::Full(ToCommitter::Job(job)) => SubmitError::Full(job),
            TrySendError::Disconnected(ToCommitter::Job(job)) => SubmitError::Stopped(job),
            TrySendError::Full(ToCommitter::Visit(_))
            | TrySendError::Disconnected(ToCommitter::Visit(_)) => {
                unreachable!("what comes back is what was sent")
            }
        })
    }

    /// Has `question` run on the committer's thread, between two batches. The answer is gone where the
    /// thread ends before.
    ///
    /// # Errors
    /// The queue is full, or the thread has ended.
    pub fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Committer) -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, Unasked> {
        let (answer, answered) = oneshot::channel();
        let visit = Box::new(move |committer: &mut Committer| {
            // Who does not wait any more needs no answer.
            let _ = answer.send(question(committer));
        });
        self.queue.try_send(ToCommitter::Visit(visit)).map_err(|_| Unasked)?;
        Ok(answered)
    }
}

/// Nobody could be asked: too much waits already, or the server is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server has too much to do, or is ending; try again")]
pub struct Unasked;

/// A shard's channel.
#[derive(Clone, Debug)]
pub struct ToShard {
    /// What it hears.
    pub queue: SyncSender<Done>,
    /// Wakes it.
    pub bell: Bell,
}

impl ToShard {
    /// Waits while the queue is full. A shard that has ended hears nothing.
    fn tell(&self, done: Done) {
        if let Err(TrySendError::Full(done)) = self.queue.try_send(done) {
            self.bell.ring();
            let _ = self.queue.send(done);
        }
    }
}

/// Starts the thread. `to_shards` has each shard's channel at the shard's index.
///
/// The thread ends when every handle is dropped: it executes what is queued, does what the store put
/// off, and answers what came of that. A shard that is gone is told nothing.
///
/// # Errors
/// There can be no further thread.
pub fn spawn(
    committer: Committer,
    to_shards: Vec<ToShard>,
) -> io::Result<(CommitterHandle, JoinHandle<Result<(), StoreError>>)> {
    let (handle, queue) = sync_channel(JOBS_QUEUED_MAX);
    let thread = std::thread::Builder::new()
        .name("committer".into())
        .spawn(move || run(committer, &queue, &to_shards))?;
    Ok((CommitterHandle { queue: handle }, thread))
}

fn run(
    mut committer: Committer,
    queue: &Receiver<ToCommitter>,
    to_shards: &[ToShard],
) -> Result<(), StoreError> {
    let mut out = Vec::new();
    while let Some(Gathered { jobs, visits }) = gather(queue) {
        committer.step(jobs, &mut out);
        for (shard, done) in out.drain(..) {
            if let Some(shard) = to_shards.get(usize::from(shard)) {
                shard.tell(done);
            }
        }
        to_shards.iter().for_each(|shard| shard.bell.ring());
        visits.into_iter().for_each(|visit| visit(&mut committer));
    }
    let flushed = committer.flush();
    to_shards.iter().for_each(|shard| shard.bell.ring());
    flushed
}

/// Waits for a job and takes what else is queued by then: what gathered during the last flush. No
/// timer: a lone job is executed at once. `None` after the last job of the last handle.
pub(super) fn gather(queue: &Receiver<ToCommitter>) -> Option<Gathered> {
    let mut next = queue.recv().ok();
    let (mut gathered, mut taken) = (Gathered::default(), 0);
    while let Some(item) = next {
        match item {
            ToCommitter::Job(job) => {
                taken += bytes(&job);
                gathered.jobs.push(job);
            }
            ToCommitter::Visit(visit) => gathered.visits.push(visit),
        }
        let is_full = gathered.jobs.len() >= JOBS_PER_BATCH_MAX || taken >= BATCH_BYTES_MAX;
        next = if is_full { None } else { queue.try_recv().ok() };
    }
    let is_empty = gathered.jobs.is_empty() && gathered.visits.is_empty();
    (!is_empty).then_some(gathered)
}

/// What a job has the store hold until its batch is written.
fn bytes(job: &Job) -> usize {
    match &job.work {
        Work::Commit(Command::Append(append)) => append.entry.len(),
        Work::Commit(
            Command::PublishDevice { .. }
            | Command::PublishPrekeys { .. }
            | Command::ClaimPrekey { .. },
        ) => KEYS_BYTES,
        Work::Commit(
            Command::Advance { .. }
            | Command::Trim { .. }
            | Command::Raise { .. }
            | Command::Take { .. }
            | Command::Reserve { .. }
            | Command::Claim(_)
            | Command::ClaimInvited { .. }
            | Command::Decide(_),
        )
        | Work::Read { .. }
        | Work::Login { .. }
        | Work::Presence { .. }
        | Work::Users { .. }
        | Work::User { .. }
        | Work::Owner { .. }
        | Work::Elsewhere { .. }
        | Work::OwnKeys { .. }
        | Work::UserKeys { .. } => 0,
    }
}
