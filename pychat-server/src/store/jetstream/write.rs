//! Writes what a batch changed.
//!
//! First the mailboxes, the keys, and bans and invites; then the accounts, so that a name is nobody's only
//! after its mail is gone, and somebody's only after the keys of whoever had it are; then how far the
//! senders' outboxes have come, which may be behind what mailboxes hold and never ahead of it.

use super::{
    Broker, JetStream, Kind, Publish, PublishError, Subject, Trouble,
    mailbox::{End, Part},
    records,
    run::{Done, RuleName, Touched},
};
use crate::store::{
    Answer, Appended, Command, Origin, StoreError,
    rules::{Change, Name},
};
use pychat_proto::{Seq, StreamId, UserName};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of entries in one message of a mailbox: well below what NATS takes by default (1 MiB), and small
/// enough to be read again for one entry in it.
pub(super) const PART_BYTES_MAX: usize = 128 * 1024;

/// What stands in the way of a batch.
#[derive(Default)]
struct Outcome {
    /// Somebody else was quicker with these, or something is in the way.
    conflicts: BTreeSet<Touched>,
    /// Those of them of which it is certain that nothing was written.
    untouched: BTreeSet<Touched>,
    trouble: Option<Trouble>,
    written: bool,
}

impl Outcome {
    fn note(&mut self, touched: Touched, error: PublishError) {
        if matches!(error, PublishError::Trouble(Trouble::NotDone(_))) {
            self.untouched.insert(touched.clone());
        }
        match error {
            PublishError::Conflict => {}
            // What is unknown stays so, whatever else is in the way.
            PublishError::Trouble(trouble) => match (&self.trouble, &trouble) {
                (None | Some(Trouble::NotDone(_)), _) => self.trouble = Some(trouble),
                (Some(Trouble::Unknown(_)), _) => {}
            },
        }
        self.conflicts.insert(touched);
    }

    /// What became of a mailbox.
    fn end_of(&self, user: UserName) -> End {
        let mailbox = Touched::Mailbox(user);
        if !self.conflicts.contains(&mailbox) {
            End::Written
        } else if self.untouched.contains(&mailbox) {
            End::NotWritten
        } else {
            End::Unsure
        }
    }

    /// What a caller is told of a batch that was not done.
    fn failed(&self) -> Option<StoreError> {
        match self.trouble.clone()? {
            Trouble::NotDone(why) if !self.written => Some(StoreError::NotWritten(why)),
            Trouble::NotDone(why) | Trouble::Unknown(why) => Some(StoreError::Unknown(why)),
        }
    }
}

impl<B: Broker> JetStream<B> {
    /// Writes what was executed. Answers which commands have to be executed again, as somebody else was
    /// quicker.
    pub(super) fn write(
        &mut self,
        batch: &[Command],
        answers: &[Option<Answer>],
        mut done: Done,
    ) -> Result<Vec<usize>, StoreError> {
        let mut outcome = Outcome::default();
        let users = done.touched.iter().flat_map(|(_, touched)| touched);
        let mailboxes: BTreeSet<UserName> = users
            .filter_map(|it| match it {
                Touched::Mailbox(user) => Some(*user),
                Touched::Keys(_) | Touched::Rule(_) | Touched::Account(_) => None,
            })
            .collect();
        self.write_mailboxes(&mailboxes, &mut outcome);
        self.write_keys(&done, &mut outcome);
        self.write_rules(std::mem::take(&mut done.changes), &mut outcome);
        self.write_accounts(&done, &mut outcome);
        for user in &mailboxes {
            if let Some(mailbox) = self.mailboxes.get_mut(user) {
                mailbox.settle(outcome.end_of(*user));
            }
        }
        self.purge_trimmed(batch, &mailboxes);
        if let Some(error) = outcome.failed() {
            return Err(error);
        }
        let is_open =
            |touched: &Vec<Touched>| touched.iter().any(|it| outcome.conflicts.contains(it));
        let (open, closed): (Vec<_>, Vec<_>) =
            done.touched.into_iter().partition(|(_, touched)| is_open(touched));
        self.write_positions(batch, answers, closed.into_iter().map(|(index, _)| index))?;
        Ok(open.into_iter().map(|(index, _)| index).collect())
    }

