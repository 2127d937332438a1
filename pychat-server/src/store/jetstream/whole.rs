//! A cluster's log as a whole: read without a change to it, or filled from another engine.

use super::{
    Broker, JetStream, Kind, Message, Publish, PublishError, Subject, not_read,
    records::{self, Chunk, Head, Item, TextOrigin},
    write::PART_BYTES_MAX,
};
use crate::store::{
    Answer, Command, Decided, Decision, Entry, MailboxStore, Quota, ReadLimit, StoreError,
    whole::{Begun, Parcel, Part, Piece, RuleBook, Standing, Weight, Whole},
};
use pychat_proto::{Cursor, Seq, StreamId, UserName};
use std::{
    collections::{HashMap, VecDeque},
    thread,
    time::Duration,
};

/// How often something is tried that the cluster does not do, and how long in between: longer than the election of
/// a leader takes.
const TRIES: u32 = 40;
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// Decisions in one batch.
const DECISIONS_MAX: usize = 256;

/// Nobody's: whoever takes the mailbox first has it.
const NO_NODE: u64 = 0;

/// The outbox of a text of which it is not known any more. A stream's records begin at 1, so it is taken for no
/// other text.
const NO_STREAM: (StreamId, Seq) = (StreamId([0; 16]), Seq::NONE);

/// A log that no node uses.
pub(crate) struct WholeLog<B> {
    /// For bans and invites, and the connection for the rest.
    store: JetStream<B>,
    begun: Begun,
    /// How often something is tried.
    tries: u32,
    /// All that there are, in their order.
    names: Vec<UserName>,
    /// How far the mailboxes are read of those who were looked at last.
    reading: HashMap<UserName, Reading>,
    /// How those mailboxes stand that were written last.
    filling: HashMap<UserName, Filling>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    from: u64,
    newest: u64,
    trimmed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Filling {
    /// The newest message's number.
    number: u64,
    head: Head,
}

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
    /// The log on a broker. Where nothing has begun, it is empty.
    pub(crate) fn new(broker: B, begun: Begun) -> Self {
        Self {
            store: JetStream::new(broker, 1, Quota::default()),
            begun,
            tries: TRIES,
            names: Vec::new(),
            reading: HashMap::new(),
            filling: HashMap::new(),
        }
    }

    /// Gives up at once.
    #[cfg(test)]
    pub(crate) fn impatient(self) -> Self {
        Self { tries: 1, ..self }
    }

