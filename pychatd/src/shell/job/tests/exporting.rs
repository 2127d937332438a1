//! An archive is written whole, beside a daemon or without one.

use super::*;

#[test]
fn an_export_works_beside_a_daemon_and_without_one() {
    let base = tempfile::tempdir().unwrap();
    let place = place(&base);
    let file = base.path().join("a.age");
    let nothing = export::run(&place, &file, false, &secret("x")).unwrap_err();
    assert!(nothing.message().contains("has no user yet"), "{nothing}");
    assert!(!place.state_dir().exists(), "nothing is made by asking");

    unused(&place);
    let nothing = export::run(&place, &file, false, &secret("x")).unwrap_err();
    assert!(nothing.message().contains("has no user yet"), "{nothing}");
    let database = alices(&place.state_dir().join(DATABASE_FILE), 4);
    let held = lock::acquire(&place).unwrap();
    assert_eq!(export::run(&place, &file, false, &secret("x")).unwrap().unread, 4);
    drop((held, database));
    let again = export::run(&place, &file, false, &secret("x")).unwrap_err();
    assert_eq!(again.exit_code(), Fault::refused("").exit_code());
    assert!(again.to_string().contains("--force"), "{again}");
    assert_eq!(export::run(&place, &file, true, &secret("y")).unwrap().unread, 4);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    let left: Vec<_> = fs::read_dir(base.path()).unwrap().map(|it| it.unwrap().path()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_file_that_is_not_finished_has_no_name() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a.age");
    let mut target = Target::new(&path, false).unwrap();
    target.file().write_all(b"half").unwrap();
    assert!(!path.exists());
    drop(target);
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    // Somebody else takes the name meanwhile.
    let mut target = Target::new(&path, false).unwrap();
    target.file().write_all(b"ours").unwrap();
    fs::write(&path, "theirs").unwrap();
    assert!(target.publish().unwrap_err().message().contains("is there already"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    let bad = Target::new(Path::new("/nonexistent/a.age"), false).unwrap_err();
    assert!(bad.message().contains("cannot be written"), "{bad}");
    assert!(Target::new(Path::new("/"), true).is_err());
}

#[test]
fn the_passphrase_is_the_first_line_and_what_follows_is_left() {
    let mut input = &b"correct horse\nage-encryption.org"[..];
    assert!(passphrase(&mut input).is_ok());
    assert_eq!(input, b"age-encryption.org");
    for bad in [&b""[..], b"\n", &[b'x'; Passphrase::BYTES_MAX + 1]] {
        let fault = passphrase(&mut &bad[..]).map(drop).unwrap_err();
        assert_eq!(fault.exit_code(), Fault::usage("").exit_code());
    }
}
