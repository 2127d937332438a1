//! How many logins are let in, from whom. Tables of a fixed size. docs/PROTOCOL.md, "Limits".

use crate::{Instant, crypto};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// INITs per second and address that are answered without a RETRY, and how many at once.
const INITS_PER_S: u64 = 20;
const INITS_BURST: u64 = 5;
/// The same for addresses that brought a token back: a whole office may sit behind one.
const PROVED_INITS_PER_S: u64 = 500;
const PROVED_INITS_BURST: u64 = 500;
/// Addresses are told apart by a keyed hash into this many buckets; two that meet share one.
const BUCKETS: usize = 4096;
/// Unconfirmed sessions in all, and for each /32 or /56 without a token.
pub(crate) const UNCONFIRMED_MAX: usize = 4096;
const UNCONFIRMED_PER_PREFIX_MAX: u32 = 64;

/// An IPv4 address or an IPv6 /56.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Prefix([u8; 8]);

impl Prefix {
    pub(super) fn of(address: SocketAddr) -> Self {
        let mut bytes = [0; 8];
        match address.ip() {
            IpAddr::V4(ip) => bytes[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => {
                bytes[..7].copy_from_slice(&ip.octets()[..7]);
                bytes[7] = 6;
            }
        }
        Self(bytes)
    }
}

/// Whether a login may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    /// Bring a token first.
    Retry,
    /// Too many even so.
    Drop,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// Micro-tokens: a token is a million.
    credit: u64,
    refilled: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant, per_s: u64, burst: u64) -> bool {
        let gained = u64::try_from(now.since(self.refilled).as_micros()).unwrap_or(u64::MAX);
        self.credit =
            self.credit.saturating_add(gained.saturating_mul(per_s)).min(burst * 1_000_000);
        self.refilled = now;
        let taken = self.credit >= 1_000_000;
        if taken {
            self.credit -= 1_000_000;
        }
        taken
    }
}

pub(super) struct Limits {
    key: [u8; 32],
    unproved: Vec<Bucket>,
    proved: Vec<Bucket>,
    retry_beyond_per_s: u64,
    overall: Bucket,
    per_prefix: BTreeMap<Prefix, u32>,
}

impl Limits {
    pub(super) fn new(retry_beyond_per_s: u32, key: [u8; 32]) -> Self {
        let full = |burst: u64| Bucket { credit: burst * 1_000_000, refilled: Instant::ZERO };
        let retry_beyond_per_s = u64::from(retry_beyond_per_s);
        Self {
            key,
            unproved: vec![full(INITS_BURST); BUCKETS],
            proved: vec![full(PROVED_INITS_BURST); BUCKETS],
            retry_beyond_per_s,
            overall: full(retry_beyond_per_s),
            per_prefix: BTreeMap::new(),
        }
    }

    fn index(&self, from: SocketAddr) -> usize {
        let tag = crypto::mac(&self.key, &[&Prefix::of(from).0]);
        usize::from(u16::from_be_bytes([tag[0], tag[1]])) % BUCKETS
    }

    pub(super) fn judge(&mut self, now: Instant, from: SocketAddr, proved: bool) -> Verdict {
        let index = self.index(from);
        if proved {
            let go = self.proved[index].take(now, PROVED_INITS_PER_S, PROVED_INITS_BURST);
            return if go { Verdict::Go } else { Verdict::Drop };
        }
        let go = self.unproved[index].take(now, INITS_PER_S, INITS_BURST)
            && self.overall.take(now, self.retry_beyond_per_s, self.retry_beyond_per_s);
        if go { Verdict::Go } else { Verdict::Retry }
    }

    /// Counts an unconfirmed session, if there is room for one more.
    pub(super) fn admit(&mut self, prefix: Prefix, proved: bool) -> bool {
        let count = self.per_prefix.entry(prefix).or_default();
        if !proved && *count >= UNCONFIRMED_PER_PREFIX_MAX {
            return false;
        }
        *count += 1;
        true
    }

    /// It was confirmed or forgotten.
    pub(super) fn confirmed(&mut self, prefix: Prefix) {
        if let Some(count) = self.per_prefix.get_mut(&prefix) {
            *count -= 1;
            if *count == 0 {
                self.per_prefix.remove(&prefix);
            }
        }
    }
}

/// An unconfirmed session, or a first contact's handshake, is forgotten after this long.
pub(super) const UNCONFIRMED_FOR: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_burst_and_then_its_rate() {
        let mut limits = Limits::new(1000, [0; 32]);
        let from = ([10, 0, 0, 1], 1).into();
        let mut now = Instant::ZERO;
        let mut verdicts = |now, count: usize| {
            (0..count).filter(|_| limits.judge(now, from, false) == Verdict::Go).count()
        };
        assert_eq!(verdicts(now, 20), 5);
        now += Duration::from_millis(100);
        assert_eq!(verdicts(now, 20), 2);
    }

    #[test]
    fn beyond_the_overall_rate_everybody_brings_a_token() {
        let mut limits = Limits::new(200, [0; 32]);
        let at = |i: u32| SocketAddr::from((std::net::Ipv4Addr::from(i << 8), 1));
        let go =
            (0..1000).filter(|i| limits.judge(Instant::ZERO, at(*i), false) == Verdict::Go).count();
        assert!((150..=200).contains(&go), "{go}");
        assert_eq!(limits.judge(Instant::ZERO, at(5000), true), Verdict::Go);
    }

    #[test]
    fn a_prefix_holds_64_unconfirmed_sessions() {
        let mut limits = Limits::new(200, [0; 32]);
        let a = Prefix::of(([10, 0, 0, 1], 1).into());
        assert_eq!((0..100).filter(|_| limits.admit(a, false)).count(), 64);
        assert!(limits.admit(a, true));
        limits.confirmed(a);
        limits.confirmed(a);
        assert!(limits.admit(a, false));
        let v6 = |text: &str| Prefix::of(format!("[{text}]:1").parse().unwrap());
        assert_eq!(v6("2001:db8:1:200::1"), v6("2001:db8:1:2ff::9"));
        assert_ne!(v6("2001:db8:1:200::1"), v6("2001:db8:1:300::1"));
    }
}
