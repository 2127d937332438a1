//! Questions, answered by the committer, who knows everybody.
//!
//! Some change what the store has of end-to-end keys, always of the session's own user or by taking one
//! key of somebody else's. Those are answered once the change is on disk. What cannot be done is answered
//! with [`Reply::TryLater`], and then nothing was done, or at worst a key was taken that nobody has.

use super::{Now, Shard, jobs::Purpose, session::Session};
use crate::{
    committer::{Outcome, Work},
    store::{self, Answer, Command, DeviceKey, StoreError},
};
use pychat_proto::{
    SessionId, UserName,
    chat::{self, Call, OwnKeys, PREKEYS_PER_CALL_MAX, Reply, UserState},
};

/// What an answer may take. A page of users with the longest names would not fit and is cut.
const REPLY_BYTES_MAX: usize = 15_000;

impl Shard {
    pub(super) fn on_call(&mut self, now: Now, id: SessionId, call: u64, payload: &[u8]) {
        // A session asks once its client is known to be there, and until it is closed.
        let Some(session) = self.sessions.get(&id) else { return };
        self.stats.calls += 1;
        // A question of a later version, or one that no honest daemon asks.
        let work = chat::decode(payload).ok().and_then(|call| work(session.user(), call));
        match work {
            Some(Work::Commit(command)) if !self.may_write(now, id, &command) => {
                self.reply(now, id, call, &Reply::TryLater);
            }
            Some(Work::Commit(command)) => {
                self.write(Purpose::CallThatWrites(id, call), command);
            }
            Some(work) => self.jobs.push(Purpose::Call(id, call), work),
            None => self.reply(now, id, call, &Reply::TryLater),
        }
    }

    /// Whether a session's question may change something now.
    fn may_write(&mut self, now: Now, id: SessionId, command: &Command) -> bool {
        // Until then the name may turn out to be somebody else's.
        if !self.sessions.get(&id).is_some_and(Session::is_claimed) || self.is_holding_back() {
            return false;
        }
        !matches!(command, Command::ClaimPrekey { .. }) || self.claims.take(now.mono, id)
    }

    pub(super) fn on_answer(
        &mut self,
        now: Now,
        id: SessionId,
        call: u64,
        outcome: Result<Outcome, StoreError>,
    ) {
        let reply = match outcome {
            Ok(Outcome::Users { users, more }) => fitting(users, more),
            Ok(Outcome::User(user)) => Reply::User(user),
            Ok(Outcome::OwnKeys(keys) | Outcome::Committed(Answer::Keys(keys))) => {
                Reply::OwnKeys(keys.unwrap_or(NO_KEYS))
            }
            Ok(Outcome::UserKeys(keys) | Outcome::Committed(Answer::Prekey(keys))) => {
                Reply::UserKeys(keys)
            }
            Ok(
                Outcome::Committed(
                    Answer::Append(_)
                    | Answer::Claim(_)
                    | Answer::Decided(_)
                    | Answer::Reserved(_)
                    | Answer::Taken(_)
                    | Answer::Done,
                )
                | Outcome::Page(_)
                | Outcome::Owner(_)
                | Outcome::Elsewhere(_)
                | Outcome::Login { .. },
            )
            | Err(_) => Reply::TryLater,
        };
        self.reply(now, id, call, &reply);
    }

    fn reply(&mut self, now: Now, id: SessionId, call: u64, reply: &Reply) {
        if self.sessions.contains(&id) {
            self.endpoint.reply(now.mono, id, call, &chat::encode(reply));
        }
    }
}

/// What a user has whose name is being claimed.
const NO_KEYS: OwnKeys = OwnKeys { device: Vec::new(), fallback: Vec::new(), unused: 0, next: 0 };

