//! What was sent and not acknowledged; loss by later packets or by time. RFC 9002, section 6.1, but
//! frames are sent again, packets never.

use super::{
    PROBES_UNTIL_SUSPECT, Session, lane_out,
    redundancy::Turn,
    replay::WINDOW,
    rtt::{ACK_DELAY_MAX, RttEstimator},
};
use crate::{Instant, wire::frame::Ack};
use smallvec::SmallVec;
use std::{collections::VecDeque, time::Duration};

/// A packet is lost once one sent this much later was acknowledged.
const PACKET_THRESHOLD: u64 = 3;
/// Probes may exceed the window by this much; beyond, the oldest packet is given up.
pub(crate) const PROBES_IN_FLIGHT_MAX: usize = 8;

/// What a packet carried that must arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SentFrame {
    Lane(lane_out::Sent),
    Commit(u64),
    Refuse(u64),
    Call(u64),
    Reply(u64, u64),
    Welcome,
    /// A piece of our key, or of our answer to the peer's.
    Hybrid(u64),
    PathChallenge,
}

/// An ack-eliciting packet on its way.
#[derive(Debug)]
pub(crate) struct SentPacket {
    pub(crate) number: u64,
    pub(crate) at: Instant,
    pub(crate) frames: SmallVec<[SentFrame; 4]>,
    /// Of the whole datagram.
    pub(crate) bytes: u16,
    pub(crate) turn: Turn,
    /// Whether somebody waits for what is in it.
    pub(crate) urgent: bool,
}

impl SentPacket {
    /// Whether its ACK may be held back for long, as all of it is of low urgency.
    pub(super) fn is_low(&self) -> bool {
        !self.frames.is_empty() && self.frames.iter().all(SentFrame::is_low)
    }

    /// The peer knows this COMMIT, by this packet or another one.
    fn forget_commits(&mut self, known: u64) {
        let before = self.frames.len();
        self.frames.retain(|frame| !matches!(frame, SentFrame::Commit(up_to) if *up_to <= known));
        if self.frames.is_empty() && before > 0 {
            self.turn = Turn::Moot;
        }
    }
}

/// Packets in flight and the timers over them.
#[derive(Debug)]
pub(crate) struct Recovery {
    pub(crate) rtt: RttEstimator,
    pub(super) in_flight: VecDeque<SentPacket>,
    largest_acked: Option<u64>,
    congested_seen: u64,
    /// The latest probe or acknowledgement: the probe timeout does not begin before.
    pub(super) restarted: Instant,
    pub(super) loss_deadline: Option<Instant>,
    /// Probe timeouts since the last acknowledgement.
    pub(super) timeouts: u32,
    /// Probes that may leave whatever the window says.
    pub(super) probes: u8,
    /// The server stops probing a client that does not answer, until it is heard again.
    pub(super) resting: bool,
}

impl Recovery {
    pub(crate) fn new(rtt_hint: Option<Duration>, now: Instant) -> Self {
        Self {
            rtt: RttEstimator::new(rtt_hint),
            in_flight: VecDeque::new(),
            largest_acked: None,
            congested_seen: 0,
            restarted: now,
            loss_deadline: None,
            timeouts: 0,
            probes: 0,
            resting: false,
        }
    }

    /// Nothing is under way, and the peer answered last.
    pub(super) fn is_settled(&self) -> bool {
        self.in_flight.is_empty() && self.probes == 0 && !self.resting && self.timeouts == 0
    }

    /// What the peer said of congestion on the way, in total.
    pub(super) fn congested_seen(&self) -> u64 {
        self.congested_seen
    }

