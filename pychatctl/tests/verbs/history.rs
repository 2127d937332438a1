//! The history: what is shown of it, its export, and its removal.

use crate::{
    daemon::{FakeDaemon, Reply, message},
    run::Home,
};
use serde_json::{Value, json};
use std::fs;

fn params(daemon: &FakeDaemon) -> Vec<Value> {
    // Names are asked for where nothing was found.
    let asked = daemon.asked().into_iter().filter(|(method, _)| method != "names");
    asked.map(|(_, params)| params).collect()
}

#[test]
fn filters_reach_the_daemon() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |_, _| Reply::Result(json!({ "items": [] })));
    let words = [
        "history",
        "bob",
        "--from",
        "bob",
        "--since",
        "2026-01-01T00:00:00Z",
        "--until",
        "2026-02-01T00:00:00Z",
        "--before",
        "9",
    ];
    assert_eq!(home.run(&words).code, Some(0));
    let expected = json!({
        "peer": "bob", "from": "bob", "since": "2026-01-01T00:00:00.000Z",
        "until": "2026-02-01T00:00:00.000Z", "limit": 50, "before": 9,
    });
    assert_eq!(params(&daemon), [expected]);
    assert_eq!(home.run(&["history", "--since", "soon"]).code, Some(2));
    assert_eq!(home.run(&["history", "--from", "B"]).code, Some(2));
}

#[test]
fn after_a_place_pages_are_newer_and_newer() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, params| match params["next"].as_str() {
        None => Reply::Result(json!({ "items": [message("m1", "1")], "next": "newer" })),
        Some(_) => Reply::Result(json!({ "items": [message("m2", "2")] })),
    });
    let said = home.run(&["history", "--after", "0", "--json"]);
    let list: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&list["items"][0]["id"], &list["items"][1]["id"]), (&json!("m1"), &json!("m2")));
}

#[test]
fn users_who_are_called_as_verbs_are_can_be_named() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |_, _| Reply::Result(json!({ "items": [] })));
    for words in [&["--", "rm"][..], &["--with", "rm"], &["--json", "--", "rm"]] {
        assert_eq!(home.run(&[&["history"][..], words].concat()).code, Some(0));
        assert_eq!(params(&daemon), [json!({ "peer": "rm", "limit": 50 })], "{words:?}");
    }
    // What may mean two things is refused, and nothing is asked.
    for (words, hint) in [
        (&["history", "bob", "export"][..], "hint: pychatctl history export bob\n"),
        (&["history", "bob", "rm", "--all"], "hint: pychatctl history rm bob\n"),
        (&["history", "-n", "5", "export"], "--with export\n"),
    ] {
        let said = home.run(words);
        assert_eq!(said.code, Some(2), "{words:?}");
        assert!(said.err.ends_with(hint), "{}", said.err);
    }
    assert_eq!(params(&daemon), [Value::Null; 0]);
}

/// A daemon with three messages, two to a page.
fn three(_: &str, params: &Value) -> Reply {
    match params["next"].as_str() {
        None => {
            let items = [message("m1", "one"), message("m2", "two\nlines")];
            Reply::Result(json!({ "items": items, "next": "newer" }))
        }
        Some(_) => Reply::Result(json!({ "items": [message("m3", "three")] })),
    }
}

#[test]
fn an_export_is_all_messages_one_a_line() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, three);
    let said = home.run(&["history", "export", "bob"]);
    let items: Vec<Value> =
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = [message("m1", "one"), message("m2", "two\nlines"), message("m3", "three")];
    assert_eq!(items, expected);
    assert_eq!((said.err.as_str(), said.code), ("exported 3 messages\n", Some(0)));
    let expected = [
        json!({ "peer": "bob", "limit": 200, "after": 0 }),
        json!({ "peer": "bob", "limit": 200, "after": 0, "next": "newer" }),
    ];
    assert_eq!(params(&daemon), expected);
}

