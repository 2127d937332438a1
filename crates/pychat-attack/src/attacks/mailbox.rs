//! Texts to somebody who does not take them.

use crate::{Attack, Happening, Insider, Member, Target};
use pychat_proto::{RefuseCode, UserName, hostile::Frames};
use std::{
    thread,
    time::{Duration, Instant},
};

/// Texts that wait at the sender's; more are written once fewer do.
const WAITING_MAX: usize = 256;

/// A text's length.
const TEXT_BYTES: usize = 200;

/// The recipient takes its datagrams, and the sender comes and goes, within this time.
const DEADLINE: Duration = Duration::from_secs(30);

/// How the recipient behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// Acknowledges, and never commits.
    Slow,
    /// Connected, and does nothing at all.
    Stuck,
    /// Not there.
    Absent,
}

/// One user who fills another's mailbox.
pub struct MailboxFiller {
    recipient: Insider,
    behaves: Recipient,
    to: UserName,
    sender: Member,
    written: u64,
    refused: u64,
}

impl MailboxFiller {
    /// Logs both in.
    ///
    /// # Panics
    /// They do not get in.
    #[must_use]
    pub fn new(target: &Target, behaves: Recipient, seed: u64) -> Self {
        let mut recipient = Insider::log_in("sink", target, seed);
        let name = *recipient.name();
        // Answered: the name is known to the server.
        let question = pychat_proto::chat::Call::User { name };
        recipient.send(&Frames::default().call(0, &pychat_proto::chat::encode(&question)));
        let known =
            |heard: &_| matches!(heard, pychat_proto::hostile::Heard::Reply(0)).then_some(());
        recipient.wait_for(DEADLINE, known).expect("the recipient is let in");
        if behaves == Recipient::Absent {
            let goodbye = Frames::default().raw(&[0x0e, 0, 0, 0, 0]);
            recipient.send(&goodbye);
        }
        let mut sender = Member::new("filler", target, seed + 1);
        let end = Instant::now() + DEADLINE;
        while !sender.serve().contains(&Happening::Connected) {
            assert!(Instant::now() < end, "the sender is let in");
            thread::sleep(Duration::from_millis(1));
        }
        sender.flush();
        Self { recipient, behaves, to: name, sender, written: 0, refused: 0 }
    }

    /// Texts that were refused because the mailbox is full.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

impl Attack for MailboxFiller {
    fn strike(&mut self) -> u64 {
        let settled = self.sender.unsettled();
        for _ in 0..WAITING_MAX.saturating_sub(settled).min(16) {
            self.sender.write(&self.to, vec![b'x'; TEXT_BYTES]);
            self.written += 1;
        }
        self.sender.flush();
        let full =
            |happening: &Happening| *happening == Happening::Refused(RefuseCode::MailboxFull);
        self.refused +=
            self.sender.serve().iter().filter(|happening| full(happening)).count() as u64;
        let heard = self.recipient.hear();
        if self.behaves == Recipient::Slow && !heard.is_empty() {
            let (largest, bitmap) = self.recipient.peer.received();
            self.recipient.send(&Frames::default().ack(largest, bitmap));
        }
        let news = settled.saturating_sub(self.sender.unsettled()) as u64;
        if news == 0 {
            thread::sleep(Duration::from_micros(200));
        }
        news
    }

    fn outcome(&mut self) -> Result<String, String> {
        let end = Instant::now() + DEADLINE;
        while self.sender.unsettled() > 0 && Instant::now() < end {
            self.strike_out();
        }
        let Self { written, refused, .. } = self;
        match self.sender.unsettled() {
            0 => Ok(format!("{written} texts written, {refused} refused as the mailbox is full")),
            open => Err(format!("{open} texts of {written} are neither taken nor refused")),
        }
    }
}

impl MailboxFiller {
    /// Writes no more, and serves what is under way.
    fn strike_out(&mut self) {
        let full =
            |happening: &Happening| *happening == Happening::Refused(RefuseCode::MailboxFull);
        self.refused +=
            self.sender.serve().iter().filter(|happening| full(happening)).count() as u64;
        thread::sleep(Duration::from_micros(200));
    }
}
