//! Seeds that failed once. What a seed plays changes whenever the simulation does, so each fault also
//! has a test of its own; these are kept as they are cheap.

use pychat_sim::{Plan, World};

fn play(seeds: &[u64]) {
    for seed in seeds {
        let outcome = World::run(*seed, Plan::default());
        assert!(outcome.texts > 0, "seed {seed}");
    }
}

/// The server was killed between writing a commit to its log and syncing it. The next one read the
/// commit, told the sender `accepted`, and a power cut would have taken it away. On a recipient's side
/// texts were lost that way: it reported a cursor that its disk forgot. Opening a database now makes
/// its log durable first (`pychat_sqlite::resync_log`; broken on purpose in `mutants.rs`).
#[test]
fn a_log_left_by_a_killed_program_is_made_durable() {
    play(&[8, 137, 163, 167, 181, 236, 274, 278, 291]);
}

/// A sync failed, the server ended and was started again: Linux shows what it could not write and calls
/// the next sync a success. The log has to be written again, not only synced.
#[test]
fn after_a_failed_sync_the_log_is_written_again() {
    play(&[240]);
}

/// The server's disk failed while it stored a newcomer's claim. It answered the daemon's "do you know
/// me?" with "no", and the daemon took any answer for a yes: `connect` succeeded, and texts to that user
/// were refused as "no such user".
#[test]
fn a_connect_that_the_server_did_not_store_is_not_told_as_done() {
    play(&[2, 53, 68, 257]);
}

/// The simulation's own: a deadline came at the very moment at which a daemon's history was read, and
/// the answer to the person was taken for one too many.
#[test]
fn an_answer_that_comes_while_the_history_is_read_is_kept() {
    play(&[11_356]);
}
