//! What comes through, what stays behind, and how a new machine begins.

use super::*;

#[test]
fn everything_of_a_person_comes_through() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut old = alices(&from.path().join(DATABASE_FILE));
    let (lines, told) = export(&mut old);
    let told_again = import(&lines, to.path()).unwrap();
    assert_eq!((told.contacts, told.messages, told.unread, told.waiting), (3, 11, 2, 4));
    assert!(told.wants_link && !told_again.wants_link);
    assert_eq!(told_again, Archived { wants_link: false, ..told });

    let identity = identity::load(&to.path().join(IDENTITY_FILE)).unwrap();
    assert_eq!(identity.as_bytes(), identity_key().as_bytes());
    let new = Database::open(&to.path().join(DATABASE_FILE)).unwrap();
    assert_eq!(contacts(&new), contacts(&old));
    assert_eq!(kept(&new), kept(&old));
    let all = Slice { limit: 100, ..Slice::default() };
    assert_eq!(new.read().unread(&all).unwrap().len(), 2);
    assert_eq!(new.read().keyed("key-1").unwrap().unwrap().id, id(1));
}

#[test]
fn a_new_machine_begins_where_no_mail_is_missed() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (lines, _) = export(&mut alices(&from.path().join(DATABASE_FILE)));
    import(&lines, to.path()).unwrap();
    let database = Database::open(&to.path().join(DATABASE_FILE)).unwrap();
    let stored = database.read().stored().unwrap();
    let settings = stored.settings;
    assert_eq!((settings.cursor, settings.committed), (Cursor::NONE, Seq::NONE));
    assert_eq!(settings.next_seq, Seq(1));
    assert!(!settings.wants_link, "it does not take the other machine's place by itself");
    assert_eq!((settings.rtt_hint, settings.other_machine_at), (None, None));
    let account = settings.account.unwrap();
    assert_eq!(account.stream, NEW_STREAM);
    assert!(account.logged_in);
    assert_eq!(stored.device, None, "keys of a machine stay there");
    assert_eq!(database.read().count_queued().unwrap(), 0);
}

#[test]
fn what_was_to_be_sent_waits_to_be_sealed_anew() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (lines, _) = export(&mut alices(&from.path().join(DATABASE_FILE)));
    import(&lines, to.path()).unwrap();
    let database = Database::open(&to.path().join(DATABASE_FILE)).unwrap();
    let waiting = database.read().waiting_for(&user("bob"), 100).unwrap();
    let of = |number| database.read().outgoing(id(number)).unwrap().unwrap().row;
    let expected = [
        (of(6), Some(1 << 40)),
        (of(7), Some(1 << 41)),
        // It may be at the server already.
        (of(8), None),
        // Its recipient asked for it again.
        (of(9), None),
    ];
    let found: Vec<_> = waiting.iter().map(|it| (it.message, it.expires_at)).collect();
    assert_eq!(found, expected);
    assert_eq!(database.read().stored().unwrap().queued, 4);
}

#[test]
fn what_could_not_be_opened_is_asked_for_from_the_new_machine() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (lines, _) = export(&mut alices(&from.path().join(DATABASE_FILE)));
    import(&lines, to.path()).unwrap();
    let database = Database::open(&to.path().join(DATABASE_FILE)).unwrap();
    assert!(database.read().has_unopened(&user("carol")).unwrap());
    let mut all = Vec::new();
    let each = |row| {
        all.push(row);
        Ok::<_, WriteError>(())
    };
    database.read().each_unopened(each).unwrap();
    assert_eq!(all, [UnopenedRow { sender: user("carol"), id: id(200), tries: 2, at: 78 }]);
}

#[test]
fn an_imported_profile_can_be_exported_again() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, _) = export(&mut alices(&from.path().join(DATABASE_FILE)));
    import(&first, to.path()).unwrap();
    let (second, _) = export(&mut Database::open(&to.path().join(DATABASE_FILE)).unwrap());
    assert_eq!(String::from_utf8(second).unwrap(), String::from_utf8(first).unwrap());
}

#[test]
fn the_form_of_the_lines_stays() {
    let version = format!("\"pychat\":\"{}\"", env!("CARGO_PKG_VERSION"));
    let (now, then) = (lines(), include_str!("../form_1.jsonl"));
    let (now, then): (Vec<&str>, Vec<&str>) =
        (now.iter().map(String::as_str).collect(), then.lines().collect());
    assert_eq!(now[0].replace(&version, "\"pychat\":\"0.1.0\""), then[0]);
    assert_eq!(now[1..], then[1..]);
}

#[test]
fn there_is_nothing_to_export_without_an_account() {
    let mut database = Database::in_memory().unwrap();
    let snapshot = database.snapshot().unwrap();
    let (identity, mut out) = (identity_key(), Vec::new());
    let content = Content { reader: snapshot.read(), identity: &identity, exported_at: "" };
    assert!(matches!(write(&content, &mut out), Err(WriteError::NoAccount)));
    assert!(out.is_empty());
}

#[test]
fn an_export_is_of_one_moment_whatever_is_written_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(DATABASE_FILE);
    let mut daemons = alices(&path);
    let mut beside = Database::open_beside(&path).unwrap();
    let snapshot = beside.snapshot().unwrap();
    incoming(&mut daemons, 100, None);
    let identity = identity_key();
    let content = Content { reader: snapshot.read(), identity: &identity, exported_at: "" };
    assert_eq!(write(&content, &mut Vec::new()).unwrap().messages, 11);
    drop(snapshot);
    assert_eq!(export(&mut beside).1.messages, 12);
}

#[test]
fn one_text_twice_is_damage_and_not_a_panic() {
    let to = tempfile::tempdir().unwrap();
    let mut lines = lines();
    let last = lines.len() - 1;
    lines.insert(7, lines[6].clone());
    lines[last + 1] = lines[last + 1].replace("\"messages\":11", "\"messages\":12");
    let error = import(&joined(&lines), to.path()).unwrap_err();
    assert!(matches!(error, ImportError::Database(_)), "{error}");
}

#[test]
fn a_step_that_fails_ends_the_import() {
    let lines = joined(&lines());
    for at in [Step::Begun, Step::Identity, Step::Database, Step::Synced] {
        let to = tempfile::tempdir().unwrap();
        let mut reach = |step| match step == at {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        };
        let lines = Lines::open(&lines[..], Limits::default()).unwrap();
        let error = unpack(to.path(), lines, NEW_STREAM, &mut reach).unwrap_err();
        assert!(matches!(error, ImportError::Io(_)), "{at:?}: {error}");
    }
}

#[test]
fn the_longest_text_fits_a_line_whatever_it_holds() {
    let directory = tempfile::tempdir().unwrap();
    let mut database = alices(&directory.path().join("d"));
    let body = "\u{1}".repeat(TEXT_BYTES_MAX);
    database
        .write(|tx| {
            tx.insert_outgoing(&Outgoing {
                id: id(250),
                sender: &user("alice"),
                sender_name: &name("A"),
                recipient: &user(&"b".repeat(32)),
                body: &body,
                sent_at: u64::MAX >> 1,
                client_key: Some(&"\u{1f600}".repeat(64)),
            })
        })
        .unwrap();
    let (lines, _) = export(&mut database);
    let last = entries(&lines, Limits::default()).unwrap().pop().unwrap();
    let Entry::Message(kept) = last else { panic!("{last:?}") };
    assert_eq!((kept.row.body, kept.row.direction), (body, Direction::Out));
    assert_eq!(kept.waits, Some(Waits { expires_at: None }));
}
