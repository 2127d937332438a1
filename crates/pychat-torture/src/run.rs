//! A whole run: people, mishaps, healing, the checker, the report.

use crate::{
    check::{self, Case, Verdict},
    clock,
    gate::{Gate, Phase},
    interrupt::Interrupt,
    life,
    mishaps::Mishaps,
    person::{Home, Person},
    plan::{self, Rates},
    record::{Records, Sent},
    report::Report,
    server::Server,
    strace::Strace,
    talk::{Talk, arrived},
    timeline::Timeline,
};
use anyhow::{Context, Result, bail, ensure};
use pychat_testkit::{dice::Dice, proxy::Proxy};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// What to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the real programs are.
    pub programs: PathBuf,
    /// The checker.
    pub checker: PathBuf,
    /// Where everything is kept. What was there before is removed.
    pub place: PathBuf,
    /// Determines the schedule.
    pub seed: u64,
    /// How often people talk under mishaps and then wait until all is healed.
    pub rounds: u64,
    /// How long mishaps go on in a round.
    pub round: Duration,
    /// How often they come.
    pub rates: Rates,
}

/// Who talks. The first ones have small disks, where those can be mounted.
const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// How many people have small disks.
const SMALL_DISKS: usize = 2;

/// After the end of all faults everybody has said what they were saying within this time.
const REST_DEADLINE: Duration = Duration::from_secs(120);

/// After the end of all faults everything has arrived, and its senders know, within this time.
const HEAL_DEADLINE: Duration = Duration::from_secs(120);

/// A question at the end is answered within this time, tries included.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks at whether everything has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Texts whose lives are told when something went wrong.
const LIVES_MAX: usize = 10;

/// The server, its people, and what is noted of them.
struct World {
    people: Vec<Person>,
    server: Server,
    timeline: Arc<Timeline>,
    skipped: Vec<String>,
    can_break: bool,
}

/// Runs it.
///
/// # Errors
/// The run could not be carried out, or was interrupted. What went wrong with the programs is in the
/// report.
pub fn run(settings: &Settings) -> Result<Report> {
    let place = &settings.place;
    if place.exists() {
        fs::remove_dir_all(place).context("removing what a run before left")?;
    }
    fs::create_dir_all(place).context("making a directory for the run")?;
    let interrupt = Interrupt::watch().context("watching for signals")?;
    let world = World::start(settings)?;
    let outcome = world.torture(settings, &interrupt);
    world.keep(place);
    drop(world);
    clock::forget_dead();
    outcome
}

impl World {
    fn start(settings: &Settings) -> Result<Self> {
        let place = &settings.place;
        let timeline = Arc::new(Timeline::create(place)?);
        let mut skipped = Vec::new();
        let server_program = settings.programs.join("pychat-server");
        let server = Server::start(server_program, place, Arc::clone(&timeline))?;
        let mut people = Vec::new();
        for (index, name) in PEOPLE.iter().enumerate() {
            let seed = settings.seed ^ (index as u64 + 1);
            let proxy = Proxy::start(server.address(), seed).context("starting a proxy")?;
            let small_disk = index < SMALL_DISKS;
            let home = Home { programs: &settings.programs, place, small_disk };
            let person = Person::new(name, &home, proxy, &timeline)?;
            person.connect(server.link())?;
            people.push(person);
        }
        let disks = people.iter().filter(|person| person.disk.is_some()).count();
        if disks < SMALL_DISKS || server.disk.is_none() {
            skipped.push("full disks: no tmpfs can be mounted, which takes root".to_owned());
        }
        if server.clock().is_none() {
            skipped.push("clock steps: no libfaketime (Debian: faketime)".to_owned());
        }
        let can_break = Strace::is_here();
        if !can_break {
            skipped.push("failing calls: no strace (Debian: strace)".to_owned());
        }
        for what in &skipped {
            println!("SKIPPED {what}");
        }
        Ok(Self { people, server, timeline, skipped, can_break })
    }

