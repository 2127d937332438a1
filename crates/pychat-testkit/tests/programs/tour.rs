//! The tour, from its first command to its last, as it stands there.

use crate::page::{blocks, command, desk, done};
use pychat_testkit::harness::Profile;
use std::{fs, net::UdpSocket, process::Stdio};

#[test]
fn the_tour_goes_as_it_stands() {
    let home = Profile::new("home");
    // As the page has it, but on a port that nobody else has.
    let free = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let listen = format!("listen = [\"{}\"]\n", free.expect("a free port"));
    let config = desk(&home).join("server.toml");
    fs::write(&config, listen).expect("a file can be written in our own directory");

    let mut script = String::from("set -eu\n");
    for block in blocks("TOUR.md").iter().filter(|block| block.language == "sh") {
        script += &format!("echo '## {}'\n{}", block.heading, block.code);
    }
    // A file, since the server would keep a pipe open if a step failed.
    let said = fs::File::create(desk(&home).join("said")).expect("a file can be made");
    let errors = said.try_clone().expect("a file can be shared");
    let mut shell = command(&home, "sh", &["-c", &script]);
    shell.env("PYCHAT_SERVER_CONFIG", &config).stdout(said).stderr(errors);
    let status = shell.status().expect("there is a shell");
    let said = fs::read_to_string(desk(&home).join("said")).expect("it is there");
    assert!(status.success(), "{said}");
    for expected in [
        "exit code 6\n",
        "Bring the book, please.",
        "verified: the key",
        "from ann\n",
        "ok    login     ann at 127.0.0.1",
    ] {
        assert!(said.contains(expected), "no {expected:?} in:\n{said}");
    }
    assert!(!home.state().with_file_name("ann").exists(), "it cleans up");
}

#[test]
fn shellcheck_finds_nothing_in_the_tour() {
    let profile = Profile::new("home");
    let code = blocks("TOUR.md").into_iter().filter(|block| block.language == "sh");
    let code: String = code.map(|block| block.code).collect();
    let file = desk(&profile).join("tour.sh");
    fs::write(&file, format!("#!/bin/sh\n{code}")).expect("a file can be written");
    let mut check = command(&profile, "shellcheck", &[]);
    check.arg(&file).stdin(Stdio::null());
    if check.status().is_err() {
        println!("skipped: there is no shellcheck");
        return;
    }
    let output = done(&mut check);
    assert_eq!(output.code, 0, "{output}");
}
