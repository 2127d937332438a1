//! Users as the server told of them last: names for completion, and who was there.

use super::answer;
use pychat_control::{KnownName, Presence};
use pychat_proto::{UserName, chat::UserState};
use std::collections::BTreeMap;

/// Users that are remembered: as many as one list holds. Of more, those that came first stay.
pub(super) const ROSTER_MAX: usize = 10_000;

/// Who is known.
#[derive(Debug, Default)]
pub(super) struct Roster {
    users: BTreeMap<UserName, (String, Option<Presence>)>,
}

impl Roster {
    /// The server told of a user.
    pub(super) fn note(&mut self, state: &UserState) {
        if self.users.len() < ROSTER_MAX || self.users.contains_key(&state.user) {
            let user = answer::user(state);
            self.users.insert(state.user, (user.name, Some(user.status)));
        }
    }

    /// The server is not heard any more: who is there is not known.
    pub(super) fn lose_sight(&mut self) {
        self.users.values_mut().for_each(|(_, status)| *status = None);
    }

    pub(super) fn len(&self) -> usize {
        self.users.len()
    }

    pub(super) fn name_of(&self, user: &UserName) -> Option<String> {
        self.users.get(user).map(|(name, _)| name.clone()).filter(|name| !name.is_empty())
    }

    /// What is known of a user.
    pub(super) fn known(&self, user: &str) -> KnownName {
        let known = UserName::parse(user).ok().and_then(|user| self.users.get(&user));
        KnownName {
            user: user.to_owned(),
            name: known.map(|(name, _)| name.clone()).filter(|name| !name.is_empty()),
            status: known.and_then(|(_, status)| *status),
        }
    }

    /// User names that begin so, in order.
    pub(super) fn begin_with(&self, prefix: &str) -> impl Iterator<Item = String> {
        let names = self.users.keys().map(UserName::as_str);
        names.filter(move |name| name.starts_with(prefix)).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pychat_proto::{DisplayName, chat};

    fn state(user: &str) -> UserState {
        UserState {
            user: user.parse().unwrap(),
            name: DisplayName::parse("Some Name").unwrap(),
            presence: chat::Presence::Online,
            since: 1,
        }
    }

    #[test]
    fn at_the_bound_who_is_known_stays_and_is_kept_up_to_date() {
        let mut roster = Roster::default();
        for number in 0..ROSTER_MAX {
            roster.note(&state(&format!("u{number}")));
        }
        roster.note(&state("late"));
        roster.note(&UserState { presence: chat::Presence::Offline, ..state("u7") });
        assert_eq!((roster.len(), roster.known("late").status), (ROSTER_MAX, None));
        assert_eq!(roster.known("u7").status, Some(Presence::Offline));
        roster.lose_sight();
        assert_eq!(roster.known("u7").status, None);
        assert_eq!(roster.known("u7").name.as_deref(), Some("Some Name"));
    }
}
