//! Who there is: all that is known of somebody follows from a number and the seed, and nothing of it is kept.
//!
//! Users are numbered. So many in a row are a group, of friends or of a time zone, who are there together or
//! not; most of somebody's circle is in it.

use super::{
    figures::{SECOND, SESSION_SECONDS, SILENCE_MAX},
    model::Deployment,
};
use pychat_proto::UserName;
use pychat_server::{
    committer::home,
    store::jetstream::{Kind, Subject},
};
use pychat_testkit::dice::Dice;

/// Users of a group.
const GROUP: u32 = 32;
/// The chance to be there is a group's own, from zero to this: a quarter on average.
const HERE_MAX: f64 = 0.5;
/// People whom somebody writes to, the n-th of them 1/n times as often as the first; so many of them are of
/// the same group.
pub(super) const CIRCLE: u32 = 16;
/// See [`CIRCLE`].
const CIRCLE_IN_GROUP: u32 = 12;
/// How much people write differs by a log-normal law of this width: of a hundred, the busiest one writes a sixth
/// of all texts. There are so many kinds, which bounds the busiest.
const WIDTH: f64 = 1.2;
/// See [`WIDTH`].
const KINDS: u32 = 1_024;

/// All users.
pub(super) struct People {
    seed: u64,
    pub(super) users: u32,
    deployment: Deployment,
    /// Of each kind: how much its people write, in times of the average.
    zeal: Vec<f64>,
    /// Up to each kind, of 1.
    zeal_up_to: Vec<f64>,
    /// Up to each of a circle, of 1.
    liking_up_to: Vec<f64>,
}

impl People {
    pub(super) fn new(seed: u64, users: u32, deployment: Deployment) -> Self {
        let mut dice = Dice::new(mix(seed, 0, What::Kind));
        let mut zeal: Vec<f64> = (0..KINDS).map(|_| (WIDTH * normal(&mut dice)).exp()).collect();
        let mean = zeal.iter().sum::<f64>() / f64::from(KINDS);
        zeal.iter_mut().for_each(|it| *it /= mean);
        let liking: Vec<f64> = (1..=CIRCLE).map(|rank| 1.0 / f64::from(rank)).collect();
        let (zeal_up_to, liking_up_to) = (summed(&zeal), summed(&liking));
        Self { seed, users, deployment, zeal, zeal_up_to, liking_up_to }
    }

    /// Whether somebody is connected.
    pub(super) fn is_here(&self, user: u32) -> bool {
        let group = u64::from(user / GROUP);
        self.share(group, What::Group) * HERE_MAX > self.share(u64::from(user), What::Here)
    }

    /// The node where somebody is: clients like nodes in an order that each draws for itself.
    pub(super) fn node(&self, user: u32) -> u16 {
        let drawn = self.share(u64::from(user), What::Node) * f64::from(self.deployment.nodes);
        drawn as u16
    }

    /// The one where somebody goes whose node has died.
    pub(super) fn node_without(&self, user: u32, dead: u16) -> u16 {
        let others = f64::from(self.deployment.nodes - 1);
        let drawn = (self.share(u64::from(user), What::OtherNode) * others) as u16;
        drawn + u16::from(drawn >= dead)
    }

    /// When somebody whose node dies misses it by a sign of life, in nanoseconds from then on.
    pub(super) fn misses_after(&self, user: u32) -> u64 {
        (self.share(u64::from(user), What::Silence) * SILENCE_MAX as f64) as u64
    }

    /// How long ago somebody logged in, in seconds: sessions end by chance.
    pub(super) fn age(&self, user: u32) -> f64 {
        -self.share(u64::from(user), What::Age).max(f64::MIN_POSITIVE).ln() * SESSION_SECONDS
    }

    /// Where the server has somebody: the shard of each node, and the stream.
    pub(super) fn place(&self, user: u32) -> (u8, u8) {
        let name = name(user);
        let Deployment { shards, streams, .. } = self.deployment;
        let stream = Subject::User(Kind::Mailbox, name).stream(streams).unwrap_or_default();
        (home(&name, shards), stream)
    }

    /// How much somebody writes, in times of the average.
    pub(super) fn zeal(&self, user: u32) -> f64 {
        self.zeal[self.kind(user) as usize]
    }

    /// One who is here, by chance, as likely as they write.
    pub(super) fn who_writes(&self, dice: &mut Dice) -> u32 {
        let kind = find(&self.zeal_up_to, unit(dice)) as u32;
        loop {
            let block = dice.below(u64::from(self.users.div_ceil(KINDS))) as u32;
            let user = block * KINDS + (kind ^ self.shuffle(block));
            if user < self.users && self.is_here(user) {
                return user;
            }
        }
    }

    /// One of a circle, by chance, with how likely that one is.
    pub(super) fn friend(&self, user: u32, dice: &mut Dice) -> (u32, f64) {
        let rank = find(&self.liking_up_to, unit(dice));
        let before = if rank == 0 { 0.0 } else { self.liking_up_to[rank - 1] };
        let key = u64::from(user) * u64::from(CIRCLE) + rank as u64;
        let drawn = self.share(key, What::Friend);
        let friend = if rank < CIRCLE_IN_GROUP as usize {
            let step = 1 + (drawn * f64::from(GROUP - 1)) as u32;
            user / GROUP * GROUP + (user % GROUP + step) % GROUP
        } else {
            (drawn * f64::from(self.users)) as u32
        };
        // Of the last group some are missing, and nobody writes to oneself.
        let friend = if friend >= self.users || friend == user {
            (user + self.users / 2) % self.users
        } else {
            friend
        };
        (friend, self.liking_up_to[rank] - before)
    }

