//! Acknowledgements against what they are meant to be: sets of packet numbers.
//!
//! Exhausted, on a window of eight packets: every bitmap with every largest number, for every number
//! left out and for none (2^8 x 10 x 9 cases); every pair of truthful ACKs of six packets; every
//! subset of ten packets received, from the receiver's bitmap over the wire to what the sender still
//! holds in flight. At the real window of 128: every single bit, all edges, and 10,000 seeded
//! bitmaps.

use super::{PACKET_THRESHOLD, Recovery, SentPacket, Turn};
use crate::{
    ConnectionId, Instant,
    crypto::{PacketKey, Rng},
    session::{
        Role, Session, Start,
        congestion::Congestion,
        replay::{ReplayWindow, WINDOW},
    },
    wire::{
        Reader,
        frame::{Ack, Frame},
    },
};
use smallvec::SmallVec;
use std::{collections::BTreeSet, time::Duration};

const NOW: Instant = Instant::from_micros(1_000_000);

fn session() -> Session {
    let start = Start {
        role: Role::Server,
        peer: ConnectionId(1),
        remote: ([10, 0, 0, 9], 9).into(),
        send: PacketKey::new([1; 32]),
        receive: PacketKey::new([2; 32]),
        handshake: [3; 32],
        committed_out: 0,
        committed_in: 0,
        rtt_hint: None,
    };
    Session::new(start, NOW, &mut Rng::new([0; 32]))
}

/// Puts the session where it has sent all numbers below `next` but `skipped`, and `in_flight` are
/// not acknowledged.
fn rewind(session: &mut Session, next: u64, skipped: Option<u64>, in_flight: &BTreeSet<u64>) {
    session.recovery = Recovery::new(None, NOW);
    session.congestion = Congestion::new(NOW);
    session.next_number = next;
    session.skipped = skipped;
    for number in in_flight {
        let frames = SmallVec::new();
        let (bytes, turn, urgent) = (0, Turn::First, false);
        let (number, at) = (*number, NOW);
        session.recovery.sent(SentPacket { number, at, frames, bytes, turn, urgent });
    }
}

fn in_flight(session: &Session) -> BTreeSet<u64> {
    session.recovery.in_flight.iter().map(|packet| packet.number).collect()
}

/// The numbers that an ACK names.
fn named(ack: &Ack) -> BTreeSet<u64> {
    let bits = (0..WINDOW).filter(|bit| ack.bitmap >> bit & 1 == 1);
    bits.filter_map(|bit| ack.largest.checked_sub(bit)).collect()
}

/// What is in flight after `ack`, and the largest number acknowledged: what it names is taken away,
/// and, if that was news, what is three or more below is lost.
fn expected(
    before: &BTreeSet<u64>,
    largest_acked: Option<u64>,
    ack: &Ack,
) -> (BTreeSet<u64>, Option<u64>) {
    let named = named(ack);
    let news = before.intersection(&named).max().copied();
    let Some(news) = news else { return (before.clone(), largest_acked) };
    let largest = largest_acked.map_or(news, |before| before.max(news));
    let left = before.difference(&named).copied();
    (left.filter(|number| number + PACKET_THRESHOLD > largest).collect(), Some(largest))
}

fn ack(largest: u64, bitmap: u128) -> Ack {
    Ack { largest, delay: Duration::ZERO, congested: 0, bitmap }
}

/// Takes `ack` and compares with the sets; says whether it was taken for the truth.
fn compare(session: &mut Session, ack: Ack) -> bool {
    let (before, largest_acked) = (in_flight(session), session.recovery.largest_acked);
    let lie = ack.largest >= session.next_number
        || session.skipped.is_some_and(|skipped| named(&ack).contains(&skipped));
    let taken = session.acknowledged(NOW, ack);
    assert_eq!(taken.is_err(), lie, "{ack:?}, skipped {:?}", session.skipped);
    if lie {
        assert_eq!(in_flight(session), before, "a lie changes nothing: {ack:?}");
        return false;
    }
    let after = (in_flight(session), session.recovery.largest_acked);
    assert_eq!(after, expected(&before, largest_acked, &ack), "{before:?}, {ack:?}");
    true
}

