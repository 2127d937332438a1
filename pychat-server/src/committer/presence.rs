//! Who is there: every user with a session, by name.

use crate::{person::Person, store::Account};
use pychat_proto::{
    UserName,
    chat::{Presence, UnixMillis, UserState},
};
use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Included, Unbounded},
};

/// Users online and away. As many as there are sessions, whose number the shards bound.
#[derive(Debug, Default)]
pub(super) struct PresenceTable {
    present: BTreeMap<Person, Present>,
}

/// What is known of a user who is there, besides the names: since when, and in the lowest bit whether
/// away.
#[derive(Clone, Copy, Debug)]
struct Present(u64);

impl Present {
    /// None if the user is not.
    fn new(presence: Presence, since: UnixMillis) -> Option<Self> {
        match presence {
            Presence::Online => Some(Self(since << 1)),
            Presence::Away => Some(Self(since << 1 | 1)),
            Presence::Offline => None,
        }
    }

    fn state(self, person: &Person) -> UserState {
        let presence = if self.0 & 1 == 0 { Presence::Online } else { Presence::Away };
        let (user, name) = (person.user(), person.display_name());
        UserState { user, name, presence, since: self.0 >> 1 }
    }
}

impl PresenceTable {
    /// Takes news of a user. Who is offline is known by the account alone.
    pub(super) fn set(&mut self, person: Person, presence: Presence, since: UnixMillis) {
        if let Some((before, _)) = self.entry(&person.user()) {
            // The display name may have changed.
            let before = before.clone();
            self.present.remove(&before);
        }
        if let Some(present) = Present::new(presence, since) {
            self.present.insert(person, present);
        }
    }

    /// A user who is there.
    pub(super) fn find(&self, user: &UserName) -> Option<UserState> {
        self.entry(user).map(|(person, present)| present.state(person))
    }

    fn entry(&self, user: &UserName) -> Option<(&Person, &Present)> {
        let (from, to) = (Person::before(user), Person::after(user));
        self.present.range::<str, _>((Included(&*from), Excluded(&*to))).next()
    }

    /// The first `limit` users after `after`, by name: those who are there, and those of `accounts`,
    /// which are the first accounts after `after`.
    pub(super) fn page(
        &self,
        after: Option<&UserName>,
        accounts: Vec<Account>,
        limit: usize,
    ) -> Vec<UserState> {
        let after = after.map(Person::after);
        let range = (after.as_deref().map_or(Unbounded, Included), Unbounded);
        let mut present = self.present.range::<str, _>(range).peekable();
        let mut accounts = accounts.into_iter().peekable();
        let mut page = Vec::new();
        while page.len() < limit {
            let next = match (present.peek(), accounts.peek()) {
                (Some((person, _)), Some(account)) if account.user < person.user() => {
                    accounts.next().map(offline)
                }
                (Some((person, _)), account) => {
                    if account.is_some_and(|account| person.is(&account.user)) {
                        accounts.next();
                    }
                    present.next().map(|(person, present)| present.state(person))
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
