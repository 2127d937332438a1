//! What a DATA packet carries. docs/PROTOCOL.md, "Frames".

use super::{Malformed, Reader, put_sized, put_varint};
use std::time::Duration;

const PADDING: u8 = 0x00;
const PING: u8 = 0x01;
const ACK: u8 = 0x02;
const RECORD: u8 = 0x03;
const RECORD_LAST: u8 = 0x04;
const COMMIT: u8 = 0x05;
const REFUSE: u8 = 0x06;
const SKIP: u8 = 0x07;
const CALL: u8 = 0x08;
const REPLY: u8 = 0x09;
const REPLY_LAST: u8 = 0x0a;
const NOTE: u8 = 0x0b;
const PATH_CHALLENGE: u8 = 0x0c;
const PATH_RESPONSE: u8 = 0x0d;
const CLOSE: u8 = 0x0e;
const WELCOME: u8 = 0x0f;
const RECORD_LAST_LOW: u8 = 0x10;
const HYBRID: u8 = 0x11;

/// Longest reason in a CLOSE.
pub(crate) const REASON_BYTES_MAX: usize = 256;

/// What was received: the largest number and, below it, the newest 128 as a bitmap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ack {
    /// The largest packet number received.
    pub(crate) largest: u64,
    /// How long ago.
    pub(crate) delay: Duration,
    /// Packets received that the network had marked as "congestion experienced".
    pub(crate) congested: u64,
    /// Bit `i`: number `largest - i` was received.
    pub(crate) bitmap: u128,
}

/// Whether a record or part is the last of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    More,
    Last,
    /// The last of a message that nobody waits for; see [`crate::Urgency::Low`].
    LastLow,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    Padding,
    Ping,
    Ack(Ack),
    Record {
        lane: u8,
        seq: u64,
        part: Part,
        bytes: &'a [u8],
    },
    Commit {
        lane: u8,
        up_to: u64,
    },
    Refuse {
        lane: u8,
        seq: u64,
        code: u16,
    },
    Skip {
        lane: u8,
        first: u64,
        last: u64,
    },
    Call {
        id: u64,
        bytes: &'a [u8],
    },
    Reply {
        id: u64,
        index: u64,
        part: Part,
        bytes: &'a [u8],
    },
    Note {
        bytes: &'a [u8],
    },
    PathChallenge([u8; 8]),
    PathResponse([u8; 8]),
    Close {
        code: u16,
        retry_after: Duration,
        reason: &'a [u8],
    },
    Welcome {
        bytes: &'a [u8],
    },
    /// A piece of the client's ML-KEM key, or of the server's answer.
    Hybrid {
        index: u64,
        bytes: &'a [u8],
    },
}

impl<'a> Frame<'a> {
    pub(crate) fn decode(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        let kind = from.u8()?;
        Ok(match kind {
            PADDING => Self::Padding,
            PING => Self::Ping,
            ACK => Self::Ack(Ack {
                largest: from.varint()?,
                delay: Duration::from_micros(from.varint()?),
                congested: from.varint()?,
                bitmap: from.array().map(u128::from_be_bytes)?,
            }),
            RECORD | RECORD_LAST | RECORD_LAST_LOW => Self::Record {
                lane: from.u8()?,
                seq: from.varint()?,
                part: match kind {
                    RECORD => Part::More,
                    RECORD_LAST => Part::Last,
                    _ => Part::LastLow,
                },
                bytes: from.sized()?,
            },
            COMMIT => Self::Commit { lane: from.u8()?, up_to: from.varint()? },
            REFUSE => Self::Refuse { lane: from.u8()?, seq: from.varint()?, code: from.u16()? },
            SKIP => Self::Skip { lane: from.u8()?, first: from.varint()?, last: from.varint()? },
            CALL => Self::Call { id: from.varint()?, bytes: from.sized()? },
            REPLY | REPLY_LAST => Self::Reply {
                id: from.varint()?,
                index: from.varint()?,
                part: if kind == REPLY { Part::More } else { Part::Last },
                bytes: from.sized()?,
            },
            NOTE => Self::Note { bytes: from.sized()? },
            PATH_CHALLENGE => Self::PathChallenge(from.array()?),
            PATH_RESPONSE => Self::PathResponse(from.array()?),
            CLOSE => Self::Close {
                code: from.u16()?,
                retry_after: Duration::from_millis(from.varint()?),
                reason: from.sized()?,
            },
            WELCOME => Self::Welcome { bytes: from.sized()? },
            HYBRID => Self::Hybrid { index: from.varint()?, bytes: from.sized()? },
            _ => return Err(Malformed),
        })
    }

