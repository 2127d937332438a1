//! The clustered engine: mailboxes in NATS JetStream, for any number of servers at once.
//!
//! A server that uses it is a *node* and keeps nothing of its own. A user's account, keys and outbox
//! positions are one message each, and replaced by compare-and-set. A mailbox is a subject of which the
//! newest message says how it stands and who wrote it (`mailbox`, `records`); whoever writes next writes
//! behind that message or not at all, so that a node which was cut off can spoil nothing.
//!
//! A batch is executed in three steps: what it touches is looked up (`load`), it is executed against
//! memory (`run`), and what changed is written (`write`). What somebody else was quicker with is looked up
//! and executed again.
//!
//! `broker` is what is asked of the cluster; `nats` asks it of NATS.

mod broker;
mod load;
mod mailbox;
mod model;
mod nats;
mod options;
mod records;
mod run;
mod subject;
#[cfg(test)]
mod tests;
pub(crate) mod whole;
pub(crate) mod wire;
mod write;

pub use broker::{Broker, Message, Publish, PublishError, Trouble};
#[cfg(test)]
pub(crate) use model::STREAMS;
pub use model::{Model, Weather};
pub use nats::{BadFile, Nats, OpenError, Use};
pub use options::{BadOptions, Options};
pub use subject::{Kind, Subject};

use super::{
    Account, Answer, Ban, Command, Entry, Invite, InviteCode, MailboxSize, MailboxStore, Node,
    Page, Quota, ReadLimit, StoreError, StoreSize, keys::Keys, rules::Rules,
};
use mailbox::Mailbox;
use pychat_proto::{Cursor, Seq, StreamId, UserName, chat::OwnKeys};
use records::Streams;
use run::Run;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

/// How often a batch is executed again in which somebody else was quicker with something.
const ROUNDS_MAX: usize = 8;

/// Mailboxes of which this node remembers how they stand. Beyond it all are forgotten, and looked up again when
/// they are used.
const MAILBOXES_MAX: usize = 131_072;

/// Users of whom this node remembers how far their outboxes have come; beyond it as for mailboxes.
const POSITIONS_MAX: usize = 131_072;

/// Streams remembered per user: one per device and per wiped database; beyond it the one that was not used
/// for the longest time is forgotten.
const STREAMS_PER_USER_MAX: usize = 8;

/// Mailboxes in a cluster, as one node sees them.
pub struct JetStream<B> {
    broker: B,
    /// Who this node is, until it ends: drawn anew at each start, and never zero.
    node: u64,
    quota: Quota,
    mailboxes: HashMap<UserName, Mailbox>,
    positions: HashMap<UserName, Positions>,
    rules: Rules,
    /// The newest ban or invite that is known.
    rules_up_to: u64,
    live: LiveNodes,
    /// Mailboxes of which this batch has sent something back, and to whom.
    sent_back: BTreeMap<UserName, Node>,
}

/// The other nodes that are there, as far as is known: a mailbox of one that is not is taken over. Shared
/// with whoever listens for their signs of life.
#[derive(Clone, Debug, Default)]
pub struct LiveNodes(Arc<Mutex<BTreeSet<Node>>>);

impl LiveNodes {
    /// Notes that a node is there, or is not.
    pub fn set(&self, node: Node, is_there: bool) {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_there {
            nodes.insert(node);
        } else {
            nodes.remove(&node);
        }
    }

    fn has(&self, node: Node) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&node)
    }
}

/// How far a user's outboxes have come, as this node knows it.
#[derive(Debug, Default)]
struct Positions {
    /// The number of the message that says so.
    number: u64,
    streams: Streams,
    /// Whether the log may say something else.
    unsure: bool,
    /// Whether it does not say this yet.
    untold: bool,
}

impl Positions {
    fn of(&self, stream: StreamId) -> Seq {
        let known = self.streams.iter().find(|(known, _)| *known == stream);
        known.map_or(Seq::NONE, |(_, position)| *position)
    }

    /// Moves a stream, never backwards; says whether it moved.
    fn advance(&mut self, stream: StreamId, up_to: Seq) -> bool {
        if up_to <= self.of(stream) {
            return false;
        }
        self.streams.retain(|(known, _)| *known != stream);
        if self.streams.len() == STREAMS_PER_USER_MAX {
            self.streams.remove(0);
        }
        self.streams.push((stream, up_to));
        true
    }
}

