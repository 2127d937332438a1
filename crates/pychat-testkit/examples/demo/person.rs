//! Somebody at a terminal with `pychatctl`, who remembers what was said.

use crate::{Failure, interrupt::Interrupt};
use pychat_testkit::harness::Profile;
use serde_json::Value;
use std::time::Duration;

/// What `pychatctl` is given to wait: ample on the worst network.
const TIMEOUT: &str = "2m";

/// `pychatctl` ends within this time.
const DEADLINE: Duration = Duration::from_secs(150);

/// Which state of a message its sender waits for.
#[derive(Clone, Copy)]
pub(crate) enum Said {
    /// On the sender's own disk.
    Queued,
    /// On the recipient's disk.
    Delivered,
}

impl Said {
    const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
        }
    }
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
        self.shows(words).map(drop)
    }

    /// Logs in.
    pub(crate) fn connects(&self, link: &str) -> Result<(), Failure> {
        self.types(&["connect", self.user, self.name, "--server", link, "--timeout", TIMEOUT])
    }

    /// Sends a text and waits until it is known to be so far. Returns the message's id.
    pub(crate) fn sends(&mut self, to: &Self, text: &str, wait: Said) -> Result<String, Failure> {
        self.said.push(text.to_owned());
        let mut words = vec!["send", to.user, text, "--wait", wait.word()];
        if matches!(wait, Said::Delivered) {
            words.extend(["--timeout", TIMEOUT, "--quiet"]);
        }
        let id = self.shows(&words)?;
        Ok(id.trim().to_owned())
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

    fn shows(&self, words: &[&str]) -> Result<String, Failure> {
        let typed: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        println!("{}$ pychatctl {}", self.user, typed.join(" "));
        let said = self.runs(words)?;
        said.lines().for_each(|line| println!("  {line}"));
        Ok(said)
    }

    /// Runs a command that must succeed. Returns its standard output.
    fn runs(&self, words: &[&str]) -> Result<String, Failure> {
        self.interrupt.check()?;
        let output = self.profile.ctl_with(words, b"", DEADLINE);
        self.interrupt.check()?;
        output.stderr.lines().for_each(|line| println!("  {line}"));
        if output.code != 0 {
            let (user, code, logs) = (self.user, output.code, self.profile.logs());
            return Err(format!("{user}'s {words:?} ended with code {code}\n{logs}").into());
        }
        Ok(output.stdout)
    }
}

/// As a shell needs it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:#@=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
