//! Texts of ours: `send`, `cancel`, and those that expire.

use super::{
    Core, Now, answer,
    change::{Change, Reached},
    sealing::Dispatched,
    waiters::answer_at,
};
use crate::db::{Account, DatabaseError, MessageRow, Outgoing, What};
use pychat_control::{ErrorCode, Failure, Link, SendParams, Sent, State};
use pychat_proto::{Client, Instant, Lane, MessageId, UserName, chat::TEXT_BYTES_MAX, records_for};
use std::time::Duration;

/// Longest key that `send` may be given, in characters.
pub(super) const KEY_CHARS_MAX: usize = 64;

/// Messages that expire in one transaction.
const EXPIRED_AT_ONCE: usize = 256;

/// A `send` whose parameters were checked.
struct Text {
    token: u64,
    /// For the case that it is new.
    id: MessageId,
    to: UserName,
    body: String,
    key: Option<String>,
    wait: State,
    deadline: Instant,
    expires_at: Option<u64>,
}

/// What became of a `send`.
enum Sending {
    /// It is on disk, now or since an earlier `send` with the same key.
    Kept(Reached),
    /// It is on disk, and waits until the recipient's new key is trusted.
    Held(Reached),
    /// Too much waits already.
    OutboxFull,
    /// The key belongs to another message.
    KeyUsed,
}

impl Core {
    /// Writes all these texts to the outbox as one transaction, then answers each, or lets it wait.
    pub(super) fn send_all(&mut self, sends: Vec<(u64, SendParams)>) {
        let mut texts = Vec::with_capacity(sends.len());
        for (token, params) in sends {
            match self.check_send(token, params) {
                Ok(text) => texts.push(text),
                Err(failure) => self.fail(token, failure),
            }
        }
        let Some(account) = self.stored.settings.account.clone().filter(|_| !texts.is_empty())
        else {
            return;
        };
        let bound = self.config.limits.outbox_texts;
        let mut room = self.direct_room();
        let kept = self.change(|change| {
            texts
                .iter()
                .map(|text| store(change, &account, text, bound, &mut room))
                .collect::<Result<Vec<_>, _>>()
        });
        match kept {
            Ok(kept) => {
                for (text, sending) in texts.iter().zip(kept) {
                    self.answer_send(text, &sending);
                }
            }
            Err(error) => {
                for text in &texts {
                    self.fail(text.token, answer::unwritten(&error, "the message was not kept"));
                }
            }
        }
    }

    fn check_send(&mut self, token: u64, params: SendParams) -> Result<Text, Failure> {
        let Some(account) = &self.stored.settings.account else {
            return Err(answer::no_account());
        };
        if self.link.state == Link::Refused {
            let refused = self.link_error.clone();
            return Err(refused.unwrap_or_else(|| answer::not_connected("the login was refused")));
        }
        let to = UserName::parse(&params.to).map_err(|error| answer::usage(error.to_string()))?;
        if params.body.is_empty() {
            return Err(answer::usage(format!("the text for {} is empty", account.user)));
        }
        if params.body.len() > TEXT_BYTES_MAX {
            return Err(answer::usage(format!(
                "a text has at most {TEXT_BYTES_MAX} bytes, this one has {}; split it",
                params.body.len()
            )));
        }
        if let Some(key) = &params.key {
            let chars = key.chars().count();
            if chars == 0 || chars > KEY_CHARS_MAX {
                return Err(answer::usage(format!(
                    "a key has 1 to {KEY_CHARS_MAX} characters, this one has {chars}"
                )));
            }
        }
        if params.wait > State::Read {
            return Err(answer::usage(
                "wait for one of the states queued, accepted, delivered and read",
            ));
        }
        Ok(Text {
            token,
            id: self.fresh_message_id(),
            to,
            body: params.body,
            key: params.key,
            wait: params.wait,
            deadline: self.now.mono + Duration::from_millis(params.timeout_ms),
            expires_at: params.expire_ms.map(|ms| self.now.unix_ms.saturating_add(ms)),
        })
    }

    fn answer_send(&mut self, text: &Text, sending: &Sending) {
        let result = match sending {
            Sending::OutboxFull => Err(answer::outbox_full(self.config.limits.outbox_texts)),
            Sending::KeyUsed => Err(answer::key_used()),
            Sending::Held(at) => Err(self.held(&text.to, at)),
            Sending::Kept(at) => match answer_at(at, text.wait) {
                Some(result) => result,
                None => match self.waiters.wait(text.token, at, text.wait, text.deadline) {
                    Ok(()) => return,
                    Err(failure) => Err(failure),
                },
            },
        };
        self.settle_response(text.token, result);
    }

    /// Records that can be handed to the network as soon as they are on disk, because nothing waits
    /// before them.
    fn direct_room(&self) -> u64 {
        let all_fed = self
            .session
            .as_ref()
            .is_some_and(|session| session.fed.next() == self.stored.settings.next_seq);
        match &self.client {
            Some(client) if all_fed && client.is_connected() => client.room(Lane::CHAT),
            Some(_) | None => 0,
        }
    }

