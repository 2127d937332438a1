//! Executes commands against memory, and notes what each of them touched.

use super::{
    Broker, JetStream,
    load::{Record, Work},
    mailbox::Mailbox,
    records::TextOrigin,
};
use crate::store::{
    Account, Answer, Append, Appended, Claimed, Command, Decided, Decision, InviteCode, Node,
    Origin,
    keys::{Keys, no_device},
    rules::{Change, Name},
};
use pychat_proto::{Cursor, Seq, UserName, chat::UnixMillis};

/// What a command wants written; it is done when all of that is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Touched {
    Mailbox(UserName),
    Keys(UserName),
    Rule(RuleName),
    Account(UserName),
}

/// A [`Name`] that has an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RuleName {
    Ban(UserName),
    Invite(InviteCode),
}

impl From<Name> for RuleName {
    fn from(name: Name) -> Self {
        match name {
            Name::Ban(user) => Self::Ban(user),
            Name::Invite(code) => Self::Invite(code),
        }
    }
}

/// Commands under way.
pub(super) struct Run<'a, B> {
    store: &'a mut JetStream<B>,
    work: Work,
    /// Bans and invites that changed, in this order.
    changes: Vec<Change>,
    now_touched: Vec<Touched>,
    pub(super) touched: Vec<(usize, Vec<Touched>)>,
}

/// What is to be written.
pub(super) struct Done {
    pub(super) work: Work,
    pub(super) changes: Vec<Change>,
    pub(super) touched: Vec<(usize, Vec<Touched>)>,
}

impl<'a, B: Broker> Run<'a, B> {
    pub(super) fn new(store: &'a mut JetStream<B>, work: Work) -> Self {
        let (changes, now_touched, touched) = (Vec::new(), Vec::new(), Vec::new());
        Self { store, work, changes, now_touched, touched }
    }

    pub(super) fn finish(self) -> Done {
        let Self { store: _, work, changes, now_touched: _, touched } = self;
        Done { work, changes, touched }
    }

    /// Executes a command; answers what it came to and what has to be written for it.
    pub(super) fn execute(&mut self, command: &Command) -> (Answer, Vec<Touched>) {
        let answer = match command {
            Command::Append(append) => Answer::Append(self.append(append)),
            // Positions follow when it is known what was written.
            Command::Advance { .. } => Answer::Done,
            Command::Trim { mailbox, up_to } => {
                if self.elsewhere(mailbox).is_none() {
                    self.mailbox(mailbox).trim(*up_to);
                }
                Answer::Done
            }
            Command::Raise { mailbox, above } => {
                // Whoever took it goes on after all that was set aside here.
                if *above > Cursor::NONE && self.elsewhere(mailbox).is_none() {
                    self.mailbox(mailbox).raise(*above);
                    self.now_touched.push(Touched::Mailbox(*mailbox));
                }
                Answer::Done
            }
            Command::Take { mailbox, above } => {
                let node = self.store.node;
                self.mailbox(mailbox).take(node, *above);
                self.now_touched.push(Touched::Mailbox(*mailbox));
                // Which one is known when it is written.
                Answer::Taken(0)
            }
            Command::Reserve { mailbox, up_to } => {
                if self.elsewhere(mailbox).is_some() {
                    return (Answer::Reserved(Cursor::NONE), Vec::new());
                }
                let reserved = self.mailbox(mailbox).reserve(*up_to);
                self.now_touched.push(Touched::Mailbox(*mailbox));
                Answer::Reserved(reserved)
            }
            Command::Claim(account) => Answer::Claim(self.claim(account, None)),
            Command::ClaimInvited { account, code, at } => {
                Answer::Claim(self.claim(account, Some((code, *at))))
            }
            Command::Decide(decision) => Answer::Decided(self.decide(decision)),
            Command::PublishDevice { user, device, fallback } => {
                Answer::Keys(self.keys(user).map(|keys| {
                    keys.changed |= Keys::publish_device(&mut keys.value, device, fallback);
                    Keys::own(keys.value.as_ref())
                }))
            }
            Command::PublishPrekeys { user, first, keys: new } => {
                Answer::Keys(self.keys(user).map(|keys| {
                    if let Some(known) = &mut keys.value {
                        keys.changed |= known.publish_prekeys(*first, new);
                    }
                    Keys::own(keys.value.as_ref())
                }))
            }
            Command::ClaimPrekey { user } => Answer::Prekey(self.keys(user).map(|keys| {
                let Some(known) = &mut keys.value else { return no_device() };
                let (claimed, changed) = known.claim();
                keys.changed |= changed;
                claimed
            })),
        };
        (answer, std::mem::take(&mut self.now_touched))
    }

    fn mailbox(&mut self, user: &UserName) -> &mut Mailbox {
        self.store.mailboxes.entry(*user).or_default()
    }

