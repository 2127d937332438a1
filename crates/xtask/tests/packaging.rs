//! The scripts of the packages: what the archive's one puts in place it takes away again.

#![cfg(unix)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

const PACKAGING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging");

/// What stands for an archive's files, with what is in them.
const FILES: [(&str, &str); 6] = [
    ("bin/pychatctl", "a program"),
    ("bin/pychat-server", "a program"),
    ("lib/systemd/system/pychat-server.service", "ExecStart=/usr/bin/pychat-server --data %S\n"),
    ("lib/systemd/user/pychatd.service", "ExecStart=/usr/bin/pychatd --foreground\n"),
    ("share/man/man1/pychatctl.1.gz", "a page"),
    ("share/pychat-server/environment", "PYCHAT_SERVER_HOST=chat.example.org\n"),
];

/// An unpacked archive in a directory whose name has a blank.
fn unpacked(directory: &Path) -> PathBuf {
    let archive = directory.join("an archive");
    for (file, text) in FILES {
        let file = archive.join(file);
        fs::create_dir_all(file.parent().expect("it lies in a directory")).expect("room");
        fs::write(&file, text).expect("room");
    }
    let program = fs::Permissions::from_mode(0o755);
    fs::set_permissions(archive.join("bin/pychatctl"), program).expect("it is ours");
    fs::copy(Path::new(PACKAGING).join("install.sh"), archive.join("install.sh")).expect("room");
    archive
}

fn install(archive: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new("sh");
    let output = command.arg(archive.join("install.sh")).args(arguments).output();
    let output = output.expect("a shell starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// All files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn what_is_installed_is_taken_away_again_and_nothing_else() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let archive = unpacked(directory.path());
    let prefix = directory.path().join("pre fix");
    fs::create_dir(&prefix).expect("room");
    fs::write(prefix.join("mine"), "").expect("room");
    let arguments = ["--prefix", prefix.to_str().expect("an ordinary name")];
    for _ in 0..2 {
        let (done, said) = install(&archive, &arguments);
        assert!(done, "{said}");
        assert_eq!(files(&prefix).len(), FILES.len() + 1, "{:?}", files(&prefix));
    }
    let (done, said) = install(&archive, &[&arguments[..], &["--uninstall"]].concat());
    assert!(done, "{said}");
    assert_eq!(files(&prefix), [prefix.join("mine")]);
}

#[test]
fn units_name_the_programs_where_they_were_put_and_secrets_are_not_shown() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let archive = unpacked(directory.path());
    let prefix = directory.path().join("prefix");
    let (done, said) = install(&archive, &["--prefix", prefix.to_str().expect("a name")]);
    assert!(done, "{said}");
    let unit = fs::read_to_string(prefix.join("share/systemd/user/pychatd.service"));
    let expected = format!("ExecStart={}/bin/pychatd --foreground\n", prefix.display());
    assert_eq!(unit.expect("the unit is where systemd looks"), expected);
    let mode = |file: &str| {
        fs::metadata(prefix.join(file)).expect("it is there").permissions().mode() & 0o777
    };
    assert_eq!(mode("bin/pychat-server"), 0o755);
    assert_eq!(mode("share/pychat-server/environment"), 0o600);
    assert_eq!(mode("share/man/man1/pychatctl.1.gz"), 0o644);
}

#[test]
fn a_wrong_call_installs_nothing_and_says_what_to_do() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let archive = unpacked(directory.path());
    for arguments in [&["--prefix"][..], &["--uninstal"]] {
        let (done, said) = install(&archive, arguments);
        assert!(!done && said.contains("error: ") && said.contains("hint: "), "{said}");
    }
    let empty = directory.path().join("empty");
    fs::create_dir(&empty).expect("room");
    fs::copy(archive.join("install.sh"), empty.join("install.sh")).expect("room");
    let (done, said) = install(&empty, &[]);
    assert!(!done && said.contains("holds no PyChat"), "{said}");
}

#[test]
fn shellcheck_finds_nothing() {
    let Ok(version) = Command::new("shellcheck").arg("--version").output() else { return };
    assert!(version.status.success());
    let scripts: Vec<PathBuf> = files(Path::new(PACKAGING))
        .into_iter()
        .filter(|file| fs::read(file).is_ok_and(|text| text.starts_with(b"#!/bin/sh")))
        .collect();
    assert!(scripts.len() >= 3, "install.sh and Debian's: {scripts:?}");
    let output = Command::new("shellcheck").args(scripts).output().expect("it can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
