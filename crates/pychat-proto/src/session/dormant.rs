//! A session where nothing is under way, packed into little memory. A server keeps very many of those.
//!
//! Left out is what a pause makes meaningless: the pacer's credit, probes, the key before the last
//! ratchet, and which questions were answered (one that comes again after a pause is answered again).

use super::{
    AckDebt, Answers, Asked, Congestion, Counters, Overdue, Path, Recovery, Redundancy, Role,
    Session, State,
    keys::{DormantKeys, SessionKeys},
    lane_in::LaneIn,
    lane_out::LaneOut,
    replay::ReplayWindow,
    rtt::DormantRtt,
};
use crate::{ConnectionId, Instant};
use std::{
    collections::VecDeque,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    time::Duration,
};

/// A session is packed after so much quiet: long enough that a lively conversation never is.
pub(crate) const DORMANT_AFTER: Duration = Duration::from_millis(250);
/// The same where only a login or a sign of life went by, after which nothing is likely to follow.
pub(crate) const DORMANT_AFTER_LITTLE: Duration = Duration::from_millis(50);

/// What is left of it.
pub(crate) struct Dormant {
    keys: DormantKeys,
    peer: ConnectionId,
    remote: Address,
    heard: Instant,
    /// Numbers of packets and of records in half the bytes: a session that came further stays as it is.
    next_number: u32,
    newest: u32,
    committed_out: u32,
    committed_in: u32,
    /// How far back the number lies that was left out last, and how far ahead the next one; zero is none.
    skipped_back: u16,
    skip_ahead: u16,
    window: (u8, u8),
    redundancy: Redundancy,
    /// The replay window's bitmap: a `u128` would be aligned to 16 bytes.
    seen: [u64; 2],
    rtt: DormantRtt,
    congested_seen: u32,
}

/// A socket's address in 21 bytes in place of 32.
enum Address {
    V4([u8; 4], [u8; 2]),
    /// The last is the scope, the number of an interface.
    V6([u8; 16], [u8; 2], [u8; 2]),
}

impl Address {
    /// None for an address with a flow label, or of one of more than 65,535 interfaces.
    fn new(address: SocketAddr) -> Option<Self> {
        let port = address.port().to_be_bytes();
        match address {
            SocketAddr::V4(address) => Some(Self::V4(address.ip().octets(), port)),
            SocketAddr::V6(address) => {
                let scope = u16::try_from(address.scope_id()).ok()?;
                let plain = Self::V6(address.ip().octets(), port, scope.to_be_bytes());
                (address.flowinfo() == 0).then_some(plain)
            }
        }
    }

    fn get(&self) -> SocketAddr {
        match self {
            Self::V4(ip, port) => (Ipv4Addr::from(*ip), u16::from_be_bytes(*port)).into(),
            Self::V6(ip, port, scope) => {
                let (port, scope) = (u16::from_be_bytes(*port), u16::from_be_bytes(*scope));
                SocketAddrV6::new(Ipv6Addr::from(*ip), port, 0, scope.into()).into()
            }
        }
    }
}

impl Dormant {
    pub(crate) fn remote(&self) -> SocketAddr {
        self.remote.get()
    }

    pub(crate) fn heard(&self) -> Instant {
        self.heard
    }
}

impl Session {
    /// When the session may be packed, as far as is known now: nothing is under way, and all of it fits.
    pub(crate) fn dormant_at(&self) -> Option<Instant> {
        let quiet = if self.lively { DORMANT_AFTER } else { DORMANT_AFTER_LITTLE };
        self.pack().map(|_| self.heard + quiet)
    }

    fn is_settled(&self) -> bool {
        let server = self.role == Role::Server && self.counters.received > 0;
        let nothing_owed = self.debt.packets == 0
            && !self.commit_wanted
            && self.commit_at.is_none()
            && !self.ping_wanted
            && !self.blocked
            && self.path_response.is_none();
        let nothing_waits = self.welcome.is_none()
            && self.refusals.is_empty()
            && self.notes.is_empty()
            && self.answers.is_settled()
            && self.lane_in.is_settled()
            && self.lane_out.is_empty()
            && self.exchange.is_none()
            && self.recovery.is_settled();
        server && self.is_open() && self.path.is_proved() && nothing_owed && nothing_waits
    }