    fn append(&mut self, append: &Append) -> Appended {
        if let Origin::Stream { user, stream, last, .. } = &append.origin {
            // A repeated record is answered as what it is, whatever became of the mailbox since.
            let known = self.store.positions.get(user);
            if known.map_or(Seq::NONE, |known| known.of(*stream)) >= *last {
                return Appended::Duplicate;
            }
            let text = TextOrigin { user: *user, stream: *stream, last: *last };
            if append.place.is_none() && self.mailbox(&append.mailbox).has(&text) {
                // By what this batch adds, perhaps: if that is not written, this is to be.
                self.now_touched.push(Touched::Mailbox(append.mailbox));
                return Appended::Duplicate;
            }
        }
        if !self.is_claimed(&append.mailbox) {
            return Appended::NoSuchUser;
        }
        // What was sent back is not passed by what comes after it, though the mailbox was taken in between.
        if let Some(owner) = self.store.sent_back.get(&append.mailbox) {
            return Appended::Elsewhere(*owner);
        }
        if let Some(owner) = self.elsewhere(&append.mailbox)
            && (append.place.is_some() || self.store.live.has(owner))
        {
            self.store.sent_back.insert(append.mailbox, owner);
            return Appended::Elsewhere(owner);
        }
        let quota = self.store.quota;
        self.now_touched.push(Touched::Mailbox(append.mailbox));
        self.mailbox(&append.mailbox).append(append, quota)
    }

    /// Whose mailbox it is, if it is another node's and no command of this batch has taken it.
    fn elsewhere(&self, user: &UserName) -> Option<Node> {
        let mailbox = self.store.mailboxes.get(user)?;
        let owner = mailbox.node().filter(|owner| *owner != self.store.node)?;
        (!mailbox.is_staged()).then_some(Node(owner))
    }

    /// Whether somebody has claimed the name.
    fn is_claimed(&self, user: &UserName) -> bool {
        match self.work.accounts.get(user) {
            Some(account) => account.value.is_some(),
            None => self.store.mailboxes.get(user).is_some_and(|mailbox| mailbox.exists),
        }
    }

    /// The keys of a user who has claimed the name.
    fn keys(&mut self, user: &UserName) -> Option<&mut Record<Option<Keys>>> {
        if !self.is_claimed(user) {
            return None;
        }
        self.now_touched.push(Touched::Keys(*user));
        self.work.keys.get_mut(user)
    }

    fn remove_keys(&mut self, user: &UserName) {
        if let Some(keys) = self.work.keys.get_mut(user) {
            keys.changed |= keys.value.take().is_some();
            self.now_touched.push(Touched::Keys(*user));
        }
    }

    fn own(&mut self, user: &UserName, value: Option<Account>) {
        if let Some(account) = self.work.accounts.get_mut(user) {
            (account.value, account.changed) = (value, true);
            self.now_touched.push(Touched::Account(*user));
        }
    }

    fn claim(&mut self, account: &Account, invite: Option<(&InviteCode, UnixMillis)>) -> Claimed {
        let owner = self.work.accounts.get(&account.user).and_then(|known| known.value.as_ref());
        let claimed = match owner {
            None => Claimed::New,
            Some(owner) if owner.key != account.key => return Claimed::Taken,
            // Logins repeat it; they need not write.
            Some(owner) if owner.name == account.name || owner.name_is_set => {
                return Claimed::Ours;
            }
            Some(_) => Claimed::Ours,
        };
        if let (Claimed::New, Some((code, at))) = (claimed, invite) {
            let Some(change) = self.store.rules.use_invite(code, at) else {
                return Claimed::NotInvited;
            };
            self.note(change);
        }
        if claimed == Claimed::New {
            // A name that was freed may come with the keys of whoever had it.
            self.remove_keys(&account.user);
        }
        self.own(&account.user, Some(account.clone()));
        claimed
    }

    fn note(&mut self, change: Change) {
        self.now_touched.push(Touched::Rule(change.name().into()));
        self.changes.push(change);
    }

    fn decide(&mut self, decision: &Decision) -> Decided {
        let account_of =
            |user: &UserName| self.work.accounts.get(user).and_then(|known| known.value.clone());
        match decision {
            Decision::Ban { .. }
            | Decision::Unban { .. }
            | Decision::Invite(_)
            | Decision::Revoke { .. } => match self.store.rules.decide(decision) {
                Ok(change) => self.note(change),
                Err(decided) => return decided,
            },
            Decision::Purge { mailbox } => {
                if !self.is_claimed(mailbox) {
                    return Decided::NoSuchUser;
                }
                self.purge(mailbox);
            }
            Decision::Free { user } => {
                if account_of(user).is_none() {
                    return Decided::NoSuchUser;
                }
                self.purge(user);
                self.remove_keys(user);
                self.own(user, None);
            }
            Decision::Rebind { user, key } => {
                let Some(account) = account_of(user) else { return Decided::NoSuchUser };
                if *key != account.key {
                    self.remove_keys(user);
                    self.own(user, Some(Account { key: *key, ..account }));
                }
            }
            Decision::Rename { user, name } => {
                let Some(account) = account_of(user) else { return Decided::NoSuchUser };
                let name_is_set = name.is_some();
                let name = name.clone().unwrap_or_else(|| account.name.clone());
                self.own(user, Some(Account { name, name_is_set, ..account }));
            }
        }
        Decided::Done
    }

    fn purge(&mut self, user: &UserName) {
        self.mailbox(user).purge();
        self.now_touched.push(Touched::Mailbox(*user));
    }
}
