//! The exchange that leads to the hybrid epoch, between two who keep the rules on a link that does not.

mod hostile;

use super::address;
use crate::{
    CloseCode, ConnectionId, Instant, Urgency,
    crypto::{PacketKey, Rng},
    hybrid::{CIPHERTEXT_BYTES, KEY_BYTES, Offer},
    session::{Role, Session, SessionEvent, Start, exchange::EXCHANGE_TIMEOUT, keys::Epoch},
    wire::{
        Reader,
        frame::Frame,
        packet::{DATA_HEADER_BYTES, DataHeader},
    },
};
use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

const ONE_WAY: Duration = Duration::from_millis(25);
/// The handshake's keys: who broke it knows them.
const FROM_CLIENT: [u8; 32] = [1; 32];
const FROM_SERVER: [u8; 32] = [2; 32];

struct End {
    session: Session,
    events: VecDeque<SessionEvent>,
    /// Numbers of all packets that it sent.
    numbers: BTreeSet<u64>,
}

impl End {
    fn new(role: Role, now: Instant, rng: &mut Rng) -> Self {
        let (ours, theirs) = match role {
            Role::Client => (FROM_CLIENT, FROM_SERVER),
            Role::Server => (FROM_SERVER, FROM_CLIENT),
        };
        let start = Start {
            role,
            peer: ConnectionId(1),
            remote: address(),
            send: PacketKey::new(ours),
            receive: PacketKey::new(theirs),
            handshake: [3; 32],
            committed_out: 0,
            committed_in: 0,
            rtt_hint: Some(2 * ONE_WAY),
        };
        let session = Session::new(start, now, rng);
        Self { session, events: VecDeque::new(), numbers: BTreeSet::new() }
    }

    fn is_over(&self) -> bool {
        self.session.exchange.is_none() && !self.session.holds_back()
    }

    fn got(&self, text: &[u8]) -> bool {
        let is_it = |event: &SessionEvent| match event {
            SessionEvent::Message { payload, .. } => payload == text,
            _ => false,
        };
        self.events.iter().any(is_it)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// What the link does to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrives,
    Lost,
    Twice,
    Late,
}

const FATES: [Fate; 4] = [Fate::Arrives, Fate::Lost, Fate::Twice, Fate::Late];

/// A client and a server just after the handshake, and what is under way between them.
struct Pair {
    client: End,
    server: End,
    now: Instant,
    rng: Rng,
    flights: Vec<(Instant, Way, Vec<u8>)>,
    /// All packets, as a recorder has them.
    recorded: Vec<(Way, Vec<u8>)>,
}

impl Pair {
    fn new() -> Self {
        let (now, mut rng) = (Instant::from_micros(1_000_000), Rng::new([0; 32]));
        let client = End::new(Role::Client, now, &mut rng);
        let server = End::new(Role::Server, now, &mut rng);
        Self { client, server, now, rng, flights: Vec::new(), recorded: Vec::new() }
    }

    /// Sends all there is to send; `fate` decides about each packet.
    fn send(&mut self, fate: &mut impl FnMut(Way) -> Fate) {
        let Self { client, server, now, rng, flights, recorded } = self;
        for (way, end) in [(Way::Up, client), (Way::Down, server)] {
            // A server says nothing before it was heard: its session is not confirmed.
            if way == Way::Down && end.session.counters.received == 0 {
                continue;
            }
            let mut packet = Vec::new();
            while end.session.poll_packet(*now, rng, &mut packet).is_some() {
                let number = DataHeader::decode(&packet).unwrap().number;
                assert!(end.numbers.insert(number), "number {number} was used twice");
                recorded.push((way, packet.clone()));
                let arrivals: &[Duration] = match fate(way) {
                    Fate::Arrives => &[ONE_WAY],
                    Fate::Lost => &[],
                    Fate::Twice => &[ONE_WAY, ONE_WAY],
                    Fate::Late => &[Duration::from_millis(130)],
                };
                flights.extend(arrivals.iter().map(|delay| (*now + *delay, way, packet.clone())));
            }
        }
    }

    /// Lets the next thing happen.
    fn step(&mut self, fate: &mut impl FnMut(Way) -> Fate) {
        self.send(fate);
        let flight = self.flights.iter().map(|(at, ..)| *at).min();
        let timers = [self.client.session.poll_timeout(), self.server.session.poll_timeout()];
        let next = timers.into_iter().chain([flight]).flatten().min().expect("something happens");
        self.now = self.now.max(next);
        while let Some(index) = self.flights.iter().position(|(at, ..)| *at <= self.now) {
            let (_, way, packet) = self.flights.remove(index);
            self.deliver(way, &packet);
        }
        for end in [&mut self.client, &mut self.server] {
            end.session.handle_timeout(self.now, &mut end.events);
        }
    }

    /// Whether the packet was taken.
    fn deliver(&mut self, way: Way, packet: &[u8]) -> bool {
        let end = match way {
            Way::Up => &mut self.server,
            Way::Down => &mut self.client,
        };
        let End { session, events, .. } = end;
        let mut packet = packet.to_vec();
        session.handle_packet(self.now, address(), &mut packet, &mut self.rng, events).is_ok()
    }

