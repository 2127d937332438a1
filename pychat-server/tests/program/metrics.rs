//! Metrics and health: where they are told, and to whom not.

use crate::server::{Ended, Server, program, run};
use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::Path,
    time::Duration,
};

/// An answer comes within this time, or never.
const DEADLINE: Duration = Duration::from_secs(20);

/// Connections at a time, as in `metrics/window.rs`.
const CONNECTIONS_MAX: usize = 8;

fn refused(data: &Path, metrics: &str) -> Ended {
    let data = data.to_str().unwrap();
    run(program(&["--listen", "127.0.0.1:0", "--data", data, "--metrics", metrics]))
}

fn start(data: &Path) -> (Server, String) {
    let server = Server::start(data, &["--metrics", "127.0.0.1:0"]);
    let line = server.said.iter().find_map(|line| line.split_once(" are told at http://"));
    let address = line.unwrap().1.split_once('/').unwrap().0.to_owned();
    (server, address)
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// All that comes back; what was not read when the other side closed may cost the answer's end.
fn ask(mut stream: impl Read + Write, request: &str) -> String {
    let mut answer = Vec::new();
    let _cut = stream.write_all(request.as_bytes());
    let _reset = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

const REQUEST: &str = "GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n";

#[test]
fn without_being_asked_for_there_is_none() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    assert!(!server.said.iter().any(|line| line.contains("metrics")), "{:#?}", server.said);
}

#[test]
fn an_address_that_others_reach_is_refused_before_anything_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let ended = refused(&data, "0.0.0.0:0");
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let words =
        ["would be open to the network at 0.0.0.0:0", "hint: choose 127.0.0.1", "expose = true"];
    for words in words {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    assert!(!data.exists());
    let server = Server::start(&data, &["--metrics", "0.0.0.0:0", "--metrics-expose"]);
    assert!(server.said.iter().any(|line| line.contains("told at http://0.0.0.0:")));
}

#[test]
fn a_place_that_is_taken_is_an_error_that_says_which() {
    let data = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = refused(data.path(), &address);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    let told = format!("metrics cannot be told at {address}: ");
    assert!(ended.stderr.contains(&told) && ended.stderr.contains("hint: "), "{}", ended.stderr);
    let wrong = refused(data.path(), "localhost");
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
}

#[test]
fn a_socket_is_for_the_servers_group_and_takes_nobodys_place() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("metrics.sock");
    let place = format!("unix:{}", path.display());
    let server = Server::start(data.path(), &["--metrics", &place]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let answer = ask(UnixStream::connect(&path).unwrap(), REQUEST);
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"),
        "{answer}"
    );

    let other = tempfile::tempdir().unwrap();
    let ended = refused(other.path(), &place);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(ended.stderr.contains("another program listens there"), "{}", ended.stderr);
    // A killed server leaves its socket behind, which the next one takes the place of.
    drop(server);
    assert!(path.exists());
    let server = Server::start(data.path(), &["--metrics", &place]);
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait().0.code(), Some(0));
    assert!(!path.exists(), "an orderly end leaves nothing behind");

    fs::write(&path, "mine").unwrap();
    let ended = refused(data.path(), &place);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(ended.stderr.contains("a file that is no socket"), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn who_says_nothing_is_cut_off_and_keeps_the_next_one_waiting_no_longer() {
    let data = tempfile::tempdir().unwrap();
    let (_server, address) = start(data.path());
    let silent: Vec<TcpStream> = (0..CONNECTIONS_MAX).map(|_| connect(&address)).collect();
    assert!(ask(connect(&address), REQUEST).ends_with("\r\n\r\nok\n"));
    for mut stream in silent {
        let mut rest = Vec::new();
        // An end or an answer: the connection is over.
        stream.read_to_end(&mut rest).unwrap();
    }
    assert!(ask(connect(&address), REQUEST).ends_with("\r\n\r\nok\n"));
}

#[test]
fn a_request_without_measure_is_refused_and_the_next_is_answered() {
    let data = tempfile::tempdir().unwrap();
    let (_server, address) = start(data.path());
    let long = format!("GET /healthz HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(100));
    let endless = "x".repeat(1_000_000);
    for request in
        [&long, &many, &endless, "\r\n\r\n", "GET\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n", "\0\u{1}"]
    {
        let answer = ask(connect(&address), request);
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    // Two requests at once: the first is answered, and that is all.
    let twice = ask(connect(&address), &REQUEST.repeat(2));
    assert_eq!(twice.matches("HTTP/1.1 200 OK").count(), 1, "{twice}");
    assert!(ask(connect(&address), REQUEST).ends_with("\r\n\r\nok\n"));
}
