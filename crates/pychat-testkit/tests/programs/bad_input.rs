//! What goes wrong is told in words, with a hint and its own exit code.

use crate::stage::{Stage, assert_refused, received, run, send};
use pychat_proto::SecretKey;
use pychat_testkit::harness::{CTL_DEADLINE, Output, Profile};
use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Write},
    net::UdpSocket,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, chown},
        net::UnixListener,
    },
    thread,
};

/// Nobody's user id.
const NOBODY: u32 = 65_534;

const LINK_TO_NOWHERE: &str = "pychat://127.0.0.1:9#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Whether we may give files away. Says so if not.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: only root can give files to somebody else");
    }
    root
}

#[test]
fn malformed_names_are_told_before_anything_is_asked() {
    let alice = Profile::new("alice");
    let connect = |user: &str, name: &str| {
        alice.ctl(&["connect", "--server", LINK_TO_NOWHERE, "--", user, name])
    };
    for (user, name, words) in [
        ("", "A", "a user name cannot be empty"),
        (&*"a".repeat(33), "A", "at most 32 characters, this one has 33"),
        ("Alice", "A", "hint: did you mean alice?"),
        ("al ice", "A", "not of ' '"),
        ("ali\u{301}ce", "A", "not of"),
        ("alice", "A\u{1b}[2J", "control character U+001B"),
        ("alice", "A\u{202e}", "control character U+202E"),
        ("alice", &"A".repeat(65), "at most 64 characters, this one has 65"),
    ] {
        assert_refused(&connect(user, name), 2, &[words]);
    }
    assert_refused(&alice.ctl(&["send", "Bob", "x"]), 2, &["hint: did you mean bob?"]);
    assert_refused(&alice.ctl(&["history", "b b"]), 2, &["not of ' '"]);
    assert_eq!(alice.daemon_pid(), None, "no daemon is needed to see this");
}

#[test]
fn malformed_links_and_keys_are_told() {
    let alice = Profile::new("alice");
    for link in ["", "http://example.org", "pychat://", "pychat://h:x#k", "pychat://h#k"] {
        assert_refused(&alice.ctl(&["connect", "alice", "A", "--server", link]), 2, &[]);
    }
    let trust = ["connect", "alice", "A", "--server", LINK_TO_NOWHERE, "--trust-key", "nonsense"];
    assert_refused(&alice.ctl(&trust), 2, &["a key has 43 characters"]);
    assert_refused(&alice.ctl(&["connect", "alice", "A"]), 2, &["no server is known", "hint: "]);
}

#[test]
fn a_message_to_nobody_is_refused() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice");
    assert_refused(
        &alice.ctl(&["send", "nobody", "hi"]),
        5,
        &["refused", "hint: see `pychatctl users"],
    );
    let output = alice.ctl(&["--json", "send", "nobody", "hi"]);
    assert_eq!((output.code, &output.error_json()["error"]["code"]), (5, &5.into()), "{output}");
    // It is out of the way of what follows.
    send(&alice, "alice", "hi", "delivered");
}

#[test]
fn texts_that_are_none_are_refused() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice");
    let type_in = |bytes: &[u8]| alice.ctl_with(&["send", "alice", "-"], bytes, CTL_DEADLINE);
    let long = "x".repeat(32 * 1024 + 1);
    assert_refused(&type_in(long.as_bytes()), 2, &["32768", "32 KiB", "hint: send it in parts"]);
    assert_refused(&alice.ctl(&["send", "alice", &long]), 2, &["32 KiB"]);
    assert_refused(&type_in(&long.repeat(100).into_bytes()), 2, &["hint: send it in parts"]);
    assert_refused(&type_in(b"caf\xe9"), 2, &["no UTF-8, at byte 3", "hint: "]);
    assert_refused(&type_in("🦀".as_bytes()[..3].into()), 2, &["no UTF-8, at byte 0"]);
    for nothing in [&b""[..], b"\n", b"\r\n"] {
        assert_refused(&type_in(nothing), 2, &["no text"]);
    }
    assert_refused(&alice.ctl(&["send", "alice", "two", "words"]), 2, &["'two words'"]);
    let mut command = alice.command(&["send", "alice"]);
    let output = command.arg(OsStr::from_bytes(b"caf\xe9")).output().expect("it can be run");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("UTF-8"));
    assert_eq!(alice.ctl_json(&["history"])["items"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_server_that_does_not_answer_is_told() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let place = silent.local_addr().expect("it is bound").to_string();
    let key = "#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for key in [key, ""] {
        let alice = Profile::new("alice");
        let link = format!("pychat://{place}{key}");
        let output = alice.ctl(&["connect", "alice", "A", "--server", &link, "--timeout", "500ms"]);
        assert_refused(&output, 6, &[&place, "hint: ", "UDP port"]);
        let output = alice.ctl(&["send", "bob", "x", "--timeout", "100ms"]);
        assert_eq!(output.code, 6, "{output}");
        assert!(output.stderr.contains("the message is queued"), "{output}");
    }
    let alice = Profile::new("alice");
    let link = format!("pychat://name.invalid{key}");
    let output = alice.ctl(&["connect", "alice", "A", "--server", &link, "--timeout", "2s"]);
    assert_refused(&output, 6, &["name.invalid"]);
}

