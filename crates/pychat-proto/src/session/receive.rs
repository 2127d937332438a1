//! Packets from the peer: replay check, opening, frames.

use super::{
    AckDebt, Dropped, Role, Session, SessionEvent, State,
    keys::Epoch,
    lane_in::Delivery,
    lane_out::Committed,
    path,
    replay::Arrival,
    rtt::{ACK_DELAY_MAX, ACK_DELAY_SHORT, LOW_DELAY_MAX},
};
use crate::{
    CloseCode, Instant, RefuseCode,
    crypto::Rng,
    wire::{
        Malformed, Reader,
        frame::{Frame, REASON_BYTES_MAX},
        packet::DataHeader,
    },
};
use std::{collections::VecDeque, net::SocketAddr, time::Duration};

/// An ACK is sent soon after every second packet, or after `ACK_DELAY_MAX`.
const PACKETS_PER_ACK: u32 = 2;
/// An ACK is sent at once after so many packets.
const PACKETS_UNTIL_ACK: u32 = 16;

impl Session {
    /// Takes a DATA packet, decrypting it in place.
    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
        rng: &mut Rng,
        events: &mut VecDeque<SessionEvent>,
    ) -> Result<(), Dropped> {
        let bytes = datagram.len();
        let Ok(header) = DataHeader::decode(datagram) else { return self.drop_packet() };
        if self.is_closed() || !self.replay.is_fresh(header.number) {
            return self.drop_packet();
        }
        let Ok((epoch, frames)) = self.keys.open(header, datagram) else {
            return self.drop_packet();
        };
        let newest = self.replay.is_newest(header.number);
        let arrival = self.replay.mark(header.number);
        self.counters.received += 1;
        if self.counters.received == 1 && self.role == Role::Server {
            // It answers the handshake's last message, which was sent when this session began.
            self.recovery.rtt.guess(now.since(self.heard));
        }
        self.heard = now;
        if let State::Closing { wanted, answers_left, .. } = &mut self.state {
            if *answers_left > 0 {
                *answers_left -= 1;
                *wanted = true;
            }
            return Ok(());
        }
        if self.role == Role::Server {
            let deadline = now + path::proof_time(self.recovery.rtt.probe_timeout(0));
            self.path.received(from, bytes, newest, deadline, || rng.bytes());
        }
        self.wake(now);
        if newest {
            self.debt.largest_at = now;
        }
        if epoch == Epoch::Hybrid {
            self.end_exchange(now);
        }
        self.handle_frames(now, epoch, frames, arrival, events);
        Ok(())
    }

    fn drop_packet(&mut self) -> Result<(), Dropped> {
        self.counters.dropped += 1;
        Err(Dropped)
    }

    fn handle_frames(
        &mut self,
        now: Instant,
        epoch: Epoch,
        frames: &[u8],
        arrival: Arrival,
        events: &mut VecDeque<SessionEvent>,
    ) {
        let mut reader = Reader(frames);
        if reader.is_empty() {
            return self.violation(now, "an empty packet", events);
        }
        let (mut eliciting, mut low) = (false, true);
        let mut at_once = arrival == Arrival::OutOfOrder;
        while !reader.is_empty() && self.is_open() {
            let Ok(frame) = Frame::decode(&mut reader) else {
                let Malformed = Malformed;
                return self.violation(now, "a malformed frame", events);
            };
            if frame.is_ack_eliciting() {
                eliciting = true;
                low &= frame.is_low();
            }
            at_once |= self.wants_ack_at_once(&frame);
            if let Err(what) = belongs_into(&frame, epoch) {
                return self.violation(now, what, events);
            }
            if let Err(what) = self.handle_frame(now, &frame, events) {
                return self.violation(now, what, events);
            }
        }
        if eliciting {
            let haste = match (at_once, low) {
                (true, _) => Haste::Now,
                (false, false) => Haste::Some,
                (false, true) => Haste::None,
            };
            self.owe_ack(now, haste);
        }
    }

    /// Where packets get lost the peer waits for this ACK, or sends again what it has no ACK for.
    fn wants_ack_at_once(&self, frame: &Frame<'_>) -> bool {
        match frame {
            Frame::Record { seq, .. } => self.lane_in.knows(*seq) || self.replay.has_gaps(),
            Frame::Skip { .. }
            | Frame::Refuse { .. }
            | Frame::Call { .. }
            | Frame::Reply { .. }
            | Frame::Welcome { .. }
            | Frame::Hybrid { .. } => self.replay.has_gaps(),
            Frame::Padding
            | Frame::Ping
            | Frame::Ack(_)
            | Frame::Commit { .. }
            | Frame::Note { .. }
            | Frame::PathChallenge(_)
            | Frame::PathResponse(_)
            | Frame::Close { .. } => false,
        }
    }

    fn owe_ack(&mut self, now: Instant, haste: Haste) {
        let AckDebt { packets, hasty, deadline, .. } = &mut self.debt;
        *packets += 1;
        *hasty += u32::from(haste != Haste::None);
        let delay = match haste {
            Haste::Now => Duration::ZERO,
            Haste::Some | Haste::None if *packets >= PACKETS_UNTIL_ACK => Duration::ZERO,
            Haste::Some if *hasty >= PACKETS_PER_ACK => ACK_DELAY_SHORT,
            Haste::Some => ACK_DELAY_MAX,
            Haste::None => LOW_DELAY_MAX,
        };
        let due = now + delay;
        *deadline = Some(deadline.map_or(due, |before| before.min(due)));
    }

    fn handle_frame(
        &mut self,
        now: Instant,
        frame: &Frame<'_>,
        events: &mut VecDeque<SessionEvent>,
    ) -> Result<(), &'static str> {
        let server = self.role == Role::Server;
        match *frame {
            Frame::Padding | Frame::Ping => {}
            Frame::Ack(ack) => self.acknowledged(now, ack)?,
            Frame::Record { lane: 0, seq, part, bytes } => {
                self.lively = true;
                let mut out = |delivery| events.push_back(delivered(delivery));
                self.lane_in.record(seq, part, bytes, &mut out).map_err(|violation| violation.0)?;
            }
            Frame::Skip { lane: 0, first, last } if server => {
                let mut out = |delivery| events.push_back(delivered(delivery));
                self.lane_in.skip(first, last, &mut out).map_err(|violation| violation.0)?;
                // What is committed already is said again, since the peer does not seem to know.
                self.commit_wanted |= last <= self.lane_in.committed();
                self.refusals.retain(|refusal| refusal.last != last);
            }
            Frame::Commit { lane: 0, up_to } => match self.lane_out.commit(up_to) {
                Committed::Moved => {
                    self.forget_arrived();
                    self.overdue.asked = 0;
                    self.arm_overdue(now);
                    events.push_back(SessionEvent::Committed { up_to });
                    if std::mem::take(&mut self.blocked) {
                        events.push_back(SessionEvent::Writable);
                    }
                }
                Committed::Known => {}
                Committed::Impossible => return Err("a commit of what was never sent"),
            },
            Frame::Refuse { lane: 0, seq, code } if !server => {
                if seq > self.lane_out.last_offered() {
                    return Err("a refusal of what was never sent");
                }
                if self.lane_out.refused(seq) {
                    let code = RefuseCode::from_code(code);
                    events.push_back(SessionEvent::Refused { last: seq, code });
                }
            }
            Frame::Call { id, bytes } if server => {
                if self.answers.asked(id) {
                    events.push_back(SessionEvent::Call { id, payload: bytes.into() });
                }
            }
            Frame::Reply { id, index, part, bytes } if !server => {
                if let Some(payload) = self.asked.answered(id, index, part, bytes) {
                    events.push_back(SessionEvent::Reply { id, payload });
                }
            }
            Frame::Note { bytes } if !server => {
                events.push_back(SessionEvent::Note { payload: bytes.into() });
            }
            Frame::Welcome { bytes } if !server => {
                events.push_back(SessionEvent::Welcome { payload: bytes.into() });
            }
            Frame::Hybrid { index, bytes } => self.take_piece(now, index, bytes)?,
            Frame::PathChallenge(challenge) if !server => self.path_response = Some(challenge),
            Frame::PathResponse(answer) if server => self.path.answered(answer),
            Frame::Close { code, retry_after, reason } => {
                self.state = State::Closed;
                let reason = &reason[..reason.len().min(REASON_BYTES_MAX)];
                events.push_back(SessionEvent::Closed {
                    code: CloseCode::from_code(code),
                    retry_after,
                    reason: String::from_utf8_lossy(reason)
                        .chars()
                        .filter(|c| !c.is_control())
                        .collect(),
                });
            }
            Frame::Record { .. } | Frame::Commit { .. } => return Err("an unknown lane"),
            Frame::Skip { .. }
            | Frame::Refuse { .. }
            | Frame::Call { .. }
            | Frame::Reply { .. }
            | Frame::Note { .. }
            | Frame::Welcome { .. }
            | Frame::PathChallenge(_)
            | Frame::PathResponse(_) => return Err("a frame of the other side"),
        }
        Ok(())
    }
}

/// What people write waits for the hybrid epoch, and nothing leads to it again.
fn belongs_into(frame: &Frame<'_>, epoch: Epoch) -> Result<(), &'static str> {
    match epoch {
        Epoch::First if frame.is_held_back() => Err("a frame before the hybrid keys"),
        Epoch::Hybrid if matches!(frame, Frame::Hybrid { .. }) => Err("a second key exchange"),
        Epoch::First | Epoch::Hybrid => Ok(()),
    }
}

/// How soon the peer wants to know that a packet arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Haste {
    Now,
    Some,
    /// All of it was of low urgency.
    None,
}

fn delivered(delivery: Delivery) -> SessionEvent {
    match delivery {
        Delivery::Message { first, last, payload } => {
            SessionEvent::Message { first, last, payload }
        }
        Delivery::Skip { up_to } => SessionEvent::Skip { up_to },
    }
}
