//! Somebody at a terminal with `pychatctl`, who remembers what was said.

use crate::{Failure, interrupt::Interrupt};
use pychat_testkit::harness::Profile;
use serde_json::Value;
use std::{
    thread,
    time::{Duration, Instant},
};

/// What `pychatctl` is given to wait: ample on the worst network.
const TIMEOUT: &str = "2m";

/// `pychatctl` ends within this time.
const DEADLINE: Duration = Duration::from_secs(150);

/// Between two questions for something that comes by itself.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Which state of a message its sender waits for.
#[derive(Clone, Copy)]
pub(crate) enum Said {
    /// On the sender's own disk.
    Queued,
    /// On the recipient's disk.
    Delivered,
}

/// A person with a profile.
pub(crate) struct Person {
    user: &'static str,
    name: &'static str,
    profile: Profile,
    interrupt: Interrupt,
    said: Vec<String>,
}

impl Person {
    /// Somebody new.
    pub(crate) fn new(user: &'static str, name: &'static str, interrupt: &Interrupt) -> Self {
        let (profile, interrupt) = (Profile::new(user), interrupt.clone());
        Self { user, name, profile, interrupt, said: Vec::new() }
    }

    /// On screen.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Texts sent so far.
    pub(crate) const fn said(&self) -> usize {
        self.said.len()
    }

    /// The profile, to kill its daemon.
    pub(crate) const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Types a command, and shows it with its output.
    pub(crate) fn types(&self, words: &[&str]) -> Result<(), Failure> {
        self.shows(words, Code::DONE).map(drop)
    }

    /// Logs in.
    pub(crate) fn connects(&self, link: &str) -> Result<(), Failure> {
        self.types(&["connect", self.user, self.name, "--server", link, "--timeout", TIMEOUT])
    }

    /// Waits until the server counts `peer` among those who are there: the packet that says so may
    /// have been lost.
    pub(crate) fn waits_to_see(&self, peer: &Self) -> Result<(), Failure> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let users: Value = serde_json::from_str(&self.runs(&["--json", "users"])?)?;
            let items = users["items"].as_array().ok_or("the users are no list")?;
            if items.iter().any(|user| user["user"] == peer.user) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("{} does not see {}", self.name, peer.name).into());
            }
            thread::sleep(ASK_AGAIN);
        }
    }

    /// Sends a text and waits until it is known to be so far.
    pub(crate) fn sends(&mut self, to: &Self, text: &str, wait: Said) -> Result<(), Failure> {
        self.said.push(text.to_owned());
        match wait {
            Said::Queued => self.types(&["send", to.user, text, "--wait", "queued"]),
            Said::Delivered => {
                self.types(&["send", to.user, text, "--wait", "delivered", "--timeout", TIMEOUT])
            }
        }
    }

    /// Sends a text, waits until it is delivered, and returns the message's id.
    pub(crate) fn sends_for_id(&mut self, to: &Self, text: &str) -> Result<String, Failure> {
        self.said.push(text.to_owned());
        let words = ["send", to.user, text, "--wait", "delivered", "--timeout", TIMEOUT, "--quiet"];
        let said = self.shows(&words, Code::DONE)?;
        Ok(said.trim().to_owned())
    }

    /// Sends a text where no server is: the command gives up waiting, the daemon does not.
    pub(crate) fn sends_in_vain(&mut self, to: &Self, text: &str) -> Result<(), Failure> {
        self.said.push(text.to_owned());
        self.shows(&["send", to.user, text, "--timeout", "1s"], Code::TIMED_OUT).map(drop)
    }

    /// Sends a text without showing it.
    pub(crate) fn sends_quietly(&mut self, to: &Self, text: &str) -> Result<(), Failure> {
        self.said.push(text.to_owned());
        self.runs(&["send", to.user, text, "--wait", "queued", "--quiet"]).map(drop)
    }

    /// What the daemon says of itself.
    pub(crate) fn status(&self) -> Result<Value, Failure> {
        Ok(serde_json::from_str(&self.runs(&["--json", "status"])?)?)
    }

    /// An error unless all that `peer` said is here, once and in order.
    pub(crate) fn has_all_from(&self, peer: &Self) -> Result<(), Failure> {
        let words = ["--json", "history", peer.user, "-n", "1000"];
        let history: Value = serde_json::from_str(&self.runs(&words)?)?;
        let items = history["items"].as_array().ok_or("the history is no list")?;
        let came = items.iter().filter(|message| message["from"] == peer.user);
        let came: Vec<&str> = came.filter_map(|message| message["body"].as_str()).collect();
        if came != peer.said {
            let (self_name, name, said) = (self.name, peer.name, &peer.said);
            return Err(format!("{self_name} has from {name}:\n{came:#?}\nsent: {said:#?}").into());
        }
        println!("{} has all {} messages of {}.", self.name, came.len(), peer.name);
        Ok(())
    }

    /// Runs a command that must end with this code, and shows it.
    fn shows(&self, words: &[&str], code: Code) -> Result<String, Failure> {
        let typed: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        println!("{}$ pychatctl {}", self.user, typed.join(" "));
        let said = self.runs_to(words, code)?;
        said.lines().for_each(|line| println!("  {line}"));
        Ok(said)
    }

    /// Runs a command that must succeed. Returns its standard output.
    fn runs(&self, words: &[&str]) -> Result<String, Failure> {
        self.runs_to(words, Code::DONE)
    }

    fn runs_to(&self, words: &[&str], Code(expected): Code) -> Result<String, Failure> {
        self.interrupt.check()?;
        let output = self.profile.ctl_with(words, b"", DEADLINE);
        self.interrupt.check()?;
        output.stderr.lines().for_each(|line| println!("  {line}"));
        if output.code != expected {
            let (user, code, logs) = (self.user, output.code, self.profile.logs());
            return Err(format!("{user}'s {words:?} ended with code {code}\n{logs}").into());
        }
        Ok(output.stdout)
    }
}

/// How a command is to end.
#[derive(Clone, Copy)]
struct Code(i32);

impl Code {
    const DONE: Self = Self(0);
    const TIMED_OUT: Self = Self(6);
}

/// As a shell needs it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:#@=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
