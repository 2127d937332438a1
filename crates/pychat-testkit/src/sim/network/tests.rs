use super::*;
use crate::{dice::Chance, faults::Loss};
use std::{cell::RefCell, rc::Rc};

fn host(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 7420))
}

fn drain(network: &mut Network) -> Vec<(Instant, Datagram)> {
    std::iter::from_fn(|| network.next_delivery()).collect()
}

fn messy() -> Faults {
    Faults {
        loss: Loss::Random(Chance::percent(20.0)),
        jitter: Duration::from_millis(30),
        reordering: Chance::percent(10.0),
        reordering_delay: Duration::from_millis(50),
        duplication: Chance::percent(10.0),
        corruption: Chance::percent(10.0),
        ..Faults::delayed(Duration::from_millis(40))
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let mut network = Network::new(seed);
        network.set_all_faults(messy());
        for number in 0..1_000_u32 {
            network.send(host(1), host(2), number.to_be_bytes().to_vec());
            network.send(host(2), host(1), number.to_be_bytes().to_vec());
            network.next_delivery();
        }
        (drain(&mut network), network.counts())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn the_clock_moves_with_the_arrivals() {
    let mut network = Network::new(1);
    let start = network.now();
    network.set_all_faults(Faults::delayed(Duration::from_millis(40)));
    network.send(host(1), host(2), vec![1]);
    assert_eq!(network.next_arrival(), Some(start + Duration::from_millis(40)));
    assert_eq!(network.now(), start);
    let (at, datagram) = network.next_delivery().unwrap();
    assert_eq!((at, network.now()), (start + Duration::from_millis(40), at));
    assert_eq!(datagram, Datagram { from: host(1), to: host(2), bytes: vec![1] });
    assert_eq!(network.next_delivery(), None);
}

#[test]
fn a_blackout_can_be_one_way() {
    let mut network = Network::new(1);
    network.set_faults(host(1), host(2), Faults::BLACKOUT);
    network.send(host(1), host(2), vec![1]);
    network.send(host(2), host(1), vec![2]);
    assert_eq!(drain(&mut network).len(), 1);
    assert_eq!(network.counts_between(host(1), host(2)).blocked, 1);
    network.set_faults_between(host(1), host(2), Faults::NONE);
    network.send(host(1), host(2), vec![3]);
    assert_eq!(drain(&mut network).len(), 1);
}

#[test]
fn after_a_rebind_replies_to_the_old_address_are_lost() {
    let mut network = Network::new(1);
    network.rebind(host(1), host(101));
    network.send(host(1), host(2), vec![1]);
    assert_eq!(drain(&mut network)[0].1.from, host(101));
    network.send(host(2), host(101), vec![2]);
    network.send(host(2), host(1), vec![3]);
    let arrived = drain(&mut network);
    assert_eq!(arrived.len(), 1);
    assert_eq!((arrived[0].1.to, &arrived[0].1.bytes), (host(1), &vec![2]));
    assert_eq!(network.counts().unroutable, 1);
    // Under way to an address that a rebind takes away meanwhile: lost as well.
    network.send(host(2), host(101), vec![4]);
    network.rebind(host(1), host(102));
    assert!(drain(&mut network).is_empty());
    // Home again.
    network.rebind(host(1), host(1));
    network.send(host(2), host(1), vec![5]);
    assert_eq!(drain(&mut network)[0].1.to, host(1));
}

#[test]
fn a_clock_that_jumped_stays_ahead() {
    let mut network = Network::new(1);
    let hour = Duration::from_secs(3_600);
    network.jump_clock(host(1), hour);
    assert_eq!(network.clock_of(host(1)), network.now() + hour);
    assert_eq!(network.clock_of(host(2)), network.now());
    let soon = network.clock_of(host(1)) + Duration::from_secs(1);
    assert_eq!(network.when(host(1), soon), network.now() + Duration::from_secs(1));
}

#[test]
fn a_tap_sees_what_is_sent_and_what_arrives() {
    let seen = Rc::new(RefCell::new((0, 0)));
    let mut network = Network::new(1);
    network.set_all_faults(Faults::NONE.losing(50.0));
    let tap = Rc::clone(&seen);
    network.add_tap(move |_, tapped| match tapped {
        Tapped::Sent(_) => tap.borrow_mut().0 += 1,
        Tapped::Delivered { .. } => tap.borrow_mut().1 += 1,
    });
    (0..100).for_each(|_| network.send(host(1), host(2), vec![1]));
    let arrived = drain(&mut network).len();
    assert_eq!(*seen.borrow(), (100, arrived));
    assert!(arrived < 100);
}
