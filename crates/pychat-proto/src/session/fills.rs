//! How full a session's tables are.

use super::{NOTES_MAX, Session, congestion::IN_FLIGHT_MAX, questions, recovery};
use crate::{Fill, MESSAGE_BYTES_MAX, RECORD_WINDOW};

impl Session {
    pub(crate) fn fills(&self, each: &mut dyn FnMut(Fill)) {
        let window = RECORD_WINDOW as usize;
        let in_flight_max = IN_FLIGHT_MAX as usize + recovery::PROBES_IN_FLIGHT_MAX;
        let partial = self.lane_in.partial_bytes();
        each(Fill::of_session("packets in flight", self.recovery.in_flight(), in_flight_max));
        each(Fill::of_session(
            "records not yet committed by the peer",
            self.lane_out.held(),
            window,
        ));
        each(Fill::of_session(
            "records that wait for one before them",
            self.lane_in.waiting(),
            window,
        ));
        each(Fill::of_session("bytes of a message in parts", partial, MESSAGE_BYTES_MAX));
        each(Fill::of_session("refusals not yet acknowledged", self.refusals.len(), window));
        each(Fill::of_session("questions asked", self.asked.open(), questions::CALLS_MAX));
        each(Fill::of_session("parts of answers", self.answers.parts(), questions::PARTS_HELD_MAX));
        each(Fill::of_session("notes", self.notes.len(), NOTES_MAX));
    }
}