    /// Goes on after a pause.
    pub(super) fn resumed(rtt: RttEstimator, congested_seen: u64, now: Instant) -> Self {
        Self { rtt, congested_seen, ..Self::new(None, now) }
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(crate) fn probes(&self) -> u8 {
        self.probes
    }

    pub(crate) fn is_resting(&self) -> bool {
        self.resting
    }

    pub(crate) fn sent(&mut self, packet: SentPacket) {
        self.probes = self.probes.saturating_sub(1);
        self.in_flight.push_back(packet);
    }

    /// Whether a probe timeout has passed since the last acknowledgement.
    pub(super) fn is_probing(&self) -> bool {
        self.timeouts > 0
    }

    pub(super) fn packets(&self) -> impl Iterator<Item = &SentPacket> {
        self.in_flight.iter()
    }

    /// Packets that somebody waits for and that no other one stands in for.
    pub(super) fn live(&self) -> usize {
        self.packets().filter(|packet| packet.urgent && packet.turn.is_live()).count()
    }

    /// For a look at each packet and the session in turn: to be put back at once.
    pub(super) fn take_packets(&mut self) -> VecDeque<SentPacket> {
        std::mem::take(&mut self.in_flight)
    }

    pub(super) fn put_back(&mut self, packets: VecDeque<SentPacket>) {
        self.in_flight = packets;
    }
}

impl Session {
    /// Takes an ACK; `Err` names the lie in it.
    pub(super) fn acknowledged(&mut self, now: Instant, ack: Ack) -> Result<(), &'static str> {
        if ack.largest >= self.next_number {
            return Err("a packet acknowledged that was never sent");
        }
        let covers = |number: u64| {
            number <= ack.largest
                && ack.largest - number < WINDOW
                && ack.bitmap & (1 << (ack.largest - number)) != 0
        };
        if self.skipped.is_some_and(covers) {
            return Err("a packet acknowledged that was left out");
        }
        let full = self.recovery.in_flight.len() as u32 >= self.congestion.window();
        let (mut newest, mut commit) = (None, 0);
        let mut packets = std::mem::take(&mut self.recovery.in_flight);
        packets.retain(|packet| {
            if !covers(packet.number) {
                return true;
            }
            newest = Some((packet.number, packet.at));
            self.congestion.acked(packet.at, full);
            self.redundancy.arrived();
            for frame in &packet.frames {
                self.frame_acked(*frame);
                if let SentFrame::Commit(up_to) = frame {
                    commit = commit.max(*up_to);
                }
            }
            false
        });
        if commit > 0 {
            packets.iter_mut().for_each(|packet| packet.forget_commits(commit));
        }
        self.recovery.in_flight = packets;
        let Some((number, at)) = newest else { return Ok(()) };
        // An ACK that was held back for long, as nobody waited for it, says little of the way.
        if number == ack.largest && ack.delay <= 2 * ACK_DELAY_MAX {
            let round_trip = now.since(at);
            if self.recovery.rtt.shows_lost_handshake(round_trip) {
                self.redundancy.lost();
            }
            self.recovery.rtt.measure(round_trip, ack.delay);
        }
        self.redundancy.answered();
        self.recovery.restarted = now;
        self.recovery.largest_acked = self.recovery.largest_acked.max(Some(number));
        let counts = self.recovery.timeouts < PROBES_UNTIL_SUSPECT;
        self.recovery.timeouts = 0;
        self.keys.acknowledged(number);
        if ack.congested > self.recovery.congested_seen {
            self.recovery.congested_seen = ack.congested;
            self.congestion.congested(now, at);
        }
        self.detect_losses(now, counts);
        if self.path_is_lossy() {
            self.forget_arrived();
        }
        Ok(())
    }

    /// Declares lost what later packets show to be. Whether that counts: an outage says nothing about
    /// how many get lost where most arrive.
    pub(super) fn detect_losses(&mut self, now: Instant, counts: bool) {
        self.recovery.loss_deadline = None;
        let Some(largest) = self.recovery.largest_acked else { return };
        let delay = self.recovery.rtt.loss_delay();
        while let Some(packet) = self.recovery.in_flight.front() {
            if packet.number > largest {
                break;
            }
            if largest - packet.number < PACKET_THRESHOLD && packet.at + delay > now {
                self.recovery.loss_deadline = Some(packet.at + delay);
                break;
            }
            if counts {
                self.redundancy.lost();
            }
            self.give_up_oldest(now);
        }
    }

