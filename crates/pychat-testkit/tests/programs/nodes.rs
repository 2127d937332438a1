//! A server of two nodes, each its own program with its own store and one key: who loses its node goes on at the
//! other. What the nodes share beyond the key is not looked at here.

use crate::stage::{DEADLINE, all_from, connect, run, send, until, wait_for_link};
use pychat_testkit::harness::{Options, Profile, Server};
use serde_json::Value;
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Whoever writes to a node that was killed is at the other one this soon.
const MOVED_WITHIN: Duration = Duration::from_secs(5);

/// Kills whose times are looked at.
const KILLS: usize = 9;

struct Nodes {
    servers: [Server; 2],
    directory: TempDir,
}

impl Nodes {
    /// Two servers with one key.
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let config = |name: &str| {
            let path = directory.path().join(name);
            fs::write(&path, "").expect("it can be written");
            path
        };
        let options = |name: &str, key: Option<PathBuf>| {
            let arguments = vec!["--config".into(), config(name).into()];
            Options { arguments, key, ..Options::default() }
        };
        let first = Server::start(&options("0.toml", None));
        let key = directory.path().join("server.key");
        let (file, data) = (key.display().to_string(), first.data().display().to_string());
        let exported = first.program(&["key", "export", &file, "--data", &data]);
        assert_eq!(exported.code, 0, "{exported}");
        let second = Server::start(&options("1.toml", Some(key)));
        assert_eq!(first.printed_link().key, second.printed_link().key);
        Self { servers: [first, second], directory }
    }

    /// Has both say that they are nodes, and who the other is.
    fn configure(&mut self) {
        let addresses = [0, 1].map(|node| self.servers[node].address());
        for (node, server) in self.servers.iter_mut().enumerate() {
            let path = self.directory.path().join(format!("{node}.toml"));
            let [first, second] = addresses;
            let text = format!(
                "advertise = \"{}\"\nnodes = [\"{first}\", \"{second}\"]\n",
                addresses[node]
            );
            fs::write(path, text).expect("it can be written");
            server.restart();
        }
    }

    fn link(&self) -> String {
        let [first, second] = [0, 1].map(|node| self.servers[node].address());
        let key = self.servers[0].printed_link().key.expect("a server's link names its key");
        format!("pychat://{first},{second}#{key}")
    }

    /// Which node somebody is at.
    fn of(&self, profile: &Profile) -> Option<usize> {
        let status = profile.ctl_json(&["status"]);
        if status["link"] != "connected" {
            return None;
        }
        let address = status["address"].as_str()?;
        self.servers.iter().position(|server| server.address().to_string() == address)
    }

    fn wait_for_move(&self, profile: &Profile, from: usize) {
        until("it is at the other node", DEADLINE, || {
            self.of(profile).filter(|node| *node != from)
        });
    }
}

fn node(status: &Value) -> (String, u64) {
    let node = status["node"].as_str().unwrap_or_default().to_owned();
    (node, status["nodes"].as_u64().unwrap_or_default())
}

#[test]
fn who_writes_to_a_node_that_was_killed_is_at_the_other_soon() {
    let mut nodes = Nodes::new();
    let alice = Profile::new("alice");
    connect(&alice, "Alice", &nodes.link());
    let mut times = Vec::new();
    for round in 0..KILLS {
        let at = nodes.of(&alice).expect("she is connected");
        let status = alice.ctl_json(&["status"]);
        assert_eq!(node(&status), (nodes.servers[at].address().to_string(), 2));
        nodes.servers[at].kill9();
        let start = Instant::now();
        // It is at a node's disk as soon as the daemon is there.
        send(&alice, "alice", &format!("text {round}"), "accepted");
        times.push(start.elapsed());
        assert_eq!(nodes.of(&alice), Some(1 - at));
        nodes.servers[at].restart();
    }
    times.sort();
    let (median, longest) = (times[KILLS / 2], times[KILLS - 1]);
    println!(
        "{KILLS} kills: a text was accepted at the other node after {median:?} (median), {longest:?} at most"
    );
    assert!(longest <= MOVED_WITHIN, "{times:?}");
    let texts: Vec<String> = (0..KILLS).map(|round| format!("text {round}")).collect();
    until("all of it came once, in order", DEADLINE, || {
        (all_from(&alice, "alice") == texts).then_some(())
    });
}

#[test]
fn who_is_at_a_node_that_is_stopped_goes_on_at_the_other_at_once() {
    let mut nodes = Nodes::new();
    let alice = Profile::new("alice");
    connect(&alice, "Alice", &nodes.link());
    let at = nodes.of(&alice).expect("she is connected");
    let start = Instant::now();
    assert_eq!(nodes.servers[at].terminate(), 0);
    nodes.wait_for_move(&alice, at);
    let time = start.elapsed();
    println!("moved {time:?} after the stop was asked for");
    assert!(time <= MOVED_WITHIN, "{time:?}");
    send(&alice, "alice", "still here", "accepted");
    let found = alice.ctl_json(&["doctor"]);
    let findings = found["items"].as_array().expect("a list has items");
    let told = findings.iter().find(|finding| finding["check"] == "node").expect("a finding");
    let message = told["message"].as_str().expect("a text");
    let here = nodes.servers[1 - at].address().to_string();
    assert!(message.contains(&here) && message.contains("1 other is known"), "{message}");
}

#[test]
fn what_the_server_tells_of_its_nodes_outlives_server_and_daemon() {
    let mut nodes = Nodes::new();
    nodes.configure();
    let alice = Profile::new("alice");
    // By a link that names the first node alone.
    connect(&alice, "Alice", &nodes.servers[0].link());
    assert_eq!(nodes.of(&alice), Some(0));
    until("she was told", DEADLINE, || (node(&alice.ctl_json(&["status"])).1 == 2).then_some(()));
    let shown = alice.ctl(&["status"]).expect_ok();
    assert!(shown.contains("one of 2 that are known"), "{shown}");
    alice.kill_daemon9();
    nodes.servers[0].kill9();
    run(&alice, &["status"]);
    wait_for_link(&alice, "connected");
    assert_eq!(nodes.of(&alice), Some(1));
    send(&alice, "alice", "found", "accepted");

    // A node that is gone for good is forgotten as soon as the other says so.
    let second = nodes.servers[1].address();
    let path = nodes.directory.path().join("1.toml");
    fs::write(path, format!("advertise = \"{second}\"\n")).expect("it can be written");
    nodes.servers[1].hang_up();
    until("she was told", DEADLINE, || {
        // The link still names the first one.
        let log = nodes.servers[1].log();
        log.contains("the configuration was read again").then_some(())
    });
    send(&alice, "alice", "and on", "accepted");
}

#[test]
fn a_killed_node_that_is_back_at_once_keeps_its_clients() {
    let mut nodes = Nodes::new();
    nodes.configure();
    let alice = Profile::new("alice");
    connect(&alice, "Alice", &nodes.link());
    let at = nodes.of(&alice).expect("she is connected");
    let printed = nodes.servers[at].printed_link().clone();
    assert_eq!(printed.places().count(), 2, "{printed}");
    nodes.servers[at].restart();
    // Whether it told her with a RESET or she asked, she is somewhere, and what she writes arrives once.
    send(&alice, "alice", "one", "accepted");
    send(&alice, "alice", "two", "delivered");
    assert_eq!(all_from(&alice, "alice"), ["one", "two"]);
}
