//! Whoever forgets or dies: what was sent arrives once and in order.

use super::world::{World, text};
use crate::core::Limits;
use pychat_control::{Link, Request, State};
use std::time::Duration;

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

/// Nothing is under way any more.
fn quiet(world: &World) -> bool {
    world.daemons.iter().all(|daemon| daemon.core.stored.queued == 0)
        && world.server.mailboxes.values().all(|mailbox| mailbox.entries.is_empty())
}

#[test]
fn a_daemon_that_dies_at_any_commit_loses_and_doubles_nothing() {
    let mut commits_seen = 0;
    for crash_at in 1_u32.. {
        let mut world = World::connected(2);
        let mut crashed = 0;
        let mut kept = Vec::new();
        for index in [0, 1] {
            let mut commits = 0;
            world.daemons[index].core.database.on_commit(move || {
                commits += 1;
                commits == crash_at
            });
        }
        for n in 0..4 {
            let token = world.ask(0, Request::Send(text("bob", &n.to_string(), State::Queued)));
            world.until("an answer", |world| world.daemons[0].answers_to(token));
            if world.answer(0, token).unwrap().is_ok() {
                kept.push(n.to_string());
            }
            world.pass(Duration::from_millis(20));
            for index in [0, 1] {
                if !world.daemons[index].core.disk.is_ready() {
                    world.restart(index);
                    crashed += 1;
                }
            }
        }
        world.until("the end", quiet);
        world.pass(Duration::from_secs(1));
        assert_eq!(world.received(1), kept, "crash at commit {crash_at}");
        let states: Vec<State> = world.history(0).iter().map(|message| message.state).collect();
        assert_eq!(states, vec![State::Delivered; kept.len()], "crash at commit {crash_at}");
        commits_seen = crash_at;
        if crashed == 0 {
            break;
        }
    }
    assert!(commits_seen > 8, "the sender commits at least twice a message: {commits_seen}");
}

#[test]
fn a_server_that_forgot_gets_again_what_it_lacks_and_nobody_sees_doubles() {
    let mut world = World::connected(2);
    for n in numbers(0..5) {
        world.send(0, "bob", &n).unwrap();
    }
    world.until("all", quiet);
    for position in world.server.positions.values_mut() {
        position.0 -= 3;
    }
    world.server.texts.truncate(2);
    world.server = world.server.restarted(1);
    world.send(0, "bob", "5").unwrap();
    world.until("all again", quiet);
    assert_eq!(world.stored_texts(), numbers(0..6));
    assert_eq!(world.received(1), numbers(0..6));
}

#[test]
fn what_is_no_longer_kept_is_skipped() {
    let mut world = World::connected(2);
    for n in numbers(0..5) {
        world.send(0, "bob", &n).unwrap();
    }
    world.until("all", quiet);
    for position in world.server.positions.values_mut() {
        position.0 = 0;
    }
    world.server.texts.clear();
    world.server = world.server.restarted(1);
    world.sql(0, "DELETE FROM outbox WHERE first_seq <= 3;");
    world.until("the rest", |world| world.stored_texts() == ["3", "4"]);
    world.send(0, "bob", "5").unwrap();
    world.until("all", quiet);
    assert_eq!(world.received(1), numbers(0..6));
}

#[test]
fn a_server_that_forgot_all_of_a_pruned_outbox_is_moved_on() {
    let mut world = World::connected(2);
    world.send(0, "bob", "0").unwrap();
    world.until("all", quiet);
    world.server.positions.clear();
    world.server = world.server.restarted(1);
    world.sql(0, "DELETE FROM outbox;");
    world.link(0, Link::Connected);
    world.send(0, "bob", "1").unwrap();
    world.until("all", quiet);
    assert_eq!(world.received(1), ["0", "1"]);
}

#[test]
fn a_restored_database_begins_a_new_stream() {
    let mut world = World::connected(2);
    world.send(0, "bob", "0").unwrap();
    world.until("all", quiet);
    // The backup was taken here; what follows is forgotten, and numbered again.
    let backup = "ATTACH ':memory:' AS old;
         CREATE TABLE old.settings AS SELECT * FROM settings;
         CREATE TABLE old.outbox AS SELECT * FROM outbox;";
    world.crash(0, Limits::default(), |connection| {
        connection.execute_batch(backup).unwrap();
        connection
    });
    for n in numbers(1..4) {
        world.send(0, "bob", &n).unwrap();
    }
    let stream = world.daemons[0].core.stored.settings.account.clone().unwrap().stream;
    world.sql(
        0,
        "DELETE FROM outbox; INSERT INTO outbox SELECT * FROM old.outbox;
         DELETE FROM settings; INSERT INTO settings SELECT * FROM old.settings;",
    );
    world.link(0, Link::Connected);
    world.until("a new stream", |world| {
        world.daemons[0].core.stored.settings.account.clone().unwrap().stream != stream
    });
    world.send(0, "bob", "4").unwrap();
    world.until("all", quiet);
    assert_eq!(world.received(1), numbers(0..5));
}

#[test]
fn a_restored_database_that_sent_longer_texts_meanwhile_is_told_by_where_they_end() {
    let mut world = World::connected(2);
    world.send(0, "bob", "0").unwrap();
    world.send(0, "bob", "1").unwrap();
    world.until("all", quiet);
    // As if record 2 were the second of five, and not sent yet.
    world.sql(
        0,
        "DELETE FROM outbox WHERE first_seq = 2;
         INSERT INTO messages (direction, message_id, sender, recipient, peer, sender_name, body,
                               sent_at, state)
         VALUES ('out', '01ARZ3NDEKTSV4RRFFQ69G5FAV', 'alice', 'bob', 'bob', '', 'long', 0, 'queued');
         UPDATE outbox SET last_seq = 5, committed_at = NULL, message = last_insert_rowid()
         WHERE first_seq = 1;
         UPDATE settings SET next_seq = 6, committed_seq = 0;",
    );
    world.until("the long one", |world| world.server.texts.len() == 3);
    assert_eq!(world.daemons[0].core.stored.settings.next_seq.0, 6);
}

#[test]
fn a_long_queue_goes_out_in_order_over_a_restart() {
    let mut world = World::connected(2);
    world.online = false;
    for n in numbers(0..600) {
        world.queue(0, "bob", &n);
    }
    world.restart(0);
    world.online = true;
    world.until("half", |world| world.server.texts.len() > 100);
    world.restart(0);
    world.until("all", quiet);
    assert_eq!(world.stored_texts(), numbers(0..600));
    world.until("bob has all", |world| world.daemons[1].events.len() >= 600);
    assert_eq!(world.received(1), numbers(0..600));
}

#[test]
fn committed_rows_are_kept_within_their_bound() {
    let mut world = World::connected(2);
    world.limit(0, Limits { kept_bytes: 11_000, ..Limits::default() });
    world.link(0, Link::Connected);
    for _ in 0..8 {
        world.send(0, "bob", &"x".repeat(2_900)).unwrap();
    }
    world.pass(Duration::from_secs(3601));
    let rows =
        world.daemons[0].core.database.read().outbox_after(pychat_proto::Seq(0), 99).unwrap();
    assert_eq!(rows.len(), 3, "three of 3,4xx bytes, padded and sealed, fit 11,000");
    let keep_for = Duration::from_secs(60);
    world.limit(0, Limits { kept_for: keep_for, ..Limits::default() });
    world.pass(Duration::from_secs(1));
    let rows =
        world.daemons[0].core.database.read().outbox_after(pychat_proto::Seq(0), 99).unwrap();
    assert!(rows.is_empty(), "they are an hour old");
}
