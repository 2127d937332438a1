//! Questions, answered by the committer, who knows everybody.

use super::{Now, Shard, jobs::Purpose};
use crate::{
    committer::{Outcome, Work},
    store::StoreError,
};
use pychat_proto::{
    SessionId,
    chat::{self, Call, Reply, UserState},
};

/// What an answer may take. A page of users with the longest names would not fit and is cut.
const REPLY_BYTES_MAX: usize = 15_000;

impl Shard {
    pub(super) fn on_call(&mut self, now: Now, id: SessionId, call: u64, payload: &[u8]) {
        let work = match chat::decode(payload) {
            Ok(Call::Users { after, offline_too }) => Work::Users { after, offline_too },
            Ok(Call::User { name }) => Work::User { name },
            // A question of a later version, or one that is not answered yet.
            Ok(
                Call::OwnKeys
                | Call::PublishDevice { .. }
                | Call::PublishPrekeys { .. }
                | Call::UserKeys { .. },
            )
            | Err(_) => return self.reply(now, id, call, &Reply::TryLater),
        };
        self.jobs.push(Purpose::Call(id, call), work);
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
            Ok(Outcome::Committed(_) | Outcome::Page(_) | Outcome::Login { .. }) | Err(_) => {
                Reply::TryLater
            }
        };
        self.reply(now, id, call, &reply);
    }

    fn reply(&mut self, now: Now, id: SessionId, call: u64, reply: &Reply) {
        if self.sessions.contains(&id) {
            self.endpoint.reply(now.mono, id, call, &chat::encode(reply));
        }
    }
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
    use pychat_proto::{DisplayName, UserName, chat::Presence};

    fn page(name_chars: usize) -> Vec<UserState> {
        let user = |number: usize| UserState {
            user: UserName::parse(&format!("{number:0>32}")).unwrap(),
            name: DisplayName::parse(&"\u{10ffff}".repeat(name_chars)).unwrap(),
            presence: Presence::Online,
            since: u64::MAX,
        };
        (0..chat::USERS_PER_PAGE_MAX).map(user).collect()
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
