//! What was sent to a client and is not yet safe on its disk.

use super::parcel::{Asker, Unwritten};
use pychat_proto::{
    Cursor, Instant, MessageId, Seq, Urgency, UserName,
    chat::{self, ToClient},
};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// Entries on their way to one client, in order. The endpoint's window bounds them:
/// [`pychat_proto::RECORD_WINDOW`] records.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    sent: VecDeque<Sent>,
    /// How many of the last ones no disk of ours has.
    held: usize,
}

#[derive(Debug)]
struct Sent {
    last: Seq,
    cursor: Cursor,
    at: Instant,
    urgency: Urgency,
    owed: Option<Owed>,
    store: Store,
}

/// What the store has to do with an entry that was sent.
#[derive(Debug)]
enum Store {
    /// Nothing, if the client is quick.
    Held(Held),
    /// It has it, or is writing it.
    Has,
    /// It failed to write it.
    Failed(Asker),
}

/// An entry that no disk of ours has.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) entry: Arc<[u8]>,
    pub(super) asker: Asker,
    /// How many failures of the store its shard had heard of when it was sent.
    pub(super) generation: u32,
}

/// A receipt that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owed {
    /// Who had sent the text.
    pub(super) to: UserName,
    /// The text.
    pub(super) id: MessageId,
    /// The message, if its text is on no disk of ours.
    pub(super) record: Option<Unwritten>,
}

/// What a client has made safe.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// The last entry among them that the store has.
    pub(super) stored_up_to: Option<Cursor>,
    /// Receipts for the texts among them.
    pub(super) owed: Vec<Owed>,
    /// Those that the store does not have, and whether a receipt is owed for each.
    pub(super) delivered: Vec<(Asker, bool)>,
    /// How long the slowest of them took for whose COMMIT somebody waits.
    pub(super) took: Option<Duration>,
}

impl Unsettled {
    /// An entry was sent that the store has; its last record is `last`.
    pub(super) fn push(&mut self, last: Seq, cursor: Cursor, at: Instant, owed: Option<Owed>) {
        debug_assert_eq!(self.held, 0, "what is held comes last");
        let (urgency, store) = (Urgency::Normal, Store::Has);
        self.sent.push_back(Sent { last, cursor, at, urgency, owed, store });
    }

    /// An entry was sent that no disk of ours has.
    pub(super) fn push_held(
        &mut self,
        last: Seq,
        cursor: Cursor,
        at: Instant,
        owed: Option<Owed>,
        held: Held,
    ) {
        let (urgency, store) = (held.asker.urgency(), Store::Held(held));
        self.sent.push_back(Sent { last, cursor, at, urgency, owed, store });
        self.held += 1;
    }

    /// When the oldest entry of this urgency was sent that no disk of ours has.
    pub(super) fn held_since(&self, urgency: Urgency) -> Option<Instant> {
        let held = self.sent.range(self.sent.len() - self.held..);
        held.filter(|sent| sent.urgency == urgency).map(|sent| sent.at).next()
    }

    pub(super) fn holds_any(&self) -> bool {
        self.held > 0
    }

    /// The oldest entry that no disk of ours has; it is to be written now.
    pub(super) fn pop_held(&mut self) -> Option<(Cursor, Option<Owed>, Held)> {
        let oldest = self.sent.len() - self.held;
        let sent = self.sent.get_mut(oldest)?;
        let Store::Held(held) = std::mem::replace(&mut sent.store, Store::Has) else {
            unreachable!("the last ones are those that are held");
        };
        self.held -= 1;
        Some((sent.cursor, sent.owed.clone(), held))
    }

    /// The store failed to write the entry at this place.
    pub(super) fn failed(&mut self, cursor: Cursor, asker: &Asker) {
        let index = self.sent.partition_point(|sent| sent.cursor < cursor);
        if let Some(sent) = self.sent.get_mut(index).filter(|sent| sent.cursor == cursor) {
            sent.store = Store::Failed(asker.clone());
        }
    }

    /// The client holds our records up to `up_to`. `None`: no whole entry among them is new.
    pub(super) fn settle(&mut self, now: Instant, up_to: Seq) -> Option<Settled> {
        let count = self.sent.partition_point(|sent| sent.last <= up_to);
        if count == 0 {
            return None;
        }
        let awaited = self.sent.range(..count).find(|sent| sent.urgency == Urgency::Normal);
        let took = awaited.map(|oldest| now.since(oldest.at));
        let mut settled = Settled { took, ..Settled::default() };
        let first_held = self.sent.len() - self.held;
        self.held -= count.saturating_sub(first_held).min(self.held);
        for sent in self.sent.drain(..count) {
            settled.add(sent);
        }
        Some(settled)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }
}

