//! What the server answers: the end of the handshake, and what becomes of a session.

use super::{
    Client, ClientEvent, Established, FIN_WAIT, Joining, RENEW_AFTER, RETRY_WAIT, Refusal,
    ServerKey, Suspicion,
    attempt::{Attempt, Rhythm},
};
use crate::{
    CloseCode, ConnectionId, Instant, Lane, Seq,
    chat::{self, LoginReply},
    crypto,
    noise::Keys,
    session::{Role, Session, SessionEvent, Start},
    wire::packet::{self, Fin, Resp, VERSION},
};
use std::{collections::VecDeque, net::SocketAddr, time::Duration};

impl Client {
    pub(super) fn handle_resp(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let Ok(resp) = Resp::decode(datagram) else {
            self.ended.dropped += 1;
            return;
        };
        if self.key_probe.as_ref().is_some_and(|probe| probe.client == resp.client) {
            return self.handle_probe_resp(&resp);
        }
        let Some(mut attempt) = self.attempt.take_if(|attempt| attempt.client == resp.client)
        else {
            self.ended.dropped += 1;
            return;
        };
        let Ok(payload) = attempt.read(resp.noise) else {
            self.ended.dropped += 1;
            self.attempt = Some(attempt);
            return;
        };
        self.key_probe = None;
        self.learn_round_trip(now, &attempt);
        if attempt.is_first_contact() {
            self.join(now, from, attempt, &payload);
        } else {
            self.finish(now, from, attempt, &payload);
        }
    }

    /// The handshake shows how far the server is, unless its messages were repeated: then what is known
    /// from before says more.
    fn learn_round_trip(&mut self, now: Instant, attempt: &Attempt) {
        let before = self.session.as_ref().and_then(|before| before.session.rtt());
        let known = before.or(self.config.rtt_hint).filter(|_| attempt.is_repeated());
        self.config.rtt_hint = Some(known.unwrap_or_else(|| attempt.round_trip(now)));
    }

    /// First contact: the server proved its key; now we say who we are.
    fn join(&mut self, now: Instant, from: SocketAddr, attempt: Attempt, payload: &[u8]) {
        let Ok(server) = payload.try_into().map(u64::from_be_bytes).map(ConnectionId) else {
            return self.try_again(now);
        };
        let local = attempt.client;
        let mut handshake = attempt.into_handshake();
        let Some(key) = handshake.peer() else { return self.try_again(now) };
        self.config.server = ServerKey::Pinned(key);
        self.events.push_back(ClientEvent::ServerKeyLearned(key));
        let Ok(noise) = handshake.write(&self.login_payload()) else { return self.try_again(now) };
        let fin = Fin { server, noise: &noise }.encode();
        let Ok(keys) = handshake.keys() else { return self.try_again(now) };
        let session = self.session_with(now, from, server, keys, 0);
        self.joining = Some(Joining {
            session,
            happened: VecDeque::new(),
            local,
            fin,
            wanted: true,
            next: now + FIN_WAIT,
            wait: FIN_WAIT,
            tries: 1,
        });
    }

    /// The handshake's second message checked: we are in, or refused.
    fn finish(&mut self, now: Instant, from: SocketAddr, attempt: Attempt, payload: &[u8]) {
        let (local, repeated) = (attempt.client, attempt.is_repeated());
        match chat::decode(payload) {
            Ok(LoginReply::Welcome { connection_id, reset_token, committed, server_time }) => {
                let server = ConnectionId(connection_id);
                let Ok(keys) = attempt.into_handshake().keys() else { return self.try_again(now) };
                let mut session = self.session_with(now, from, server, keys, committed);
                if repeated {
                    session.handshake_repeated(now);
                }
                session.offer_key();
                self.establish(now, session, local, server, reset_token);
                self.events
                    .push_back(ClientEvent::Connected { committed: Seq(committed), server_time });
            }
            Ok(LoginReply::Refused { code, retry_after_ms, reason }) => {
                let retry_after = Duration::from_millis(u64::from(retry_after_ms));
                let code = CloseCode::from_code(code);
                if !self.asks_on(now, from, code, retry_after) {
                    self.lose_login(now, from, code, retry_after, reason);
                }
            }
            Err(_) => self.try_again(now),
        }
    }

