//! Who is there: every user with a session, by name.

use crate::store::Account;
use pychat_proto::{
    DisplayName, UserName,
    chat::{Presence, UnixMillis, UserState},
};
use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

/// Users online and away. As many as there are sessions, whose number the shards bound.
#[derive(Debug, Default)]
pub(super) struct PresenceTable {
    present: BTreeMap<UserName, Present>,
}

/// What is known of a user who is there.
#[derive(Debug)]
struct Present {
    name: DisplayName,
    since: UnixMillis,
    is_away: bool,
}

impl Present {
    fn state(&self, user: &UserName) -> UserState {
        let Self { name, since, is_away } = self;
        let presence = if *is_away { Presence::Away } else { Presence::Online };
        UserState { user: *user, name: name.clone(), presence, since: *since }
    }
}

impl PresenceTable {
    /// Takes news of a user. Who is offline is known by the account alone.
    pub(super) fn set(&mut self, state: UserState) {
        let UserState { user, name, presence, since } = state;
        let is_away = match presence {
            Presence::Online => false,
            Presence::Away => true,
            Presence::Offline => {
                self.present.remove(&user);
                return;
            }
        };
        self.present.insert(user, Present { name, since, is_away });
    }

    /// A user who is there.
    pub(super) fn find(&self, name: &UserName) -> Option<UserState> {
        self.present.get(name).map(|present| present.state(name))
    }

    /// The first `limit` users after `after`, by name: those who are there, and those of `accounts`,
    /// which are the first accounts after `after`.
    pub(super) fn page(
        &self,
        after: Option<&UserName>,
        accounts: Vec<Account>,
        limit: usize,
    ) -> Vec<UserState> {
        let range = (after.map_or(Unbounded, Excluded), Unbounded);
        let mut present = self.present.range::<UserName, _>(range).peekable();
        let mut accounts = accounts.into_iter().peekable();
        let mut page = Vec::new();
        while page.len() < limit {
            let next = match (present.peek(), accounts.peek()) {
                (Some((user, _)), Some(account)) if account.user < **user => {
                    accounts.next().map(offline)
                }
                (Some((user, _)), account) => {
                    if account.is_some_and(|account| account.user == **user) {
                        accounts.next();
                    }
                    present.next().map(|(user, present)| present.state(user))
                }
                (None, _) => accounts.next().map(offline),
            };
            let Some(next) = next else { break };
            page.push(next);
        }
        page
    }
}

/// A registered user who is not there.
pub(super) fn offline(account: Account) -> UserState {
    UserState {
        user: account.user,
        name: account.name,
        presence: Presence::Offline,
        since: account.since,
    }
}
