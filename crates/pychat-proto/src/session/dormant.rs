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
    rtt::RttEstimator,
};
use crate::{ConnectionId, Instant};
use std::{
    collections::VecDeque,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    time::Duration,
};

/// A session is packed after so much quiet: long enough that a lively conversation never is.
pub(crate) const DORMANT_AFTER: Duration = Duration::from_millis(250);

/// What is left of it.
pub(crate) struct Dormant {
    keys: DormantKeys,
    peer: ConnectionId,
    remote: Address,
    heard: Instant,
    next_number: u64,
    /// How far back the number lies that was left out last, and how far ahead the next one; zero is none.
    skipped_back: u16,
    skip_ahead: u16,
    window: (u8, u8),
    redundancy: Redundancy,
    newest: u64,
    /// Both halves of the replay window's bitmap: a `u128` would be aligned to 16 bytes.
    seen: [u64; 2],
    rtt: RttEstimator,
    congested_seen: u32,
    committed_out: u64,
    committed_in: u64,
}

/// A socket's address in 24 bytes in place of 32.
enum Address {
    V4([u8; 4], [u8; 2]),
    V6([u8; 16], [u8; 2]),
    /// One with a scope or a flow label.
    Scoped(Box<SocketAddrV6>),
}

impl Address {
    fn new(address: SocketAddr) -> Self {
        let port = address.port().to_be_bytes();
        match address {
            SocketAddr::V4(address) => Self::V4(address.ip().octets(), port),
            SocketAddr::V6(address) if address.scope_id() == 0 && address.flowinfo() == 0 => {
                Self::V6(address.ip().octets(), port)
            }
            SocketAddr::V6(address) => Self::Scoped(Box::new(address)),
        }
    }

    fn get(&self) -> SocketAddr {
        match self {
            Self::V4(ip, port) => (Ipv4Addr::from(*ip), u16::from_be_bytes(*port)).into(),
            Self::V6(ip, port) => (Ipv6Addr::from(*ip), u16::from_be_bytes(*port)).into(),
            Self::Scoped(address) => SocketAddr::V6(**address),
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
    /// When the session may be packed, as far as is known now: nothing is under way.
    pub(crate) fn dormant_at(&self) -> Option<Instant> {
        self.is_settled().then(|| self.heard + DORMANT_AFTER)
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
            && self.recovery.is_settled();
        server && self.is_open() && self.path.is_proved() && nothing_owed && nothing_waits
    }

    /// Packs it, if nothing is under way.
    pub(crate) fn pack(&self) -> Option<Dormant> {
        let (newest, seen) = self.replay.seen().filter(|_| self.is_settled())?;
        // Numbers are left out every few hundred, so that the distances always fit.
        let distance = |far: u64, near: u64| u16::try_from(far - near).ok();
        let skipped_back =
            self.skipped.map_or(Some(0), |skipped| distance(self.next_number, skipped))?;
        Some(Dormant {
            keys: self.keys.dormant(),
            peer: self.peer,
            remote: Address::new(self.path.remote()),
            heard: self.heard,
            next_number: self.next_number,
            skipped_back,
            skip_ahead: distance(self.next_skip, self.next_number)?,
            window: self.congestion.paused(),
            redundancy: self.redundancy,
            newest,
            seen: [seen as u64, (seen >> 64) as u64],
            rtt: self.recovery.rtt,
            // Beyond that a peer lies, and is heeded once more.
            congested_seen: u32::try_from(self.recovery.congested_seen()).unwrap_or(u32::MAX),
            committed_out: self.lane_out.last_offered(),
            committed_in: self.lane_in.committed(),
        })
    }

    /// Unpacks it.
    pub(crate) fn unpack(dormant: &Dormant) -> Self {
        let heard = dormant.heard;
        let seen = u128::from(dormant.seen[1]) << 64 | u128::from(dormant.seen[0]);
        let skipped = (dormant.skipped_back > 0)
            .then(|| dormant.next_number - u64::from(dormant.skipped_back));
        Self {
            role: Role::Server,
            state: State::Open,
            peer: dormant.peer,
            keys: SessionKeys::awake(&dormant.keys, dormant.newest),
            next_number: dormant.next_number,
            skipped,
            next_skip: dormant.next_number + u64::from(dormant.skip_ahead),
            replay: ReplayWindow::resumed(dormant.newest, seen),
            debt: AckDebt { packets: 0, hasty: 0, deadline: None, largest_at: heard },
            recovery: Recovery::resumed(dormant.rtt, dormant.congested_seen.into(), heard),
            redundancy: dormant.redundancy,
            congestion: Congestion::resumed(dormant.window, heard),
            path: Path::proved(dormant.remote()),
            heard,
            keep_alive: None,
            overdue: Overdue::default(),
            lane_out: LaneOut::new(dormant.committed_out),
            lane_in: LaneIn::new(dormant.committed_in),
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
        assert!(size_of::<Dormant>() <= 216, "{}", size_of::<Dormant>());
    }

    #[test]
    fn an_address_stays_what_it_was() {
        let scoped = SocketAddrV6::new("fe80::1".parse().unwrap(), 7, 0, 3);
        for address in [
            "192.0.2.1:65535".parse().unwrap(),
            "[2001:db8::1]:7420".parse().unwrap(),
            scoped.into(),
        ] {
            assert_eq!(Address::new(address).get(), address);
        }
    }
}
