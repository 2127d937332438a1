//! Questions and answers: CALL and REPLY. The client asks, the server answers, in parts if long.

use super::replay::ReplayWindow;
use crate::{
    Instant,
    wire::frame::{Frame, Part},
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// Questions under way at once, in one session.
pub(crate) const CALLS_MAX: usize = 16;
/// Longest question.
pub(crate) const CALL_BYTES_MAX: usize = 1000;
/// Longest piece of an answer, and the most pieces.
const PART_BYTES: usize = 1000;
const PARTS_MAX: u64 = 16;
/// A question without an answer is asked again after this long: a busy server may have passed it over.
const REPEAT_AFTER: Duration = Duration::from_secs(3);
/// Pieces of answers that wait to be sent or acknowledged.
const PARTS_WAITING_MAX: usize = 64;

/// Pieces held at once: those of answers to questions that were let in just below the bound, too.
pub(crate) const PARTS_HELD_MAX: usize = PARTS_WAITING_MAX + CALLS_MAX * PARTS_MAX as usize;

/// The client's questions.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    next: u64,
    open: BTreeMap<u64, Question>,
}

#[derive(Debug)]
struct Question {
    bytes: Box<[u8]>,
    wanted: bool,
    repeat_at: Option<Instant>,
    parts: BTreeMap<u64, Box<[u8]>>,
    parts_count: Option<u64>,
}

impl Asked {
    /// Questions without a whole answer.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn ask(&mut self, bytes: &[u8]) -> Option<u64> {
        if self.open.len() >= CALLS_MAX || bytes.len() > CALL_BYTES_MAX {
            return None;
        }
        let id = self.next;
        self.next += 1;
        let question = Question {
            bytes: bytes.into(),
            wanted: true,
            repeat_at: None,
            parts: BTreeMap::new(),
            parts_count: None,
        };
        self.open.insert(id, question);
        Some(id)
    }

    pub(crate) fn wants_to_send(&self) -> bool {
        self.open.values().any(|question| question.wanted)
    }

    /// Encodes the next question that fits.
    pub(crate) fn next_frame(
        &mut self,
        now: Instant,
        space: usize,
        to: &mut Vec<u8>,
    ) -> Option<u64> {
        let (id, question) = self.open.iter_mut().find(|(_, question)| question.wanted)?;
        let before = to.len();
        Frame::Call { id: *id, bytes: &question.bytes }.encode(to);
        if to.len() - before > space {
            to.truncate(before);
            return None;
        }
        question.wanted = false;
        question.repeat_at = Some(now + REPEAT_AFTER);
        Some(*id)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.open.values().filter(|question| !question.wanted).filter_map(|q| q.repeat_at).min()
    }

    /// Asks again what has waited long enough.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for question in self.open.values_mut() {
            question.wanted |= question.repeat_at.is_some_and(|at| at <= now);
        }
    }

    /// Whether the answer is still to come.
    pub(crate) fn is_open(&self, id: u64) -> bool {
        self.open.contains_key(&id)
    }

    pub(crate) fn lost(&mut self, id: u64) {
        if let Some(question) = self.open.get_mut(&id) {
            question.wanted = true;
        }
    }

    /// Takes a part of an answer; the whole once it is complete.
    pub(crate) fn answered(
        &mut self,
        id: u64,
        index: u64,
        part: Part,
        bytes: &[u8],
    ) -> Option<Vec<u8>> {
        if index >= PARTS_MAX {
            return None;
        }
        let question = self.open.get_mut(&id)?;
        question.parts.insert(index, bytes.into());
        if part == Part::Last {
            question.parts_count = Some(index + 1);
        }
        if question.parts_count != Some(question.parts.len() as u64) {
            return None;
        }
        let question = self.open.remove(&id)?;
        Some(question.parts.into_values().flatten().collect())
    }
}

/// The server's answers.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    seen: ReplayWindow,
    open: usize,
    parts: VecDeque<Answer>,
}

#[derive(Debug)]
struct Answer {
    id: u64,
    index: u64,
    part: Part,
    bytes: Box<[u8]>,
    wanted: bool,
}

impl Answers {
    /// Nobody waits for an answer.
    pub(crate) fn is_settled(&self) -> bool {
        self.open == 0 && self.parts.is_empty()
    }

    /// Pieces that wait to be sent or acknowledged.
    pub(crate) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// A question came; whether it is to be answered (not a repeated one, and not too many).
    pub(crate) fn asked(&mut self, id: u64) -> bool {
        if !self.seen.is_fresh(id)
            || self.open >= CALLS_MAX
            || self.parts.len() >= PARTS_WAITING_MAX
        {
            return false;
        }
        self.seen.mark(id);
        self.open += 1;
        true
    }

