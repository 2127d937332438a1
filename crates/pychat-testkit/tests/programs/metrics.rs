//! What a server tells of itself is what really happened.

use crate::stage::{DEADLINE, SLOW_DEADLINE, connect, received, run, seed, until, wait_for_link};
use pychat_testkit::{
    faults::Faults,
    harness::{Options, Output, Profile, Server},
    proxy::{Proxy, ProxyCounts},
};
use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// What a mailbox of this server holds.
const MAILBOX_LEN: usize = 12;

/// Who watches a server that was started with `--metrics 127.0.0.1:0`.
pub(crate) struct Watcher {
    address: String,
}

/// An answer over HTTP.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Watcher {
    /// Finds out where the server's last start told its metrics.
    pub(crate) fn of(server: &Server) -> Self {
        let log = server.log();
        let (_, told) = log.rsplit_once(" are told at http://").expect("the log says where");
        let (address, _) = told.split_once("/metrics").expect("it is a URL");
        Self { address: address.to_owned() }
    }

    /// Asks over HTTP, as somebody who knows nothing of the server.
    pub(crate) fn ask(&self, method: &str, path: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a time can be set");
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).expect("the request is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer that ends");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Answer { status: status.expect("a status"), head: head.to_owned(), body: body.to_owned() }
    }

    /// The samples, by name and labels.
    pub(crate) fn scrape(&self) -> Samples {
        let answer = self.ask("GET", "/metrics");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let lines = answer.body.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a sample has a value");
            (name.to_owned(), value.parse().expect("a number"))
        });
        Samples(samples.collect())
    }
}

/// Has the operator do something.
fn operate(server: &Server, words: &[&str]) {
    let output = server.admin(words);
    assert_eq!(output.code, 0, "{words:?}: {output}");
}

/// A server of two threads that can be watched, with these lines of configuration.
fn start(configuration: &str) -> (Server, Watcher) {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let config = directory.path().join("server.toml");
    fs::write(&config, configuration).expect("a file can be written");
    let mut arguments =
        ["--shards", "2", "--metrics", "127.0.0.1:0", "--config"].map(Into::into).to_vec();
    arguments.push(config.into_os_string());
    let server = Server::start(&Options { arguments, ..Options::default() });
    let watcher = Watcher::of(&server);
    (server, watcher)
}

/// One scrape.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Samples(BTreeMap<String, f64>);

impl Samples {
    pub(crate) fn of(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| panic!("no {name} in {self:#?}"))
    }

    /// Over all labels.
    fn sum(&self, name: &str) -> f64 {
        let labelled = format!("{name}{{");
        self.0.iter().filter(|(sample, _)| sample.starts_with(&labelled)).map(|(_, it)| it).sum()
    }
}

/// In which state texts were when their sender's command ended.
#[derive(Default)]
struct Told {
    accepted: usize,
    refused: usize,
}

impl Told {
    fn send(&mut self, from: &Profile, to: &str, text: &str) {
        let sent = from.ctl_json(&["send", "--wait", "accepted", "--timeout", "60s", to, text]);
        let state = sent["state"].as_str().expect("a send has a state");
        assert!(["accepted", "delivered"].contains(&state), "{sent}");
        self.accepted += 1;
    }

    fn send_in_vain(&mut self, from: &Profile, to: &str, code: i32) -> Output {
        let output = from.ctl(&["send", "--wait", "accepted", "--timeout", "20s", to, "no"]);
        assert_eq!(output.code, code, "{output}");
        self.refused += 1;
        output
    }
}

/// How many texts a person was told to have arrived.
fn told_delivered(profile: &Profile) -> usize {
    let history = profile.ctl_json(&["history", "-n", "10000"]);
    let items = history["items"].as_array().expect("a list has items").iter();
    items.filter(|item| item["state"] == "delivered" || item["state"] == "read").count()
}

