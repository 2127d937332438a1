//! The schedule of mishaps, drawn from a seed before anything starts.
//!
//! Each kind of mishap has its own dice, so that another kind's rate does not shift it.

use pychat_testkit::{
    dice::{Chance, Dice},
    faults::{Faults, Loss},
};
use std::time::Duration;

/// Whom a mishap hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// `pychat-server`.
    Server,
    /// A person's `pychatd`.
    Daemon(usize),
    /// A person's `pychatctl`, whichever runs.
    Command(usize),
}

/// Which call on a database file fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakage {
    /// fsync and fdatasync, with EIO.
    SyncFails,
    /// write and pwrite64, with EIO.
    WriteFails,
    /// write and pwrite64, with ENOSPC.
    WriteHasNoRoom,
}

/// One mishap.
#[derive(Clone, Debug, PartialEq)]
pub enum Mishap {
    /// kill -9.
    Kill(Victim),
    /// SIGTERM.
    Restart(Victim),
    /// SIGSTOP, and SIGCONT after a while.
    Freeze(Victim, Duration),
    /// Its disk is filled, and freed after a while.
    Fill(Victim, Duration),
    /// From its `nth` call on, one call a thread fails, for a while.
    Break(Victim, Breakage, u64, Duration),
    /// Its clock is now so many hours off.
    Step(Victim, i64),
    /// A person's network has these faults now: to the server, and back.
    Weather(usize, Box<[Faults; 2]>),
}

/// A mishap and its moment, from the beginning of its round.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// When.
    pub at: Duration,
    /// What.
    pub mishap: Mishap,
}

/// How mishaps come: mostly, the mean time between two of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Of kills.
    pub kill: Duration,
    /// Of restarts.
    pub restart: Duration,
    /// Of freezes.
    pub freeze: Duration,
    /// Of full disks.
    pub fill: Duration,
    /// Of failing calls.
    pub break_: Duration,
    /// Of clock steps.
    pub step: Duration,
    /// Of changes of a network.
    pub weather: Duration,
    /// A call that fails is at most the so manieth of its thread.
    pub nth_max: u64,
}

impl Rates {
    /// For minutes and hours.
    pub const LONG: Self = Self {
        kill: Duration::from_millis(1_500),
        restart: Duration::from_secs(15),
        freeze: Duration::from_secs(9),
        fill: Duration::from_secs(12),
        break_: Duration::from_secs(4),
        step: Duration::from_secs(8),
        weather: Duration::from_millis(1_200),
        nth_max: 4,
    };

    /// For a run of seconds in which each kind must come.
    pub const SHORT: Self = Self {
        kill: Duration::from_millis(1_000),
        restart: Duration::from_secs(5),
        freeze: Duration::from_secs(4),
        fill: Duration::from_secs(5),
        break_: Duration::from_millis(2_500),
        step: Duration::from_secs(3),
        weather: Duration::from_millis(1_200),
        nth_max: 1,
    };
}

/// The shortest and the longest freeze.
const FREEZE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(8)];

/// How long a disk stays full, at least and at most.
const FULL: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(6)];

/// When a program is asked to end on its full disk, at most so long after that was filled.
const RESTART_ON_FULL: Duration = Duration::from_secs(1);

/// How long calls may fail, at least and at most.
const BROKEN: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];

/// The schedule of one round: for so many people, who have so many small disks (the first ones).
#[must_use]
pub fn draw(
    seed: u64,
    round: u64,
    length: Duration,
    rates: Rates,
    people: usize,
    disks: usize,
) -> Vec<Planned> {
    let dice = |kind: u64| Dice::new(seed ^ (round << 32) ^ (kind << 56));
    let mut plan = Vec::new();
    let mut add = |kind: u64, mean: Duration, draw: &dyn Fn(&mut Dice) -> Mishap| {
        let mut dice = dice(kind);
        let mut at = dice.up_to(mean);
        while at < length {
            let mishap = draw(&mut dice);
            // Every other full disk meets a program that starts or ends: what it needs then (a
            // database's log, for one) it may have had room for before.
            if let Mishap::Fill(victim, _) = mishap
                && dice.below(2) == 0
            {
                plan.push(Planned {
                    at: at + dice.up_to(RESTART_ON_FULL),
                    mishap: Mishap::Restart(victim),
                });
            }
            plan.push(Planned { at, mishap });
            // Evenly from half of the mean to one and a half of it.
            at += mean / 2 + dice.up_to(mean);
        }
    };
    add(1, rates.kill, &|dice| Mishap::Kill(victim(dice, people, true)));
    add(2, rates.restart, &|dice| Mishap::Restart(victim(dice, people, false)));
    add(3, rates.freeze, &|dice| Mishap::Freeze(victim(dice, people, true), between(dice, FREEZE)));
    add(4, rates.fill, &|dice| Mishap::Fill(victim(dice, disks, false), between(dice, FULL)));
    add(5, rates.break_, &|dice| {
        let breakage = match dice.below(5) {
            0..=2 => Breakage::SyncFails,
            3 => Breakage::WriteFails,
            _ => Breakage::WriteHasNoRoom,
        };
        Mishap::Break(
            victim(dice, people, false),
            breakage,
            1 + dice.below(rates.nth_max),
            between(dice, BROKEN),
        )
    });
    add(6, rates.step, &|dice| {
        let hours = [-1, 0, 1][usize::try_from(dice.below(3)).expect("it is below 3")];
        Mishap::Step(victim(dice, people, false), hours)
    });
    add(7, rates.weather, &|dice| {
        Mishap::Weather(index(dice, people), Box::new([weather(dice), weather(dice)]))
    });
    plan.sort_by_key(|planned| planned.at);
    plan
}

