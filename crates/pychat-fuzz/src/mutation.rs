//! What a fuzzer does to a valid datagram.

use crate::source::Source;

/// Largest UDP payload that any socket hands over.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// A copy that differs from `original`: one to four changes, chosen by `source`. Where they cancel
/// each other out, one bit is flipped.
pub(crate) fn mutated(original: &[u8], source: &mut Source<'_>) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=source.below(4) {
        change(&mut bytes, source);
    }
    if bytes == original {
        match bytes.first_mut() {
            Some(first) => *first ^= 1,
            None => bytes.push(0),
        }
    }
    bytes.truncate(DATAGRAM_BYTES_MAX);
    bytes
}

fn change(bytes: &mut Vec<u8>, source: &mut Source<'_>) {
    let kind = source.below(7);
    let at = source.below(bytes.len());
    match kind {
        0 | 1 => {
            let mask = source.u8().max(1);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= mask;
            }
        }
        2 => {
            let value = source.u8();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        3 => bytes.truncate(at),
        4 => bytes.extend_from_slice(source.bytes(64)),
        5 => {
            let piece = source.bytes(64);
            let end = (at + piece.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&piece[..end - at]);
        }
        _ => {
            let end = (at + 1 + source.below(64)).min(bytes.len());
            bytes.drain(at..end);
        }
    }
}
