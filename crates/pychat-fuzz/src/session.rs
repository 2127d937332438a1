//! Target `session`: two that are connected, on a network that the bytes decide about.

use crate::{
    pair::{Contact, Datagram, Pair, client_address, server_address},
    source::Source,
};
use std::{collections::VecDeque, net::SocketAddr, time::Duration};

/// Messages in each direction.
const MESSAGES_MAX: usize = 40;

/// Datagrams under way at once; what comes beyond is lost, as on any network.
const UNDER_WAY_MAX: usize = 256;

/// Acts of the bytes in one run.
const ACTS_MAX: usize = 600;

/// Once the network is perfect, all has arrived within this time.
const HEALS_WITHIN: Duration = Duration::from_secs(180);

/// Moves of the clock after which it stands still.
const STEPS_MAX: usize = 20_000;

/// However datagrams are dropped, doubled, reordered, delayed and flipped, what was delivered is an
/// exact prefix of what was sent, and all of it is once the network works again.
pub fn session(data: &[u8]) {
    let mut source = Source::new(data);
    let contact = if source.u8() & 1 == 0 { Contact::Known } else { Contact::First };
    let mut pair = Pair::new(contact);
    let mut network = VecDeque::new();
    pair.connect();
    for _ in 0..ACTS_MAX {
        if source.is_empty() {
            break;
        }
        act(&mut pair, &mut network, &mut source);
        network.extend(pair.collect());
        network.truncate(UNDER_WAY_MAX);
    }
    heal(&mut pair, network);
}

fn act(pair: &mut Pair, network: &mut VecDeque<Datagram>, source: &mut Source<'_>) {
    let act = source.u8();
    let bits = usize::from(act >> 4);
    match act & 0xf {
        // The next one arrives; also a few in a row.
        0..=3 => {
            for _ in 0..=act & 3 {
                if let Some(datagram) = network.pop_front() {
                    deliver(pair, &datagram);
                }
            }
        }
        4 => drop(network.pop_front()),
        // One overtakes the others.
        5 => {
            if let Some(datagram) = network.remove(bits) {
                deliver(pair, &datagram);
            }
        }
        6 => {
            if let Some(datagram) = network.front().cloned() {
                deliver(pair, &datagram);
            }
        }
        7 => {
            if let Some(datagram) = network.pop_front() {
                network.push_back(datagram);
            }
        }
        8 => {
            if let Some(mut datagram) = network.pop_front() {
                let at = source.below(datagram.bytes.len());
                datagram.bytes[at] ^= 1 << (bits & 7);
                deliver(pair, &datagram);
            }
        }
        9 => pair.up.sent.extend(message(pair.up.sent.len(), bits, source)),
        10 => pair.down.sent.extend(message(pair.down.sent.len(), bits, source)),
        11 => pair.wait(Duration::from_millis(1 << bits)),
        12 => pair.wait(Duration::from_secs(bits as u64)),
        13 => network.clear(),
        // Its way home is another one: the client has a new address.
        14 => {
            if let Some(mut datagram) = network.pop_front() {
                if datagram.from == client_address() {
                    datagram.from = SocketAddr::from(([192, 0, 2, act], 9));
                }
                deliver(pair, &datagram);
            }
        }
        _ => pair.client.handle_network_change(pair.now),
    }
}

/// A message that is like no other, of one record or several.
fn message(number: usize, bits: usize, source: &mut Source<'_>) -> Option<Vec<u8>> {
    (number < MESSAGES_MAX).then(|| {
        let mut payload = (number as u32).to_be_bytes().to_vec();
        payload.resize(4 + bits * 300, source.u8());
        payload
    })
}

fn deliver(pair: &mut Pair, datagram: &Datagram) {
    if datagram.to == server_address() {
        pair.tell_server(datagram.from, &datagram.bytes);
    } else {
        // Whatever address of the client's it goes to.
        pair.tell_client(datagram.from, &datagram.bytes);
    }
}

fn heal(pair: &mut Pair, mut network: VecDeque<Datagram>) {
    let end = pair.now + HEALS_WITHIN;
    for _ in 0..STEPS_MAX {
        network.extend(pair.collect());
        if let Some(datagram) = network.pop_front() {
            deliver(pair, &datagram);
            continue;
        }
        if pair.is_connected() && pair.up.is_done() && pair.down.is_done() {
            return;
        }
        let due = pair.due().filter(|due| *due <= end);
        let Some(due) = due else { break };
        let pause = due.since(pair.now);
        pair.wait(pause);
    }
    let (up, down) = (&pair.up, &pair.down);
    panic!(
        "not whole again: connected {}, {} of {} up, {} of {} down; {:?}",
        pair.is_connected(),
        up.taken.len(),
        up.sent.len(),
        down.taken.len(),
        down.sent.len(),
        pair.events
    );
}
