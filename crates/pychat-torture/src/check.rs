//! The verdict: compares what was sent with what arrived, text by text.
//!
//! Each conversation in each direction stands alone: `alice` to `bob` is one stream, `bob` to `alice`
//! another. What arrived in a stream must be exactly what was sent in it, in the same order.

use crate::record::{Arrived, Sent};
use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path, process::Command};

/// One text that something is wrong with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Case {
    /// Who wrote it, or is said to have.
    pub from: String,
    /// To whom.
    pub to: String,
    /// The program's id for it.
    pub id: String,
    /// The sender's key; empty for what nobody sent.
    pub key: String,
    /// Its first characters.
    pub begins: String,
}

/// What is true of all texts together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// How many texts were taken.
    pub sent: usize,
    /// How many of these were shown at least once.
    pub delivered: usize,
    /// Taken, but never shown.
    pub lost: Vec<Case>,
    /// Shown again: one case for each time, but for those after a showing that was cut off.
    pub doubled: Vec<Case>,
    /// Shown after a text that was taken later.
    pub out_of_order: Vec<Case>,
    /// Shown, but never taken: made up, or damaged on the way.
    pub invented: Vec<Case>,
}

/// Why there can be no verdict.
#[derive(Debug, PartialEq, Eq)]
pub struct SentTwice(pub Case);

impl std::fmt::Display for SentTwice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Case { from, to, key, begins, .. } = &self.0;
        write!(
            f,
            "{from} is noted to have sent {begins:?} to {to} twice (key {key}): which one arrived \
             could not be told"
        )
    }
}

impl std::error::Error for SentTwice {}

impl Verdict {
    /// Compares.
    ///
    /// # Errors
    /// Two texts of one stream are alike.
    pub fn of(sent: &[Sent], arrived: &[Arrived]) -> std::result::Result<Self, SentTwice> {
        let mut streams: BTreeMap<(&str, &str), Stream<'_>> = BTreeMap::new();
        for one in sent {
            streams.entry((&one.from, &one.to)).or_default().take(one)?;
        }
        let mut verdict = Self { sent: sent.len(), ..Self::default() };
        for one in arrived {
            let stream = streams.entry((&one.from, &one.to)).or_default();
            stream.show(one, &mut verdict);
        }
        for stream in streams.into_values() {
            let unseen =
                stream.sent.iter().zip(&stream.shown).filter(|(_, shown)| **shown == Shown::Never);
            verdict.lost.extend(unseen.map(|(sent, _)| Case::of_sent(sent)));
        }
        Ok(verdict)
    }

    /// Whether each text arrived once and in order, and nothing else did.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let Self { sent: _, delivered: _, lost, doubled, out_of_order, invented } = self;
        [lost, doubled, out_of_order, invented].into_iter().all(Vec::is_empty)
    }
}

/// The verdict's figures in one line.
impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { sent, delivered, lost, doubled, out_of_order, invented } = self;
        write!(
            f,
            "sent {sent}, delivered {delivered}, lost {}, doubled {}, out of order {}, invented {}",
            lost.len(),
            doubled.len(),
            out_of_order.len(),
            invented.len(),
        )
    }
}

/// Asks the checker, a program of its own.
///
/// # Errors
/// It cannot be asked, or contradicts itself.
pub fn ask(checker: &Path, sent: &Path, arrived: &Path) -> Result<Verdict> {
    let output = Command::new(checker).arg("--json").args([sent, arrived]).output();
    let output = output.with_context(|| format!("starting {}", checker.display()))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let verdict: Verdict =
        serde_json::from_slice(&output.stdout).with_context(|| format!("the checker: {stderr}"))?;
    ensure!(output.status.success() == verdict.is_clean(), "the checker contradicts itself");
    Ok(verdict)
}

/// One conversation in one direction.
#[derive(Default)]
struct Stream<'a> {
    sent: Vec<&'a Sent>,
    place: BTreeMap<&'a str, usize>,
    shown: Vec<Shown>,
    /// The place after the latest text shown so far.
    next: usize,
}

/// How a text was shown so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Never,
    /// By a program that was cut off before it could note it.
    CutOff,
    Surely,
}

impl<'a> Stream<'a> {
    fn take(&mut self, one: &'a Sent) -> std::result::Result<(), SentTwice> {
        if self.place.insert(&one.text, self.sent.len()).is_some() {
            return Err(SentTwice(Case::of_sent(one)));
        }
        self.sent.push(one);
        self.shown.push(Shown::Never);
        Ok(())
    }

    fn show(&mut self, one: &Arrived, verdict: &mut Verdict) {
        let Some(&place) = self.place.get(one.text.as_str()) else {
            verdict.invented.push(Case::of_arrived(one));
            return;
        };
        let case = || Case { id: one.id.clone(), ..Case::of_sent(self.sent[place]) };
        let now = if one.cut_off { Shown::CutOff } else { Shown::Surely };
        match std::mem::replace(&mut self.shown[place], now) {
            Shown::Never => {}
            Shown::CutOff => return,
            Shown::Surely => {
                self.shown[place] = Shown::Surely;
                verdict.doubled.push(case());
                return;
            }
        }
        if place < self.next {
            verdict.out_of_order.push(case());
        }
        self.next = self.next.max(place + 1);
        verdict.delivered += 1;
    }
}

/// Characters of a text that a case shows.
const BEGINNING_LEN: usize = 40;

impl Case {
    fn of_sent(one: &Sent) -> Self {
        let Sent { at_ms: _, from, to, key, id, text } = one.clone();
        Self { from, to, id, key, begins: beginning(&text) }
    }