#[test]
fn a_wrong_key_in_the_link_is_told() {
    let stage = Stage::new();
    let alice = Profile::new("alice");
    let other = SecretKey::from_bytes([7; 32]).public();
    let link = format!("pychat://{}#{other}", stage.server.address());
    let output = alice.ctl(&["connect", "alice", "A", "--server", &link]);
    let real = stage.server.printed_link().key.expect("a link has a key");
    let words = [&*other.fingerprint(), &real.fingerprint(), "hint: ", "--trust-key"];
    assert_refused(&output, 7, &words);
}

#[test]
fn a_pinned_key_is_not_changed_by_a_link() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice");
    let other = SecretKey::from_bytes([7; 32]).public();
    let link = format!("pychat://{}#{other}", stage.server.address());
    let output = alice.ctl(&["connect", "alice", "Alice", "--server", &link]);
    assert_refused(&output, 7, &["changed", "nothing was changed", "--trust-key"]);
    send(&alice, "alice", "still connected", "delivered");
}

#[test]
fn an_unreadable_configuration_is_told_with_its_place() {
    let alice = Profile::new("alice");
    let config = alice.root().join("my.toml");
    fs::write(&config, "quiet = false\n  timeout = \"soon\"\n").expect("a file can be written");
    let shown = config.to_str().expect("a plain path");
    let with = |path: &str| alice.ctl(&["--config", path, "status"]);
    assert_refused(&with(shown), 2, &[&format!("{shown}:2:13: ")]);
    fs::write(&config, "quite = true\n").expect("a file can be written");
    assert_refused(&with(shown), 2, &[&format!("{shown}:1:1: "), "quite"]);
    fs::write(&config, b"server = \"\xff\"\n").expect("a file can be written");
    assert_refused(&with(shown), 2, &[shown]);
    assert_refused(&with("/nowhere/my.toml"), 2, &["/nowhere/my.toml"]);
    assert_refused(&with("/"), 2, &["cannot be read"]);
}

#[test]
fn before_the_first_connect_every_verb_says_what_to_do() {
    let alice = Profile::new("alice");
    for arguments in [&["users"][..], &["send", "bob", "hi"]] {
        assert_refused(&alice.ctl(arguments), 4, &["not connected", "pychatctl connect"]);
    }
    for arguments in [&["inbox"][..], &["history"], &["unread"], &["status"], &["disconnect"]] {
        let output = alice.ctl(arguments);
        assert_eq!(output.code, 0, "{arguments:?} {output}");
    }
    assert!(alice.ctl(&["status"]).stderr.contains("pychatctl connect USER NAME --server"));
    for verb in ["trace", "cancel"] {
        assert_refused(&alice.ctl(&[verb, "x"]), 2, &["there is no message", "hint: "]);
    }
}

#[test]
fn an_unknown_verb_is_wrong_usage() {
    let alice = Profile::new("alice");
    assert_refused(&alice.ctl(&["sned", "bob", "hi"]), 2, &["unrecognized", "'send'"]);
    assert_refused(&alice.ctl(&["send", "bob"]), 2, &["<TEXT>"]);
    let output = alice.ctl(&["--json", "sned"]);
    assert_eq!((output.code, &output.error_json()["error"]["name"]), (2, &"usage".into()));
}

