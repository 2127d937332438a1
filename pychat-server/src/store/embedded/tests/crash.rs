//! A crash at every commit of a workload: what was answered is there, and nothing else.

use super::{Bounds, CRAMPED, Embedded};
use crate::store::{
    Answer, Append, Appended, Command, MailboxStore, Origin,
    contract::words::{
        ALL, ROOMY, claim, claim_prekey, entries, own_keys, page, position, prekey, publish,
        publish_device, receipt, records, trim, user,
    },
};
use pychat_proto::{StreamId, chat::OwnKeys};
use rusqlite::Connection;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

const NAMES: [&str; 4] = ["ann", "bob", "cyd", "dan"];
const BATCHES: usize = 40;

/// Pseudo-random numbers, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What was answered.
#[derive(Clone, Default)]
struct Told {
    entries: BTreeMap<(usize, u64), Arc<[u8]>>,
    trimmed: [u64; NAMES.len()],
    highest: [u64; NAMES.len()],
    positions: BTreeMap<(usize, u8), u64>,
    keys: BTreeMap<usize, OwnKeys>,
    /// One-time keys that were handed out, by their user, device and bytes.
    taken: BTreeSet<(usize, u8, Vec<u8>)>,
}

/// A device's fallback key has bytes of a number that no one-time key has.
const FALLBACK: u8 = 200;

fn batch(random: &mut Random, told: &Told) -> Vec<Command> {
    let mut positions = told.positions.clone();
    let commands = (0..=random.below(6)).map(|_| {
        let (from, to) = (random.below(4) as usize, random.below(4) as usize);
        let body = vec![random.below(256) as u8; random.below(2000) as usize];
        let keys = told.keys.get(&to);
        let device = keys.map_or(1, |keys| keys.device[0]);
        match random.below(8) {
            0 => trim(NAMES[to], random.below(told.highest[to] + 2)),
            1 => receipt(NAMES[to], &body),
            // A device that is gone does not come back.
            2 => publish_device(NAMES[to], device + (random.below(4) / 3) as u8, FALLBACK),
            3 => {
                let next = keys.map_or(0, |keys| keys.next);
                publish(NAMES[to], (next + random.below(3)).saturating_sub(1), random.below(5))
            }
            4 | 5 => claim_prekey(NAMES[to]),
            _ => {
                let stream = random.below(2) as u8;
                let position = positions.entry((from, stream)).or_default();
                let (first, last) = (*position + 1, *position + 1 + random.below(3));
                *position = last;
                records(NAMES[from], StreamId([stream; 16]), first, last, NAMES[to], &body)
            }
        }
    });
    commands.collect()
}

impl Told {
    fn take(&mut self, batch: &[Command], answers: &[Answer]) {
        let place = |name| NAMES.iter().position(|known| user(known) == name).unwrap();
        for (command, answer) in batch.iter().zip(answers) {
            match (command.clone(), answer) {
                (Command::Append(append), Answer::Append(Appended::Stored { cursor, .. })) => {
                    let Append { mailbox, origin, entry, .. } = append;
                    let to = place(mailbox);
                    assert!(cursor.0 > self.highest[to], "{cursor} after {}", self.highest[to]);
                    self.highest[to] = cursor.0;
                    self.entries.insert((to, cursor.0), entry);
                    if let Origin::Stream { user, stream, last, .. } = origin {
                        self.positions.insert((place(user), stream.0[0]), last.0);
                    }
                }
                (Command::Trim { mailbox, up_to }, Answer::Done) => {
                    let of = place(mailbox);
                    self.trimmed[of] = self.trimmed[of].max(up_to.0.min(self.highest[of]));
                }
                (
                    Command::PublishDevice { user, .. } | Command::PublishPrekeys { user, .. },
                    Answer::Keys(Some(keys)),
                ) => {
                    // Before a device there is nothing.
                    if !keys.device.is_empty() {
                        self.keys.insert(place(user), keys.clone());
                    }
                }
                (Command::ClaimPrekey { user }, Answer::Prekey(Some(claimed))) => {
                    let of = place(user);
                    match self.keys.get_mut(&of) {
                        Some(own) if own.unused > 0 => {
                            own.unused -= 1;
                            let key = (of, claimed.device[0], claimed.prekey.clone());
                            assert!((0..own.next).any(|number| prekey(number) == claimed.prekey));
                            assert!(self.taken.insert(key), "handed out twice");
                        }
                        Some(own) => assert_eq!(claimed.prekey, own.fallback),
                        None => assert!(claimed.prekey.is_empty()),
                    }
                }
                (command, answer) => panic!("{answer:?} to {command:?}"),
            }
        }
    }

