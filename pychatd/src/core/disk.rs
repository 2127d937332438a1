//! The disk's health: what failed last, and when to try again.

use super::Core;
use crate::db::DatabaseError;
use pychat_proto::Instant;
use std::time::Duration;

/// The first pause after a failure; it doubles with each one.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// The longest pause.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What is known of the disk.
#[derive(Debug, Default)]
pub(super) struct Disk {
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    text: String,
    retry_at: Instant,
    pause: Duration,
}

impl Disk {
    /// A transaction succeeded.
    pub(super) fn worked(&mut self) {
        self.trouble = None;
    }

    /// A transaction failed.
    pub(super) fn failed(&mut self, now: Instant, error: &DatabaseError) {
        tracing::warn!(%error, "the database cannot be written");
        let pause = match &self.trouble {
            // Requests that fail meanwhile do not stretch the pause.
            Some(trouble) if now < trouble.retry_at => return,
            Some(trouble) => (trouble.pause * 2).min(RETRY_MAX),
            None => RETRY_FIRST,
        };
        self.trouble = Some(Trouble { text: error.to_string(), retry_at: now + pause, pause });
    }

    /// Whether what waits for the disk may be tried.
    pub(super) fn is_ready(&self) -> bool {
        self.trouble.is_none()
    }

    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.trouble.as_ref().map(|trouble| trouble.retry_at)
    }

    /// What is wrong, for a person.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_ref().map(|trouble| trouble.text.as_str())
    }
}

impl Core {
    /// After a failure and its pause: finds out whether the disk works again.
    pub(super) fn retry_disk(&mut self) {
        if self.disk.retry_at().is_some_and(|at| at <= self.now.mono) {
            // Either way `disk` knows afterwards.
            let _ = self.change(|change| {
                let settings = change.stored.settings.clone();
                change.tx.save_settings(&settings)
            });
        }
    }
}
