//! Executes what was handed in: requests in their order, timers, and transactions around all of it.

use super::{
    Action, Core, Now, answer,
    change::{Change, Told},
    session::give_up_unopened,
};
use crate::db::DatabaseError;
use pychat_control::{Empty, Failure, Request, SendParams};
use pychat_proto::{MessageId, StreamId};
use rand_chacha::rand_core::Rng;
use serde::Serialize;
use std::time::Duration;

/// How often old records and events are removed.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// How long a text that did not open is waited for; its sender may be away.
const UNOPENED_FOR_MS: u64 = 7 * 24 * 3600 * 1000;

impl Core {
    pub(super) fn wake(&mut self, now: Now) {
        self.now = now;
        self.unsettled = true;
    }

    /// Executes all that was handed in.
    pub(super) fn settle(&mut self) {
        if !std::mem::take(&mut self.unsettled) {
            return;
        }
        self.retry_disk();
        self.collect_client_events();
        self.store_backlog();
        self.serve_requests();
        self.run_timers();
        self.feed();
        if let Ok(next) = self.database.read().next_expiry() {
            self.next_expiry = next;
        }
    }

    pub(super) fn serve_requests(&mut self) {
        let mut sends: Vec<(u64, SendParams)> = Vec::new();
        while let Some((token, request)) = self.requests.pop_front() {
            if let Request::Send(params) = request {
                sends.push((token, params));
            } else {
                // In the order of their coming, so that nobody sees a later state than asked for.
                self.send_all(std::mem::take(&mut sends));
                self.serve(token, request);
            }
        }
        self.send_all(sends);
    }

    pub(super) fn serve(&mut self, token: u64, request: Request) {
        match request {
            Request::Status {} => self.respond(token, &self.status()),
            Request::Connect(params) => self.connect(token, &params),
            Request::Disconnect {} => self.disconnect(token),
            Request::Users(params) => self.ask_users(token, &params),
            Request::Send(params) => self.send_all(vec![(token, params)]),
            Request::Inbox(params) => {
                let result = self.inbox(&params);
                self.settle_response(token, result);
            }
            Request::MarkRead { ids } => {
                let result = self.mark_read(&ids);
                self.settle_response(token, result);
            }
            Request::History(params) => self.settle_response(token, self.history(&params)),
            Request::Unread {} => self.settle_response(token, self.unread()),
            Request::Trace { id } => self.settle_response(token, self.trace(&id)),
            Request::Cancel { id } => {
                let result = self.cancel(&id);
                self.settle_response(token, result);
            }
            Request::Shutdown {} => {
                self.respond(token, &Empty {});
                self.actions.push_back(Action::Shutdown);
            }
            Request::Verify(params) => self.verify(token, params),
            Request::Trust { peer, fingerprint } => {
                let result = self.trust(&peer, fingerprint.as_deref());
                self.settle_response(token, result);
            }
            Request::Contacts {} => self.settle_response(token, self.contacts()),
            Request::Conversations(params) => {
                self.settle_response(token, self.conversations(&params));
            }
            Request::Search(params) => {
                let result = self.search(&params);
                self.settle_response(token, result);
            }
            Request::Remove(params) => {
                let result = self.remove(&params);
                self.settle_response(token, result);
            }
            Request::MarkReader(params) => {
                let result = self.mark_reader(&params);
                self.settle_response(token, result);
            }
            Request::Readers {} => self.settle_response(token, self.readers()),
            Request::RemoveReader { reader } => {
                let result = self.remove_reader(&reader);
                self.settle_response(token, result);
            }
            Request::Names(params) => self.settle_response(token, self.names(&params)),
            Request::Diagnose {} => self.respond(token, &self.diagnose()),
            Request::Hello(_) | Request::Subscribe(_) => {
                self.fail(token, answer::misdirected());
            }
        }
    }

    pub(super) fn run_timers(&mut self) {
        for (token, failure) in self.waiters.expire(self.now.mono, &self.timeout_reason()) {
            self.fail(token, failure);
        }
        self.expire_connects();
        self.run_confirmation();
        self.run_users();
        self.run_lookups();
        self.run_own_keys();
        self.run_wanted();
        self.run_resolver();
        self.expire_queued();
        self.run_index();
        if self.next_prune <= self.now.mono && self.disk.is_ready() {
            self.prune();
        }
        self.run_removal();
    }

    /// Removes what is older or more than the limits say.
    pub(super) fn prune(&mut self) {
        self.next_prune = self.now.mono + PRUNE_EVERY;
        let limits = self.config.limits;
        let kept_ms = u64::try_from(limits.kept_for.as_millis()).unwrap_or(u64::MAX);
        let before = self.now.unix_ms.saturating_sub(kept_ms);
        // A failure is shown in `status`, and the next round tries again.
        let _ = self.change(|change| {
            change.tx.prune_outbox(before, limits.kept_bytes)?;
            give_up_unopened(change, change.now.unix_ms.saturating_sub(UNOPENED_FOR_MS))?;
            change.tx.prune_events(limits.events)
        });
    }

    /// Runs `work` as one transaction. What it told goes out only if it is on disk; otherwise memory
    /// stays as it was, and the failure is shown in `status`.
    pub(super) fn change<T>(
        &mut self,
        work: impl FnOnce(&mut Change<'_>) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let mut stored = self.stored.clone();
        let mut told = Told::default();
        let now = self.now;
        let result = self.database.write(|tx| {
            let keys = &self.keys;
            let mut change = Change { tx, stored: &mut stored, told: &mut told, keys, now };
            let done = work(&mut change)?;
            change.save_settings(&self.stored.settings)?;
            Ok(done)
        });
        match result {
            Ok(done) => {
                self.stored = stored;
                self.disk.worked();
                self.tell(told);
                Ok(done)
            }
            Err(error) => {
                self.disk.failed(now.mono, &error);
                Err(error)
            }
        }
    }

    pub(super) fn tell(&mut self, told: Told) {
        if told.stored_text {
            self.index_soon();
        }
        self.events.extend(told.events);
        for user in told.wanted {
            self.wanted.want(user);
        }
        if told.key_used {
            self.look_after_keys();
        }
        for contact in &told.contacts {
            let pinned_now = contact.pinned_at == self.now.unix_ms && contact.offered.is_none();
            let first = told.released.iter().find(|(_, to)| pinned_now && *to == contact.user);
            if let Some((id, _)) = first {
                self.waiters.note_first_contact(*id, contact.login.fingerprint());
            }
            self.tell_contact(contact);
        }
        for user in &told.changed {
            self.tell_held(user);
        }
        for reached in told.reached {
            for (token, answer) in self.waiters.reached(&reached) {
                self.settle_response(token, answer);
            }
        }
    }

    pub(super) fn respond(&mut self, token: u64, answer: &impl Serialize) {
        self.settle_response(token, Ok(answer));
    }

    pub(super) fn fail(&mut self, token: u64, failure: Failure) {
        self.responses.push_back((token, Err(failure)));
    }

    pub(super) fn settle_response(&mut self, token: u64, answer: Result<impl Serialize, Failure>) {
        let answer = answer.map(|answer| {
            serde_json::to_value(answer).expect("answers are plain data, which always encodes")
        });
        self.responses.push_back((token, answer));
    }

    pub(super) fn fresh_stream(&mut self) -> StreamId {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        StreamId(bytes)
    }

    pub(super) fn fresh_seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }

    pub(super) fn fresh_message_id(&mut self) -> MessageId {
        let mut random = [0; 10];
        self.rng.fill_bytes(&mut random);
        MessageId::new(self.now.unix_ms, random)
    }
}