    /// What has arrived by other packets is not looked after any more.
    pub(super) fn forget_arrived(&mut self) {
        let mut packets = std::mem::take(&mut self.recovery.in_flight);
        for packet in packets.iter_mut().filter(|packet| !packet.frames.is_empty()) {
            if !packet.frames.iter().any(|frame| self.still_matters(*frame)) {
                packet.turn = Turn::Moot;
            }
        }
        self.recovery.in_flight = packets;
    }

    fn still_matters(&self, frame: SentFrame) -> bool {
        match frame {
            SentFrame::Lane(sent) => self.lane_out.is_open(sent),
            SentFrame::Commit(up_to) => up_to == self.lane_in.committed(),
            SentFrame::Refuse(last) => self.refusals.iter().any(|refusal| refusal.last == last),
            SentFrame::Reply(id, index) => self.answers.is_open(id, index),
            SentFrame::Call(id) => self.asked.is_open(id),
            SentFrame::Welcome => self.welcome.is_some(),
            SentFrame::Hybrid(index) => self.exchange.as_ref().is_some_and(|it| it.is_open(index)),
            SentFrame::PathChallenge => true,
        }
    }

    /// Declares the oldest packet lost.
    pub(super) fn give_up_oldest(&mut self, now: Instant) {
        let Some(packet) = self.recovery.in_flight.pop_front() else { return };
        self.counters.lost += 1;
        self.congestion.congested(now, packet.at);
        if packet.turn == Turn::Done {
            return;
        }
        for frame in packet.frames {
            self.frame_lost(frame);
        }
    }

    fn frame_acked(&mut self, frame: SentFrame) {
        match frame {
            SentFrame::Lane(sent) => self.lane_out.acked(sent),
            SentFrame::Refuse(last) => self.refusals.retain(|refusal| refusal.last != last),
            SentFrame::Reply(id, index) => self.answers.acked(id, index),
            SentFrame::Welcome => self.welcome = None,
            SentFrame::Hybrid(index) => {
                if let Some(exchange) = &mut self.exchange {
                    exchange.acked(index);
                }
            }
            SentFrame::Commit(_) | SentFrame::Call(_) | SentFrame::PathChallenge => {}
        }
    }

    /// Its frames go into a later packet, which is looked after in its place.
    pub(super) fn send_again(&mut self, packet: &mut SentPacket) {
        packet.turn = Turn::Done;
        packet.frames.iter().for_each(|frame| self.frame_lost(*frame));
    }

    /// A frame may not have arrived: send it again if it still matters.
    fn frame_lost(&mut self, frame: SentFrame) {
        self.counters.retransmitted += 1;
        match frame {
            SentFrame::Lane(sent) => {
                if !self.lane_out.lost(sent) {
                    self.counters.retransmitted -= 1;
                }
            }
            SentFrame::Commit(up_to) => self.commit_wanted |= up_to == self.lane_in.committed(),
            SentFrame::Refuse(last) => {
                for refusal in self.refusals.iter_mut().filter(|refusal| refusal.last == last) {
                    refusal.wanted = true;
                }
            }
            SentFrame::Call(id) => self.asked.lost(id),
            SentFrame::Reply(id, index) => self.answers.lost(id, index),
            SentFrame::Welcome => {
                if let Some(welcome) = &mut self.welcome {
                    welcome.wanted = true;
                }
            }
            SentFrame::Hybrid(index) => {
                if let Some(exchange) = &mut self.exchange {
                    exchange.lost(index);
                }
            }
            SentFrame::PathChallenge => self.path.challenge_lost(),
        }
    }
}

#[cfg(test)]
mod model;
