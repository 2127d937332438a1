//! Writes the beginnings of each target's corpus: `cargo run -p pychat-fuzz --example capture`.
//!
//! They come from the protocol's test vectors, from a simulated run, and from texts that programs
//! and people write. The same bytes come out each time, but for those of
//! packets with ML-KEM keys in them; what a fuzzer added is left alone.

use data_encoding::HEXLOWER;
use std::{fs, io, path::PathBuf};

/// Where the repository is.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn put(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let place = root().join("fuzz/corpus").join(target);
    fs::create_dir_all(&place)?;
    fs::write(place.join(name), bytes)
}

/// The test vectors of one file: names and bytes.
fn vectors(file: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let place = root().join("crates/pychat-proto/tests/vectors").join(file);
    let text = fs::read_to_string(place)?;
    let lines = text.lines().filter_map(|line| line.split_once(" = "));
    let decode = |hex: &str| HEXLOWER.decode(hex.as_bytes()).expect("vectors are hexadecimal");
    Ok(lines.map(|(name, hex)| (name.to_owned(), decode(hex))).collect())
}

/// Bytes with their length in front, as the targets read them.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a datagram");
    [&length.to_be_bytes(), bytes].concat()
}

fn main() -> io::Result<()> {
    let captured = pychat_fuzz::datagrams();
    for (name, bytes) in &captured {
        put("packet", name, bytes)?;
        // A known or a first contact's client, or a server, that hears it from a stranger.
        put("handshake", &format!("client_{name}"), &[&[0, 1][..], &sized(bytes)].concat())?;
        put("handshake", &format!("server_{name}"), &[&[2, 1][..], &sized(bytes)].concat())?;
        put("server", &format!("stranger_{name}"), &[&[0][..], &sized(bytes)].concat())?;
    }
    for (name, bytes) in vectors("version.txt")?.into_iter().chain(vectors("ik.txt")?) {
        if matches!(bytes.first(), Some(2 | 5 | 6)) && bytes.len() < 100 {
            put("packet", &name, &bytes)?;
        }
    }
    for (name, bytes) in vectors("frames.txt")? {
        // The sealed ones and the keys are no frames.
        if !name.contains("packet") && !name.contains("key") && !name.contains("phase") {
            put("frames", &name, &bytes)?;
            // From its own address, and again and again from a forged one.
            let (own, forged) =
                ([&[7][..], &sized(&bytes)].concat(), [&[10][..], &sized(&bytes)].concat());
            put("server", &format!("insider_{name}"), &[own, forged.repeat(3)].concat())?;
        }
    }
    for contact in [0, 1] {
        for forgery in [0, 8, 64] {
            let bytes = [&[4 | contact][..], &[forgery; 120]].concat();
            put("handshake", &format!("forged_{contact}_{forgery}"), &bytes)?;
        }
    }
    texts()?;
    acts()
}

/// What the network does, and what a disk does.
fn acts() -> io::Result<()> {
    for (name, acts) in [
        ("quiet", &[0x19, 0x1a, 3, 3, 3, 0x59, 3, 3][..]),
        ("lossy", &[3, 3, 0x19, 4, 0x2a, 4, 0x8b, 3, 4, 0x9b, 3, 3, 4]),
        ("reordered", &[3, 3, 0x49, 0x4a, 7, 0x15, 6, 0x25, 7, 3, 3]),
        ("moved", &[3, 3, 0x19, 0x1e, 0x2e, 3, 0x3e, 0x8b, 3]),
        ("asleep", &[3, 3, 0x19, 0xfc, 0xfc, 0xfc, 0x0f, 3, 3]),
    ] {
        for contact in [0, 1] {
            let bytes = [&[contact][..], &acts.repeat(8)].concat();
            put("session", &format!("{name}_{contact}"), &bytes)?;
        }
    }
    for target in ["daemon_db", "server_db"] {
        put(target, "whole", &[0, 0, 7, 0, 0, 0, 0])?;
        // One change: file, kind, and where: zeroed pages, flips, cuts.
        for kind in [0, 3, 4, 5, 6] {
            for (name, at) in [("header", 24_u16), ("middle", 0x2064), ("late", 0x7f03)] {
                let [high, low] = at.to_be_bytes();
                for (file, selector) in [("database", 0), ("log", 3)] {
                    let bytes = [0, selector, kind, 0, 0, high, low, 1, 0, 0, 0, 1];
                    put(target, &format!("{file}_{name}_{kind}"), &bytes)?;
                }
            }
        }
    }
    Ok(())
}

/// What programs and people write.
fn texts() -> io::Result<()> {
    let hello = r#"{"jsonrpc":"2.0","id":0,"method":"hello","params":{"client":"t","version":"0","protocol_min":1,"protocol_max":1}}"#;
    for (name, line) in [
        ("status", r#"{"jsonrpc":"2.0","id":1,"method":"status"}"#),
        (
            "send",
            r#"{"jsonrpc":"2.0","id":"a","method":"send","params":{"to":"bob","body":"hi","wait":"queued","timeout_ms":1}}"#,
        ),
        (
            "connect",
            r#"{"jsonrpc":"2.0","id":2,"method":"connect","params":{"user":"bob","name":"B","server":"pychat://h:1","timeout_ms":1}}"#,
        ),
        (
            "inbox",
            r#"{"jsonrpc":"2.0","id":3,"method":"inbox","params":{"limit":10,"since":"2026-01-31T12:00:00Z"}}"#,
        ),
        ("subscribe", r#"{"jsonrpc":"2.0","id":null,"method":"subscribe","params":{"after":0}}"#),
        ("trace", r#"{"jsonrpc":"2.0","method":"trace","params":{"id":"01"}}"#),
        ("batch", r#"[{"jsonrpc":"2.0"}]"#),
        (
            "answer",
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":6,"message":"m","data":{"name":"timed_out","hint":"h"}}}"#,
        ),
        (
            "event",
            r#"{"jsonrpc":"2.0","method":"event","params":{"cursor":1,"at":"2026-01-31T12:00:00Z","event":"state","id":"m","state":"read"}}"#,
        ),
    ] {
        put("control", name, format!("\u{20}{hello}\n{line}\n").as_bytes())?;
    }
    let default = pychat_server::config::DEFAULT_FILE;
    let key = "A".repeat(43);
    for (name, kind, text) in [
        ("server_default", 0, default.to_owned()),
        ("server_small", 0, "listen = ['[::]:7420']\nshards = 2\n[mailbox]\nmessages = 5\n".into()),
        ("server_invites", 0, "[registration]\npolicy = 'invite'\ninvites = []\n".into()),
        ("client", 1, "profile = 'work'\nserver = 'h'\ncolor = 'never'\ntimeout = '3s'\n".into()),
        ("link", 2, format!("pychat://[::1]:7#{key}")),
        ("link_host", 2, "chat.example.org:7000".into()),
        ("key", 2, key),
        ("name", 3, "alice".into()),
        ("display", 3, "Alice \u{202e}D\u{f6}e".into()),
        ("message_id", 3, "01JZZZZZZZZZZZZZZZZZZZZZZZ".into()),
    ] {
        put("config", name, &[&[kind][..], text.as_bytes()].concat())?;
    }
    Ok(())
}