    /// Cuts an answer into parts; what is beyond [`PARTS_MAX`] of them is a bug of the caller.
    pub(crate) fn answer(&mut self, id: u64, bytes: &[u8]) {
        debug_assert!(bytes.len() <= PART_BYTES * PARTS_MAX as usize);
        self.open = self.open.saturating_sub(1);
        let count = bytes.len().div_ceil(PART_BYTES).max(1);
        for index in 0..count {
            let start = index * PART_BYTES;
            let bytes = bytes[start..bytes.len().min(start + PART_BYTES)].into();
            let part = if index + 1 == count { Part::Last } else { Part::More };
            self.parts.push_back(Answer { id, index: index as u64, part, bytes, wanted: true });
        }
    }

    pub(crate) fn wants_to_send(&self) -> bool {
        self.parts.iter().any(|answer| answer.wanted)
    }

    pub(crate) fn next_frame(&mut self, space: usize, to: &mut Vec<u8>) -> Option<(u64, u64)> {
        let answer = self.parts.iter_mut().find(|answer| answer.wanted)?;
        let before = to.len();
        let Answer { id, index, part, ref bytes, .. } = *answer;
        Frame::Reply { id, index, part, bytes }.encode(to);
        if to.len() - before > space {
            to.truncate(before);
            return None;
        }
        answer.wanted = false;
        Some((id, index))
    }

    /// Whether this part is still to be acknowledged.
    pub(crate) fn is_open(&self, id: u64, index: u64) -> bool {
        self.parts.iter().any(|answer| (answer.id, answer.index) == (id, index))
    }

    pub(crate) fn lost(&mut self, id: u64, index: u64) {
        if let Some(answer) = self.parts.iter_mut().find(|a| (a.id, a.index) == (id, index)) {
            answer.wanted = true;
        }
    }

    pub(crate) fn acked(&mut self, id: u64, index: u64) {
        self.parts.retain(|answer| (answer.id, answer.index) != (id, index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{
        Call, DEVICE_KEY_BYTES_MAX, PREKEY_BYTES_MAX, PREKEYS_PER_CALL_MAX, Prekey, encode,
    };

    #[test]
    fn the_longest_questions_about_keys_fit_and_not_one_key_more() {
        let (device, fallback) = (vec![7; DEVICE_KEY_BYTES_MAX], vec![7; PREKEY_BYTES_MAX]);
        assert!(encode(&Call::PublishDevice { device, fallback }).len() <= CALL_BYTES_MAX);
        let publish = |count| {
            let keys = vec![Prekey(vec![7; PREKEY_BYTES_MAX]); count];
            encode(&Call::PublishPrekeys { first: u64::MAX, keys }).len()
        };
        assert!(publish(PREKEYS_PER_CALL_MAX) <= CALL_BYTES_MAX);
        assert!(publish(PREKEYS_PER_CALL_MAX + 1) > CALL_BYTES_MAX);
    }

    #[test]
    fn a_long_answer_arrives_whole_whatever_the_order() {
        let mut asked = Asked::default();
        let id = asked.ask(b"who?").unwrap();
        let mut answers = Answers::default();
        assert!(answers.asked(id));
        assert!(!answers.asked(id), "a repeated question is answered once");
        let whole: Vec<u8> = (0..2500_u32).map(|n| n as u8).collect();
        answers.answer(id, &whole);
        assert_eq!(answers.parts.len(), 3);
        assert_eq!(asked.answered(id, 2, Part::Last, &whole[2000..]), None);
        assert_eq!(asked.answered(id, 0, Part::More, &whole[..1000]), None);
        assert_eq!(asked.answered(id, 0, Part::More, &whole[..1000]), None);
        assert_eq!(asked.answered(id, 1, Part::More, &whole[1000..2000]), Some(whole));
        assert_eq!(asked.answered(id, 1, Part::More, b"late"), None);
    }

    #[test]
    fn a_question_that_nobody_answers_is_asked_again() {
        let mut asked = Asked::default();
        let id = asked.ask(b"?").unwrap();
        let (start, mut to) = (Instant::ZERO, Vec::new());
        assert_eq!(asked.next_frame(start, 100, &mut to), Some(id));
        assert_eq!(asked.deadline(), Some(start + REPEAT_AFTER));
        asked.handle_timeout(start + REPEAT_AFTER - Duration::from_micros(1));
        assert!(!asked.wants_to_send());
        asked.handle_timeout(start + REPEAT_AFTER);
        assert_eq!(asked.next_frame(start + REPEAT_AFTER, 100, &mut to), Some(id));
    }

    #[test]
    fn questions_are_bounded() {
        let mut asked = Asked::default();
        for _ in 0..CALLS_MAX {
            assert!(asked.ask(b"?").is_some());
        }
        assert_eq!(asked.ask(b"?"), None);
        assert_eq!(Asked::default().ask(&[0; CALL_BYTES_MAX + 1]), None);
        let mut answers = Answers::default();
        assert_eq!((0..100).filter(|id| answers.asked(*id)).count(), CALLS_MAX);
    }
}
