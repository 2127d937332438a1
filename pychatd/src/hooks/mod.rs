//! Programs that are run for messages: the configuration's `on-message`, and the one that shows desktop
//! notifications.
//!
//! A hook is a reader of its own, so what it has not dealt with waits on disk: over a restart of the daemon,
//! and as long as the program cannot be started. One message is dealt with once its program has ended, well or
//! not; if the daemon ends in between, the program runs again for it. A failure is shown in `status`, and the
//! message is in the inbox as ever.

mod program;
#[cfg(test)]
mod tests;

use crate::handle::{Handle, ToCore};
use program::{Ended, Program};
use pychat_control::{
    DaemonConfig, Empty, EventKind, Failure, HookStatus, InboxParams, List, MarkReaderParams,
    Message, NOTIFY_JOB, Notify, Request,
};
use serde::de::DeserializeOwned;
use std::{ffi::OsString, time::Duration};
use tokio::{
    sync::{broadcast::error::RecvError, oneshot},
    task::JoinSet,
};

/// How long a program may take, where the configuration does not say.
const TIME_DEFAULT: Duration = Duration::from_secs(30);

/// How long a notification may take: a bus answers at once.
const NOTIFY_TIME: Duration = Duration::from_secs(10);

/// Messages that are taken at a time.
const PAGE_LEN: u32 = 50;

/// Pause before what could not be done is tried again: a program started, a cursor moved.
const START_AGAIN: Duration = Duration::from_secs(60);

/// The hook that shows notifications.
const NOTIFY: &str = "notify";

/// Starts the hooks that the configuration names; they end when the set is dropped.
#[must_use]
pub fn start(config: &DaemonConfig, profile: &str, handle: &Handle) -> JoinSet<()> {
    let mut hooks = JoinSet::new();
    let mut begin = |name: &'static str, batch: Batch, program: Program| {
        let status = HookStatus { hook: name.into(), waiting: 0, failed: 0, last_error: None };
        let reader = format!(":{name}");
        let hook = Hook { reader, batch, program, handle: handle.clone(), status };
        hooks.spawn(hook.run());
    };
    if let Some(words) = &config.on_message {
        let time = config.on_message_timeout.unwrap_or(TIME_DEFAULT);
        let words = words.iter().map(OsString::from).collect();
        begin("on-message", Batch::One, Program::new("on-message", words, profile, time));
    }
    let shown = match config.notify.unwrap_or_default() {
        Notify::Off => None,
        Notify::Sender => Some("sender"),
        Notify::Text => Some("text"),
    };
    if let Some(shown) = shown {
        let words = vec![notifier(), NOTIFY_JOB.into(), shown.into()];
        begin(NOTIFY, Batch::Many, Program::new(NOTIFY, words, profile, NOTIFY_TIME));
    }
    hooks
}

/// `pychatctl`, which shows notifications: beside this program, else in `PATH`.
fn notifier() -> OsString {
    let name = format!("pychatctl{}", std::env::consts::EXE_SUFFIX);
    let ours = std::env::current_exe().ok();
    let beside = ours.map(|ours| ours.with_file_name(&name)).filter(|path| path.is_file());
    beside.map_or_else(|| name.clone().into(), Into::into)
}

/// How many messages a run gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Batch {
    One,
    /// All that wait, up to a page.
    Many,
}

struct Hook {
    reader: String,
    batch: Batch,
    program: Program,
    handle: Handle,
    status: HookStatus,
}

/// The daemon ends.
struct Ending;

impl Hook {
    async fn run(mut self) {
        loop {
            // Subscribed first, so that no message falls between the two.
            let Ok(subscription) = self.subscribe().await else { return };
            let mut live = subscription.live;
            if self.work_off().await.is_err() {
                return;
            }
            loop {
                match live.recv().await {
                    Ok(event) if matches!(event.what, EventKind::Message { .. }) => break,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return,
                }
            }
        }
    }

    /// Runs the program for all that waits.
    async fn work_off(&mut self) -> Result<(), Ending> {
        loop {
            let reader = Some(self.reader.clone());
            let params = InboxParams { limit: PAGE_LEN, reader, ..InboxParams::default() };
            let page = match self.ask::<List<Message>>(Request::Inbox(params)).await? {
                Ok(page) => page,
                Err(failure) => {
                    self.wait_for_disk(failure).await?;
                    continue;
                }
            };
            if page.items.is_empty() {
                self.status.waiting = 0;
                return self.tell().await;
            }
            let at_once = match self.batch {
                Batch::One => 1,
                Batch::Many => page.items.len(),
            };
            for (number, batch) in page.items.chunks(at_once).enumerate() {
                self.status.waiting = (page.items.len() - number * at_once) as u64;
                self.run_for(batch).await?;
                self.mark_done(batch).await?;
            }
        }
    }

    /// Runs the program for these messages, again after a pause if it cannot be started.
    async fn run_for(&mut self, batch: &[Message]) -> Result<(), Ending> {
        loop {
            let (error, ran) = match self.program.run(batch).await {
                Ended::Well => (None, true),
                Ended::Badly(why) => (Some(why), true),
                Ended::NotStarted(why) => (Some(why), false),
            };
            if error.is_some() {
                // What it said may hold a text.
                let hook = self.status.hook.as_str();
                tracing::warn!(hook, ran, "a program for messages failed");
                self.status.failed += 1;
            }
            self.status.last_error = error;
            self.tell().await?;
            if ran {
                return Ok(());
            }
            tokio::time::sleep(START_AGAIN).await;
        }
    }

    /// Moves the cursor behind these messages, before anything else is run: on a full disk the program would
    /// run for them again and again.
    async fn mark_done(&mut self, batch: &[Message]) -> Result<(), Ending> {
        let Some(place) = batch.last().and_then(|message| message.place) else { return Ok(()) };
        loop {
            let params = MarkReaderParams { reader: self.reader.clone(), place };
            match self.ask::<Empty>(Request::MarkReader(params)).await? {
                Ok(Empty {}) => return Ok(()),
                Err(failure) => self.wait_for_disk(failure).await?,
            }
        }
    }

    /// The disk does not let us: `status` tells, and it is tried again after a pause.
    async fn wait_for_disk(&mut self, failure: Failure) -> Result<(), Ending> {
        self.status.last_error = Some(failure.message);
        self.tell().await?;
        tokio::time::sleep(START_AGAIN).await;
        Ok(())
    }

    async fn tell(&self) -> Result<(), Ending> {
        self.handle.0.send(ToCore::Hook(self.status.clone())).await.map_err(|_| Ending)
    }

    async fn subscribe(&self) -> Result<crate::handle::Subscription, Ending> {
        let (respond, answer) = oneshot::channel();
        self.handle.0.send(ToCore::Subscribe { respond }).await.map_err(|_| Ending)?;
        answer.await.map_err(|_| Ending)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<Result<T, Failure>, Ending> {
        let (respond, answer) = oneshot::channel();
        self.handle.0.send(ToCore::Request { request, respond }).await.map_err(|_| Ending)?;
        let answer = answer.await.map_err(|_| Ending)?;
        Ok(answer.map(|value| {
            serde_json::from_value(value).expect("the core answers in the request's own type")
        }))
    }
}
