//! The targets of the wire protocol.

use crate::{
    inputs::{any_bytes, mutated_corpus},
    runner::run,
};
use proptest::prelude::*;

#[test]
fn a_packet_has_one_form() {
    let inputs = prop_oneof![1 => any_bytes(), 4 => mutated_corpus("packet", 4)];
    run("packet", pychat_fuzz::packet, 4000, &inputs);
}

#[test]
fn frames_have_a_shortest_form() {
    let inputs = prop_oneof![1 => any_bytes(), 4 => mutated_corpus("frames", 4)];
    run("frames", pychat_fuzz::frames, 4000, &inputs);
}

#[test]
fn what_a_server_changed_in_a_sealed_text_opens_for_nobody() {
    let inputs = prop_oneof![2 => any_bytes(), 1 => mutated_corpus("sealed", 4)];
    run("sealed", pychat_fuzz::sealed, 400, &inputs);
}

#[test]
fn nobody_gets_in_by_a_forged_handshake() {
    let inputs = prop_oneof![1 => any_bytes(), 2 => mutated_corpus("handshake", 4)];
    run("handshake", pychat_fuzz::handshake, 300, &inputs);
}

#[test]
fn a_session_delivers_an_exact_prefix_on_any_network() {
    let inputs = prop_oneof![2 => any_bytes(), 1 => mutated_corpus("session", 8)];
    run("session", pychat_fuzz::session, 200, &inputs);
}

#[test]
fn the_honest_are_served_beside_strangers_and_insiders() {
    let inputs = prop_oneof![2 => any_bytes(), 1 => mutated_corpus("server", 4)];
    run("server", pychat_fuzz::server, 150, &inputs);
}