    pub(crate) fn encode(&self, to: &mut Vec<u8>) {
        match *self {
            Self::Padding => to.push(PADDING),
            Self::Ping => to.push(PING),
            Self::Ack(Ack { largest, delay, congested, bitmap }) => {
                to.push(ACK);
                put_varint(to, largest);
                put_varint(to, u64::try_from(delay.as_micros()).unwrap_or(0).min(DELAY_MICROS_MAX));
                put_varint(to, congested);
                to.extend_from_slice(&bitmap.to_be_bytes());
            }
            Self::Record { lane, seq, part, bytes } => {
                to.push(match part {
                    Part::More => RECORD,
                    Part::Last => RECORD_LAST,
                    Part::LastLow => RECORD_LAST_LOW,
                });
                to.push(lane);
                put_varint(to, seq);
                put_sized(to, bytes);
            }
            Self::Commit { lane, up_to } => {
                to.extend_from_slice(&[COMMIT, lane]);
                put_varint(to, up_to);
            }
            Self::Refuse { lane, seq, code } => {
                to.extend_from_slice(&[REFUSE, lane]);
                put_varint(to, seq);
                to.extend_from_slice(&code.to_be_bytes());
            }
            Self::Skip { lane, first, last } => {
                to.extend_from_slice(&[SKIP, lane]);
                put_varint(to, first);
                put_varint(to, last);
            }
            Self::Call { id, bytes } => {
                to.push(CALL);
                put_varint(to, id);
                put_sized(to, bytes);
            }
            Self::Reply { id, index, part, bytes } => {
                to.push(if part == Part::More { REPLY } else { REPLY_LAST });
                put_varint(to, id);
                put_varint(to, index);
                put_sized(to, bytes);
            }
            Self::Note { bytes } => {
                to.push(NOTE);
                put_sized(to, bytes);
            }
            Self::PathChallenge(bytes) => {
                to.push(PATH_CHALLENGE);
                to.extend_from_slice(&bytes);
            }
            Self::PathResponse(bytes) => {
                to.push(PATH_RESPONSE);
                to.extend_from_slice(&bytes);
            }
            Self::Close { code, retry_after, reason } => {
                to.push(CLOSE);
                to.extend_from_slice(&code.to_be_bytes());
                put_varint(
                    to,
                    u64::try_from(retry_after.as_millis()).unwrap_or(0).min(RETRY_AFTER_MS_MAX),
                );
                put_sized(to, &reason[..reason.len().min(REASON_BYTES_MAX)]);
            }
            Self::Welcome { bytes } => {
                to.push(WELCOME);
                put_sized(to, bytes);
            }
            Self::Hybrid { index, bytes } => {
                to.push(HYBRID);
                put_varint(to, index);
                put_sized(to, bytes);
            }
        }
    }

    /// Whether a packet with this frame is to be acknowledged.
    pub(crate) const fn is_ack_eliciting(&self) -> bool {
        !matches!(self, Self::Padding | Self::Ack(_) | Self::Close { .. })
    }

    /// Whether it waits for the hybrid epoch: it tells what people write, or who speaks with whom.
    pub(crate) const fn is_held_back(&self) -> bool {
        match self {
            Self::Padding
            | Self::Ping
            | Self::Ack(_)
            | Self::PathChallenge(_)
            | Self::PathResponse(_)
            | Self::Close { .. }
            | Self::Welcome { .. }
            | Self::Hybrid { .. } => false,
            Self::Record { .. }
            | Self::Commit { .. }
            | Self::Refuse { .. }
            | Self::Skip { .. }
            | Self::Call { .. }
            | Self::Reply { .. }
            | Self::Note { .. } => true,
        }
    }

    /// Whether nobody waits to hear that it arrived.
    pub(crate) const fn is_low(&self) -> bool {
        matches!(self, Self::Commit { .. } | Self::Record { part: Part::LastLow, .. })
    }
}

/// A longer delay says nothing about the path.
const DELAY_MICROS_MAX: u64 = 1 << 24;
/// A day: nobody waits longer for a restart.
const RETRY_AFTER_MS_MAX: u64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn examples() -> Vec<Frame<'static>> {
        vec![
            Frame::Padding,
            Frame::Ping,
            Frame::Ack(Ack {
                largest: 70000,
                delay: Duration::from_micros(25),
                congested: 3,
                bitmap: 1 << 127 | 1,
            }),
            Frame::Record { lane: 0, seq: 5, part: Part::More, bytes: b"abc" },
            Frame::Record { lane: 0, seq: 6, part: Part::Last, bytes: b"" },
            Frame::Record { lane: 0, seq: 7, part: Part::LastLow, bytes: b"r" },
            Frame::Commit { lane: 0, up_to: 9 },
            Frame::Refuse { lane: 0, seq: 9, code: 2 },
            Frame::Skip { lane: 0, first: 1, last: 1 << 40 },
            Frame::Call { id: 1, bytes: b"?" },
            Frame::Reply { id: 1, index: 0, part: Part::More, bytes: b"!" },
            Frame::Reply { id: 1, index: 1, part: Part::Last, bytes: b"!" },
            Frame::Note { bytes: b"n" },
            Frame::PathChallenge([1; 8]),
            Frame::PathResponse([2; 8]),
            Frame::Close { code: 1, retry_after: Duration::from_millis(1500), reason: b"later" },
            Frame::Welcome { bytes: b"w" },
            Frame::Hybrid { index: 1, bytes: b"k" },
        ]
    }

    #[test]
    fn frames_survive_encoding_and_never_read_past_a_cut() {
        for frame in examples() {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            let mut reader = Reader(&bytes);
            assert_eq!(Frame::decode(&mut reader), Ok(frame.clone()));
            assert!(reader.is_empty());
            for cut in 0..bytes.len() {
                assert_eq!(Frame::decode(&mut Reader(&bytes[..cut])), Err(Malformed), "{frame:?}");
            }
        }
    }

    #[test]
    fn unknown_frames_are_malformed() {
        for kind in 0x12..=0xff {
            assert_eq!(Frame::decode(&mut Reader(&[kind; 64])), Err(Malformed));
        }
    }
}