impl<B: Broker> JetStream<B> {
    /// The engine on a broker. `node` has to be another number at each start.
    pub fn new(broker: B, node: u64, quota: Quota) -> Self {
        Self {
            broker,
            node: node.max(1),
            quota,
            mailboxes: HashMap::new(),
            positions: HashMap::new(),
            rules: Rules::default(),
            rules_up_to: 0,
            live: LiveNodes::default(),
            sent_back: BTreeMap::new(),
        }
    }

    /// Which other nodes are there; without it none is.
    #[must_use]
    pub fn with_live(self, live: LiveNodes) -> Self {
        Self { live, ..self }
    }

    /// A mailbox was taken with its newest message, or with one before it in the same batch.
    fn number_takes(&self, batch: &[Command], answers: &mut [Option<Answer>]) {
        for (command, answer) in batch.iter().zip(answers) {
            if let (Command::Take { mailbox, .. }, Some(Answer::Taken(number))) = (command, answer)
            {
                *number = self.mailboxes.get(mailbox).map_or(0, Mailbox::newest);
            }
        }
    }

    /// Keeps what is remembered within its bounds.
    fn forget(&mut self) {
        if self.mailboxes.len() > MAILBOXES_MAX {
            self.mailboxes.clear();
        }
        if self.positions.len() > POSITIONS_MAX {
            self.positions.clear();
        }
    }
}

impl<B: Broker> MailboxStore for JetStream<B> {
    fn commit(&mut self, batch: &[Command]) -> Result<Vec<Answer>, StoreError> {
        self.forget();
        self.sent_back.clear();
        let mut answers: Vec<Option<Answer>> = vec![None; batch.len()];
        let mut open: Vec<usize> = (0..batch.len()).collect();
        for _ in 0..ROUNDS_MAX {
            let work = self.load(batch, &open)?;
            let mut run = Run::new(self, work);
            for index in open.iter().copied() {
                let (answer, touched) = run.execute(&batch[index]);
                answers[index] = Some(answer);
                run.touched.push((index, touched));
            }
            let done = run.finish();
            open = self.write(batch, &answers, done)?;
            if open.is_empty() {
                self.number_takes(batch, &mut answers);
                return Ok(answers.into_iter().flatten().collect());
            }
        }
        let why = "other servers write to the same users all the time".into();
        Err(StoreError::Unknown(why))
    }

    /// Each stream has a leader of its own.
    fn part(&self, command: &Command) -> u8 {
        command.user().map_or(u8::MAX, |user| {
            self.broker.stream(&Subject::User(Kind::Mailbox, *user)).unwrap_or(u8::MAX)
        })
    }

    fn read(
        &mut self,
        mailbox: &UserName,
        after: Cursor,
        limit: ReadLimit,
    ) -> Result<Page, StoreError> {
        self.look_up_mailbox(mailbox)?;
        let mut page = Page { entries: Vec::new(), more: false };
        let known = self.mailboxes.entry(*mailbox).or_default();
        let after = after.max(known.trimmed());
        let (Some(mut from), newest) = (known.reads_from(after), known.newest()) else {
            return Ok(page);
        };
        let subject = Subject::User(Kind::Mailbox, *mailbox);
        let (mut bytes, last) = (0, known.last());
        while from <= newest && !page.more {
            let messages = self.broker.read(&subject, from, newest, limit).map_err(not_read)?;
            let Some(end) = messages.last().map(|message| message.number) else { break };
            for Message { number, body } in &messages {
                let chunk = records::decode_chunk(mailbox, body)?;
                let known = self.mailboxes.entry(*mailbox).or_default();
                known.learn(*number, &chunk);
                for item in chunk.items.iter().filter(|item| item.place > after.0) {
                    let fits = page.entries.len() < limit.entries
                        && bytes + item.entry.len() <= limit.bytes;
                    if !page.entries.is_empty() && !fits {
                        page.more = true;
                        return Ok(page);
                    }
                    bytes += item.entry.len();
                    page.entries
                        .push(Entry { cursor: Cursor(item.place), entry: item.entry.into() });
                }
            }
            from = end + 1;
            // A full page ends here, without another question.
            let is_full = page.entries.len() >= limit.entries || bytes >= limit.bytes;
            let read_up_to = page.entries.last().map(|entry| entry.cursor);
            page.more = is_full && read_up_to.is_some_and(|up_to| up_to < last);
        }
        Ok(page)
    }

    fn account(&mut self, name: &UserName) -> Result<Option<Account>, StoreError> {
        Ok(self.look_up_account(name)?.1)
    }