#[test]
fn every_bitmap_of_a_window_of_eight_is_a_set_and_every_lie_in_it_is_found() {
    let (mut session, mut cases, mut lies) = (session(), 0, 0);
    for skipped in (0..8).map(Some).chain([None]) {
        let sent: BTreeSet<u64> = (0..8).filter(|number| Some(*number) != skipped).collect();
        for largest in 0..10 {
            for bitmap in 0..1 << 8 {
                rewind(&mut session, 8, skipped, &sent);
                cases += 1;
                lies += u32::from(!compare(&mut session, ack(largest, bitmap)));
            }
        }
    }
    assert_eq!(cases, 256 * 10 * 9);
    // Two of ten largest numbers were never sent; of the rest, half name the number left out where
    // it is not above the largest.
    assert_eq!(lies, 256 * 2 * 9 + 128 * (1..=8).sum::<u32>());
}

#[test]
fn every_pair_of_acks_of_six_packets_is_a_pair_of_sets() {
    let (mut session, mut cases) = (session(), 0);
    let sent: BTreeSet<u64> = (0..6).collect();
    for (first, second) in (0..6 << 6).flat_map(|a| (0..6 << 6).map(move |b| (a, b))) {
        rewind(&mut session, 6, None, &sent);
        for pattern in [first, second] {
            assert!(compare(&mut session, ack(pattern >> 6, u128::from(pattern & 63_u64))));
        }
        cases += 1;
    }
    assert_eq!(cases, 384 * 384);
}

#[test]
fn every_subset_received_is_what_the_sender_learns_over_the_wire() {
    const PACKETS: u64 = 10;
    let (mut sender, mut cases) = (session(), 0);
    let sent: BTreeSet<u64> = (0..PACKETS).collect();
    for subset in 1..1_u64 << PACKETS {
        let received: BTreeSet<u64> = (0..PACKETS).filter(|n| subset >> n & 1 == 1).collect();
        let (mut forwards, mut backwards) = (ReplayWindow::default(), ReplayWindow::default());
        for (up, down) in received.iter().zip(received.iter().rev()) {
            forwards.mark(*up);
            backwards.mark(*down);
        }
        assert_eq!(forwards, backwards, "the order of arrival is not in the bitmap");
        let (largest, bitmap) = forwards.seen().unwrap();
        let ack = over_the_wire(ack(largest, bitmap));
        assert_eq!(named(&ack), received);
        rewind(&mut sender, PACKETS, None, &sent);
        assert!(compare(&mut sender, ack));
        cases += 1;
    }
    assert_eq!(cases, 1023);
}

#[test]
fn the_real_window_is_a_set_at_its_edges_and_at_random() {
    let (mut session, mut cases) = (session(), 0);
    let mut rng = Rng::new([7; 32]);
    println!("seed [7; 32]");
    let bits = (0..WINDOW).flat_map(|bit| [1 << bit, !(1_u128 << bit)]);
    let random = (0..10_000).map(|_| u128::from(rng.u64()) << 64 | u128::from(rng.u64()));
    let bitmaps: Vec<u128> = bits.chain([0, u128::MAX]).chain(random).collect();
    // As many as may be in flight, spread over two windows so that both edges are met.
    let sent: BTreeSet<u64> = (0..72).map(|index| 100 + index * 4).collect();
    for (index, bitmap) in bitmaps.into_iter().enumerate() {
        let largest = [0_u64, 1, 99, 100, 127, 128, 227, 228, 229, 384, 399][index % 11];
        let skipped = [None, Some(101), Some(largest.saturating_sub(127)), Some(399)][index % 4];
        // What was left out is not in flight.
        let skipped = skipped.filter(|number| !sent.contains(number));
        rewind(&mut session, 400, skipped, &sent);
        compare(&mut session, over_the_wire(ack(largest, bitmap)));
        cases += 1;
    }
    assert_eq!(cases, 256 + 2 + 10_000);
}

/// The same ACK after it was encoded and decoded.
fn over_the_wire(ack: Ack) -> Ack {
    let mut bytes = Vec::new();
    Frame::Ack(ack).encode(&mut bytes);
    let mut reader = Reader(&bytes);
    let decoded = Frame::decode(&mut reader);
    assert_eq!(decoded, Ok(Frame::Ack(ack)));
    assert!(reader.is_empty());
    ack
}
