//! The client against a daemon that says exactly what a test tells it to.

use super::*;
use crate::{
    Empty, ErrorCode, EventKind, Link, Place, Profile, StateBase, parse_call, result_line,
};
use serde_json::json;
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    thread::JoinHandle,
};

const SOON: Duration = Duration::from_secs(20);

/// A state directory, and a daemon in it that answers each line as `answer` says.
struct Fake {
    _temp: tempfile::TempDir,
    address: Address,
    daemon: JoinHandle<()>,
}

fn fake(mut answer: impl FnMut(&str) -> String + Send + 'static) -> Fake {
    let temp = tempfile::tempdir().unwrap();
    let place = Place::new(&StateBase::at(temp.path()), Profile::default());
    std::fs::create_dir(place.state_dir()).unwrap();
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(place.state_dir(), private).unwrap();
    let address = place.address();
    let listener = UnixListener::bind(address.path()).unwrap();
    let daemon = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap() > 0 {
            let said = answer(&line);
            line.clear();
            if said.is_empty() || stream.write_all(said.as_bytes()).is_err() {
                break;
            }
        }
    });
    Fake { _temp: temp, address, daemon }
}

fn echo_id(line: &str) -> String {
    let call = parse_call(line.as_bytes()).unwrap();
    result_line(&call.id.unwrap(), &json!({}))
}

#[test]
fn nobody_listens_without_a_directory_a_socket_or_a_listener() {
    let fake = fake(echo_id);
    drop(Client::connect(&fake.address).unwrap());
    fake.daemon.join().unwrap();
    let connect = || Client::connect(&fake.address).expect_err("nobody listens");
    assert!(matches!(connect(), ConnectError::NotRunning), "a stale socket");
    std::fs::remove_file(fake.address.path()).unwrap();
    assert!(matches!(connect(), ConnectError::NotRunning), "no socket");
    std::fs::remove_dir(fake.address.dir().unwrap()).unwrap();
    assert!(matches!(connect(), ConnectError::NotRunning), "no directory");
}

#[test]
fn a_socket_in_a_directory_that_others_write_to_is_not_trusted() {
    let fake = fake(echo_id);
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(fake.address.dir().unwrap(), open).unwrap();
    let refused = Client::connect(&fake.address);
    assert!(matches!(refused, Err(ConnectError::Untrusted(Untrusted::Open { mode: 0o777, .. }))));
}

#[test]
fn greeting_and_question_go_in_one_write_and_each_is_answered() {
    let fake = fake(|line| {
        let call = parse_call(line.as_bytes()).unwrap();
        let result = match call.request {
            Request::Hello(_) => {
                json!({ "version": "1", "protocol": 1, "pid": 2, "profile": "default" })
            }
            other => json!({ "was_unread": other == Request::Unread {} }),
        };
        result_line(&call.id.unwrap(), &result)
    });
    let mut client = Client::connect(&fake.address).unwrap();
    let asked = client.hello_and_ask("test", "1", &Request::Unread {}, SOON).unwrap();
    let answer: serde_json::Value = client.answer(&asked, SOON).unwrap();
    assert_eq!(answer, json!({ "was_unread": true }));
}

#[test]
fn a_greeting_that_is_refused_ends_the_question_too() {
    let fake = fake(|line| {
        let call = parse_call(line.as_bytes()).unwrap();
        let other = Failure {
            code: ErrorCode::VersionMismatch,
            message: "another version".into(),
            hint: None,
            sent: None,
        };
        crate::error_line(&call.id.unwrap(), &other.into())
    });
    let mut client = Client::connect(&fake.address).unwrap();
    let refused = client.hello_and_ask("test", "1", &Request::Unread {}, SOON);
    assert!(
        matches!(&refused, Err(CallError::Failed(failure)) if failure.code == ErrorCode::VersionMismatch),
        "{refused:?}"
    );
}

#[test]
fn events_before_an_answer_are_kept() {
    let event = r#"{"jsonrpc":"2.0","method":"event","params":{"at":"t","event":"connection","state":"connected"}}"#;
    let fake = fake(move |line| format!("{event}\n{}", echo_id(line)));
    let mut client = Client::connect(&fake.address).unwrap();
    let _: Empty = client.call(&Request::Disconnect {}, SOON).unwrap();
    let event = client.next_event().unwrap().unwrap();
    assert_eq!(event.what, EventKind::Connection { state: Link::Connected });
}

#[test]
fn a_refusal_is_a_failure_and_the_connection_goes_on() {
    let mut first = true;
    let fake = fake(move |line| {
        if std::mem::take(&mut first) {
            let error = r#"{"code":4,"message":"no","data":{"name":"not_connected","hint":"do"}}"#;
            return format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{error}}}\n");
        }
        echo_id(line)
    });
    let mut client = Client::connect(&fake.address).unwrap();
    let refused = client.call::<Empty>(&Request::Disconnect {}, SOON);
    let Err(CallError::Failed(failure)) = refused else { panic!("{refused:?}") };
    assert_eq!(failure.code, ErrorCode::NotConnected);
    assert_eq!(failure.hint.as_deref(), Some("do"));
    let _: Empty = client.call(&Request::Disconnect {}, SOON).unwrap();
}

#[test]
fn a_late_answer_is_not_taken_for_the_next_one() {
    let mut held = Some(String::new());
    let fake = fake(move |line| match held.take() {
        // Nothing but a blank line for the first request; its answer comes with the second's.
        Some(_) => {
            held = None;
            "\n".into()
        }
        None => format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":7}}\n{}", echo_id(line)),
    });
    let mut client = Client::connect(&fake.address).unwrap();
    let timed_out = client.call::<Empty>(&Request::Status {}, Duration::from_millis(20));
    assert!(matches!(timed_out, Err(CallError::TimedOut)), "{timed_out:?}");
    let _: Empty = client.call(&Request::Disconnect {}, SOON).unwrap();
}

#[test]
fn a_daemon_that_goes_away_is_told_from_one_that_is_slow() {
    let fake = fake(|_| String::new());
    let mut client = Client::connect(&fake.address).unwrap();
    let closed = client.call::<Empty>(&Request::Status {}, SOON);
    assert!(matches!(closed, Err(CallError::Closed)), "{closed:?}");
    client.wait_closed(SOON).unwrap();
}

#[test]
fn nonsense_and_endless_lines_end_in_errors() {
    let nonsense = fake(|_| "no json\n".into());
    let mut client = Client::connect(&nonsense.address).unwrap();
    let answer = client.call::<Empty>(&Request::Status {}, SOON);
    assert!(matches!(answer, Err(CallError::Invalid(_))), "{answer:?}");

    let endless = fake(|_| "x".repeat(crate::LINE_BYTES_MAX + 1));
    let mut client = Client::connect(&endless.address).unwrap();
    let answer = client.call::<Empty>(&Request::Status {}, SOON);
    assert!(matches!(answer, Err(CallError::TooLong(_))), "{answer:?}");
}
