//! What a session holds in its tables.

use super::{NOTES_MAX, Session, congestion::IN_FLIGHT_MAX, questions, recovery};

/// How much is in each table, and how much may be where no one else knows.
pub(crate) struct Held {
    pub(crate) in_flight: usize,
    pub(crate) in_flight_max: usize,
    pub(crate) records_out: usize,
    pub(crate) records_in: usize,
    pub(crate) partial_bytes: usize,
    pub(crate) refusals: usize,
    pub(crate) asked: usize,
    pub(crate) asked_max: usize,
    pub(crate) answers: usize,
    pub(crate) answers_max: usize,
    pub(crate) notes: usize,
    pub(crate) notes_max: usize,
}

impl Session {
    pub(crate) fn held(&self) -> Held {
        Held {
            in_flight: self.recovery.in_flight(),
            in_flight_max: IN_FLIGHT_MAX as usize + recovery::PROBES_IN_FLIGHT_MAX,
            records_out: self.lane_out.held(),
            records_in: self.lane_in.waiting(),
            partial_bytes: self.lane_in.partial_bytes(),
            refusals: self.refusals.len(),
            asked: self.asked.open(),
            asked_max: questions::CALLS_MAX,
            answers: self.answers.parts(),
            answers_max: questions::PARTS_HELD_MAX,
            notes: self.notes.len(),
            notes_max: NOTES_MAX,
        }
    }
}