    fn run_until(&mut self, fate: &mut impl FnMut(Way) -> Fate, done: impl Fn(&Self) -> bool) {
        for _ in 0..1000 {
            if done(self) {
                return;
            }
            self.step(fate);
        }
        panic!("not done at {:?}: {:?} {:?}", self.now, self.client.events, self.server.events);
    }

    /// Both write at once, and the client asks.
    fn write(&mut self) {
        self.client.session.offer_key();
        self.client.session.send_message(b"up", Urgency::Normal);
        self.client.session.call(b"?").unwrap();
        self.server.session.send_message(b"down", Urgency::Normal);
        self.server.session.note(b"note");
    }

    fn is_through(&self) -> bool {
        let over = self.client.is_over() && self.server.is_over();
        over && self.server.got(b"up") && self.client.got(b"down")
    }

    /// Seals `frames` as the client would in the first epoch; a number that it has not used.
    fn lie(&mut self, number: u64, frames: &[Frame<'_>]) -> bool {
        let packet = first_epoch(&FROM_CLIENT, number, frames);
        self.deliver(Way::Up, &packet)
    }
}

fn first_epoch(key: &[u8; 32], number: u64, frames: &[Frame<'_>]) -> Vec<u8> {
    let header = DataHeader { phase: 0, to: ConnectionId(1), number };
    let mut packet = header.encode().to_vec();
    frames.iter().for_each(|frame| frame.encode(&mut packet));
    PacketKey::new(*key).seal(number, &mut packet);
    packet
}

fn in_order(_: Way) -> Fate {
    Fate::Arrives
}

/// The frames of what a recorder opens with the handshake's keys alone.
fn opened(way: Way, packet: &[u8]) -> Option<Vec<u8>> {
    let key = PacketKey::new(if way == Way::Up { FROM_CLIENT } else { FROM_SERVER });
    let number = DataHeader::decode(packet).unwrap().number;
    key.open(number, &mut packet.to_vec()).ok().map(<[u8]>::to_vec)
}

fn each_frame(frames: &[u8], mut each: impl FnMut(&Frame<'_>)) {
    let mut reader = Reader(frames);
    while !reader.is_empty() {
        each(&Frame::decode(&mut reader).unwrap());
    }
}

#[test]
fn a_text_takes_one_round_trip_more_than_without_the_exchange() {
    let mut pair = Pair::new();
    pair.write();
    let start = pair.now;
    pair.run_until(&mut in_order, |pair| pair.server.got(b"up"));
    assert_eq!(pair.now.since(start), 3 * ONE_WAY);
    pair.run_until(&mut in_order, |pair| pair.client.got(b"down"));
    assert_eq!(pair.now.since(start), 4 * ONE_WAY);
    pair.run_until(&mut in_order, Pair::is_through);
    assert_eq!(pair.now.since(start), 4 * ONE_WAY);
}

#[test]
fn nothing_of_what_people_write_is_under_the_handshakes_keys() {
    let mut pair = Pair::new();
    pair.write();
    pair.run_until(&mut in_order, Pair::is_through);
    let (mut first, mut hybrid) = (0, 0);
    for (way, packet) in &pair.recorded {
        let Some(frames) = opened(*way, packet) else {
            assert_eq!(DataHeader::decode(packet).unwrap().phase, 1);
            hybrid += 1;
            continue;
        };
        first += 1;
        assert_eq!(DataHeader::decode(packet).unwrap().phase, 0);
        each_frame(&frames, |frame| assert!(!frame.is_held_back(), "{frame:?}"));
    }
    assert_eq!(first, 3, "two with the key, one with the answer");
    assert!(hybrid >= 2);
}

#[test]
fn who_recorded_everything_and_broke_the_handshake_opens_nothing_of_the_hybrid_epoch() {
    let mut pair = Pair::new();
    pair.write();
    pair.run_until(&mut in_order, Pair::is_through);
    let (mut key, mut answer) = (Vec::<u8>::new(), Vec::<u8>::new());
    for (way, packet) in &pair.recorded {
        each_frame(&opened(*way, packet).unwrap_or_default(), |frame| {
            if let Frame::Hybrid { bytes, .. } = frame {
                if *way == Way::Up { key.extend(*bytes) } else { answer.extend(*bytes) }
            }
        });
    }
    // The recorder has both halves of the exchange, and no secret key to open the answer with.
    assert_eq!((key.len(), answer.len()), (KEY_BYTES, CIPHERTEXT_BYTES));
    let guess = Offer::new().open(&answer).unwrap();
    let text = pair.recorded.iter().filter(|(way, packet)| opened(*way, packet).is_none());
    for (way, packet) in text {
        let first = PacketKey::new(if *way == Way::Up { FROM_CLIENT } else { FROM_SERVER });
        let number = DataHeader::decode(packet).unwrap().number;
        for key in [first.ratchet(), crate::hybrid::mix(&first, &guess, &[3; 32])] {
            assert!(key.open(number, &mut packet.clone()).is_err());
        }
    }
}

/// The first four packets each way with every fate that a link has for each; later ones arrive.
#[test]
fn whatever_becomes_of_the_first_packets_both_end_in_the_hybrid_epoch() {
    for up in 0..256_usize {
        for down in 0..64_usize {
            let mut pair = Pair::new();
            pair.write();
            let (mut ups, mut downs) = (0, 0);
            let mut fate = |way| {
                let (fates, count, most) = match way {
                    Way::Up => (up, &mut ups, 4),
                    Way::Down => (down, &mut downs, 3),
                };
                let fate = if *count < most { FATES[fates >> (2 * *count) & 3] } else { FATES[0] };
                *count += 1;
                fate
            };
            pair.run_until(&mut fate, Pair::is_through);
            assert!(pair.now.since(Instant::from_micros(1_000_000)) < Duration::from_secs(3));
            // What is still under way comes late, or once more, and changes nothing.
            let late = std::mem::take(&mut pair.flights);
            let late = late.into_iter().map(|(_, way, packet)| (way, packet));
            for (way, packet) in late.chain(pair.recorded.clone()) {
                pair.deliver(way, &packet);
            }
            assert!(pair.is_through() && pair.client.session.is_open(), "up {up} down {down}");
            assert!(pair.server.session.is_open(), "up {up} down {down}");
        }
    }
}

#[test]
fn a_late_packet_of_the_first_epoch_is_taken_and_a_repeated_one_is_not() {
    let mut pair = Pair::new();
    pair.write();
    pair.run_until(&mut in_order, Pair::is_through);
    // As if the client had sent it before its first packet of the hybrid epoch, 2.
    let late = first_epoch(&FROM_CLIENT, 1, &[Frame::Ping]);
    assert!(!pair.deliver(Way::Up, &late), "that number came");
    let mut pair = Pair::new();
    pair.write();
    let mut sent = 0;
    let mut second_late = |way| {
        sent += usize::from(way == Way::Up);
        if way == Way::Up && sent == 1 { Fate::Lost } else { Fate::Arrives }
    };
    pair.run_until(&mut second_late, Pair::is_through);
    let late = pair.recorded[0].1.clone();
    assert!(pair.deliver(Way::Up, &late), "a piece that others stood in for");
    assert!(pair.server.session.is_open() && pair.server.session.exchange.is_none());
    assert!(!pair.deliver(Way::Up, &late));
    // In a number that is no older than what came of the hybrid epoch, the old key opens nothing.
    assert!(!pair.lie(100, &[Frame::Ping]));
}

#[test]
fn an_exchange_that_does_not_end_is_given_up_exactly_at_its_deadline() {
    let mut pair = Pair::new();
    pair.client.session.offer_key();
    let end = pair.now + EXCHANGE_TIMEOUT;
    // One packet arrives, then none.
    let first = [Frame::Ping];
    assert!(pair.lie(0, &first));
    for end_of in [Role::Client, Role::Server] {
        let role = match end_of {
            Role::Client => &mut pair.client,
            Role::Server => &mut pair.server,
        };
        let End { session, events, .. } = role;
        session.handle_timeout(end - Duration::from_micros(1), events);
        assert!(session.is_open());
        session.handle_timeout(end, events);
        assert!(!session.is_open());
        assert!(
            matches!(events.back(), Some(SessionEvent::Closed { code: CloseCode::Idle, .. })),
            "{events:?}"
        );
    }
}

#[test]
fn a_session_is_not_packed_before_the_exchange_is_over() {
    let mut pair = Pair::new();
    assert!(pair.lie(0, &[Frame::Padding]));
    assert!(pair.server.session.pack().is_none());
    let mut pair = Pair::new();
    pair.client.session.offer_key();
    pair.run_until(&mut in_order, |pair| pair.client.is_over() && pair.server.is_over());
    let quiet = pair.now + Duration::from_secs(1);
    while pair.now < quiet {
        pair.step(&mut in_order);
    }
    let dormant = pair.server.session.pack().expect("nothing is under way");
    pair.server.session = Session::unpack(&dormant);
    assert_eq!(pair.server.session.keys.send_epoch(), Epoch::Hybrid);
    pair.client.session.send_message(b"up", Urgency::Normal);
    pair.server.session.send_message(b"down", Urgency::Normal);
    pair.run_until(&mut in_order, Pair::is_through);
}

#[test]
fn each_packet_of_the_exchange_fits() {
    let mut pair = Pair::new();
    pair.write();
    pair.run_until(&mut in_order, Pair::is_through);
    let sizes: Vec<usize> = pair.recorded.iter().map(|(_, packet)| packet.len()).collect();
    assert!(sizes.iter().all(|size| *size <= crate::DATAGRAM_BYTES_MAX), "{sizes:?}");
    let key = pair.recorded.iter().take(2).map(|(_, packet)| packet.len()).sum::<usize>();
    assert_eq!(key, KEY_BYTES + 2 * (DATA_HEADER_BYTES + 16) + (2 + 2) + (2 + 2));
}
