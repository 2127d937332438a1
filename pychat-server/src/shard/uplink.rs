//! One session's outbox on its way: in order, several messages under way at once.
//!
//! ```text
//! Waiting --> Handed --> Accepted --> Settled --> gone
//!    ^----------'  '--> ToRefuse --> Refused --> gone (skipped)
//! ```
//! Texts to one mailbox follow each other: each says which one before it is under way there ([`super::turns`]). One
//! that came back because that one was missing waits until its fate is known, and all behind it to that mailbox wait
//! too; those to others go on.
//!
//! A message is accepted as soon as it is safe somewhere, and settled when no crash of this server can
//! bring it back. Only what is settled moves the position that a client hears at its next login.

use super::message::{Kind, Message};
use pychat_proto::{RECORD_WINDOW, RefuseCode, Seq, UserName};
use std::collections::VecDeque;

/// Most messages that are accepted and not settled; the client waits for its COMMIT beyond.
pub(super) const UNSETTLED_MAX: usize = RECORD_WINDOW as usize;

/// Most messages of one session that are not done with: each takes at least one record, and a client
/// sends at most [`RECORD_WINDOW`] beyond what was committed; one more for a skip.
pub(super) const PENDING_MAX: usize = UNSETTLED_MAX + RECORD_WINDOW as usize + 1;

/// What a session has sent and is not settled.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    pending: VecDeque<Pending>,
    /// None before this one waits, but those that were passed over.
    next: usize,
    /// Whether any was passed over, for what is not known of the one before it.
    passed: bool,
    /// All before this one are accepted, and it is not.
    accepted: usize,
}

#[derive(Debug)]
struct Pending {
    first: Seq,
    last: Seq,
    write: Write,
    state: State,
    /// How often it was handed on.
    tries: u32,
    /// It came back because this one was missing, by its last record, when it had been handed on so often.
    missed: Option<(Seq, u32)>,
    /// No disk of ours has it.
    skipped: bool,
}

#[derive(Debug)]
enum Write {
    Message(Message),
    Skip,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Handed,
    /// To be refused as soon as all before it is accepted.
    ToRefuse(RefuseCode),
    /// The client was told and will skip it.
    Refused,
    Accepted,
    Settled,
}

/// More messages are pending than the window allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overrun;

/// The next thing to be done for a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// Hand this message to its mailbox, where the one that ends at `after` is under way before it.
    Send { first: Seq, last: Seq, after: Option<Seq>, message: &'a Message },
    /// Write down that the stream goes on after this record.
    Skip { up_to: Seq },
}

/// How far a stream has come since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Everything up to here is accepted.
    pub(super) accepted: Option<Seq>,
    /// Everything up to here is settled.
    pub(super) settled: Option<Seq>,
    /// Something of what settled is on no disk of ours: the position has to be written by itself.
    pub(super) unwritten: bool,
}

impl Uplink {
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes a message that was handed out by the endpoint.
    pub(super) fn push(&mut self, first: Seq, last: Seq, message: Message) -> Result<(), Overrun> {
        self.push_pending(first, last, Write::Message(message), State::Waiting)
    }

    /// Takes a message that nobody can read; it is refused when its turn comes.
    pub(super) fn push_malformed(&mut self, first: Seq, last: Seq) -> Result<(), Overrun> {
        self.push_pending(first, last, Write::Skip, State::ToRefuse(RefuseCode::Malformed))
    }

    fn push_pending(
        &mut self,
        first: Seq,
        last: Seq,
        write: Write,
        state: State,
    ) -> Result<(), Overrun> {
        if self.pending.len() >= PENDING_MAX {
            return Err(Overrun);
        }
        self.pending.push_back(Pending::new(first, last, write, state));
        Ok(())
    }

    /// The client gave up its records up to `up_to`; what is accepted among them stays so.
    pub(super) fn skip(&mut self, up_to: Seq) {
        self.pending.retain(|pending| pending.last > up_to || pending.state.is_accepted());
        let place = self.pending.partition_point(|pending| pending.last <= up_to);
        let skip = Pending::new(up_to, up_to, Write::Skip, State::Waiting);
        self.pending.insert(place, skip);
        self.accepted = 0;
        self.count_accepted();
        self.look_again();
    }

