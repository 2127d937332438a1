//! What was sent and not acknowledged; loss by later packets or by time; probes. RFC 9002, section 6,
//! but frames are sent again, packets never.

use super::{
    PROBES_UNTIL_SUSPECT, Role, Session, SessionEvent, congestion::IN_FLIGHT_MAX, lane_out,
    replay::WINDOW, rtt::RttEstimator,
};
use crate::{Instant, wire::frame::Ack};
use smallvec::SmallVec;
use std::{collections::VecDeque, time::Duration};

/// A packet is lost once one sent this much later was acknowledged.
const PACKET_THRESHOLD: u64 = 3;
/// Probes may exceed the window by this much; beyond, the oldest packet is given up.
pub(crate) const PROBES_IN_FLIGHT_MAX: usize = 8;
/// Packets sent at each probe timeout.
const PROBES_PER_TIMEOUT: u8 = 2;

/// What a packet carried that must arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SentFrame {
    Lane(lane_out::Sent),
    Commit(u64),
    Refuse(u64),
    Call(u64),
    Reply(u64, u64),
    Welcome,
    PathChallenge,
}

/// An ack-eliciting packet on its way.
#[derive(Debug)]
pub(crate) struct SentPacket {
    pub(crate) number: u64,
    pub(crate) at: Instant,
    pub(crate) frames: SmallVec<[SentFrame; 4]>,
}

/// Packets in flight and the timers over them.
#[derive(Debug)]
pub(crate) struct Recovery {
    pub(crate) rtt: RttEstimator,
    in_flight: VecDeque<SentPacket>,
    largest_acked: Option<u64>,
    congested_seen: u64,
    last_sent: Instant,
    loss_deadline: Option<Instant>,
    /// Probe timeouts since the last acknowledgement.
    timeouts: u32,
    /// Probes that may leave whatever the window says.
    probes: u8,
    /// The server stops probing a client that does not answer, until it is heard again.
    resting: bool,
}

impl Recovery {
    pub(crate) fn new(rtt_hint: Option<Duration>, now: Instant) -> Self {
        Self {
            rtt: RttEstimator::new(rtt_hint),
            in_flight: VecDeque::new(),
            largest_acked: None,
            congested_seen: 0,
            last_sent: now,
            loss_deadline: None,
            timeouts: 0,
            probes: 0,
            resting: false,
        }
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
        self.last_sent = packet.at;
        self.probes = self.probes.saturating_sub(1);
        self.in_flight.push_back(packet);
    }

    /// When something is to be done about packets that were not acknowledged.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.resting || self.in_flight.is_empty() {
            return None;
        }
        let probe = self.last_sent + self.rtt.probe_timeout(self.timeouts);
        Some(self.loss_deadline.map_or(probe, |loss| loss.min(probe)))
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
        let mut newest = None;
        let mut packets = std::mem::take(&mut self.recovery.in_flight);
        packets.retain(|packet| {
            if !covers(packet.number) {
                return true;
            }
            newest = Some((packet.number, packet.at));
            self.congestion.acked(packet.at, full);
            for frame in &packet.frames {
                self.frame_acked(*frame);
            }
            false
        });
        self.recovery.in_flight = packets;
        let Some((number, at)) = newest else { return Ok(()) };
        if number == ack.largest {
            self.recovery.rtt.measure(now.since(at), ack.delay);
        }
        self.recovery.largest_acked = self.recovery.largest_acked.max(Some(number));
        self.recovery.timeouts = 0;
        self.keys.acknowledged(number);
        if ack.congested > self.recovery.congested_seen {
            self.recovery.congested_seen = ack.congested;
            self.congestion.congested(now, at);
        }
        self.detect_losses(now);
        Ok(())
    }

    fn detect_losses(&mut self, now: Instant) {
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
            self.give_up_oldest(now);
        }
    }

    /// Declares the oldest packet lost.
    fn give_up_oldest(&mut self, now: Instant) {
        let Some(packet) = self.recovery.in_flight.pop_front() else { return };
        self.counters.lost += 1;
        self.congestion.congested(now, packet.at);
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
            SentFrame::Commit(_) | SentFrame::Call(_) | SentFrame::PathChallenge => {}
        }
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
            SentFrame::PathChallenge => self.path.challenge_lost(),
        }
    }

    pub(super) fn handle_recovery_timeout(
        &mut self,
        now: Instant,
        events: &mut VecDeque<SessionEvent>,
    ) {
        if self.recovery.loss_deadline.is_some_and(|at| at <= now) {
            self.detect_losses(now);
        }
        if self.recovery.deadline().is_none_or(|at| at > now) {
            return;
        }
        self.recovery.timeouts = self.recovery.timeouts.saturating_add(1);
        if self.recovery.timeouts == PROBES_UNTIL_SUSPECT {
            events.push_back(SessionEvent::Suspect);
        }
        if self.recovery.timeouts >= PROBES_UNTIL_SUSPECT && self.role == Role::Server {
            self.recovery.resting = true;
            return;
        }
        self.probe(now);
    }

    /// Sends the oldest unacknowledged frames again, without giving the packets up.
    fn probe(&mut self, now: Instant) {
        while self.recovery.in_flight.len() >= IN_FLIGHT_MAX as usize + PROBES_IN_FLIGHT_MAX {
            self.give_up_oldest(now);
        }
        self.recovery.probes = PROBES_PER_TIMEOUT;
        // Counted from now, also where the probe itself has to wait.
        self.recovery.last_sent = now;
        let oldest = usize::from(PROBES_PER_TIMEOUT).min(self.recovery.in_flight.len());
        for index in 0..oldest {
            let frames = self.recovery.in_flight[index].frames.clone();
            for frame in frames {
                self.frame_lost(frame);
            }
        }
        self.ping_wanted = true;
    }

    /// The peer was heard: a server that had stopped probing begins anew.
    pub(super) fn wake(&mut self, now: Instant) {
        if self.recovery.resting {
            self.recovery.resting = false;
            self.recovery.timeouts = 0;
            while self.recovery.in_flight() > 0 {
                self.give_up_oldest(now);
            }
        }
    }

    /// Probes at once: the network changed, or the machine woke up.
    pub(crate) fn probe_now(&mut self, now: Instant) {
        self.recovery.timeouts = 0;
        self.probe(now);
    }
}

#[cfg(test)]
mod model;
