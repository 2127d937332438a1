//! What the operator does with a running server, and what its users see of it.

use crate::stage::{DEADLINE, Stage, run, until};
use pychat_testkit::harness::{Profile, Server};
use serde_json::{Value, json};

/// What the server answers.
pub(crate) fn answer(server: &Server, words: &[&str]) -> Value {
    let output = server.admin(words);
    assert_eq!(output.code, 0, "{words:?}: {output}");
    serde_json::from_str(&output.stdout).unwrap()
}

fn refusal(server: &Server, words: &[&str]) -> String {
    let output = server.admin(words);
    assert_eq!(output.code, 9, "{words:?}: {output}");
    output.stderr
}

fn names(list: &Value, field: &str) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

/// What a profile's `status` says, once it is so.
fn wait_for_status(profile: &Profile, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    until(what, DEADLINE, || Some(profile.ctl_json(&["status"])).filter(|status| is_so(status)))
}

fn wait_for_link(profile: &Profile, link: &str) -> Value {
    wait_for_status(profile, link, |status| status["link"] == link)
}

#[test]
fn users_are_listed_renamed_banned_and_let_in_again() {
    let stage = Stage::new();
    let server = &stage.server;
    let (alice, bob) = stage.pair();
    assert_eq!(names(&answer(server, &["users", "list"]), "user"), ["alice", "bob"]);
    assert_eq!(names(&answer(server, &["sessions", "list"]), "user"), ["alice", "bob"]);
    let shown = answer(server, &["users", "show", "bob"]);
    assert_eq!((&shown["status"], &shown["banned"]), (&json!("online"), &Value::Null));

    answer(server, &["users", "rename", "bob", "Robert"]);
    let users = alice.ctl_json(&["users"]);
    assert_eq!(names(&users, "name"), ["Alice", "Robert"]);

    answer(server, &["users", "ban", "bob", "--reason", "too loud"]);
    let status = wait_for_link(&bob, "refused");
    let error = status["last_error"].as_str().unwrap();
    assert!(error.contains("banned bob: too loud"), "{error}");
    assert_eq!(names(&answer(server, &["users", "bans"]), "user"), ["bob"]);
    answer(server, &["users", "unban", "bob"]);
    assert!(refusal(server, &["users", "unban", "bob"]).contains("no such"));
    run(&bob, &["connect", "bob", "Bob"]);
    // The display name that the operator set stays.
    assert_eq!(names(&alice.ctl_json(&["users"]), "name"), ["Alice", "Robert"]);
}

#[test]
fn a_name_is_bound_to_the_device_that_was_told_its_key_or_given_up() {
    let stage = Stage::new();
    let server = &stage.server;
    let first = stage.join("alice", "Alice");
    let second = Profile::new("alice");
    let link = server.link();
    let refused = second.ctl(&["connect", "alice", "Alice", "--server", &link]);
    assert_eq!(refused.code, 10, "{refused}");
    let told = refused.stderr.lines().find_map(|line| line.split_once("rebind alice "));
    let key = told.expect("the hint names the key").1.trim();
    answer(server, &["users", "rebind", "alice", key]);
    wait_for_link(&first, "refused");
    run(&second, &["connect", "alice", "Alice", "--server", &link]);

    answer(server, &["users", "free", "alice", "--yes"]);
    wait_for_link(&second, "refused");
    run(&first, &["connect", "alice", "Alice", "--server", &link]);
    assert!(refusal(server, &["users", "free", "eve", "--yes"]).contains("no such"));
    assert!(refusal(server, &["users", "rebind", "alice", "nonsense"]).contains("no key"));
}

#[test]
fn newcomers_come_in_with_an_invite_as_often_as_it_may_be_used() {
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), "[registration]\npolicy = \"invite\"\n").unwrap();
    let stage = Stage::with_arguments(&["--config", config.path().to_str().unwrap()]);
    let server = &stage.server;
    let made =
        answer(server, &["invites", "create", "--uses", "1", "--days", "1", "--note", "crew"]);
    let code = made["code"].as_str().unwrap().to_owned();
    let link = server.link();
    let enter = |profile: &Profile, more: &[&str]| {
        let mut words = vec!["connect", profile.name(), "X", "--server", &link];
        words.extend(more);
        profile.ctl(&words)
    };
    let (alice, bob) = (Profile::new("alice"), Profile::new("bob"));
    let without = enter(&alice, &[]);
    assert_eq!(without.code, 10, "{without}");
    assert!(without.stderr.contains("--invite"), "{without}");
    assert_eq!(enter(&alice, &["--invite", &code]).code, 0);
    let used_up = enter(&bob, &["--invite", &code]);
    assert_eq!(used_up.code, 10, "{used_up}");
    assert!(used_up.stderr.contains("used up"), "{used_up}");
    // Who has a name needs none.
    run(&alice, &["disconnect"]);
    assert_eq!(enter(&alice, &[]).code, 0);
    answer(server, &["invites", "revoke", &code]);
    assert_eq!(answer(server, &["invites", "list"])["items"], json!([]));
    assert!(!server.log().contains(&code), "a code is a secret");
}

