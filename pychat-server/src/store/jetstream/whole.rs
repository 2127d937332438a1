//! A cluster's log as a whole: read without a change to it, or filled from another engine (`fill`).

mod fill;

use super::{
    Broker, JetStream, Kind, Message, Publish, Subject, not_read,
    records::{self, Head},
};
use crate::store::{
    Answer, Command, Decided, Decision, Entry, MailboxStore, Quota, ReadLimit, StoreError,
    whole::{Begun, Parcel, Part, Piece, RuleBook, Standing, Weight, Whole},
};
use fill::TRIES;
use pychat_proto::{Cursor, UserName};
use std::collections::HashMap;

/// Decisions in one batch.
const DECISIONS_MAX: usize = 256;

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