#[test]
fn metrics_agree_with_what_people_were_told() {
    const TEXTS: usize = 24;
    let seed = seed(41);
    let (server, watcher) = start(&format!("[mailbox]\nmessages = {MAILBOX_LEN}\n"));
    let proxy = Proxy::start(server.address(), seed).expect("a proxy can be started");
    let join = |user: &str, name: &str| {
        let profile = Profile::new(user);
        connect(&profile, name, &server.link_via(proxy.address()));
        profile
    };
    let fresh = watcher.scrape();
    assert_eq!((fresh.sum("pychat_sessions"), fresh.of("pychat_accounts")), (0.0, 0.0));
    let (alice, bob, carol) = (join("alice", "Alice"), join("bob", "Bob"), join("carol", "Carol"));
    let dave = join("dave", "Dave");
    let mut told = Told::default();

    // A bad network both ways, and a daemon that is killed in the middle of it.
    proxy.set_all_faults(Faults::delayed(Duration::from_millis(5)).losing(20.0));
    for number in 0..TEXTS {
        if number == TEXTS / 2 {
            bob.kill_daemon9();
        }
        if number == TEXTS / 2 + MAILBOX_LEN / 2 {
            run(&bob, &["status"]);
            wait_for_link(&bob, "connected");
        }
        told.send(&alice, "bob", &format!("to bob {number}"));
    }
    for number in 0..TEXTS {
        told.send(&bob, "alice", &format!("to alice {number}"));
    }
    received(&bob, "alice", TEXTS);
    received(&alice, "bob", TEXTS);
    until("all is told to be delivered", SLOW_DEADLINE, || {
        (told_delivered(&alice) + told_delivered(&bob) == 2 * TEXTS).then_some(())
    });
    proxy.set_all_faults(Faults::NONE);

    // Whoever is away has a mailbox, which gets full.
    told.send(&alice, "carol", "are you there?");
    told.send(&alice, "dave", "and you?");
    until("carol and dave have it", DEADLINE, || {
        (told_delivered(&alice) == TEXTS + 2).then_some(())
    });
    run(&carol, &["daemon", "stop"]);
    for number in 0..MAILBOX_LEN {
        told.send(&alice, "carol", &format!("to carol {number}"));
    }
    told.send_in_vain(&alice, "carol", 8);
    // Somebody whom alice knew, and whom there is not any more.
    run(&dave, &["daemon", "stop"]);
    operate(&server, &["users", "free", "dave", "--yes"]);
    told.send_in_vain(&alice, "dave", 5);
    // A name that is taken.
    let mallory = Profile::new("mallory");
    let link = server.link_via(proxy.address());
    let refused = mallory.ctl(&["connect", "alice", "Alice", "--server", &link]);
    assert_eq!(refused.code, 10, "{refused}");

    let (scraped, network) = until("figures that rest", SLOW_DEADLINE, || {
        let (before, scraped, after) = (proxy.counts(), watcher.scrape(), proxy.counts());
        let arrived = before.to_server.delivered as f64;
        let all_seen = scraped.of("pychat_datagrams_received_total") == arrived;
        let delivered = scraped.of("pychat_messages_delivered_total") == (2 * TEXTS + 2) as f64;
        (before == after && all_seen && delivered).then_some((scraped, after))
    });
    assert_eq!(scraped.of("pychat_messages_accepted_total"), told.accepted as f64);
    assert_eq!(scraped.of("pychat_messages_refused_total{reason=\"mailbox_full\"}"), 1.0);
    assert_eq!(scraped.of("pychat_messages_refused_total{reason=\"no_such_user\"}"), 1.0);
    assert_eq!(scraped.sum("pychat_messages_refused_total"), told.refused as f64);
    assert_eq!(
        scraped.of("pychat_sessions{shard=\"0\"}") + scraped.of("pychat_sessions{shard=\"1\"}"),
        2.0
    );
    assert_eq!(scraped.of("pychat_accounts"), 3.0, "alice, bob and carol");
    // Alice, bob twice, carol and dave; and whoever had to come again on that network.
    let logins = scraped.of("pychat_logins_total");
    assert!((5.0..9.0).contains(&logins), "{logins}");
    let ended = scraped.sum("pychat_sessions_ended_total");
    assert_eq!(logins - ended, scraped.sum("pychat_sessions"), "whoever came is here or went");
    assert!(scraped.of("pychat_logins_refused_total{reason=\"name_taken\"}") >= 1.0);
    assert_network(&scraped, &network);
    assert_store(&scraped, told.accepted);
}

