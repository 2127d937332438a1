//! Who is there: every user with a session, by name.

use crate::store::Account;
use pychat_proto::{
    UserName,
    chat::{Presence, UserState},
};
use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

/// Users online and away. As many as there are sessions, whose number the shards bound.
#[derive(Debug, Default)]
pub(super) struct PresenceTable {
    present: BTreeMap<UserName, UserState>,
}

impl PresenceTable {
    /// Takes news of a user. Who is offline is known by the account alone.
    pub(super) fn set(&mut self, state: UserState) {
        match state.presence {
            Presence::Online | Presence::Away => {
                self.present.insert(state.user, state);
            }
            Presence::Offline => {
                self.present.remove(&state.user);
            }
        }
    }

    /// A user who is there.
    pub(super) fn find(&self, name: &UserName) -> Option<&UserState> {
        self.present.get(name)
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
        let mut present =
            self.present.range::<UserName, _>(range).map(|(_, state)| state).peekable();
        let mut accounts = accounts.into_iter().peekable();
        let mut page = Vec::new();
        while page.len() < limit {
            let next = match (present.peek(), accounts.peek()) {
                (Some(state), Some(account)) if account.user < state.user => {
                    accounts.next().map(offline)
                }
                (Some(state), account) => {
                    if account.is_some_and(|account| account.user == state.user) {
                        accounts.next();
                    }
                    present.next().cloned()
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
