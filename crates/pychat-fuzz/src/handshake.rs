//! Target `handshake`: bytes of strangers to who waits for an answer and to who answers, and valid
//! handshakes with forgeries in front of each datagram.

use crate::{
    ledger::Ledger,
    mutation::mutated,
    pair::{Contact, Datagram, Pair, client_address, server_address},
    source::Source,
};
use pychat_proto::{ClientEvent, Suspicion};
use std::{net::SocketAddr, time::Duration};

/// Datagrams of a stranger in one run.
const STRANGE_MAX: usize = 64;

/// Other keys and seeds than those of captured traffic, which would be valid here otherwise. (It was:
/// the first run over the corpus logged a stranger in.)
const STRANGE_KEYS: u8 = 1;

/// Steps in which a handshake is through, forgeries or not.
const STEPS_MAX: usize = 200;

/// No panic; no session, login or key from what nobody of ours made; an unproved address never gets
/// more than it sent; and a forgery does not spoil the handshake that it is slipped into.
pub fn handshake(data: &[u8]) {
    let mut source = Source::new(data);
    let mode = source.u8();
    let contact = if mode & 1 == 0 { Contact::Known } else { Contact::First };
    match mode >> 1 & 3 {
        0 => strange_answers(contact, source),
        1 => strange_questions(source),
        _ => forgeries(contact, source),
    }
}

/// What a client may be told by who is not its server: hints, which are marked as such.
fn is_harmless(event: &ClientEvent) -> bool {
    match event {
        ClientEvent::NeedAddresses | ClientEvent::Suspicion(Suspicion::Versions(_)) => true,
        ClientEvent::Suspicion(Suspicion::KeyChanged(_))
        | ClientEvent::ServerKeyLearned(_)
        | ClientEvent::Connected { .. }
        | ClientEvent::Disconnected { .. }
        | ClientEvent::Unanswered { .. }
        | ClientEvent::Refused(_)
        | ClientEvent::Message { .. }
        | ClientEvent::Committed { .. }
        | ClientEvent::MessageRefused { .. }
        | ClientEvent::Reply { .. }
        | ClientEvent::Note { .. } => false,
    }
}

/// A client that waits hears from a stranger who sees what it sends.
fn strange_answers(contact: Contact, mut source: Source<'_>) {
    let mut pair = Pair::with_keys(contact, STRANGE_KEYS);
    pair.connect();
    let mut sent = pair.collect();
    for _ in 0..STRANGE_MAX {
        if source.is_empty() {
            break;
        }
        let echo = source.u8();
        let mut bytes = source.bytes(1500).to_vec();
        // Else it would be dropped at its first look: the id is what the stranger can see.
        if echo & 1 == 1
            && let (Some(last), Some(kind)) = (sent.last(), bytes.first().copied())
        {
            let at = if kind == 0x03 { 3 } else { 2 };
            if let Some(place) = bytes.get_mut(at..at + 8) {
                place.copy_from_slice(&last.bytes[4..12]);
            }
        }
        pair.tell_client(server_address(), &bytes);
        if echo & 2 == 2 {
            pair.wait(Duration::from_millis(u64::from(echo) * 10));
        }
        sent.extend(pair.collect());
        assert!(!pair.client.is_connected(), "a stranger made a session");
        assert!(pair.events.iter().all(is_harmless), "{:?}", pair.events);
    }
}

/// A server hears from strangers.
fn strange_questions(mut source: Source<'_>) {
    let mut pair = Pair::with_keys(Contact::Known, STRANGE_KEYS);
    let mut ledger = Ledger::new(server_address());
    for _ in 0..STRANGE_MAX {
        if source.is_empty() {
            break;
        }
        let from = SocketAddr::from(([192, 0, 2, source.u8()], 9));
        let bytes = source.bytes(1500);
        ledger.received(from, bytes.len());
        pair.tell_server(from, bytes);
        ledger.sent_all(&pair.collect());
        assert_eq!((pair.logins, pair.server.sessions()), (0, 0), "a stranger came in");
        assert_eq!(pair.server.table_len(), 0, "a stranger takes memory");
    }
}

/// Before each datagram of a handshake comes one like it, but not it.
fn forgeries(contact: Contact, mut source: Source<'_>) {
    let mut pair = Pair::new(contact);
    let mut ledger = Ledger::new(server_address());
    pair.up.sent.push(b"up".to_vec());
    pair.down.sent.push(b"down".to_vec());
    pair.connect();
    let mut flights = Vec::new();
    for _ in 0..STEPS_MAX {
        flights.extend(pair.collect());
        if pair.is_connected() && pair.up.is_done() && pair.down.is_done() {
            return;
        }
        if flights.is_empty() {
            let Some(due) = pair.due() else { panic!("nobody does anything any more") };
            let pause = due.since(pair.now);
            pair.wait(pause);
            continue;
        }
        for flight in std::mem::take(&mut flights) {
            if !source.is_empty() {
                forge(&mut pair, &mut ledger, &flight, &mut source);
            }
            deliver(&mut pair, &flight);
            // What comes of it is not to be taken for what comes of the next forgery.
            flights.extend(pair.collect());
        }
    }
    panic!("a forgery spoiled the handshake: {:?}", pair.events);
}

/// Delivers a forgery of `flight`, from its sender's address or a stranger's, and looks that nothing
/// came of it.
fn forge(pair: &mut Pair, ledger: &mut Ledger, flight: &Datagram, source: &mut Source<'_>) {
    let before = state(pair);
    let stranger = SocketAddr::from(([192, 0, 2, 1], 9));
    let from = if source.u8() & 1 == 0 { flight.from } else { stranger };
    let bytes = mutated(&flight.bytes, source);
    if flight.to == client_address() {
        pair.tell_client(from, &bytes);
    } else {
        ledger.received(from, bytes.len());
        pair.tell_server(from, &bytes);
    }
    assert!(pair.client.poll_event().as_ref().is_none_or(is_harmless), "a forgery was believed");
    assert!(pair.server.poll_event().is_none(), "a forgery was believed");
    assert_eq!(state(pair), before, "a forgery changed something");
    let answers = pair.collect();
    // What the two say to each other aside, a forgery is answered with as many bytes at most.
    let to_stranger: Vec<Datagram> =
        answers.iter().filter(|datagram| datagram.to == stranger).cloned().collect();
    ledger.sent_all(&to_stranger);
    for answer in answers {
        if answer.to != stranger {
            deliver(pair, &answer);
        }
    }
}

/// What a forgery must not touch.
fn state(pair: &Pair) -> (bool, usize, usize, usize, usize) {
    let server = &pair.server;
    let taken = pair.up.taken.len() + pair.down.taken.len();
    (pair.client.is_connected(), server.sessions(), server.table_len(), pair.logins, taken)
}

fn deliver(pair: &mut Pair, flight: &Datagram) {
    if flight.to == client_address() {
        pair.tell_client(flight.from, &flight.bytes);
    } else if flight.to == server_address() {
        pair.tell_server(flight.from, &flight.bytes);
    }
}
