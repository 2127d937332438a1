//! What is measured.

use clap::ValueEnum;

/// Makes our server write each text to disk, as others do.
pub(super) const ALWAYS_WRITE: &str = "--always-write";

/// A bad link's delay, each way: that of a few hundred kilometres.
pub(super) const DELAY_MS: u32 = 25;

/// A bad link's losses are drawn from each of these.
pub(super) const SEEDS: [u64; 3] = [1, 2, 3];

/// Shares of datagrams that bad links lose.
const LOSSES: [f64; 3] = [0.1, 0.2, 0.4];

/// Sessions beside the pairs, and the number that only large measurements come to.
const CROWDS: [&str; 4] = ["1000", "10000", "30000", CROWD_LARGE];
const CROWD_LARGE: &str = "100000";

/// Texts beside a crowd are measured for as long as the longest pause between two signs of life.
const CROWD_SECONDS: &str = "27.5";

/// Sockets of many clients: each has an address, from which the server takes so many logins a second.
const SOCKETS: &str = "32";

/// Texts that a daemon keeps under way at most, as the protocol allows (`RECORD_WINDOW`).
const WHOLE_WINDOW: &str = "256";

/// Kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Texts as fast as the server takes them: few pairs, many pairs, each written to disk.
    Throughput,
    /// Texts at a steady rate.
    Latency,
    /// The same beside more and more sessions that do nothing.
    Crowd,
    /// Memory of sessions that do nothing.
    Idle,
    /// Storms of logins.
    Logins,
    /// The server restarts, in an orderly way and killed, and all come back.
    Storm,
    /// Texts for somebody who is away.
    Mailbox,
    /// Texts across links that lose datagrams.
    Lossy,
}

/// One row of figures for each server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) title: String,
    /// For `pychat-bench`.
    pub(super) ours: Vec<&'static str>,
    /// For `PEERBENCH`, if others do this work too.
    pub(super) theirs: Option<Vec<&'static str>>,
    /// For both.
    pub(super) both: Vec<String>,
}

/// What to run in each round.
pub(super) fn works(asked: &[Scenario], seconds: f64, large: bool) -> Vec<Work> {
    let wanted = |scenario| asked.is_empty() || asked.contains(&scenario);
    let work =
        |title: String, ours: &[&'static str], theirs: &[&'static str], both: &[&str]| Work {
            title,
            ours: ours.to_vec(),
            theirs: Some(theirs.to_vec()).filter(|theirs| !theirs.is_empty()),
            both: both.iter().map(ToString::to_string).collect(),
        };
    let seconds = seconds.to_string();
    let mut works = Vec::new();
    if wanted(Scenario::Throughput) {
        let theirs = ["--scenario", "throughput"];
        for (pairs, window, durable) in
            [("50", "32", false), ("50", "32", true), ("500", "8", false)]
        {
            let both = ["--pairs", pairs, "--window", window, "--seconds", &seconds];
            let title = format!("throughput P={pairs} W={window}");
            works.push(if durable {
                let (ours, theirs) =
                    (["throughput", ALWAYS_WRITE], [theirs[0], theirs[1], "--durable"]);
                work(format!("{title}, durable"), &ours, &theirs, &both)
            } else {
                work(title, &["throughput"], &theirs, &both)
            });
        }
    }
    if wanted(Scenario::Latency) {
        let both = ["--pairs", "50", "--rate", "10", "--seconds", &seconds];
        let title = "latency P=50 at 10/s each".into();
        works.push(work(title, &["latency"], &["--scenario", "latency"], &both));
    }
    if wanted(Scenario::Crowd) {
        for crowd in CROWDS.into_iter().filter(|crowd| large || *crowd != CROWD_LARGE) {
            let ours =
                ["latency", "--crowd", crowd, "--sockets", SOCKETS, "--seconds", CROWD_SECONDS];
            works.push(work(format!("crowd of {crowd}"), &ours, &[], &[]));
        }
    }
    if wanted(Scenario::Idle) {
        let both = ["--sessions", "10000"];
        let title = "idle 10000 sessions".into();
        works.push(work(title, &["idle"], &["--scenario", "idle"], &both));
    }
    if wanted(Scenario::Idle) && large {
        let title = "idle 100000 sessions".into();
        works.push(work(title, &["idle", "--sessions", "100000"], &[], &[]));
    }
    if wanted(Scenario::Logins) {
        // Others log in for their idle sessions.
        let theirs = ["--scenario", "idle"];
        works.push(work("logins 2000".into(), &["logins"], &theirs, &["--sessions", "2000"]));
    }
    if wanted(Scenario::Storm) {
        let sessions = if large { CROWD_LARGE } else { "10000" };
        let ours = ["storm", "--sessions", sessions, "--sockets", SOCKETS, "--kill"];
        works.push(work(format!("storm {sessions}, stopped"), &ours[..5], &[], &[]));
        works.push(work(format!("storm {sessions}, killed"), &ours, &[], &[]));
    }
    if wanted(Scenario::Mailbox) {
        let theirs = ["--scenario", "mailbox", "--durable"];
        let both = ["--messages", "10000"];
        works.push(work("mailbox 10000 messages".into(), &["mailbox"], &theirs, &both));
        // What a daemon keeps under way: all that the protocol allows.
        let ours = ["mailbox", "--window", WHOLE_WINDOW];
        works.push(work(format!("mailbox 10000 messages, W={WHOLE_WINDOW}"), &ours, &[], &both));
    }
    works
}

/// Which losses to measure, after the rounds.
pub(super) fn losses(asked: &[Scenario]) -> &'static [f64] {
    if asked.is_empty() || asked.contains(&Scenario::Lossy) { &LOSSES } else { &[] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_wish_everything_is_measured_and_each_row_has_its_title() {
        let mut titles: Vec<String> =
            works(&[], 3.0, true).into_iter().map(|work| work.title).collect();
        assert_eq!(titles.len(), 15);
        titles.dedup();
        assert_eq!(titles.len(), 15);
        assert_eq!(losses(&[]).len(), 3);
    }

    #[test]
    fn what_is_not_asked_for_is_left_out() {
        let works = works(&[Scenario::Latency], 3.0, true);
        assert_eq!(works.len(), 1);
        assert_eq!(works[0].ours, ["latency"]);
        assert!(losses(&[Scenario::Latency]).is_empty());
    }
}
