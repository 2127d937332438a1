//! From "safe on the recipient's disk" to the senders' receipts and the trim behind them.
//!
//! One round at a time: receipts are written, and only when all of them are on disk the mailbox is
//! trimmed up to what they speak for, so that no crash loses one. What settles meanwhile is
//! gathered for the next round, several texts of one sender in one receipt.

use super::unsettled::{Owed, Settled};
use crate::store::{Append, Command, Origin};
use pychat_proto::{
    Cursor, MessageId, UserName,
    chat::{self, IDS_PER_RECEIPT_MAX, ToClient, UnixMillis},
};
use std::collections::BTreeMap;

/// Receipts that one session may owe before its deliveries pause.
pub(super) const OWED_MAX: usize = 1024;

/// What one session owes to those who wrote to its user.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    owed: Vec<Owed>,
    up_to: Option<Cursor>,
    round: Option<Round>,
}

#[derive(Debug)]
struct Round {
    receipts: Vec<Receipt>,
    up_to: Cursor,
}

#[derive(Debug)]
struct Receipt {
    append: Append,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    Submitted,
    Stored,
}

/// What is to be submitted next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A receipt; its outcome is to be told with this number.
    Receipt(usize, Command),
    /// All receipts up to here are on disk: the entries may go. Its outcome does not matter.
    Trim(Cursor),
}

impl Receipts {
    /// The recipient holds these.
    pub(super) fn settled(&mut self, settled: Settled) {
        self.up_to = self.up_to.max(Some(settled.up_to));
        self.owed.extend(settled.owed);
    }

    /// What to submit next, marked as submitted. `by` is the recipient.
    pub(super) fn submit(&mut self, by: &UserName, at: UnixMillis) -> Option<Next> {
        if self.round.is_none() {
            let up_to = self.up_to.take()?;
            let appends = appends(std::mem::take(&mut self.owed), by, at);
            let receipts = appends.map(|append| Receipt { append, progress: Progress::Waiting });
            self.round = Some(Round { receipts: receipts.collect(), up_to });
        }
        let round = self.round.as_mut()?;
        let waiting = |receipt: &Receipt| receipt.progress == Progress::Waiting;
        if let Some(number) = round.receipts.iter().position(waiting) {
            let receipt = &mut round.receipts[number];
            receipt.progress = Progress::Submitted;
            return Some(Next::Receipt(number, Command::Append(receipt.append.clone())));
        }
        if round.receipts.iter().any(|receipt| receipt.progress == Progress::Submitted) {
            return None;
        }
        let up_to = round.up_to;
        self.round = None;
        Some(Next::Trim(up_to))
    }

    /// The receipt of this number is on disk (or there is nobody to be told).
    pub(super) fn stored(&mut self, number: usize) {
        self.progress(number, Progress::Stored);
    }

    /// The store failed at the receipt of this number: it is submitted again.
    pub(super) fn failed(&mut self, number: usize) {
        self.progress(number, Progress::Waiting);
    }

    fn progress(&mut self, number: usize, progress: Progress) {
        let receipt = self.round.as_mut().and_then(|round| round.receipts.get_mut(number));
        if let Some(receipt) = receipt {
            receipt.progress = progress;
        }
    }

    /// Whether deliveries should pause.
    pub(super) fn is_full(&self) -> bool {
        self.owed.len() >= OWED_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.round.is_none() && self.up_to.is_none()
    }

    /// What was never submitted, when the session ends: worth a try, so that nobody waits for the
    /// recipient's next login, which would find the entries again.
    pub(super) fn into_remaining(self, by: &UserName, at: UnixMillis) -> Vec<Command> {
        let waiting = self.round.into_iter().flat_map(|round| round.receipts);
        let waiting = waiting.filter(|receipt| receipt.progress == Progress::Waiting);
        let appends = waiting.map(|receipt| receipt.append).chain(appends(self.owed, by, at));
        appends.map(Command::Append).collect()
    }
}

