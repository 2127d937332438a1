//! A whole run: programs, people, rounds of mishaps, the checker, the report.

use super::{
    network::{Machine, Network},
    people::Person,
    plan::{self, Mishap, Planned},
    programs::{EACH, Part, Programs, Setup, node_address},
    report::{Cost, Report},
    talk::{Talk, Way},
};
use crate::{
    check,
    interrupt::Interrupt,
    process::{Process, Signal},
    record::Records,
    talk::arrived,
    timeline::Timeline,
};
use anyhow::{Context, Result, bail, ensure};
use pychat_testkit::{dice::Dice, harness};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    thread::{self, Scope},
    time::{Duration, Instant},
};

/// What to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the real programs are.
    pub programs: PathBuf,
    /// The checker.
    pub checker: PathBuf,
    /// `nats-server`.
    pub nats: PathBuf,
    /// Where everything is kept. What was there before is removed.
    pub place: PathBuf,
    /// Determines the schedule.
    pub seed: u64,
    /// The round of the schedule to begin with.
    pub first: u64,
    /// How often people talk under two mishaps and then wait until all is healed.
    pub rounds: u64,
    /// How long they talk in a round.
    pub round: Duration,
    /// How many people talk.
    pub people: usize,
    /// How many texts they write in all rounds together, at least.
    pub texts: u64,
}

/// Networks of people, each of which can be cut off from a node.
const SITES: usize = 4;

/// Everybody writes to those who are so far behind in the list.
const FRIENDS: [usize; 3] = [1, 2, 7];

/// A text that tells whether somebody is back is exchanged with one so far behind, whoever is not hit by the same mishap.
const PARTNERS: [usize; 3] = [11, 13, 17];

/// Everybody is away in one of so many rounds.
const AWAY_EVERY: usize = 12;

/// In each round everything has arrived within this time of the end of all faults.
const HEAL_DEADLINE: Duration = Duration::from_secs(120);

/// Then everybody who wrote knows of it within this time.
const RECEIPTS_DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks at whether it is time.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Texts whose lives are told when they do not arrive.
const LIVES_MAX: usize = 10;

/// How long a command waits whose wait is measured.
const PROBE_TIMEOUT: &str = "60s";

/// So long after the end of a mishap texts may still take longer for it: NATS may be electing leaders.
const SETTLES: Duration = Duration::from_secs(15);

/// Of so many texts one is waited for until it is accepted.
const ACCEPTED_ONE_IN: u64 = 10;

/// What each kind of mishap cost.
type Costs = Mutex<BTreeMap<&'static str, Cost>>;

/// Whether this machine lets us make the network that a run takes.
///
/// # Errors
/// It does not; why.
pub fn is_possible() -> Result<()> {
    Network::new(&["try".to_owned()]).map(drop)
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
    let names = Part::all().map(Part::name).chain((0..SITES).map(|site| format!("site{site}")));
    let network = Network::new(&names.collect::<Vec<_>>()).context("making a network")?;
    let setup = Setup {
        nats: settings.nats.clone(),
        server: settings.programs.join("pychat-server"),
        place: place.clone(),
    };
    let programs = Programs::start(setup, &network)?;
    let person = |number: usize| {
        let (name, machine) = (format!("user{number}"), site_machine(number % SITES));
        Person::new(&name, harness::Programs::inside(&settings.programs), machine)
    };
    let people: Vec<Person> = (0..settings.people).map(person).collect();
    people.iter().try_for_each(|person| person.connect(&programs.link, &network))?;
    let talk = Talk::new(
        &people,
        Records::create(place.join("sent.jsonl"))?,
        Records::create(place.join("shown.jsonl"))?,
    );
    let timeline = Timeline::create(place)?;
    let costs = Costs::default();
    let mut world = World {
        settings,
        network,
        programs,
        talk: &talk,
        timeline,
        interrupt,
        costs: &costs,
        happened: Vec::new(),
        ends: Vec::new(),
    };
    let mut followers =
        people.iter().map(Person::follow).collect::<Result<Vec<_>>>().context("following")?;
    let outcome = thread::scope(|scope| {
        for follower in &mut followers {
            let shown = follower.stdout.take().expect("it is piped");
            let talk = &talk;
            scope.spawn(move || talk.read(shown));
        }
        let outcome = world.rounds();
        for follower in &mut followers {
            // One that ended is as good as killed.
            let _ended = follower.kill();
            let _status = follower.wait();
        }
        outcome
    });
    for person in &people {
        if let Err(error) = person.keep_logs(place) {
            eprintln!("logs of {} cannot be kept: {error}", person.name());
        }
    }
    world.report(outcome?)
}

