//! What the protocol's client tells: stored first, then acknowledged, then told.

use super::{
    Action, Core, Sockets, answer,
    change::Change,
    reconcile::{Reconciled, reconcile},
};
use crate::db::{DatabaseError, Incoming, What};
use pychat_control::{Event, EventKind, Link, Trust};
use pychat_e2e::What as Content;
use pychat_proto::{
    Client, ClientEvent, DisplayName, Lane, MessageId, PublicKey, Refusal, RefuseCode, Seq,
    StreamId, Suspicion, UserName,
    chat::{self, MailboxEntry, Note, ToClient},
};

/// Events of the client that can wait for the disk: a window of messages that it has not committed,
/// a window of our records that were committed or refused, a login and a learned key. Nothing more is
/// sent or comes in before they are written.
pub(super) const BACKLOG_MAX: usize = 3 * pychat_proto::RECORD_WINDOW as usize + 2;

/// A session whose login is on disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    /// The last record that was handed to the client.
    pub(super) fed: Seq,
}

/// What the client is to be told once the transaction is on disk.
#[derive(Default)]
struct Stored {
    /// The session's login was stored.
    login: Option<Reconciled>,
    /// The server's key was pinned.
    learned: bool,
    /// Stored up to here.
    commit: Option<Seq>,
    /// Refused messages, written down.
    skips: Vec<Seq>,
}

impl Core {
    /// Takes what the client has to say. What has to reach the disk first waits in the backlog.
    pub(super) fn collect_client_events(&mut self) {
        while let Some(event) = self.client.as_mut().and_then(Client::poll_event) {
            self.take_client_event(event);
        }
    }

