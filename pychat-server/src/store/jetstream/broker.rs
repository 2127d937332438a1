//! What the engine asks of the cluster: a log with subjects, of which each message has a number. It is a
//! trait because there are two: NATS ([`super::nats`]) and the simulation's model of it.

use super::subject::{Kind, Subject};
use crate::store::ReadLimit;
use pychat_proto::UserName;

/// A replicated log.
///
/// What was published and answered with a number is there after any crash of fewer than half of the
/// replicas, and after a crash of all of them at once.
pub trait Broker: Send {
    /// The stream in which a subject lies; the one of bans and invites has no number.
    fn stream(&self, subject: &Subject) -> Option<u8>;

    /// Publishes all of it at once, in no order. Each is taken only if its subject (or, for rules, all
    /// rules together) still ends where it was expected to. Answers in the order of the batch.
    fn publish(&mut self, batch: &[Publish]) -> Vec<Result<u64, PublishError>>;

    /// The newest message of each subject, as its leader knows it.
    fn last(&mut self, subjects: &[Subject]) -> Result<Vec<Option<Message>>, Trouble>;

    /// Messages of a subject from this number on, ascending, within the limit (at least one, if there is
    /// one). The limit counts their bytes. All up to `until` are there that were not purged.
    fn read(
        &mut self,
        subject: &Subject,
        from: u64,
        until: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Message>, Trouble>;

    /// As [`Broker::read`], of several subjects at once, each from and until a number.
    fn read_each(
        &mut self,
        wanted: &[(Subject, u64, u64)],
        limit: ReadLimit,
    ) -> Result<Vec<Vec<Message>>, Trouble> {
        let read =
            wanted.iter().map(|(subject, from, until)| self.read(subject, *from, *until, limit));
        read.collect()
    }

    /// Bans and invites that were written after this number, in their order; an empty body says that
    /// there is none any more. All are there, if they are asked for `freshly`; otherwise perhaps not those of the
    /// last moment.
    fn rules(&mut self, after: u64, freshly: bool) -> Result<Vec<(Subject, Message)>, Trouble>;

    /// Removes a subject's messages up to this number, some time soon. Not done in a crash; then what was
    /// to go is read again.
    fn purge(&mut self, subject: &Subject, up_to: u64);

    /// Removes a subject's messages up to this number now.
    fn remove(&mut self, subject: &Subject, up_to: u64) -> Result<(), Trouble>;

    /// Names of all who have anything of this kind, in any order.
    fn names(&mut self, kind: Kind) -> Result<Vec<UserName>, Trouble>;

    /// Bytes on disk, on one replica.
    fn bytes(&mut self) -> Result<u64, Trouble>;
}

/// Something to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Where.
    pub subject: Subject,
    /// The number that the subject's newest message has, zero if there is none; of a rule, the newest of all
    /// rules.
    pub expected: u64,
    /// Whether it takes the place of what was there.
    pub replaces: bool,
    /// What.
    pub body: Vec<u8>,
}

/// A message of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number, ascending over all subjects of its stream.
    pub number: u64,
    /// What.
    pub body: Vec<u8>,
}

/// Why something was not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Somebody else was quicker.
    #[error("somebody else wrote there")]
    Conflict,
    /// See [`Trouble`].
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

/// Why the cluster did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It was not done.
    #[error("{0}")]
    NotDone(String),
    /// Perhaps it was done, or will be.
    #[error("{0}")]
    Unknown(String),
}
