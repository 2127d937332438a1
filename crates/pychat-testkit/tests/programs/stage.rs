//! What most tests begin with: a server, and people who are connected to it.

use pychat_testkit::harness::{Options, Output, Profile, Server};
use serde_json::Value;
use std::{
    env, thread,
    time::{Duration, Instant},
};

/// What is promised to happen has happened within this time, on a busy machine too.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// As [`DEADLINE`], where a quiet session must first notice that its server or its path is another
/// one: that takes up to a keep-alive (25 s), and some tries on a bad network.
pub(crate) const SLOW_DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks at whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(10);

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

/// A server with its defaults.
pub(crate) struct Stage {
    pub(crate) server: Server,
}

impl Stage {
    /// Starts the server.
    pub(crate) fn new() -> Self {
        Self::with_arguments(&[])
    }

    /// Starts the server with more arguments.
    pub(crate) fn with_arguments(more: &[&str]) -> Self {
        let arguments = more.iter().map(Into::into).collect();
        Self { server: Server::start(&Options { arguments, ..Options::default() }) }
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
    let end = Instant::now() + SLOW_DEADLINE;
    loop {
        let texts = all_from(profile, peer);
        if texts.len() >= count {
            return texts;
        }
        if Instant::now() >= end {
            let (has, status) = (texts.len(), profile.ctl_json(&["status"]));
            let name = profile.name();
            panic!(
                "{name} has {has} of {count} texts from {peer} after {SLOW_DEADLINE:?}\n{status}"
            );
        }
        thread::sleep(LOOK_EVERY);
    }
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
