//! What is sealed opens whole or not at all; and it is the format that other programs know.

use super::{
    DamagedHeader, DecryptError, Fresh, Passphrase, PassphraseError, Work, decrypt, encrypt,
    header::LINE_BYTES_MAX, stream::CHUNK_BYTES,
};
use std::io::{Cursor, Read, Write};
use zeroize::Zeroizing;

const CONTENT: &[u8] = b"to be or not to be";

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.into())).unwrap()
}

fn fresh() -> Fresh {
    Fresh { file_key: Zeroizing::new([1; 16]), salt: [2; 16], nonce: [3; 16] }
}

fn seal_with(content: &[u8], work: Work) -> Vec<u8> {
    let mut sealer = encrypt(Vec::new(), &passphrase("correct horse"), work, &fresh()).unwrap();
    sealer.write_all(content).unwrap();
    sealer.finish().unwrap()
}

fn seal(content: &[u8]) -> Vec<u8> {
    seal_with(content, Work::LITTLE)
}

fn open_with(file: &[u8], text: &str, work_max: Work) -> Result<Vec<u8>, DecryptError> {
    let mut content = Vec::new();
    decrypt(Cursor::new(file), &passphrase(text), work_max)?.read_to_end(&mut content)?;
    Ok(content)
}

fn open(file: &[u8]) -> Result<Vec<u8>, DecryptError> {
    open_with(file, "correct horse", Work::LITTLE)
}

/// The same header with another line in the place of `number`, counted from 0.
fn with_line(number: usize, line: &str) -> Vec<u8> {
    let file = seal(CONTENT);
    let mut lines: Vec<&[u8]> = file.splitn(5, |byte| *byte == b'\n').collect();
    lines[number] = line.as_bytes();
    lines.join(&b'\n')
}

