//! Every kind of frame, as the tables' events and as what the tables say was sent.

use crate::{
    CloseCode, RECORD_WINDOW,
    hybrid::CIPHERTEXT_BYTES,
    wire::{
        Reader,
        frame::{Ack, Frame, Part},
    },
};
use std::time::Duration;

/// A frame to be sent to the side under test.
pub(crate) type FrameCase = (&'static str, Frame<'static>);

/// Every kind of frame but CLOSE, honest and not.
pub(crate) fn cases() -> Vec<FrameCase> {
    let ack = |largest| Frame::Ack(Ack { largest, delay: Duration::ZERO, congested: 0, bitmap: 1 });
    let record = |seq, part| Frame::Record { lane: 0, seq, part, bytes: b"text" };
    let reply = |part| Frame::Reply { id: 0, index: 0, part, bytes: b"!" };
    vec![
        ("PADDING", Frame::Padding),
        ("PING", Frame::Ping),
        ("ACK", ack(0)),
        ("ACK of what was never sent", ack(1 << 40)),
        ("RECORD", record(1, Part::More)),
        ("RECORD_LAST", record(1, Part::Last)),
        ("RECORD_LAST_LOW", record(1, Part::LastLow)),
        ("RECORD beyond the window", record(RECORD_WINDOW + 1, Part::Last)),
        ("RECORD of another lane", Frame::Record { lane: 1, seq: 1, part: Part::Last, bytes: b"" }),
        ("COMMIT", Frame::Commit { lane: 0, up_to: 1 }),
        ("COMMIT beyond what was sent", Frame::Commit { lane: 0, up_to: 2 }),
        ("REFUSE", Frame::Refuse { lane: 0, seq: 1, code: 1 }),
        ("REFUSE of what was never sent", Frame::Refuse { lane: 0, seq: 2, code: 1 }),
        ("SKIP", Frame::Skip { lane: 0, first: 1, last: 1 }),
        ("SKIP backwards", Frame::Skip { lane: 0, first: 2, last: 1 }),
        ("CALL", Frame::Call { id: 0, bytes: b"?" }),
        ("REPLY", reply(Part::More)),
        ("REPLY_LAST", reply(Part::Last)),
        ("NOTE", Frame::Note { bytes: b"note" }),
        ("PATH_CHALLENGE", Frame::PathChallenge([7; 8])),
        ("wrong PATH_RESPONSE", Frame::PathResponse([7; 8])),
        ("malformed WELCOME", Frame::Welcome { bytes: b"" }),
        // As long as an answer, and as the first piece of a key.
        ("HYBRID", Frame::Hybrid { index: 0, bytes: &[0; CIPHERTEXT_BYTES] }),
        ("HYBRID of a wrong length", Frame::Hybrid { index: 0, bytes: b"key" }),
    ]
}

/// A CLOSE without a stated wait.
pub(crate) fn close(code: CloseCode) -> Frame<'static> {
    Frame::Close { code: code.code(), retry_after: Duration::ZERO, reason: b"" }
}

/// Every close code, with one of a later version.
pub(crate) fn close_codes() -> Vec<CloseCode> {
    let mut codes: Vec<CloseCode> = (0..).map(CloseCode::from_code).take_while(is_known).collect();
    codes.push(CloseCode::Unknown(999));
    codes
}

fn is_known(code: &CloseCode) -> bool {
    match code {
        CloseCode::Bye
        | CloseCode::Restarting
        | CloseCode::Idle
        | CloseCode::Replaced
        | CloseCode::Protocol
        | CloseCode::NameTaken
        | CloseCode::NotPermitted
        | CloseCode::Busy
        | CloseCode::ServerFault
        | CloseCode::BadLogin => true,
        CloseCode::Unknown(_) => false,
    }
}

/// A frame's name in docs/PROTOCOL.md.
pub(crate) fn name(frame: &Frame<'_>) -> &'static str {
    match frame {
        Frame::Padding => "PADDING",
        Frame::Ping => "PING",
        Frame::Ack(_) => "ACK",
        Frame::Record { part: Part::More, .. } => "RECORD",
        Frame::Record { part: Part::Last, .. } => "RECORD_LAST",
        Frame::Record { part: Part::LastLow, .. } => "RECORD_LAST_LOW",
        Frame::Commit { .. } => "COMMIT",
        Frame::Refuse { .. } => "REFUSE",
        Frame::Skip { .. } => "SKIP",
        Frame::Call { .. } => "CALL",
        Frame::Reply { part: Part::More, .. } => "REPLY",
        Frame::Reply { part: Part::Last | Part::LastLow, .. } => "REPLY_LAST",
        Frame::Note { .. } => "NOTE",
        Frame::PathChallenge(_) => "PATH_CHALLENGE",
        Frame::PathResponse(_) => "PATH_RESPONSE",
        Frame::Close { .. } => "CLOSE",
        Frame::Welcome { .. } => "WELCOME",
        Frame::Hybrid { .. } => "HYBRID",
    }
}

/// The names of an opened packet's frames; padding is left out.
pub(crate) fn names(frames: &[u8]) -> String {
    let mut reader = Reader(frames);
    let mut names = Vec::new();
    while !reader.is_empty() {
        let frame = Frame::decode(&mut reader).expect("what is sent can be read");
        if frame != Frame::Padding {
            let code = match frame {
                Frame::Close { code, .. } => format!(" {:?}", CloseCode::from_code(code)),
                _ => String::new(),
            };
            names.push(format!("{}{code}", name(&frame)));
        }
    }
    names.join("+")
}

#[test]
fn every_type_of_frame_that_can_be_read_is_an_event() {
    let mut kinds: Vec<u8> = cases().iter().map(|(_, frame)| first_byte(frame)).collect();
    kinds.push(first_byte(&close(CloseCode::Bye)));
    kinds.sort_unstable();
    kinds.dedup();
    let mut body = [0; 64];
    let readable: Vec<u8> = (0..=u8::MAX)
        .filter(|kind| {
            body[0] = *kind;
            Frame::decode(&mut Reader(&body)).is_ok()
        })
        .collect();
    assert_eq!(kinds, readable);
    for (case, frame) in cases() {
        let kind = name(&frame).trim_end_matches("_LAST");
        assert!(case.contains(kind), "{case} is named after its frame");
    }
}

fn first_byte(frame: &Frame<'_>) -> u8 {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes[0]
}
