//! What is done when nothing is acknowledged: probes, and the end of patience. RFC 9002, section 6.2.

use super::{
    PROBES_UNTIL_MOVE, PROBES_UNTIL_SUSPECT, Role, Session, SessionEvent,
    congestion::IN_FLIGHT_MAX,
    recovery::{PROBES_IN_FLIGHT_MAX, SentPacket},
    redundancy::Turn,
    rtt::{ACK_DELAY_MAX, LOW_DELAY_MAX},
};
use crate::Instant;
use std::{collections::VecDeque, time::Duration};

/// Packets sent at each probe timeout.
const PROBES_PER_TIMEOUT: u8 = 2;
/// Probe timeouts in a row after which a server rests where packets get lost anyway: half a minute.
const PROBES_UNTIL_REST_LOSSY: u32 = 12;
/// With so many in flight there is room for a probe within the bound.
const IN_FLIGHT_BEFORE_PROBE_MAX: usize =
    IN_FLIGHT_MAX as usize + PROBES_IN_FLIGHT_MAX - PROBES_PER_TIMEOUT as usize;

impl Session {
    /// When something is to be done about packets that were not acknowledged.
    pub(super) fn recovery_deadline(&self) -> Option<Instant> {
        if self.recovery.resting {
            return None;
        }
        let timers =
            [self.recovery.loss_deadline, self.redundancy_deadline(), self.probe_deadline()];
        timers.into_iter().flatten().min()
    }

    fn probe_deadline(&self) -> Option<Instant> {
        let recovery = &self.recovery;
        if recovery.in_flight.is_empty() {
            return None;
        }
        let oldest = recovery.packets().find(|packet| packet.turn.is_live());
        let since = oldest.map_or(recovery.restarted, |packet| packet.at.max(recovery.restarted));
        // Until the peer is heard the handshake is not over, and somebody waits for that.
        let even = if self.counters.received == 0 { PROBES_UNTIL_SUSPECT } else { 0 };
        // The peer holds this ACK back. A lost ACK is likelier than a COMMIT lost twice; and who misses the
        // COMMIT sends the record again.
        let backoff = recovery.timeouts.saturating_sub(even);
        let is_low = oldest.is_some_and(SentPacket::is_low);
        let held = if is_low { LOW_DELAY_MAX - ACK_DELAY_MAX } else { Duration::ZERO };
        Some(since + recovery.rtt.probe_timeout(backoff) + held)
    }

    pub(super) fn handle_recovery_timeout(
        &mut self,
        now: Instant,
        events: &mut VecDeque<SessionEvent>,
    ) {
        if self.recovery.loss_deadline.is_some_and(|at| at <= now) {
            self.detect_losses(now, true);
        }
        self.repeat_if_due(now);
        if self.probe_early_if_due(now) {
            self.make_way_for_probes(now);
            return;
        }
        if self.recovery.resting || self.probe_deadline().is_none_or(|at| at > now) {
            return;
        }
        self.forget_arrived();
        if self.recovery.packets().all(|packet| packet.turn == Turn::Moot) {
            // Whether these packets arrived nobody needs to know.
            self.recovery.in_flight.clear();
            self.recovery.timeouts = 0;
            return;
        }
        self.recovery.timeouts = self.recovery.timeouts.saturating_add(1);
        if self.role == Role::Client && self.recovery.timeouts <= PROBES_UNTIL_MOVE {
            events.push_back(SessionEvent::Unanswered { timeouts: self.recovery.timeouts });
        }
        if self.recovery.timeouts == PROBES_UNTIL_SUSPECT {
            events.push_back(SessionEvent::Suspect);
        }
        if self.role == Role::Server && self.recovery.timeouts >= self.probes_until_rest() {
            self.recovery.resting = true;
            return;
        }
        self.probe(now);
    }

    /// A client that only listens would not be heard, and nothing sent to it, until its keep-alive.
    fn probes_until_rest(&self) -> u32 {
        if self.path_is_lossy() { PROBES_UNTIL_REST_LOSSY } else { PROBES_UNTIL_SUSPECT }
    }

    /// Sends the oldest unacknowledged frames again, without giving the packets up.
    fn probe(&mut self, now: Instant) {
        self.make_way_for_probes(now);
        let mut packets = std::mem::take(&mut self.recovery.in_flight);
        let live = packets.iter_mut().filter(|packet| packet.turn.is_live());
        for packet in live.take(PROBES_PER_TIMEOUT.into()) {
            self.send_again(packet);
        }
        self.recovery.in_flight = packets;
        self.ping_wanted = true;
        if self.recovery.timeouts <= 1 {
            // Mostly it was the ACK that got lost, or held back.
            self.redundancy.repeat_no_more();
        }
    }

    fn make_way_for_probes(&mut self, now: Instant) {
        while self.recovery.in_flight() > IN_FLIGHT_BEFORE_PROBE_MAX {
            self.give_up_oldest(now);
        }
        self.recovery.probes = PROBES_PER_TIMEOUT;
        // Counted from now, also where the probe itself has to wait.
        self.recovery.restarted = now;
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
