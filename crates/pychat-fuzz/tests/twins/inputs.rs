//! Inputs that get further than random bytes do.

use crate::runner::corpus;
use proptest::{collection::vec, prelude::*, sample::Index};

/// Most bytes of an input.
const BYTES_MAX: usize = 4096;

/// Any bytes.
pub(crate) fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..BYTES_MAX)
}

/// One change of an input.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (place(), 0_u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        place().prop_map(Change::Cut),
        (place(), vec(any::<u8>(), 1..16)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (place(), 1_usize..64).prop_map(|(at, count)| Change::Remove(at, count)),
    ]
}

fn apply(change: &Change, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let place = |at: &Index| at.index(bytes.len());
    match change {
        Change::Set(at, byte) => {
            let at = place(at);
            bytes[at] = *byte;
        }
        Change::Flip(at, bit) => {
            let at = place(at);
            bytes[at] ^= 1 << bit;
        }
        Change::Cut(at) => bytes.truncate(place(at)),
        Change::Insert(at, more) => {
            let at = place(at);
            bytes.splice(at..at, more.iter().copied());
        }
        Change::Remove(at, count) => {
            let at = place(at);
            bytes.drain(at..(at + count).min(bytes.len()));
        }
    }
}

/// A target's corpus with up to `changes` changes.
pub(crate) fn mutated_corpus(
    target: &str,
    changes: usize,
) -> impl Strategy<Value = Vec<u8>> + use<> {
    let seeds: Vec<Vec<u8>> = corpus(target).into_iter().map(|(_, data)| data).collect();
    (any::<Index>(), vec(change(), 0..=changes)).prop_map(move |(which, changes)| {
        let mut bytes = which.get(&seeds).clone();
        changes.iter().for_each(|change| apply(change, &mut bytes));
        bytes
    })
}