/// One receipt for each sender and at most [`IDS_PER_RECEIPT_MAX`] texts.
fn appends(owed: Vec<Owed>, by: &UserName, at: UnixMillis) -> impl Iterator<Item = Append> {
    let mut by_sender: BTreeMap<UserName, Vec<MessageId>> = BTreeMap::new();
    for Owed { to, id } in owed {
        by_sender.entry(to).or_default().push(id);
    }
    by_sender.into_iter().flat_map(move |(mailbox, ids)| {
        let receipts = ids.chunks(IDS_PER_RECEIPT_MAX).map(|ids| {
            let receipt = ToClient::Delivered { by: by.clone(), ids: ids.to_vec(), at };
            let entry = chat::encode(&receipt).into();
            Append { mailbox: mailbox.clone(), origin: Origin::Server, entry }
        });
        receipts.collect::<Vec<_>>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserName {
        UserName::parse(name).unwrap()
    }

    fn owed(to: &str, number: u16) -> Owed {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        Owed { to: user(to), id: MessageId::from_bytes(id) }
    }

    fn settled(up_to: u64, owed: impl IntoIterator<Item = Owed>) -> Settled {
        Settled { up_to: Cursor(up_to), owed: owed.into_iter().collect() }
    }

    /// To whom a receipt goes, and for how many texts.
    fn receipt(next: Option<Next>) -> (usize, UserName, usize) {
        let Some(Next::Receipt(number, Command::Append(append))) = next else {
            panic!("no receipt but {next:?}")
        };
        assert_eq!(append.origin, Origin::Server);
        match chat::decode(&append.entry).unwrap() {
            ToClient::Delivered { by, ids, at } => {
                assert_eq!((by, at), (user("bob"), 9));
                (number, append.mailbox, ids.len())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_mailbox_is_trimmed_only_when_every_receipt_is_on_disk() {
        let (mut receipts, bob) = (Receipts::default(), user("bob"));
        receipts.settled(settled(7, [owed("zoe", 1), owed("alice", 2), owed("zoe", 3)]));
        assert_eq!(receipt(receipts.submit(&bob, 9)), (0, user("alice"), 1));
        assert_eq!(receipt(receipts.submit(&bob, 9)), (1, user("zoe"), 2));
        assert_eq!(receipts.submit(&bob, 9), None);
        receipts.stored(1);
        receipts.failed(0);
        assert_eq!(receipt(receipts.submit(&bob, 9)), (0, user("alice"), 1));
        assert_eq!(receipts.submit(&bob, 9), None);
        receipts.stored(0);
        assert_eq!(receipts.submit(&bob, 9), Some(Next::Trim(Cursor(7))));
        assert!(receipts.is_empty());
    }

    #[test]
    fn what_settles_during_a_round_waits_for_the_next() {
        let (mut receipts, bob) = (Receipts::default(), user("bob"));
        receipts.settled(settled(1, [owed("alice", 1)]));
        receipt(receipts.submit(&bob, 9));
        receipts.settled(settled(2, [owed("alice", 2)]));
        receipts.settled(settled(3, [owed("alice", 3)]));
        assert_eq!(receipts.submit(&bob, 9), None);
        receipts.stored(0);
        assert_eq!(receipts.submit(&bob, 9), Some(Next::Trim(Cursor(1))));
        assert_eq!(receipt(receipts.submit(&bob, 9)), (0, user("alice"), 2));
    }

    #[test]
    fn entries_without_receipts_are_just_trimmed() {
        let mut receipts = Receipts::default();
        receipts.settled(settled(4, []));
        assert_eq!(receipts.submit(&user("bob"), 9), Some(Next::Trim(Cursor(4))));
        assert_eq!(receipts.submit(&user("bob"), 9), None);
    }

    #[test]
    fn a_receipt_names_at_most_sixty_four_texts() {
        let (mut receipts, bob) = (Receipts::default(), user("bob"));
        let count = IDS_PER_RECEIPT_MAX as u16 + 1;
        receipts.settled(settled(100, (0..count).map(|number| owed("alice", number))));
        assert_eq!(receipt(receipts.submit(&bob, 9)).2, IDS_PER_RECEIPT_MAX);
        assert_eq!(receipt(receipts.submit(&bob, 9)).2, 1);
    }

    #[test]
    fn deliveries_pause_at_the_bound() {
        let mut receipts = Receipts::default();
        receipts.settled(settled(1, (1..OWED_MAX as u16).map(|number| owed("alice", number))));
        assert!(!receipts.is_full());
        receipts.settled(settled(2, [owed("alice", 0)]));
        assert!(receipts.is_full());
    }

    #[test]
    fn an_ending_session_hands_over_what_was_never_submitted() {
        let (mut receipts, bob) = (Receipts::default(), user("bob"));
        receipts.settled(settled(1, [owed("alice", 1)]));
        receipt(receipts.submit(&bob, 9));
        receipts.settled(settled(2, [owed("zoe", 2)]));
        let remaining = receipts.into_remaining(&bob, 9);
        assert_eq!(remaining.len(), 1);
        assert!(matches!(&remaining[0], Command::Append(append) if append.mailbox == user("zoe")));
    }
}
