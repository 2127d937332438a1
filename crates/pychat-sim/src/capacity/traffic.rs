//! Who writes what and when: people talk, and a talk is several texts within seconds of each other.

use super::{
    figures::{SECOND, TEXTS_AN_HOUR},
    people::{People, unit, until_next},
};
use pychat_testkit::dice::Dice;
use std::collections::VecDeque;

/// Texts of a talk between two who are there, on average, and of one with somebody who is away: these two give three
/// of ten texts to people who are away.
const TALK: f64 = 8.0;
const MONOLOGUE: f64 = 1.66;
/// How often a talk meets somebody who is there, as the circles are drawn.
const MEETS: f64 = 0.326;
/// How often the next text of a talk is the other one's.
const ANSWERED: f64 = 0.6;
/// Between two texts of a talk, on average, by chance: one in a hundred comes after more than 37 s.
const PAUSE_SECONDS: f64 = 8.0;
/// Longest talk, in texts: one in twenty million would be longer.
const TALK_MAX: u32 = 128;
/// Seconds that talks may last beyond the one that they begin in. What would come later is left out.
const AHEAD_SECONDS: usize = 600;

/// A text that somebody writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Text {
    /// When, in nanoseconds.
    pub(super) at: u64,
    pub(super) from: u32,
    pub(super) to: u32,
    /// How often the two talk, by the second.
    pub(super) talks: f32,
}

/// Makes texts, a second after the other.
pub(super) struct Traffic {
    dice: Dice,
    /// Talks begun by one who writes as much as the average, and by all, by the second.
    begun_by_one: f64,
    begun: f64,
    next_talk_at: u64,
    second: u64,
    /// What was begun and is to come, by the second.
    ahead: VecDeque<Vec<Text>>,
}

impl Traffic {
    /// Of so many people who are here.
    pub(super) fn new(seed: u64, here: u32) -> Self {
        let texts_of_a_talk = MEETS * TALK + (1.0 - MEETS) * MONOLOGUE;
        let begun_by_one = TEXTS_AN_HOUR / 3_600.0 / texts_of_a_talk;
        Self {
            dice: Dice::new(seed),
            begun_by_one,
            begun: begun_by_one * f64::from(here),
            next_talk_at: 0,
            second: 0,
            ahead: VecDeque::new(),
        }
    }

    /// The texts of the next second, in their order.
    pub(super) fn next_second(&mut self, people: &People) -> Vec<Text> {
        let end = (self.second + 1) * SECOND;
        while self.next_talk_at < end {
            self.begin_talk(people, self.next_talk_at);
            self.next_talk_at += until_next(self.begun, &mut self.dice);
        }
        self.second += 1;
        let mut texts = self.ahead.pop_front().unwrap_or_default();
        texts.sort_unstable_by_key(|text| (text.at, text.from, text.to));
        texts
    }

    fn begin_talk(&mut self, people: &People, mut at: u64) {
        let first = people.who_writes(&mut self.dice);
        let (second, liking) = people.friend(first, &mut self.dice);
        let is_talk = people.is_here(second);
        let zeal = people.zeal(first) + if is_talk { people.zeal(second) } else { 0.0 };
        let talks = (self.begun_by_one * zeal * liking) as f32;
        let length = if is_talk { TALK } else { MONOLOGUE };
        let (mut from, mut to) = (first, second);
        for _ in 0..TALK_MAX {
            let ahead = (at / SECOND - self.second) as usize;
            if ahead >= AHEAD_SECONDS {
                return;
            }
            if self.ahead.len() <= ahead {
                self.ahead.resize_with(ahead + 1, Vec::new);
            }
            self.ahead[ahead].push(Text { at, from, to, talks });
            if unit(&mut self.dice) * length < 1.0 {
                return;
            }
            at += until_next(1.0 / PAUSE_SECONDS, &mut self.dice);
            if is_talk && unit(&mut self.dice) < ANSWERED {
                (from, to) = (to, from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::model::Deployment;

    #[test]
    fn texts_are_as_many_as_assumed_and_three_of_ten_for_people_who_are_away() {
        let people = People::new(3, 1_000_000, Deployment::of(1_000_000));
        let mut traffic = Traffic::new(3, 250_000);
        let (mut count, mut away) = (0_u32, 0_u32);
        for second in 0..400 {
            for text in traffic.next_second(&people) {
                assert_eq!(text.at / SECOND, second);
                assert!(people.is_here(text.from) && text.from != text.to);
                if second >= 300 {
                    count += 1;
                    away += u32::from(!people.is_here(text.to));
                }
            }
        }
        let rate = f64::from(count) / 100.0;
        assert!((rate / (250_000.0 * TEXTS_AN_HOUR / 3_600.0) - 1.0).abs() < 0.05, "{rate}");
        let share = f64::from(away) / f64::from(count);
        assert!((share - 0.3).abs() < 0.03, "{share}");
    }
}
