//! An upgrade of node after node, while people chat.

use crate::{
    cluster::{Cluster, NODES, write},
    stage::{connect, received, send},
};
use pychat_testkit::harness::Profile;
use std::time::{Duration, Instant};

/// Whoever writes goes on at another node within this time after its own has stopped. Nearly always that is at once; but
/// nodes are replaced in haste here, and a client leaves one that sent it away alone for five seconds.
const GAP_MAX: Duration = Duration::from_secs(10);

#[test]
fn nodes_are_replaced_one_after_another_while_two_people_chat() {
    let mut cluster = Cluster::new();
    let (alice, bob) = (Profile::new("alice"), Profile::new("bob"));
    connect(&alice, "Alice", &cluster.link());
    connect(&bob, "Bob", &cluster.link());
    let (mut to_bob, mut to_alice) = (Vec::new(), Vec::new());
    for node in 0..NODES {
        to_bob.extend(write(&alice, "bob", &format!("{node}: before"), 10));
        to_alice.extend(write(&bob, "alice", &format!("{node}: before"), 10));
        // People write while it says goodbye.
        let start = Instant::now();
        let stopped = std::thread::scope(|scope| {
            let asked = Instant::now();
            let nodes = &mut cluster.nodes;
            let stopping = scope.spawn(move || (nodes[node].terminate(), asked.elapsed()));
            to_bob.extend(write(&alice, "bob", &format!("{node}: at its end"), 10));
            to_alice.extend(write(&bob, "alice", &format!("{node}: at its end"), 10));
            stopping.join().expect("it stops")
        });
        assert_eq!(stopped.0, 0);
        // Nobody waits for the node that is away.
        let gone = Instant::now();
        send(&alice, "bob", &format!("{node}: without it"), "delivered");
        to_bob.push(format!("{node}: without it"));
        let gap = gone.elapsed();
        println!(
            "node {node}: stopped within {:?}; a text was delivered {gap:?} after, {:?} after it was asked",
            stopped.1,
            start.elapsed()
        );
        assert!(gap < GAP_MAX, "{gap:?}");
        assert_ne!(cluster.of(&alice), node);
        assert_ne!(cluster.of(&bob), node);
        cluster.nodes[node].restart();
        to_bob.extend(write(&alice, "bob", &format!("{node}: after"), 10));
        to_alice.extend(write(&bob, "alice", &format!("{node}: after"), 10));
        assert_eq!(received(&bob, "alice", to_bob.len()), to_bob);
        assert_eq!(received(&alice, "bob", to_alice.len()), to_alice);
    }
}