#[test]
fn a_file_is_private_and_not_overwritten() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, three);
    let file = home.path().join("all.md");
    let path = file.to_str().unwrap();
    let said = home.run(&["history", "export", "-o", path]);
    assert_eq!(said.out, format!("exported 3 messages to {path}\n"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    insta::assert_snapshot!(fs::read_to_string(&file).unwrap(), @r"
    # Messages

    ## 2026-01-31

    **bob** to alice, 11:55 \[unread\]

    > one

    **bob** to alice, 11:55 \[unread\]

    > two\
    > lines

    **bob** to alice, 11:55 \[unread\]

    > three
    ");
    let said = home.run(&["history", "export", "-o", path]);
    assert_eq!(said.code, Some(10));
    insta::assert_snapshot!(said.err.replace(path, "FILE"), @r"
    error: the file FILE is there already
    hint: choose another name, or overwrite it with --force
    ");
    let said =
        home.run(&["history", "export", "-o", path, "--force", "--format", "jsonl", "--json"]);
    assert_eq!(said.out, format!("{{\"v\":1,\"file\":\"{path}\",\"messages\":3}}\n"));
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 3);
}

#[test]
fn an_export_that_fails_leaves_nothing() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, params| match params["next"].as_str() {
        None => Reply::Result(json!({ "items": [message("m1", "one")], "next": "newer" })),
        Some(_) => Reply::Close,
    });
    let dir = home.path().join("out");
    fs::create_dir(&dir).unwrap();
    let said = home.run(&["history", "export", "bob", dir.join("a").to_str().unwrap()]);
    assert_eq!(said.code, Some(3));
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn a_removal_goes_on_until_nothing_is_left() {
    let home = Home::new();
    let mut answers = [(500, true), (500, true), (204, false)].into_iter();
    let daemon = FakeDaemon::start(&home, move |_, _| {
        let (removed, more) = answers.next().unwrap();
        Reply::Result(json!({ "removed": removed, "kept": 3, "more": more }))
    });
    let said = home.run(&["history", "rm", "bob", "--until", "2026-01-01T00:00:00Z", "--yes"]);
    insta::assert_snapshot!(said.out, @"removed 1204 messages; 3 stay: unread (remove them too with --unread-too) or still on the way");
    let asked = params(&daemon);
    let expected = json!({
        "peer": "bob", "until": "2026-01-01T00:00:00.000Z",
        "all": false, "unread_too": false, "dry_run": false,
    });
    assert_eq!(asked, [expected.clone(), expected.clone(), expected]);
}

#[test]
fn a_script_says_yes_beforehand_or_only_counts() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |_, params| {
        assert_eq!(params["dry_run"], true);
        Reply::Result(json!({ "removed": 7, "kept": 0 }))
    });
    let said = home.run(&["history", "rm", "--all"]);
    assert_eq!(said.code, Some(2));
    insta::assert_snapshot!(said.err, @r"
    error: this is no terminal, so nobody can be asked
    hint: see how many there are with --dry-run, then remove them with --yes
    ");
    assert_eq!(params(&daemon), [Value::Null; 0]);
    let said = home.run(&["history", "rm", "--id", "01A", "01B", "--unread-too", "--dry-run"]);
    assert_eq!(said.out, "7 messages would be removed\n");
    let expected = json!({
        "ids": ["01A", "01B"], "all": false, "unread_too": true, "dry_run": true,
    });
    assert_eq!(params(&daemon), [expected]);
    let said = home.run(&["history", "rm", "--all", "--dry-run", "--json"]);
    assert_eq!(said.out, "{\"v\":1,\"removed\":7,\"kept\":0}\n");
}

#[test]
fn a_removal_of_nothing_in_particular_is_refused() {
    let home = Home::new();
    let said = home.run(&["history", "rm", "--yes"]);
    assert_eq!(said.code, Some(2));
    insta::assert_snapshot!(said.err, @r"
    error: the following required arguments were not provided:
      <PEER|--until <TIME>|--id <ID>...|--all>

    Usage: pychatctl history rm --yes <PEER|--until <TIME>|--id <ID>...|--all>

    For more information, try '--help'.
    ");
    assert_eq!(home.run(&["history", "rm", "bob", "--all", "--yes"]).code, Some(2));
}
