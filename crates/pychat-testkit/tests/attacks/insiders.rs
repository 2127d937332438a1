//! People with a login of their own who keep to no rule.

use crate::stage::survives;

#[test]
fn who_acknowledges_what_was_never_sent_is_closed() {
    survives("ack-never-sent", 20);
}

#[test]
fn who_acknowledges_what_was_left_out_on_purpose_is_closed() {
    survives("ack-skipped", 40_000);
}

#[test]
fn gaps_in_records_are_held_within_the_window() {
    survives("record-gaps", 10_000);
}

#[test]
fn a_million_path_challenges_are_answered_with_a_close_each_login() {
    survives("path-challenges", 1_000_000);
}

#[test]
fn a_million_wrong_path_responses_mean_nothing() {
    survives("path-responses", 1_000_000);
}

#[test]
fn control_frames_from_somebody_who_acknowledges_nothing_are_answered_and_forgotten() {
    survives("control-frames", 20_000);
}

#[test]
fn a_hundred_thousand_open_questions_leave_honest_people_alone() {
    survives("calls", 100_000);
}

#[test]
fn a_session_that_moves_with_every_packet_leaves_honest_people_alone() {
    survives("moving", 20_000);
}