#[test]
fn a_state_directory_that_cannot_be_written_is_told() {
    let alice = Profile::new("alice");
    let in_the_way = alice.root().join("state/pychat");
    fs::write(&in_the_way, "").expect("a file can be written");
    let words = ["the daemon cannot be started", in_the_way.to_str().expect("a path"), "hint: "];
    assert_refused(&alice.ctl(&["status"]), 3, &words);
    // A file system that takes no directories.
    let output = alice.command(&["status"]).env("PYCHAT_STATE_DIR", "/proc/pychat").output();
    let output = output.expect("it can be run");
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/proc/pychat"));
}

#[test]
fn a_state_directory_of_somebody_else_is_refused() {
    if !is_root() {
        return;
    }
    let alice = Profile::new("alice");
    fs::create_dir_all(alice.state()).expect("a directory can be made");
    chown(alice.state(), Some(NOBODY), None).expect("root can give it away");
    let words = ["belongs to another user", "65534", "hint: "];
    assert_refused(&alice.ctl(&["status"]), 3, &words);
    assert_refused(&finish(alice.daemon_command(&["--foreground"])), 10, &words);
}

#[test]
fn a_socket_directory_that_others_can_write_to_is_not_trusted_with_a_daemon_in_it() {
    let alice = Profile::new("alice");
    run(&alice, &["status"]);
    fs::set_permissions(alice.state(), fs::Permissions::from_mode(0o777)).expect("it is ours");
    assert_refused(&alice.ctl(&["status"]), 3, &["can be written by other users", "hint: "]);
    fs::set_permissions(alice.state(), fs::Permissions::from_mode(0o700)).expect("it is ours");
    run(&alice, &["status"]);
}

#[test]
fn a_daemon_of_another_version_is_told_and_can_be_ended() {
    let answers = [
        r#""error":{"code":9,"message":"this daemon speaks only 7","data":{"name":"version_mismatch"}}"#,
        r#""result":{"version":"7.0.0","protocol":7,"pid":1,"profile":"alice"}"#,
        r#""error":{"code":-32601,"message":"no such method"}"#,
        r#""result":{"greeting":"hello"}"#,
    ];
    for hello in answers {
        let alice = Profile::new("alice");
        fs::create_dir_all(alice.state()).expect("a directory can be made");
        fs::set_permissions(alice.state(), fs::Permissions::from_mode(0o700)).expect("it is ours");
        let socket = alice.state().join("control.sock");
        let listener = UnixListener::bind(&socket).expect("a socket can be made");
        let other = thread::spawn(move || serve(&listener, hello));
        let words = ["hint: restart the daemon: pychatctl daemon restart"];
        assert_refused(&alice.ctl(&["status"]), 9, &words);
        assert_refused(&alice.ctl(&["send", "bob", "hi"]), 9, &words);
        run(&alice, &["daemon", "stop"]);
        other.join().expect("the other daemon ends");
        run(&alice, &["status"]);
    }
}

/// A daemon of another version: answers `hello` so, and ends at `shutdown`.
fn serve(listener: &UnixListener, hello: &str) {
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        let lines = BufReader::new(stream.try_clone().expect("a stream can be shared")).lines();
        for line in lines.map_while(Result::ok) {
            let request: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            let ends = request["method"] == "shutdown";
            let answer = if ends { r#""result":{}"# } else { hello };
            let id = &request["id"];
            // Whoever asked may have heard enough.
            let _gone = writeln!(stream, r#"{{"jsonrpc":"2.0","id":{id},{answer}}}"#);
            if ends {
                return;
            }
        }
    }
}

#[test]
fn a_refused_login_does_not_keep_others_from_writing() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice");
    let mallory = Profile::new("mallory");
    let output = mallory.ctl(&["connect", "alice", "A", "--server", &stage.server.link()]);
    assert_eq!(output.code, 10, "{output}");
    assert_refused(&mallory.ctl(&["send", "alice", "x"]), 10, &["belongs to another"]);
    run(&mallory, &["connect", "mallory", "M"]);
    send(&mallory, "alice", "now with my own name", "delivered");
    assert_eq!(received(&alice, "mallory", 1), ["now with my own name"]);
}

fn finish(mut command: std::process::Command) -> Output {
    let output = command.output().expect("it can be run");
    Output {
        code: output.status.code().expect("it ended by itself"),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
