//! Others' keys: asked for where a text of ours waits for them, or one of theirs did not open.

use super::{
    Core, answer,
    sealing::{Admitted, RELEASED_AT_ONCE},
    users::Asking,
};
use crate::db::What;
use pychat_proto::{
    Instant, UserName,
    chat::{self, Call, Reply, UserKeys},
};
use std::{collections::BTreeMap, time::Duration};

/// Users whose keys are wanted at once. Of others it is known on disk; they follow.
pub(super) const WANTED_MAX: usize = 256;

/// Questions for keys under way at once.
const ASKED_AT_ONCE: usize = 6;

/// Pause after a server said "try later".
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Pause after keys that cannot be used: the first, as most such users have just joined and are about to publish theirs;
/// each is twice the one before it, and this is the longest.
const UNUSABLE_AGAIN_FIRST: Duration = Duration::from_secs(1);
const UNUSABLE_AGAIN_AFTER: Duration = Duration::from_secs(15);

/// Whose keys are wanted, and how far the asking is.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    by_user: BTreeMap<UserName, Asking>,
    /// The last pause after unusable keys, for those of `by_user` whose keys were.
    pauses: BTreeMap<UserName, Duration>,
    /// Some are known on disk only.
    more: bool,
    /// Why the last keys could not be used.
    pub(super) trouble: Option<(UserName, &'static str)>,
}

impl Wanted {
    pub(super) fn len(&self) -> usize {
        self.by_user.len()
    }

    pub(super) fn want(&mut self, user: UserName) {
        if self.by_user.len() >= WANTED_MAX && !self.by_user.contains_key(&user) {
            self.more = true;
            return;
        }
        self.by_user.entry(user).or_insert(Asking::NotBefore(Instant::ZERO));
    }

    /// The session ended, and the questions with it.
    pub(super) fn forget_calls(&mut self) {
        for asking in self.by_user.values_mut() {
            if let Asking::UnderWay(_) = asking {
                *asking = Asking::NotBefore(Instant::ZERO);
            }
        }
    }

    /// When something is to be asked again. What could be asked now waits for an answer to another
    /// question, or for the disk, and comes with it.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let times = self.by_user.values().filter_map(|asking| asking.not_before());
        times.filter(|at| *at > now).min()
    }

    pub(super) fn asked(&self, id: u64) -> Option<UserName> {
        let found = self.by_user.iter().find(|(_, asking)| **asking == Asking::UnderWay(id));
        found.map(|(user, _)| *user)
    }

    fn under_way(&self) -> usize {
        self.by_user.values().filter(|asking| matches!(asking, Asking::UnderWay(_))).count()
    }

    fn due(&self, now: Instant) -> Option<UserName> {
        let due = |asking: &Asking| matches!(asking, Asking::NotBefore(at) if *at <= now);
        self.by_user.iter().find(|(_, asking)| due(asking)).map(|(user, _)| *user)
    }

    fn ask_again(&mut self, user: UserName, at: Instant) {
        self.by_user.insert(user, Asking::NotBefore(at));
    }

    /// Keys could not be used: how long to wait before they are asked for again.
    fn pause(&mut self, user: UserName) -> Duration {
        let before = self.pauses.get(&user);
        let pause = before.map_or(UNUSABLE_AGAIN_FIRST, |before| *before * 2);
        let pause = pause.min(UNUSABLE_AGAIN_AFTER);
        self.pauses.insert(user, pause);
        pause
    }

    fn done(&mut self, user: &UserName) {
        self.by_user.remove(user);
        self.pauses.remove(user);
        if self.trouble.is_some_and(|(of, _)| of == *user) {
            self.trouble = None;
        }
    }
}

impl Core {
    /// After a start or a login: whose keys are wanted is known on disk.
    pub(super) fn want_from_disk(&mut self) {
        self.wanted.more = false;
        let mut after = None;
        loop {
            // A failure is shown in `status`; the next login looks again.
            let page = self.database.read().keys_wanted(after.as_ref(), WANTED_MAX);
            let Ok(page) = page else { return };
            for user in &page {
                self.wanted.want(*user);
            }
            after = page.last().copied();
            if page.len() < WANTED_MAX || self.wanted.more {
                return;
            }
        }
    }

    /// Asks for keys, when it is time, and seals what waits where they are there already.
    pub(super) fn run_wanted(&mut self) {
        if !self.is_live() || !self.disk.is_ready() {
            return;
        }
        while self.wanted.under_way() < ASKED_AT_ONCE
            && let Some(user) = self.wanted.due(self.now.mono)
        {
            match self.is_to_be_asked(&user) {
                // A failure is shown in `status`, and tried again after a pause.
                Err(()) => return,
                Ok(false) => {
                    if self.release_all(&user).is_err() {
                        return;
                    }
                    self.wanted.done(&user);
                }
                Ok(true) => {
                    let question = chat::encode(&Call::UserKeys { user, claim: true });
                    let call = self
                        .client
                        .as_mut()
                        .and_then(|client| client.call(self.now.mono, &question));
                    match call {
                        Some(id) => self.wanted.by_user.insert(user, Asking::UnderWay(id)),
                        None => return self.wanted.ask_again(user, self.now.mono + RETRY_AFTER),
                    };
                }
            }
        }
        if self.wanted.more && self.wanted.by_user.len() < WANTED_MAX / 2 {
            self.want_from_disk();
        }
    }

