//! What is sealed: a text with its id and its sender's time, padded so that its length tells little.
//!
//! ```text
//! | kind 1 | id 16 | sent at, ms 8 | length 4 | bytes | zeros up to the size's class |
//! ```

use pychat_proto::{
    MessageId,
    chat::{IDS_PER_RECEIPT_MAX, TEXT_BYTES_MAX, UnixMillis},
};

/// Bytes before the text.
const HEADER_BYTES: usize = 29;
const ID_BYTES: usize = 16;

const KIND_TEXT: u8 = 1;
const KIND_UNOPENED: u8 = 2;

/// Texts are padded to one of these, and longer ones to a multiple of the last.
const CLASSES: [usize; 3] = [64, 256, 1024];

/// What only two people read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// As minted by the sender; the same as outside, where the server sees it.
    pub id: MessageId,
    /// On the sender's clock.
    pub sent_at: UnixMillis,
    /// What it says.
    pub what: What,
}

/// What a content says.
#[derive(Clone, PartialEq, Eq)]
pub enum What {
    /// Somebody's text.
    Text(String),
    /// These texts of yours could not be opened here: seal them anew. At most
    /// [`IDS_PER_RECEIPT_MAX`].
    Unopened(Vec<MessageId>),
}

impl What {
    /// Whether it is somebody's text.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        match self {
            Self::Text(_) => true,
            Self::Unopened(_) => false,
        }
    }
}

/// Bytes that are no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was sealed is not a text of this version")]
pub struct InvalidContent;

/// To how many bytes a text of `bytes` is padded.
#[must_use]
pub const fn padded(bytes: usize) -> usize {
    let mut class = 0;
    while class < CLASSES.len() {
        if bytes <= CLASSES[class] {
            return CLASSES[class];
        }
        class += 1;
    }
    bytes.next_multiple_of(CLASSES[CLASSES.len() - 1])
}

impl Content {
    /// The padded bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let ids;
        let (kind, bytes) = match &self.what {
            What::Text(text) => (KIND_TEXT, text.as_bytes()),
            What::Unopened(list) => {
                ids = list.iter().flat_map(|id| *id.as_bytes()).collect::<Vec<u8>>();
                (KIND_UNOPENED, &ids[..])
            }
        };
        let length = u32::try_from(bytes.len()).expect("texts and lists are bounded");
        let whole = HEADER_BYTES + padded(bytes.len());
        let mut to = Vec::with_capacity(whole);
        to.push(kind);
        to.extend_from_slice(self.id.as_bytes());
        to.extend_from_slice(&self.sent_at.to_be_bytes());
        to.extend_from_slice(&length.to_be_bytes());
        to.extend_from_slice(bytes);
        to.resize(whole, 0);
        to
    }

    /// What was encoded.
    ///
    /// # Errors
    /// The bytes are no content, or not the only encoding of it.
    pub fn decode(from: &[u8]) -> Result<Self, InvalidContent> {
        let (header, rest) = from.split_at_checked(HEADER_BYTES).ok_or(InvalidContent)?;
        let id = MessageId::from_bytes(array(&header[1..17]));
        let sent_at = u64::from_be_bytes(array(&header[17..25]));
        let length = u32::from_be_bytes(array(&header[25..])) as usize;
        let (bytes, padding) = rest.split_at_checked(length).ok_or(InvalidContent)?;
        if rest.len() != padded(length) || padding.iter().any(|byte| *byte != 0) {
            return Err(InvalidContent);
        }
        let what = match header[0] {
            KIND_TEXT if length <= TEXT_BYTES_MAX => {
                What::Text(String::from_utf8_lossy(bytes).into_owned())
            }
            KIND_UNOPENED
                if length.is_multiple_of(ID_BYTES) && length <= IDS_PER_RECEIPT_MAX * ID_BYTES =>
            {
                let ids = bytes.chunks_exact(ID_BYTES);
                What::Unopened(ids.map(|id| MessageId::from_bytes(array(id))).collect())
            }
            _ => return Err(InvalidContent),
        };
        Ok(Self { id, sent_at, what })
    }
}

impl std::fmt::Debug for What {
    /// Texts reach no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text(.. {} bytes)", text.len()),
            Self::Unopened(ids) => f.debug_tuple("Unopened").field(ids).finish(),
        }
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the caller cut it to this length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Content {
        let id = MessageId::from_bytes([9; 16]);
        Content { id, sent_at: 1_769_860_800_001, what: What::Text(text.into()) }
    }

    #[test]
    fn sizes_tell_only_their_class() {
        let sizes = [(0, 64), (1, 64), (64, 64), (65, 256), (256, 256), (257, 1024), (1024, 1024)];
        for (bytes, class) in sizes {
            assert_eq!(padded(bytes), class, "{bytes}");
            assert_eq!(text(&"x".repeat(bytes)).encode().len(), HEADER_BYTES + class);
        }
        assert_eq!(padded(1025), 2048);
        assert_eq!(padded(TEXT_BYTES_MAX), TEXT_BYTES_MAX);
    }

    #[test]
    fn what_is_longer_than_allowed_is_no_content() {
        let most = What::Unopened(vec![MessageId::from_bytes([1; 16]); IDS_PER_RECEIPT_MAX]);
        let most = Content { what: most, ..text("") };
        assert_eq!(Content::decode(&most.encode()), Ok(most));
        let more = What::Unopened(vec![MessageId::from_bytes([1; 16]); IDS_PER_RECEIPT_MAX + 1]);
        assert_eq!(
            Content::decode(&Content { what: more, ..text("") }.encode()),
            Err(InvalidContent)
        );
        let longest = text(&"x".repeat(TEXT_BYTES_MAX));
        assert_eq!(Content::decode(&longest.encode()), Ok(longest));
        let longer = text(&"x".repeat(TEXT_BYTES_MAX + 1)).encode();
        assert_eq!(Content::decode(&longer), Err(InvalidContent));
    }

    #[test]
    fn padding_is_zeros_and_of_the_right_length() {
        let whole = text("hi").encode();
        let mut marked = whole.clone();
        *marked.last_mut().unwrap() = 1;
        assert_eq!(Content::decode(&marked), Err(InvalidContent));
        assert_eq!(Content::decode(&whole[..whole.len() - 1]), Err(InvalidContent));
        assert_eq!(Content::decode(&[whole, vec![0]].concat()), Err(InvalidContent));
    }

    proptest! {
        #[test]
        fn texts_come_back(body: String, sent_at: u64, id: [u8; 16]) {
            let id = MessageId::from_bytes(id);
            let content = Content { id, sent_at, what: What::Text(body) };
            prop_assert_eq!(Content::decode(&content.encode()), Ok(content));
        }

        #[test]
        fn noise_never_panics(noise: Vec<u8>) {
            if let Ok(content) = Content::decode(&noise) {
                prop_assert!(content.encode().len() == noise.len());
            }
        }
    }

    #[test]
    fn a_text_does_not_reach_a_log() {
        assert!(!format!("{:?}", text("secret")).contains("secret"));
    }
}
