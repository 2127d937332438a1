//! Sending again before a loss is known, on a path that loses: one loss then rarely costs a round
//! trip. docs/PROTOCOL.md, "Adaptive redundancy".
//!
//! Chat is sparse: a text is mostly the last thing in flight, with nothing behind it that would show
//! its loss. So, where packets get lost, a packet's frames are *repeated* shortly after it, or *ride
//! along* with what leaves anyway; and if neither copy is acknowledged in time, they are *probed* for
//! early. Where nothing gets lost, nothing of this happens.

use super::{
    Role, Session,
    lane_out::Sent,
    recovery::{SentFrame, SentPacket},
};
use crate::{Instant, wire::packet::DATA_OVERHEAD_BYTES};

/// Share of lost packets from which a path counts as lossy: 2 %.
const LOSSY: u16 = u16::MAX / 50;
/// A loss moves the estimate by this part of the way up, an arrival by this part of the way down: one
/// loss is enough to learn from, and is forgotten after some forty arrivals.
const RISE: u16 = 16;
const FALL: u16 = 32;
/// Bytes of repeats for each hundred bytes of other packets. With what is lost and has to be sent again
/// in any case that is twice as much as without loss, at 20 %.
pub(super) const CREDIT_PERCENT: usize = 60;
/// Most that is saved up for repeats.
pub(super) const CREDIT_BYTES_MAX: u16 = 4096;
/// Packets under way beyond which nothing is repeated: so many show their losses by themselves.
const FLIGHT_SMALL: usize = 4;
/// Early probes in a row; then the wait is the usual one, which doubles.
pub(super) const EARLY_PROBES: u8 = 6;
/// Packets that one early probe stands in for.
const PACKETS_PER_EARLY_PROBE: usize = 2;

/// How lossy the way to the peer is, and what may be spent against that. Lives as long as the session.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Redundancy {
    /// Smoothed share of our packets that get lost; all of them is `u16::MAX`.
    loss: u16,
    /// Bytes that repeats may take.
    credit: u16,
    /// Early probes since the last acknowledgement or new record.
    probes: u8,
    /// What waits to be sent are repeats.
    repeating: bool,
}

/// What was done for a packet's frames before anything is known about the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing so far.
    First,
    /// It is a repeat itself, and is not repeated.
    Second,
    /// Its frames went into a later packet, which is looked after in its place.
    Done,
    /// All that it carried has arrived in other packets.
    Moot,
}

impl Turn {
    /// Whether the packet is looked after itself.
    pub(crate) fn is_live(self) -> bool {
        match self {
            Self::First | Self::Second => true,
            Self::Done | Self::Moot => false,
        }
    }
}

impl Redundancy {
    pub(crate) fn arrived(&mut self) {
        self.loss -= self.loss / FALL;
    }

    pub(crate) fn lost(&mut self) {
        self.loss += (u16::MAX - self.loss) / RISE;
    }

    /// The peer answers: early probes are worth it again.
    pub(crate) fn answered(&mut self) {
        self.probes = 0;
    }

    /// What waits to be sent is not to be repeated.
    pub(crate) fn repeat_no_more(&mut self) {
        self.repeating = true;
    }

    /// A packet leaves, with records that were never sent or without, and `more` waits.
    pub(crate) fn sent(&mut self, bytes: usize, news: bool, more: bool) -> Turn {
        let repeat = self.repeating && !news;
        self.repeating &= !news && more;
        if news {
            self.probes = 0;
        }
        if repeat {
            return Turn::Second;
        }
        self.earn(bytes);
        Turn::First
    }

    /// Bytes leave that are no repeat.
    pub(crate) fn earn(&mut self, bytes: usize) {
        let earned = u16::try_from(bytes * CREDIT_PERCENT / 100).unwrap_or(CREDIT_BYTES_MAX);
        self.credit = self.credit.saturating_add(earned).min(CREDIT_BYTES_MAX);
    }
}

impl Session {
    /// Whether packets get lost on the way there, or on the way back.
    pub(super) fn path_is_lossy(&self) -> bool {
        self.redundancy.loss >= LOSSY || self.replay.has_gaps()
    }

    /// An address that is not proved, and a peer that does not answer, get nothing early.
    fn may_hurry(&self) -> bool {
        !self.recovery.is_resting() && self.path.budget() == usize::MAX
    }

    fn may_repeat(&self) -> bool {
        (self.path_is_lossy() || self.recovery.is_probing())
            && self.may_hurry()
            && self.window_is_open()
            && self.recovery.live() <= FLIGHT_SMALL
            && (self.holds_back() || !self.lane_out.has_unsent())
    }

    fn may_probe_early(&self) -> bool {
        self.path_is_lossy() && self.may_hurry() && self.redundancy.probes < EARLY_PROBES
    }