    fn session_with(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        server: ConnectionId,
        keys: Keys,
        committed: u64,
    ) -> Session {
        let start = Start {
            role: Role::Client,
            peer: server,
            remote,
            send: keys.from_client,
            receive: keys.from_server,
            handshake: keys.handshake,
            committed_out: committed,
            committed_in: 0,
            rtt_hint: self.config.rtt_hint,
        };
        Session::new(start, now, &mut self.rng)
    }

    fn establish(
        &mut self,
        now: Instant,
        session: Session,
        local: ConnectionId,
        server: ConnectionId,
        reset_token: [u8; 16],
    ) {
        if let Some(before) = self.session.take() {
            self.count(before.session.counters());
        }
        (self.suspect, self.moving) = (false, false);
        self.retry_at = None;
        self.joining = None;
        self.nodes.settle(session.remote());
        let renew_at = now + self.rng.jitter(RENEW_AFTER, 10);
        self.session = Some(Established { session, local, server, reset_token, renew_at });
    }

    /// The server's key is asked for beside a login that nobody answers.
    fn handle_probe_resp(&mut self, resp: &Resp<'_>) {
        let Some(mut probe) = self.key_probe.take() else { return };
        if probe.read(resp.noise).is_err() {
            self.key_probe = Some(probe);
            self.ended.dropped += 1;
            return;
        }
        let found = probe.into_handshake().peer();
        if let Some(key) = found.filter(|key| self.config.server != ServerKey::Pinned(*key)) {
            self.events.push_back(ClientEvent::Suspicion(Suspicion::KeyChanged(key)));
        }
    }

    pub(super) fn handle_reset(&mut self, now: Instant, datagram: &[u8]) {
        let known = self.session.as_ref().is_some_and(|established| {
            packet::decode_reset(datagram).is_ok_and(|(server, token)| {
                server == established.server && crypto::equal(&token, &established.reset_token)
            })
        });
        if known {
            self.lose_session(now, CloseCode::Restarting, "the server was restarted", now);
        } else {
            self.ended.dropped += 1;
        }
    }

    pub(super) fn handle_versions(&mut self, datagram: &[u8]) {
        let Ok((client, versions)) = packet::decode_versions(datagram) else {
            self.ended.dropped += 1;
            return;
        };
        let ours = self.attempt.as_ref().is_some_and(|attempt| attempt.client == client);
        if ours && !versions.contains(&VERSION) {
            let hint = Suspicion::Versions(versions.to_vec());
            self.events.push_back(ClientEvent::Suspicion(hint));
        } else {
            self.ended.dropped += 1;
        }
    }

    /// Drops the session and tries again at `retry_at`.
    pub(super) fn lose_session(
        &mut self,
        now: Instant,
        code: CloseCode,
        reason: &str,
        retry_at: Instant,
    ) {
        if let Some(established) = self.session.take() {
            self.part(established.session, established.local);
        }
        self.joining = None;
        (self.suspect, self.moving) = (false, false);
        let reason = reason.to_owned();
        self.events.push_back(ClientEvent::Disconnected { code, reason, retry_at });
        if retry_at > now {
            self.attempt = None;
            self.retry_at = Some(retry_at);
        } else if self.attempt.is_none() {
            self.begin_attempt(now, Rhythm::START);
        }
    }

    /// A login was refused, or a session closed by the server.
    fn lose_login(
        &mut self,
        now: Instant,
        from: SocketAddr,
        code: CloseCode,
        retry_after: Duration,
        reason: String,
    ) {
        let reason = if reason.is_empty() { code.to_string() } else { reason };
        match code {
            CloseCode::NameTaken
            | CloseCode::NotPermitted
            | CloseCode::BadLogin
            | CloseCode::Replaced => {
                if let Some(established) = self.session.take() {
                    self.count(established.session.counters());
                }
                self.rest();
                self.events.push_back(ClientEvent::Refused(Refusal { code, reason }));
            }
            CloseCode::Bye
            | CloseCode::Restarting
            | CloseCode::Idle
            | CloseCode::Protocol
            | CloseCode::Busy
            | CloseCode::ServerFault
            | CloseCode::Unknown(_) => {
                let wait = self.wait_after(code, retry_after);
                let retry_at = self.turned_away(now, from, code, wait);
                self.lose_session(now, code, &reason, retry_at);
            }
        }
    }

