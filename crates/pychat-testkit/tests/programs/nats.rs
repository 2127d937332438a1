//! A server whose mailboxes are in NATS: the same promises, also when either of the two is killed.

use crate::stage::{Stage, received, run};
use pychat_testkit::harness::nats::{NatsCluster, Sync};

fn stage(nats: &NatsCluster) -> Stage {
    Stage::with_arguments(&["--store", &format!("{}?replicas=1&streams=2", nats.link())])
}

#[test]
fn mail_waits_in_nats_while_server_and_nats_are_killed() {
    let mut nats = NatsCluster::start(1, Sync::Always);
    let mut stage = stage(&nats);
    let (alice, bob) = stage.pair();
    run(&alice, &["send", "bob", "there", "--wait", "delivered"]);
    run(&bob, &["disconnect"]);
    run(&alice, &["send", "bob", "later", "--wait", "accepted"]);

    stage.server.kill9();
    stage.server.restart();
    run(&alice, &["send", "bob", "after the server", "--wait", "accepted", "--timeout", "30s"]);
    nats.kill(0);
    run(&alice, &["send", "bob", "meanwhile", "--wait", "queued"]);
    nats.restart(0);
    run(&alice, &["send", "bob", "after NATS", "--wait", "accepted", "--timeout", "60s"]);

    run(&bob, &["connect", "bob", "Bob"]);
    let expected = ["there", "later", "after the server", "meanwhile", "after NATS"];
    assert_eq!(received(&bob, "alice", expected.len()), expected);
}
