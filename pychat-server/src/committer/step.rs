//! What the committer does with the jobs that it gathered.

use super::{
    FromCommitter, Job, Outcome, Work, home,
    presence::{PresenceTable, offline},
};
use crate::store::{Answer, Appended, Command, Entry, MailboxStore, StoreError};
use pychat_proto::{UserName, chat::USERS_PER_PAGE_MAX};

/// Owns the store, and knows who is there.
pub struct Committer {
    store: Box<dyn MailboxStore>,
    shards: u8,
    presence: PresenceTable,
    /// The batch, and who asked for each of its commands. Empty between steps.
    batch: Vec<Command>,
    asked: Vec<(u8, u64)>,
    questions: Vec<Job>,
    failing: bool,
}

impl Committer {
    /// A committer for so many shards.
    #[must_use]
    pub fn new(store: Box<dyn MailboxStore>, shards: u8) -> Self {
        Self {
            store,
            shards,
            presence: PresenceTable::default(),
            batch: Vec::new(),
            asked: Vec::new(),
            questions: Vec::new(),
            failing: false,
        }
    }

    /// Executes jobs, and adds what each shard is to be told to `out`.
    ///
    /// First all [`Work::Commit`] in their order, as one batch; each has its `Done`, followed by the
    /// `Arrived` of the entry that it stored, if it did. Then the questions, in their order, which
    /// see the whole batch. So a page holds every entry whose `Arrived` was told before it; and after
    /// a page without `more`, the next `Arrived` of that mailbox is the next entry.
    ///
    /// When the batch fails, each of its commands is told so; questions are asked nevertheless.
    pub fn step(&mut self, jobs: Vec<Job>, out: &mut Vec<(u8, FromCommitter)>) {
        for job in jobs {
            match job.work {
                Work::Commit(command) => {
                    self.batch.push(command);
                    self.asked.push((job.shard, job.ticket));
                }
                Work::Read { .. }
                | Work::Login { .. }
                | Work::Presence(_)
                | Work::Users { .. }
                | Work::User { .. } => self.questions.push(job),
            }
        }
        if !self.batch.is_empty() {
            self.commit(out);
        }
        let mut questions = std::mem::take(&mut self.questions);
        for Job { shard, ticket, work } in questions.drain(..) {
            if let Some(outcome) = self.answer(work) {
                out.push((shard, FromCommitter::Done { ticket, outcome }));
            }
        }
        self.questions = questions;
    }

    /// Does what the store put off. Called before an orderly end.
    ///
    /// # Errors
    /// What was put off is lost, as in a crash: entries that were trimmed are there again.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.store.flush()
    }

    fn commit(&mut self, out: &mut Vec<(u8, FromCommitter)>) {
        let committed = self.store.commit(&self.batch);
        self.note(committed.as_ref().err());
        let asked = self.asked.drain(..);
        let batch = self.batch.drain(..);
        match committed {
            Ok(answers) => {
                for (((shard, ticket), command), answer) in asked.zip(batch).zip(answers) {
                    let arrived = arrived(command, &answer);
                    let outcome = Ok(Outcome::Committed(answer));
                    out.push((shard, FromCommitter::Done { ticket, outcome }));
                    if let Some((mailbox, entry)) = arrived {
                        let home = home(&mailbox, self.shards);
                        out.push((home, FromCommitter::Arrived { mailbox, entry }));
                    }
                }
            }
            Err(error) => out.extend(asked.map(|(shard, ticket)| {
                (shard, FromCommitter::Done { ticket, outcome: Err(error.clone()) })
            })),
        }
    }

    /// Logs when the store begins to fail and when it works again.
    fn note(&mut self, error: Option<&StoreError>) {
        match error {
            Some(error) if !self.failing => {
                tracing::error!(%error, "the mailbox store fails; senders keep their messages and try again");
            }
            None if self.failing => tracing::info!("the mailbox store works again"),
            Some(_) | None => {}
        }
        self.failing = error.is_some();
    }

    fn answer(&mut self, work: Work) -> Option<Result<Outcome, StoreError>> {
        Some(match work {
            Work::Commit(_) => unreachable!("commands go into the batch"),
            Work::Presence(state) => {
                self.presence.set(state);
                return None;
            }
            Work::Read { mailbox, after, limit } => {
                self.store.read(&mailbox, after, limit).map(Outcome::Page)
            }
            Work::Login { user, stream } => self.store.account(&user).and_then(|account| {
                let position = self.store.position(&user, stream)?;
                Ok(Outcome::Login { account, position })
            }),
            Work::Users { after, offline_too } => self.users(after.as_ref(), offline_too),
            Work::User { name } => self.user(&name).map(Outcome::User),
        })
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
        let more = users.len() > USERS_PER_PAGE_MAX;
        users.truncate(USERS_PER_PAGE_MAX);
        Ok(Outcome::Users { users, more })
    }

    fn user(
        &mut self,
        name: &UserName,
    ) -> Result<Option<pychat_proto::chat::UserState>, StoreError> {
        match self.presence.find(name) {
            Some(state) => Ok(Some(state.clone())),
            None => Ok(self.store.account(name)?.map(offline)),
        }
    }
}

/// The entry that a command stored, if it did.
fn arrived(command: Command, answer: &Answer) -> Option<(UserName, Entry)> {
    let Answer::Append(Appended::Stored(cursor)) = answer else { return None };
    let Command::Append(append) = command else { return None };
    Some((append.mailbox, Entry { cursor: *cursor, entry: append.entry }))
}
