//! How what is put gets into the log: until it is there, and nothing of it twice.

use super::{Filling, WholeLog};
use crate::store::{
    Entry, StoreError,
    jetstream::{
        Broker, Kind, Message, Publish, PublishError, Subject, not_read,
        records::{self, Chunk, Head, Item, TextOrigin},
        write::PART_BYTES_MAX,
    },
    whole::{Parcel, Part, Piece, Weight},
};
use pychat_proto::{Cursor, Seq, StreamId, UserName};
use std::{collections::VecDeque, thread, time::Duration};

/// How often something is tried that the cluster does not do, and how long in between: longer than the election of
/// a leader takes.
pub(super) const TRIES: u32 = 40;
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// Nobody's: whoever takes the mailbox first has it.
const NO_NODE: u64 = 0;

/// The outbox of a text of which it is not known any more. A stream's records begin at 1, so it is taken for no
/// other text.
const NO_STREAM: (StreamId, Seq) = (StreamId([0; 16]), Seq::NONE);

/// What is put into a mailbox.
struct Mailing {
    user: UserName,
    /// Whether the next message takes the place of all that was there.
    replaces: bool,
    /// Messages that are not written yet.
    chunks: VecDeque<Vec<u8>>,
    /// What was written, and how the mailbox stands behind all of them.
    filling: Filling,
}

impl<B: Broker> WholeLog<B> {
    /// Publishes all of it, until it is there; answers the numbers. What is there already is not
    /// published again: an earlier try may only have seemed to fail.
    fn publish(&mut self, mut writes: Vec<Publish>) -> Result<Vec<u64>, StoreError> {
        let mut numbers = vec![0; writes.len()];
        let mut places: Vec<usize> = (0..writes.len()).collect();
        let mut trouble = None;
        for _ in 0..self.tries {
            let results = self.store.broker.publish(&writes);
            let mut open = Vec::new();
            for ((write, place), result) in writes.into_iter().zip(places).zip(results) {
                match result {
                    Ok(number) => numbers[place] = number,
                    Err(error) => {
                        if let PublishError::Trouble(it) = error {
                            trouble = Some(it);
                        }
                        open.push((write, place));
                    }
                }
            }
            if open.is_empty() {
                return Ok(numbers);
            }
            if trouble.is_some() && self.tries > 1 {
                thread::sleep(BETWEEN_TRIES);
            }
            let subjects: Vec<Subject> =
                open.iter().map(|(write, _)| write.subject.clone()).collect();
            (writes, places) = (Vec::new(), Vec::new());
            match self.store.broker.last(&subjects) {
                Ok(found) => {
                    for ((mut write, place), found) in open.into_iter().zip(found) {
                        let number = found.as_ref().map_or(0, |it| it.number);
                        if found.is_some_and(|it| it.body == write.body) {
                            numbers[place] = number;
                            continue;
                        }
                        if !write.replaces && write.expected != number {
                            return Err(StoreError::Fatal(INTERFERED.into()));
                        }
                        write.expected = number;
                        writes.push(write);
                        places.push(place);
                    }
                }
                Err(it) => {
                    trouble = Some(it);
                    (writes, places) = open.into_iter().unzip();
                }
            }
            if writes.is_empty() {
                return Ok(numbers);
            }
        }
        let why = trouble.map_or_else(|| INTERFERED.to_owned(), |it| it.to_string());
        Err(StoreError::Unknown(why))
    }

    /// Removes what an earlier try has left where there is nothing now.
    pub(super) fn remove(&mut self, subjects: &[Subject]) -> Result<(), StoreError> {
        let found = self.store.broker.last(subjects).map_err(not_read)?;
        for (subject, found) in subjects.iter().zip(found) {
            if let Some(Message { number, .. }) = found {
                self.store.broker.remove(subject, number).map_err(not_read)?;
            }
        }
        Ok(())
    }

    /// Messages for a mailbox, and what they are to come behind.
    fn mailing(&self, parcel: &Parcel) -> Mailing {
        let Parcel { standing, part, pieces } = parcel;
        let (user, reserved) = (standing.user, standing.reserved.0);
        let known = self.filling.get(&user).filter(|_| *part == Part::Next);
        let empty = Head { next: reserved + 1, reserved, ..Head::default() };
        let Filling { number, mut head } =
            known.copied().unwrap_or(Filling { number: 0, head: empty });
        let mut chunks = VecDeque::new();
        let mut rest = &pieces[..];
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take_while(|piece| {
                bytes += piece.entry.entry.len();
                bytes <= PART_BYTES_MAX
            });
            let (now, later) = rest.split_at(fits.count().max(1));
            rest = later;
            for Piece { entry: Entry { cursor, entry }, weight } in now {
                head.last = cursor.0;
                if *weight == Weight::Counts {
                    head.ever.entries += 1;
                    head.ever.bytes += entry.len() as u64;
                }
            }
            let items = now.iter().map(|piece| item(&user, piece)).collect();
            chunks.push_back(records::encode_chunk(&Chunk { node: NO_NODE, head, items }));
        }
        if chunks.is_empty() && *part == Part::First && standing.reserved != Cursor::NONE {
            let chunk = Chunk { node: NO_NODE, head, items: Vec::new() };
            chunks.push_back(records::encode_chunk(&chunk));
        }
        Mailing { user, replaces: *part == Part::First, chunks, filling: Filling { number, head } }
    }

    /// Writes what is put into mailboxes, in rounds, as each message comes behind another; with the first one what
    /// else there is to write.
    pub(super) fn put_mailboxes(
        &mut self,
        parcels: &[Parcel],
        others: Vec<Publish>,
    ) -> Result<(), StoreError> {
        let mut mailings: Vec<Mailing> = parcels.iter().map(|it| self.mailing(it)).collect();
        self.filling.clear();
        let mut writes = others;
        loop {
            let count = writes.len();
            let mut whose = Vec::new();
            for (place, mailing) in mailings.iter_mut().enumerate() {
                let Some(body) = mailing.chunks.pop_front() else { continue };
                writes.push(Publish {
                    subject: Subject::User(Kind::Mailbox, mailing.user),
                    expected: mailing.filling.number,
                    replaces: std::mem::take(&mut mailing.replaces),
                    body,
                });
                whose.push(place);
            }
            if writes.is_empty() {
                break;
            }
            let numbers = self.publish(std::mem::take(&mut writes))?;
            for (place, number) in whose.into_iter().zip(&numbers[count..]) {
                mailings[place].filling.number = *number;
            }
        }
        self.filling.extend(mailings.into_iter().map(|it| (it.user, it.filling)));
        Ok(())
    }
}

const INTERFERED: &str = "somebody else writes there; are all nodes stopped?";

fn item<'a>(mailbox: &UserName, piece: &'a Piece) -> Item<'a> {
    let (stream, last) = NO_STREAM;
    let origin = match piece.weight {
        Weight::Counts => Some(TextOrigin { user: *mailbox, stream, last }),
        Weight::Free => None,
    };
    Item { place: piece.entry.cursor.0, origin, entry: &piece.entry.entry }
}
