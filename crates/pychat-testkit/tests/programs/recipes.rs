//! The page of recipes, each as it stands there, with real people.

use crate::{
    page::{self, blocks, desk},
    stage::{DEADLINE, Stage, bodies, received, run, send, until},
};
use pychat_testkit::harness::{Output, Profile};
use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

/// The code below a heading that begins so.
fn recipe(heading: &str, language: &str) -> String {
    let mut blocks = blocks("RECIPES.md").into_iter();
    let found =
        blocks.find(|block| block.heading.starts_with(heading) && block.language == language);
    found.unwrap_or_else(|| panic!("no {language} below {heading:?}")).code
}

/// A command that works for `profile`.
fn command(profile: &Profile, program: &str, arguments: &[&str]) -> Command {
    let mut command = page::command(profile, program, arguments);
    command.env("PYCHAT_PROFILE", profile.name());
    command
}

/// Puts a program where a recipe finds it.
fn put_program(profile: &Profile, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = desk(profile).join(name);
    fs::write(&path, text).expect("a file can be written in our own directory");
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(path, executable).expect("our own file can be made executable");
}

/// Runs a recipe to its end.
fn done(profile: &Profile, program: &str, code: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = command(profile, program, &["-c", code]);
    page::done(command.envs(variables.iter().copied()))
}

/// A recipe that runs on; killed when dropped.
struct Running(Child);

impl Running {
    fn start(profile: &Profile, program: &str, code: &str) -> Self {
        let said = File::create(desk(profile).join("said")).expect("a file can be made");
        let mut command = command(profile, program, &["-c", code]);
        Self(command.stdout(said).process_group(0).spawn().expect("it can be started"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A shell's pipe has more than one process.
        let group = format!("-{}", self.0.id());
        let _ended = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _code = self.0.wait();
    }
}

fn said(profile: &Profile, file: &str) -> String {
    fs::read_to_string(desk(profile).join(file)).unwrap_or_default()
}

fn is_there(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    let there = there.is_ok_and(|status| status.success());
    if !there {
        println!("skipped: there is no {program}");
    }
    there
}

#[test]
fn the_end_of_a_log_is_sent() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    let log: String = (1..=30).map(|number| format!("line {number}\n")).collect();
    fs::write(desk(&alice).join("build.log"), log).expect("a file can be written");
    let output = done(&alice, "sh", &recipe("Send the end", "sh"), &[]);
    assert_eq!(output.code, 0, "{output}");
    let texts = received(&bob, "alice", 1);
    assert!(texts[0].starts_with("line 11\n") && texts[0].ends_with("line 30"), "{texts:?}");
}

#[test]
fn a_job_fails_as_it_failed_and_somebody_knows() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    put_program(&alice, "job.sh", "#!/bin/sh\necho working\nexit 3\n");
    let output = done(&alice, "sh", &recipe("Say that a job", "sh"), &[]);
    assert_eq!(output.code, 3, "{output}");
    assert_eq!(received(&bob, "alice", 1), ["the job ended with 3"]);
    assert_eq!(said(&alice, "build.log"), "working\n");
}

#[test]
fn an_alert_comes_once() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    let recipe = recipe("An alert", "sh");
    for _ in 0..3 {
        let output = done(&alice, "sh", &recipe, &[("LIMIT", "0")]);
        assert_eq!(output.code, 0, "{output}");
    }
    send(&alice, "bob", "the end", "delivered");
    let texts = received(&bob, "alice", 2);
    assert!(texts[0].ends_with("is nearly full") && texts[1] == "the end", "{texts:?}");
    assert_eq!(done(&alice, "sh", &recipe, &[("LIMIT", "101")]).code, 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_bot_in_shell_answers_who_asks() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    let bot = Running::start(&bob, "sh", &recipe("A bot in shell", "sh"));
    send(&alice, "bob", "hello", "delivered");
    // What looks like somebody else's question is none.
    send(&alice, "bob", "look:\n2026-01-31T11:55:00Z  carol: uptime", "delivered");
    send(&alice, "bob", "uptime", "delivered");
    let answers = received(&alice, "bob", 1);
    assert!(answers[0].split(' ').all(|number| number.parse::<f64>().is_ok()), "{answers:?}");
    // What was taken is not taken again by the next run.
    drop(bot);
    let _bot = Running::start(&bob, "sh", &recipe("A bot in shell", "sh"));
    send(&alice, "bob", "uptime", "delivered");
    assert_eq!(received(&alice, "bob", 2).len(), 2);
    // Nothing was marked read for it.
    assert_eq!(bob.ctl_json(&["unread"])["total"], 4);
}

#[test]
fn a_message_becomes_a_note() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    put_program(&bob, "notify-send", "#!/bin/sh\nprintf '%s|%s\\n' \"$1\" \"$2\" >> notes\n");
    let _watch = Running::start(&bob, "sh", &recipe("A note on the desktop", "sh"));
    let note = until("a note comes", DEADLINE, || {
        send(&alice, "bob", "tea?", "delivered");
        said(&bob, "notes").lines().next().map(str::to_owned)
    });
    // The first message of somebody is marked as such.
    assert!(note.starts_with("PyChat|alice (Alice)") && note.ends_with(": tea?"), "{note}");
}

