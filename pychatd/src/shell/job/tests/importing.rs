//! An import makes a profile whole or not at all.

use super::*;

#[test]
fn a_new_profile_is_there_whole_and_for_its_owner_alone() {
    let base = tempfile::tempdir().unwrap();
    let place = place(&base);
    assert_eq!(import_here(&place, &archive(3)).unwrap().messages, 3);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(place.state_dir()), 0o700);
        assert_eq!(mode(&place.state_dir().join(IDENTITY_FILE)), 0o600);
    }
    assert_whole(&place, 3);
    assert_eq!(names(&base), [place.state_dir()], "nothing else is left");
    drop(lock::try_acquire(&place).unwrap().expect("nobody holds it"));
}

#[test]
fn a_profile_that_nobody_used_makes_room() {
    let base = tempfile::tempdir().unwrap();
    let place = place(&base);
    unused(&place);
    import_here(&place, &archive(1)).unwrap();
    assert_whole(&place, 1);
    assert_eq!(names(&base), [place.state_dir()]);
    assert!(!place.daemon_file().exists());
}

#[test]
fn what_is_in_use_is_refused_and_left_alone() {
    let in_use = |prepare: &dyn Fn(&Place)| {
        let base = tempfile::tempdir().unwrap();
        let place = place(&base);
        prepare(&place);
        let before = names(&base);
        let fault = import_here(&place, &archive(1)).unwrap_err();
        assert_eq!(names(&base), before);
        (fault, base)
    };
    let dir = |place: &Place| {
        state_dir::prepare(place).unwrap();
        place.state_dir().to_owned()
    };
    let (fault, base) = in_use(&|place| drop(alices(&dir(place).join(DATABASE_FILE), 9)));
    let shown = fault.to_string().replace(&base.path().display().to_string(), "BASE");
    insta::assert_snapshot!(shown, @r"
    error: the profile alice is in use: it has a user
    hint: import into another one: pychatctl --profile NAME profile import FILE; or stop its daemon and move BASE/state/alice away
    ");
    let texts = Database::open(&place(&base).state_dir().join(DATABASE_FILE)).unwrap();
    assert_eq!(texts.read().unread_count().unwrap(), 9);

    let key = SecretKey::from_bytes([3; 32]);
    let (fault, _base) = in_use(&|place| {
        identity::load_or_create(&dir(place).join(IDENTITY_FILE), key.clone()).unwrap();
    });
    assert!(fault.message().contains("it has an identity"), "{fault}");
    let (fault, _base) = in_use(&|place| fs::write(dir(place).join("notes.txt"), "").unwrap());
    assert!(fault.message().contains("notes.txt is in its directory"), "{fault}");
    let (fault, _base) = in_use(&|place| {
        fs::write(dir(place).join("pychat.db.damaged-20260101T000000Z"), "").unwrap();
    });
    assert!(fault.message().contains("damaged"), "{fault}");
    let (fault, _base) = in_use(&|place| {
        fs::write(dir(place).join(DATABASE_FILE), "not a database, but who knows").unwrap();
    });
    assert!(fault.message().contains("in use"), "{fault}");
    let (fault, _base) = in_use(&|place| {
        fs::create_dir_all(place.state_dir().parent().unwrap()).unwrap();
        fs::write(place.state_dir(), "").unwrap();
    });
    assert!(fault.message().contains("something else is there"), "{fault}");
}

#[test]
fn a_daemon_that_begins_meanwhile_keeps_its_place() {
    let base = tempfile::tempdir().unwrap();
    let place = place(&base);
    let mut reach = |step| {
        if step == Step::MadeRoom {
            unused(&place);
        }
        Ok(())
    };
    let fault = import_at(&place, &archive(1), &mut reach).unwrap_err();
    assert!(fault.message().contains("came into being meanwhile"), "{fault}");
    assert_eq!(names(&base), [place.state_dir()]);
    assert!(place.daemon_file().exists());
}

#[test]
fn two_imports_at_once_do_not_disturb_each_other() {
    let base = tempfile::tempdir().unwrap();
    let place = place(&base);
    let mut other = None;
    let mut reach = |step| {
        if step == Step::Database {
            other = Some(import_here(&place, &archive(2)).unwrap_err());
        }
        Ok(())
    };
    import_at(&place, &archive(1), &mut reach).unwrap();
    assert_whole(&place, 1);
    let other = other.unwrap();
    assert!(
        other.message().contains("another import of the profile alice is under way"),
        "{other}"
    );
}

#[test]
fn a_failure_at_any_step_leaves_nothing_or_the_whole() {
    for (step, before) in STEPS.into_iter().flat_map(|step| [(step, false), (step, true)]) {
        let base = tempfile::tempdir().unwrap();
        let place = place(&base);
        if before {
            unused(&place);
        }
        let mut reach = |at| match at == step {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        };
        assert!(import_at(&place, &archive(2), &mut reach).is_err(), "{step:?}");
        match (step, before) {
            (Step::Placed, _) => assert_whole(&place, 2),
            (_, false) => assert_eq!(names(&base), [] as [PathBuf; 0], "{step:?}"),
            (_, true) => {
                assert_eq!(names(&base), [place.state_dir()], "{step:?}");
                assert!(place.daemon_file().exists(), "{step:?}: it is as it was");
            }
        }
    }
}

#[test]
fn a_crash_at_any_step_leaves_nothing_or_the_whole_and_the_next_import_works() {
    for (step, before) in STEPS.into_iter().flat_map(|step| [(step, false), (step, true)]) {
        let base = tempfile::tempdir().unwrap();
        let place = place(&base);
        if before {
            unused(&place);
        }
        // Nothing is tidied up on the way out of a panic, as in a crash.
        let mut reach = |at| match at == step {
            true => std::panic::resume_unwind(Box::new("crash")),
            false => Ok(()),
        };
        let crashed =
            catch_unwind(AssertUnwindSafe(|| import_at(&place, &archive(2), &mut reach).map(drop)));
        assert!(crashed.is_err(), "{step:?}");
        if step == Step::Placed {
            assert_whole(&place, 2);
            continue;
        }
        assert!(!before || step == Step::MadeRoom || place.daemon_file().exists(), "{step:?}");
        assert!(before || !place.state_dir().exists(), "{step:?}");
        import_here(&place, &archive(3)).unwrap();
        assert_whole(&place, 3);
        assert_eq!(names(&base), [place.state_dir()], "{step:?}");
    }
}

#[test]
fn a_file_cut_off_or_altered_anywhere_makes_nothing() {
    let base = tempfile::tempdir().unwrap();
    let place = place(&base);
    let whole = archive(0);
    for length in 0..whole.len() {
        assert!(import_here(&place, &whole[..length]).is_err(), "{length} bytes");
        assert_eq!(names(&base), [] as [PathBuf; 0], "{length} bytes");
    }
    for byte in 0..whole.len() {
        let mut altered = whole.clone();
        altered[byte] ^= 1 << (byte % 8);
        assert!(import_here(&place, &altered).is_err(), "byte {byte}");
        assert_eq!(names(&base), [] as [PathBuf; 0], "byte {byte}");
    }
    import_here(&place, &whole).unwrap();
}

#[test]
fn why_a_file_is_refused_is_told_with_what_to_do() {
    let base = tempfile::tempdir().unwrap();
    let place = place(&base);
    let whole = archive(0);
    let with = |archive: &[u8], text: &str| {
        let input = Path::new("a.age");
        let fault = import(&place, input, archive, &secret(text), Work::LITTLE, &mut |_| Ok(()));
        fault.unwrap_err()
    };
    let wrong = with(&whole, "y");
    assert_eq!(wrong.exit_code(), Fault::refused("").exit_code());
    let cut = with(&whole[..whole.len() - 1], "x");
    let other = with(b"SQLite format 3", "x");
    let fresh = Fresh { file_key: Zeroizing::new([1; 16]), salt: [2; 16], nonce: [3; 16] };
    let sealed = |text: &[u8]| {
        let mut sealer = age::encrypt(Vec::new(), &secret("x"), Work::LITTLE, &fresh).unwrap();
        sealer.write_all(text).unwrap();
        sealer.finish().unwrap()
    };
    let newer = with(&sealed(b"{\"format\":\"pychat-profile\",\"version\":7}\n"), "x");
    assert_eq!(newer.exit_code(), Fault::of(ErrorCode::VersionMismatch, "").exit_code());
    let content = with(&sealed(b"a poem\n"), "x");
    let all: String = [wrong, cut, other, newer, content].map(|it| it.to_string()).concat();
    insta::assert_snapshot!(all, @r"
    error: the file a.age cannot be used: the passphrase is wrong (or the beginning of the file is damaged)
    hint: nothing was written; try again with the passphrase that it was exported with
    error: the file a.age cannot be used: it is damaged or was cut off: its end is not what was written
    hint: nothing was written; use another copy of the file, or export the profile again
    error: the file a.age cannot be used: it is not an encrypted file of the age format
    hint: nothing was written; give a file made with `pychatctl profile export`
    error: the file a.age cannot be used: it was made by a newer version of PyChat (its form is 7, this version knows up to 1)
    hint: nothing was written; update pychatd and pychatctl here
    error: the file a.age cannot be used: it opens, but it holds no PyChat profile
    hint: nothing was written; give a file made with `pychatctl profile export`
    ");
    assert_eq!(names(&base), [] as [PathBuf; 0]);
}

#[test]
fn a_room_that_is_held_lets_no_daemon_begin() {
    let base = tempfile::tempdir().unwrap();
    let place = place(&base);
    unused(&place);
    let room = Room::find(&place).unwrap();
    assert!(lock::try_acquire(&place).unwrap().is_none());
    drop(room);
    assert!(lock::try_acquire(&place).unwrap().is_some());
}
