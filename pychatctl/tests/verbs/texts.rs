//! What verbs ask for and print, for people and for programs.

use crate::{
    daemon::{FakeDaemon, Reply, message},
    run::Home,
};
use serde_json::{Value, json};

#[test]
fn connect_names_the_server_of_flag_variable_and_file() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |_, _| {
        Reply::Result(json!({
            "user": "alice", "name": "Alice", "server": "pychat://h:7420#k",
            "fingerprint": "0123 4567", "first_contact": true,
        }))
    });
    let said = home.run(&["connect", "alice", "Alice"]);
    insta::assert_snapshot!(said.out, @r"
    connected to pychat://h:7420 as alice (Alice)
    server key fingerprint: 0123 4567
    This is the first contact with this server, and no link named its key. Compare the
    fingerprint with the operator's; from now on only this key is accepted.
    ");
    assert_eq!(daemon.next().1, json!({ "user": "alice", "name": "Alice", "timeout_ms": 10_000 }));
    home.write("config/pychat/config.toml", "server = 'file'");
    home.run(&["connect", "alice", "Alice"]);
    assert_eq!(daemon.next().1["server"], "file");
    let words = ["connect", "alice", "Alice", "--server", "flag", "--trust-key", "K"];
    let said = home.run(&[&words[..], &["--json"]].concat());
    let asked = daemon.next().1;
    assert_eq!((&asked["server"], &asked["trust_key"]), (&json!("flag"), &json!("K")));
    assert_eq!(
        serde_json::from_str::<Value>(&said.out).unwrap(),
        json!({
            "v": 1, "user": "alice", "name": "Alice", "server": "pychat://h:7420#k",
            "fingerprint": "0123 4567", "first_contact": true,
        })
    );
    assert_eq!(home.run(&["connect", "Al", "Alice"]).code, Some(2));
    assert_eq!(home.run(&["connect", "alice", "A\u{1b}"]).code, Some(2));
}

#[test]
fn a_changed_key_is_code_7_and_explained() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, _| {
        Reply::Error(json!({ "code": 7, "message": "the server's key changed" }))
    });
    let said = home.run(&["connect", "alice", "Alice"]);
    assert_eq!(said.code, Some(7));
    assert!(said.err.contains("--trust-key"), "{}", said.err);
}

#[test]
fn the_verbs_without_arguments_ask_for_what_they_say() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |method, _| match method {
        "unread" => Reply::Result(json!({ "total": 1, "items": [{ "user": "bob", "count": 1 }] })),
        "users" => Reply::Result(json!({ "items": [] })),
        "cancel" => Reply::Result(json!({ "id": "01A", "state": "cancelled" })),
        _ => Reply::Result(json!({})),
    });
    let said = home.run(&["unread"]);
    assert_eq!(said.out, "FROM  UNREAD\nbob   1\n");
    assert_eq!(said.err, "read them with: pychatctl inbox\n");
    assert_eq!(home.run(&["unread", "-q"]).out, "1\n");
    assert_eq!(home.run(&["users", "--all"]).err, "nobody is there\n");
    assert_eq!(home.run(&["cancel", "01A"]).out, "cancelled (01A)\n");
    assert_eq!(home.run(&["disconnect", "--json"]).out, "{\"v\":1}\n");
    let methods: Vec<String> = daemon.asked().into_iter().map(|(method, _)| method).collect();
    assert_eq!(methods, ["unread", "unread", "users", "cancel", "disconnect"]);
}

#[test]
fn history_puts_pages_together_oldest_first() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |_, params| match params["next"].as_str() {
        None => {
            let items = [message("m2", "two"), message("m3", "three")];
            Reply::Result(json!({ "items": items, "next": "older" }))
        }
        Some(_) => Reply::Result(json!({ "items": [message("m1", "one")], "next": "oldest" })),
    });
    let said = home.run(&["history", "bob", "-n", "3", "--json"]);
    let list: Value = serde_json::from_str(&said.out).unwrap();
    let ids: Vec<&Value> =
        list["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
    assert_eq!(ids, ["m1", "m2", "m3"]);
    assert_eq!(list["next"], "oldest");
    let asked: Vec<Value> = daemon.asked().into_iter().map(|(_, params)| params).collect();
    let expected = [
        json!({ "peer": "bob", "limit": 3 }),
        json!({ "peer": "bob", "limit": 1, "next": "older" }),
    ];
    assert_eq!(asked, expected);
}

#[test]
fn pages_and_scripts_come_without_a_daemon_and_with_a_broken_configuration() {
    let home = Home::new();
    home.write("config/pychat/config.toml", "broken");
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let said = home.run(&["completions", shell]);
        assert!(said.out.contains("pychatctl") && said.code == Some(0), "{shell}");
    }
    assert!(home.run(&["man"]).out.contains(".TH pychatctl 1"));
    let dir = home.path().join("man");
    assert_eq!(home.run(&["man", dir.to_str().unwrap()]).code, Some(0));
    assert!(dir.join("pychatctl.1").exists() && dir.join("pychatctl-daemon-start.1").exists());
}
