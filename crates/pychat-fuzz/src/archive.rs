//! Target `archive`: a profile's archive, as somebody else wrote it or a disk damaged it.

use crate::{damage::scratch, source::Source};
use pychatd::{
    archive::{
        Content, ImportError, Limits, Lines, ReadError,
        age::{self, Fresh, Passphrase, Work},
        unpack, write,
    },
    db::{Database, identity},
    run::{DATABASE_FILE, IDENTITY_FILE},
};
use std::{
    io::{Cursor, Read, Write},
    sync::OnceLock,
};
use zeroize::Zeroizing;

/// Lines that are accepted make a profile that is exported as it was imported; the others are refused.
/// An encrypted file that is altered in anything does not open.
pub fn archive(data: &[u8]) {
    let mut source = Source::new(data);
    match source.u8() & 1 {
        0 => lines(source.rest()),
        _ => sealed(&mut source),
    }
}

fn lines(lines: &[u8]) {
    let Some(once) = through_a_database(lines) else { return };
    let twice = through_a_database(&once).expect("what is exported can be imported");
    assert!(once == twice, "an export changes by being imported");
}

/// Imports, and exports again.
fn through_a_database(lines: &[u8]) -> Option<Vec<u8>> {
    let directory = scratch();
    let opened = Lines::open(lines, Limits::default());
    let opened = opened.map_err(|error| check(&error)).ok()?;
    match unpack(directory.path(), opened, pychat_proto::StreamId([1; 16]), &mut |_| Ok(())) {
        Ok(_) => {}
        // A text that is there twice; or what is no archive.
        Err(ImportError::Database(_)) => return None,
        Err(ImportError::Read(error)) => {
            check(&error);
            return None;
        }
        Err(error) => panic!("{error:?}"),
    }
    let mut database =
        Database::open(&directory.path().join(DATABASE_FILE)).expect("a new database");
    let identity = identity::load(&directory.path().join(IDENTITY_FILE)).expect("a new identity");
    let snapshot = database.snapshot().expect("a good database");
    let content = Content { reader: snapshot.read(), identity: &identity, exported_at: "" };
    let mut exported = Vec::new();
    write(&content, &mut exported).expect("a good database");
    Some(exported)
}

/// Memory does not fail, and nothing was sealed.
fn check(error: &ReadError) {
    assert!(!matches!(error, ReadError::Io(_) | ReadError::Decrypt(_)), "{error:?}");
}

fn sealed(source: &mut Source<'_>) {
    let whole = template();
    let mut altered = whole.clone();
    for _ in 0..=source.below(3) {
        alter(&mut altered, source);
    }
    let opened = open(&altered);
    assert_eq!(opened.is_some(), altered == *whole, "{} bytes", altered.len());
}

fn open(file: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let opener = age::decrypt(Cursor::new(file), &passphrase(), Work::LITTLE).ok();
    opener?.read_to_end(&mut content).ok()?;
    Some(content)
}

fn alter(bytes: &mut Vec<u8>, source: &mut Source<'_>) {
    let kind = source.below(4);
    let at = source.below(bytes.len());
    match kind {
        0 => bytes.truncate(at),
        1 => {
            let mask = source.u8();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= mask;
            }
        }
        2 => {
            let more = source.bytes(64);
            bytes.splice(at..at, more.iter().copied());
        }
        _ => {
            let end = (at + source.below(64)).min(bytes.len());
            bytes.drain(at..end);
        }
    }
}

fn passphrase() -> Passphrase {
    Passphrase::new(Zeroizing::new(b"x".to_vec())).expect("a passphrase")
}

/// Two chunks and a part of one.
fn template() -> &'static Vec<u8> {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let fresh = Fresh { file_key: Zeroizing::new([1; 16]), salt: [2; 16], nonce: [3; 16] };
        let sealer = age::encrypt(Vec::new(), &passphrase(), Work::LITTLE, &fresh);
        let mut sealer = sealer.expect("memory takes it");
        sealer.write_all(&vec![7; 140_000]).expect("memory takes it");
        sealer.finish().expect("memory takes it")
    })
}