    /// The next thing to do, noted as being done. Nothing passes a message that is refused, nor a skip
    /// what comes before it.
    pub(super) fn step(&mut self) -> Option<Step<'_>> {
        let (index, after) = loop {
            let pending = self.pending.get(self.next)?;
            let index = self.next;
            match (pending.state, &pending.write) {
                (State::ToRefuse(_) | State::Refused, _) => return None,
                (State::Handed | State::Accepted | State::Settled, _) => {}
                (State::Waiting, Write::Skip) if index > 0 => return None,
                (State::Waiting, Write::Skip) => break (index, None),
                (State::Waiting, Write::Message(message)) => {
                    match self.before(index, &message.to) {
                        Some(before) if pending.waits_for(before) => self.passed = true,
                        before => break (index, before.map(|before| before.last)),
                    }
                }
            }
            self.next += 1;
        };
        let pending = self.pending.get_mut(index)?;
        pending.state = State::Handed;
        pending.tries = pending.tries.wrapping_add(1);
        pending.missed = None;
        self.next += 1;
        Some(match &pending.write {
            Write::Message(message) => {
                Step::Send { first: pending.first, last: pending.last, after, message }
            }
            Write::Skip => Step::Skip { up_to: pending.last },
        })
    }

    /// The last message before this one to the same mailbox of which it is not known what became of it.
    fn before(&self, index: usize, to: &UserName) -> Option<&Pending> {
        let open = self.pending.range(self.accepted.min(index)..index);
        open.rev().find(|pending| pending.is_open() && pending.goes_to(to))
    }

    /// It is known what became of something: what was passed over may go.
    fn note_fate(&mut self) {
        self.count_accepted();
        if self.passed {
            self.look_again();
        }
    }

    fn count_accepted(&mut self) {
        while self.pending.get(self.accepted).is_some_and(|it| it.state.is_accepted()) {
            self.accepted += 1;
        }
    }

    const fn look_again(&mut self) {
        (self.next, self.passed) = (0, false);
    }

    /// The message that ends at `last` is safe with its recipient.
    pub(super) fn accept(&mut self, last: Seq) {
        if let Some(pending) = self.find(last)
            && matches!(pending.state, State::Waiting | State::Handed)
        {
            pending.state = State::Accepted;
            pending.skipped = true;
            self.note_fate();
        }
    }

    /// The message, or the skip, that ends at `last` is done with.
    pub(super) fn settle(&mut self, last: Seq) {
        if let Some(pending) = self.find(last)
            && matches!(pending.state, State::Waiting | State::Handed | State::Accepted)
        {
            pending.state = State::Settled;
            self.note_fate();
        }
    }

    /// The message that ends at `last` was not taken.
    pub(super) fn refuse(&mut self, last: Seq, code: RefuseCode) {
        let Some(pending) = self.find(last).filter(|pending| pending.state == State::Handed) else {
            return;
        };
        match &pending.write {
            // Nobody misses a read receipt: the stream moves on without it.
            Write::Message(Message { kind: Kind::Read, .. }) => {
                pending.write = Write::Skip;
                pending.first = pending.last;
                pending.state = State::Waiting;
            }
            Write::Message(_) | Write::Skip => pending.state = State::ToRefuse(code),
        }
        self.look_again();
    }

    /// What ends at `last` was not written, or is to be delivered anew.
    pub(super) fn fail(&mut self, last: Seq) {
        let index = self.index(last);
        if let Some(pending) = self.pending.get_mut(index).filter(|pending| pending.last == last)
            && matches!(pending.state, State::Handed | State::Accepted)
        {
            pending.state = State::Waiting;
            self.accepted = self.accepted.min(index);
            self.look_again();
        }
    }

    /// What ends at `last` was not taken, as the one before it was not there.
    pub(super) fn put_back(&mut self, last: Seq) {
        self.fail(last);
        let index = self.index(last);
        let Some(pending) = self.pending.get(index).filter(|it| it.state == State::Waiting) else {
            return;
        };
        let Write::Message(Message { to, .. }) = &pending.write else { return };
        let missed = self.before(index, to).filter(|before| before.state == State::Handed);
        let missed = missed.map(|before| (before.last, before.tries));
        self.pending[index].missed = missed;
    }

    /// The client is to be told, once, that this message is refused.
    pub(super) fn refusal(&mut self) -> Option<(Seq, RefuseCode)> {
        let pending = self.pending.get_mut(self.accepted)?;
        let State::ToRefuse(code) = pending.state else { return None };
        pending.state = State::Refused;
        Some((pending.last, code))
    }

    /// How far the stream has come; what is settled is forgotten.
    pub(super) fn progress(&mut self) -> Progress {
        let mut progress = Progress::default();
        while let Some(pending) = self.pending.front().filter(|it| it.state == State::Settled) {
            progress.settled = Some(pending.last);
            progress.unwritten |= pending.skipped;
            self.pending.pop_front();
            self.next = self.next.saturating_sub(1);
            self.accepted = self.accepted.saturating_sub(1);
        }
        let accepted = self.accepted.min(UNSETTLED_MAX).checked_sub(1);
        let accepted = accepted.and_then(|index| self.pending.get(index));
        progress.accepted = accepted.map(|pending| pending.last).or(progress.settled);
        progress
    }

    fn find(&mut self, last: Seq) -> Option<&mut Pending> {
        let index = self.index(last);
        self.pending.get_mut(index).filter(|pending| pending.last == last)
    }

    fn index(&self, last: Seq) -> usize {
        self.pending.partition_point(|pending| pending.last < last)
    }
}

impl Pending {
    const fn new(first: Seq, last: Seq, write: Write, state: State) -> Self {
        Self { first, last, write, state, tries: 0, missed: None, skipped: false }
    }

    /// Whether it is not known yet what became of it.
    const fn is_open(&self) -> bool {
        matches!(self.state, State::Waiting | State::Handed)
    }

    /// Whether it can only go when it is known what becomes of this one before it.
    fn waits_for(&self, before: &Self) -> bool {
        before.state == State::Waiting || self.missed == Some((before.last, before.tries))
    }

    fn goes_to(&self, to: &UserName) -> bool {
        matches!(&self.write, Write::Message(message) if message.to == *to)
    }
}

impl State {
    const fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted | Self::Settled)
    }
}

#[cfg(test)]
#[path = "tests/uplink.rs"]
mod tests;
