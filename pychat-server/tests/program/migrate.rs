//! `migrate` as an operator runs it: killed in the middle, beside servers that run, and what it prints.

use crate::server::{Ended, Server, program, run};
use pychat_proto::{DisplayName, PublicKey, Seq, StreamId, UserName};
use pychat_server::store::{
    Account, Append, Command, DeviceKey, MailboxStore, Origin, Prekey, Quota, embedded::Embedded,
};
use pychat_testkit::harness::nats::{NatsCluster, Sync};
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Child,
    time::{Duration, Instant},
};

/// Enough for a kill in the middle, few enough for a test.
const USERS: u64 = 6_000;

/// Whatever is waited for comes within this time, or never.
const DEADLINE: Duration = Duration::from_secs(60);

/// Fills a data directory with so many users, each with keys, a text and a receipt.
fn fill(data: &Path, users: u64) {
    fs::create_dir_all(data).unwrap();
    let mut store = Embedded::open(&data.join("mailboxes.sqlite3"), Quota::default()).unwrap();
    let name = |number: u64| UserName::parse(&format!("user{number}")).unwrap();
    let numbers: Vec<u64> = (0..users).collect();
    for numbers in numbers.chunks(1_000) {
        let mut batch = Vec::new();
        for number in numbers {
            let (user, name) = (name(*number), DisplayName::parse("Somebody").unwrap());
            let key = PublicKey([7; 32]);
            let account = Account { user, key, name, since: *number, name_is_set: false };
            let device = DeviceKey::parse(vec![1; 200]).unwrap();
            let fallback = Prekey::parse(vec![2; 100]).unwrap();
            let keys = vec![Prekey::parse(vec![3; 100]).unwrap(); 50];
            batch.push(Command::Claim(account));
            batch.push(Command::PublishDevice { user, device, fallback });
            batch.push(Command::PublishPrekeys { user, first: 0, keys });
        }
        for number in numbers {
            let (mailbox, stream) = (name(*number), StreamId([number.to_le_bytes()[0]; 16]));
            let (safe, first, last) = (Seq::NONE, Seq(1), Seq(1));
            let origin = Origin::Stream { user: mailbox, stream, safe, first, last };
            for origin in [origin, Origin::Server] {
                let entry = vec![number.to_le_bytes()[0]; 250].into();
                batch.push(Command::Append(Append { mailbox, origin, place: None, entry }));
            }
        }
        store.commit(&batch).unwrap();
    }
    store.flush().unwrap();
}

fn migrate(from: &str, to: &str, more: &[&str]) -> Ended {
    let arguments = [&["migrate", "--from", from, "--to", to, "--json"], more].concat();
    run(program(&arguments))
}

/// Starts a migration, and kills it as soon as `is_half_way`.
fn killed(from: &str, to: &str, is_half_way: impl Fn() -> bool) {
    let mut child: Child = program(&["migrate", "--from", from, "--to", to]).spawn().unwrap();
    let deadline = Instant::now() + DEADLINE;
    while !is_half_way() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        assert!(Instant::now() < deadline, "it does not get anywhere");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn json(ended: &Ended) -> Value {
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "no bar in a pipe");
    serde_json::from_str(&ended.stdout).unwrap()
}

