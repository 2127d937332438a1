//! An attack's figures: quiet and attack in turns, in one run against one server.

use crate::{
    Attack, Capture, Chatter, Driven, Flow, Gauge, Happening, Member, Talk, Target,
    attacks::Kind,
    drive,
    figures::{median, percentile},
};
use pychat_proto::Instant;
use pychat_testkit::harness::{Options, Programs, Server};
use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    thread,
    time::{Duration, Instant as Clock},
};

/// Honest pairs, and the questions that they ask in a second, all together.
pub const PAIRS: usize = 4;
/// See [`PAIRS`].
pub const TALKS_PER_S: u64 = 100;

/// Between attack and quiet, so that neither is counted as the other.
const REST: Duration = Duration::from_secs(1);

/// How often memory is looked at during an attack.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Somebody new gets in within this time.
const NEWCOMER_DEADLINE: Duration = Duration::from_secs(30);

/// How an attack is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The programs under test.
    pub programs: Programs,
    /// How long each quiet and each attacked part lasts.
    pub part: Duration,
    /// How often both follow each other.
    pub rounds: usize,
    /// The attack's rate, in place of its own.
    pub per_s: Option<u64>,
    /// The attacker's place in the queue for the processor: 0 as everybody, 19 last.
    pub nice: i32,
    /// Seed of all that is random.
    pub seed: u64,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Row {
    /// What the attacker got done.
    pub driven: Driven,
    /// Round trips' medians, quiet and attacked: the middle one of all rounds.
    pub p50: Both<Duration>,
    /// Their 99th percentiles.
    pub p99: Both<Duration>,
    /// Each round's 99th percentiles.
    pub p99_rounds: Vec<Both<Duration>>,
    /// Share of one processor that the server used.
    pub cpu: Both<f64>,
    /// Memory before, the most during, and after.
    pub rss_bytes: [u64; 3],
    /// Datagrams that the kernel had no room for.
    pub drops: u64,
    /// How long somebody new took to log in during the attack, and after it.
    pub newcomer: [Duration; 2],
    /// What became of it.
    pub outcome: Result<String, String>,
}

/// Something in quiet and under attack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Both<T> {
    /// Without the attack.
    pub quiet: T,
    /// With it.
    pub attacked: T,
}

impl Row {
    /// By how much an attack makes the 99th percentile larger.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.p99.attacked.as_secs_f64() / self.p99.quiet.as_secs_f64().max(1e-9)
    }
}

/// Measures one attack.
///
/// # Panics
/// The server dies, or honest people are not served to the end.
#[must_use]
pub fn measure(kind: &Kind, plan: &Plan) -> Row {
    let options = Options { programs: Some(plan.programs.clone()), ..Options::default() };
    let server = Server::start(&options);
    let target = Target::of(&server);
    let gauge = Gauge::of(target.pid);
    let chatter = Chatter::start(&target, PAIRS, TALKS_PER_S, plan.seed);
    let mut attack = (kind.begin)(&target, plan.seed);
    let mut parts: Vec<Both<(Instant, Instant)>> = Vec::new();
    let mut driven = Driven::default();
    let mut cpu = Both { quiet: Duration::ZERO, attacked: Duration::ZERO };
    let mut newcomer = [Duration::ZERO; 2];
    thread::sleep(REST);
    let before = gauge.read().rss_bytes;
    let mut most = before;
    for round in 0..plan.rounds {
        thread::sleep(REST);
        let quiet = timed(&gauge, &mut cpu.quiet, || thread::sleep(plan.part));
        let attacked = timed(&gauge, &mut cpu.attacked, || {
            let per_s = plan.per_s.unwrap_or(kind.per_s);
            let (more, peak) = thread::scope(|scope| {
                let attacker = scope.spawn(|| {
                    // On Linux a thread of its own has a priority of its own.
                    let _as_it_is = rustix::process::nice(plan.nice);
                    drive(attack.as_mut(), per_s, |_, took| took >= plan.part)
                });
                let latecomer = (round == 0).then(|| {
                    scope.spawn(|| {
                        thread::sleep(plan.part / 4);
                        log_in(&target, "latecomer", plan.seed + 77)
                    })
                });
                let mut peak = 0;
                while !attacker.is_finished() {
                    thread::sleep(LOOK_EVERY);
                    peak = peak.max(gauge.read().rss_bytes);
                }
                if let Some(latecomer) = latecomer {
                    newcomer[0] = latecomer.join().expect("somebody new gets in");
                }
                (attacker.join().expect("the attacker goes on to its end"), peak)
            });
            driven.count += more.count;
            driven.took += more.took;
            most = most.max(peak);
        });
        parts.push(Both { quiet, attacked });
        thread::sleep(REST);
    }
    let outcome = attack.outcome();
    drop(attack);
    newcomer[1] = log_in(&target, "newcomer", plan.seed + 78);
    let talks = chatter.finish();
    let p99_rounds: Vec<Both<Duration>> =
        parts.iter().map(|part| both(part, &talks, 99.0)).collect();
    let p50_rounds: Vec<Both<Duration>> =
        parts.iter().map(|part| both(part, &talks, 50.0)).collect();
    let all = plan.part.as_secs_f64() * plan.rounds as f64;
    Row {
        driven,
        p50: middle(&p50_rounds),
        p99: middle(&p99_rounds),
        p99_rounds,
        cpu: Both {
            quiet: cpu.quiet.as_secs_f64() / all,
            attacked: cpu.attacked.as_secs_f64() / all,
        },
        rss_bytes: [before, most, gauge.read().rss_bytes],
        drops: drops(target.address.port()),
        newcomer,
        outcome,
    }
}