/// Everything that a run has to do with.
struct World<'a> {
    settings: &'a Settings,
    network: Network,
    programs: Programs,
    talk: &'a Talk<'a>,
    timeline: Timeline,
    interrupt: Interrupt,
    costs: &'a Costs,
    happened: Vec<Happened>,
    ends: Vec<(Instant, End)>,
}

/// A mishap that was carried out, from when to when.
struct Happened {
    kind: &'static str,
    from: Instant,
    to: Instant,
}

/// What ends a mishap.
enum End {
    Thaw(Process),
    Mend(Vec<(Machine, Machine)>),
    Restart,
}

impl<'a> World<'a> {
    /// All rounds: the longest heal.
    fn rounds(&mut self) -> Result<Duration> {
        self.greet()?;
        let mut longest = Duration::ZERO;
        let first = self.settings.first;
        for round in first..first + self.settings.rounds {
            let plan = plan::draw(self.settings.seed, round, self.settings.round, SITES);
            let healed = self.round(round, &plan)?;
            longest = longest.max(healed);
            let mishaps: Vec<String> =
                plan.iter().map(|it| format!("{:?}", it.mishap).to_lowercase()).collect();
            println!(
                "round {} of {}: {}; {} texts arrived, all of them {:.1} s after the faults",
                round - first + 1,
                self.settings.rounds,
                mishaps.join(", "),
                self.talk.taken(),
                healed.as_secs_f64(),
            );
        }
        Ok(longest)
    }

    /// Everybody writes to everybody to whom they will, so that all know each other's keys.
    fn greet(&self) -> Result<()> {
        let count = self.settings.people;
        thread::scope(|scope| {
            for writer in 0..count {
                scope.spawn(move || {
                    let readers: BTreeSet<usize> = FRIENDS
                        .into_iter()
                        .map(|offset| (writer + offset) % count)
                        .chain(PARTNERS.into_iter().map(|offset| (writer + offset) % count))
                        .chain(PARTNERS.into_iter().map(|it| (writer + it * (count - 1)) % count))
                        .filter(|reader| *reader != writer)
                        .collect();
                    for reader in readers {
                        self.talk.say((writer, reader), "accepted", PROBE_TIMEOUT, false);
                    }
                });
            }
        });
        self.wait_shown()
    }

    fn round(&mut self, round: u64, plan: &[Planned]) -> Result<Duration> {
        let count = self.settings.people;
        let every = AWAY_EVERY.min(count);
        let turn = usize::try_from(round).unwrap_or_default() % every;
        let away: BTreeSet<usize> = (0..count).filter(|it| it % every == turn).collect();
        for person in &away {
            self.talk.people[*person].ctl_ok(&["disconnect"])?;
        }
        let here = u64::try_from(count - away.len())?;
        let each = self.settings.texts.div_ceil(self.settings.rounds * here);
        let (talk, length, seed) = (self.talk, self.settings.round, self.settings.seed);
        let ended = thread::scope(|scope| {
            for writer in (0..count).filter(|person| !away.contains(person)) {
                let away = &away;
                let dice = Dice::new(seed ^ (round << 32) ^ ((writer as u64 + 1) << 8));
                scope.spawn(move || write(talk, writer, each, length, away, dice));
            }
            self.mishaps(plan, &away, scope)
        })?;
        self.programs.wait_all()?;
        for person in &away {
            self.talk.people[*person].come_back(PROBE_TIMEOUT)?;
        }
        self.wait_shown()?;
        self.timeline.note("arrived", "", "everything sent so far");
        Ok(ended.elapsed())
    }