/// The server saw what the network carried, and noticed what it lost.
fn assert_network(scraped: &Samples, network: &ProxyCounts) {
    assert_eq!(scraped.of("pychat_datagrams_sent_total"), network.to_client.sent as f64);
    let (opened, dropped) =
        (scraped.of("pychat_packets_opened_total"), scraped.of("pychat_datagrams_dropped_total"));
    let received = scraped.of("pychat_datagrams_received_total");
    assert!(opened > 0.0 && opened + dropped <= received, "{opened} {dropped} {received}");
    let lost = scraped.of("pychat_packets_lost_total");
    assert!(lost > 0.0 && network.to_client.lost > 0, "{lost}");
    assert!(scraped.of("pychat_records_retransmitted_total") > 0.0);
    assert_eq!(scraped.of("pychat_datagrams_not_handed_over_total"), 0.0);
    assert_eq!(scraped.of("pychat_strangers_forgotten_total"), 0.0);
}

fn assert_store(scraped: &Samples, accepted: usize) {
    let written = scraped.of("pychat_messages_written_total");
    // Those for whom nobody was there, at least.
    assert!((MAILBOX_LEN as f64..=accepted as f64).contains(&written), "{written}");
    let (commits, commands) = (
        scraped.of("pychat_commit_duration_seconds_count"),
        scraped.of("pychat_commit_commands_total"),
    );
    assert!(commits > 0.0 && commands >= commits, "{commits} commits of {commands}");
    assert!(scraped.of("pychat_commit_duration_seconds_sum") > 0.0);
    assert_eq!(scraped.of("pychat_commits_failed_total"), 0.0);
    assert_eq!(scraped.of("pychat_store_failing"), 0.0);
    assert!(scraped.of("pychat_store_recent_entries") >= MAILBOX_LEN as f64);
    assert!(scraped.of("pychat_calls_total") > 0.0, "keys were asked for");
    let bounds = scraped.0.iter().filter(|(name, _)| name.starts_with("pychat_table_used"));
    for (name, used) in bounds {
        assert!(*used <= scraped.of(&name.replace("_used", "_limit")), "{name}");
    }
}

#[test]
fn health_and_metrics_are_answered_and_nothing_else_is() {
    let (server, watcher) = start("");
    let ask = |method: &str, path: &str| watcher.ask(method, path);
    let well = ask("GET", "/healthz");
    assert_eq!((well.status, well.body.as_str()), (200, "ok\n"));
    let metrics = ask("GET", "/metrics?x=1");
    assert_eq!(metrics.status, 200);
    let kind = "\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8";
    assert!(metrics.head.contains(kind), "{}", metrics.head);
    let head = ask("HEAD", "/metrics");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.head.contains(kind), "{}", head.head);
    for path in ["/", "/metrics/", "/healthz/x", "//metrics"] {
        assert_eq!(ask("GET", path).status, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = ask(method, "/metrics");
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.head.contains("\r\nallow: GET, HEAD"), "{}", answer.head);
    }

    operate(&server, &["drain", "--spread", "1"]);
    let drained = ask("GET", "/healthz");
    assert_eq!(drained.status, 503);
    assert!(drained.body.starts_with("drained: "), "{}", drained.body);
    assert_eq!(watcher.scrape().of("pychat_drained"), 1.0);
    operate(&server, &["resume"]);
    assert_eq!(ask("GET", "/healthz").status, 200);
    assert_eq!(watcher.scrape().of("pychat_drained"), 0.0);
}