    /// When a packet's frames are repeated, where they are and can be paid for.
    fn repeat_at(&self, packet: &SentPacket) -> Option<Instant> {
        // A client's COMMIT only rides along: on a server's, somebody waits for "accepted".
        let waited_for = packet.urgent || self.role == Role::Server || self.recovery.is_probing();
        let first = packet.turn == Turn::First && !packet.frames.is_empty();
        let paid = packet.bytes <= self.redundancy.credit;
        (waited_for && first && paid).then(|| packet.at + self.recovery.rtt.repeat_delay())
    }

    fn probe_early_at(&self, packet: &SentPacket) -> Option<Instant> {
        let waited_for = packet.urgent && packet.turn.is_live();
        waited_for.then(|| packet.at + self.recovery.rtt.early_timeout())
    }

    /// When a packet is to be repeated, or probed for early.
    pub(super) fn redundancy_deadline(&self) -> Option<Instant> {
        let (repeats, probes) = (self.may_repeat(), self.may_probe_early());
        if !repeats && !probes {
            return None;
        }
        let deadlines = self.recovery.packets().flat_map(|packet| {
            let repeat = self.repeat_at(packet).filter(|_| repeats);
            [repeat, self.probe_early_at(packet).filter(|_| probes)]
        });
        deadlines.flatten().min()
    }

    /// Repeats what is due for it.
    pub(super) fn repeat_if_due(&mut self, now: Instant) {
        if self.may_repeat() {
            self.repeat(|session, packet| {
                session.repeat_at(packet).filter(|at| *at <= now).map(|_| packet.bytes)
            });
        }
    }

    /// A packet leaves in any case: what is not acknowledged rides along, unless it only just left.
    pub(super) fn ride_along(&mut self, now: Instant) {
        if self.may_repeat() {
            let delay = self.recovery.rtt.repeat_delay() / 2;
            self.repeat(|session, packet| {
                let first = packet.turn == Turn::First && !packet.frames.is_empty();
                let bytes = packet.bytes.saturating_sub(DATA_OVERHEAD_BYTES as u16);
                let paid = bytes <= session.redundancy.credit;
                (first && paid && packet.at + delay <= now).then_some(bytes)
            });
        }
    }

    /// Wants the frames of those packets again for which `cost` says what that takes.
    fn repeat(&mut self, cost: impl Fn(&Self, &SentPacket) -> Option<u16>) {
        let mut packets = self.recovery.take_packets();
        for packet in &mut packets {
            if let Some(bytes) = cost(self, packet) {
                self.redundancy.credit -= bytes;
                self.redundancy.repeating = true;
                self.send_again(packet);
            }
        }
        self.recovery.put_back(packets);
    }

    /// Sends the oldest again that were not acknowledged in a round trip; whether there were any.
    pub(super) fn probe_early_if_due(&mut self, now: Instant) -> bool {
        if !self.may_probe_early() {
            return false;
        }
        let mut packets = self.recovery.take_packets();
        let mut probed = 0;
        for packet in &mut packets {
            if self.probe_early_at(packet).is_some_and(|at| at <= now) {
                self.send_again(packet);
                probed += 1;
                if probed == PACKETS_PER_EARLY_PROBE {
                    break;
                }
            }
        }
        self.recovery.put_back(packets);
        self.redundancy.probes += u8::from(probed > 0);
        probed > 0
    }
}

impl SentFrame {
    /// Whether somebody waits for it.
    pub(super) fn is_urgent(&self) -> bool {
        match self {
            Self::Lane(Sent::Record(_) | Sent::Skip(_))
            | Self::Refuse(_)
            | Self::Call(_)
            | Self::Reply(..)
            | Self::Welcome
            | Self::Hybrid(_) => true,
            Self::Lane(Sent::LowRecord(_)) | Self::Commit(_) | Self::PathChallenge => false,
        }
    }

    /// Whether the peer may hold the ACK of it back for long: see [`crate::wire::frame::Frame::is_low`].
    pub(super) const fn is_low(&self) -> bool {
        matches!(self, Self::Lane(Sent::LowRecord(_)) | Self::Commit(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_loss_makes_a_path_lossy_until_some_forty_packets_arrived() {
        let mut redundancy = Redundancy::default();
        redundancy.lost();
        let arrivals =
            std::iter::from_fn(|| (redundancy.loss >= LOSSY).then(|| redundancy.arrived()));
        let arrivals = arrivals.count();
        assert!((30..=45).contains(&arrivals), "{arrivals}");
    }

    #[test]
    fn the_estimate_stays_within_its_bounds() {
        let mut redundancy = Redundancy::default();
        (0..10_000).for_each(|_| redundancy.lost());
        assert!(redundancy.loss > u16::MAX / 10 * 9);
        (0..10_000).for_each(|_| redundancy.arrived());
        assert!(redundancy.loss < LOSSY);
    }

    #[test]
    fn what_is_earned_is_bounded() {
        let mut redundancy = Redundancy::default();
        (0..100).for_each(|_| redundancy.earn(1200));
        assert_eq!(redundancy.credit, CREDIT_BYTES_MAX);
    }
}