    fn wait_shown(&self) -> Result<()> {
        let Err(missing) = self.talk.wait_shown(HEAL_DEADLINE) else { return Ok(()) };
        println!("{}", self.tell_lives()?);
        bail!("{missing} texts are not shown {HEAL_DEADLINE:?} after the end of all faults");
    }

    /// What sender and recipient know of texts that are missing, for a person who has to find out.
    fn tell_lives(&self) -> Result<String> {
        let mut text = String::new();
        for one in self.talk.missing()?.into_iter().take(LIVES_MAX) {
            text += &format!("{:?}, id {}\n", one.text, one.id);
            let both = [&one.from, &one.to];
            for person in
                self.talk.people.iter().filter(|it| both.iter().any(|who| *who == it.name()))
            {
                for asked in [&["trace", &one.id][..], &["status"]] {
                    let said = person.ctl(asked)?;
                    let answer = said.stdout + &said.stderr;
                    text += &format!("  {} by {}: {}\n", asked[0], person.name(), answer.trim());
                }
            }
        }
        Ok(text)
    }

    /// Carries out a round's mishaps, and says when all were over.
    fn mishaps<'scope>(
        &mut self,
        plan: &[Planned],
        away: &BTreeSet<usize>,
        scope: &'scope Scope<'scope, '_>,
    ) -> Result<Instant>
    where
        'a: 'scope,
    {
        let start = Instant::now();
        for Planned { from, to, mishap } in plan {
            self.wait_until(start + *from)?;
            let hit = self.people_hit(*mishap, away)?;
            self.timeline.note("begins", "", &format!("{mishap:?}, which hits {}", hit.len()));
            let now = Instant::now();
            let end = self.begin(*mishap)?;
            self.ends.push((start + *to, end));
            let kind = mishap.kind();
            self.happened.push(Happened { kind, from: now, to: start + *to });
            lock(self.costs).entry(kind).or_default().times += 1;
            self.probe_people(kind, now, &hit, away, scope);
            if hits_storing(*mishap) {
                self.probe_storing(kind, now, away, scope);
            }
        }
        self.wait_until(start + self.settings.round)?;
        for (_, end) in std::mem::take(&mut self.ends) {
            self.end(end)?;
        }
        self.network.mend_all()?;
        self.programs.start_missing(&self.network)?;
        self.timeline.note("healed", "", "every fault is lifted");
        Ok(Instant::now())
    }

    fn wait_until(&mut self, moment: Instant) -> Result<()> {
        loop {
            let now = Instant::now();
            while let Some(due) = self.ends.iter().position(|(at, _)| *at <= now) {
                let (_, end) = self.ends.swap_remove(due);
                self.end(end)?;
            }
            ensure!(!self.interrupt.is_noted(), "it was interrupted");
            if now >= moment {
                return Ok(());
            }
            thread::sleep(LOOK_EVERY.min(moment - now));
        }
    }

    fn begin(&mut self, mishap: Mishap) -> Result<End> {
        let nats = || (0..EACH).map(Part::Nats);
        let cuts = match mishap {
            Mishap::Kill(part) => {
                self.programs.kill(part)?;
                return Ok(End::Restart);
            }
            Mishap::KillAllNats => {
                nats().try_for_each(|part| self.programs.kill(part).map(drop))?;
                return Ok(End::Restart);
            }
            Mishap::Freeze(part) => {
                let process = self.programs.process(part);
                let process = process.with_context(|| format!("{} does not run", part.name()))?;
                process.signal(Signal::STOP);
                return Ok(End::Thaw(process));
            }
            Mishap::Cut(one, other) => vec![(one.machine(), other.machine())],
            Mishap::CutFromNats(part) => {
                let others = nats().filter(|other| *other != part);
                others.map(|other| (part.machine(), other.machine())).collect()
            }
            Mishap::CutSite(site, node) => vec![(site_machine(site), Part::Node(node).machine())],
        };
        cuts.iter().try_for_each(|(one, other)| self.network.cut(*one, *other))?;
        Ok(End::Mend(cuts))
    }

    fn end(&mut self, end: End) -> Result<()> {
        match end {
            End::Thaw(process) => {
                process.signal(Signal::CONT);
                self.timeline.note("thawed", "", &format!("process {}", process.pid()));
            }
            End::Mend(cuts) => {
                cuts.iter().try_for_each(|(one, other)| self.network.mend(*one, *other))?;
                self.timeline.note("mended", "", &format!("{cuts:?}"));
            }
            End::Restart => {
                self.programs.start_missing(&self.network)?;
                self.timeline.note("started", "", "what was killed");
            }
        }
        Ok(())
    }

    /// Who of those that are not away is at the node that is about to fail.
    fn people_hit(&self, mishap: Mishap, away: &BTreeSet<usize>) -> Result<Vec<usize>> {
        let (node, site) = match mishap {
            Mishap::Kill(Part::Node(node))
            | Mishap::Freeze(Part::Node(node))
            | Mishap::CutFromNats(Part::Node(node)) => (node, None),
            Mishap::CutSite(site, node) => (node, Some(site_machine(site))),
            _ => return Ok(Vec::new()),
        };
        let address = node_address(&self.network, node).to_string();
        let mut hit = Vec::new();
        for (number, person) in self.talk.people.iter().enumerate() {
            if away.contains(&number) || site.is_some_and(|site| site != person.machine) {
                continue;
            }
            if person.ctl_ok(&["status"])?["address"] == address.as_str() {
                hit.push(number);
            }
        }
        Ok(hit)
    }

    /// Has those who were hit exchange a text with somebody who was not.
    fn probe_people<'scope>(
        &self,
        kind: &'static str,
        since: Instant,
        hit: &[usize],
        away: &BTreeSet<usize>,
        scope: &'scope Scope<'scope, '_>,
    ) where
        'a: 'scope,
    {
        let (talk, costs, count) = (self.talk, self.costs, self.settings.people);
        for person in hit.iter().copied() {
            let partners = PARTNERS.into_iter().map(|offset| (person + offset) % count);
            let partner = partners.filter(|it| *it != person && !away.contains(it));
            let Some(partner) = partner.min_by_key(|it| hit.contains(it)) else { continue };
            scope.spawn(move || {
                talk.say((person, partner), "accepted", PROBE_TIMEOUT, false);
                lock(costs).entry(kind).or_default().sends_again.push(since.elapsed());
            });
            scope.spawn(move || {
                talk.say((partner, person), "delivered", PROBE_TIMEOUT, false);
                lock(costs).entry(kind).or_default().is_reached_again.push(since.elapsed());
            });
        }
    }

    /// Has friends of those who are away write to them, which NATS must store.
    fn probe_storing<'scope>(
        &self,
        kind: &'static str,
        since: Instant,
        away: &BTreeSet<usize>,
        scope: &'scope Scope<'scope, '_>,
    ) where
        'a: 'scope,
    {
        let (talk, costs, count) = (self.talk, self.costs, self.settings.people);
        for reader in away.iter().copied() {
            let friends = FRIENDS.into_iter().map(|it| (reader + it * (count - 1)) % count);
            for writer in friends.filter(|it| *it != reader && !away.contains(it)) {
                scope.spawn(move || {
                    talk.say((writer, reader), "accepted", PROBE_TIMEOUT, true);
                    lock(costs).entry(kind).or_default().stored_again.push(since.elapsed());
                });
            }
        }
    }

    /// Asks everybody for everything, and the checker for its verdict.
    fn report(&self, longest_heal: Duration) -> Result<Report> {
        let settings = self.settings;
        let records = Records::create(settings.place.join("arrived.jsonl"))?;
        let people = self.talk.people;
        for (writer, reader) in self.talk.streams() {
            let (writer, reader) = (&people[writer], &people[reader]);
            let list = reader.ctl_ok(&["history", writer.name(), "-n", "1000000"])?;
            let items = list["items"].as_array().context("a list has items")?;
            for item in items.iter().filter(|item| item["from"] == writer.name()) {
                records.add(&arrived(item, false)?);
            }
            // Receipts of what arrived last are still on their way.
            let end = Instant::now() + RECEIPTS_DEADLINE;
            let mut unknown = undelivered(writer, reader)?;
            while !unknown.is_empty() && Instant::now() < end {
                thread::sleep(LOOK_EVERY);
                unknown = undelivered(writer, reader)?;
            }
            for item in unknown {
                self.talk.surprise(format!("what arrived is not known to be: {item}"));
            }
        }
        let verdict = |arrived| check::ask(&settings.checker, self.talk.sent.path(), arrived);
        let (histories, followed) = (verdict(records.path())?, verdict(self.talk.shown.path())?);
        let (costs, longest_way) = self.costs();
        let heard = self.talk.heard();
        let mut surprises = heard.surprises.clone();
        surprises.extend(self.programs.surprises.iter().cloned());
        surprises.extend(self.programs.panicked());
        surprises.extend(people.iter().flat_map(Person::panicked));
        let report = Report {
            seed: settings.seed,
            rounds: settings.rounds,
            people: settings.people,
            costs,
            longest_way,
            longest_heal,
            only_queued: heard.only_queued,
            histories,
            followed,
            resident_kib: self.resident(),
            surprises,
            place: settings.place.clone(),
        };
        fs::write(settings.place.join("report.json"), serde_json::to_vec_pretty(&report)?)?;
        Ok(report)
    }

    /// What mishaps cost, and the longest way while there were none.
    fn costs(&self) -> (BTreeMap<&'static str, Cost>, Duration) {
        let mut costs = lock(self.costs).clone();
        let mut longest = Duration::ZERO;
        for Way { taken, took } in self.talk.ways() {
            let mut well = true;
            for Happened { kind, from, to } in &self.happened {
                if (*from..*to).contains(&taken) {
                    let cost = costs.entry(kind).or_default();
                    cost.longest_way = cost.longest_way.max(took);
                }
                well &= !(*from..*to + SETTLES).contains(&taken);
            }
            if well {
                longest = longest.max(took);
            }
        }
        (costs, longest)
    }

    fn resident(&self) -> BTreeMap<String, u64> {
        let parts = Part::all().map(|part| (part.name(), self.programs.process(part)));
        let daemons: Vec<u64> = self.talk.people.iter().filter_map(Person::resident_kib).collect();
        let most = daemons.into_iter().max().map(|kib| ("the largest daemon".to_owned(), kib));
        let parts = parts.filter_map(|(name, process)| Some((name, process?.resident_kib()?)));
        parts.chain(most).collect()
    }
}

