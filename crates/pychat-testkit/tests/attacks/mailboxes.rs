//! Recipients who do not take their mail, and a sender who does not stop.

use crate::stage::survives_with;

/// A full mailbox's entries may lie in the store's cache once.
const GROWTH_BYTES_MAX: u64 = 64 << 20;

#[test]
fn a_recipient_who_never_commits_leaves_others_alone() {
    survives_with("slow-recipient", 2_000, GROWTH_BYTES_MAX);
}

#[test]
fn a_recipient_who_does_nothing_leaves_others_alone() {
    survives_with("stuck-recipient", 2_000, GROWTH_BYTES_MAX);
}

#[test]
fn who_fills_a_mailbox_is_refused_and_others_are_left_alone() {
    let outcome = survives_with("mailbox-full", 11_000, GROWTH_BYTES_MAX);
    assert!(!outcome.contains(" 0 refused"), "{outcome}");
}