    /// Packs it, if it may be.
    pub(crate) fn pack(&self) -> Option<Dormant> {
        let (newest, seen) = self.replay.seen().filter(|_| self.is_settled())?;
        // Numbers are left out every few hundred, so that the distances always fit.
        let distance = |far: u64, near: u64| u16::try_from(far - near).ok();
        let skipped_back =
            self.skipped.map_or(Some(0), |skipped| distance(self.next_number, skipped))?;
        Some(Dormant {
            keys: self.keys.dormant(self.next_number)?,
            peer: self.peer,
            remote: Address::new(self.path.remote())?,
            heard: self.heard,
            next_number: u32::try_from(self.next_number).ok()?,
            newest: u32::try_from(newest).ok()?,
            committed_out: u32::try_from(self.lane_out.last_offered()).ok()?,
            committed_in: u32::try_from(self.lane_in.committed()).ok()?,
            skipped_back,
            skip_ahead: distance(self.next_skip, self.next_number)?,
            window: self.congestion.paused(),
            redundancy: self.redundancy,
            seen: [seen as u64, (seen >> 64) as u64],
            rtt: self.recovery.rtt.dormant(),
            // Beyond that a peer lies, and is heeded once more.
            congested_seen: u32::try_from(self.recovery.congested_seen()).unwrap_or(u32::MAX),
        })
    }

    /// Unpacks it.
    pub(crate) fn unpack(dormant: &Dormant) -> Self {
        let heard = dormant.heard;
        let seen = u128::from(dormant.seen[1]) << 64 | u128::from(dormant.seen[0]);
        let next_number = u64::from(dormant.next_number);
        let skipped =
            (dormant.skipped_back > 0).then(|| next_number - u64::from(dormant.skipped_back));
        Self {
            role: Role::Server,
            state: State::Open,
            peer: dormant.peer,
            keys: SessionKeys::awake(&dormant.keys, next_number, dormant.newest.into()),
            exchange: None,
            next_number,
            skipped,
            next_skip: next_number + u64::from(dormant.skip_ahead),
            replay: ReplayWindow::resumed(dormant.newest.into(), seen),
            debt: AckDebt { packets: 0, hasty: 0, deadline: None, largest_at: heard },
            recovery: Recovery::resumed(dormant.rtt.awake(), dormant.congested_seen.into(), heard),
            redundancy: dormant.redundancy,
            congestion: Congestion::resumed(dormant.window, heard),
            path: Path::proved(dormant.remote()),
            heard,
            keep_alive: None,
            overdue: Overdue::default(),
            lane_out: LaneOut::new(dormant.committed_out.into()),
            lane_in: LaneIn::new(dormant.committed_in.into()),
            commit_wanted: false,
            commit_at: None,
            refusals: Vec::new(),
            asked: Asked::default(),
            answers: Answers::default(),
            notes: VecDeque::new(),
            welcome: None,
            path_response: None,
            ping_wanted: false,
            blocked: false,
            lively: false,
            // It was heard: what waits for the first packet does not begin again.
            counters: Counters { received: 1, ..Counters::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_keeps_of_a_session_that_rests_is_small() {
        assert!(size_of::<Dormant>() <= 176, "{}", size_of::<Dormant>());
    }

    #[test]
    fn an_address_stays_what_it_was() {
        let scoped = SocketAddrV6::new("fe80::1".parse().unwrap(), 7, 0, 3);
        for address in [
            "192.0.2.1:65535".parse().unwrap(),
            "[2001:db8::1]:7420".parse().unwrap(),
            scoped.into(),
        ] {
            assert_eq!(Address::new(address).unwrap().get(), address);
        }
        let labelled = SocketAddrV6::new("fe80::1".parse().unwrap(), 7, 1, 3);
        assert!(Address::new(labelled.into()).is_none());
        let far = SocketAddrV6::new("fe80::1".parse().unwrap(), 7, 0, 1 << 16);
        assert!(Address::new(far.into()).is_none());
    }
}
