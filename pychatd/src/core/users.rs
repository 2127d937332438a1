//! `users`: asked of the server page by page.

use super::{Core, answer};
use pychat_control::{Failure, Link, List, User, UsersParams};
use pychat_proto::{
    Instant, UserName,
    chat::{self, Call, Reply, UserState},
};
use std::time::Duration;

/// Lists that may be under way at once.
pub(super) const QUERIES_MAX: usize = 32;

/// Pages of one list; what is beyond (or would not fit a line) is left out, and the answer says so
/// with `next`.
pub(super) const PAGES_MAX: u32 = 200;

/// Pause after a server said "try later".
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A list under way.
#[derive(Debug)]
pub(super) struct UsersQuery {
    pub(super) token: u64,
    deadline: Instant,
    offline_too: bool,
    call: Asking,
    after: Option<UserName>,
    users: Vec<User>,
    bytes: usize,
    pages: u32,
}

/// The question for the next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// To be asked, not before this time.
    NotBefore(Instant),
    /// Under way.
    UnderWay(u64),
}

impl Asking {
    /// When it is to be asked, if that is a time to wait for.
    pub(super) fn not_before(self) -> Option<Instant> {
        match self {
            Self::NotBefore(at) => Some(at).filter(|at| *at > Instant::ZERO),
            Self::UnderWay(_) => None,
        }
    }
}

impl UsersQuery {
    pub(super) fn next_deadline(&self) -> Instant {
        self.call.not_before().map_or(self.deadline, |at| at.min(self.deadline))
    }

    /// The session ended, and the question with it.
    pub(super) fn forget_call(&mut self) {
        self.call = Asking::NotBefore(Instant::ZERO);
    }

    /// Takes a page. `Some`: the list is complete, or as long as it may be.
    fn take(&mut self, page: &[UserState], more: bool) -> Option<List<User>> {
        self.pages += 1;
        for state in page {
            let user = answer::user(state);
            let bytes = self.bytes + answer::bytes_in_list(&user);
            if bytes > answer::LIST_BYTES_MAX {
                return Some(self.finish(true));
            }
            self.bytes = bytes;
            self.users.push(user);
        }
        let more = more && !page.is_empty();
        if more && self.pages < PAGES_MAX {
            self.after = page.last().map(|state| state.user);
            self.forget_call();
            return None;
        }
        Some(self.finish(more))
    }

    fn finish(&mut self, more: bool) -> List<User> {
        let items = std::mem::take(&mut self.users);
        let next = items.last().filter(|_| more).map(|user| user.user.clone());
        List { items, next }
    }
}

impl Core {
    pub(super) fn ask_users(&mut self, token: u64, params: &UsersParams) {
        if self.users.len() >= QUERIES_MAX {
            return self.fail(token, answer::too_many_questions());
        }
        if self.stored.settings.account.is_none() {
            return self.fail(token, answer::no_account());
        }
        match self.link.state {
            Link::Disconnected => {
                return self.fail(token, answer::not_connected("not connected"));
            }
            Link::Refused => {
                let refused = answer::not_connected("the server refused the login");
                return self.fail(token, self.link_error.clone().unwrap_or(refused));
            }
            Link::Connecting | Link::Connected => {}
        }
        self.users.push(UsersQuery {
            token,
            deadline: self.now.mono + Duration::from_millis(params.timeout_ms),
            offline_too: params.all,
            call: Asking::NotBefore(Instant::ZERO),
            after: None,
            users: Vec::new(),
            bytes: 0,
            pages: 0,
        });
    }

    /// Asks what is to be asked, and ends what has waited too long.
    pub(super) fn run_users(&mut self) {
        let now = self.now.mono;
        let (late, users) =
            std::mem::take(&mut self.users).into_iter().partition(|query| query.deadline <= now);
        self.users = users;
        for query in late {
            let failure = self.late_list();
            self.fail(query.token, failure);
        }
        let live = self.is_live();
        let Some(client) = self.client.as_mut().filter(|_| live) else {
            // They are asked as soon as there is a session.
            return self.users.iter_mut().for_each(UsersQuery::forget_call);
        };
        for query in &mut self.users {
            if !matches!(query.call, Asking::NotBefore(at) if at <= now) {
                continue;
            }
            let call = Call::Users { after: query.after, offline_too: query.offline_too };
            query.call = match client.call(now, &chat::encode(&call)) {
                Some(id) => Asking::UnderWay(id),
                None => Asking::NotBefore(now + RETRY_AFTER),
            };
        }
    }

    fn late_list(&self) -> Failure {
        if self.link.state == Link::Connected {
            return answer::no_server_answer();
        }
        answer::not_connected_yet(&self.timeout_reason())
    }

    pub(super) fn take_reply(&mut self, id: u64, payload: &[u8]) {
        let asked = Asking::UnderWay(id);
        if self.confirming == Some(asked) {
            return self.take_confirmation(payload);
        }
        if self.own_keys == asked {
            return self.take_own_keys(payload);
        }
        if let Some(user) = self.wanted.asked(id) {
            return self.take_user_keys(user, payload);
        }
        let Some(index) = self.users.iter().position(|query| query.call == asked) else {
            return self.take_lookup(id, payload);
        };
        let query = &mut self.users[index];
        let result = match chat::decode(payload) {
            Ok(Reply::Users { users, more }) => {
                users.iter().for_each(|user| self.roster.note(user));
                query.take(&users, more).map(Ok)
            }
            Ok(Reply::TryLater) => {
                query.call = Asking::NotBefore(self.now.mono + RETRY_AFTER);
                None
            }
            Ok(Reply::User(_) | Reply::OwnKeys(_) | Reply::UserKeys(_)) | Err(_) => {
                Some(Err(answer::unreadable_reply()))
            }
        };
        if let Some(result) = result {
            let token = self.users.swap_remove(index).token;
            self.settle_response(token, result);
        }
    }
}
