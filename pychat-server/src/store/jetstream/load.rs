//! Looks up what a batch touches.

use super::{
    Broker, JetStream, Kind, Message, Positions, Subject,
    mailbox::Mailbox,
    not_read,
    records::{self, decode_account, decode_chunk, decode_keys, decode_streams},
};
use crate::store::{Account, Command, Decision, Origin, ReadLimit, StoreError, keys::Keys};
use pychat_proto::UserName;
use std::collections::{BTreeMap, BTreeSet};

/// A record as it was found, and what becomes of it.
#[derive(Debug)]
pub(super) struct Record<T> {
    /// The number of the message that held it; zero if there was none.
    pub(super) number: u64,
    pub(super) value: T,
    pub(super) changed: bool,
}

/// What a batch works on that is not kept beyond it.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) accounts: BTreeMap<UserName, Record<Option<Account>>>,
    pub(super) keys: BTreeMap<UserName, Record<Option<Keys>>>,
}

/// What has to be looked up.
#[derive(Default)]
struct Wanted {
    accounts: BTreeSet<UserName>,
    keys: BTreeSet<UserName>,
    mailboxes: BTreeSet<UserName>,
    /// Those of `mailboxes` of which nothing that is known counts.
    taken: BTreeSet<UserName>,
    positions: BTreeSet<UserName>,
    rules: bool,
}

impl Wanted {
    fn want(&mut self, command: &Command) {
        match command {
            Command::Append(append) => {
                self.mailboxes.insert(append.mailbox);
                if let Origin::Stream { user, .. } = &append.origin {
                    self.positions.insert(*user);
                }
            }
            Command::Advance { user, .. } => {
                self.positions.insert(*user);
            }
            Command::Trim { mailbox, .. }
            | Command::Raise { mailbox, .. }
            | Command::Reserve { mailbox, .. } => {
                self.mailboxes.insert(*mailbox);
            }
            Command::Take { mailbox, .. } => {
                self.mailboxes.insert(*mailbox);
                self.taken.insert(*mailbox);
            }
            Command::Claim(account) => self.want_account(account.user),
            Command::ClaimInvited { account, .. } => {
                self.want_account(account.user);
                self.rules = true;
            }
            Command::Decide(decision) => match decision {
                Decision::Free { user } => {
                    self.want_account(*user);
                    self.mailboxes.insert(*user);
                }
                Decision::Rebind { user, .. } | Decision::Rename { user, .. } => {
                    self.want_account(*user);
                }
                Decision::Purge { mailbox } => {
                    self.accounts.insert(*mailbox);
                    self.mailboxes.insert(*mailbox);
                }
                Decision::Ban { .. }
                | Decision::Unban { .. }
                | Decision::Invite(_)
                | Decision::Revoke { .. } => self.rules = true,
            },
            Command::PublishDevice { user, .. }
            | Command::PublishPrekeys { user, .. }
            | Command::ClaimPrekey { user } => self.want_account(*user),
        }
    }

    fn want_account(&mut self, user: UserName) {
        self.accounts.insert(user);
        self.keys.insert(user);
    }
}

