//! How long commands take, as whole processes, beside others': what `cargo xtask commands` shows. Called as
//! `commands RUNS [OTHER COMMAND]...`. Rounds go over all commands, so that a busy spell of the machine
//! falls on all of them.

use pychat_testkit::harness::{Options, Profile, Server};
use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How long the daemon is left alone to see what that costs.
const IDLE: Duration = Duration::from_secs(20);

/// A command and how long its runs took.
struct Measured {
    name: String,
    make: Box<dyn Fn() -> Command>,
    runs: Vec<Duration>,
}

impl Measured {
    fn new(name: &str, make: impl Fn() -> Command + 'static) -> Self {
        Self { name: name.to_owned(), make: Box::new(make), runs: Vec::new() }
    }

    fn run(&mut self) {
        let mut command = (self.make)();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let status = command.status().expect("the command can be started");
        self.runs.push(began.elapsed());
        assert!(status.success(), "{} failed", self.name);
    }

    fn median_ms(&self) -> f64 {
        let mut runs = self.runs.clone();
        runs.sort();
        runs[runs.len() / 2].as_secs_f64() * 1e3
    }

    fn least_ms(&self) -> f64 {
        self.runs.iter().min().map_or(0.0, Duration::as_secs_f64) * 1e3
    }
}

fn main() {
    let mut words = std::env::args().skip(1);
    let runs: usize = words.next().and_then(|word| word.parse().ok()).expect("a number of runs");
    let server = Server::start(&Options::default());
    let (alice, bob) = (Profile::new("alice"), Profile::new("bob"));
    for (profile, name) in [(&alice, "Alice"), (&bob, "Bob")] {
        let link = server.link();
        do_it(profile, &["connect", profile.name(), name, "--server", &link]);
    }
    do_it(&alice, &["send", "bob", "hello", "--wait", "delivered"]);
    let alice = std::rc::Rc::new(alice);
    let ours = |words: &[&str]| {
        let (alice, words) = (std::rc::Rc::clone(&alice), words.join(" "));
        Measured::new(&format!("pychatctl {words}"), move || {
            alice.command(&words.split(' ').collect::<Vec<_>>())
        })
    };
    let mut all: Vec<Measured> = words
        .map(|other| {
            let name = other.clone();
            Measured::new(&name, move || {
                let mut words = other.split_whitespace();
                let mut command = Command::new(words.next().expect("a program"));
                command.args(words);
                command
            })
        })
        .collect();
    let others = all.len();
    for words in [
        &["users"][..],
        &["inbox"],
        &["status"],
        &["unread"],
        &["send", "bob", "hi", "--wait", "queued"],
        &["send", "bob", "hi"],
    ] {
        all.push(ours(words));
    }
    all.push(Measured::new("true", || Command::new("true")));
    all.iter_mut().for_each(Measured::run);
    all.iter_mut().for_each(|command| command.runs.clear());
    for _ in 0..runs {
        all.iter_mut().for_each(Measured::run);
    }
    let first = (others > 0).then(|| all[0].median_ms());
    println!("{:<42} {:>10} {:>10} {:>8}", "whole process", "median ms", "least ms", "ratio");
    for command in &all {
        let (median, least) = (command.median_ms(), command.least_ms());
        let ratio = first.map_or_else(String::new, |first| format!("{:.2}", median / first));
        println!("{:<42} {median:>10.2} {least:>10.2} {ratio:>8}", command.name);
    }
    let pid = bob.daemon_pid().expect("bob's daemon runs");
    let before = cpu_ticks(pid);
    std::thread::sleep(IDLE);
    let spent = (cpu_ticks(pid) - before) as f64 / 100.0 / IDLE.as_secs_f64();
    println!(
        "daemon at rest: {} KiB resident, {:.2} % of a core",
        resident_kib(pid),
        spent * 100.0
    );
}

fn do_it(profile: &Profile, words: &[&str]) {
    let output = profile.ctl(words);
    assert_eq!(output.code, 0, "{output}");
}

/// User's and system's time, in hundredths of a second.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn resident_kib(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap_or("?").trim().trim_end_matches(" kB").to_owned()
}
