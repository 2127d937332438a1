//! What strangers get, counted on the wire: `tcpdump` looks on, and our own counters have no say.

use pychat_attack::{Target, attacks, measure};
use pychat_testkit::harness::{Options, Server};

/// Enough for each kind of packet from many addresses.
const DATAGRAMS: u64 = 4_000;

/// At this rate `tcpdump` misses nothing.
const PER_S: u64 = 8_000;

const SEED: u64 = 7;

#[test]
fn an_address_that_is_not_validated_never_gets_more_bytes_than_it_sent() {
    println!("seed {SEED}");
    for name in [
        "init-random",
        "init-one-source",
        "init-bad-mac",
        "init-replay",
        "reset-version",
        "empty",
        "moving",
    ] {
        let kind = attacks::named(name).expect("an attack of this name");
        let server = Server::start(&Options::default());
        let target = Target::of(&server);
        let mut attack = (kind.begin)(&target, SEED);
        let flows = match measure::amplification(&target, attack.as_mut(), PER_S, DATAGRAMS) {
            Ok(flows) => flows,
            Err(why) => {
                println!("SKIPPED: nothing can be captured here: {}", why.0);
                return;
            }
        };
        let (mut bytes_in, mut bytes_out) = (0, 0);
        for (address, flow) in &flows {
            assert!(flow.bytes_out <= flow.bytes_in, "{name}: {address} got more: {flow:?}");
            bytes_in += flow.bytes_in;
            bytes_out += flow.bytes_out;
        }
        println!("{name}: {} addresses sent {bytes_in} bytes and got {bytes_out}", flows.len());
        assert!(!flows.is_empty(), "{name}: nothing was captured");
        // Some attacks must be answered, or nothing was measured.
        if ["init-random", "reset-version", "moving"].contains(&name) {
            assert!(bytes_out > 0, "{name}: nobody was answered");
        }
    }
}