    /// Takes a message back, if it was never handed to the network.
    pub(super) fn cancel(&mut self, id: &str) -> Result<Sent, Failure> {
        let message = self.own_message(id)?.ok_or_else(|| answer::unknown_message(id))?;
        let sent = |state| answer::sent(message.id, state);
        let row = self
            .database
            .read()
            .outbox_of(message.row)
            .map_err(|error| answer::unreadable(&error))?;
        let waits = self
            .database
            .read()
            .is_waiting(message.row)
            .map_err(|error| answer::unreadable(&error))?;
        match (message.state, row) {
            (State::Queued, _) if waits => {
                self.change(|change| change.end_waiting(message.row, What::Cancelled, None))
                    .map_err(|error| answer::unwritten(&error, "the message was not taken back"))?;
                Ok(sent(State::Cancelled))
            }
            (State::Cancelled, _) => Ok(sent(State::Cancelled)),
            (State::Queued, Some(row)) if !row.tried && !row.given_up => {
                self.change(|change| change.give_up(&row, What::Cancelled, None))
                    .map_err(|error| answer::unwritten(&error, "the message was not taken back"))?;
                Ok(sent(State::Cancelled))
            }
            (State::Refused | State::Expired, _) => {
                let how = "was not sent: it ended before";
                Err(answer::ended(sent(message.state), how, ErrorCode::Other))
            }
            (state, _) => Err(answer::not_cancellable(sent(state))),
        }
    }

    /// A message of ours by its id or the key given to `send`.
    pub(super) fn own_message(&self, id: &str) -> Result<Option<MessageRow>, Failure> {
        let read = self.database.read();
        let by_id = match id.parse() {
            Ok(id) => read.outgoing(id),
            Err(_) => Ok(None),
        };
        by_id
            .and_then(|found| if found.is_some() { Ok(found) } else { read.keyed(id) })
            .map_err(|error| answer::unreadable(&error))
    }

    /// Gives up what was not handed to the network in time.
    pub(super) fn expire_queued(&mut self) {
        let due = |now: Now, next: Option<u64>| next.is_some_and(|at| at <= now.unix_ms);
        while self.disk.is_ready() && due(self.now, self.next_expiry) {
            let now = self.now.unix_ms;
            let expired = self.change(|change| {
                let rows = change.tx.expired(now, EXPIRED_AT_ONCE)?;
                for row in &rows {
                    change.give_up(row, What::Expired, None)?;
                }
                change.tx.next_expiry()
            });
            // A failure is shown in `status`; the disk's next try comes back here.
            if self.expire_waiting().is_err() {
                return;
            }
            let Ok(next) = expired else { return };
            self.next_expiry = next;
        }
    }

    /// The recipient's key changed: what was sent is kept and held.
    fn held(&self, to: &UserName, at: &Reached) -> Failure {
        match self.contact(to) {
            Some(contact) => answer::held(&contact, answer::sent(at.id, at.state)),
            None => answer::no_account(),
        }
    }

    /// Why a message does not move, for one who waited for it.
    pub(super) fn timeout_reason(&self) -> String {
        let host = self.stored.settings.account.as_ref().map(|account| account.server.hosts());
        let host = host.as_deref().unwrap_or("the server");
        let connected = self.client.as_ref().is_some_and(Client::is_connected);
        if let Some(trouble) = self.disk.trouble() {
            return trouble.to_owned();
        }
        match (self.link.state, &self.link_error) {
            (Link::Connected, _) if connected && self.server_stuck => {
                answer::SERVER_STUCK.to_owned()
            }
            (Link::Connected, _) if connected && self.wanted.trouble.is_some() => {
                let why = self.wanted.trouble.map_or("", |(_, why)| why);
                format!("it cannot be sealed for its recipient yet: {why}")
            }
            (Link::Connected, _) if connected => "it did not get further in time".to_owned(),
            (Link::Disconnected, _) => "not connected; it waits for the next `connect`".to_owned(),
            (_, Some(error)) => format!("no connection to {host}: {error}"),
            (_, None) => format!("no connection to {host} at the moment"),
        }
    }
}

fn store(
    change: &mut Change<'_>,
    account: &Account,
    text: &Text,
    bound: u64,
    room: &mut u64,
) -> Result<Sending, DatabaseError> {
    if let Some(key) = &text.key
        && let Some(known) = change.tx.keyed(key)?
    {
        let at = Reached::from(&known);
        return Ok(if known.recipient != text.to || known.body != text.body {
            Sending::KeyUsed
        } else if change.tx.is_waiting(known.row)? && change.is_held(&text.to)? {
            Sending::Held(at)
        } else {
            Sending::Kept(at)
        });
    }
    if let Some(key) = &text.key
        && let Some(removed) = change.tx.removed_key(key)?
    {
        let (id, state) = (removed.id, removed.state);
        return Ok(Sending::Kept(Reached { id, state, refused_code: None, reason: None }));
    }
    if change.stored.queued >= bound {
        return Ok(Sending::OutboxFull);
    }
    let sent_at = change.now.unix_ms;
    let outgoing = Outgoing {
        id: text.id,
        sender: &account.user,
        sender_name: &account.name,
        recipient: &text.to,
        body: &text.body,
        sent_at,
        client_key: text.key.as_deref(),
    };
    let message = change.tx.insert_outgoing(&outgoing)?;
    change.told.stored_text = true;
    change.record(message, text.id, What::Queued, None)?;
    // Nothing may overtake: what does not fit closes the way for all after it.
    let tried = |bytes| {
        let left = room.checked_sub(records_for(bytes));
        *room = left.unwrap_or(0);
        left.is_some()
    };
    let at = Reached { id: text.id, state: State::Queued, refused_code: None, reason: None };
    match change.dispatch(message, &outgoing, tried, text.expires_at)? {
        Dispatched::Sealed | Dispatched::Waits => Ok(Sending::Kept(at)),
        Dispatched::Held => Ok(Sending::Held(at)),
    }
}