fn header_error(file: &[u8]) -> DamagedHeader {
    match open(file) {
        Err(DecryptError::Header(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_sealed_opens_again_at_every_edge_of_a_chunk() {
    let chunk = CHUNK_BYTES;
    for length in [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 2 * chunk + 1] {
        let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        assert_eq!(open(&seal(&content)).unwrap(), content, "{length} bytes");
    }
}

#[test]
fn the_format_stays() {
    let file = seal(CONTENT);
    let header = String::from_utf8_lossy(&file[..file.len() - 50]).into_owned();
    insta::assert_snapshot!(header, @r"
    age-encryption.org/v1
    -> scrypt AgICAgICAgICAgICAgICAg 2
    XWvcBNXw5AxbrOnFq8tubbv4dR+M2n7K+DmUag4WZ4s
    --- 5APzcl7fCX6NrN9csaxtkbg+PJ6XAVHdi/Q6ng0JDtM
    ");
}

#[test]
fn a_file_of_another_program_opens() {
    // Made with pyrage 1.4.0, Python's way to the Rust implementation of age.
    let file = include_bytes!("by_pyrage.age");
    let content = open_with(file, "correct horse", Work::MAX).unwrap();
    assert_eq!(content, b"sealed by another program\n");
}

#[test]
fn another_passphrase_opens_nothing() {
    for other in ["correct horsf", "Correct horse", "correct horse ", "x"] {
        let opened = open_with(&seal(CONTENT), other, Work::LITTLE);
        assert!(matches!(opened, Err(DecryptError::WrongPassphrase)), "{opened:?}");
    }
}

#[test]
fn a_file_cut_off_at_any_byte_does_not_open() {
    let file = seal(CONTENT);
    for length in 0..file.len() {
        assert!(open(&file[..length]).is_err(), "{length} of {} bytes", file.len());
    }
    assert!(open(&[&file[..], b"x"].concat()).is_err(), "a byte more");
}

#[test]
fn a_file_with_any_bit_flipped_does_not_open() {
    let file = seal(CONTENT);
    for bit in 0..file.len() * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&flipped).is_err(), "bit {} of byte {}", bit % 8, bit / 8);
    }
}

#[test]
fn chunks_are_neither_left_out_nor_moved_nor_taken_for_the_end() {
    let content: Vec<u8> = (0..3 * CHUNK_BYTES + 9).map(|at| (at / CHUNK_BYTES) as u8).collect();
    let file = seal(&content);
    let sealed = CHUNK_BYTES + 16;
    let header = file.len() - 3 * sealed - 9 - 16;
    let chunk = |number: usize| &file[header + number * sealed..][..sealed];
    let (start, end) = (&file[..header], &file[header + 3 * sealed..]);
    assert_eq!(open(&[start, chunk(0), chunk(1), chunk(2), end].concat()).unwrap(), content);
    for wrong in [
        [start, chunk(0), chunk(2), end].concat(),
        [start, chunk(1), chunk(0), chunk(2), end].concat(),
        [start, chunk(0), chunk(0), chunk(2), end].concat(),
        [start, chunk(0), chunk(1), chunk(2)].concat(),
        [start, chunk(0)].concat(),
        [start, end].concat(),
        [start, chunk(0), chunk(1), chunk(2), end, end].concat(),
    ] {
        assert!(open(&wrong).is_err());
    }
}

#[test]
fn damage_stays_damage_however_often_it_is_read() {
    let mut file = seal(CONTENT);
    *file.last_mut().unwrap() ^= 1;
    let mut opener = decrypt(Cursor::new(file), &passphrase("correct horse"), Work::MAX).unwrap();
    for _ in 0..3 {
        assert!(opener.read(&mut [0; 10]).is_err());
    }
}

#[test]
fn other_files_are_told_from_damaged_ones() {
    for other in
        [&b""[..], b"SQLite format 3\0", b"-----BEGIN AGE ENCRYPTED FILE-----\n", &[0xff; 999]]
    {
        assert_eq!(header_error(other), DamagedHeader::OtherFormat);
    }
    assert_eq!(header_error(&with_line(0, "age-encryption.org/v2")), DamagedHeader::OtherFormat);
    let recipient = "-> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc";
    assert_eq!(header_error(&with_line(1, recipient)), DamagedHeader::OtherRecipient);
    for damaged in ["", "scrypt", "-> scrypt AgICAgICAgICAgICAgICAg", "-> scrypt AgIC 2"] {
        let error = header_error(&with_line(1, damaged));
        assert!(matches!(error, DamagedHeader::Damaged), "{damaged:?}: {error}");
    }
}

#[test]
fn the_most_work_is_done_and_no_more() {
    let little = seal(CONTENT);
    assert!(open_with(&little, "correct horse", Work::LITTLE).is_ok());
    let more = Work::USUAL;
    for (number, allowed) in
        [("3", false), ("18", false), ("02", false), ("+2", false), ("", false)]
    {
        let line = format!("-> scrypt AgICAgICAgICAgICAgICAg {number}");
        assert!(open(&with_line(1, &line)).is_err() != allowed, "{number:?}");
    }
    let error = header_error(&with_line(1, "-> scrypt AgICAgICAgICAgICAgICAg 3"));
    assert_eq!(error, DamagedHeader::TooMuchWork { found: 3, most: 2 });
    assert!(Work::LITTLE < more && more <= Work::MAX);
}

#[test]
fn a_line_of_a_header_is_read_up_to_the_bound() {
    // A line of that length is read, and means nothing.
    let fits = format!("-> {}", "x".repeat(LINE_BYTES_MAX - 4));
    assert_eq!(header_error(&with_line(1, &fits)), DamagedHeader::OtherRecipient);
    let longer = format!("{fits}x");
    assert_eq!(header_error(&with_line(1, &longer)), DamagedHeader::Damaged);
}

#[test]
fn a_passphrase_has_between_one_byte_and_the_bound() {
    let of = |length| Passphrase::new(Zeroizing::new(vec![b'x'; length])).map(drop);
    assert_eq!(of(0), Err(PassphraseError::Empty));
    assert_eq!(of(1), Ok(()));
    assert_eq!(of(Passphrase::BYTES_MAX), Ok(()));
    assert_eq!(of(Passphrase::BYTES_MAX + 1), Err(PassphraseError::TooLong));
}
