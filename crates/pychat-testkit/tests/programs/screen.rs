//! The full-screen chat in a real terminal.

use crate::stage::{DEADLINE, SLOW_DEADLINE, Stage, connect, received, run, send};
use pychat_testkit::harness::{Modes, PROMPT, Profile, Tmux};
use std::fs;

/// Somebody's terminal, with the chat on it.
fn open(profile: &Profile, arguments: &[&str]) -> Tmux {
    let terminal = Tmux::start(&profile.command(&[]), 80, 24);
    terminal.run(&profile.command(&[&["chat"], arguments].concat()));
    terminal
}

/// The shell is there again, and the terminal as it was.
fn assert_left(terminal: &Tmux) {
    terminal.wait_until("the shell is back", DEADLINE, |_| terminal.modes() == Modes::USUAL);
    terminal.type_text("echo still $((40 + 2)) here");
    terminal.press(&["Enter"]);
    terminal.wait_for("still 42 here", DEADLINE);
    terminal.wait_until("it waits for a command", DEADLINE, |screen| {
        screen.trim_end().ends_with(PROMPT)
    });
}

#[test]
fn the_first_start_says_what_to_do_and_goes_on_once_that_is_done() {
    let stage = Stage::new();
    let alice = Profile::new("alice");
    let terminal = open(&alice, &[]);
    terminal.wait_for("You are not logged in at a server yet.", DEADLINE);
    assert!(alice.daemon_pid().is_some(), "the daemon was started");
    let modes = terminal.modes();
    assert!(modes.alternate && modes.mouse && !modes.wrap, "{modes:?}");
    connect(&alice, "Alice", &stage.server.link());
    terminal.wait_for("No conversation yet.", DEADLINE);
    terminal.wait_for("connected", DEADLINE);
    terminal.press(&["C-q"]);
    assert_left(&terminal);
}

#[test]
fn two_people_talk_and_a_daemon_that_was_killed_comes_back() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    let terminal = open(&alice, &["bob"]);
    terminal.wait_for("no messages with bob yet", DEADLINE);
    terminal.type_text("hello bob");
    terminal.press(&["Enter"]);
    terminal.wait_until("it is delivered", DEADLINE, |screen| {
        screen.contains("✓✓ hello bob") && screen.contains("delivered")
    });
    assert_eq!(received(&bob, "alice", 1), ["hello bob"]);
    run(&bob, &["inbox"]);
    terminal.wait_for("◉  hello bob", DEADLINE);
    // What is on the screen was read, and bob learns that.
    send(&bob, "alice", "hello alice", "read");
    terminal.wait_for("hello alice", DEADLINE);

    bob.kill_daemon9();
    terminal.type_text("are you there?");
    terminal.press(&["Enter"]);
    terminal.wait_for("✓  are you there?", DEADLINE);
    run(&bob, &["daemon", "start"]);
    terminal.wait_for("✓✓ are you there?", SLOW_DEADLINE);

    // And our own: what is typed meanwhile is not lost.
    alice.kill_daemon9();
    terminal.wait_for("The daemon ended", DEADLINE);
    terminal.type_text("typed without a daemon");
    terminal.press(&["Enter"]);
    terminal.wait_for("…  typed without a daemon", DEADLINE);
    run(&alice, &["daemon", "start"]);
    terminal.wait_for("✓✓ typed without a daemon", SLOW_DEADLINE);
    let expected = ["hello bob", "are you there?", "typed without a daemon"];
    assert_eq!(received(&bob, "alice", 3), expected);

    terminal.resize(60, 15);
    terminal.wait_until("the list is hidden", DEADLINE, |screen| {
        screen.starts_with(" bob") && screen.contains("typed without a daemon")
    });
    terminal.resize(20, 5);
    terminal.wait_for("30x8 needed", DEADLINE);
    terminal.resize(80, 24);
    terminal.wait_for("│ bob", DEADLINE);
    terminal.press(&["C-c"]);
    terminal.wait_for("press Ctrl-C again", DEADLINE);
    terminal.press(&["C-c"]);
    assert_left(&terminal);
}