    pub(super) fn take_client_event(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::ServerKeyLearned(_) => self.backlog.push_back(event),
            ClientEvent::Connected { server_time, .. } => {
                self.end_session();
                self.sightings.note_server_time(server_time, self.now.unix_ms);
                self.backlog.push_back(event);
            }
            ClientEvent::Message { lane, .. }
            | ClientEvent::Committed { lane, .. }
            | ClientEvent::MessageRefused { lane, .. } => {
                if !matches!(event, ClientEvent::Message { .. }) {
                    self.server_stuck = false;
                }
                // Other lanes are of later versions; we never open one.
                if lane == Lane::CHAT {
                    self.backlog.push_back(event);
                }
            }
            ClientEvent::Disconnected { code, reason, retry_at: _ } => {
                self.end_session();
                if self.link.is_up() {
                    self.link_error = Some(answer::link_lost(code, &reason));
                    self.set_link(Link::Connecting);
                    self.save_rtt_hint();
                }
            }
            ClientEvent::Refused(refusal) => self.take_refusal(&refusal),
            ClientEvent::Suspicion(Suspicion::Versions(versions)) => {
                self.link_error = Some(answer::versions(&versions));
            }
            ClientEvent::Suspicion(Suspicion::KeyChanged(found)) => self.take_other_key(&found),
            ClientEvent::NeedAddresses => {
                if self.link.is_up() {
                    self.resolve(Sockets::Fresh);
                }
            }
            ClientEvent::Unanswered { address } => {
                self.actions.push_back(Action::AskRefusal { address });
            }
            ClientEvent::Reply { id, payload } => self.take_reply(id, &payload),
            ClientEvent::Note { payload } => self.take_note(&payload),
        }
    }

    /// Writes what waits to the disk as one transaction, then tells the client.
    pub(super) fn store_backlog(&mut self) {
        if self.backlog.is_empty() || !self.disk.is_ready() {
            return;
        }
        let backlog = std::mem::take(&mut self.backlog);
        let stream = self.fresh_stream();
        let result = self.change(|change| {
            let mut stored = Stored::default();
            for event in &backlog {
                store(change, &mut stored, event, stream)?;
                if matches!(stored.login, Some(Reconciled::Divergent)) {
                    // The session ends; the server sends what follows again in the next one.
                    break;
                }
            }
            Ok(stored)
        });
        match result {
            Ok(stored) => self.tell_client(&stored),
            Err(_) => self.backlog = backlog,
        }
    }

    fn tell_client(&mut self, stored: &Stored) {
        if stored.learned {
            self.connects.iter_mut().for_each(|waiter| waiter.learned = true);
        }
        match stored.login {
            Some(Reconciled::Divergent) => {
                tracing::warn!("the server knows another outbox than ours; a new stream begins");
                return self.start_client();
            }
            Some(Reconciled::Resume { fed }) => {
                self.session = Some(Session { fed });
                self.link_error = None;
                self.set_link(Link::Connected);
                self.confirm_login();
                self.want_from_disk();
                self.look_after_keys();
            }
            None => {}
        }
        let Some(client) = &mut self.client else { return };
        client.set_cursor(self.stored.settings.cursor);
        if !client.is_connected() {
            return;
        }
        if let Some(last) = stored.commit {
            client.commit(self.now.mono, Lane::CHAT, last);
        }
        for last in &stored.skips {
            client.skip(self.now.mono, Lane::CHAT, *last);
        }
    }

    /// What came in this session and is not on disk comes again in the next one.
    pub(super) fn end_session(&mut self) {
        self.session = None;
        self.roster.lose_sight();
        self.server_stuck = false;
        self.confirming = None;
        self.backlog.retain(|event| matches!(event, ClientEvent::ServerKeyLearned(_)));
        self.users.iter_mut().for_each(super::users::UsersQuery::forget_call);
        self.wanted.forget_calls();
        self.own_keys = super::users::Asking::NotBefore(pychat_proto::Instant::ZERO);
    }

    fn take_refusal(&mut self, refusal: &Refusal) {
        self.end_session();
        if let Some(account) = &self.stored.settings.account
            && self.link.is_up()
        {
            let failure = answer::login_refused(account, &self.config.identity.public(), refusal);
            self.link_error = Some(failure.clone());
            self.set_link(Link::Refused);
            self.stop_resolving();
            self.fail_connects(&failure);
        }
    }

    /// Somebody else answers in the server's place, or the server was set up anew. The client goes on
    /// looking for the one that it knows.
    fn take_other_key(&mut self, found: &PublicKey) {
        let Some(server) = self.stored.settings.account.as_ref().map(|account| &account.server)
        else {
            return;
        };
        if let Some(pinned) = &server.key {
            let failure = answer::key_changed(&server.hosts(), pinned, found);
            self.fail_connects(&failure);
            self.link_error = Some(failure);
        }
    }

    fn take_note(&mut self, payload: &[u8]) {
        match chat::decode(payload) {
            Ok(Note::Presence(state)) => {
                self.roster.note(&state);
                self.tell_now(EventKind::Presence { user: answer::user(&state) });
            }
            Ok(Note::NotStoring) => self.server_stuck = true,
            Ok(Note::Notice { text }) => {
                let text: String = text.chars().take(chat::NOTICE_CHARS_MAX).collect();
                self.notice = Some((text.clone(), self.now.unix_ms));
                self.tell_now(EventKind::ServerNotice { text });
            }
            Ok(Note::Nodes { nodes }) => self.take_nodes(nodes),
            // Best effort; a kind of a later version means nothing to us.
            Err(error) => tracing::debug!(%error, "a note cannot be read"),
        }
    }

    /// Tells subscribers what is not kept.
    pub(super) fn tell_now(&mut self, what: EventKind) {
        let at = answer::time(self.now.unix_ms);
        self.events.push_back(Event { cursor: None, at, what });
    }

    pub(super) fn save_rtt_hint(&mut self) {
        let rtt = self.client.as_ref().map(|client| client.stats().rtt);
        if let Some(rtt) = rtt.filter(|rtt| !rtt.is_zero()) {
            // Only a hint: a failure is shown in `status`, and nothing depends on it.
            let _ = self.change(|change| {
                change.stored.settings.rtt_hint = Some(rtt);
                Ok(())
            });
        }
    }
}

fn store(
    change: &mut Change<'_>,
    stored: &mut Stored,
    event: &ClientEvent,
    fresh_stream: StreamId,
) -> Result<(), DatabaseError> {
    match event {
        ClientEvent::ServerKeyLearned(key) => {
            pin(change, *key);
            stored.learned = true;
        }
        ClientEvent::Connected { committed, server_time: _ } => {
            stored.login = Some(reconcile(change, *committed, fresh_stream)?);
        }
        ClientEvent::Message { last, payload, .. } => {
            store_entry(change, payload)?;
            stored.commit = Some(*last);
        }
        ClientEvent::Committed { up_to, .. } => change.commit_outbox(*up_to)?,
        ClientEvent::MessageRefused { last, code, .. } => {
            store_refusal(change, *last, *code)?;
            stored.skips.push(*last);
        }
        ClientEvent::Disconnected { .. }
        | ClientEvent::Refused(_)
        | ClientEvent::Suspicion(_)
        | ClientEvent::NeedAddresses
        | ClientEvent::Unanswered { .. }
        | ClientEvent::Reply { .. }
        | ClientEvent::Note { .. } => {
            unreachable!("`take_client_event` keeps these out of the backlog")
        }
    }
    Ok(())
}

fn pin(change: &mut Change<'_>, key: PublicKey) {
    if let Some(account) = &mut change.stored.settings.account {
        account.server.key = Some(key);
    }
}

