//! From "safe on the recipient's disk" to the senders' receipts and the trim behind them.
//!
//! What the store has is receipted in rounds: receipts are handed out, and only when all of a round and
//! of those before it are safe the mailbox is trimmed up to what they speak for, so that no crash loses
//! one. A receipt is safe once its reader says so, which may take that reader a while: several rounds are
//! under way at once. What settles beyond is gathered for the next one, several texts of one sender in
//! one receipt.

use super::{parcel::Unwritten, unsettled::Owed};
use pychat_proto::{
    Cursor, UserName,
    chat::{self, IDS_PER_RECEIPT_MAX, ToClient, UnixMillis},
};
use smallvec::SmallVec;
use std::{collections::VecDeque, sync::Arc};

/// Receipts that one session may owe before its deliveries pause.
pub(super) const OWED_MAX: usize = 1024;

/// Rounds of one session that are under way at once.
const ROUNDS_MAX: usize = 8;

/// What one session owes to those who wrote to its user.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    owed: Vec<Owed>,
    up_to: Option<Cursor>,
    rounds: VecDeque<Round>,
    /// The number of the next round's first receipt.
    next: usize,
}

#[derive(Debug)]
struct Round {
    /// The first receipt's number; the others' follow it.
    first: usize,
    receipts: Vec<(Receipt, Progress)>,
    up_to: Cursor,
}

/// An entry that tells a sender of texts that they are safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) to: UserName,
    pub(super) entry: Arc<[u8]>,
    /// Those of the texts that no disk of ours has.
    pub(super) settles: SmallVec<[Unwritten; 2]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    Submitted,
    Stored,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Hand out a receipt; what became of it is to be told with this number.
    Receipt(usize, Receipt),
    /// All receipts up to here are safe: the entries may go. Its outcome does not matter.
    Trim(Cursor),
}

impl Receipts {
    /// The recipient holds these, the last of them at this place.
    pub(super) fn settled(&mut self, up_to: Cursor, owed: Vec<Owed>) {
        self.up_to = self.up_to.max(Some(up_to));
        self.owed.extend(owed);
    }

    /// What to do next, noted as being done. `by` is the recipient.
    pub(super) fn next(&mut self, by: &UserName, at: UnixMillis) -> Option<Next> {
        loop {
            if let Some(receipt) = self.rounds.iter_mut().find_map(Round::next) {
                return Some(receipt);
            }
            let mut safe = None;
            while let Some(round) = self.rounds.front().filter(|round| round.is_safe()) {
                safe = Some(Next::Trim(round.up_to));
                self.rounds.pop_front();
            }
            if safe.is_some() || self.rounds.len() >= ROUNDS_MAX {
                return safe;
            }
            let up_to = self.up_to.take()?;
            let receipts = gather(std::mem::take(&mut self.owed), by, at);
            let receipts = receipts.into_iter().map(|receipt| (receipt, Progress::Waiting));
            let receipts: Vec<_> = receipts.collect();
            let first = self.next;
            self.next += receipts.len();
            self.rounds.push_back(Round { first, receipts, up_to });
        }
    }

    /// The receipt of this number is safe (or there is nobody to be told).
    pub(super) fn stored(&mut self, number: usize) {
        self.progress(number, Progress::Stored);
    }

    /// The store failed at the receipt of this number: it is handed out again.
    pub(super) fn failed(&mut self, number: usize) {
        self.progress(number, Progress::Waiting);
    }

    fn progress(&mut self, number: usize, to: Progress) {
        let round = self.rounds.partition_point(|round| round.first <= number).checked_sub(1);
        let round = round.and_then(|round| self.rounds.get_mut(round));
        let receipt = round.and_then(|round| round.receipts.get_mut(number - round.first));
        if let Some((_, progress)) = receipt
            && *progress == Progress::Submitted
        {
            *progress = to;
        }
    }

    /// Whether deliveries should pause.
    pub(super) fn is_full(&self) -> bool {
        self.owed.len() >= OWED_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rounds.is_empty() && self.up_to.is_none()
    }

    /// What was never handed out, when the session ends: worth a try, so that nobody waits for the
    /// recipient's next login.
    pub(super) fn into_remaining(self, by: &UserName, at: UnixMillis) -> Vec<Receipt> {
        let waiting = self.rounds.into_iter().flat_map(|round| round.receipts);
        let waiting = waiting.filter(|(_, progress)| *progress == Progress::Waiting);
        waiting.map(|(receipt, _)| receipt).chain(gather(self.owed, by, at)).collect()
    }
}

impl Round {
    /// The next receipt to be handed out, noted as being so.
    fn next(&mut self) -> Option<Next> {
        let waiting = |(_, progress): &(_, Progress)| *progress == Progress::Waiting;
        let index = self.receipts.iter().position(waiting)?;
        let (receipt, progress) = &mut self.receipts[index];
        *progress = Progress::Submitted;
        Some(Next::Receipt(self.first + index, receipt.clone()))
    }

    fn is_safe(&self) -> bool {
        self.receipts.iter().all(|(_, progress)| *progress == Progress::Stored)
    }
}