/// What `user` asks for. None if a key has no bytes or too many, or there are too many keys.
fn work(user: UserName, call: Call) -> Option<Work> {
    let prekey = |bytes: Vec<u8>| store::Prekey::parse(bytes);
    Some(match call {
        Call::Users { after, offline_too } => Work::Users { after, offline_too },
        Call::User { name } => Work::User { name },
        Call::OwnKeys => Work::OwnKeys { user },
        Call::PublishDevice { device, fallback } => {
            let (device, fallback) = (DeviceKey::parse(device)?, prekey(fallback)?);
            Work::Commit(Command::PublishDevice { user, device, fallback })
        }
        Call::PublishPrekeys { keys, .. } if keys.len() > PREKEYS_PER_CALL_MAX => return None,
        Call::PublishPrekeys { first, keys } => {
            let keys = keys.into_iter().map(|key| prekey(key.0)).collect::<Option<Vec<_>>>()?;
            Work::Commit(Command::PublishPrekeys { user, first, keys })
        }
        Call::UserKeys { user, claim: false } => Work::UserKeys { user },
        Call::UserKeys { user, claim: true } => Work::Commit(Command::ClaimPrekey { user }),
    })
}

/// As many of the users as fit an answer; the others come with the next page.
fn fitting(mut users: Vec<UserState>, mut more: bool) -> Reply {
    let mut bytes = 0;
    let fits = users.iter().take_while(|user| {
        bytes += chat::encode(*user).len();
        // The variant, the count and `more` take a few bytes beside the users.
        bytes <= REPLY_BYTES_MAX - 8
    });
    let count = fits.count();
    more |= count < users.len();
    users.truncate(count);
    Reply::Users { users, more }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pychat_proto::{
        DisplayName,
        chat::{DEVICE_KEY_BYTES_MAX, PREKEY_BYTES_MAX, Prekey, Presence},
    };

    fn page(name_chars: usize) -> Vec<UserState> {
        let user = |number: usize| UserState {
            user: UserName::parse(&format!("{number:0>32}")).unwrap(),
            name: DisplayName::parse(&"\u{10ffff}".repeat(name_chars)).unwrap(),
            presence: Presence::Online,
            since: u64::MAX,
        };
        (0..chat::USERS_PER_PAGE_MAX).map(user).collect()
    }

    fn understood(call: Call) -> bool {
        work(UserName::parse("ann").unwrap(), call).is_some()
    }

    #[test]
    fn keys_that_are_too_long_or_too_many_are_not_published() {
        let device = |device, fallback| Call::PublishDevice {
            device: vec![1; device],
            fallback: vec![1; fallback],
        };
        assert!(understood(device(DEVICE_KEY_BYTES_MAX, PREKEY_BYTES_MAX)));
        assert!(!understood(device(DEVICE_KEY_BYTES_MAX + 1, 1)));
        assert!(!understood(device(1, PREKEY_BYTES_MAX + 1)));
        assert!(!understood(device(0, 1)));
        assert!(!understood(device(1, 0)));
        let prekeys = |count, bytes| Call::PublishPrekeys {
            first: 0,
            keys: vec![Prekey(vec![1; bytes]); count],
        };
        assert!(understood(prekeys(PREKEYS_PER_CALL_MAX, PREKEY_BYTES_MAX)));
        assert!(understood(prekeys(0, 0)));
        assert!(!understood(prekeys(PREKEYS_PER_CALL_MAX + 1, 1)));
        assert!(!understood(prekeys(1, PREKEY_BYTES_MAX + 1)));
        assert!(!understood(prekeys(1, 0)));
    }

    #[test]
    fn a_page_of_usual_names_is_sent_whole() {
        assert_eq!(fitting(page(10), false), Reply::Users { users: page(10), more: false });
    }

    #[test]
    fn a_page_of_the_longest_names_is_cut_and_says_so() {
        let reply = fitting(page(DisplayName::CHARS_MAX), false);
        assert!(chat::encode(&reply).len() <= REPLY_BYTES_MAX);
        let Reply::Users { users, more: true } = reply else { panic!("{reply:?}") };
        assert!((40..100).contains(&users.len()));
        assert_eq!(users, page(DisplayName::CHARS_MAX)[..users.len()]);
    }
}
