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
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

/// Who asked for a command.
#[derive(Clone, Copy, Debug)]
struct Asked {
    shard: u8,
    ticket: u64,
    generation: u32,
}

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
    asked: Vec<Asked>,
    questions: Vec<Job>,
    /// Parts of the store that did not do what they were last asked. At most as many as it has.
    failing: BTreeSet<u8>,
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
            failing: BTreeSet::new(),
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
                    let Job { shard, ticket, generation, .. } = job;
                    self.asked.push(Asked { shard, ticket, generation });
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
        let batch = std::mem::take(&mut self.batch);
        let mut asked = std::mem::take(&mut self.asked);
        // What was refused as a whole is not tried as a whole again before each part has done something.
        let whole = self.failing.is_empty().then(|| self.try_to_commit(&batch)).transpose();
        match whole {
            Ok(Some(answers)) => self.tell(asked.drain(..), Ok(answers), out),
            Ok(None) => self.commit_parts(&batch, &asked, None, out),
            Err(error) => self.commit_parts(&batch, &asked, Some(&error), out),
        }
        (self.batch, self.asked) = (batch, asked);
        self.batch.clear();
        self.asked.clear();
    }

    /// Commits each part of the store by itself, as others may do what one does not. `refused` is why all at once
    /// was not done, if that was tried.
    fn commit_parts(
        &mut self,
        batch: &[Command],
        asked: &[Asked],
        refused: Option<&StoreError>,
        out: &mut Vec<(u8, Done)>,
    ) {
        let mut parts: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
        for (index, command) in batch.iter().enumerate() {
            parts.entry(self.store.part(command)).or_default().push(index);
        }
        let was_failing = !self.failing.is_empty();
        let (count, mut reason) = (parts.len(), None);
        for (part, indices) in parts {
            let committed = match refused {
                Some(error) if count == 1 || matches!(error, StoreError::Fatal(_)) => {
                    Err(error.clone())
                }
                None if count == 1 => self.try_to_commit(batch),
                Some(_) | None => {
                    let commands = indices.iter().map(|index| batch[*index].clone());
                    self.try_to_commit(&commands.collect::<Vec<_>>())
                }
            };
            match &committed {
                Ok(_) => self.failing.remove(&part),
                Err(error) => {
                    reason = Some(error.clone());
                    self.failing.insert(part)
                }
            };
            self.tell(indices.into_iter().map(|index| asked[index]), committed, out);
        }
        self.stats.is_failing = !self.failing.is_empty();
        match (was_failing, reason) {
            (false, Some(error)) => {
                tracing::error!(%error, "the mailbox store fails; senders keep their messages and try again");
            }
            (true, _) if self.failing.is_empty() => {
                tracing::info!("the mailbox store works again");
            }
            (_, _) => {}
        }
    }

    fn try_to_commit(&mut self, batch: &[Command]) -> Result<Vec<Answer>, StoreError> {
        let began = Instant::now();
        let committed = self.store.commit(batch);
        match committed {
            Ok(_) => self.stats.committed(batch.len(), began.elapsed()),
            Err(_) => self.stats.failed(),
        }
        committed
    }

    /// Tells who asked what came of it.
    fn tell(
        &mut self,
        asked: impl Iterator<Item = Asked>,
        committed: Result<Vec<Answer>, StoreError>,
        out: &mut Vec<(u8, Done)>,
    ) {
        let mut answers = committed.map(Vec::into_iter);
        for Asked { shard, ticket, generation } in asked {
            let outcome = match &mut answers {
                Ok(answers) => answers.next().map(Outcome::Committed).ok_or_else(unanswered),
                Err(error) => Err(error.clone()),
            };
            // Nothing passes what failed, or what is another server's to write.
            let is_passed = match &outcome {
                Ok(Outcome::Committed(answer)) => {
                    matches!(answer, Answer::Append(Appended::Elsewhere(_)))
                }
                Ok(_) => false,
                Err(_) => true,
            };
            if is_passed && let Some(first) = self.generations.get_mut(usize::from(shard)) {
                *first = (*first).max(generation + 1);
            }
            out.push((shard, Done { ticket, outcome }));
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

/// A store that does not answer each command has not done it, as far as anybody can tell.
fn unanswered() -> StoreError {
    StoreError::Unknown("the store did not answer".into())
}

/// What a command hears that came behind one that failed.
const BEHIND_A_FAILURE: &str = "something before it was not written";
