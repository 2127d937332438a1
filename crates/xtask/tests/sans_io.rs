//! The protocol's `clippy.toml` refuses clocks, sockets, threads and global randomness: shown on a
//! crate that uses one of each.

use std::{fs, process::Command};

/// A line of code, and the path that clippy must refuse in it.
const OFFENCES: [(&str, &str); 10] = [
    ("let _ = std::time::Instant::now();", "std::time::Instant::now"),
    ("let _ = std::time::SystemTime::now();", "std::time::SystemTime::now"),
    ("let _ = std::net::UdpSocket::bind(\"[::1]:0\");", "std::net::UdpSocket::bind"),
    ("let _: Option<std::net::TcpStream> = None;", "std::net::TcpStream"),
    ("std::thread::spawn(|| ());", "std::thread::spawn"),
    ("std::thread::sleep(std::time::Duration::ZERO);", "std::thread::sleep"),
    ("let _ = std::collections::HashMap::<u8, u8>::new();", "std::collections::HashMap::new"),
    ("let _ = std::hash::RandomState::new();", "std::hash::RandomState"),
    ("let _ = std::env::var(\"HOME\");", "std::env::var"),
    ("let _ = std::fs::read(\"file\");", "std::fs::read"),
];

#[test]
fn the_protocols_lints_refuse_what_reads_the_world() {
    let lines: Vec<&str> = OFFENCES.iter().map(|(line, _)| *line).collect();
    let said = clippy(&lines.join("\n    "));
    for (line, path) in OFFENCES {
        let refused = said.lines().any(|said| {
            said.contains("use of a disallowed") && said.contains(&format!("`{path}`"))
        });
        assert!(refused, "clippy lets pass: {line}\n{said}");
    }
}

#[test]
fn what_computes_only_is_let_pass() {
    let said = clippy("let _ = std::time::Duration::from_secs(1) * 2;");
    assert!(!said.contains("disallowed"), "{said}");
}

/// What clippy says of a function with this body, under the protocol's configuration.
fn clippy(body: &str) -> String {
    let sample = tempfile::tempdir().expect("a temporary directory");
    let manifest = "[package]\nname = \"sample\"\nedition = \"2024\"\n[workspace]\n";
    fs::write(sample.path().join("Cargo.toml"), manifest).expect("writing the manifest");
    fs::create_dir(sample.path().join("src")).expect("making src");
    let code = format!("pub fn sample() {{\n    {body}\n}}\n");
    fs::write(sample.path().join("src/lib.rs"), code).expect("writing the code");
    let output = Command::new(env!("CARGO"))
        .args(["clippy", "--offline", "--target-dir", "target"])
        .current_dir(sample.path())
        .env("CLIPPY_CONF_DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/../pychat-proto"))
        .output()
        .expect("clippy starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "clippy runs to its end: {said}");
    said
}
