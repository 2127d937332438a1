//! The confirmed sessions of a shard, by their id and by their user. A server keeps very many: a session
//! costs its place here and four bytes.

use super::session::Session;
use crate::person::Person;
use hashbrown::hash_table::{HashTable, OccupiedEntry};
use pychat_proto::{Chunks, SessionId, UserName};
use std::hash::{BuildHasher, RandomState};

/// Sessions lie where their ids say, as the endpoint hands out few and small numbers.
#[derive(Default)]
pub(super) struct Sessions {
    places: Chunks<Option<(SessionId, Session)>>,
    count: usize,
    /// Where each user's one session lies. An older one, which is about to be closed, is found by id alone.
    by_user: HashTable<u32>,
    hasher: RandomState,
}

impl Sessions {
    /// All of them, also those that are not yet, or not any more, their user's.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) fn get(&self, id: &SessionId) -> Option<&Session> {
        let (there, session) = self.places.get(id.place() as usize)?.as_ref()?;
        (there == id).then_some(session)
    }

    pub(super) fn get_mut(&mut self, id: &SessionId) -> Option<&mut Session> {
        let (there, session) = self.places.get_mut(id.place() as usize)?.as_mut()?;
        (there == id).then_some(session)
    }

    pub(super) fn contains(&self, id: &SessionId) -> bool {
        self.get(id).is_some()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = SessionId> {
        self.places.iter().flatten().map(|(id, _)| *id)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Session> {
        self.places.iter().flatten().map(|(_, session)| session)
    }

    /// A session that is not its user's yet.
    pub(super) fn insert(&mut self, id: SessionId, session: Session) {
        let place = id.place() as usize;
        while self.places.len() <= place {
            self.places.push(None);
        }
        debug_assert!(self.places[place].is_none(), "the endpoint gives no place away twice");
        self.places[place] = Some((id, session));
        self.count += 1;
    }

    /// The session becomes its user's one session; the one that was it before.
    pub(super) fn take_place(&mut self, id: &SessionId) -> Option<SessionId> {
        let user = self.get(id)?.user();
        let older = self.of_user(&user);
        if let Some(entry) = self.find_entry(&user) {
            *entry = id.place();
            return older;
        }
        let Self { places, by_user, hasher, .. } = self;
        let rehash = |place: &u32| {
            person_at(places, *place).map_or(0, |person| hasher.hash_one(person.user()))
        };
        by_user.insert_unique(hasher.hash_one(user), id.place(), rehash);
        None
    }

    /// A user's one session.
    pub(super) fn of_user(&self, user: &UserName) -> Option<SessionId> {
        let is_it = |place: &u32| is_at(&self.places, *place, user);
        let place = *self.by_user.find(self.hasher.hash_one(user), is_it)?;
        self.places[place as usize].as_ref().map(|(id, _)| *id)
    }

    fn find_entry(&mut self, user: &UserName) -> Option<&mut u32> {
        let Self { places, by_user, hasher, .. } = self;
        by_user.find_mut(hasher.hash_one(user), |place| is_at(places, *place, user))
    }

    /// Forgets a session; whether it was its user's.
    pub(super) fn remove(&mut self, id: &SessionId) -> Option<(Session, bool)> {
        let user = self.get(id)?.user();
        let place = id.place();
        let entry = self.by_user.find_entry(self.hasher.hash_one(user), |other| *other == place);
        let was_its_users = entry.map(OccupiedEntry::remove).is_ok();
        let (_, session) = self.places[place as usize].take()?;
        self.count -= 1;
        Some((session, was_its_users))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 && self.by_user.is_empty() && self.values().next().is_none()
    }
}

fn person_at(places: &Chunks<Option<(SessionId, Session)>>, place: u32) -> Option<&Person> {
    places.get(place as usize)?.as_ref().map(|(_, session)| &session.person)
}

fn is_at(places: &Chunks<Option<(SessionId, Session)>>, place: u32, user: &UserName) -> bool {
    person_at(places, place).is_some_and(|person| person.is(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With what the endpoint keeps, the committer's table of who is there, and the display name, which
    /// the two share, that is all of an idle session.
    #[test]
    fn an_idle_session_is_small() {
        assert!(size_of::<Option<(SessionId, Session)>>() <= 88);
    }
}
