//! The people in the pictures.

use pychat_testkit::harness::{Profile, Server};
use std::{
    thread,
    time::{Duration, Instant},
};

/// What is waited for has come within this time.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks at whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Somebody who is connected under the profile's name.
pub(crate) fn join(server: &Server, user: &str, name: &str) -> Profile {
    let profile = Profile::new(user);
    run(&profile, &["connect", user, name, "--server", &server.link()]);
    profile
}

/// Runs a command that must succeed.
pub(crate) fn run(profile: &Profile, words: &[&str]) {
    let output = profile.ctl(words);
    assert_eq!(output.code, 0, "{words:?}: {output}");
}

/// Sends a text, waits until it is delivered, and until its recipient has read it if asked to.
pub(crate) fn say(from: &Profile, to: &Profile, text: &str, then: Then) {
    run(from, &["send", to.name(), text, "--wait", "delivered", "--timeout", "1m"]);
    match then {
        Then::Read => run(to, &["inbox"]),
        Then::Unread => {}
    }
}

/// What becomes of a text that was delivered.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// It is read.
    Read,
    /// It waits.
    Unread,
}

/// Waits until something is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "not within {DEADLINE:?}: {what}");
        thread::sleep(LOOK_EVERY);
    }
}
