//! How commands fail: exit codes, and what is said.

use crate::{
    daemon::{FakeDaemon, Reply},
    run::Home,
};
use serde_json::{Value, json};

#[test]
fn the_exit_code_is_the_number_of_the_daemons_error() {
    for code in 1..=10 {
        let home = Home::new();
        let _daemon = FakeDaemon::start(&home, move |_, _| {
            let data = json!({ "name": "x", "hint": "do this" });
            Reply::Error(json!({ "code": code, "message": "it failed", "data": data }))
        });
        let said = home.run(&["users"]);
        assert_eq!(said.code, Some(code));
        assert_eq!(said.err, "error: it failed\nhint: do this\n");
        assert_eq!(said.out, "");

        let said = home.run(&["users", "--json"]);
        assert_eq!(said.code, Some(code));
        let error: Value = serde_json::from_str(&said.err).unwrap();
        assert_eq!(error["error"]["code"], code);
        assert_eq!(error["error"]["message"], "it failed");
        assert_eq!(error["error"]["hint"], "do this");
        assert_eq!(said.out, "");
    }
}

#[test]
fn a_daemon_that_does_not_know_a_method_is_of_another_version() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, _| {
        Reply::Error(json!({ "code": -32601, "message": "there is no method \"users\"" }))
    });
    let said = home.run(&["users"]);
    assert_eq!(said.code, Some(9));
    assert!(said.err.contains("pychatctl daemon restart"), "{}", said.err);
}

#[test]
fn without_a_daemon_and_without_starting_one_the_code_is_3() {
    let home = Home::new();
    let said = home.run(&["users", "--no-autostart"]);
    insta::assert_snapshot!(said.err, @r"
    error: the daemon of profile default does not run
    hint: start it: pychatctl daemon start
    ");
    assert_eq!(said.code, Some(3));
    // A dead daemon's socket is as good as none.
    drop(std::os::unix::net::UnixListener::bind(home.socket()).unwrap());
    assert_eq!(home.run(&["users", "--no-autostart"]), said);
    assert_eq!(home.run(&["daemon", "status"]), said);
    let stopped = home.run(&["daemon", "stop"]);
    assert_eq!((stopped.out.as_str(), stopped.code), ("not running\n", Some(0)));
}

#[test]
fn why_the_daemon_cannot_be_started_is_passed_on() {
    let home = Home::new();
    let said = home.run(&["users"]);
    assert_eq!(said.code, Some(3));
    insta::assert_snapshot!(said.err, @r"
    error: the daemon's program /nonexistent/pychatd cannot be started: No such file or directory (os error 2)
    hint: install pychatd beside pychatctl, or name it in the variable PYCHATD
    ");

    use std::os::unix::fs::PermissionsExt;
    let script = home.write(
        "pychatd",
        "#!/bin/sh\necho 'error: disk full' >&2\necho 'hint: tidy up' >&2\nexit 1\n",
    );
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let said = home.command(&["users"]).env("PYCHATD", &script).output().unwrap();
    insta::assert_snapshot!(String::from_utf8(said.stderr).unwrap(), @r"
    error: the daemon cannot be started: disk full
    hint: tidy up
    ");
}

#[test]
fn a_socket_where_others_can_write_is_not_trusted() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, _| Reply::Close);
    let dir = home.socket().parent().unwrap().to_owned();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o777)).unwrap();
    let said = home.run(&["users"]);
    assert_eq!(said.code, Some(3));
    assert!(said.err.contains("not trusted"), "{}", said.err);
}

#[test]
fn wrong_usage_is_code_2_and_json_where_json_was_asked_for() {
    let home = Home::new();
    assert_eq!(home.run(&["inbx"]).code, Some(2));
    let said = home.run(&["--json", "inbx"]);
    assert_eq!(said.code, Some(2));
    let error: Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["error"]["message"], "unrecognized subcommand 'inbx'");
    assert_eq!(error["error"]["hint"], "a similar subcommand exists: 'inbox'");
    let said = home.run(&["inbox", "--fllow", "--json"]);
    let error: Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["error"]["hint"], "a similar argument exists: '--follow'");
    insta::assert_snapshot!(home.run(&["inbox", "--fllow"]).err, @r"
    error: unexpected argument '--fllow' found

      tip: a similar argument exists: '--follow'

    Usage: pychatctl inbox --follow

    For more information, try '--help'.
    ");
}

#[test]
fn a_mistyped_user_gets_a_suggestion() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |method, params| match method {
        "names" => Reply::Result(json!({ "items": [{ "user": "bob" }, { "user": "carol" }] })),
        "status" => Reply::Result(json!({
            "version": "0", "pid": 1, "profile": "default", "started_at": "", "link": "connected",
            "since": "", "loss_permille": 0, "retransmitted": 0, "queued": 0, "unread": 0,
        })),
        "contacts" | "history" => Reply::Result(json!({ "items": [] })),
        _ => {
            let nobody = params["to"].as_str().or(params["peer"].as_str()).unwrap();
            let message = format!("nobody is called {nobody}");
            let data = json!({ "name": "no_such_user", "hint": "see: pychatctl users --all" });
            Reply::Error(json!({ "code": 5, "message": message, "data": data }))
        }
    });
    let said = home.run(&["send", "bbo", "hello"]);
    assert_eq!(said.code, Some(5));
    insta::assert_snapshot!(said.err, @r"
    error: nobody is called bbo
    hint: did you mean bob? see: pychatctl users --all
    ");
    insta::assert_snapshot!(home.run(&["verify", "carl", "--json"]).err, @r#"{"error":{"code":5,"name":"no_such_user","message":"nobody is called carl","hint":"did you mean carol? see: pychatctl users --all"}}"#);
    insta::assert_snapshot!(home.run(&["trust", "bbo", "--yes"]).err, @r"
    error: bbo is no contact, so there is no key to trust
    hint: did you mean bob? see whom you know by key: pychatctl contacts
    ");
    insta::assert_snapshot!(home.run(&["history", "bbo"]).err, @"no messages with bbo; did you mean bob?");
    assert_eq!(home.run(&["history", "bob"]).err, "no messages with bob yet\n");
    // Nobody is called nearly so.
    let said = home.run(&["send", "mallory", "hello"]);
    assert_eq!(said.err, "error: nobody is called mallory\nhint: see: pychatctl users --all\n");
}

#[test]
fn an_interrupt_ends_the_program_as_a_signal_does() {
    use std::os::unix::process::ExitStatusExt;
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |method, _| match method {
        "subscribe" => Reply::Result(json!({ "cursor": 0 })),
        _ => Reply::Result(json!({ "items": [] })),
    });
    let mut child = home.command(&["inbox", "--follow"]).spawn().unwrap();
    assert_eq!(daemon.next().0, "subscribe");
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    // Shells report this as 130.
    assert_eq!(child.wait().unwrap().signal(), Some(2));
}