/// What somebody wrote and does not know to be delivered.
fn undelivered(writer: &Person, reader: &Person) -> Result<Vec<Value>> {
    let mut list = writer.ctl_ok(&["history", reader.name(), "-n", "1000000"])?;
    let Value::Array(mut items) = list["items"].take() else { bail!("a list has items: {list}") };
    items.retain(|item| {
        item["from"] == writer.name()
            && !matches!(item["state"].as_str(), Some("delivered" | "read"))
    });
    Ok(items)
}

/// Whether texts to people who are away may have to wait for it.
const fn hits_storing(mishap: Mishap) -> bool {
    matches!(
        mishap,
        Mishap::Kill(Part::Nats(_))
            | Mishap::Freeze(Part::Nats(_))
            | Mishap::KillAllNats
            | Mishap::CutFromNats(Part::Nats(_))
            | Mishap::Cut(Part::Nats(_), Part::Nats(_))
    )
}

/// The machine of a site, after those of the six programs.
const fn site_machine(site: usize) -> Machine {
    2 * EACH + site
}

/// Writes so many texts, evenly over this time.
fn write(
    talk: &Talk<'_>,
    writer: usize,
    each: u64,
    length: Duration,
    away: &BTreeSet<usize>,
    mut dice: Dice,
) {
    let count = talk.people.len();
    let readers: Vec<usize> = FRIENDS
        .into_iter()
        .map(|offset| (writer + offset) % count)
        .filter(|reader| *reader != writer)
        .collect();
    let pause = length / u32::try_from(each).unwrap_or(u32::MAX).max(1);
    let start = Instant::now();
    let mut next = start + dice.up_to(pause);
    for _ in 0..each {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        next += pause;
        let drawn =
            usize::try_from(dice.below(readers.len() as u64)).expect("it is below a length");
        let reader = readers[drawn];
        let wait = if dice.below(ACCEPTED_ONE_IN) == 0 { "accepted" } else { "queued" };
        talk.say((writer, reader), wait, PROBE_TIMEOUT, away.contains(&reader));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
