//! What the committer does with the jobs that it gathered.

use super::{
    Done, Job, Outcome, Work,
    presence::{PresenceTable, offline},
    stats::CommitStats,
};
use crate::store::{Answer, Appended, Command, InviteCode, MailboxStore, Node, StoreError};
use crate::{person::Person, shard::Seated};
use pychat_proto::{
    StreamId, UserName,
    chat::{OwnKeys, Presence, USERS_PER_PAGE_MAX, UnixMillis, UserKeys, UserState},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Owns the store, and knows who is there.
pub struct Committer {
    store: Box<dyn MailboxStore>,
    presence: PresenceTable,
    /// Who is at which other node.
    elsewhere: BTreeMap<Node, PresenceTable>,
    /// For each shard, the first generation whose commands are executed.
    generations: Vec<u32>,
    /// The batch, and who asked for each of its commands, of which generation. Empty between steps.
    batch: Vec<Command>,
    asked: Vec<(u8, u64, u32)>,
    questions: Vec<Job>,
    stats: CommitStats,
}

impl Committer {
    /// A committer for so many shards.
    #[must_use]
    pub fn new(store: Box<dyn MailboxStore>, shards: u8) -> Self {
        Self {
            store,
            presence: PresenceTable::default(),
            elsewhere: BTreeMap::new(),
            generations: vec![0; usize::from(shards)],
            batch: Vec::new(),
            asked: Vec::new(),
            questions: Vec::new(),
            stats: CommitStats::default(),
        }
    }

    /// Executes jobs, and adds what each shard is to be told to `out`.
    ///
    /// First all [`Work::Commit`] in their order, as one batch; then the questions, in their order, which
    /// see the whole batch.
    ///
    /// When the batch fails, each of its commands is told so, and so is every later one that its shard
    /// sent before it knew: nothing passes what failed, and all of it can be sent again in its order.
    /// Questions are asked nevertheless.
    pub fn step(&mut self, jobs: Vec<Job>, out: &mut Vec<(u8, Done)>) {
        for job in jobs {
            match job.work {
                Work::Commit(_) if self.is_late(&job) => {
                    let outcome = Err(StoreError::NotWritten(BEHIND_A_FAILURE.into()));
                    out.push((job.shard, Done { ticket: job.ticket, outcome }));
                }
                Work::Commit(command) => {
                    self.batch.push(command);
                    self.asked.push((job.shard, job.ticket, job.generation));
                }
                Work::Read { .. }
                | Work::Login { .. }
                | Work::Presence { .. }
                | Work::Users { .. }
                | Work::User { .. }
                | Work::Owner { .. }
                | Work::Elsewhere { .. }
                | Work::OwnKeys { .. }
                | Work::UserKeys { .. } => self.questions.push(job),
            }
        }
        if !self.batch.is_empty() {
            self.commit(out);
        }
        let mut questions = std::mem::take(&mut self.questions);
        for Job { shard, ticket, work, .. } in questions.drain(..) {
            if let Some(outcome) = self.answer(work) {
                out.push((shard, Done { ticket, outcome }));
            }
        }
        self.questions = questions;
    }

    fn is_late(&self, job: &Job) -> bool {
        let first = self.generations.get(usize::from(job.shard));
        first.is_some_and(|first| job.generation < *first)
    }

    /// Does what the store put off. Called before an orderly end.
    ///
    /// # Errors
    /// What was put off is lost, as in a crash: entries that were trimmed are there again.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.store.flush()
    }

    fn commit(&mut self, out: &mut Vec<(u8, Done)>) {
        let began = Instant::now();
        let committed = self.store.commit(&self.batch);
        self.note(committed.as_ref().err(), began.elapsed());
        self.batch.clear();
        match committed {
            Ok(answers) => {
                // Nothing passes what is another server's to write.
                for ((shard, _, generation), answer) in self.asked.iter().zip(&answers) {
                    if matches!(answer, Answer::Append(Appended::Elsewhere(_)))
                        && let Some(first) = self.generations.get_mut(usize::from(*shard))
                    {
                        *first = (*first).max(generation + 1);
                    }
                }
                let asked = self.asked.drain(..);
                let done = |((shard, ticket, _), answer)| {
                    (shard, Done { ticket, outcome: Ok(Outcome::Committed(answer)) })
                };
                out.extend(asked.zip(answers).map(done));
            }
            Err(error) => {
                for (shard, ticket, generation) in self.asked.drain(..) {
                    if let Some(first) = self.generations.get_mut(usize::from(shard)) {
                        *first = (*first).max(generation + 1);
                    }
                    out.push((shard, Done { ticket, outcome: Err(error.clone()) }));
                }
            }
        }
    }

    /// Logs when the store begins to fail and when it works again.
    fn note(&mut self, error: Option<&StoreError>, took: Duration) {
        match error {
            Some(error) if !self.stats.is_failing => {
                tracing::error!(%error, "the mailbox store fails; senders keep their messages and try again");
            }
            None if self.stats.is_failing => tracing::info!("the mailbox store works again"),
            Some(_) | None => {}
        }
        match error {
            Some(_) => self.stats.failed(),
            None => self.stats.committed(self.batch.len(), took),
        }
    }

    /// What was counted since the start.
    #[must_use]
    pub const fn stats(&self) -> &CommitStats {
        &self.stats
    }

    /// The store, for who visits the committer between two batches.
    pub fn store(&mut self) -> &mut dyn MailboxStore {
        &mut *self.store
    }

    /// Another node says who is there.
    pub(crate) fn seat(&mut self, node: Node, seated: Seated) {
        let Seated { user, name, presence, since, taken: _ } = seated;
        let table = self.elsewhere.entry(node).or_default();
        table.set(Person::new(&user, &name), presence, since);
    }

    /// Another node is gone, and with it whoever was there.
    pub(crate) fn forget_node(&mut self, node: Node) {
        self.elsewhere.remove(&node);
    }

    /// Somebody who is here, or at another node.
    fn present(&self, name: &UserName) -> Option<UserState> {
        let elsewhere = self.elsewhere.values().filter_map(|table| table.find(name));
        self.presence.find(name).into_iter().chain(elsewhere).next()
    }

    /// Whether a user is there, as the shards told.
    #[must_use]
    pub fn presence(&self, name: &UserName) -> Option<UserState> {
        self.presence.find(name)
    }

    fn answer(&mut self, work: Work) -> Option<Result<Outcome, StoreError>> {
        Some(match work {
            Work::Commit(_) => unreachable!("commands go into the batch"),
            Work::Presence { person, presence, since } => {
                self.presence.set(person, presence, since);
                return None;
            }
            Work::Read { mailbox, after, limit } => {
                self.store.read(&mailbox, after, limit).map(Outcome::Page)
            }
            Work::Login { user, stream, invite, at } => {
                self.login(&user, stream, invite.as_ref(), at)
            }
            Work::Users { after, offline_too } => self.users(after.as_ref(), offline_too),
            Work::User { name } => self.user(&name).map(Outcome::User),
            Work::Owner { mailbox } => self.store.owner(&mailbox).map(Outcome::Owner),
            Work::Elsewhere { mailboxes } => {
                self.store.elsewhere(&mailboxes).map(Outcome::Elsewhere)
            }
            Work::OwnKeys { user } => self.store.keys(&user).map(Outcome::OwnKeys),
            Work::UserKeys { user } => {
                let keys = self.store.keys(&user);
                keys.map(|keys| Outcome::UserKeys(keys.map(without_prekey)))
            }
        })
    }

    fn login(
        &mut self,
        user: &UserName,
        stream: StreamId,
        invite: Option<&InviteCode>,
        at: UnixMillis,
    ) -> Result<Outcome, StoreError> {
        let account = self.store.account(user)?;
        let position = self.store.position(user, stream)?;
        let ban = self.store.ban(user)?;
        let invite = invite.map(|code| self.store.invite(code)).transpose()?.flatten();
        let is_invited = invite.is_some_and(|invite| invite.is_open(at));
        Ok(Outcome::Login { account, position, ban, is_invited })
    }

    fn users(
        &mut self,
        after: Option<&UserName>,
        offline_too: bool,
    ) -> Result<Outcome, StoreError> {
        // One more than fits says whether there is one.
        let limit = USERS_PER_PAGE_MAX + 1;
        let accounts = if offline_too { self.store.accounts(after, limit)? } else { Vec::new() };
        let mut users = self.presence.page(after, accounts, limit);
        if !self.elsewhere.is_empty() {
            let tables = self.elsewhere.values();
            users.extend(tables.flat_map(|table| table.page(after, Vec::new(), limit)));
            // Whoever is somewhere is not offline.
            let is_offline = |it: &UserState| it.presence == Presence::Offline;
            users.sort_by(|one, other| {
                one.user.cmp(&other.user).then(is_offline(one).cmp(&is_offline(other)))
            });
            users.dedup_by(|later, first| later.user == first.user);
        }
        let more = users.len() > USERS_PER_PAGE_MAX;
        users.truncate(USERS_PER_PAGE_MAX);
        Ok(Outcome::Users { users, more })
    }

    fn user(&mut self, name: &UserName) -> Result<Option<UserState>, StoreError> {
        match self.present(name) {
            Some(state) => Ok(Some(state)),
            None => Ok(self.store.account(name)?.map(offline)),
        }
    }
}

fn without_prekey(OwnKeys { device, .. }: OwnKeys) -> UserKeys {
    UserKeys { device, prekey: Vec::new() }
}

/// What a command hears that came behind one that failed.
const BEHIND_A_FAILURE: &str = "something before it was not written";
