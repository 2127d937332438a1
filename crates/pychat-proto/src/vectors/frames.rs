//! Every frame, alone and together, sealed into DATA packets under a given key.

use super::Vectors;
use crate::{
    CloseCode, ConnectionId, RefuseCode,
    crypto::PacketKey,
    wire::{
        Reader,
        frame::{Ack, Frame, Part},
        packet::DataHeader,
    },
};
use std::time::Duration;

const KEY: [u8; 32] = [0x5a; 32];
const TO: ConnectionId = ConnectionId(0x0102_0304_0506_0708);

fn frames() -> Vec<(&'static str, Frame<'static>)> {
    let ack = Ack { largest: 300, delay: Duration::from_millis(20), congested: 0, bitmap: 0b1011 };
    let close = Frame::Close {
        code: CloseCode::Restarting.code(),
        retry_after: Duration::from_millis(1500),
        reason: b"later",
    };
    vec![
        ("padding", Frame::Padding),
        ("ping", Frame::Ping),
        ("ack", Frame::Ack(ack)),
        ("record", Frame::Record { lane: 0, seq: 7, part: Part::More, bytes: b"first" }),
        ("record_last", Frame::Record { lane: 0, seq: 8, part: Part::Last, bytes: b"second" }),
        ("commit", Frame::Commit { lane: 0, up_to: 16383 }),
        ("refuse", Frame::Refuse { lane: 0, seq: 8, code: RefuseCode::NoSuchUser.code() }),
        ("skip", Frame::Skip { lane: 0, first: 8, last: 70_000 }),
        ("call", Frame::Call { id: 2, bytes: b"who" }),
        ("reply", Frame::Reply { id: 2, index: 0, part: Part::More, bytes: b"me" }),
        ("reply_last", Frame::Reply { id: 2, index: 1, part: Part::Last, bytes: b"too" }),
        ("note", Frame::Note { bytes: b"news" }),
        ("path_challenge", Frame::PathChallenge(*b"question")),
        ("path_response", Frame::PathResponse(*b"question")),
        ("close", close),
        ("welcome", Frame::Welcome { bytes: b"come in" }),
        (
            "record_last_low",
            Frame::Record { lane: 0, seq: 9, part: Part::LastLow, bytes: b"third" },
        ),
        ("hybrid", Frame::Hybrid { index: 1, bytes: b"piece" }),
    ]
}

fn sealed(key: &PacketKey, phase: u8, number: u64, frames: &[u8]) -> Vec<u8> {
    let mut packet = DataHeader { phase, to: TO, number }.encode().to_vec();
    packet.extend_from_slice(frames);
    key.seal(number, &mut packet);
    assert_eq!(key.open(number, &mut packet.clone()), Ok(frames));
    packet
}

#[test]
fn frames_have_their_exact_bytes() {
    let mut to = Vectors::new("frames.txt");
    let key = PacketKey::new(KEY);
    to.comment("The packet key, the destination connection id. The first packet's number is 0.");
    to.put("key", &KEY);
    to.put("connection_id", &TO.0.to_be_bytes());
    to.comment("Each frame, and it alone in a packet; the numbers go up by one.");
    let mut all = Vec::new();
    for (number, (name, frame)) in (0..).zip(frames()) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        assert_eq!(Frame::decode(&mut Reader(&bytes)), Ok(frame));
        to.put(&format!("{name}_frame"), &bytes);
        to.put(&format!("{name}_packet"), &sealed(&key, 0, number, &bytes));
        all.extend_from_slice(&bytes);
    }
    to.comment("All of them in one packet, number 2^56 - 1.");
    to.put("all_frames", &all);
    to.put("all_packet", &sealed(&key, 0, (1 << 56) - 1, &all));
    to.comment("A PING of the next key phase, number 2^20; the phase after it, number 2^21.");
    let (second, third) = (key.ratchet(), key.ratchet().ratchet());
    to.put("key_ratcheted", second.bytes().get());
    to.put("ratcheted_packet", &sealed(&second, 1, 1 << 20, &[1]));
    to.put("key_ratcheted_twice", third.bytes().get());
    to.put("ratcheted_twice_packet", &sealed(&third, 0, 1 << 21, &[1]));
    to.check();
}
