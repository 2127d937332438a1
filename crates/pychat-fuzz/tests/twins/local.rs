//! The targets of one machine: the control socket, files that people write, databases.

use crate::{
    inputs::{any_bytes, mutated_corpus},
    runner::run,
};
use proptest::{collection::vec, prelude::*};

#[test]
fn the_control_socket_answers_each_line_once_and_ends() {
    let inputs = prop_oneof![1 => any_bytes(), 6 => mutated_corpus("control", 3)];
    run("control", pychat_fuzz::control, 1500, &inputs);
}

#[test]
fn what_is_accepted_survives_its_text_form() {
    let text = (0_u8..4, "\\PC{0,80}").prop_map(|(kind, text)| [&[kind], text.as_bytes()].concat());
    let inputs = prop_oneof![1 => text, 4 => mutated_corpus("config", 3)];
    run("config", pychat_fuzz::config, 3000, &inputs);
}

#[test]
fn an_archive_is_imported_whole_or_refused() {
    let alterations = vec(any::<u8>(), 1..30).prop_map(|bytes| [&[1], &bytes[..]].concat());
    let inputs = prop_oneof![1 => any_bytes(), 2 => alterations, 3 => mutated_corpus("archive", 2)];
    run("archive", pychat_fuzz::archive, 300, &inputs);
}

#[test]
fn a_damaged_daemon_database_works_or_is_told_as_damaged() {
    let inputs = prop_oneof![3 => vec(any::<u8>(), 1..60), 1 => mutated_corpus("daemon_db", 2)];
    run("daemon_db", pychat_fuzz::daemon_db, 200, &inputs);
}

#[test]
fn a_damaged_mailbox_store_works_or_is_told_as_damaged() {
    let inputs = prop_oneof![3 => vec(any::<u8>(), 1..60), 1 => mutated_corpus("server_db", 2)];
    run("server_db", pychat_fuzz::server_db, 300, &inputs);
}
