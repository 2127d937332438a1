//! Real traffic, to begin a corpus with.

use crate::pair::{Contact, Pair, client_address};
use std::{collections::BTreeSet, time::Duration};

/// Datagrams of a run, in the order of sending, each kind of packet once in each direction.
#[must_use]
pub fn datagrams() -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (contact, name) in [(Contact::Known, "ik"), (Contact::First, "xx")] {
        let mut pair = Pair::new(contact);
        pair.up.sent.push(b"hello".to_vec());
        pair.down.sent.push(vec![7; 3000]);
        pair.connect();
        for _ in 0..STEPS {
            for datagram in pair.collect() {
                let up = datagram.from == client_address();
                let kind = datagram.bytes[0];
                if seen.insert((name, up, kind)) {
                    let way = if up { "up" } else { "down" };
                    found.push((format!("{name}_{way}_{kind:02x}"), datagram.bytes.clone()));
                }
                if up {
                    pair.tell_server(datagram.from, &datagram.bytes);
                } else {
                    pair.tell_client(datagram.from, &datagram.bytes);
                }
            }
            pair.wait(Duration::from_millis(30));
        }
    }
    found
}

/// Round trips of a run.
const STEPS: usize = 20;
