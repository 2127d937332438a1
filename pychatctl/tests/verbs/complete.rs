//! What shells offer, in the shells that are there.

use crate::{
    daemon::{FakeDaemon, Reply},
    run::Home,
};
use serde_json::json;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

fn names(method: &str, params: &serde_json::Value) -> Reply {
    let all = [("bob", "Bob B."), ("bobby", "Bobby"), ("carol", "Carol")];
    match method {
        "names" => {
            let prefix = params["prefix"].as_str().unwrap();
            let items: Vec<_> = all
                .iter()
                .filter(|(user, _)| user.starts_with(prefix))
                .map(|(user, name)| json!({ "user": user, "name": name, "status": "online" }))
                .collect();
            Reply::Result(json!({ "items": items }))
        }
        "readers" => Reply::Result(json!({ "items": [{
            "reader": "lights", "place": 1, "used_at": "2026-01-31T11:55:00.000Z", "waiting": 0,
        }] })),
        _ => Reply::Close,
    }
}

/// What the program offers for the last of these words, without descriptions.
fn offered(home: &Home, words: &[&str]) -> Vec<String> {
    let mut command = home.command(&[&["--", "pychatctl"][..], words].concat());
    let output = command.env("PYCHAT_COMPLETE", "fish").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn names_are_offered_wherever_a_user_is_expected() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, names);
    for words in [
        &["send", "bo"][..],
        &["history", "bo"],
        &["history", "rm", "bo"],
        &["history", "export", "bo"],
        &["history", "--with", "bo"],
        &["verify", "bo"],
        &["trust", "bo"],
        &["inbox", "--from", "bo"],
        &["search", "x", "--from", "bo"],
        &["search", "x", "--with", "bo"],
        &["--json", "send", "--wait", "read", "bo"],
    ] {
        assert_eq!(offered(&home, words), ["bob", "bobby"], "{words:?}");
    }
    assert_eq!(offered(&home, &["inbox", "--reader", "l"]), ["lights"]);
    assert_eq!(offered(&home, &["readers", "rm", ""])[0], "lights");
    assert_eq!(offered(&home, &["--profile", ""])[0], "default");
    assert!(offered(&home, &["hist"]).contains(&"history".to_owned()));
    assert!(offered(&home, &["history", ""]).contains(&"export".to_owned()));
}

#[test]
fn without_a_daemon_nothing_is_offered_started_or_said() {
    let home = Home::new();
    assert_eq!(offered(&home, &["send", "bo"]), [""; 0]);
    assert!(!home.path().join("state/default/daemon.json").exists());
    home.write("config/pychat/config.toml", "broken");
    assert_eq!(offered(&home, &["send", "bo"]), [""; 0]);
}

#[test]
fn a_daemon_that_does_not_answer_holds_nobody_up() {
    let home = Home::new();
    let _listens = std::os::unix::net::UnixListener::bind(home.socket()).unwrap();
    let began = Instant::now();
    assert_eq!(offered(&home, &["send", "bo"]), [""; 0]);
    // Far more than it takes, for a busy machine, and far less than any other wait.
    assert!(began.elapsed() < Duration::from_secs(3));
}

/// Runs a script in a shell that finds the program.
fn in_shell(home: &Home, shell: &str, arguments: &[&str], script: &str) -> Option<String> {
    let there = Command::new(shell).arg("-c").arg("exit").stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        println!("skipped: there is no {shell}");
        return None;
    }
    let ours = Path::new(env!("CARGO_BIN_EXE_pychatctl")).parent().unwrap();
    let theirs = std::env::var("PATH").unwrap_or_default();
    let environment = home.command(&[]);
    let mut command = Command::new(shell);
    command.args(arguments).arg("-c").arg(script).env_clear();
    for (name, value) in environment.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.env("PATH", format!("{}:{theirs}", ours.display()));
    let output = command.current_dir(home.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn script_of(home: &Home, shell: &str) -> String {
    let file = home.path().join(format!("complete.{shell}"));
    let said = home.run(&["completions", shell]);
    assert_eq!(said.code, Some(0));
    fs::write(&file, said.out).unwrap();
    file.display().to_string()
}

#[test]
fn bash_offers_names() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, names);
    let file = script_of(&home, "bash");
    let script = format!(
        "source {file}
         COMP_WORDS=(pychatctl send bo) COMP_CWORD=2 COMP_TYPE=9
         _clap_complete_pychatctl pychatctl bo send
         printf '%s\\n' \"${{COMPREPLY[@]}}\"
         complete -p pychatctl"
    );
    let shown = in_shell(&home, "bash", &["--norc"], &script).expect("bash is there");
    let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
    assert_eq!(lines[..2], ["bob", "bobby"]);
    assert!(lines[2].ends_with("-F _clap_complete_pychatctl pychatctl"), "{shown}");
}

#[test]
fn fish_offers_names() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, names);
    let file = script_of(&home, "fish");
    let script = format!("source {file}; complete --do-complete 'pychatctl send bo'");
    if let Some(shown) = in_shell(&home, "fish", &["--no-config"], &script) {
        assert_eq!(shown, "bob\tBob B. (online)\nbobby\tBobby (online)\n");
    }
}

#[test]
fn zsh_offers_names() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, names);
    let file = script_of(&home, "zsh");
    // What the completion system would show is printed in its place.
    let script = format!(
        "autoload -U compinit; compinit -u; source {file}
         _describe() {{ print -l -- ${{(P)${{@[-1]}}}} }}
         words=(pychatctl send bo) CURRENT=3
         _clap_dynamic_completer_pychatctl
         print -- $_comps[pychatctl]"
    );
    if let Some(shown) = in_shell(&home, "zsh", &["-f"], &script) {
        let expected =
            "bob:Bob B. (online)\nbobby:Bobby (online)\n_clap_dynamic_completer_pychatctl\n";
        assert_eq!(shown, expected);
    }
}
