//! SQLite on a disk that is pulled at each of its steps.

use super::{Crash, Disk, Plug};
use pychat_testkit::dice::Dice;
use rusqlite::Connection;

const ROWS: i64 = 12;

/// Opens as our programs do: a write-ahead log, synced at each commit.
fn open(disk: &Disk) -> rusqlite::Result<Connection> {
    let connection = disk.open("test.db")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Often, so that checkpoints are interrupted too.
    connection.pragma_update(None, "wal_autocheckpoint", 3)?;
    connection.execute_batch("CREATE TABLE IF NOT EXISTS t(n INTEGER PRIMARY KEY, b BLOB)")?;
    Ok(connection)
}

/// Writes rows until the disk is pulled; answers the last one that was committed.
fn fill(disk: &Disk, from: i64) -> i64 {
    let Ok(connection) = open(disk) else { return from };
    for n in from + 1..=from + ROWS {
        if connection.execute("INSERT INTO t VALUES (?1, zeroblob(3000))", [n]).is_err() {
            return n - 1;
        }
    }
    from + ROWS
}

fn rows(disk: &Disk) -> i64 {
    let connection = open(disk).expect("it opens after a crash");
    let check: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("it is read");
    assert_eq!(check, "ok");
    let (count, last): (i64, i64) = connection
        .query_row("SELECT count(*), ifnull(max(n), 0) FROM t", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .expect("it is read");
    assert_eq!(count, last, "no gap");
    last
}

#[test]
fn what_was_committed_survives_a_crash_at_every_step() {
    let mut pulled = 0;
    for step in 0.. {
        for (seed, crash, done) in [
            (1, Crash::Kill, false),
            (2, Crash::Kill, true),
            (3, Crash::PowerCut, false),
            (4, Crash::PowerCut, true),
            (5, Crash::PowerCut, true),
        ] {
            let disk = Disk::new(Dice::new(seed * 1000 + step));
            disk.plug(Plug { after: step, done, crash });
            let told = fill(&disk, 0);
            if !disk.is_pulled() {
                assert!(step > 40, "{step} steps are too few for {ROWS} commits");
                assert!(pulled > 200);
                return;
            }
            pulled += 1;
            assert_eq!(disk.restart(), Some(crash));
            let found = rows(&disk);
            assert!(
                found == told || found == told + 1,
                "step {step}, {crash:?}, seed {seed}: told {told}, found {found}"
            );
            // And it goes on from there.
            assert_eq!(fill(&disk, found), found + ROWS);
        }
    }
}

#[test]
fn without_syncs_a_power_cut_loses_what_was_told() {
    let mut lost = 0;
    for seed in 0..20 {
        let disk = Disk::new(Dice::new(seed));
        {
            let connection = open(&disk).expect("it opens");
            connection.pragma_update(None, "synchronous", "OFF").expect("a setting");
            for n in 1..=ROWS {
                connection.execute("INSERT INTO t VALUES (?1, NULL)", [n]).expect("it is written");
            }
            disk.pull(Crash::PowerCut);
        }
        disk.restart();
        let connection = open(&disk);
        let found = connection.and_then(|connection| {
            connection.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))
        });
        lost += u32::from(found != Ok(ROWS));
    }
    assert!(lost > 5, "{lost}: a check that cannot fail");
}

#[test]
fn a_full_disk_refuses_and_has_room_again() {
    let disk = Disk::new(Dice::new(1));
    assert_eq!(fill(&disk, 0), ROWS);
    disk.set_room(Some(0));
    let connection = open(&disk).expect("it is there already");
    let error = connection.execute("INSERT INTO t VALUES (99, zeroblob(100000))", []);
    let code = error.expect_err("no room").sqlite_error_code();
    assert_eq!(code, Some(rusqlite::ErrorCode::DiskFull));
    disk.set_room(None);
    connection.execute("INSERT INTO t VALUES (13, zeroblob(100000))", []).expect("there is room");
    drop(connection);
    assert_eq!(rows(&disk), ROWS + 1);
}

#[test]
fn a_failed_sync_fails_the_commit_and_the_next_one_stands() {
    for seed in 0..50 {
        let disk = Disk::new(Dice::new(seed));
        let connection = open(&disk).expect("it opens");
        connection.execute("INSERT INTO t VALUES (1, NULL)", []).expect("it is written");
        disk.fail_syncs(1);
        assert!(connection.execute("INSERT INTO t VALUES (2, NULL)", []).is_err(), "seed {seed}");
        assert!(disk.has_failed());
        connection.execute("INSERT INTO t VALUES (2, zeroblob(9))", []).expect("it is written");
        disk.pull(Crash::PowerCut);
        drop(connection);
        disk.restart();
        assert_eq!(rows(&disk), 2, "seed {seed}");
    }
}

#[test]
fn the_worst_case_holds_what_was_committed_and_is_a_copy() {
    let disk = Disk::new(Dice::new(1));
    let connection = open(&disk).expect("it opens");
    connection.execute("INSERT INTO t VALUES (1, NULL)", []).expect("it is written");
    let worst = disk.worst();
    assert_eq!(rows(&worst), 1);
    assert_eq!(fill(&worst, 1), 1 + ROWS);
    drop(connection);
    assert_eq!(rows(&disk), 1);
}