    fn write_mailboxes(&mut self, users: &BTreeSet<UserName>, outcome: &mut Outcome) {
        let mut parts: BTreeMap<UserName, Vec<Part>> = BTreeMap::new();
        for user in users {
            if let Some(mailbox) = self.mailboxes.get(user) {
                parts.insert(*user, mailbox.parts(self.node, PART_BYTES_MAX));
            }
        }
        // Nearly always each mailbox has one part.
        for round in 0.. {
            let mut batch = Vec::new();
            let mut whose = Vec::new();
            for (user, parts) in &mut parts {
                let Some(part) = parts.get_mut(round) else { continue };
                let touched = Touched::Mailbox(*user);
                let Some(mailbox) = self.mailboxes.get(user) else { continue };
                if outcome.conflicts.contains(&touched) {
                    continue;
                }
                batch.push(Publish {
                    subject: Subject::User(Kind::Mailbox, *user),
                    expected: mailbox.newest(),
                    replaces: part.replaces,
                    body: std::mem::take(&mut part.chunk),
                });
                whose.push(*user);
            }
            if batch.is_empty() {
                return;
            }
            for (user, result) in whose.into_iter().zip(self.publish(&batch, outcome)) {
                let mailbox = self.mailboxes.entry(user).or_default();
                match (result, parts.get(&user).and_then(|parts| parts.get(round))) {
                    (Ok(number), Some(part)) => mailbox.written(self.node, number, part),
                    (Ok(_), None) => unreachable!("each was published for a part"),
                    (Err(error), _) => outcome.note(Touched::Mailbox(user), error),
                }
            }
        }
    }

    /// Has the log say how far mailboxes are trimmed.
    pub(super) fn write_trims(&mut self) -> Result<(), StoreError> {
        let trimmed = self.mailboxes.iter_mut();
        let trimmed = trimmed.filter_map(|(user, known)| known.tell_trimmed().then_some(*user));
        let users: BTreeSet<UserName> = trimmed.collect();
        let mut outcome = Outcome::default();
        self.write_mailboxes(&users, &mut outcome);
        for user in users {
            if let Some(mailbox) = self.mailboxes.get_mut(&user) {
                // Where another node was quicker it is that one's to say.
                mailbox.settle(outcome.end_of(user));
            }
        }
        outcome.failed().map_or(Ok(()), Err)
    }

    fn write_keys(&mut self, done: &Done, outcome: &mut Outcome) {
        let changed = done.work.keys.iter().filter(|(_, record)| record.changed);
        let (users, batch): (Vec<_>, Vec<_>) = changed
            .map(|(user, record)| {
                let publish = Publish {
                    subject: Subject::User(Kind::Keys, *user),
                    expected: record.number,
                    replaces: true,
                    body: records::encode_keys(record.value.as_ref()),
                };
                (*user, publish)
            })
            .unzip();
        for (user, result) in users.into_iter().zip(self.publish(&batch, outcome)) {
            if let Err(error) = result {
                outcome.note(Touched::Keys(user), error);
            }
        }
    }

    fn write_accounts(&mut self, done: &Done, outcome: &mut Outcome) {
        // What has to be gone first, or used up, is not.
        let waits: BTreeSet<UserName> = done
            .touched
            .iter()
            .filter(|(_, touched)| touched.iter().any(|it| outcome.conflicts.contains(it)))
            .flat_map(|(_, touched)| touched)
            .filter_map(|it| match it {
                Touched::Account(user) => Some(*user),
                Touched::Mailbox(_) | Touched::Keys(_) | Touched::Rule(_) => None,
            })
            .collect();
        for user in &waits {
            outcome.conflicts.insert(Touched::Account(*user));
        }
        let changed = done.work.accounts.iter();
        let changed: Vec<_> =
            changed.filter(|(user, record)| record.changed && !waits.contains(user)).collect();
        let batch: Vec<_> = changed
            .iter()
            .map(|(user, record)| Publish {
                subject: Subject::User(Kind::Account, **user),
                expected: record.number,
                replaces: true,
                body: records::encode_account(record.value.as_ref()),
            })
            .collect();
        for ((user, record), result) in changed.into_iter().zip(self.publish(&batch, outcome)) {
            match result {
                Ok(number) => {
                    if let Some(mailbox) = self.mailboxes.get_mut(user) {
                        mailbox.exists = record.value.is_some();
                    }
                    if record.value.is_none() {
                        // What says that the name is nobody's says no more than nothing does.
                        let subject = Subject::User(Kind::Account, *user);
                        let _ = self.broker.remove(&subject, number);
                    }
                }
                Err(error) => outcome.note(Touched::Account(*user), error),
            }
        }
    }

    /// Bans and invites are few, and their number is bounded in all: each is written behind all others.
    fn write_rules(&mut self, changes: Vec<Change>, outcome: &mut Outcome) {
        let mut batch = Vec::new();
        let names: BTreeMap<RuleName, Name> =
            changes.iter().map(|change| (change.name().into(), change.name())).collect();
        // Numbers of that stream have no gaps.
        for (expected, name) in (self.rules_up_to..).zip(names.values()) {
            let (subject, body) = match name {
                Name::Ban(user) => (Subject::Ban(*user), records::encode_ban(self.rules.ban(user))),
                Name::Invite(code) => {
                    let body = records::encode_invite(self.rules.invite(code));
                    (Subject::Invite(code.clone()), body)
                }
            };
            batch.push(Publish { subject, expected, replaces: false, body });
        }
        let mut failed = BTreeSet::new();
        for (name, result) in names.into_keys().zip(self.publish(&batch, outcome)) {
            match result {
                Ok(number) => self.rules_up_to = self.rules_up_to.max(number),
                Err(error) => {
                    failed.insert(name.clone());
                    outcome.note(Touched::Rule(name), error);
                }
            }
        }
        for change in changes.into_iter().rev() {
            if failed.contains(&change.name().into()) {
                self.rules.undo(change);
            }
        }
    }