    /// Something between 0 and 1 that is the same whenever it is asked for.
    pub(super) fn share(&self, of: u64, what: What) -> f64 {
        share(mix(self.seed, of, what))
    }

    /// In each block of users each kind is there once.
    fn kind(&self, user: u32) -> u32 {
        (user % KINDS) ^ self.shuffle(user / KINDS)
    }

    fn shuffle(&self, block: u32) -> u32 {
        mix(self.seed, u64::from(block), What::Kind) as u32 % KINDS
    }
}

/// What is asked of a number.
#[derive(Clone, Copy)]
pub(super) enum What {
    Group,
    Here,
    Node,
    OtherNode,
    Silence,
    Hurry,
    Age,
    Kind,
    Friend,
    Known,
    Server,
}

/// Splitmix64, of all three.
pub(super) fn mix(seed: u64, of: u64, what: What) -> u64 {
    let step = |mixed: u64| {
        let mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    step(step(seed ^ (what as u64) << 56) ^ of)
}

/// From 0 to below 1.
fn share(bits: u64) -> f64 {
    /// 2^53: as many steps as a float between 0 and 1 can tell apart evenly.
    const STEPS: f64 = 9_007_199_254_740_992.0;
    (bits >> 11) as f64 / STEPS
}

/// Above 0 and below 1, so that it has a logarithm.
pub(super) fn unit(dice: &mut Dice) -> f64 {
    share(dice.below(u64::MAX)).max(f64::EPSILON)
}

/// A time that passes until something happens by chance, so many times a second, in nanoseconds.
pub(super) fn until_next(a_second: f64, dice: &mut Dice) -> u64 {
    (-unit(dice).ln() / a_second * SECOND as f64) as u64
}

/// By Box and Muller.
fn normal(dice: &mut Dice) -> f64 {
    (-2.0 * unit(dice).ln()).sqrt() * (std::f64::consts::TAU * unit(dice)).cos()
}

fn summed(weights: &[f64]) -> Vec<f64> {
    let all: f64 = weights.iter().sum();
    let mut sum = 0.0;
    weights.iter().map(|weight| (sum += weight / all, sum).1).collect()
}

fn find(up_to: &[f64], drawn: f64) -> usize {
    up_to.partition_point(|it| *it < drawn).min(up_to.len() - 1)
}

/// As people are called: two syllables, and a number as there are many.
fn name(user: u32) -> UserName {
    const SYLLABLES: [&str; 16] = [
        "an", "be", "chi", "da", "el", "fa", "gu", "ha", "io", "jo", "ka", "lu", "mi", "no", "ra",
        "te",
    ];
    let mut text = [0; 16];
    let mut length = 0;
    let mixed = mix(0, u64::from(user), What::Kind);
    for syllable in [SYLLABLES[mixed as usize % 16], SYLLABLES[(mixed >> 4) as usize % 16]] {
        text[length..length + syllable.len()].copy_from_slice(syllable.as_bytes());
        length += syllable.len();
    }
    let mut step = 10_u32.pow(user.checked_ilog10().unwrap_or_default());
    while step > 0 {
        text[length] = b'0' + (user / step % 10) as u8;
        length += 1;
        step /= 10;
    }
    let text = std::str::from_utf8(&text[..length]).expect("syllables and digits are ASCII");
    UserName::parse(text).expect("small letters and digits are a name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_here_and_more_of_their_circles() {
        let people = People::new(1, 1_000_000, Deployment::of(1_000_000));
        let here = (0..people.users).filter(|user| people.is_here(*user)).count() as f64;
        assert!((here / 250_000.0 - 1.0).abs() < 0.01, "{here}");
        let mut dice = Dice::new(1);
        let friends = (0..100_000).map(|_| {
            let user = people.who_writes(&mut dice);
            people.friend(user, &mut dice).0
        });
        let friends_here = friends.filter(|friend| people.is_here(*friend)).count() as f64;
        assert!((0.30..0.36).contains(&(friends_here / 100_000.0)), "{friends_here}");
    }

    #[test]
    fn people_write_as_much_as_their_kind() {
        let people = People::new(1, 10_240, Deployment::of(10_240));
        let all: f64 = (0..people.users).map(|user| people.zeal(user)).sum();
        assert!((all / 10_240.0 - 1.0).abs() < 1e-9, "{all}");
        let mut kinds = people.zeal.clone();
        kinds.sort_by(f64::total_cmp);
        let busiest: f64 = kinds[kinds.len() - 10..].iter().sum();
        assert!((0.1..0.25).contains(&(busiest / 1_024.0)), "{busiest}");
    }

    #[test]
    fn names_differ() {
        let names = [0, 1, 9, 10, 99, 100, u32::MAX].map(|user| name(user).as_str().to_owned());
        let numbers =
            names.clone().map(|name| name.trim_start_matches(char::is_alphabetic).to_owned());
        assert_eq!(numbers, ["0", "1", "9", "10", "99", "100", "4294967295"]);
    }
}
