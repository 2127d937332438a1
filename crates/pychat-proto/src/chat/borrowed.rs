//! Twins of the messages that borrow what is large, for the server, which only passes it on.

use super::{MessageId, UnixMillis, UserName};
use serde::{Deserialize, Serialize};

/// Decodes what [`super::ToServer`] encodes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub enum BorrowedToServer<'a> {
    /// A text.
    Text {
        /// As the sender minted it.
        id: MessageId,
        /// The recipient.
        to: UserName,
        /// The sealed text.
        #[serde(borrow)]
        body: &'a [u8],
    },
    /// A read receipt.
    Read {
        /// Who had sent the texts.
        to: UserName,
        /// The texts.
        ids: Vec<MessageId>,
    },
}

/// Encodes as [`super::ToClient`] does. Receipts are small and have no twin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum BorrowedToClient<'a> {
    /// A text.
    Text {
        /// As the sender minted it.
        id: MessageId,
        /// Authenticated by the server.
        from: &'a UserName,
        /// The sender's display name when the text was accepted.
        name: &'a str,
        /// On the server's clock.
        accepted_at: UnixMillis,
        /// The sealed text.
        #[serde(with = "serde_bytes")]
        body: &'a [u8],
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DisplayName;
    use crate::chat::{ToClient, ToServer, decode, encode};

    const ID: MessageId = MessageId::from_bytes([7; 16]);

    #[test]
    fn twins_encode_and_decode_alike() {
        let to = UserName::parse("bob").unwrap();
        let text = ToServer::Text { id: ID, to, body: b"hello".to_vec() };
        let twin = BorrowedToServer::Text { id: ID, to, body: b"hello" };
        assert_eq!(decode(&encode(&text)), Ok(twin));
        let read = encode(&ToServer::Read { to, ids: vec![ID; 3] });
        assert_eq!(decode(&read), Ok(BorrowedToServer::Read { to, ids: vec![ID; 3] }));

        let (from, name) = (&to, "Bob");
        let accepted_at = 70_000;
        let twin = BorrowedToClient::Text { id: ID, from, name, accepted_at, body: b"hello" };
        let (from, name, body) = (*from, DisplayName::parse(name).unwrap(), b"hello".to_vec());
        let text = ToClient::Text { id: ID, from, name, accepted_at, body };
        assert_eq!(encode(&twin), encode(&text));
    }
}
