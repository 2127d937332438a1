//! Packets to the peer: what goes in, in which order, and when it may leave.

use super::{
    Session, State,
    congestion::IN_FLIGHT_MAX,
    recovery::{PROBES_IN_FLIGHT_MAX, SentFrame, SentPacket},
    redundancy::Turn,
};
use crate::{
    DATAGRAM_BYTES_MAX, Instant,
    crypto::Rng,
    wire::{
        frame::{Ack, Frame},
        packet::{
            DATA_HEADER_BYTES, DATA_OVERHEAD_BYTES, DataHeader, PACKET_NUMBER_MAX, TAG_BYTES,
        },
    },
};
use smallvec::SmallVec;
use std::net::SocketAddr;

/// A probe is at least this large, so that an address that is not proved yet may be answered with
/// a challenge without sending more than came.
const PROBE_BYTES_MIN: usize = 64;

/// What goes into the packet under way.
#[derive(Default)]
struct Contents {
    frames: SmallVec<[SentFrame; 4]>,
    eliciting: bool,
    /// Nothing in it needs looking after.
    best_effort: bool,
}

impl Contents {
    fn add(&mut self, frame: SentFrame) {
        self.frames.push(frame);
        self.eliciting = true;
    }
}

impl Session {
    fn wants_to_send(&self) -> bool {
        self.ping_wanted
            || self.welcome.as_ref().is_some_and(|welcome| welcome.wanted)
            || self.exchange.as_ref().is_some_and(|exchange| exchange.wants_to_send())
            || !self.holds_back() && self.has_held_back()
    }

    /// Whether there is anything that waits for the hybrid epoch, or left in it at once.
    fn has_held_back(&self) -> bool {
        self.commit_wanted
            || self.lane_out.wants_to_send()
            || self.refusals.iter().any(|refusal| refusal.wanted)
            || self.asked.wants_to_send()
            || self.answers.wants_to_send()
            || !self.notes.is_empty()
    }

    pub(super) fn window_is_open(&self) -> bool {
        (self.recovery.in_flight() as u32) < self.congestion.window()
    }

    /// When the pacer lets the next packet go, if that is all that it waits for.
    pub(super) fn pacing_deadline(&self) -> Option<Instant> {
        let waits = self.window_is_open() && !self.recovery.is_resting() && self.wants_to_send();
        // An address that is not proved is sent to when something comes from there.
        let waits = waits && self.path.budget() == usize::MAX;
        waits.then(|| self.congestion.next_send(self.recovery.rtt.smoothed()))
    }

    /// Writes the next packet to `to` (cleared first); returns where it goes.
    pub(crate) fn poll_packet(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        to: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        to.clear();
        if let State::Closing { close, wanted, .. } = &mut self.state {
            if !std::mem::take(wanted) {
                return None;
            }
            let close = close.clone();
            to.resize(DATA_HEADER_BYTES, 0);
            let (code, reason) = (close.code.code(), close.reason.as_bytes());
            Frame::Close { code, retry_after: close.retry_after, reason }.encode(to);
            if to.len() + TAG_BYTES > self.path.budget() {
                return None;
            }
            let number = self.draw_number(rng);
            return self.seal_as(now, number, to);
        }
        if !self.is_open() {
            return None;
        }
        let limit = DATAGRAM_BYTES_MAX.min(self.path.budget());
        let probing = self.recovery.probes() > 0 && !self.recovery.is_resting();
        let paced = self.congestion.next_send(self.recovery.rtt.smoothed()) <= now;
        let may_send = probing || (self.window_is_open() && paced && !self.recovery.is_resting());
        let ack_due = self.debt.deadline.is_some_and(|at| at <= now);
        let path_work = self.path_response.is_some() || self.path.challenge().is_some();
        let leaves = ack_due || path_work || may_send && self.wants_to_send();
        if !leaves || limit < DATA_OVERHEAD_BYTES + 1 {
            return None;
        }
        if may_send {
            self.ride_along(now);
            self.want_late_commit();
        }
        let sends = may_send && self.wants_to_send();
        let unsent = self.lane_out.unsent();

        to.resize(DATA_HEADER_BYTES, 0);
        let end = limit - TAG_BYTES;
        let mut contents = Contents::default();
        self.put_path_frames(end, to, &mut contents);
        self.put_ack(now, end, to);
        if sends {
            self.put_handshake_frames(end, to, &mut contents);
            if !self.holds_back() {
                self.put_control_frames(now, end, to, &mut contents);
                self.put_lane_frames(end, to, &mut contents);
            }
            self.put_ping(end, to, &mut contents);
        }
        if to.len() == DATA_HEADER_BYTES {
            return None;
        }
        let number = self.draw_number(rng);
        let bytes = to.len() + TAG_BYTES;
        if contents.eliciting {
            self.arm_keep_alive(now, rng);
            self.arm_overdue(now);
            self.congestion.sent(now, self.recovery.rtt.smoothed());
            // A peer that moves with every packet is challenged each time and may acknowledge nothing:
            // what would go beyond the bound is not looked after. The next challenge asks the same.
            if sends || self.recovery.in_flight() < IN_FLIGHT_MAX as usize + PROBES_IN_FLIGHT_MAX {
                let news = self.lane_out.unsent() > unsent;
                let turn = self.redundancy.sent(bytes, news, self.wants_to_send());
                let turn = if contents.best_effort { Turn::Moot } else { turn };
                let (at, frames) = (now, contents.frames);
                let urgent = frames.iter().any(SentFrame::is_urgent);
                let bytes = bytes as u16;
                self.recovery.sent(SentPacket { number, at, frames, bytes, turn, urgent });
            }
        } else {
            self.redundancy.earn(bytes);
        }
        self.seal_as(now, number, to)
    }

