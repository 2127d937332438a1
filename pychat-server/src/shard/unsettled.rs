//! What was sent to a client and is not yet safe on its disk.

use pychat_proto::{
    Cursor, MessageId, Seq, UserName,
    chat::{self, ToClient},
};
use std::collections::VecDeque;

/// Entries on their way to one client, in order. The endpoint's window bounds them:
/// [`pychat_proto::RECORD_WINDOW`] records.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    sent: VecDeque<Sent>,
}

#[derive(Debug)]
struct Sent {
    last: Seq,
    cursor: Cursor,
    owed: Option<Owed>,
}

/// A receipt that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owed {
    /// Who had sent the text.
    pub(super) to: UserName,
    /// The text.
    pub(super) id: MessageId,
}

/// What a client has made safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    /// Its last entry.
    pub(super) up_to: Cursor,
    /// For the texts among them.
    pub(super) owed: Vec<Owed>,
}

impl Unsettled {
    /// An entry was sent; its last record is `last`.
    pub(super) fn push(&mut self, last: Seq, cursor: Cursor, owed: Option<Owed>) {
        self.sent.push_back(Sent { last, cursor, owed });
    }

    /// The client holds our records up to `up_to`. `None`: no whole entry among them is new.
    pub(super) fn settle(&mut self, up_to: Seq) -> Option<Settled> {
        let count = self.sent.partition_point(|sent| sent.last <= up_to);
        let cursor = self.sent.get(count.checked_sub(1)?)?.cursor;
        let owed = self.sent.drain(..count).filter_map(|sent| sent.owed).collect();
        Some(Settled { up_to: cursor, owed })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }
}

/// The receipt that an entry calls for once it is safe: texts do, receipts do not. An entry of a
/// later version, which cannot be read here, is delivered all the same.
pub(super) fn owed_for(entry: &[u8]) -> Option<Owed> {
    match chat::decode(entry) {
        Ok(ToClient::Text { id, from, .. }) => Some(Owed { to: from, id }),
        Ok(ToClient::Delivered { .. } | ToClient::Read { .. }) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owed(number: u8) -> Owed {
        Owed { to: UserName::parse("alice").unwrap(), id: MessageId::from_bytes([number; 16]) }
    }

    #[test]
    fn entries_settle_in_order_and_only_whole() {
        let mut unsettled = Unsettled::default();
        unsettled.push(Seq(1), Cursor(10), Some(owed(1)));
        unsettled.push(Seq(4), Cursor(11), None);
        unsettled.push(Seq(5), Cursor(15), Some(owed(2)));
        assert_eq!(unsettled.settle(Seq(0)), None);
        let first = Settled { up_to: Cursor(10), owed: vec![owed(1)] };
        assert_eq!(unsettled.settle(Seq(3)), Some(first));
        assert_eq!(unsettled.settle(Seq(3)), None);
        let rest = Settled { up_to: Cursor(15), owed: vec![owed(2)] };
        assert_eq!(unsettled.settle(Seq(9)), Some(rest));
        assert!(unsettled.is_empty());
    }
}