/// The server in one of three cases, else a person's daemon or, if asked for, command.
fn victim(dice: &mut Dice, people: usize, commands_too: bool) -> Victim {
    let drawn = dice.below(6);
    let command = dice.below(2) == 0;
    if drawn < 2 || people == 0 {
        return Victim::Server;
    }
    let person = index(dice, people);
    if commands_too && command { Victim::Command(person) } else { Victim::Daemon(person) }
}

fn index(dice: &mut Dice, end: usize) -> usize {
    usize::try_from(dice.below(end as u64)).expect("it is below a length")
}

fn between(dice: &mut Dice, [least, most]: [Duration; 2]) -> Duration {
    least + dice.up_to(most - least)
}

/// One way's weather: loss up to 40%, alone or in bursts, with everything else that networks do.
fn weather(dice: &mut Dice) -> Faults {
    let percent = |dice: &mut Dice, most: u64| Chance::percent(dice.below(most + 1) as f64);
    let kind = dice.below(12);
    let loss = match kind {
        0 => return Faults::BLACKOUT,
        1 | 2 => Loss::None,
        3..=6 => Loss::Bursts {
            worsen: Chance::percent(2.0),
            recover: Chance::percent(20.0),
            good: percent(dice, 5),
            bad: Chance::percent(90.0),
        },
        _ => Loss::Random(percent(dice, 40)),
    };
    Faults {
        loss,
        delay: dice.up_to(Duration::from_millis(60)),
        jitter: dice.up_to(Duration::from_millis(60)),
        reordering: percent(dice, 20),
        reordering_delay: dice.up_to(Duration::from_millis(100)),
        duplication: percent(dice, 10),
        corruption: percent(dice, 5),
        ..Faults::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_secs(60);

    fn round(seed: u64, round: u64) -> Vec<Planned> {
        draw(seed, round, ROUND, Rates::LONG, 4, 2)
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_does_not() {
        assert_eq!(round(1, 0), round(1, 0));
        assert_ne!(round(1, 0), round(2, 0));
        assert_ne!(round(1, 0), round(1, 1));
    }

    #[test]
    fn ten_minutes_hold_enough_of_each_kind() {
        for seed in 0..20 {
            let all: Vec<Planned> = (0..10).flat_map(|number| round(seed, number)).collect();
            let count = |is: fn(&Mishap) -> bool| all.iter().filter(|it| is(&it.mishap)).count();
            assert!(count(|it| matches!(it, Mishap::Kill(_))) >= 300);
            assert!(count(|it| matches!(it, Mishap::Kill(Victim::Server))) >= 50);
            assert!(count(|it| matches!(it, Mishap::Kill(Victim::Daemon(_)))) >= 50);
            assert!(count(|it| matches!(it, Mishap::Kill(Victim::Command(_)))) >= 50);
            assert!(count(|it| matches!(it, Mishap::Fill(Victim::Server, _))) >= 1);
            assert!(count(|it| matches!(it, Mishap::Fill(Victim::Daemon(_), _))) >= 5);
            assert!(count(|it| matches!(it, Mishap::Freeze(..))) >= 40);
            assert!(count(|it| matches!(it, Mishap::Break(_, Breakage::SyncFails, ..))) >= 10);
            for hours in [-1, 1] {
                let steps = all
                    .iter()
                    .filter(|it| matches!(it.mishap, Mishap::Step(_, stepped) if stepped == hours));
                assert!(steps.count() >= 5);
            }
        }
    }

    #[test]
    fn a_full_disk_is_one_that_there_is() {
        for planned in (0..50).flat_map(|seed| round(seed, 0)) {
            if let Mishap::Fill(Victim::Daemon(person), _) = planned.mishap {
                assert!(person < 2);
            }
        }
    }

    #[test]
    fn mishaps_come_in_their_order_and_within_their_round() {
        let plan = round(5, 0);
        assert!(plan.is_sorted_by_key(|planned| planned.at));
        assert!(plan.iter().all(|planned| planned.at < ROUND + RESTART_ON_FULL));
    }
}