fn timed(gauge: &Gauge, cpu: &mut Duration, act: impl FnOnce()) -> (Instant, Instant) {
    let (start, used) = (pychat_udp::now(), gauge.read().cpu);
    act();
    *cpu += gauge.read().cpu - used;
    (start, pychat_udp::now())
}

fn both(part: &Both<(Instant, Instant)>, talks: &[Talk], percent: f64) -> Both<Duration> {
    let within = |(start, end): (Instant, Instant)| {
        let due = talks.iter().filter(|talk| start <= talk.due && talk.due < end);
        percentile(&due.map(|talk| talk.took).collect::<Vec<_>>(), percent)
    };
    Both { quiet: within(part.quiet), attacked: within(part.attacked) }
}

fn middle(rounds: &[Both<Duration>]) -> Both<Duration> {
    let of = |pick: fn(&Both<Duration>) -> Duration| {
        median(&rounds.iter().map(pick).collect::<Vec<_>>())
    };
    Both { quiet: of(|round| round.quiet), attacked: of(|round| round.attacked) }
}

/// How long somebody new takes to log in, and until the server knows the name.
///
/// # Panics
/// It takes longer than the deadline.
pub fn log_in(target: &Target, name: &str, seed: u64) -> Duration {
    let start = Clock::now();
    let mut member = Member::new(name, target, seed);
    loop {
        for happening in member.serve() {
            match happening {
                Happening::Connected => member.ask_for_name(),
                Happening::Answered => return start.elapsed(),
                Happening::Text { .. } | Happening::Refused(_) | Happening::Lost => {}
            }
        }
        member.flush();
        assert!(start.elapsed() < NEWCOMER_DEADLINE, "{name} does not get in");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Datagrams that the kernel dropped at this port since it was bound.
#[must_use]
pub fn drops(port: u16) -> u64 {
    let table = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let ours = format!(":{port:04X}");
    let drops = table.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        fields.nth(1).filter(|local| local.ends_with(&ours))?;
        fields.last()?.parse::<u64>().ok()
    });
    drops.sum()
}

/// What each strange address sent to the server and got from it during an attack; the attack is
/// `count` things long. Addresses with a session are left out, and so is `at_home`.
///
/// # Errors
/// Nothing can be captured.
pub fn amplification(
    target: &Target,
    attack: &mut dyn Attack,
    per_s: u64,
    count: u64,
) -> Result<BTreeMap<SocketAddrV4, Flow>, crate::NoCapture> {
    let capture = Capture::start(target.address.port())?;
    drive(attack, per_s, |done, _| done >= count);
    thread::sleep(REST);
    let mut flows = capture.finish()?;
    flows.retain(|address, _| *address.ip() != Ipv4Addr::LOCALHOST);
    Ok(flows)
}