    /// What must be there, per mailbox.
    fn kept(&self, of: usize) -> Vec<(u64, &[u8])> {
        let all = self.entries.range((of, self.trimmed[of] + 1)..(of + 1, 0));
        all.map(|((_, cursor), entry)| (*cursor, &**entry)).collect()
    }

    fn check(&self, store: &mut Embedded, crashed: bool) {
        for (of, name) in NAMES.iter().enumerate() {
            let after = if crashed { self.trimmed[of] } else { 0 };
            let read = page(store, name, after, ALL).entries;
            let read: Vec<_> = read.iter().map(|entry| (entry.cursor.0, &*entry.entry)).collect();
            assert_eq!(read, self.kept(of), "{name}");
            // A lost trim shows again what was there, and nothing else.
            for entry in entries(store, name) {
                assert_eq!(self.entries.get(&(of, entry.cursor.0)), Some(&entry.entry));
            }
            let own = own_keys(store, name).filter(|own| !own.device.is_empty());
            assert_eq!(own.as_ref(), self.keys.get(&of), "{name}");
            for stream in 0..2 {
                let told = self.positions.get(&(of, stream)).copied().unwrap_or(0);
                assert_eq!(position(store, name, StreamId([stream; 16])), told, "{name} {stream}");
            }
        }
    }
}

/// Counts commits, and lets none through from the `last`th on.
fn pull_the_plug_at(connection: &mut Connection, last: u32) -> Arc<AtomicU32> {
    let commits = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&commits);
    connection
        .commit_hook(Some(move || counter.fetch_add(1, Ordering::Relaxed) + 1 >= last))
        .unwrap();
    commits
}

/// Runs the workload with a crash at its `last`th commit. Answers whether there was one.
fn run(seed: u64, last: u32, bounds: Bounds) -> bool {
    let mut random = Random(seed);
    let mut told = Told::default();
    let mut store = Embedded::in_memory(ROOMY).unwrap();
    store.bounds = bounds;
    store.commit(&NAMES.map(claim)).unwrap();
    let commits = pull_the_plug_at(&mut store.connection, last);
    let mut crashed = false;
    for _ in 0..BATCHES {
        let batch = batch(&mut random, &told);
        match store.commit(&batch) {
            Ok(answers) => told.take(&batch, &answers),
            Err(_) => {
                let mut connection = store.into_connection();
                connection.commit_hook(None::<fn() -> bool>).unwrap();
                store = Embedded::from_connection(connection, ROOMY).unwrap();
                store.bounds = bounds;
                told.check(&mut store, true);
                // Readers come and trim again.
                let again: Vec<_> = (0..4).map(|of| trim(NAMES[of], told.trimmed[of])).collect();
                store.commit(&again).unwrap();
                crashed = true;
            }
        }
        told.check(&mut store, false);
    }
    crashed || commits.load(Ordering::Relaxed) >= last
}

#[test]
fn nothing_told_is_lost_by_a_crash_at_any_commit() {
    let small = Bounds {
        late_rows_due: 6,
        late_rows_per_portion: 4,
        recent_max: 12,
        entries_per_move: 5,
        ..Bounds::default()
    };
    for (bounds, seed) in [(Bounds::default(), 11), (small, 12), (small, 13), (CRAMPED, 14)] {
        let mut last = 1;
        println!("seed {seed}, {bounds:?}");
        while run(seed, last, bounds) {
            last += 1;
        }
        assert!(last as usize > BATCHES / 2, "{last} commits");
    }
}
