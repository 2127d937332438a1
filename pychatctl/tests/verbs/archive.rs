//! `profile export` and `profile import`: what is passed on to the daemon's program, and what of its
//! words to the person.

use crate::run::{Home, Said, said};
use std::{fs, io::Write, os::unix::fs::PermissionsExt, path::Path, process::Stdio};

/// A daemon's program that writes down what it is given, and says this.
fn program(home: &Home, says: &str, code: u8) -> String {
    let given = home.path().display();
    let script = format!(
        "#!/bin/sh\nfor word; do echo \"$word\"; done > {given}/words\ncat > {given}/input\n\
         cat >&2 <<'END'\n{says}\nEND\nexit {code}\n"
    );
    let path = home.write("fake-pychatd", &script);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn run(home: &Home, program: &str, words: &[&str], input: &[u8]) -> Said {
    let mut command = home.command(words);
    let mut child = command.env("PYCHATD", program).stdin(Stdio::piped()).spawn().unwrap();
    // The program may end before it took everything.
    let _ = child.stdin.take().unwrap().write_all(input);
    said(child.wait_with_output().unwrap())
}

fn given(home: &Home, name: &str) -> String {
    fs::read_to_string(home.path().join(name)).unwrap()
}

const REPORT: &str = r#"report: {"user":"alice","name":"Alice Doe","server":"pychat://h:7420#k","exported_at":"2026-01-31T11:55:00.000Z","contacts":12,"messages":1204,"unread":3,"waiting":2,"wants_link":true}"#;

#[test]
fn an_export_passes_the_passphrase_by_standard_input_alone() {
    let home = Home::new();
    let program = program(&home, REPORT, 0);
    let said =
        run(&home, &program, &["profile", "export", "-x.age", "--force"], b"correct horse\nx");
    assert_eq!(said.code, Some(2), "a name that looks like an option");
    let words = ["profile", "export", "--force", "--", "-x.age"];
    let said = run(&home, &program, &words, b"correct horse\nx");
    insta::assert_snapshot!(said.out, @"exported alice at h:7420: 1204 messages (3 unread), 12 contacts, 2 to be sent
");
    insta::assert_snapshot!(said.err, @r"
    Whoever has the file and its passphrase can be this user. Without the passphrase it is of
    no use to anybody.
    What is to be sent goes out from each machine that connects, and arrives once.
    This profile stays connected: what arrives here from now on is not in the file. To move
    to another machine, run `pychatctl disconnect` first, then export.
    ");
    assert_eq!(given(&home, "input"), "correct horse\n");
    let words = given(&home, "words");
    assert!(words.starts_with("--profile\ndefault\n--state-dir\n"), "{words}");
    assert!(words.ends_with("\nprofile-export\n--force\n--\n-x.age\n"), "{words}");
}

#[test]
fn an_import_says_how_to_go_on() {
    let home = Home::new();
    let program = program(&home, REPORT, 0);
    let words = ["--profile", "work", "profile", "import", "a.age"];
    let said = run(&home, &program, &words, b"correct horse\n");
    assert!(said.out.starts_with("imported alice at h:7420: 1204 messages"), "{}", said.out);
    assert!(said.err.ends_with("  pychatctl --profile work connect alice 'Alice Doe'\n"));
    assert!(given(&home, "words").ends_with("\nprofile-import\n--\na.age\n"));

    let json = run(&home, &program, &["profile", "import", "a.age", "--json"], b"x\n");
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["messages"], 1204);
    assert_eq!(json["next"], "pychatctl connect alice 'Alice Doe'");
    let quiet = run(&home, &program, &["profile", "import", "a.age", "--quiet"], b"x\n");
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
}

#[test]
fn an_archive_from_standard_input_follows_the_passphrase_of_a_file() {
    let home = Home::new();
    let program = program(&home, REPORT, 0);
    let secret = home.write("secret", "correct horse\nanother line\n").display().to_string();
    let words = ["profile", "import", "-", "--passphrase-file", &secret];
    assert_eq!(run(&home, &program, &words, b"age\0file").code, Some(0));
    assert_eq!(given(&home, "input"), "correct horse\nage\0file");
}

#[test]
fn what_the_program_says_is_passed_on_with_its_code() {
    for code in [1, 2, 9, 10] {
        let home = Home::new();
        let program = program(&home, "error: the file a.age is odd\nhint: try another one", code);
        let said = run(&home, &program, &["profile", "import", "a.age"], b"x\n");
        assert_eq!(said.code, Some(code.into()));
        assert_eq!(said.err, "error: the file a.age is odd\nhint: try another one\n");
        assert_eq!(said.out, "");
    }
    let home = Home::new();
    let silent = program(&home, "panicked", 101);
    let said = run(&home, &silent, &["profile", "import", "a.age"], b"x\n");
    insta::assert_snapshot!(said.err, @"error: pychatd ended with exit status: 101
");
    // It ended well and did not say what it did: it is another program.
    let other = program(&home, "hello", 0);
    let said = run(&home, &other, &["profile", "export", "a.age"], b"x\n");
    assert_eq!(said.code, Some(1), "{}", said.err);
}

#[test]
fn what_is_no_passphrase_is_told_before_anything_else() {
    let home = Home::new();
    let program = program(&home, REPORT, 0);
    let refused = |words: &[&str], input: &[u8]| {
        let said = run(&home, &program, words, input);
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(!home.path().join("words").exists(), "nothing was started");
        said.err
    };
    let export = ["profile", "export", "a.age"];
    assert_eq!(refused(&export, b""), "error: the passphrase is empty\n");
    assert_eq!(refused(&export, b"\nx\n"), "error: the passphrase is empty\n");
    let long = [b'x'; 1025];
    assert_eq!(refused(&export, &long), "error: the passphrase has more than 1024 bytes\n");
    let missing =
        run(&home, &program, &["profile", "export", "a", "--passphrase-file", "/no"], b"");
    assert_eq!(missing.code, Some(1));
    insta::assert_snapshot!(missing.err, @"error: the passphrase file /no cannot be read: No such file or directory (os error 2)
");
}

#[test]
fn without_the_program_it_is_told_what_to_install() {
    let home = Home::new();
    let said = run(&home, "/nonexistent/pychatd", &["profile", "export", "a.age"], b"x\n");
    assert_eq!(said.code, Some(3));
    assert!(said.err.contains("hint: install pychatd beside pychatctl"), "{}", said.err);
    assert!(!Path::new("a.age").exists());
}

#[test]
fn the_help_shows_a_backup_and_a_move() {
    let home = Home::new();
    let help = |verb| {
        let said = home.run(&["profile", verb, "-h"]);
        let wide = said.out.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wide, None);
        said.out
    };
    insta::assert_snapshot!(help("export"), @r"
    Write the profile into an encrypted file: a backup, or a move to another machine

    Usage: pychatctl profile export [OPTIONS] <FILE>

    Arguments:
      <FILE>  The file to write; `-` is standard output

    Options:
          --force                   Overwrite the file, if it is there
          --passphrase-file <FILE>  Take the first line of this file as the passphrase [default: ask for
                                    it]
      -h, --help                    Print help (see more with '--help')

    In the file are the identity, the server, the people known by key, and all
    messages; those that wait to be sent go out from the machine that imports it.
    It is an age file (age-encryption.org) of JSON lines: age -d FILE | jq

    A move; nothing arrives here any more after the first command:
      pychatctl disconnect
      pychatctl profile export - | ssh laptop 'cat > pychat.age'
      ssh -t laptop pychatctl profile import pychat.age

    Examples:
      pychatctl profile export ~/pychat.age
      # for cron
      pychatctl profile export ~/pychat.age --force --passphrase-file ~/secret
    ");
    insta::assert_snapshot!(help("import"), @r"
    Make a profile of a file that `profile export` wrote

    Usage: pychatctl profile import [OPTIONS] <FILE>

    Arguments:
      <FILE>  The file to read; `-` is standard input

    Options:
          --passphrase-file <FILE>  Take the first line of this file as the passphrase [default: ask for
                                    it]
      -h, --help                    Print help (see more with '--help')

    The profile must not be in use yet. It is not connected before you say so: a
    server serves an identity on one machine at a time.

    Examples:
      pychatctl profile import ~/pychat.age
      pychatctl --profile work profile import ~/work.age
    ");
}
