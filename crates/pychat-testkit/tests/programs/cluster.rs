//! Three servers on three NATS servers: people at different nodes chat, while any of the six is killed.

use crate::stage::{connect, received, run, send};
use pychat_testkit::harness::{
    Options, Profile, Server,
    nats::{NatsCluster, Sync},
};
use std::{
    process::Command,
    time::{Duration, Instant},
};

pub(crate) const NODES: usize = 3;

/// Three nodes on three NATS servers.
pub(crate) struct Cluster {
    // Before NATS, which is to outlive who speaks to it.
    pub(crate) nodes: Vec<Server>,
    nats: NatsCluster,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let nats = NatsCluster::start(NODES, Sync::Always);
        let store = format!("{}?streams=2", nats.link());
        let options = |key| {
            let arguments = ["--store", &store, "--shards", "1"].map(Into::into).to_vec();
            Options { arguments, key, ..Options::default() }
        };
        let first = Server::start(&options(None));
        let key = first.data().join("for-others.key");
        let (file, data) = (key.display().to_string(), first.data().display().to_string());
        let exported = first.program(&["key", "export", &file, "--data", &data]);
        assert_eq!(exported.code, 0, "{exported}");
        let others = (1..NODES).map(|_| Server::start(&options(Some(key.clone()))));
        let others: Vec<Server> = others.collect();
        let nodes = std::iter::once(first).chain(others).collect();
        Self { nodes, nats }
    }

    /// A link that names all nodes, this one first: a client draws its own order.
    pub(crate) fn link(&self) -> String {
        let addresses = self.nodes.iter().map(|node| node.address().to_string());
        let key = self.nodes[0].printed_link().key.expect("a server's link names its key");
        format!("pychat://{}#{key}", addresses.collect::<Vec<_>>().join(","))
    }

    /// Which node somebody is at.
    pub(crate) fn of(&self, profile: &Profile) -> usize {
        let status = profile.ctl_json(&["status"]);
        let address = status["address"].as_str().unwrap_or_default();
        let at = self.nodes.iter().position(|node| node.address().to_string() == address);
        at.unwrap_or_else(|| panic!("{} is nowhere: {status}", profile.name()))
    }

    /// Somebody who is at this node, whatever it takes.
    pub(crate) fn join_at(&self, user: &str, name: &str, node: usize) -> Profile {
        let profile = Profile::new(user);
        connect(&profile, name, &self.nodes[node].link());
        profile
    }
}

/// Sends so many texts, and says what they are.
pub(crate) fn write(from: &Profile, to: &str, what: &str, count: usize) -> Vec<String> {
    let texts: Vec<String> = (0..count).map(|number| format!("{what} {number}")).collect();
    texts.iter().for_each(|text| drop(send(from, to, text, "queued")));
    texts
}

#[test]
fn people_at_different_nodes_see_each_other_and_their_texts_arrive() {
    let cluster = Cluster::new();
    let alice = cluster.join_at("alice", "Alice", 0);
    let bob = cluster.join_at("bob", "Bob", 1);
    let users = alice.ctl_json(&["users"]);
    let names: Vec<_> = users["items"].as_array().expect("a list").iter().collect();
    assert_eq!(names.len(), 2, "{users}");
    assert!(names.iter().all(|user| user["status"] == "online"), "{users}");
    let mut times = Vec::new();
    for number in 0..20 {
        let start = Instant::now();
        send(&alice, "bob", &format!("text {number}"), "delivered");
        times.push(start.elapsed());
    }
    times.sort();
    println!("delivered across nodes, whole commands: {:?} (median)", times[times.len() / 2]);
    let expected: Vec<String> = (0..20).map(|number| format!("text {number}")).collect();
    assert_eq!(received(&bob, "alice", expected.len()), expected);
    // Who moves has what came meanwhile.
    run(&bob, &["disconnect"]);
    let later = write(&alice, "bob", "later", 10);
    send(&alice, "bob", "last", "accepted");
    connect(&bob, "Bob", &cluster.nodes[2].link());
    let all: Vec<String> = expected.into_iter().chain(later).chain(["last".to_owned()]).collect();
    assert_eq!(received(&bob, "alice", all.len()), all);
}

#[test]
fn a_node_that_stood_still_spoils_nothing() {
    let cluster = Cluster::new();
    let (alice, bob) = (Profile::new("alice"), Profile::new("bob"));
    connect(&alice, "Alice", &cluster.link());
    connect(&bob, "Bob", &cluster.link());
    let mut to_bob = write(&alice, "bob", "before", 10);
    let node = cluster.of(&bob);
    let pid = cluster.nodes[node].pid().expect("it runs");
    signal("STOP", pid);
    to_bob.extend(write(&alice, "bob", "meanwhile", 10));
    // Whoever is there hears of it from wherever the other has gone.
    to_bob.push("delivered".into());
    run(&alice, &["send", "bob", "delivered", "--wait", "delivered", "--timeout", "30s"]);
    signal("CONT", pid);
    to_bob.extend(write(&alice, "bob", "after", 10));
    assert_eq!(received(&bob, "alice", to_bob.len()), to_bob);
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(sent.expect("there is a kill").success(), "{name} {pid}");
}

#[test]
fn a_chat_goes_on_while_nats_servers_and_nodes_are_killed() {
    let mut cluster = Cluster::new();
    let (alice, bob) = (Profile::new("alice"), Profile::new("bob"));
    connect(&alice, "Alice", &cluster.link());
    connect(&bob, "Bob", &cluster.link());
    let (mut to_bob, mut to_alice) = (Vec::new(), Vec::new());
    for round in 0..2 {
        to_bob.extend(write(&alice, "bob", &format!("{round}: before"), 10));
        to_alice.extend(write(&bob, "alice", &format!("{round}: before"), 10));
        // One of them leads.
        cluster.nats.kill(round);
        to_bob.extend(write(&alice, "bob", &format!("{round}: without NATS {round}"), 10));
        to_alice.extend(write(&bob, "alice", &format!("{round}: without NATS {round}"), 10));
        assert_eq!(received(&bob, "alice", to_bob.len()), to_bob);
        cluster.nats.restart(round);

        let node = cluster.of(&bob);
        cluster.nodes[node].kill9();
        let start = Instant::now();
        to_bob.extend(write(&alice, "bob", &format!("{round}: without node {node}"), 10));
        to_alice.extend(write(&bob, "alice", &format!("{round}: without node {node}"), 10));
        assert_eq!(received(&alice, "bob", to_alice.len()), to_alice);
        let gap = start.elapsed();
        println!("round {round}: all of it arrived {gap:?} after node {node} was killed");
        assert!(gap < Duration::from_secs(15), "{gap:?}");
        cluster.nodes[node].restart();
    }
    assert_eq!(received(&bob, "alice", to_bob.len()), to_bob);
    assert_eq!(received(&alice, "bob", to_alice.len()), to_alice);
    // All of it at once: what was acknowledged is there again.
    run(&bob, &["disconnect"]);
    let mut last = write(&alice, "bob", "before all are killed", 5);
    send(&alice, "bob", "safe", "accepted");
    last.push("safe".into());
    (0..NODES).for_each(|number| cluster.nats.kill(number));
    (0..NODES).for_each(|number| cluster.nats.spawn(number));
    connect(&bob, "Bob", &cluster.link());
    to_bob.extend(last);
    assert_eq!(received(&bob, "alice", to_bob.len()), to_bob);
}
