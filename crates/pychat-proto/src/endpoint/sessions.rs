//! What the application does with a live session. On one that is gone, nothing happens.

use super::{Endpoint, api::SessionId};
use crate::{CloseCode, ConnectionId, Instant, Lane, RefuseCode, Seq, Urgency, records_for};
use std::{net::SocketAddr, time::Duration};

impl Endpoint {
    /// The server's id of a live session.
    #[must_use]
    pub fn connection_id(&self, session: SessionId) -> Option<ConnectionId> {
        self.slots.connection(session)
    }

    /// The address that the session's datagrams go to.
    #[must_use]
    pub fn remote(&self, session: SessionId) -> Option<SocketAddr> {
        self.slots.remote(session)
    }

    /// How many more records `send_message` takes now.
    #[must_use]
    pub fn room(&self, session: SessionId, lane: Lane) -> u64 {
        debug_assert_eq!(lane, Lane::CHAT, "there is one lane");
        self.slots.room(session).unwrap_or(0)
    }

    /// Sends a message to the client; its records get the next numbers of this session and the last
    /// one is returned. `None`: no room (`Writable` comes later), or the session is gone.
    ///
    /// # Panics
    /// The payload is larger than [`crate::MESSAGE_BYTES_MAX`], which the way in has checked.
    pub fn send_message(
        &mut self,
        _now: Instant,
        session: SessionId,
        lane: Lane,
        urgency: Urgency,
        payload: &[u8],
    ) -> Option<Seq> {
        debug_assert_eq!(lane, Lane::CHAT, "there is one lane");
        assert!(payload.len() <= crate::MESSAGE_BYTES_MAX, "the way in checks the size");
        let entry = self.entry_mut(session)?;
        if entry.session.room() < records_for(payload.len()) {
            entry.session.want_room();
            return None;
        }
        Some(Seq(entry.session.send_message(payload, urgency)))
    }

    /// The client's records up to `up_to` are on disk.
    pub fn commit(&mut self, now: Instant, session: SessionId, lane: Lane, up_to: Seq) {
        debug_assert_eq!(lane, Lane::CHAT, "there is one lane");
        if let Some(entry) = self.entry_mut(session) {
            entry.session.commit(now, up_to.0);
        }
    }

    /// Refuses the message that ends at `last`: no message after it is handed out until the client
    /// has answered with a skip (`EndpointEvent::Skip`); messages already handed out stay so.
    pub fn refuse_message(
        &mut self,
        _now: Instant,
        session: SessionId,
        lane: Lane,
        last: Seq,
        code: RefuseCode,
    ) {
        debug_assert_eq!(lane, Lane::CHAT, "there is one lane");
        if let Some(entry) = self.entry_mut(session) {
            entry.session.refuse(last.0, code);
        }
    }

    /// Answers a question; at most 16,000 bytes.
    pub fn reply(&mut self, _now: Instant, session: SessionId, id: u64, payload: &[u8]) {
        if let Some(entry) = self.entry_mut(session) {
            entry.session.reply(id, payload);
        }
    }

    /// Best effort; dropped where there is no room.
    pub fn note(&mut self, _now: Instant, session: SessionId, payload: &[u8]) {
        if let Some(entry) = self.entry_mut(session) {
            entry.session.note(payload);
        }
    }

    /// Says goodbye. The session is gone for the caller at once.
    pub fn close(
        &mut self,
        now: Instant,
        session: SessionId,
        code: CloseCode,
        retry_after: Duration,
        reason: &str,
    ) {
        let Some(entry) = self.entry_mut(session) else { return };
        entry.session.close(now, code, retry_after, reason);
        self.retire(session.slot, code);
    }
}
