//! Frames that make the server keep or say something, from somebody who acknowledges nothing.

use crate::{Attack, Insider, Target};
use pychat_proto::{
    RECORD_BYTES_MAX, RECORD_WINDOW,
    chat::{self, Call, Prekey},
    hostile::{Frames, Heard},
};

/// Users who leave gaps.
const GAP_USERS: usize = 8;

/// Frames of 9 bytes that fit a packet.
const PATH_FRAMES: usize = 128;

/// Packets of `PATH_CHALLENGE` frames after one login.
const PACKETS_A_LOGIN: u64 = 100;

/// Questions at once, and how many fit a packet.
const CALLS: u64 = 32;
const CALLS_A_PACKET: usize = 16;

/// Records that never become a message: the first of the window is missing forever.
pub struct RecordGaps {
    insiders: Vec<Insider>,
    next: u64,
    closed: u64,
}

impl RecordGaps {
    /// Logs the users in.
    #[must_use]
    pub fn new(target: &Target, seed: u64) -> Self {
        let log_in =
            |number| Insider::log_in(&format!("gap{number}"), target, seed + number as u64);
        Self { insiders: (0..GAP_USERS).map(log_in).collect(), next: 0, closed: 0 }
    }
}

impl Attack for RecordGaps {
    fn strike(&mut self) -> u64 {
        let seq = 2 + self.next % (RECORD_WINDOW - 1);
        self.next += 1;
        for insider in &mut self.insiders {
            let seq = insider.peer.committed + seq;
            insider.send(&Frames::default().record(seq, true, &[7; RECORD_BYTES_MAX]));
            self.closed += closes(&insider.hear());
        }
        self.insiders.len() as u64
    }

    fn outcome(&mut self) -> Result<String, String> {
        if self.closed > 0 {
            return Err(format!("{} sessions were closed, though they broke no rule", self.closed));
        }
        Ok(format!("{GAP_USERS} sessions hold a window of records each"))
    }
}

fn closes(heard: &[Heard]) -> u64 {
    heard.iter().filter(|heard| matches!(heard, Heard::Close(_))).count() as u64
}

/// `PATH_CHALLENGE` frames to the server.
pub struct PathChallenges {
    insider: Insider,
    packets: u64,
    logins: u64,
    closes: u64,
}

impl PathChallenges {
    /// Logs in.
    #[must_use]
    pub fn new(target: &Target, seed: u64) -> Self {
        let insider = Insider::log_in("challenger", target, seed);
        Self { insider, packets: 0, logins: 1, closes: 0 }
    }
}

impl Attack for PathChallenges {
    fn strike(&mut self) -> u64 {
        if self.packets == PACKETS_A_LOGIN {
            self.insider.log_in_again();
            (self.packets, self.logins) = (0, self.logins + 1);
        }
        let frames = |frames: Frames, number| frames.path_challenge([number as u8; 8]);
        let frames = (0..PATH_FRAMES).fold(Frames::default(), frames);
        self.insider.send(&frames);
        self.closes += closes(&self.insider.hear());
        self.packets += 1;
        PATH_FRAMES as u64
    }

    fn outcome(&mut self) -> Result<String, String> {
        let Self { logins, closes, .. } = self;
        // The first closes the session, and three more are told so.
        if *closes == 0 || *closes > 4 * *logins {
            return Err(format!("{closes} CLOSEs for {logins} logins"));
        }
        Ok(format!("{logins} logins, each closed at its first frame; {closes} CLOSEs"))
    }
}

/// Answers to challenges that were never given.
pub struct PathResponses {
    insider: Insider,
    closed: u64,
}

impl PathResponses {
    /// Logs in.
    #[must_use]
    pub fn new(target: &Target, seed: u64) -> Self {
        Self { insider: Insider::log_in("responder", target, seed), closed: 0 }
    }
}

impl Attack for PathResponses {
    fn strike(&mut self) -> u64 {
        let frames = |frames: Frames, number| frames.path_response([number as u8; 8]);
        let frames = (0..PATH_FRAMES).fold(Frames::default(), frames);
        self.insider.send(&frames);
        self.closed += closes(&self.insider.hear());
        PATH_FRAMES as u64
    }

    fn outcome(&mut self) -> Result<String, String> {
        if self.closed > 0 {
            return Err("a wrong answer means nothing, but the session was closed".into());
        }
        Ok("they mean nothing".into())
    }
}

/// Frames that are answered with frames which are to be acknowledged, and are not.
pub struct ControlFrames {
    insider: Insider,
    heard: u64,
    sent: u64,
}

impl ControlFrames {
    /// Logs in and gives the first record up, so that there is a COMMIT to ask for.
    #[must_use]
    pub fn new(target: &Target, seed: u64) -> Self {
        let mut insider = Insider::log_in("nagger", target, seed);
        insider.send(&Frames::default().skip(1, 1));
        Self { insider, heard: 0, sent: 0 }
    }
}

impl Attack for ControlFrames {
    fn strike(&mut self) -> u64 {
        let frames = |frames: Frames, _| frames.skip(1, 1).ping();
        let frames = (0..PATH_FRAMES).fold(Frames::default(), frames);
        self.sent += u64::from(self.insider.send(&frames));
        self.heard += self.insider.hear().len() as u64;
        1
    }

    fn outcome(&mut self) -> Result<String, String> {
        let Self { heard, sent, .. } = self;
        // An ACK and a COMMIT for each packet at most.
        if *heard == 0 || *heard > 3 * *sent + 100 {
            return Err(format!("{heard} frames for {sent} packets"));
        }
        Ok(format!("{heard} frames for {sent} packets"))
    }
}

/// Questions whose answers are not acknowledged.
pub struct Calls {
    insider: Insider,
    questions: Vec<Vec<u8>>,
    next: u64,
    replies: u64,
    closed: u64,
}

impl Calls {
    /// Logs in.
    #[must_use]
    pub fn new(target: &Target, seed: u64) -> Self {
        let insider = Insider::log_in("curious", target, seed);
        let (user, key) = (*insider.name(), vec![7; 16]);
        let questions = [
            Call::Users { after: None, offline_too: true },
            Call::PublishDevice { device: key.clone(), fallback: key.clone() },
            Call::PublishPrekeys { first: 0, keys: vec![Prekey(key); 2] },
            Call::UserKeys { user, claim: true },
            Call::OwnKeys,
        ];
        let questions = questions.iter().map(chat::encode).collect();
        Self { insider, questions, next: 0, replies: 0, closed: 0 }
    }
}

impl Attack for Calls {
    fn strike(&mut self) -> u64 {
        let ids = self.next..self.next + CALLS;
        self.next += CALLS;
        let questions = &self.questions;
        let ask =
            |frames: Frames, id: &u64| frames.call(*id, &questions[*id as usize % questions.len()]);
        for ids in ids.collect::<Vec<_>>().chunks(CALLS_A_PACKET) {
            self.insider.send(&ids.iter().fold(Frames::default(), ask));
        }
        let heard = self.insider.hear();
        self.closed += closes(&heard);
        self.replies +=
            heard.iter().filter(|heard| matches!(heard, Heard::Reply(_))).count() as u64;
        CALLS
    }

    fn outcome(&mut self) -> Result<String, String> {
        let Self { next, replies, closed, .. } = self;
        if *closed > 0 || *replies == 0 || *replies > *next {
            return Err(format!("{next} questions, {replies} parts of answers, {closed} CLOSEs"));
        }
        Ok(format!("{next} questions, {replies} parts of answers"))
    }
}
