//! Somebody beside the daemons who publishes and claims end-to-end keys: a one-time key that the
//! server handed out is never handed out again, whatever becomes of its process and its disk.

use crate::server::SHARDS;
use pychat_proto::{
    DisplayName, PublicKey, UserName,
    chat::{OwnKeys, UserKeys},
};
use pychat_server::{
    committer::{Done, Job, Outcome, Work},
    store::{Account, Answer, Command, DeviceKey, Prekey},
};
use pychat_testkit::dice::Dice;
use std::collections::BTreeSet;

/// Asks the committer as a shard does, under a number that no shard has.
pub(crate) const SHARD: u8 = SHARDS;

const DEVICE: &[u8] = b"device";
const FALLBACK: &[u8] = b"fallback";

/// Keys in one question at most.
const KEYS_MAX: u64 = 4;

/// Knows what the server told. It asks with the jobs of each flush, and so causes none.
#[derive(Debug)]
pub(crate) struct KeyUser {
    seed: u64,
    dice: Dice,
    user: UserName,
    /// The lowest number that the server would take, as it told last.
    next: u64,
    taken: BTreeSet<Vec<u8>>,
}

impl KeyUser {
    /// Its dice are its own, so that a seed's other mishaps stay as they are.
    pub(crate) fn new(seed: u64) -> Self {
        let user = UserName::parse("keys").expect("a name");
        Self { seed, dice: Dice::new(!seed), user, next: 0, taken: BTreeSet::new() }
    }

    /// What it asks this time.
    pub(crate) fn ask(&mut self) -> Vec<Job> {
        let user = self.user;
        let command = match self.dice.below(6) {
            0 => vec![self.claim_name(), self.publish_device()],
            1 | 2 => vec![self.publish()],
            3 => vec![self.publish(), Command::ClaimPrekey { user }],
            4 => vec![Command::ClaimPrekey { user }, Command::ClaimPrekey { user }],
            _ => Vec::new(),
        };
        let job =
            |command| Job { shard: SHARD, ticket: 0, generation: 0, work: Work::Commit(command) };
        command.into_iter().map(job).collect()
    }

    fn claim_name(&self) -> Command {
        let name = DisplayName::parse("").expect("it may be empty");
        Command::Claim(Account {
            user: self.user,
            key: PublicKey([9; 32]),
            name,
            since: 1,
            name_is_set: false,
        })
    }

    fn publish_device(&self) -> Command {
        let device = DeviceKey::parse(DEVICE).expect("a short one");
        let fallback = Prekey::parse(FALLBACK).expect("a short one");
        Command::PublishDevice { user: self.user, device, fallback }
    }

    /// New ones, and perhaps some that the server may have taken without saying so.
    fn publish(&mut self) -> Command {
        let first = self.next.saturating_sub(self.dice.below(KEYS_MAX));
        let key = |number: u64| Prekey::parse(number.to_be_bytes()).expect("a short one");
        let keys = (first..self.next + 1 + self.dice.below(KEYS_MAX)).map(key).collect();
        Command::PublishPrekeys { user: self.user, first, keys }
    }

    /// What the server tells.
    ///
    /// # Panics
    /// It handed a one-time key out twice, or went back to numbers that it had taken.
    pub(crate) fn hear(&mut self, done: Done) {
        let seed = self.seed;
        match done.outcome {
            Ok(Outcome::Committed(Answer::Prekey(Some(UserKeys { device, prekey })))) => {
                if !device.is_empty() && prekey != FALLBACK {
                    assert!(
                        self.taken.insert(prekey.clone()),
                        "seed {seed}: the one-time key {prekey:?} is handed out twice"
                    );
                }
            }
            Ok(Outcome::Committed(Answer::Keys(Some(OwnKeys { next, .. })))) => {
                assert!(
                    next >= self.next,
                    "seed {seed}: keys are taken from {next} on, and were from {}",
                    self.next
                );
                self.next = next;
            }
            Ok(_) | Err(_) => {}
        }
    }
}
