//! A server moves to a cluster and back while one of two is away: nothing is lost, doubled or out of order.

use crate::{
    cluster::write,
    stage::{connect, received, run, send},
};
use pychat_testkit::harness::{
    Options, Profile, Server,
    nats::{NatsCluster, Sync},
};
use std::{ffi::OsString, fs};

/// Moves everything, with a server's program.
fn migrate(program: &Server, from: &str, to: &str) {
    let moved = program.program(&["migrate", "--from", from, "--to", to]);
    assert_eq!(moved.code, 0, "{moved}");
    assert!(moved.stdout.contains("both hold the same"), "{moved}");
}

#[test]
fn a_chat_goes_on_where_its_server_was_moved_to_and_back() {
    let nats = NatsCluster::start(1, Sync::Sometimes);
    let store = format!("{}?replicas=1&streams=2", nats.link());
    let mut old = Server::start(&Options::default());
    let (alice, bob) = (Profile::new("alice"), Profile::new("bob"));
    connect(&alice, "Alice", &old.link());
    connect(&bob, "Bob", &old.link());
    send(&alice, "bob", "there", "delivered");
    let mut to_bob = vec!["there".to_owned()];
    let mut to_alice = write(&bob, "alice", "from Bob", 5);
    assert_eq!(received(&alice, "bob", to_alice.len()), to_alice);

    // Bob is away, and more waits for him than one page holds.
    run(&bob, &["disconnect"]);
    to_bob.extend(write(&alice, "bob", "while Bob is away", 300));
    to_bob.push("x".repeat(20_000));
    run(&alice, &["send", "bob", to_bob.last().expect("it was pushed"), "--wait", "accepted"]);
    let data = old.data().display().to_string();
    let key = old.data().join("for-nodes.key");
    let file = key.display().to_string();
    let exported = old.program(&["key", "export", &file, "--data", &data]);
    assert_eq!(exported.code, 0, "{exported}");
    assert_eq!(old.terminate(), 0);
    // What Alice writes meanwhile waits at hers.
    to_bob.extend(write(&alice, "bob", "without a server", 3));
    migrate(&old, &data, &store);

    let node = |key| {
        let arguments: Vec<OsString> = ["--store", &store, "--shards", "1"].map(Into::into).into();
        Options { arguments, key, ..Options::default() }
    };
    let mut nodes = [(); 2].map(|()| Server::start(&node(Some(key.clone()))));
    connect(&alice, "Alice", &nodes[0].link());
    connect(&bob, "Bob", &nodes[1].link());
    assert_eq!(received(&bob, "alice", to_bob.len()), to_bob);
    to_bob.extend(write(&alice, "bob", "at the nodes", 10));
    to_alice.extend(write(&bob, "alice", "back at the nodes", 10));
    assert_eq!(received(&bob, "alice", to_bob.len()), to_bob);
    assert_eq!(received(&alice, "bob", to_alice.len()), to_alice);

    // And back to a directory, with Alice away.
    run(&alice, &["disconnect"]);
    to_alice.extend(write(&bob, "alice", "while Alice is away", 20));
    run(&bob, &["send", "alice", "last", "--wait", "accepted"]);
    to_alice.push("last".into());
    nodes.iter_mut().for_each(|node| assert_eq!(node.terminate(), 0));
    to_alice.extend(write(&bob, "alice", "without nodes", 3));
    // Another machine, where nobody was ever served.
    let mut back = Server::start(&Options::default());
    assert_eq!(back.terminate(), 0);
    for entry in fs::read_dir(back.data()).expect("the directory is there") {
        let path = entry.expect("the directory can be read").path();
        fs::remove_file(path).expect("what is in it are files");
    }
    let data = back.data().display().to_string();
    migrate(&nodes[0], &store, &data);
    let imported = nodes[0].program(&["key", "import", &file, "--data", &data]);
    assert_eq!(imported.code, 0, "{imported}");
    back.restart();
    connect(&alice, "Alice", &back.link());
    connect(&bob, "Bob", &back.link());
    assert_eq!(received(&alice, "bob", to_alice.len()), to_alice);
    to_bob.extend(write(&alice, "bob", "home again", 10));
    to_alice.extend(write(&bob, "alice", "home again too", 10));
    assert_eq!(received(&bob, "alice", to_bob.len()), to_bob);
    assert_eq!(received(&alice, "bob", to_alice.len()), to_alice);
    // A receipt comes as before.
    run(&alice, &["send", "bob", "one more", "--wait", "delivered"]);
}