impl<B: Broker> JetStream<B> {
    /// Looks up what these commands of a batch touch and what is not known.
    pub(super) fn load(&mut self, batch: &[Command], open: &[usize]) -> Result<Work, StoreError> {
        let mut wanted = Wanted::default();
        open.iter().for_each(|index| wanted.want(&batch[*index]));
        if wanted.rules {
            self.look_up_rules(true)?;
        }
        // Another node may have taken what is known to be ours.
        for user in &wanted.taken {
            if let Some(mailbox) = self.mailboxes.get_mut(user) {
                mailbox.unsure = true;
            }
        }
        let doubted = |mailbox: Option<&Mailbox>| mailbox.is_none_or(|it| it.unsure);
        // Whether a name is claimed is remembered only where it is.
        wanted.accounts.extend(
            wanted.mailboxes.iter().filter(|it| self.mailboxes.get(it).is_none_or(|it| !it.exists)),
        );
        let mailboxes = wanted.mailboxes.iter().filter(|it| doubted(self.mailboxes.get(it)));
        let mailboxes: Vec<UserName> = mailboxes.copied().collect();
        let unsure = |it: Option<&Positions>| it.is_none_or(|it| it.unsure);
        let positions = wanted.positions.iter().filter(|it| unsure(self.positions.get(it)));
        let positions: Vec<UserName> = positions.copied().collect();

        let kinds = [
            (Kind::Account, wanted.accounts.iter().copied().collect::<Vec<_>>()),
            (Kind::Keys, wanted.keys.iter().copied().collect()),
            (Kind::Mailbox, mailboxes.clone()),
            (Kind::Positions, positions),
        ];
        let subjects: Vec<(Kind, UserName)> = kinds
            .iter()
            .flat_map(|(kind, users)| users.iter().map(|user| (*kind, *user)))
            .collect();
        let mut work = Work::default();
        if !subjects.is_empty() {
            let asked: Vec<_> =
                subjects.iter().map(|(kind, user)| Subject::User(*kind, *user)).collect();
            let found = self.broker.last(&asked).map_err(not_read)?;
            for ((kind, user), message) in subjects.into_iter().zip(found) {
                self.take_in(&mut work, kind, &user, message)?;
            }
        }
        for user in &mailboxes {
            self.look_up_first(user)?;
        }
        Ok(work)
    }

    fn take_in(
        &mut self,
        work: &mut Work,
        kind: Kind,
        user: &UserName,
        message: Option<Message>,
    ) -> Result<(), StoreError> {
        let number = message.as_ref().map_or(0, |it| it.number);
        let body = message.as_ref().map_or(&[][..], |it| &it.body);
        match kind {
            Kind::Account => {
                let value = decode_account(user, body)?;
                if let Some(mailbox) = self.mailboxes.get_mut(user) {
                    mailbox.exists = value.is_some();
                } else if value.is_some() {
                    // Its own message is looked up in the same breath.
                    let known = self.mailboxes.entry(*user).or_default();
                    (known.exists, known.unsure) = (true, true);
                }
                work.accounts.insert(*user, Record { number, value, changed: false });
            }
            Kind::Keys => {
                let value = decode_keys(user, body)?;
                work.keys.insert(*user, Record { number, value, changed: false });
            }
            Kind::Positions => {
                let streams = match &message {
                    Some(message) => decode_streams(user, &message.body)?,
                    None => Vec::new(),
                };
                self.positions
                    .insert(*user, Positions { number, streams, unsure: false, untold: false });
            }
            Kind::Mailbox => self.take_in_mailbox(user, message)?,
        }
        Ok(())
    }

    fn take_in_mailbox(
        &mut self,
        user: &UserName,
        message: Option<Message>,
    ) -> Result<(), StoreError> {
        let node = self.node;
        let known = self.mailboxes.entry(*user).or_default();
        let Some(Message { number, body }) = message else {
            known.found_nothing();
            return Ok(());
        };
        let (before, until) = (known.newest(), number.saturating_sub(1));
        if before > 0 && before < until {
            // What came in between may be ours: a try that seemed to fail.
            let subject = Subject::User(Kind::Mailbox, *user);
            let mut from = before + 1;
            while from <= until {
                let messages = self.broker.read(&subject, from, until, MISSED).map_err(not_read)?;
                let Some(end) = messages.last().map(|it| it.number) else { break };
                let known = self.mailboxes.entry(*user).or_default();
                for message in messages.iter().filter(|it| it.number <= until) {
                    known.learn(message.number, &decode_chunk(user, &message.body)?);
                }
                from = end + 1;
            }
        }
        let known = self.mailboxes.entry(*user).or_default();
        known.found(user, node, number, &body)
    }

