//! The table of sessions: the few that are lively, boxed, and the many that rest, packed in place.

use super::{Entry, SessionId, Standing, timers::Armed};
use crate::{
    AWAY_AFTER, Chunks, ConnectionId, Instant,
    session::{Counters, Dropped, IDLE_TIMEOUT, Session, dormant::Dormant},
};
use hashbrown::HashTable;
use std::net::SocketAddr;

/// What a timer that is not armed is armed for.
const NEVER: Instant = Instant::from_micros(u64::MAX);

/// Sessions by their place, which is also how they are told apart, and by their connection ids.
#[derive(Default)]
pub(super) struct Slots {
    slots: Chunks<Slot>,
    free: Vec<u32>,
    /// Places by connection id, which lies in the slot: four bytes a session.
    by_connection: HashTable<u32>,
}

struct Slot {
    connection: ConnectionId,
    /// The deadline that the timers hold for it.
    armed: Instant,
    generation: u32,
    /// Nothing was heard for long.
    away: bool,
    place: Place,
}

enum Place {
    Free,
    Awake(Box<Entry>),
    /// Always a confirmed session.
    Packed(Dormant),
}

/// Connection ids are drawn at random by this endpoint, but for their highest bytes, which name shard and node:
/// the table looks at the highest bits of a hash as well as at the lowest. This spreads the random ones over both
/// (the factor is 2^64 divided by the golden ratio).
fn hash(connection: ConnectionId) -> u64 {
    connection.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Slots {
    /// Sessions of all kinds.
    pub(super) fn len(&self) -> usize {
        self.by_connection.len()
    }

    pub(super) fn find(&self, connection: ConnectionId) -> Option<u32> {
        let is_it = |slot: &u32| self.slots[*slot as usize].connection == connection;
        self.by_connection.find(hash(connection), is_it).copied()
    }

    pub(super) fn insert(&mut self, connection: ConnectionId, entry: Entry) -> u32 {
        let place = Place::Awake(Box::new(entry));
        let slot = if let Some(slot) = self.free.pop() {
            let generation = self.slots[slot as usize].generation;
            self.slots[slot as usize] =
                Slot { connection, armed: NEVER, generation, away: false, place };
            slot
        } else {
            self.slots.push(Slot { connection, armed: NEVER, generation: 0, away: false, place });
            // 2^32 sessions do not fit any memory.
            self.slots.len() as u32 - 1
        };
        let slots = &self.slots;
        let rehash = |slot: &u32| hash(slots[*slot as usize].connection);
        self.by_connection.insert_unique(hash(connection), slot, rehash);
        slot
    }

    /// Forgets a session; its entry, if it was not packed.
    pub(super) fn remove(&mut self, slot: u32) -> Option<Box<Entry>> {
        let place = &mut self.slots[slot as usize];
        let before = std::mem::replace(&mut place.place, Place::Free);
        if matches!(before, Place::Free) {
            return None;
        }
        place.generation = place.generation.wrapping_add(1);
        place.armed = NEVER;
        if let Ok(found) =
            self.by_connection.find_entry(hash(place.connection), |other| *other == slot)
        {
            found.remove();
        }
        self.free.push(slot);
        match before {
            Place::Awake(entry) => Some(entry),
            Place::Packed(_) | Place::Free => None,
        }
    }

    pub(super) fn id(&self, slot: u32) -> SessionId {
        SessionId { slot, generation: self.slots[slot as usize].generation }
    }

    /// Whether the session is there and not gone.
    pub(super) fn is_live(&self, session: SessionId) -> bool {
        self.live(session).is_some()
    }

    fn live(&self, session: SessionId) -> Option<&Slot> {
        let slot = self.slots.get(session.slot as usize)?;
        let live = match &slot.place {
            Place::Awake(entry) => !matches!(entry.standing, Standing::Gone),
            Place::Packed(_) => true,
            Place::Free => false,
        };
        (live && slot.generation == session.generation).then_some(slot)
    }

    pub(super) fn connection(&self, session: SessionId) -> Option<ConnectionId> {
        self.live(session).map(|slot| slot.connection)
    }

    pub(super) fn remote(&self, session: SessionId) -> Option<SocketAddr> {
        match &self.live(session)?.place {
            Place::Awake(entry) => Some(entry.session.remote()),
            Place::Packed(dormant) => Some(dormant.remote()),
            Place::Free => None,
        }
    }

    /// How many more records a live session takes.
    pub(super) fn room(&self, session: SessionId) -> Option<u64> {
        match &self.live(session)?.place {
            Place::Awake(entry) => Some(entry.session.room()),
            Place::Packed(_) => Some(crate::RECORD_WINDOW),
            Place::Free => None,
        }
    }

    pub(super) fn heard(&self, slot: u32) -> Option<Instant> {
        match &self.slots[slot as usize].place {
            Place::Awake(entry) => Some(entry.session.heard()),
            Place::Packed(dormant) => Some(dormant.heard()),
            Place::Free => None,
        }
    }

    /// When something is next to be done about a session by itself.
    pub(super) fn deadline(&self, slot: u32) -> Option<Instant> {
        let Slot { away, place, .. } = &self.slots[slot as usize];
        match place {
            Place::Free => None,
            Place::Packed(dormant) => {
                Some(dormant.heard() + if *away { IDLE_TIMEOUT } else { AWAY_AFTER })
            }
            Place::Awake(entry) => match &entry.standing {
                // It sends nothing, whatever it was given, so that only its end is waited for.
                Standing::Unconfirmed(unconfirmed) => Some(unconfirmed.deadline),
                Standing::Gone => entry.session.poll_timeout(),
                Standing::Confirmed => {
                    let silence = (!away).then(|| entry.session.heard() + AWAY_AFTER);
                    let timers = [entry.session.poll_timeout(), entry.session.dormant_at()];
                    timers.into_iter().chain([silence]).flatten().min()
                }
            },
        }
    }

    /// The entry of a session that is not packed.
    pub(super) fn entry_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        match &mut self.slots[slot as usize].place {
            Place::Awake(entry) => Some(entry),
            Place::Packed(_) | Place::Free => None,
        }
    }

    pub(super) fn awake(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().filter_map(|slot| match &slot.place {
            Place::Awake(entry) => Some(&**entry),
            Place::Packed(_) | Place::Free => None,
        })
    }

    /// All sessions: the entries of those that are not packed, and whether they are away.
    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = (Option<&Entry>, bool)> {
        self.slots.iter().filter_map(|slot| match &slot.place {
            Place::Awake(entry) => Some((Some(&**entry), slot.away)),
            Place::Packed(_) => Some((None, slot.away)),
            Place::Free => None,
        })
    }

    /// Where a session's client is.
    pub(super) fn address(&self, session: SessionId) -> Option<SocketAddr> {
        let slot = self.slots.get(session.slot as usize)?;
        if slot.generation != session.generation {
            return None;
        }
        match &slot.place {
            Place::Awake(entry) => Some(entry.session.remote()),
            Place::Packed(dormant) => Some(dormant.remote()),
            Place::Free => None,
        }
    }

    /// What each session counted that is not packed.
    pub(super) fn counters(&self) -> impl Iterator<Item = Counters> {
        self.slots.iter().filter_map(|slot| match &slot.place {
            Place::Awake(entry) => Some(entry.session.counters()),
            Place::Packed(_) | Place::Free => None,
        })
    }

    /// Where each live session's client is.
    pub(super) fn clients(&self) -> impl Iterator<Item = (ConnectionId, SocketAddr)> {
        self.slots.iter().filter_map(|slot| match &slot.place {
            Place::Awake(entry) if matches!(entry.standing, Standing::Confirmed) => {
                Some((slot.connection, entry.session.remote()))
            }
            Place::Packed(dormant) => Some((slot.connection, dormant.remote())),
            Place::Awake(_) | Place::Free => None,
        })
    }

    /// Lets a session take a packet. One that is packed stays so unless the packet is authentic.
    pub(super) fn receive(
        &mut self,
        slot: u32,
        take: impl FnOnce(&mut Session) -> Result<(), Dropped>,
    ) -> Result<(), Dropped> {
        let place = &mut self.slots[slot as usize].place;
        match place {
            Place::Awake(entry) => take(&mut entry.session),
            Place::Packed(dormant) => {
                let mut entry = Entry::unpacked(dormant);
                take(&mut entry.session)?;
                *place = Place::Awake(entry);
                Ok(())
            }
            Place::Free => Err(Dropped),
        }
    }

    pub(super) fn unpack(&mut self, slot: u32) {
        let place = &mut self.slots[slot as usize].place;
        if let Place::Packed(dormant) = place {
            *place = Place::Awake(Entry::unpacked(dormant));
        }
    }

    /// Packs a session where nothing is under way; any other stays as it is. What is forgotten with it
    /// is what it counted.
    pub(super) fn pack(&mut self, slot: u32) -> Counters {
        let place = &mut self.slots[slot as usize].place;
        let Place::Awake(entry) = place else { return Counters::default() };
        let Some(dormant) = entry.session.pack() else { return Counters::default() };
        debug_assert!(matches!(entry.standing, Standing::Confirmed), "no other is packed");
        let counters = entry.session.counters();
        *place = Place::Packed(dormant);
        counters
    }

    /// Says what was so before.
    pub(super) fn set_away(&mut self, slot: u32, away: bool) -> bool {
        std::mem::replace(&mut self.slots[slot as usize].away, away)
    }

    /// Whether the timers have to know: they hold no earlier deadline for it.
    pub(super) fn arm(&mut self, slot: u32, at: Instant) -> bool {
        let armed = &mut self.slots[slot as usize].armed;
        let earlier = at < *armed;
        if earlier {
            *armed = at;
        }
        earlier
    }

    pub(super) fn disarm(&mut self, slot: u32) {
        self.slots[slot as usize].armed = NEVER;
    }

    /// Whether an entry of the timers means something.
    pub(super) fn is_armed(&self, armed: &Armed) -> bool {
        let slot = &self.slots[armed.slot as usize];
        slot.generation == armed.generation && slot.armed == armed.at
    }
}

impl Entry {
    fn unpacked(dormant: &Dormant) -> Box<Self> {
        Box::new(Self {
            session: Session::unpack(dormant),
            standing: Standing::Confirmed,
            ready: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With four bytes in the table by id and sixteen in the timers that is all that an endpoint keeps.
    #[test]
    fn a_session_that_rests_takes_little() {
        assert!(size_of::<Slot>() <= 200, "{}", size_of::<Slot>());
    }
}