#[test]
fn bars_show_what_is_unread() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    let waybar: serde_json::Value =
        serde_json::from_str(&recipe("Unread", "json")).expect("it is JSON");
    let waybar = waybar["custom/pychat"]["exec"].as_str().expect("a command").to_owned();
    let i3blocks = recipe("Unread", "ini");
    let i3blocks = i3blocks.lines().find_map(|line| line.strip_prefix("command="));
    for command in [&waybar, i3blocks.expect("there is a command")] {
        let _bar = Running::start(&bob, "sh", command);
        until("the bar is empty", DEADLINE, || (said(&bob, "said") == "\n").then_some(()));
        send(&alice, "bob", "hello", "delivered");
        until("the bar shows one", DEADLINE, || (said(&bob, "said") == "\n✉ 1\n").then_some(()));
        run(&bob, &["inbox"]);
        until("it is cleared", DEADLINE, || (said(&bob, "said") == "\n✉ 1\n\n").then_some(()));
    }
    send(&alice, "bob", "hello", "delivered");
    let tmux = recipe("Unread", "tmux");
    let inner = tmux.split_once("#(").and_then(|(_, rest)| rest.split_once(")'"));
    let (inner, _) = inner.expect("it runs a command");
    assert_eq!(done(&bob, "sh", inner, &[]).stdout, "✉ 1 alice\n");
    run(&bob, &["daemon", "stop"]);
    assert_eq!(done(&bob, "sh", inner, &[]).code, 3);
}

#[test]
fn tmux_takes_its_lines() {
    if !Command::new("tmux").arg("-V").output().is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no tmux");
        return;
    }
    let profile = Profile::new("alice");
    let file = desk(&profile).join("tmux.conf");
    fs::write(&file, recipe("Unread", "tmux")).expect("a file can be written");
    let socket = desk(&profile).join("tmux.sock").display().to_string();
    let tmux = |words: &[&str]| {
        let mut command = command(&profile, "tmux", &["-S", &socket, "-f", "/dev/null"]);
        command.args(words).output().expect("tmux can be started")
    };
    let file = file.display().to_string();
    let started =
        tmux(&["start-server", ";", "source-file", &file, ";", "show", "-gv", "status-right"]);
    let shown = String::from_utf8_lossy(&started.stdout).into_owned();
    assert!(shown.contains("#(pychatctl unread"), "{shown}{:?}", started.stderr);
}

#[test]
fn a_backup_is_two_private_files() {
    use std::os::unix::fs::PermissionsExt;
    let stage = Stage::new();
    let (alice, _bob) = stage.pair();
    send(&alice, "bob", "hello", "delivered");
    let home = alice.root().join("home");
    fs::write(home.join(".pychat-passphrase"), "correct horse\n").expect("a file can be written");
    for _ in 0..2 {
        let output = done(&alice, "sh", &recipe("A backup", "sh"), &[]);
        assert_eq!(output.code, 0, "{output}");
    }
    let private =
        |path: &Path| fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o77 == 0);
    assert!(private(&home.join("pychat.age")) && private(&home.join("pychat.jsonl")));
    let lines = fs::read_to_string(home.join("pychat.jsonl")).expect("it is there");
    let first: serde_json::Value = serde_json::from_str(&lines).expect("one message");
    assert_eq!(first["body"], "hello");
}

#[test]
fn python_sends_once() {
    if !is_there("python3") {
        return;
    }
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    for _ in 0..2 {
        let output = done(&alice, "python3", &recipe("Python: send", "python"), &[]);
        assert_eq!((output.code, output.stdout.as_str()), (0, "delivered\n"), "{output}");
    }
    assert_eq!(bodies(&bob.ctl_json(&["inbox"])), ["report 7 is there"]);
}

#[test]
fn python_answers_each_message_once_over_kills() {
    if !is_there("python3") {
        return;
    }
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    let code = recipe("Python: answer", "python");
    let texts: Vec<String> = (0..6).map(|number| format!("ping {number}")).collect();
    for text in &texts {
        let bot = Running::start(&bob, "python3", &code);
        send(&alice, "bob", text, "delivered");
        drop(bot);
    }
    let _bot = Running::start(&bob, "python3", &code);
    assert_eq!(received(&alice, "bob", texts.len()), texts);
}

#[test]
fn shellcheck_finds_nothing() {
    if !is_there("shellcheck") {
        return;
    }
    let profile = Profile::new("alice");
    for block in blocks("RECIPES.md").into_iter().filter(|block| block.language == "sh") {
        let file = desk(&profile).join("recipe.sh");
        fs::write(&file, format!("#!/bin/sh\n{}", block.code)).expect("a file can be written");
        let output = Command::new("shellcheck").arg(&file).output().expect("it can be started");
        let found = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}\n{found}", block.heading);
    }
}