#[test]
fn a_mailbox_is_measured_and_emptied() {
    let stage = Stage::new();
    let server = &stage.server;
    let (alice, bob) = stage.pair();
    run(&bob, &["disconnect"]);
    run(&alice, &["send", "bob", "one"]);
    run(&alice, &["send", "bob", "two"]);
    let unsure = server.admin(&["mailboxes", "purge", "bob"]);
    assert_eq!(unsure.code, 2, "{unsure}");
    assert!(unsure.stderr.contains("--yes"), "{unsure}");
    let mailboxes = answer(server, &["mailboxes", "list"]);
    assert_eq!(names(&mailboxes, "user"), ["bob"]);
    assert_eq!(mailboxes["items"][0]["messages"], 2);
    answer(server, &["mailboxes", "purge", "bob", "--yes"]);
    assert_eq!(answer(server, &["mailboxes", "list"])["items"], json!([]));
    run(&bob, &["connect", "bob", "Bob"]);
    run(&alice, &["send", "bob", "three", "--wait", "delivered"]);
    let inbox = bob.ctl_json(&["inbox"]);
    assert_eq!(names(&inbox, "body"), ["three"]);
}

#[test]
fn a_drained_server_lets_nobody_in_until_it_is_resumed() {
    let stage = Stage::new();
    let server = &stage.server;
    let alice = stage.join("alice", "Alice");
    answer(server, &["drain", "--spread", "0"]);
    assert_eq!(answer(server, &["stats"])["drained"], true);
    wait_for_link(&alice, "connecting");
    assert_eq!(answer(server, &["sessions", "list"])["items"], json!([]));
    answer(server, &["resume"]);
    wait_for_link(&alice, "connected");
    assert_eq!(answer(server, &["stats"])["drained"], false);
}

#[test]
fn all_who_are_there_hear_what_the_operator_tells_them() {
    let stage = Stage::new();
    let server = &stage.server;
    let (alice, bob) = stage.pair();
    let told = answer(server, &["broadcast", "back at noon"]);
    assert!(told["done"].as_str().unwrap().starts_with("told 2 sessions"), "{told}");
    for profile in [&alice, &bob] {
        let heard = |status: &Value| status["server_notice"]["text"] == "back at noon";
        wait_for_status(profile, "the notice", heard);
    }
    let text = alice.ctl(&["status"]);
    assert!(text.stdout.contains("notice      back at noon (from the server's operator"), "{text}");
    assert!(refusal(server, &["broadcast", "two\nlines"]).contains("one line"));
    assert!(!server.log().contains("noon"), "what is told is no matter of the log");
}

#[test]
fn a_session_that_is_ended_comes_back_by_itself() {
    let stage = Stage::new();
    let server = &stage.server;
    let alice = stage.join("alice", "Alice");
    answer(server, &["sessions", "kick", "alice", "--reason", "maintenance"]);
    let status = wait_for_status(&alice, "an error", |status| status["last_error"].is_string());
    assert!(status["last_error"].as_str().unwrap().contains("maintenance"), "{status}");
    assert!(refusal(server, &["sessions", "kick", "eve"]).contains("eve has no session"));
    wait_for_link(&alice, "connected");
}

#[test]
fn a_reload_applies_all_of_a_file_or_nothing_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("server.toml");
    std::fs::write(&file, "log = \"info\"\n").unwrap();
    let stage = Stage::with_arguments(&["--config", file.to_str().unwrap()]);
    let server = &stage.server;
    let (alice, bob) = stage.pair();

    std::fs::write(&file, "log = \"debug\"\n[mailbox]\nmesages = 1\n").unwrap();
    let refused = refusal(server, &["reload"]);
    assert!(refused.contains("server.toml:3:1: unknown field `mesages`"), "{refused}");
    assert_eq!(answer(server, &["log"])["filter"], "info");

    let text = "log = \"debug\"\nshards = 2\n[mailbox]\nmessages = 1\n[registration]\npolicy = \"closed\"\n";
    std::fs::write(&file, text).unwrap();
    let reloaded = answer(server, &["reload"]);
    assert_eq!(reloaded["applied"], json!(["log", "mailbox.messages", "registration"]));
    assert_eq!(reloaded["needs_restart"], json!(["shards"]));
    assert_eq!(answer(server, &["log"])["filter"], "debug");
    // The new quota and the new policy hold.
    run(&bob, &["disconnect"]);
    run(&alice, &["send", "bob", "one"]);
    let full = alice.ctl(&["send", "bob", "two"]);
    assert_eq!(full.code, 8, "{full}");
    let eve = Profile::new("eve");
    let closed = eve.ctl(&["connect", "eve", "Eve", "--server", &server.link()]);
    assert_eq!(closed.code, 10, "{closed}");

    // What needs a restart is told of until there is one.
    std::fs::write(&file, text.replace("debug", "info")).unwrap();
    let readings = || server.log().matches("the configuration was read again").count();
    let before = readings();
    server.hang_up();
    until("the signal to be heard", DEADLINE, || (readings() > before).then_some(()));
    assert_eq!(answer(server, &["log"])["filter"], "info");
    let again = answer(server, &["reload"]);
    assert_eq!(again["needs_restart"], json!(["shards"]));
}

#[test]
fn nobody_answers_where_no_server_runs() {
    let mut stage = Stage::new();
    assert_eq!(stage.server.terminate(), 0);
    let output = stage.server.admin(&["stats"]);
    assert_eq!(output.code, 8, "{output}");
    assert!(output.stderr.contains("start the server"), "{output}");
}

#[test]
fn answers_for_people_are_tables() {
    let stage = Stage::new();
    let _alice = stage.join("alice", "Alice");
    let text = |words: &[&str]| stage.server.admin_text(words).expect_ok();
    assert!(text(&["users", "list"]).starts_with("USER   NAME   STATUS  SINCE"));
    assert_eq!(text(&["mailboxes", "list"]), "nothing waits in a mailbox\n");
    let stats = text(&["stats"]);
    for line in ["sessions            1\n", "accounts            1\n", "refused logins      none\n"]
    {
        assert!(stats.contains(line), "{stats}");
    }
}