    fn torture(&self, settings: &Settings, interrupt: &Interrupt) -> Result<Report> {
        let gate = Gate::new();
        let records = |name: &str| Records::create(settings.place.join(name));
        let (sent, shown) = (records("sent.jsonl")?, records("shown.jsonl")?);
        let talk = Talk::new(&self.people, &gate, &self.timeline, sent, shown);
        let mut mishaps = Mishaps {
            server: &self.server,
            people: &self.people,
            timeline: &self.timeline,
            interrupt,
            place: settings.place.clone(),
            can_break: self.can_break,
            done: crate::mishaps::Done::default(),
            ends: Vec::new(),
        };
        let (longest_heal, resident_kib) = thread::scope(|scope| {
            for person in 0..self.people.len() {
                let seed = settings.seed ^ ((person as u64 + 1) << 8);
                let talk = &talk;
                scope.spawn(move || talk.write(person, Dice::new(seed)));
                scope.spawn(move || talk.read(person, Dice::new(!seed)));
            }
            let done = self.rounds(settings, &talk, &mut mishaps);
            gate.set(Phase::Leave);
            done
        })?;
        let (histories, clock_felt) = self.collect(&talk, settings)?;
        self.empty_inboxes(&talk)?;
        let histories = check::ask(&settings.checker, talk.sent.path(), histories.path())?;
        let inboxes = check::ask(&settings.checker, talk.sent.path(), talk.shown.path())?;
        let heard = talk.heard();
        let mut surprises = heard.surprises;
        surprises.extend(self.server.surprises());
        surprises.extend(self.damaged());
        surprises.extend(self.panicked(&settings.place));
        let report = Report {
            seed: settings.seed,
            tortured: settings.round * u32::try_from(settings.rounds)?,
            done: mishaps.done,
            skipped: self.skipped.clone(),
            server_ends: self.server.ends(),
            typed_again: heard.again,
            repeated: heard.repeated,
            histories,
            inboxes,
            longest_heal,
            clock_felt,
            resident_kib,
            surprises,
            place: settings.place.clone(),
        };
        fs::write(settings.place.join("report.json"), serde_json::to_vec_pretty(&report)?)?;
        self.tell_lives(&report);
        Ok(report)
    }

    /// All rounds: the longest heal and the memory at the end.
    fn rounds(
        &self,
        settings: &Settings,
        talk: &Talk<'_>,
        mishaps: &mut Mishaps<'_>,
    ) -> Result<(Duration, BTreeMap<String, u64>)> {
        let disks = self.people.iter().filter(|person| person.disk.is_some()).count();
        let mut longest = Duration::ZERO;
        for round in 0..settings.rounds {
            let Settings { seed, round: length, rates, .. } = *settings;
            let plan = plan::draw(seed, round, length, rates, self.people.len(), disks);
            talk.gate.set(Phase::Talk);
            mishaps.round(plan, length)?;
            let start = Instant::now();
            mishaps.heal()?;
            if mishaps.interrupt.is_noted() {
                bail!("it was interrupted");
            }
            talk.gate.set(Phase::Rest);
            let rest = talk.gate.all_rest(2 * self.people.len(), REST_DEADLINE);
            ensure!(rest, "not everybody rests after {REST_DEADLINE:?}");
            self.wait_delivered(talk)?;
            longest = longest.max(start.elapsed());
            let (sent, kills) = (talk.heard().sent, mishaps.done.kills());
            let heal = start.elapsed().as_secs_f64();
            println!(
                "round {} of {}: {sent} texts sent and delivered, {kills} kills, healed in {heal:.1} s",
                round + 1,
                settings.rounds,
            );
        }
        Ok((longest, self.resident()))
    }

    /// Waits until each sender knows that its last text to each reader was delivered.
    fn wait_delivered(&self, talk: &Talk<'_>) -> Result<()> {
        let end = Instant::now() + HEAL_DEADLINE;
        for ((writer, reader), key) in talk.heard().last_keys {
            loop {
                // A daemon that was asked to end may have done so after its person's last command: a
                // thawed one does. Their next command, whichever, starts it again; this is that.
                self.people[reader].ctl(&["unread"], None)?;
                let said = self.people[writer].ctl(&["trace", &key], None)?;
                let trace = said.json().unwrap_or_default();
                if matches!(trace["message"]["state"].as_str(), Some("delivered" | "read")) {
                    break;
                }
                if Instant::now() >= end {
                    let text = format!("{key} is not delivered after {HEAL_DEADLINE:?}: {said:?}");
                    // The checker says what is lost; this is only where to begin.
                    talk.surprise(text);
                    return Ok(());
                }
                thread::sleep(LOOK_EVERY);
            }
        }
        self.timeline.note("delivered", "", "everything sent so far");
        Ok(())
    }

    /// What everybody's history shows, and how far message times were off.
    fn collect(&self, talk: &Talk<'_>, settings: &Settings) -> Result<(Records, Duration)> {
        let records = Records::create(settings.place.join("arrived.jsonl"))?;
        let sent: Vec<Sent> = crate::record::read(talk.sent.path())?;
        let sent_at: BTreeMap<&str, u64> =
            sent.iter().map(|one| (one.text.as_str(), one.at_ms)).collect();
        let mut off_ms = 0;
        for reader in &self.people {
            for writer in self.people.iter().filter(|it| it.name() != reader.name()) {
                let list = answer(reader, &["history", writer.name(), "-n", "1000000"])?;
                let items = list["items"].as_array().context("a list has items")?;
                for item in items.iter().filter(|item| item["from"] == writer.name()) {
                    let one = arrived(item, false)?;
                    let shown = item["sent_at"].as_str().and_then(parse_ms);
                    if let (Some(shown), Some(truth)) = (shown, sent_at.get(one.text.as_str())) {
                        off_ms = off_ms.max(shown.abs_diff(*truth));
                    }
                    records.add(&one);
                }
            }
        }
        Ok((records, Duration::from_millis(off_ms)))
    }

