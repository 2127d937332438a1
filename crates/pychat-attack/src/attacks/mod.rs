//! The attacks on the server, by name. A file for each family.

mod acks;
mod floods;
mod forged;
mod frames;
mod loops;
mod mailbox;
mod moving;
mod replays;
mod sockets;
mod spin;

use crate::Target;

pub use acks::{AckNeverSent, AckSkipped};
pub use floods::{InitFlood, Mac, Source};
pub use forged::{Empty, Forged};
pub use frames::{Calls, ControlFrames, PathChallenges, PathResponses, RecordGaps};
pub use loops::Loops;
pub use mailbox::{MailboxFiller, Recipient};
pub use moving::Moving;
pub use replays::Replays;
pub use sockets::{Manners, QUESTIONS, Questions, SlowLoris};
pub use spin::Spin;

/// One hostile thing, done again and again.
pub trait Attack: Send {
    /// Does it some times; how often. Datagrams, unless [`Kind::counts`] says otherwise.
    fn strike(&mut self) -> u64;

    /// What came of it, looked at when all strikes are done.
    ///
    /// # Errors
    /// The server did something else than it has to do.
    fn outcome(&mut self) -> Result<String, String>;
}

/// An attack that can be asked for.
pub struct Kind {
    /// On the command line.
    pub name: &'static str,
    /// For a person, in a table.
    pub what: &'static str,
    /// What its rate counts.
    pub counts: &'static str,
    /// How much of it a second, unless asked otherwise; 0: as much as can be.
    pub per_s: u64,
    /// Makes it ready; that may log in.
    pub begin: fn(&Target, u64) -> Box<dyn Attack>,
}

/// All of them.
pub const ALL: &[Kind] = &[
    Kind {
        name: "spin",
        what: "none, for comparison: a program that only keeps a processor busy",
        counts: "rounds",
        per_s: 0,
        begin: |_, _| Box::new(Spin),
    },
    Kind {
        name: "init-random",
        what: "INITs with valid mac1 and no token, each from another address",
        counts: "datagrams",
        per_s: 100_000,
        begin: |target, seed| Box::new(InitFlood::new(target, Source::Random, Mac::Valid, seed)),
    },
    Kind {
        name: "init-one-source",
        what: "INITs with valid mac1 and no token, all from one address",
        counts: "datagrams",
        per_s: 100_000,
        begin: |target, seed| Box::new(InitFlood::new(target, Source::One, Mac::Valid, seed)),
    },
    Kind {
        name: "init-bad-mac",
        what: "INITs with a wrong mac1, each from another address",
        counts: "datagrams",
        per_s: 100_000,
        begin: |target, seed| Box::new(InitFlood::new(target, Source::Random, Mac::Wrong, seed)),
    },
    Kind {
        name: "init-replay",
        what: "a real login's INIT, replayed from other addresses",
        counts: "datagrams",
        per_s: 20_000,
        begin: |target, seed| Box::new(Replays::new(target, seed)),
    },
    Kind {
        name: "reset-version",
        what: "RESET, VERSION, RETRY, RESP and DATA of no session, unknown versions; forged sources",
        counts: "datagrams",
        per_s: 50_000,
        begin: |target, seed| Box::new(Forged::new(target, seed)),
    },
    Kind {
        name: "loops",
        what: "packets that provoke answers, with the server itself as their source",
        counts: "datagrams",
        per_s: 20_000,
        begin: |target, seed| Box::new(Loops::new(target, seed)),
    },
    Kind {
        name: "empty",
        what: "datagrams of no byte, and of one",
        counts: "datagrams",
        per_s: 100_000,
        begin: |target, seed| Box::new(Empty::new(target, seed)),
    },
    Kind {
        name: "ack-never-sent",
        what: "a login, then an ACK of packets that were never sent",
        counts: "logins",
        per_s: 20,
        begin: |target, seed| Box::new(AckNeverSent::new(target, seed)),
    },
    Kind {
        name: "ack-skipped",
        what: "ACKs of everything, so also of the numbers left out on purpose",
        counts: "datagrams",
        per_s: 10_000,
        begin: |target, seed| Box::new(AckSkipped::new(target, seed)),
    },
    Kind {
        name: "record-gaps",
        what: "8 users send all records of the window but the first, forever",
        counts: "datagrams",
        per_s: 10_000,
        begin: |target, seed| Box::new(RecordGaps::new(target, seed)),
    },
    Kind {
        name: "path-challenges",
        what: "PATH_CHALLENGEs, which only servers may send, without acknowledging anything",
        counts: "frames",
        per_s: 1_000_000,
        begin: |target, seed| Box::new(PathChallenges::new(target, seed)),
    },
    Kind {
        name: "path-responses",
        what: "wrong PATH_RESPONSEs, without acknowledging anything",
        counts: "frames",
        per_s: 1_000_000,
        begin: |target, seed| Box::new(PathResponses::new(target, seed)),
    },
    Kind {
        name: "control-frames",
        what: "SKIPs that each ask for a COMMIT, and PINGs, without acknowledging anything",
        counts: "datagrams",
        per_s: 10_000,
        begin: |target, seed| Box::new(ControlFrames::new(target, seed)),
    },
    Kind {
        name: "calls",
        what: "one user asks 100,000 questions and more, and acknowledges no answer",
        counts: "questions",
        per_s: 100_000,
        begin: |target, seed| Box::new(Calls::new(target, seed)),
    },
    Kind {
        name: "moving",
        what: "a session whose every packet comes from another address",
        counts: "datagrams",
        per_s: 10_000,
        begin: |target, seed| Box::new(Moving::new(target, seed)),
    },
    Kind {
        name: "slow-recipient",
        what: "texts to somebody who acknowledges packets and never commits",
        counts: "texts",
        per_s: 2_000,
        begin: |target, seed| Box::new(MailboxFiller::new(target, Recipient::Slow, seed)),
    },
    Kind {
        name: "stuck-recipient",
        what: "texts to somebody who is connected and does nothing at all",
        counts: "texts",
        per_s: 2_000,
        begin: |target, seed| Box::new(MailboxFiller::new(target, Recipient::Stuck, seed)),
    },
    Kind {
        name: "mailbox-full",
        what: "one user fills an absent one's mailbox and goes on",
        counts: "texts",
        per_s: 2_000,
        begin: |target, seed| Box::new(MailboxFiller::new(target, Recipient::Absent, seed)),
    },
];

/// The attack of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Kind> {
    ALL.iter().find(|kind| kind.name == name)
}