    /// What it stands on.
    pub(crate) const fn broker(&self) -> &B {
        &self.store.broker
    }

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
    fn remove(&mut self, subjects: &[Subject]) -> Result<(), StoreError> {
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
    fn put_mailboxes(
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

const KINDS: [Kind; 4] = [Kind::Account, Kind::Keys, Kind::Positions, Kind::Mailbox];

impl<B: Broker> Whole for WholeLog<B> {
    fn begin(&mut self) -> Result<u64, StoreError> {
        self.names.clear();
        for kind in KINDS {
            self.names.extend(self.store.broker.names(kind).map_err(not_read)?);
            self.names.sort_unstable();
            self.names.dedup();
        }
        Ok(self.names.len() as u64)
    }

    fn names(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<UserName>, StoreError> {
        let from = after.map_or(0, |after| self.names.partition_point(|name| name <= after));
        Ok(self.names[from..].iter().take(limit).copied().collect())
    }

    fn standings(&mut self, users: &[UserName]) -> Result<Vec<Standing>, StoreError> {
        self.reading.clear();
        let subjects: Vec<Subject> =
            users.iter().flat_map(|user| KINDS.map(|kind| Subject::User(kind, *user))).collect();
        let found = self.store.broker.last(&subjects).map_err(not_read)?;
        let mut standings = Vec::with_capacity(users.len());
        for (user, found) in users.iter().zip(found.chunks(KINDS.len())) {
            let [account, keys, positions, mailbox] = found else { continue };
            let mut standing = Standing::nothing(*user);
            if let Some(Message { body, .. }) = account {
                standing.account = records::decode_account(user, body)?;
            }
            if let Some(Message { body, .. }) = keys {
                standing.keys = records::decode_keys(user, body)?;
            }
            if let Some(Message { body, .. }) = positions {
                standing.streams = records::decode_streams(user, body)?;
            }
            if let Some(Message { number, body }) = mailbox {
                let Head { next, last, reserved, trimmed, ever: _ } =
                    records::decode_chunk(user, body)?.head;
                standing.reserved = Cursor(reserved.max(next.saturating_sub(1)).max(last));
                standing.last = if last > trimmed { Cursor(last) } else { Cursor::NONE };
                let reading = Reading { from: 1, newest: *number, trimmed };
                self.reading.insert(*user, reading);
            }
            standings.push(standing);
        }
        Ok(standings)
    }

    fn pieces(
        &mut self,
        wanted: &[(UserName, Cursor)],
        limit: ReadLimit,
    ) -> Result<Vec<Vec<Piece>>, StoreError> {
        let mut pieces: Vec<Vec<Piece>> = vec![Vec::new(); wanted.len()];
        loop {
            let (mut asked, mut places) = (Vec::new(), Vec::new());
            for (place, (user, _)) in wanted.iter().enumerate() {
                let Some(reading) = self.reading.get(user) else { continue };
                if pieces[place].is_empty() && reading.from <= reading.newest {
                    let subject = Subject::User(Kind::Mailbox, *user);
                    asked.push((subject, reading.from, reading.newest));
                    places.push(place);
                }
            }
            if asked.is_empty() {
                return Ok(pieces);
            }
            let read = self.store.broker.read_each(&asked, limit).map_err(not_read)?;
            for (place, messages) in places.into_iter().zip(read) {
                let (user, after) = &wanted[place];
                let Some(reading) = self.reading.get_mut(user) else { continue };
                let after = after.0.max(reading.trimmed);
                reading.from = messages.last().map_or(reading.newest, |it| it.number) + 1;
                for Message { body, .. } in &messages {
                    let chunk = records::decode_chunk(user, body)?;
                    let items = chunk.items.iter().filter(|item| item.place > after);
                    pieces[place].extend(items.map(|item| Piece {
                        entry: Entry { cursor: Cursor(item.place), entry: item.entry.into() },
                        weight: item.origin.map_or(Weight::Free, |_| Weight::Counts),
                    }));
                }
            }
        }
    }

    fn rules(&mut self) -> Result<RuleBook, StoreError> {
        self.store.look_up_rules(true)?;
        let rules = &self.store.rules;
        Ok(RuleBook { bans: rules.bans(None, usize::MAX), invites: rules.invites() })
    }

    fn put(&mut self, parcels: &[Parcel]) -> Result<(), StoreError> {
        let (mut writes, mut gone) = (Vec::new(), Vec::new());
        for Parcel { standing, .. } in parcels.iter().filter(|it| it.part == Part::First) {
            let Standing { user, account, keys, streams, reserved, last: _ } = standing;
            let streams = (!streams.is_empty()).then(|| records::encode_streams(streams));
            for (kind, body) in [
                (Kind::Account, account.as_ref().map(|it| records::encode_account(Some(it)))),
                (Kind::Keys, keys.as_ref().map(|it| records::encode_keys(Some(it)))),
                (Kind::Positions, streams),
            ] {
                let subject = Subject::User(kind, *user);
                match body {
                    Some(body) => {
                        writes.push(Publish { subject, expected: 0, replaces: true, body });
                    }
                    None => gone.push(subject),
                }
            }
            if *reserved == Cursor::NONE {
                gone.push(Subject::User(Kind::Mailbox, *user));
            }
        }
        if self.begun == Begun::Before {
            self.remove(&gone)?;
        }
        self.put_mailboxes(parcels, writes)
    }

    fn decide(&mut self, decisions: Vec<Decision>) -> Result<(), StoreError> {
        let commands: Vec<Command> = decisions.into_iter().map(Command::Decide).collect();
        for batch in commands.chunks(DECISIONS_MAX) {
            for answer in self.store.commit(batch)? {
                if answer != Answer::Decided(Decided::Done) {
                    return Err(StoreError::Fatal(format!("a ban or an invite: {answer:?}")));
                }
            }
        }
        Ok(())
    }
}