    /// Reads until nothing is unread.
    fn empty_inboxes(&self, talk: &Talk<'_>) -> Result<()> {
        for reader in 0..self.people.len() {
            let end = Instant::now() + ANSWER_DEADLINE;
            while talk.look(reader)? != Some(0) {
                ensure!(Instant::now() < end, "an inbox does not become empty");
            }
        }
        Ok(())
    }

    fn resident(&self) -> BTreeMap<String, u64> {
        let server = self.server.process().map(|process| ("pychat-server".to_owned(), process));
        let daemons = self
            .people
            .iter()
            .filter_map(|person| Some((format!("pychatd of {}", person.name()), person.daemon()?)));
        let all = server.into_iter().chain(daemons);
        all.filter_map(|(who, process)| Some((who, process.resident_kib()?))).collect()
    }

    /// Databases in which SQLite finds something wrong.
    fn damaged(&self) -> Vec<String> {
        let states = self.people.iter().map(Person::state);
        let places = states.chain([self.server.data().to_owned()]);
        let files = places.flat_map(|place| crate::strace::database_files(&place));
        let databases = files.filter(|file| !file.to_string_lossy().ends_with("-wal"));
        databases.filter_map(|file| examine(&file)).collect()
    }

    /// What the programs' logs say of panics.
    fn panicked(&self, place: &Path) -> Vec<String> {
        let logs = self.people.iter().flat_map(|person| {
            fs::read_dir(person.state().join("log")).into_iter().flatten().flatten()
        });
        let logs = logs.map(|entry| entry.path()).chain([place.join("server.log")]);
        let mut found = Vec::new();
        for log in logs {
            let text = fs::read(&log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines = text.lines().filter(|line| line.contains("panicked"));
            found.extend(lines.map(|line| format!("{}: {line}", log.display())));
        }
        found
    }

    fn tell_lives(&self, report: &Report) {
        let verdicts = [&report.histories, &report.inboxes];
        let cases = verdicts.into_iter().flat_map(|verdict| {
            let Verdict { sent: _, delivered: _, lost, doubled, out_of_order, invented } = verdict;
            [lost, doubled, out_of_order, invented].into_iter().flatten()
        });
        let cases: std::collections::BTreeSet<&Case> = cases.collect();
        for case in cases.into_iter().take(LIVES_MAX) {
            println!("{}", life::tell(case, &self.people, &report.place));
        }
    }

    /// Copies what the programs leave behind to where it is kept.
    fn keep(&self, place: &Path) {
        let states = self.people.iter().map(|person| (person.state(), person.name()));
        for (from, name) in states.chain([(self.server.data().to_owned(), "server")]) {
            let to = place.join("state").join(name);
            if let Err(error) = copy(&from, &to) {
                eprintln!("{} cannot be kept: {error}", from.display());
            }
        }
    }
}

/// Asks `pychatctl` until it answers.
fn answer(person: &Person, arguments: &[&str]) -> Result<serde_json::Value> {
    let end = Instant::now() + ANSWER_DEADLINE;
    loop {
        let said = person.ctl(arguments, None)?;
        if let (Some(0), Some(json)) = (said.code, said.json()) {
            return Ok(json);
        }
        ensure!(
            Instant::now() < end,
            "{} gets no answer to {arguments:?}: {said:?}",
            person.name()
        );
    }
}

/// What SQLite finds wrong with a file, by its own command.
fn examine(file: &Path) -> Option<String> {
    let mut command = Command::new("sqlite3");
    let output = command.arg("-readonly").arg(file).arg("PRAGMA integrity_check").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    (text.trim() != "ok").then(|| format!("{}: {} {}", file.display(), text.trim(), wrong.trim()))
}

/// Milliseconds since 1970 of an RFC 3339 time in UTC, by the system's `date`-free arithmetic.
fn parse_ms(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let ms = number(20..23).unwrap_or(0);
    // Days since 1970-01-01 of a proleptic Gregorian date, counted from March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    let days = days.checked_sub(719_469)?;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000 + ms)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse_ms;

    #[test]
    fn times_are_read() {
        assert_eq!(parse_ms("1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(parse_ms("2000-02-29T12:00:00.001Z"), Some(951_825_600_001));
        assert_eq!(parse_ms("2026-11-22T21:26:52.500Z"), Some(1_795_382_812_500));
        assert_eq!(parse_ms("yesterday"), None);
    }
}