    /// Whether a new session is needed; if not, what waits can be sealed, or is held.
    fn is_to_be_asked(&mut self, user: &UserName) -> Result<bool, ()> {
        let read = self.database.read();
        let look = || {
            if read.has_unopened(user)? {
                return Ok(true);
            }
            let account = self.stored.settings.account.as_ref();
            let Some(server) = account.and_then(|account| account.server.key) else {
                return Ok(false);
            };
            match read.contact(&server, user)? {
                Some(contact) if contact.offered.is_some() => Ok(false),
                Some(contact) => {
                    Ok(read.session_for(&self.keys.vault, &server, &contact)?.is_none())
                }
                None => Ok(true),
            }
        };
        match look() {
            Ok(ask) => Ok(ask),
            Err(error) => {
                let error: crate::db::DatabaseError = error;
                self.disk.failed(self.now.mono, &error);
                Err(())
            }
        }
    }

    /// Seals all that waits for somebody's keys.
    pub(super) fn release_all(&mut self, user: &UserName) -> Result<(), crate::db::DatabaseError> {
        while self.change(|change| change.release(user))? {}
        Ok(())
    }

    pub(super) fn take_user_keys(&mut self, user: UserName, payload: &[u8]) {
        match chat::decode(payload) {
            Ok(Reply::UserKeys(Some(keys))) => self.admit(user, &keys),
            Ok(Reply::UserKeys(None)) => self.refuse_all_waiting(user),
            Ok(Reply::TryLater | Reply::Users { .. } | Reply::User(_) | Reply::OwnKeys(_))
            | Err(_) => self.wanted.ask_again(user, self.now.mono + RETRY_AFTER),
        }
    }

    fn admit(&mut self, user: UserName, keys: &UserKeys) {
        let id = self.fresh_message_id();
        let admitted = self.change(|change| {
            let admitted = change.admit(&user, keys, true)?;
            let mut more = false;
            if admitted == Admitted::Known {
                change.ask_anew(&user, id)?;
                more = change.release(&user)?;
            }
            Ok((admitted, more))
        });
        match admitted {
            Ok((Admitted::Known, more)) => {
                self.wanted.done(&user);
                // What is left is sealed with the session that is there now.
                if more || self.database.read().has_unopened(&user).unwrap_or(false) {
                    self.wanted.want(user);
                }
            }
            Ok((Admitted::Held, _)) => self.wanted.done(&user),
            Ok((Admitted::Unusable(why), _)) => {
                tracing::warn!(why, "somebody's keys cannot be used; they are asked for again");
                let pause = self.wanted.pause(user);
                self.wanted.ask_again(user, self.now.mono + pause);
                self.wanted.trouble = Some((user, why));
            }
            Err(_) => self.wanted.ask_again(user, self.now.mono + RETRY_AFTER),
        }
    }

    fn refuse_all_waiting(&mut self, user: UserName) {
        loop {
            match self.change(|change| change.refuse_waiting(&user)) {
                Ok(true) => {}
                Ok(false) => return self.wanted.done(&user),
                Err(_) => {
                    return self.wanted.ask_again(user, self.now.mono + RETRY_AFTER);
                }
            }
        }
    }

    /// Gives up texts that waited for keys longer than their sender wanted.
    pub(super) fn expire_waiting(&mut self) -> Result<bool, crate::db::DatabaseError> {
        let now = self.now.unix_ms;
        self.change(|change| {
            let rows = change.tx.expired_waiting(now, RELEASED_AT_ONCE)?;
            for message in &rows {
                change.end_waiting(*message, What::Expired, None)?;
            }
            Ok(rows.len() == RELEASED_AT_ONCE)
        })
    }

    /// Tells those who wait for a text to somebody whose key changed.
    pub(super) fn tell_held(&mut self, user: &UserName) {
        let Ok(rows) = self.database.read().waiting_for(user, RELEASED_AT_ONCE) else { return };
        for row in rows {
            let Ok(Some(message)) = self.database.read().message(row.message) else { continue };
            let Some(contact) = self.contact(user) else { return };
            for token in self.waiters.take(message.id) {
                let failure = answer::held(&contact, answer::sent(message.id, message.state));
                self.fail(token, failure);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_cannot_be_used_are_asked_for_soon_and_then_ever_more_rarely() {
        let (mut wanted, bob) = (Wanted::default(), UserName::parse("bob").unwrap());
        wanted.want(bob);
        let pauses: Vec<u64> = (0..6).map(|_| wanted.pause(bob).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 15, 15]);
        wanted.done(&bob);
        assert!(wanted.pauses.is_empty());
        assert_eq!(wanted.pause(bob), UNUSABLE_AGAIN_FIRST);
    }
}
