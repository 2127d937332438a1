//! The texts of one sender: when the next one is due, and those that are not safe at the server yet.

use crate::body::{Body, Stamp};
use pychat_proto::{
    Client, Instant, Lane, MessageId, Seq, UserName,
    chat::{self, ToServer},
};
use std::collections::VecDeque;

/// Texts that one sender keeps, as the open loop goes on whatever comes back. Beyond it the server is
/// too slow for the rate, and the texts that are due wait unwritten.
const UNSETTLED_MAX: usize = 10_000;

/// How a sender spaces its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Closed loop: at most this many that the server has not accepted.
    Window(u64),
    /// Open loop: so many in all, whatever comes back. See `Crowd::due`.
    Due(u64),
}

/// One sender's texts.
#[derive(Debug)]
pub(crate) struct Writer {
    run: u32,
    pair: u32,
    pace: Pace,
    /// The last one's number plus one, and how many there will be.
    written: u64,
    limit: u64,
    /// The text that is written next; only its id, time and body change.
    text: ToServer,
    /// Texts that are not accepted, encoded; the first one's record is `first`.
    unsettled: VecDeque<Vec<u8>>,
    first: Seq,
    /// The next record to offer in this session.
    next: Option<Seq>,
}

impl Writer {
    /// Will write up to `limit` texts to `to`.
    pub(crate) fn new(run: u32, pair: u32, to: UserName, pace: Pace, limit: u64) -> Self {
        let text = ToServer::Text { id: MessageId::from_bytes([0; 16]), to, body: Vec::new() };
        Self {
            run,
            pair,
            pace,
            written: 0,
            limit,
            text,
            unsettled: VecDeque::new(),
            first: Seq(1),
            next: None,
        }
    }

    /// One more is due, in the open loop.
    pub(crate) fn due(&mut self) {
        if let Pace::Due(count) = &mut self.pace {
            *count += 1;
        }
    }

    /// Nothing more is written.
    pub(crate) fn stop(&mut self) {
        self.limit = self.written;
    }

    /// The session begins, or is over.
    pub(crate) fn begin(&mut self, next: Option<Seq>) {
        self.next = next;
    }

    /// The server holds everything up to here; how many texts that settles.
    pub(crate) fn settle(&mut self, up_to: Seq) -> u64 {
        let before = self.first;
        while self.first <= up_to && self.unsettled.pop_front().is_some() {
            self.first = self.first.next();
        }
        self.first.0 - before.0
    }

    /// Writes what is due and hands over what there is room for; how many were written.
    pub(crate) fn write(&mut self, now: Instant, client: &mut Client) -> u64 {
        let accepted = self.first.0 - 1;
        let allowed = match self.pace {
            Pace::Window(window) => accepted + window,
            Pace::Due(count) => count,
        };
        let before = self.written;
        while self.written < allowed.min(self.limit) && self.unsettled.len() < UNSETTLED_MAX {
            self.write_one();
        }
        self.offer(now, client);
        self.written - before
    }

    fn write_one(&mut self) {
        let Self { run, pair, written: number, .. } = *self;
        // All of this module's texts are texts.
        if let ToServer::Text { id, body, .. } = &mut self.text {
            let unique = u128::from(run) << 96 | u128::from(pair) << 64 | u128::from(number);
            *id = MessageId::from_bytes(unique.to_be_bytes());
            Body { run, pair, number, sent_at: Stamp::now() }.write(body);
        }
        self.unsettled.push_back(chat::encode(&self.text));
        self.written += 1;
    }

    fn offer(&mut self, now: Instant, client: &mut Client) {
        while let Some(next) = self.next
            && let Some(index) = next.0.checked_sub(self.first.0)
            && let Some(payload) = usize::try_from(index).ok().and_then(|at| self.unsettled.get(at))
            && client.room(Lane::CHAT) > 0
        {
            client.send_message(now, Lane::CHAT, next, payload);
            self.next = Some(next.next());
        }
    }
}