    fn put_path_frames(&mut self, end: usize, to: &mut Vec<u8>, contents: &mut Contents) {
        if let Some(answer) = self.path_response
            && put(&Frame::PathResponse(answer), end, to)
        {
            self.path_response = None;
            contents.eliciting = true;
        }
        if let Some(challenge) = self.path.challenge()
            && put(&Frame::PathChallenge(challenge), end, to)
        {
            self.path.challenge_sent();
            contents.add(SentFrame::PathChallenge);
        }
    }

    /// An ACK rides along with whatever leaves.
    fn put_ack(&mut self, now: Instant, end: usize, to: &mut Vec<u8>) {
        if self.debt.packets == 0 {
            return;
        }
        let Some((largest, bitmap)) = self.replay.seen() else { return };
        let delay = now.since(self.debt.largest_at);
        if put(&Frame::Ack(Ack { largest, delay, congested: 0, bitmap }), end, to) {
            self.debt.packets = 0;
            self.debt.hasty = 0;
            self.debt.deadline = None;
        }
    }

    /// What leads to the hybrid epoch, and is not held back until then.
    fn put_handshake_frames(&mut self, end: usize, to: &mut Vec<u8>, contents: &mut Contents) {
        if let Some(welcome) = &mut self.welcome
            && welcome.wanted
            && put(&Frame::Welcome { bytes: &welcome.bytes }, end, to)
        {
            welcome.wanted = false;
            contents.add(SentFrame::Welcome);
        }
        if let Some(exchange) = &mut self.exchange {
            while let Some(index) = exchange.next_frame(end.saturating_sub(to.len()), to) {
                contents.add(SentFrame::Hybrid(index));
            }
        }
    }

    fn put_control_frames(
        &mut self,
        now: Instant,
        end: usize,
        to: &mut Vec<u8>,
        contents: &mut Contents,
    ) {
        if self.commit_wanted {
            let up_to = self.lane_in.committed();
            if put(&Frame::Commit { lane: 0, up_to }, end, to) {
                self.commit_wanted = false;
                self.commit_at = None;
                contents.add(SentFrame::Commit(up_to));
            }
        }
        for refusal in self.refusals.iter_mut().filter(|refusal| refusal.wanted) {
            let (seq, code) = (refusal.last, refusal.code.code());
            if !put(&Frame::Refuse { lane: 0, seq, code }, end, to) {
                break;
            }
            refusal.wanted = false;
            contents.add(SentFrame::Refuse(seq));
        }
        while let Some((id, index)) = self.answers.next_frame(end.saturating_sub(to.len()), to) {
            contents.add(SentFrame::Reply(id, index));
        }
        while let Some(id) = self.asked.next_frame(now, end.saturating_sub(to.len()), to) {
            contents.add(SentFrame::Call(id));
        }
    }

    fn put_lane_frames(&mut self, end: usize, to: &mut Vec<u8>, contents: &mut Contents) {
        while let Some(sent) = self.lane_out.next_frame(0, end.saturating_sub(to.len()), to) {
            contents.add(SentFrame::Lane(sent));
        }
        while let Some(note) = self.notes.front() {
            if !put(&Frame::Note { bytes: note }, end, to) {
                break;
            }
            self.notes.pop_front();
            contents.best_effort |= !contents.eliciting;
            contents.eliciting = true;
        }
    }

    fn put_ping(&mut self, end: usize, to: &mut Vec<u8>, contents: &mut Contents) {
        if !std::mem::take(&mut self.ping_wanted) || contents.eliciting {
            return;
        }
        contents.eliciting = put(&Frame::Ping, end, to);
        let padded = (PROBE_BYTES_MIN - TAG_BYTES).min(end);
        if to.len() < padded {
            // PADDING is a zero byte.
            to.resize(padded, 0);
        }
    }

    fn draw_number(&mut self, rng: &mut Rng) -> u64 {
        if self.next_number == self.next_skip {
            self.skipped = Some(self.next_number);
            self.next_number += 1;
            self.next_skip = self.draw_skip(rng);
        }
        let number = self.next_number;
        // 2^56 packets would take a session thousands of years.
        debug_assert!(number <= PACKET_NUMBER_MAX);
        self.next_number += 1;
        number
    }

    fn seal_as(&mut self, now: Instant, number: u64, to: &mut Vec<u8>) -> Option<SocketAddr> {
        self.keys.ratchet_if_due(now, number);
        let header = DataHeader { phase: self.keys.send_phase(), to: self.peer, number };
        to[..DATA_HEADER_BYTES].copy_from_slice(&header.encode());
        self.keys.seal(number, to);
        self.path.sent(to.len());
        self.counters.sent += 1;
        Some(self.path.remote())
    }
}

/// Encodes `frame` unless it would reach past `end`.
fn put(frame: &Frame<'_>, end: usize, to: &mut Vec<u8>) -> bool {
    let before = to.len();
    frame.encode(to);
    let fits = to.len() <= end;
    if !fits {
        to.truncate(before);
    }
    fits
}