    /// Looks a mailbox up, unless it is known to be this node's.
    pub(super) fn look_up_mailbox(&mut self, user: &UserName) -> Result<(), StoreError> {
        let is_ours = |it: &Mailbox| !it.unsure && it.node() == Some(self.node);
        if self.mailboxes.get(user).is_some_and(is_ours) {
            return Ok(());
        }
        let subject = Subject::User(Kind::Mailbox, *user);
        let mut found = self.broker.last(&[subject]).map_err(not_read)?;
        self.take_in_mailbox(user, found.pop().flatten())
    }

    /// Looks these mailboxes up, whatever is known of them.
    pub(super) fn look_again(&mut self, users: &[UserName]) -> Result<(), StoreError> {
        let subjects: Vec<_> =
            users.iter().map(|user| Subject::User(Kind::Mailbox, *user)).collect();
        let found = self.broker.last(&subjects).map_err(not_read)?;
        users.iter().zip(found).try_for_each(|(user, message)| self.take_in_mailbox(user, message))
    }

    /// Looks up what there ever was before a mailbox's first message, if that is not known.
    pub(super) fn look_up_first(&mut self, user: &UserName) -> Result<(), StoreError> {
        let Some(known) = self.mailboxes.get(user).filter(|it| it.needs_first()) else {
            return Ok(());
        };
        let (subject, newest) = (Subject::User(Kind::Mailbox, *user), known.newest());
        let trimmed = known.trimmed().0;
        let first = ReadLimit { entries: 1, bytes: 1 };
        let mut from = 1;
        loop {
            let messages = self.broker.read(&subject, from, newest, first).map_err(not_read)?;
            let Some(Message { number, body }) = messages.first() else { return Ok(()) };
            let chunk = decode_chunk(user, body)?;
            // One that is all trimmed only waits to be purged.
            if chunk.head.last > trimmed || *number >= newest {
                if let Some(known) = self.mailboxes.get_mut(user) {
                    known.found_first(&chunk);
                }
                return Ok(());
            }
            from = number + 1;
        }
    }

    pub(super) fn look_up_account(
        &mut self,
        user: &UserName,
    ) -> Result<(u64, Option<Account>), StoreError> {
        let subject = Subject::User(Kind::Account, *user);
        let found = self.broker.last(&[subject]).map_err(not_read)?.pop().flatten();
        match found {
            None => Ok((0, None)),
            Some(Message { number, body }) => Ok((number, decode_account(user, &body)?)),
        }
    }

    pub(super) fn look_up_positions(&mut self, user: &UserName) -> Result<(), StoreError> {
        let subject = Subject::User(Kind::Positions, *user);
        let found = self.broker.last(&[subject]).map_err(not_read)?.pop().flatten();
        self.take_in(&mut Work::default(), Kind::Positions, user, found)
    }

    /// Learns bans and invites that were written since.
    pub(super) fn look_up_rules(&mut self, freshly: bool) -> Result<(), StoreError> {
        let rules = self.broker.rules(self.rules_up_to, freshly).map_err(not_read)?;
        for (name, Message { number, body }) in rules {
            match name {
                Subject::User(..) => {}
                Subject::Ban(user) => self.rules.put_ban(user, records::decode_ban(&body)?),
                Subject::Invite(code) => {
                    let invite = records::decode_invite(&code, &body)?;
                    self.rules.put_invite(code, invite);
                }
            }
            self.rules_up_to = number;
        }
        Ok(())
    }

    /// Names of this kind after that one, in their order.
    pub(super) fn names(
        &mut self,
        kind: Kind,
        after: Option<&UserName>,
    ) -> Result<Vec<UserName>, StoreError> {
        let mut names = self.broker.names(kind).map_err(not_read)?;
        names.retain(|name| after.is_none_or(|after| name > after));
        names.sort_unstable();
        Ok(names)
    }
}

/// How much is read at once of what was missed.
const MISSED: ReadLimit = ReadLimit { entries: 64, bytes: 1024 * 1024 };
