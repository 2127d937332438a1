//! Our own keys at the server: published after each login, and refilled as strangers take them.
//!
//! One question at a time: what the server holds, then what is missing there, until nothing is.

use super::{Core, users::Asking};
use crate::db::{DatabaseError, DeviceRow};
use pychat_e2e::{DeviceKey, Prekey, PrekeyKind};
use pychat_proto::{
    Client, Instant,
    chat::{self, Call, OwnKeys, PREKEYS_PER_CALL_MAX, Reply, UnixMillis},
};
use std::time::Duration;

/// One-time keys that are to lie at the server.
const ONE_TIME_KEYS: usize = 50;

/// Below so many of them new ones are made.
const REFILL_BELOW: u32 = 25;

/// Pause after an answer that cannot be used, and before keys are made again: a server that hides them
/// costs no more than this.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// How often it is looked after in any case.
const LOOK_EVERY: Duration = Duration::from_secs(24 * 3600);

/// How long a fallback key is handed out; the one before is kept for as long again.
const FALLBACK_FOR_MS: UnixMillis = 7 * 24 * 3600 * 1000;

/// What is to be asked, or told, next.
enum Next {
    /// Ask or tell this.
    Call(Call),
    /// Nothing is missing.
    Nothing,
}

/// What became of our device meanwhile.
#[derive(Default)]
struct News {
    to_be_saved: bool,
    /// One-time keys were made.
    keys_made: bool,
}

impl Core {
    /// After a login, and when one of our one-time keys was used: look what the server holds.
    pub(super) fn look_after_keys(&mut self) {
        if !matches!(self.own_keys, Asking::UnderWay(_)) {
            self.own_keys = Asking::NotBefore(self.now.mono);
        }
    }

    /// Asks what the server holds of our keys, when it is time.
    pub(super) fn run_own_keys(&mut self) {
        let is_due = matches!(self.own_keys, Asking::NotBefore(at) if at <= self.now.mono);
        if is_due && self.is_live() && self.disk.is_ready() {
            self.ask_own_keys(&Call::OwnKeys);
        }
    }

    pub(super) fn own_keys_deadline(&self) -> Option<Instant> {
        self.own_keys.not_before().filter(|_| self.is_live() && self.disk.is_ready())
    }

    fn ask_own_keys(&mut self, call: &Call) {
        let question = chat::encode(call);
        let asked = self
            .client
            .as_mut()
            .and_then(|client: &mut Client| client.call(self.now.mono, &question));
        self.own_keys = match asked {
            Some(id) => Asking::UnderWay(id),
            None => Asking::NotBefore(self.now.mono + Duration::from_secs(1)),
        };
    }

    pub(super) fn take_own_keys(&mut self, payload: &[u8]) {
        let now = self.now.mono;
        self.own_keys = Asking::NotBefore(now + AGAIN_AFTER);
        let held = match chat::decode(payload) {
            Ok(Reply::OwnKeys(held)) => held,
            Ok(Reply::TryLater | Reply::Users { .. } | Reply::User(_) | Reply::UserKeys(_))
            | Err(_) => return,
        };
        let may_make = self.keys_made_at.is_none_or(|at| at + AGAIN_AFTER <= now);
        let mut news = News::default();
        // A failure is shown in `status`, and tried again after the pause.
        let Ok(next) = self.change(|change| {
            let Some(mut row) = change.own_device()? else { return Ok(Next::Nothing) };
            let changed = row.catch_up(&held);
            let next = row.next(change, &held, may_make, &mut news)?;
            if changed || news.to_be_saved {
                change.save_own_device(&row)?;
            }
            Ok(next)
        }) else {
            return;
        };
        if news.keys_made {
            self.keys_made_at = Some(now);
        }
        match next {
            Next::Call(call) => self.ask_own_keys(&call),
            Next::Nothing if held.unused < REFILL_BELOW => {}
            Next::Nothing => self.own_keys = Asking::NotBefore(now + LOOK_EVERY),
        }
    }
}

impl DeviceRow {
    /// What the server has of our one-time keys by now. `true`: something changed.
    fn catch_up(&mut self, held: &OwnKeys) -> bool {
        let Ok(device) = &mut self.device else { return false };
        let waiting = device.unpublished().len() as u64;
        if waiting == 0
            || held.device != self.signed.encode()
            || held.next < self.batch_first + waiting
        {
            return false;
        }
        device.mark_published();
        true
    }

    /// What the server is to be told next.
    fn next(
        &mut self,
        change: &mut super::change::Change<'_>,
        held: &OwnKeys,
        may_make: bool,
        news: &mut News,
    ) -> Result<Next, DatabaseError> {
        let identity = &change.keys.identity;
        let now = change.now.unix_ms;
        let Ok(device) = &mut self.device else { return Ok(Next::Nothing) };
        if now.saturating_sub(self.fallback_at) > FALLBACK_FOR_MS {
            let key = device.make_fallback_key();
            // Marks the one-time keys, too: those of an unfinished batch are lost, and made anew.
            device.mark_published();
            self.fallback = Prekey::sign(identity, &self.signed.olm, PrekeyKind::Fallback, key);
            self.fallback_at = now;
            news.to_be_saved = true;
        }
        if held.device != self.signed.encode() || held.fallback != self.fallback.encode() {
            if held.device != self.signed.encode() {
                self.take_the_place_of(change, held)?;
                news.to_be_saved = true;
            }
            let (device, fallback) = (self.signed.encode(), self.fallback.encode());
            return Ok(Next::Call(Call::PublishDevice { device, fallback }));
        }
        let mut keys = device.unpublished();
        if keys.is_empty() {
            if held.unused >= REFILL_BELOW || !may_make {
                return Ok(Next::Nothing);
            }
            device.make_one_time_keys(ONE_TIME_KEYS.saturating_sub(held.unused as usize));
            keys = device.unpublished();
            self.batch_first = held.next;
            (news.to_be_saved, news.keys_made) = (true, true);
        }
        let done = held.next.saturating_sub(self.batch_first) as usize;
        let sign = |key: &[u8; 32]| {
            let prekey = Prekey::sign(identity, &self.signed.olm, PrekeyKind::OneTime, *key);
            chat::Prekey(prekey.encode())
        };
        let keys: Vec<chat::Prekey> =
            keys.iter().skip(done).take(PREKEYS_PER_CALL_MAX).map(sign).collect();
        Ok(Next::Call(Call::PublishPrekeys { first: held.next.max(self.batch_first), keys }))
    }

    /// The server holds another device's keys in our name, or none: ours are signed as the newest ones.
    fn take_the_place_of(
        &mut self,
        change: &mut super::change::Change<'_>,
        held: &OwnKeys,
    ) -> Result<(), DatabaseError> {
        self.batch_first = 0;
        if let Ok(device) = &mut self.device {
            // The server begins to count anew; of an unfinished batch some may have been handed out.
            device.mark_published();
        }
        let Ok(other) = DeviceKey::decode(&held.device, &self.user) else { return Ok(()) };
        let identity = &change.keys.identity;
        if other.login == identity.public() && other.olm != self.signed.olm {
            tracing::warn!(
                "another machine has published keys for this identity; ours take their place"
            );
            change.stored.settings.other_machine_at = Some(change.now.unix_ms);
        }
        let since = change.now.unix_ms.max(other.since + 1).max(self.signed.since);
        self.signed = DeviceKey::sign(identity, &self.user, self.signed.olm, since);
        Ok(())
    }
}
