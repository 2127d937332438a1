//! Integers on the wire, all of them where that is possible.
//!
//! Exhausted: all inputs of one and of two bytes; every value within two of a power of two, and each
//! of its encodings cut at every length; every first byte, key phase and boundary of the packet
//! number's seven bytes.

use super::{
    Malformed, Reader, VARINT_MAX,
    packet::{DATA_OVERHEAD_BYTES, DataHeader, PACKET_NUMBER_MAX, TAG_BYTES, TYPE_DATA},
    put_sized, put_varint, varint_len,
};
use crate::ConnectionId;

/// Within two of a power of two, up to `bound`, and `bound` with those below it.
fn near_powers_of_two(bound: u64) -> Vec<u64> {
    let near = |value: u64| value.saturating_sub(2)..=value.saturating_add(2);
    let powers = (0..u64::BITS).map(|exponent| 1 << exponent);
    let mut values: Vec<u64> =
        powers.chain([bound]).flat_map(near).filter(|value| *value <= bound).collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// RFC 9000, section 16, read once more: the value and its bytes.
fn model(bytes: &[u8]) -> Option<(u64, usize)> {
    let len = match bytes.first()? >> 6 {
        0 => 1,
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let mut whole = [0; 8];
    whole[8 - len..].copy_from_slice(bytes.get(..len)?);
    let prefix_bits = 8 * len - 2;
    Some((u64::from_be_bytes(whole) & ((1 << prefix_bits) - 1), len))
}

/// `value` in `len` bytes, which need not be the shortest form.
fn in_bytes(value: u64, len: usize) -> Vec<u8> {
    let mut bytes = value.to_be_bytes()[8 - len..].to_vec();
    bytes[0] |= (len.trailing_zeros() as u8) << 6;
    bytes
}

#[test]
fn every_input_of_one_and_of_two_bytes_is_read_as_the_rfc_says() {
    let one = (0..=u8::MAX).map(|byte| vec![byte]);
    let two = (0..=u16::MAX).map(|bytes| bytes.to_be_bytes().to_vec());
    let (mut cases, mut whole) = (0, 0);
    for bytes in one.chain(two) {
        cases += 1;
        let mut reader = Reader(&bytes);
        match model(&bytes) {
            Some((value, len)) => {
                whole += 1;
                assert_eq!(reader.varint(), Ok(value), "{bytes:02x?}");
                assert_eq!(reader.0, &bytes[len..], "{bytes:02x?}");
            }
            None => assert_eq!(reader.varint(), Err(Malformed), "{bytes:02x?}"),
        }
    }
    assert_eq!((cases, whole), (256 + 65_536, 64 + 32_768));
}

#[test]
fn every_value_near_a_power_of_two_survives_in_its_shortest_form_and_in_every_longer_one() {
    let (mut values, mut forms) = (0, 0);
    for value in near_powers_of_two(VARINT_MAX) {
        values += 1;
        let mut shortest = Vec::new();
        put_varint(&mut shortest, value);
        assert_eq!(shortest.len(), varint_len(value));
        let fitting = [1_usize, 2, 4, 8].into_iter().filter(|len| value >> (8 * len - 2) == 0);
        for (index, len) in fitting.enumerate() {
            forms += 1;
            let bytes = in_bytes(value, len);
            if index == 0 {
                assert_eq!(bytes, shortest, "{value} is written in its shortest form");
            }
            assert_eq!(model(&bytes), Some((value, len)));
            for rest in [&[][..], &[0xff], &[0; 9]] {
                let input = [&bytes, rest].concat();
                let mut reader = Reader(&input);
                assert_eq!(reader.varint(), Ok(value), "{input:02x?}");
                assert_eq!(reader.0, rest);
            }
            for cut in 0..bytes.len() {
                assert_eq!(Reader(&bytes[..cut]).varint(), Err(Malformed), "{value} cut at {cut}");
            }
        }
    }
    assert_eq!((values, forms), VARINT_CASES);
}

/// Values within two of a power of two up to 2^62 - 1 (0 to 10, five around each later one, three at
/// the bound), and their forms.
const VARINT_CASES: (u32, u32) = (11 + 5 * 58 + 3, 533);

#[test]
fn sized_bytes_take_exactly_what_is_there_and_no_length_overflows() {
    let mut cases = 0;
    for len in 0..=300_usize {
        let mut bytes = Vec::new();
        put_sized(&mut bytes, &vec![7; len]);
        assert_eq!(Reader(&bytes).sized(), Ok(&vec![7; len][..]));
        for cut in 0..bytes.len() {
            cases += 1;
            assert_eq!(Reader(&bytes[..cut]).sized(), Err(Malformed), "{len} cut at {cut}");
        }
    }
    for len in near_powers_of_two(VARINT_MAX).into_iter().filter(|len| *len > 64) {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, len);
        bytes.extend_from_slice(&[7; 64]);
        assert_eq!(Reader(&bytes).sized(), Err(Malformed), "{len} bytes are not there");
    }
    assert_eq!(cases, (0..=300).map(|len| len + if len < 64 { 1 } else { 2 }).sum::<usize>());
}

#[test]
fn every_packet_number_near_a_power_of_two_survives_and_none_exceeds_56_bits() {
    let numbers = near_powers_of_two(PACKET_NUMBER_MAX);
    let mut cases = 0;
    for number in &numbers {
        for phase in [0, 1] {
            cases += 1;
            let header = DataHeader { phase, to: ConnectionId(!number), number: *number };
            let mut bytes = header.encode().to_vec();
            bytes.extend_from_slice(&[0; TAG_BYTES]);
            assert_eq!(DataHeader::decode(&bytes), Ok(header));
            for cut in 0..DATA_OVERHEAD_BYTES {
                assert_eq!(DataHeader::decode(&bytes[..cut]), Err(Malformed));
            }
        }
    }
    assert_eq!(cases, 2 * PACKET_NUMBERS);
    let largest = DataHeader::decode(&[0xff; DATA_OVERHEAD_BYTES]).map(|header| header.number);
    assert_eq!(largest, Ok(PACKET_NUMBER_MAX));
}

/// Numbers within two of a power of two up to 2^56 - 1, counted in the same way.
const PACKET_NUMBERS: u32 = 11 + 5 * 52 + 3;

#[test]
fn a_header_keeps_every_byte_of_every_place() {
    let mut cases = 0;
    for place in 1..16 {
        for byte in 0..=u8::MAX {
            cases += 1;
            let mut bytes = [0; DATA_OVERHEAD_BYTES];
            bytes[0] = TYPE_DATA;
            bytes[place] = byte;
            let header = DataHeader::decode(&bytes).unwrap();
            assert_eq!(header.encode()[..], bytes[..16]);
            let shift = |last: usize| u64::from(byte) << (8 * (last - place));
            let expected = if place < 9 { (shift(8), 0) } else { (0, shift(15)) };
            assert_eq!((header.to.0, header.number), expected);
        }
    }
    assert_eq!(cases, 15 * 256);
}
