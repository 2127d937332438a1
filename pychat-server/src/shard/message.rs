//! What a daemon's message becomes in the recipient's mailbox.

use super::unsettled::Owed;
use pychat_proto::{
    MessageId, UserName,
    chat::{
        self, BorrowedToClient, BorrowedToServer, IDS_PER_RECEIPT_MAX, SEALED_BYTES_MAX, ToClient,
        UnixMillis,
    },
};
use std::sync::Arc;

/// A message that was understood, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Whose mailbox.
    pub(super) to: UserName,
    /// What kind of message it is.
    pub(super) kind: Kind,
    /// Names a text.
    pub(super) id: Option<MessageId>,
    /// An encoded [`ToClient`].
    pub(super) entry: Arc<[u8]>,
}

/// What a message is, as far as its fate depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A person waits for it: a refusal goes back to the sender.
    Text,
    /// Nobody misses it: where it cannot be written, the stream moves on without it.
    Read,
}

/// A payload that no honest daemon sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Puts the authenticated sender, the sender's display name and the server's time on a message. What
/// is encoded goes through `scratch`.
pub(super) fn translate(
    payload: &[u8],
    from: &UserName,
    name: &str,
    at: UnixMillis,
    scratch: &mut Vec<u8>,
) -> Result<Message, Malformed> {
    scratch.clear();
    match chat::decode(payload).map_err(|_| Malformed)? {
        BorrowedToServer::Text { id, to, body } => {
            // A sealed text is bytes to the server: how many there are is all that it can check.
            if body.is_empty() || body.len() > SEALED_BYTES_MAX {
                return Err(Malformed);
            }
            let text = BorrowedToClient::Text { id, from, name, accepted_at: at, body };
            chat::encode_into(&text, scratch);
            Ok(Message { to, kind: Kind::Text, id: Some(id), entry: scratch[..].into() })
        }
        BorrowedToServer::Read { to, ids } => {
            if ids.is_empty() || ids.len() > IDS_PER_RECEIPT_MAX {
                return Err(Malformed);
            }
            chat::encode_into(&ToClient::Read { by: *from, ids, at }, scratch);
            Ok(Message { to, kind: Kind::Read, id: None, entry: scratch[..].into() })
        }
    }
}

impl Message {
    /// The receipt that its sender waits for once it is delivered.
    pub(super) fn owed(&self, from: &UserName) -> Option<Owed> {
        self.id.map(|id| Owed { to: *from, id, record: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pychat_proto::{DisplayName, chat::ToServer};

    fn user(name: &str) -> UserName {
        UserName::parse(name).unwrap()
    }

    fn translated(message: &ToServer) -> Result<Message, Malformed> {
        let name = "Alice";
        translate(&chat::encode(message), &user("alice"), name, 77, &mut Vec::new())
    }

    fn text(body: Vec<u8>) -> ToServer {
        ToServer::Text { id: MessageId::from_bytes([1; 16]), to: user("bob"), body }
    }

    fn read(count: usize) -> ToServer {
        ToServer::Read { to: user("bob"), ids: vec![MessageId::from_bytes([1; 16]); count] }
    }

    #[test]
    fn a_text_bears_its_authenticated_sender_and_the_servers_time() {
        let message = translated(&text(b"hi".to_vec())).unwrap();
        assert_eq!((message.to, message.kind), (user("bob"), Kind::Text));
        let expected = ToClient::Text {
            id: MessageId::from_bytes([1; 16]),
            from: user("alice"),
            name: DisplayName::parse("Alice").unwrap(),
            accepted_at: 77,
            body: b"hi".to_vec(),
        };
        assert_eq!(chat::decode::<ToClient>(&message.entry), Ok(expected));
    }

    #[test]
    fn the_longest_text_passes_and_fits_a_message_towards_the_recipient() {
        let name = "\u{10ffff}".repeat(DisplayName::CHARS_MAX);
        let from = user(&"x".repeat(UserName::CHARS_MAX));
        let payload = chat::encode(&text(vec![0xff; SEALED_BYTES_MAX]));
        let message = translate(&payload, &from, &name, u64::MAX, &mut Vec::new()).unwrap();
        let cursor = chat::encode(&pychat_proto::Cursor(u64::MAX));
        assert!(cursor.len() + message.entry.len() <= pychat_proto::MESSAGE_BYTES_MAX);
    }

    #[test]
    fn an_empty_text_and_one_beyond_the_limit_are_malformed() {
        assert_eq!(translated(&text(Vec::new())), Err(Malformed));
        assert_eq!(translated(&text(vec![b'x'; SEALED_BYTES_MAX + 1])), Err(Malformed));
    }

    #[test]
    fn a_sealed_text_is_any_bytes() {
        let sealed: Vec<u8> = (0..=255).rev().collect();
        let message = translated(&text(sealed.clone())).unwrap();
        match chat::decode(&message.entry) {
            Ok(ToClient::Text { body, .. }) => assert_eq!(body, sealed),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_read_receipt_names_one_to_sixty_four_texts() {
        assert_eq!(translated(&read(0)), Err(Malformed));
        assert_eq!(translated(&read(IDS_PER_RECEIPT_MAX)).unwrap().kind, Kind::Read);
        assert_eq!(translated(&read(IDS_PER_RECEIPT_MAX + 1)), Err(Malformed));
    }

    #[test]
    fn noise_is_malformed() {
        for noise in [&b""[..], b"\x07", b"\0\x01\x02", b"\xff\xff\xff\xff\xff\xff"] {
            assert_eq!(translate(noise, &user("alice"), "", 0, &mut Vec::new()), Err(Malformed));
        }
    }
}