/// How many messages all streams of a NATS server have.
fn messages(nats: &NatsCluster) -> u64 {
    let mut stream = TcpStream::connect(("127.0.0.1", nats.monitor(0))).unwrap();
    stream.write_all(b"GET /jsz HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let told: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
    told["messages"].as_u64().unwrap()
}

fn refused(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{}", ended.stderr);
    for words in words.iter().chain(&["hint: "]) {
        assert!(ended.stderr.contains(words), "no {words:?} in:\n{}", ended.stderr);
    }
}

#[test]
fn killed_in_the_middle_it_goes_on_there_and_back() {
    let nats = NatsCluster::start(1, Sync::Sometimes);
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
    let (first, second, third) = (path("first"), path("second"), path("third"));
    fill(Path::new(&first), USERS);
    let there = format!("{}?replicas=1&streams=2", nats.link());
    // What the directory comes to without any kill.
    let whole = json(&migrate(&first, &third, &[]));
    assert_eq!(run(program(&["migrate", "--reopen", &first])).code, 0);

    killed(&first, &there, || messages(&nats) > USERS);
    let serve = ["--listen", "127.0.0.1:0", "--data", &second];
    let served = run(program(&[&serve[..], &["--store", &there]].concat()));
    refused(
        &served,
        4,
        &["not all of them are there", "run the same `pychat-server migrate` again"],
    );
    let moved = json(&migrate(&first, &there, &[]));
    assert_eq!(moved["resumed"], true);
    for field in ["digest", "names", "accounts", "entries", "bytes"] {
        assert_eq!(moved[field], whole[field], "{field}");
    }
    assert_eq!((&moved["names"], &moved["entries"]), (&USERS.into(), &(2 * USERS).into()));
    let served = run(program(&["--listen", "127.0.0.1:0", "--data", &first]));
    refused(&served, 4, &["its mailboxes were moved to nats://"]);

    fs::remove_dir_all(&second).unwrap();
    let unfinished = root.path().join("second/mailboxes.sqlite3.migrating");
    let is_half_way = || fs::metadata(&unfinished).is_ok_and(|file| file.len() > 1024 * 1024);
    killed(&there, &second, is_half_way);
    let served = run(program(&["--listen", "127.0.0.1:0", "--data", &second]));
    refused(&served, 4, &["not all of them are", "to give it up, remove that file"]);
    assert!(!root.path().join("second/identity.key").exists(), "no key is made there");
    let back = json(&migrate(&there, &second, &[]));
    assert_eq!((&back["resumed"], &back["digest"]), (&true.into(), &whole["digest"]));
    let same = json(&migrate(&there, &second, &["--check"]));
    assert_eq!((&same["result"], &same["digest"]), (&"same".into(), &whole["digest"]));
}

#[test]
fn it_does_not_move_what_a_server_uses() {
    let nats = NatsCluster::start(1, Sync::Sometimes);
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
    let (first, second) = (path("first"), path("second"));
    let server = Server::start(Path::new(&first), &[]);
    refused(&migrate(&first, &second, &[]), 5, &["in use by another pychat-server"]);
    drop(server);
    let there = format!("{}?replicas=1&streams=2", nats.link());
    let more = ["--store", &there, "--advertise", "a.example.org:7420"];
    let node = Server::start(Path::new(&second), &more);
    let words = ["is in use by a.example.org:7420", "stop all of them first"];
    refused(&migrate(&first, &there, &[]), 5, &words);
    refused(&migrate(&there, &path("third"), &[]), 5, &words);
    drop(node);
    // Killed, it said no goodbye; but it says nothing any more.
    let moved = json(&migrate(&there, &path("third"), &[]));
    assert_eq!(moved["names"], 0);
    // Without a key there is no server in a directory that mailboxes were moved to.
    let served = run(program(&["--listen", "127.0.0.1:0", "--data", &path("third")]));
    refused(&served, 4, &["identity.key is missing", "`pychat-server key export`"]);
}

#[test]
fn what_was_moved_is_told_with_what_comes_next() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
    let (first, second) = (path("first"), path("second"));
    fill(Path::new(&first), 3);
    let ended = run(program(&["migrate", "--from", &first, "--to", &second]));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    for words in [
        "moved from ",
        "3 accounts among 3 names, 6 waiting entries",
        "digest ",
        "next: ",
        "--reopen",
    ] {
        assert!(ended.stdout.contains(words), "no {words:?} in:\n{}", ended.stdout);
    }
    let ended = run(program(&["migrate", "--reopen", &first]));
    assert!(ended.stdout.contains("servers may use "), "{}", ended.stdout);
    let mut store =
        Embedded::open(Path::new(&second).join("mailboxes.sqlite3").as_path(), Quota::default())
            .unwrap();
    store
        .commit(&[Command::Decide(pychat_server::store::Decision::Free {
            user: UserName::parse("user1").unwrap(),
        })])
        .unwrap();
    drop(store);
    let ended = migrate(&first, &second, &["--check"]);
    refused(&ended, 10, &["do not hold the same of one user: user1"]);
    for wrong in [&["migrate"][..], &["migrate", "--from", "a"], &["migrate", "--to", "nats://"]] {
        assert_eq!(run(program(wrong)).code, 2, "{wrong:?}");
    }
}