    fn of_arrived(one: &Arrived) -> Self {
        let Arrived { from, to, id, text, cut_off: _ } = one.clone();
        Self { from, to, id, key: String::new(), begins: beginning(&text) }
    }
}

fn beginning(text: &str) -> String {
    text.chars().take(BEGINNING_LEN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(from: &str, to: &str, texts: &[&str]) -> Vec<Sent> {
        let one = |(at, text): (usize, &&str)| Sent {
            at_ms: at as u64,
            from: from.into(),
            to: to.into(),
            key: format!("key of {text}"),
            id: format!("id of {text}"),
            text: (*text).into(),
        };
        texts.iter().enumerate().map(one).collect()
    }

    fn arrived(from: &str, to: &str, texts: &[&str]) -> Vec<Arrived> {
        let one = |text: &&str| Arrived {
            from: from.into(),
            to: to.into(),
            id: format!("id of {text}"),
            text: (*text).into(),
            cut_off: false,
        };
        texts.iter().map(one).collect()
    }

    /// The figures of what was sent as `1 2 3` and arrived like this.
    fn figures(texts: &[&str]) -> String {
        let sent = sent("alice", "bob", &["1", "2", "3"]);
        let verdict = Verdict::of(&sent, &arrived("alice", "bob", texts)).unwrap();
        assert_eq!(verdict.is_clean(), texts == ["1", "2", "3"], "{verdict}");
        verdict.to_string()
    }

    #[test]
    fn each_text_once_and_in_order_is_clean() {
        assert_eq!(
            figures(&["1", "2", "3"]),
            "sent 3, delivered 3, lost 0, doubled 0, out of order 0, invented 0"
        );
    }

    #[test]
    fn a_text_that_nobody_was_shown_is_lost() {
        for texts in [&["2", "3"], &["1", "3"], &["1", "2"]] {
            assert_eq!(
                figures(texts),
                "sent 3, delivered 2, lost 1, doubled 0, out of order 0, invented 0"
            );
        }
        assert_eq!(
            figures(&[]),
            "sent 3, delivered 0, lost 3, doubled 0, out of order 0, invented 0"
        );
    }

    #[test]
    fn a_text_that_was_shown_twice_is_doubled() {
        for texts in [&["1", "1", "2", "3"], &["1", "2", "3", "1"], &["1", "2", "3", "3"]] {
            assert_eq!(
                figures(texts),
                "sent 3, delivered 3, lost 0, doubled 1, out of order 0, invented 0"
            );
        }
        assert_eq!(
            figures(&["1", "1", "1", "2", "3"]),
            "sent 3, delivered 3, lost 0, doubled 2, out of order 0, invented 0"
        );
    }

    #[test]
    fn a_text_may_be_shown_again_after_a_showing_that_was_cut_off() {
        let sent = sent("alice", "bob", &["1", "2"]);
        let mut shown = arrived("alice", "bob", &["1", "1", "2"]);
        shown[0].cut_off = true;
        assert!(Verdict::of(&sent, &shown).unwrap().is_clean());
        shown.push(shown[1].clone());
        assert_eq!(Verdict::of(&sent, &shown).unwrap().doubled.len(), 1);
    }

    #[test]
    fn a_text_after_a_later_one_is_out_of_order() {
        for texts in [&["2", "1", "3"], &["1", "3", "2"]] {
            assert_eq!(
                figures(texts),
                "sent 3, delivered 3, lost 0, doubled 0, out of order 1, invented 0"
            );
        }
        assert_eq!(
            figures(&["3", "2", "1"]),
            "sent 3, delivered 3, lost 0, doubled 0, out of order 2, invented 0"
        );
    }

    #[test]
    fn a_text_that_nobody_sent_is_invented() {
        assert_eq!(
            figures(&["1", "2", "3", "4"]),
            "sent 3, delivered 3, lost 0, doubled 0, out of order 0, invented 1"
        );
        assert_eq!(
            figures(&["1", "2", "3 damaged"]),
            "sent 3, delivered 2, lost 1, doubled 0, out of order 0, invented 1"
        );
    }

    #[test]
    fn a_text_in_the_wrong_conversation_is_lost_here_and_invented_there() {
        let sent = sent("alice", "bob", &["1"]);
        for (from, to) in [("alice", "carol"), ("bob", "alice"), ("carol", "bob")] {
            let verdict = Verdict::of(&sent, &arrived(from, to, &["1"])).unwrap();
            assert_eq!((verdict.lost.len(), verdict.invented.len()), (1, 1));
        }
    }

    #[test]
    fn conversations_do_not_order_each_other() {
        let sent = [sent("alice", "bob", &["1", "2"]), sent("carol", "bob", &["1", "2"])].concat();
        let arrived =
            [arrived("carol", "bob", &["1", "2"]), arrived("alice", "bob", &["1", "2"])].concat();
        assert!(Verdict::of(&sent, &arrived).unwrap().is_clean());
    }

    #[test]
    fn a_case_says_which_text_it_is_about() {
        let verdict = Verdict::of(&sent("alice", "bob", &["1"]), &[]).unwrap();
        let case = Case {
            from: "alice".into(),
            to: "bob".into(),
            id: "id of 1".into(),
            key: "key of 1".into(),
            begins: "1".into(),
        };
        assert_eq!(verdict.lost, [case]);
    }

    #[test]
    fn texts_that_cannot_be_told_apart_have_no_verdict() {
        let sent = sent("alice", "bob", &["1", "1"]);
        assert!(Verdict::of(&sent, &[]).unwrap_err().to_string().contains("twice"));
    }
}