    /// How long to wait after such an end.
    pub(super) fn wait_after(&mut self, code: CloseCode, retry_after: Duration) -> Duration {
        let stated = !retry_after.is_zero() || code == CloseCode::Restarting;
        if stated { retry_after } else { self.rng.jitter(RETRY_WAIT, 20) }
    }

    /// An answer checked but makes no sense: begin anew after a while.
    fn try_again(&mut self, now: Instant) {
        self.retry_at = Some(now + self.rng.jitter(RETRY_WAIT, 20));
    }

    /// Turns what happened in a session into events for the daemon.
    pub(super) fn digest(&mut self, now: Instant) {
        let lane = Lane::CHAT;
        while let Some(event) = self.happened.pop_front() {
            let event = match event {
                SessionEvent::Message { last, payload, .. } => {
                    ClientEvent::Message { lane, last: Seq(last), payload }
                }
                SessionEvent::Committed { up_to } => ClientEvent::Committed { lane, up_to: Seq(up_to) },
                SessionEvent::Refused { last, code } => {
                    ClientEvent::MessageRefused { lane, last: Seq(last), code }
                }
                SessionEvent::Reply { id, payload } => ClientEvent::Reply { id, payload },
                SessionEvent::Note { payload } => ClientEvent::Note { payload },
                SessionEvent::Suspect => {
                    if self.session.is_some() && !self.suspect {
                        self.suspect = true;
                        self.events.push_back(ClientEvent::NeedAddresses);
                    }
                    continue;
                }
                SessionEvent::Unanswered { timeouts } => {
                    self.hear_nothing(now, timeouts);
                    continue;
                }
                SessionEvent::Closed { code, retry_after, reason } => {
                    if let Some(from) = self.remote() {
                        self.lose_login(now, from, code, retry_after, reason);
                    }
                    continue;
                }
                // Sessions of clients are never told of these.
                SessionEvent::Skip { .. }
                | SessionEvent::Call { .. }
                | SessionEvent::Writable
                // A repeated one: the first ended the joining.
                | SessionEvent::Welcome { .. } => continue,
            };
            self.events.push_back(event);
        }
    }

    /// Looks whether the server welcomed us at a first contact, or sent us away.
    pub(super) fn end_joining(&mut self, now: Instant) {
        let ended = |event: &SessionEvent| {
            matches!(event, SessionEvent::Welcome { .. } | SessionEvent::Closed { .. })
        };
        let Some(mut joining) = self.joining.take_if(|joining| joining.happened.iter().any(ended))
        else {
            return;
        };
        let index = joining.happened.iter().position(ended).unwrap_or_default();
        match joining.happened.remove(index) {
            Some(SessionEvent::Welcome { payload }) => self.handle_welcome(now, joining, &payload),
            Some(SessionEvent::Closed { code, retry_after, reason }) => {
                let from = joining.session.remote();
                self.part(joining.session, joining.local);
                self.lose_login(now, from, code, retry_after, reason);
            }
            _ => {}
        }
    }

    fn handle_welcome(&mut self, now: Instant, mut joining: Joining, payload: &[u8]) {
        let Ok(LoginReply::Welcome { connection_id, reset_token, committed, server_time }) =
            chat::decode(payload)
        else {
            return self.try_again(now);
        };
        let server = ConnectionId(connection_id);
        joining.session.set_peer(server);
        joining.session.set_committed_out(committed);
        // Not before: only now it is known under which id the server takes packets.
        joining.session.offer_key();
        self.establish(now, joining.session, joining.local, server, reset_token);
        self.events.push_back(ClientEvent::Connected { committed: Seq(committed), server_time });
        self.happened.append(&mut joining.happened);
    }
}