/// One receipt for each sender and at most [`IDS_PER_RECEIPT_MAX`] texts.
pub(super) fn gather(mut owed: Vec<Owed>, by: &UserName, at: UnixMillis) -> Vec<Receipt> {
    // Those of one sender stay in their order.
    owed.sort_by_key(|owed| owed.to);
    let of_one = owed.chunk_by(|one, other| one.to == other.to);
    let receipts = of_one.flat_map(|owed| owed.chunks(IDS_PER_RECEIPT_MAX)).map(|owed| {
        let ids = owed.iter().map(|owed| owed.id).collect();
        let receipt = ToClient::Delivered { by: *by, ids, at };
        let settles = owed.iter().filter_map(|owed| owed.record).collect();
        Receipt { to: owed[0].to, entry: chat::encode(&receipt).into(), settles }
    });
    receipts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pychat_proto::MessageId;

    fn user(name: &str) -> UserName {
        UserName::parse(name).unwrap()
    }

    fn owed(to: &str, number: u16) -> Owed {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        Owed { to: user(to), id: MessageId::from_bytes(id), record: None }
    }

    /// To whom a receipt goes, and for how many texts.
    fn receipt(next: Option<Next>) -> (usize, UserName, usize) {
        let Some(Next::Receipt(number, receipt)) = next else { panic!("no receipt but {next:?}") };
        match chat::decode(&receipt.entry).unwrap() {
            ToClient::Delivered { by, ids, at } => {
                assert_eq!((by, at), (user("bob"), 9));
                (number, receipt.to, ids.len())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_mailbox_is_trimmed_only_when_every_receipt_is_safe() {
        let (mut receipts, bob) = (Receipts::default(), user("bob"));
        receipts.settled(Cursor(7), vec![owed("zoe", 1), owed("alice", 2), owed("zoe", 3)]);
        assert_eq!(receipt(receipts.next(&bob, 9)), (0, user("alice"), 1));
        assert_eq!(receipt(receipts.next(&bob, 9)), (1, user("zoe"), 2));
        assert_eq!(receipts.next(&bob, 9), None);
        receipts.stored(1);
        receipts.failed(0);
        assert_eq!(receipt(receipts.next(&bob, 9)), (0, user("alice"), 1));
        assert_eq!(receipts.next(&bob, 9), None);
        receipts.stored(0);
        assert_eq!(receipts.next(&bob, 9), Some(Next::Trim(Cursor(7))));
        assert!(receipts.is_empty());
    }

    #[test]
    fn what_settles_while_all_rounds_are_under_way_waits_for_the_next() {
        let (mut receipts, bob) = (Receipts::default(), user("bob"));
        for number in 0..ROUNDS_MAX {
            receipts.settled(Cursor(number as u64), vec![owed("alice", number as u16)]);
            assert_eq!(receipt(receipts.next(&bob, 9)), (number, user("alice"), 1));
            assert_eq!(receipts.next(&bob, 9), None);
        }
        receipts.settled(Cursor(20), vec![owed("alice", 20)]);
        receipts.settled(Cursor(30), vec![owed("alice", 30)]);
        assert_eq!(receipts.next(&bob, 9), None);
        receipts.stored(0);
        assert_eq!(receipts.next(&bob, 9), Some(Next::Trim(Cursor(0))));
        assert_eq!(receipt(receipts.next(&bob, 9)), (ROUNDS_MAX, user("alice"), 2));
    }

    #[test]
    fn nothing_is_trimmed_before_what_comes_before_it() {
        let (mut receipts, bob) = (Receipts::default(), user("bob"));
        for number in 1..=3 {
            receipts.settled(Cursor(number), vec![owed("alice", number as u16)]);
            receipt(receipts.next(&bob, 9));
        }
        receipts.stored(1);
        receipts.failed(2);
        assert_eq!(receipt(receipts.next(&bob, 9)), (2, user("alice"), 1));
        assert_eq!(receipts.next(&bob, 9), None);
        receipts.stored(0);
        assert_eq!(receipts.next(&bob, 9), Some(Next::Trim(Cursor(2))));
        receipts.stored(0);
        receipts.failed(7);
        assert_eq!(receipts.next(&bob, 9), None, "numbers that mean nothing do nothing");
        receipts.stored(2);
        assert_eq!(receipts.next(&bob, 9), Some(Next::Trim(Cursor(3))));
        assert!(receipts.is_empty());
    }

    #[test]
    fn entries_without_receipts_are_just_trimmed() {
        let mut receipts = Receipts::default();
        receipts.settled(Cursor(4), vec![]);
        assert_eq!(receipts.next(&user("bob"), 9), Some(Next::Trim(Cursor(4))));
        assert_eq!(receipts.next(&user("bob"), 9), None);
    }

    #[test]
    fn a_receipt_names_at_most_sixty_four_texts() {
        let (mut receipts, bob) = (Receipts::default(), user("bob"));
        let count = IDS_PER_RECEIPT_MAX as u16 + 1;
        receipts.settled(Cursor(100), (0..count).map(|number| owed("alice", number)).collect());
        assert_eq!(receipt(receipts.next(&bob, 9)).2, IDS_PER_RECEIPT_MAX);
        assert_eq!(receipt(receipts.next(&bob, 9)).2, 1);
    }

    #[test]
    fn deliveries_pause_at_the_bound() {
        let mut receipts = Receipts::default();
        let texts = (1..OWED_MAX as u16).map(|number| owed("alice", number));
        receipts.settled(Cursor(1), texts.collect());
        assert!(!receipts.is_full());
        receipts.settled(Cursor(2), vec![owed("alice", 0)]);
        assert!(receipts.is_full());
    }

    #[test]
    fn an_ending_session_hands_over_what_was_never_handed_out() {
        let (mut receipts, bob) = (Receipts::default(), user("bob"));
        receipts.settled(Cursor(1), vec![owed("alice", 1)]);
        receipt(receipts.next(&bob, 9));
        receipts.settled(Cursor(2), vec![owed("zoe", 2)]);
        let remaining = receipts.into_remaining(&bob, 9);
        assert_eq!(remaining.len(), 1);
        assert_eq!(remaining[0].to, user("zoe"));
    }
}