    fn accounts(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        let mut names = self.names(Kind::Account, after)?;
        // Some may have been freed since they were listed.
        let mut accounts = Vec::new();
        while accounts.len() < limit && !names.is_empty() {
            let rest = names.split_off(names.len().min(limit - accounts.len()));
            let subjects: Vec<_> =
                names.iter().map(|name| Subject::User(Kind::Account, *name)).collect();
            let found = self.broker.last(&subjects).map_err(not_read)?;
            for (name, message) in names.iter().zip(found) {
                let Some(Message { body, .. }) = message else { continue };
                accounts.extend(records::decode_account(name, &body)?);
            }
            names = rest;
        }
        Ok(accounts)
    }

    fn position(&mut self, user: &UserName, stream: StreamId) -> Result<Seq, StoreError> {
        // Another node may have moved it since it was looked up here.
        self.positions.remove(user);
        self.look_up_positions(user)?;
        Ok(self.positions.get(user).map_or(Seq::NONE, |positions| positions.of(stream)))
    }

    fn keys(&mut self, user: &UserName) -> Result<Option<OwnKeys>, StoreError> {
        let subjects = [Kind::Account, Kind::Keys].map(|kind| Subject::User(kind, *user));
        let mut found = self.broker.last(&subjects).map_err(not_read)?.into_iter();
        let account = found.next().flatten().map(|it| records::decode_account(user, &it.body));
        let keys = found.next().flatten().map(|it| records::decode_keys(user, &it.body));
        let keys = keys.transpose()?.flatten();
        let is_claimed = account.transpose()?.flatten().is_some();
        Ok(is_claimed.then(|| Keys::own(keys.as_ref())))
    }

    fn ban(&mut self, user: &UserName) -> Result<Option<Ban>, StoreError> {
        self.look_up_rules(false)?;
        Ok(self.rules.ban(user).cloned())
    }

    fn bans(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<(UserName, Ban)>, StoreError> {
        self.look_up_rules(false)?;
        Ok(self.rules.bans(after, limit))
    }

    fn invites(&mut self) -> Result<Vec<Invite>, StoreError> {
        self.look_up_rules(false)?;
        Ok(self.rules.invites())
    }

    fn invite(&mut self, code: &InviteCode) -> Result<Option<Invite>, StoreError> {
        self.look_up_rules(false)?;
        Ok(self.rules.invite(code).cloned())
    }

    fn mailboxes(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<MailboxSize>, StoreError> {
        let accounts = self.accounts(after, limit)?;
        let sizes = accounts.into_iter().map(|Account { user, .. }| {
            self.look_up_mailbox(&user)?;
            self.look_up_first(&user)?;
            let used = self.mailboxes.get(&user).map(Mailbox::used).unwrap_or_default();
            Ok(MailboxSize { user, entries: used.entries, bytes: used.bytes })
        });
        sizes.collect()
    }

    fn size(&mut self) -> Result<StoreSize, StoreError> {
        let accounts = self.broker.names(Kind::Account).map_err(not_read)?.len() as u64;
        let bytes = self.broker.bytes().map_err(not_read)?;
        // Of mailboxes that this node has to do with.
        let recent = self.mailboxes.values().map(|mailbox| mailbox.used().entries).sum();
        Ok(StoreSize { accounts, recent, bytes })
    }

    fn owner(&mut self, mailbox: &UserName) -> Result<Option<Node>, StoreError> {
        self.look_up_mailbox(mailbox)?;
        let owner = self.mailboxes.get(mailbox).and_then(Mailbox::node).map(Node);
        Ok(owner.filter(|owner| owner.0 != self.node && self.live.has(*owner)))
    }

    fn elsewhere(&mut self, mailboxes: &[UserName]) -> Result<Vec<UserName>, StoreError> {
        self.look_again(mailboxes)?;
        let is_elsewhere = |user: &&UserName| {
            let node = self.mailboxes.get(user).and_then(Mailbox::node);
            node.is_some_and(|node| node != self.node)
        };
        Ok(mailboxes.iter().filter(is_elsewhere).copied().collect())
    }

    fn set_quota(&mut self, quota: Quota) {
        self.quota = quota;
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.write_trims()
    }
}

/// A question that the cluster did not answer changes nothing.
#[allow(clippy::needless_pass_by_value)] // For `map_err`.
fn not_read(trouble: Trouble) -> StoreError {
    StoreError::NotWritten(trouble.to_string())
}
