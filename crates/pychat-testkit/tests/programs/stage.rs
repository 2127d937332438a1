//! What most tests begin with: a server, and people who are connected to it.

use pychat_testkit::harness::{Options, Output, Profile, Server};
use serde_json::Value;
use std::{
    env, fs, thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// What is promised to happen has happened within this time, on a busy machine too.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Between two looks at whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// After a planned stop the server's clients come back within this time.
const RESTART_SPREAD_S: u64 = 1;

/// The test's seed: `usual`, unless another one is asked for. It is printed.
pub(crate) fn seed(usual: u64) -> u64 {
    let asked = env::var("PYCHAT_TEST_SEED").ok();
    let seed = asked.map_or(usual, |text| text.parse().expect("PYCHAT_TEST_SEED is a number"));
    println!("seed {seed}");
    seed
}

/// Looks again and again, until `look` sees what it looks for.
pub(crate) fn until<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "not within {deadline:?}: {what}");
        thread::sleep(LOOK_EVERY);
    }
}

/// A server whose clients come back soon after a planned stop.
pub(crate) struct Stage {
    pub(crate) server: Server,
    _config: TempDir,
}

impl Stage {
    /// Starts the server.
    pub(crate) fn new() -> Self {
        Self::with_arguments(&[])
    }

    /// Starts the server with more arguments.
    pub(crate) fn with_arguments(more: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let config = directory.path().join("server.toml");
        fs::write(&config, format!("restart_spread_s = {RESTART_SPREAD_S}\n"))
            .expect("a file can be written");
        let mut arguments = vec!["--config".into(), config.into_os_string()];
        arguments.extend(more.iter().map(Into::into));
        let server = Server::start(&Options { arguments, ..Options::default() });
        Self { server, _config: directory }
    }

    /// Somebody new, connected.
    pub(crate) fn join(&self, user: &str, name: &str) -> Profile {
        let profile = Profile::new(user);
        connect(&profile, name, &self.server.link());
        profile
    }

    /// Alice and Bob, connected.
    pub(crate) fn pair(&self) -> (Profile, Profile) {
        (self.join("alice", "Alice"), self.join("bob", "Bob"))
    }
}

/// Connects the user who is named as the profile is.
pub(crate) fn connect(profile: &Profile, name: &str, link: &str) {
    run(profile, &["connect", profile.name(), name, "--server", link]);
}

/// Runs a command that must succeed.
pub(crate) fn run(profile: &Profile, arguments: &[&str]) {
    let output = profile.ctl(arguments);
    assert_eq!(output.code, 0, "{arguments:?}: {output}");
}

/// Sends a text and returns the message's id once it is in the state `wait`.
pub(crate) fn send(from: &Profile, to: &str, text: &str, wait: &str) -> String {
    let sent = from.ctl_json(&["send", "--wait", wait, to, "--", text]);
    sent["id"].as_str().expect("a message has an id").to_owned()
}

/// The bodies of a JSON list's messages.
pub(crate) fn bodies(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().expect("a list has items");
    let body = |item: &Value| item["body"].as_str().expect("a message has a body").to_owned();
    items.iter().map(body).collect()
}

/// All texts that `profile` has from `peer`, oldest first, read or not.
pub(crate) fn all_from(profile: &Profile, peer: &str) -> Vec<String> {
    let history = profile.ctl_json(&["history", peer, "-n", "10000"]);
    let items = history["items"].as_array().expect("a list has items");
    let theirs = items.iter().filter(|item| item["from"] == peer);
    theirs.map(|item| item["body"].as_str().expect("a text").to_owned()).collect()
}

/// Waits until `profile` has `count` texts from `peer`, and returns them.
pub(crate) fn received(profile: &Profile, peer: &str, count: usize) -> Vec<String> {
    let what = format!("{} has {count} texts from {peer}", profile.name());
    until(&what, DEADLINE * 3, || {
        let texts = all_from(profile, peer);
        (texts.len() >= count).then_some(texts)
    })
}

/// Waits until the daemon says that its link is in this state.
pub(crate) fn wait_for_link(profile: &Profile, state: &str) {
    until(&format!("{} is {state}", profile.name()), DEADLINE, || {
        (profile.ctl_json(&["status"])["link"] == state).then_some(())
    });
}

/// Checks that a command failed with this code, and said why with all these words.
pub(crate) fn assert_refused(output: &Output, code: i32, words: &[&str]) {
    assert_eq!(output.code, code, "{output}");
    assert_eq!(output.stdout, "", "{output}");
    assert!(output.stderr.starts_with("error: "), "{output}");
    for word in words {
        assert!(output.stderr.contains(word), "no {word:?} in: {output}");
    }
}