fn store_refusal(
    change: &mut Change<'_>,
    last: Seq,
    code: RefuseCode,
) -> Result<(), DatabaseError> {
    match change.tx.outbox_at(last)? {
        Some(row) if row.last == last && !row.given_up && !row.committed => {
            change.give_up(&row, What::Refused, Some(code))
        }
        // Refused before, and the skip was lost: it is sent again.
        Some(_) | None => Ok(()),
    }
}

/// An entry of our mailbox: it and its cursor are stored together.
fn store_entry(change: &mut Change<'_>, payload: &[u8]) -> Result<(), DatabaseError> {
    let MailboxEntry { cursor, entry } = match chat::decode(payload) {
        Ok(entry) => entry,
        Err(error) => {
            // Of a later version, or a broken server; to wait at it would block all that follows.
            tracing::error!(%error, bytes = payload.len(), "a mailbox entry cannot be read; skipped");
            return Ok(());
        }
    };
    change.stored.settings.cursor = change.stored.settings.cursor.max(cursor);
    match entry {
        ToClient::Text { id, from, name, accepted_at, body } => {
            let arrived = Arrived { id, from: &from, name: &name, accepted_at };
            store_text(change, &arrived, &body)
        }
        ToClient::Delivered { by, ids, at: _ } => store_receipt(change, &by, &ids, What::Delivered),
        ToClient::Read { by, ids, at: _ } => store_receipt(change, &by, &ids, What::Read),
    }
}

/// A text's outside, as the server tells it.
struct Arrived<'a> {
    id: MessageId,
    from: &'a UserName,
    name: &'a DisplayName,
    accepted_at: u64,
}

/// Opens a text and stores it; its ratchet goes to the disk with it. A text that is here already is not
/// opened again: nothing would.
fn store_text(
    change: &mut Change<'_>,
    arrived: &Arrived<'_>,
    body: &[u8],
) -> Result<(), DatabaseError> {
    let Arrived { id, from, .. } = *arrived;
    if change.tx.has_incoming(from, id)? {
        return Ok(());
    }
    let opened = change.open(from, body)?;
    // A session with whom we have texts for may be there now.
    if change.tx.is_waited_for(from)? {
        change.told.wanted.push(*from);
    }
    match opened {
        Some((content, trust)) if content.id == id => match content.what {
            Content::Text(text) => {
                change.tx.forget_unopened(from, id)?;
                insert_text(change, arrived, &text, content.sent_at, trust)
            }
            Content::Unopened(ids) => {
                change.tx.note_taken(from, id)?;
                change.reseal(from, &ids)
            }
        },
        Some(_) | None => match change.miss(from, id)? {
            true => insert_text(change, arrived, "", arrived.accepted_at, Some(Trust::Unopened)),
            false => Ok(()),
        },
    }
}

/// Texts that nothing here opened and that did not come again: the person is told.
pub(super) fn give_up_unopened(change: &mut Change<'_>, before: u64) -> Result<(), DatabaseError> {
    for (from, id) in change.tx.unopened_before(before, UNOPENED_AT_ONCE)? {
        change.tx.forget_unopened(&from, id)?;
        if !change.tx.has_incoming(&from, id)? {
            let name = DisplayName::parse("").expect("a display name may be empty");
            let accepted_at = change.now.unix_ms;
            let arrived = Arrived { id, from: &from, name: &name, accepted_at };
            insert_text(change, &arrived, "", accepted_at, Some(Trust::Unopened))?;
        }
    }
    Ok(())
}

/// Texts given up in one transaction.
const UNOPENED_AT_ONCE: usize = 256;

fn insert_text(
    change: &mut Change<'_>,
    arrived: &Arrived<'_>,
    body: &str,
    sent_at: u64,
    trust: Option<Trust>,
) -> Result<(), DatabaseError> {
    let Some(account) = change.stored.settings.account.clone() else { return Ok(()) };
    let received_at = change.now.unix_ms;
    let inserted = change.tx.insert_incoming(&Incoming {
        id: arrived.id,
        sender: arrived.from,
        sender_name: arrived.name,
        recipient: &account.user,
        body,
        sent_at,
        received_at,
        trust,
    })?;
    let Some(row) = inserted else { return Ok(()) };
    change.told.stored_text = true;
    let cursor = change.tx.add_event(received_at, row, What::Received, None)?;
    if let Some(message) = change.tx.message(row)? {
        let what = EventKind::Message { message: answer::message(&message) };
        let at = answer::time(received_at);
        change.told.events.push(Event { cursor: Some(cursor), at, what });
    }
    Ok(())
}

/// A receipt counts only from the message's own recipient.
fn store_receipt(
    change: &mut Change<'_>,
    by: &UserName,
    ids: &[MessageId],
    what: What,
) -> Result<(), DatabaseError> {
    for id in ids {
        if let Some(message) = change.tx.outgoing(*id)?
            && message.recipient == *by
        {
            change.advance(&message, what, None)?;
        }
    }
    Ok(())
}