#[test]
fn a_key_that_changed_is_seen_and_accepted_on_the_screen() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.pair();
    send(&alice, "bob", "before", "delivered");
    let terminal = open(&alice, &["bob"]);
    terminal.wait_for("before", DEADLINE);
    run(&bob, &["daemon", "stop"]);
    // The server comes up without its mailboxes: names belong to whoever claims them next.
    stage.server.kill9();
    for entry in fs::read_dir(stage.server.data()).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.to_string_lossy().contains("mailboxes") {
            fs::remove_file(path).expect("it is ours");
        }
    }
    stage.server.restart();
    let other = Profile::new("bob");
    connect(&other, "Bob", &stage.server.link());
    terminal.type_text("for bob");
    terminal.press(&["Enter"]);
    terminal.wait_for("bob's key changed:", SLOW_DEADLINE);
    terminal.press(&["F4"]);
    terminal.wait_for("THE KEY CHANGED. The new one's number:", DEADLINE);
    terminal.press(&["Escape"]);
    terminal.wait_until("it is closed", DEADLINE, |screen| !screen.contains("THE KEY CHANGED."));
    terminal.press(&["F5"]);
    terminal.wait_for("Accept the new key? [y/N]", DEADLINE);
    terminal.press(&["y"]);
    terminal.wait_for("new key is trusted", DEADLINE);
    assert_eq!(received(&other, "alice", 2), ["before", "for bob"]);
    terminal.wait_for("✓✓ for bob", SLOW_DEADLINE);
    terminal.press(&["C-q"]);
    assert_left(&terminal);
}

/// The process of the chat that the shell runs.
#[cfg(target_os = "linux")]
fn chat_pid(terminal: &Tmux) -> u32 {
    let shell = terminal.shell_pid();
    let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
    let children = children.expect("the shell runs");
    children.split_whitespace().next().expect("it runs the chat").parse().expect("a number")
}

#[cfg(target_os = "linux")]
fn signal(pid: u32, name: &str) {
    let status = std::process::Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill -s {name} {pid}");
}

#[cfg(target_os = "linux")]
#[test]
fn signals_and_suspending_leave_the_terminal_as_it_was() {
    let stage = Stage::new();
    let (alice, _bob) = stage.pair();
    for name in ["TERM", "INT"] {
        let terminal = open(&alice, &["bob"]);
        terminal.wait_for("no messages with bob yet", DEADLINE);
        signal(chat_pid(&terminal), name);
        assert_left(&terminal);
    }
    let terminal = open(&alice, &["bob"]);
    terminal.wait_for("no messages with bob yet", DEADLINE);
    terminal.type_text("a draft");
    terminal.wait_for("> a draft", DEADLINE);
    terminal.press(&["C-z"]);
    assert_left(&terminal);
    terminal.type_text("fg");
    terminal.press(&["Enter"]);
    terminal.wait_for("> a draft", DEADLINE);
    assert!(terminal.modes().alternate);
    terminal.press(&["C-q"]);
    assert_left(&terminal);
}

#[test]
fn a_dumb_terminal_gets_lines() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    let terminal = Tmux::start(&alice.command(&[]), 80, 24);
    terminal.type_text("export TERM=dumb");
    terminal.press(&["Enter"]);
    terminal.run(&alice.command(&["chat", "bob"]));
    terminal.wait_for("what you type goes to bob", DEADLINE);
    terminal.type_text("hello bob");
    terminal.press(&["Enter"]);
    terminal.wait_for("delivered to bob: hello bob", DEADLINE);
    send(&bob, "alice", "hello\nalice", "read");
    terminal.wait_for("bob: hello\n    alice", DEADLINE);
    terminal.type_text("/quit");
    terminal.press(&["Enter"]);
    assert_left(&terminal);
}