    fn publish(
        &mut self,
        batch: &[Publish],
        outcome: &mut Outcome,
    ) -> Vec<Result<u64, PublishError>> {
        if batch.is_empty() {
            return Vec::new();
        }
        let results = self.broker.publish(batch);
        outcome.written |= results.iter().any(Result::is_ok);
        results
    }

    /// Moves the streams of what was written or skipped, in the order of the batch.
    fn write_positions(
        &mut self,
        batch: &[Command],
        answers: &[Option<Answer>],
        closed: impl Iterator<Item = usize>,
    ) -> Result<(), StoreError> {
        let closed: Vec<usize> = closed.collect();
        let mut moved = self.advance(batch, answers, &closed);
        for _ in 0..super::ROUNDS_MAX {
            if moved.is_empty() {
                return Ok(());
            }
            let publishes: Vec<_> = moved
                .iter()
                .filter_map(|user| {
                    let known = self.positions.get(user)?;
                    Some(Publish {
                        subject: Subject::User(Kind::Positions, *user),
                        expected: known.number,
                        replaces: true,
                        body: records::encode_streams(&known.streams),
                    })
                })
                .collect();
            let results = self.broker.publish(&publishes);
            let (mut conflicts, mut trouble) = (Vec::new(), None);
            let advances = closed.iter().filter_map(|index| match &batch[*index] {
                Command::Advance { user, .. } => Some(*user),
                _ => None,
            });
            let advances: BTreeSet<UserName> = advances.collect();
            for (user, result) in moved.iter().zip(results) {
                let Some(known) = self.positions.get_mut(user) else { continue };
                match result {
                    Ok(number) => (known.number, known.untold) = (number, false),
                    Err(PublishError::Conflict) => conflicts.push(*user),
                    Err(PublishError::Trouble(it)) => {
                        known.unsure |= matches!(it, Trouble::Unknown(_));
                        known.untold = true;
                        // A position that is behind costs a text that comes again. Only who asked for nothing else has
                        // to know.
                        if advances.contains(user) {
                            trouble = Some(it);
                        }
                    }
                }
            }
            if let Some(trouble) = trouble {
                return Err(StoreError::Unknown(trouble.to_string()));
            }
            for user in &conflicts {
                self.look_up_positions(user)?;
            }
            moved = self.advance(batch, answers, &closed);
            moved.retain(|user| conflicts.contains(user));
        }
        let why = "other servers write to the same users all the time".into();
        Err(StoreError::Unknown(why))
    }

    /// Moves streams in memory; whose did move.
    fn advance(
        &mut self,
        batch: &[Command],
        answers: &[Option<Answer>],
        closed: &[usize],
    ) -> BTreeSet<UserName> {
        let mut moved = BTreeSet::new();
        for (command, answer) in closed.iter().map(|index| (&batch[*index], &answers[*index])) {
            let Some((user, stream, up_to)) = self.moved_by(command, answer.as_ref()) else {
                continue;
            };
            let known = self.positions.entry(user).or_default();
            if known.advance(stream, up_to) || known.untold {
                moved.insert(user);
            }
        }
        moved
    }

    /// Whose stream a command moves, and up to where, now that it is done.
    fn moved_by(
        &self,
        command: &Command,
        answer: Option<&Answer>,
    ) -> Option<(UserName, StreamId, Seq)> {
        if let Command::Advance { user, stream, up_to } = command {
            return Some((*user, *stream, *up_to));
        }
        let (Command::Append(append), Some(Answer::Append(Appended::Stored { .. }))) =
            (command, answer)
        else {
            return None;
        };
        let Origin::Stream { user, stream, safe, first, last } = &append.origin else {
            return None;
        };
        let position = self.positions.get(user).map_or(Seq::NONE, |known| known.of(*stream));
        // What comes before it is still on its way otherwise, and whoever knows when it is safe says so.
        (position.max(*safe).next() >= *first).then_some((*user, *stream, *last))
    }

    /// Lets the log forget what is trimmed.
    fn purge_trimmed(&mut self, batch: &[Command], written: &BTreeSet<UserName>) {
        let trimmed = batch.iter().filter_map(|command| {
            if let Command::Trim { mailbox, .. } = command { Some(*mailbox) } else { None }
        });
        let users: BTreeSet<UserName> = trimmed.chain(written.iter().copied()).collect();
        for user in users {
            let Some(mailbox) = self.mailboxes.get_mut(&user).filter(|it| !it.unsure) else {
                continue;
            };
            if let Some(up_to) = mailbox.take_purge() {
                self.broker.purge(&Subject::User(Kind::Mailbox, user), up_to);
            }
        }
    }
}