impl Settled {
    fn add(&mut self, Sent { cursor, mut owed, store, .. }: Sent) {
        match store {
            Store::Has => self.stored_up_to = Some(cursor),
            Store::Held(Held { asker, .. }) | Store::Failed(asker) => {
                if let Some(owed) = &mut owed {
                    owed.record = asker.text();
                }
                self.delivered.push((asker, owed.is_some()));
            }
        }
        self.owed.extend(owed);
    }
}

/// The receipt that an entry calls for once it is safe: texts do, receipts do not. An entry of a
/// later version, which cannot be read here, is delivered all the same.
pub(super) fn owed_for(entry: &[u8]) -> Option<Owed> {
    match chat::decode(entry) {
        Ok(ToClient::Text { id, from, .. }) => Some(Owed { to: from, id, record: None }),
        Ok(ToClient::Delivered { .. } | ToClient::Read { .. }) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::parcel::{Place, Receipt, Record},
        *,
    };
    use pychat_proto::{SessionId, StreamId};

    const NOW: Instant = Instant::ZERO;

    fn owed(number: u8) -> Owed {
        let (to, id) = (UserName::parse("alice").unwrap(), MessageId::from_bytes([number; 16]));
        Owed { to, id, record: None }
    }

    fn asker() -> Asker {
        let record = Record { shard: 0, session: SessionId::NONE, last: Seq(1) };
        let (user, stream) = (UserName::parse("bob").unwrap(), StreamId([1; 16]));
        Asker::Stream(record, Place { user, stream, safe: Seq::NONE, first: Seq(1), after: None })
    }

    fn held() -> Held {
        Held { entry: Arc::from(&b"entry"[..]), asker: asker(), generation: 0 }
    }

    #[test]
    fn entries_settle_in_order_and_only_whole() {
        let mut unsettled = Unsettled::default();
        unsettled.push(Seq(1), Cursor(10), NOW, Some(owed(1)));
        unsettled.push(Seq(4), Cursor(11), NOW, None);
        unsettled.push(Seq(5), Cursor(15), NOW, Some(owed(2)));
        assert!(unsettled.settle(NOW, Seq(0)).is_none());
        let first = unsettled.settle(NOW, Seq(3)).unwrap();
        assert_eq!((first.stored_up_to, first.owed), (Some(Cursor(10)), vec![owed(1)]));
        assert!(unsettled.settle(NOW, Seq(3)).is_none());
        let rest = unsettled.settle(NOW + Duration::from_millis(7), Seq(9)).unwrap();
        assert_eq!((rest.stored_up_to, rest.owed), (Some(Cursor(15)), vec![owed(2)]));
        assert_eq!(rest.took, Some(Duration::from_millis(7)));
        assert!(rest.delivered.is_empty() && unsettled.is_empty());
    }

    #[test]
    fn receipts_say_nothing_of_how_long_a_client_takes() {
        let mut unsettled = Unsettled::default();
        let (round, settles, word_back) = (None, Default::default(), Urgency::Low);
        let asker = Asker::Receipt(Receipt { round, settles, word_back });
        let receipt = || Held { asker: asker.clone(), ..held() };
        unsettled.push_held(Seq(1), Cursor(1), NOW, None, receipt());
        assert_eq!(unsettled.held_since(Urgency::Low), Some(NOW));
        assert_eq!(unsettled.held_since(Urgency::Normal), None);
        let later = NOW + Duration::from_millis(100);
        unsettled.push_held(Seq(2), Cursor(2), later, None, held());
        assert_eq!(unsettled.held_since(Urgency::Normal), Some(later));
        assert_eq!(unsettled.settle(later, Seq(1)).unwrap().took, None);
        unsettled.push_held(Seq(3), Cursor(3), NOW, None, receipt());
        let settled = unsettled.settle(later + Duration::from_millis(7), Seq(3)).unwrap();
        assert_eq!(settled.took, Some(Duration::from_millis(7)));
    }

    #[test]
    fn what_is_held_is_written_in_order_or_delivered() {
        let mut unsettled = Unsettled::default();
        unsettled.push(Seq(1), Cursor(1), NOW, None);
        for number in 2..=4 {
            unsettled.push_held(Seq(number), Cursor(number), NOW, None, held());
        }
        assert_eq!(unsettled.held_since(Urgency::Normal), Some(NOW));
        let settled = unsettled.settle(NOW, Seq(2)).unwrap();
        assert_eq!((settled.stored_up_to, settled.delivered.len()), (Some(Cursor(1)), 1));
        assert_eq!(unsettled.pop_held().unwrap().0, Cursor(3));
        assert_eq!(unsettled.pop_held().unwrap().0, Cursor(4));
        assert!(unsettled.pop_held().is_none() && !unsettled.holds_any());
        unsettled.failed(Cursor(4), &asker());
        let settled = unsettled.settle(NOW, Seq(4)).unwrap();
        assert_eq!((settled.stored_up_to, settled.delivered.len()), (Some(Cursor(3)), 1));
    }
}
