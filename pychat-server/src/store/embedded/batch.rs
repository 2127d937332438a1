//! Executes a batch against memory and notes what the transaction has to write.

use super::{
    Quota, archive,
    keys::Rows,
    memory::{Memory, Owner, Slot, Usage, UserId},
};
use crate::store::{
    Account, Answer, Append, Appended, Claimed, Command, Decided, Decision, InviteCode, Origin,
    rules,
};
use pychat_proto::{Cursor, DisplayName, PublicKey, Seq, StreamId, UserName, chat::UnixMillis};
use rusqlite::Connection;

/// What a batch writes. Its buffers live as long as the engine.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) inserts: Vec<Insert>,
    /// Users whose row is new or changed; some perhaps twice.
    pub(super) users: Vec<UserId>,
    /// Mailboxes whose archive goes.
    pub(super) purged: Vec<UserId>,
    /// Streams whose row is new or changed.
    pub(super) streams: Vec<(UserId, u64)>,
    /// Streams whose row goes.
    pub(super) evicted: Vec<u64>,
    pub(super) keys: Rows,
    /// Bans and invites whose row is new, changed or gone.
    pub(super) rules: Vec<rules::Name>,
}

/// A row of `entries`. The bytes are in the batch.
#[derive(Debug)]
pub(super) struct Insert {
    pub(super) command: usize,
    pub(super) mailbox: UserId,
    pub(super) slot: Slot,
    /// The stream's row and its position afterwards.
    pub(super) told: Option<(u64, Seq)>,
}

impl Plan {
    pub(super) fn is_empty(&self) -> bool {
        self.inserts.is_empty()
            && self.users.is_empty()
            && self.streams.is_empty()
            && self.evicted.is_empty()
            && self.keys.are_unchanged()
            && self.rules.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.inserts.clear();
        self.users.clear();
        self.purged.clear();
        self.streams.clear();
        self.evicted.clear();
        self.keys.clear();
        self.rules.clear();
    }
}

/// A batch under way.
pub(super) struct Run<'a> {
    pub(super) connection: &'a Connection,
    pub(super) memory: &'a mut Memory,
    pub(super) plan: &'a mut Plan,
    pub(super) quota: Quota,
}

impl Run<'_> {
    /// Executes the command at `index` of its batch.
    pub(super) fn execute(&mut self, index: usize, command: &Command) -> rusqlite::Result<Answer> {
        match command {
            Command::Append(append) => return self.append(index, append).map(Answer::Append),
            Command::Claim(account) => return self.claim(account, None).map(Answer::Claim),
            Command::ClaimInvited { account, code, at } => {
                return self.claim(account, Some((code, *at))).map(Answer::Claim);
            }
            Command::Decide(decision) => return self.decide(decision).map(Answer::Decided),
            Command::Advance { user, stream, up_to } => self.advance(user, *stream, *up_to)?,
            Command::Trim { mailbox, up_to } => self.trim(mailbox, *up_to)?,
            Command::Raise { mailbox, above } => self.raise(mailbox, *above)?,
            // There is nobody to take it from.
            Command::Take { mailbox, above } => {
                self.raise(mailbox, *above)?;
                return Ok(Answer::Taken(0));
            }
            Command::Reserve { mailbox, up_to } => {
                return self.reserve(mailbox, *up_to).map(Answer::Reserved);
            }
            Command::PublishDevice { user, device, fallback } => {
                let Some(id) = self.claimed(user)? else { return Ok(Answer::Keys(None)) };
                let keys = self.plan.keys.publish_device(self.connection, id, device, fallback)?;
                return Ok(Answer::Keys(Some(keys)));
            }
            Command::PublishPrekeys { user, first, keys } => {
                let Some(id) = self.claimed(user)? else { return Ok(Answer::Keys(None)) };
                let keys = self.plan.keys.publish_prekeys(self.connection, id, *first, keys)?;
                return Ok(Answer::Keys(Some(keys)));
            }
            Command::ClaimPrekey { user } => {
                let Some(id) = self.claimed(user)? else { return Ok(Answer::Prekey(None)) };
                return Ok(Answer::Prekey(Some(self.plan.keys.claim(self.connection, id)?)));
            }
        }
        Ok(Answer::Done)
    }

    fn append(&mut self, index: usize, append: &Append) -> rusqlite::Result<Appended> {
        // A repeated record is answered as what it is, whatever became of the mailbox since.
        let mut sender = None;
        let mut in_turn = false;
        if let Origin::Stream { user, stream, safe, first, last } = &append.origin {
            sender = self.memory.named(self.connection, user)?;
            let position = sender.map_or(Seq::NONE, |id| self.memory.user(id).position(*stream));
            #[cfg(feature = "sabotage")]
            let position = {
                use pychat_proto::sabotage::{Sabotage, is_broken};
                let repeats = is_broken(Sabotage::DropDedup) && position >= *last;
                if repeats { Seq(first.0 - 1) } else { position }
            };
            if position >= *last {
                return Ok(Appended::Duplicate);
            }
            in_turn = position.max(*safe).next() >= *first;
        }
        let Some(mailbox) = self.claimed(&append.mailbox)? else {
            return Ok(Appended::NoSuchUser);
        };
        let Ok(bytes) = u32::try_from(append.entry.len()) else { return Ok(Appended::Full) };
        let (counted, told) = match &append.origin {
            Origin::Server => (false, None),
            Origin::Stream { user, stream, last, .. } => {
                if append.place.is_none() && !self.fits(mailbox, bytes) {
                    return Ok(Appended::Full);
                }
                let told = if in_turn {
                    let sender = match sender {
                        Some(id) => id,
                        None => self.user(user)?,
                    };
                    Some((self.move_stream(sender, *stream, *last, true), *last))
                } else {
                    None
                };
                (true, told)
            }
        };
        let (slot, reserved) = self.memory.put(mailbox, append.place, bytes, counted);
        if reserved {
            self.plan.users.push(mailbox);
        }
        self.plan.inserts.push(Insert { command: index, mailbox, slot, told });
        let reserved = Cursor(self.memory.user(mailbox).head.reserved);
        Ok(Appended::Stored { cursor: Cursor(slot.cursor), reserved })
    }

    fn fits(&self, mailbox: UserId, bytes: u32) -> bool {
        let head = &self.memory.user(mailbox).head;
        let mut used = head.in_slots;
        used.add(head.in_archive);
        used.entries < self.quota.entries
            && used.bytes.saturating_add(u64::from(bytes)) <= self.quota.bytes
    }

    fn advance(&mut self, user: &UserName, stream: StreamId, up_to: Seq) -> rusqlite::Result<()> {
        let known = self.memory.named(self.connection, user)?;
        let position = known.map_or(Seq::NONE, |id| self.memory.user(id).position(stream));
        if up_to > position {
            let user = self.user(user)?;
            let row = self.move_stream(user, stream, up_to, false);
            self.plan.streams.push((user, row));
        }
        Ok(())
    }

    fn trim(&mut self, mailbox: &UserName, up_to: Cursor) -> rusqlite::Result<()> {
        let Some(id) = self.memory.named(self.connection, mailbox)? else { return Ok(()) };
        let head = self.memory.user(id).head;
        // What was not handed out yet stays to come.
        let up_to = up_to.0.min(head.next - 1);
        if up_to <= head.trimmed {
            return Ok(());
        }
        let archived = if up_to >= head.archived {
            head.in_archive
        } else if head.archives_after(0) {
            archive::usage(self.connection, id, head.trimmed, up_to)?
        } else {
            Usage::default()
        };
        self.memory.trim(id, up_to, archived);
        Ok(())
    }

    fn raise(&mut self, mailbox: &UserName, above: Cursor) -> rusqlite::Result<()> {
        if above > Cursor::NONE {
            let id = self.user(mailbox)?;
            if self.memory.raise(id, above) {
                self.plan.users.push(id);
            }
        }
        Ok(())
    }

    fn reserve(&mut self, mailbox: &UserName, up_to: Cursor) -> rusqlite::Result<Cursor> {
        let id = self.user(mailbox)?;
        if self.memory.reserve(id, up_to) {
            self.plan.users.push(id);
        }
        Ok(Cursor(self.memory.user(id).head.reserved))
    }

    fn claim(
        &mut self,
        account: &Account,
        invite: Option<(&InviteCode, UnixMillis)>,
    ) -> rusqlite::Result<Claimed> {
        let known = self.memory.named(self.connection, &account.user)?;
        let owner = known.and_then(|id| self.memory.user(id).account.as_ref());
        let claimed = match owner {
            None => Claimed::New,
            Some(owner) if owner.key != account.key => return Ok(Claimed::Taken),
            // Logins repeat it; they need not write.
            Some(owner) if owner.name == account.name || owner.name_is_set => {
                return Ok(Claimed::Ours);
            }
            Some(_) => Claimed::Ours,
        };
        if let (Claimed::New, Some((code, at))) = (claimed, invite) {
            let Some(change) = self.memory.rules.use_invite(code, at) else {
                return Ok(Claimed::NotInvited);
            };
            self.note(change);
        }
        let id = self.user(&account.user)?;
        if claimed == Claimed::New && known.is_some() {
            // A name that was freed by hand may come with the keys of whoever had it.
            self.plan.keys.remove(self.connection, id)?;
        }
        self.own(id, Some(owner_of(account)));
        Ok(claimed)
    }

    fn own(&mut self, id: UserId, owner: Option<Owner>) {
        self.memory.own(id, owner);
        self.plan.users.push(id);
    }

    fn decide(&mut self, decision: &Decision) -> rusqlite::Result<Decided> {
        let (user, becomes) = match decision {
            Decision::Free { user } => (user, Becomes::Nobodys),
            Decision::Rebind { user, key } => (user, Becomes::Of(*key)),
            Decision::Rename { user, name } => (user, Becomes::Named(name.clone())),
            Decision::Purge { mailbox } => {
                let Some(id) = self.claimed(mailbox)? else { return Ok(Decided::NoSuchUser) };
                self.purge(id);
                return Ok(Decided::Done);
            }
            Decision::Ban { .. }
            | Decision::Unban { .. }
            | Decision::Invite(_)
            | Decision::Revoke { .. } => {
                return Ok(match self.memory.rules.decide(decision) {
                    Ok(change) => {
                        self.note(change);
                        Decided::Done
                    }
                    Err(decided) => decided,
                });
            }
        };
        let Some(id) = self.claimed(user)? else { return Ok(Decided::NoSuchUser) };
        let Some(owner) = self.memory.user(id).account.clone() else {
            return Ok(Decided::NoSuchUser);
        };
        match becomes {
            Becomes::Nobodys => {
                self.purge(id);
                self.plan.keys.remove(self.connection, id)?;
                self.own(id, None);
            }
            Becomes::Of(key) if key == owner.key => {}
            Becomes::Of(key) => {
                self.plan.keys.remove(self.connection, id)?;
                self.own(id, Some(Owner { key, ..owner }));
            }
            Becomes::Named(Some(name)) => {
                self.own(id, Some(Owner { name, name_is_set: true, ..owner }));
            }
            Becomes::Named(None) => self.own(id, Some(Owner { name_is_set: false, ..owner })),
        }
        Ok(Decided::Done)
    }

    /// Takes all entries out of a mailbox.
    fn purge(&mut self, mailbox: UserId) {
        self.memory.purge(mailbox);
        self.plan.users.push(mailbox);
        self.plan.purged.push(mailbox);
    }

    fn note(&mut self, change: rules::Change) {
        self.plan.rules.push(change.name());
        self.memory.note_rule(change);
    }

    /// The user of that name, if somebody has claimed it.
    fn claimed(&mut self, name: &UserName) -> rusqlite::Result<Option<UserId>> {
        let id = self.memory.named(self.connection, name)?;
        Ok(id.filter(|id| self.memory.user(*id).account.is_some()))
    }

    /// The user of that name, with a row if it is new.
    fn user(&mut self, name: &UserName) -> rusqlite::Result<UserId> {
        let (id, new) = self.memory.named_or_new(self.connection, name)?;
        if new {
            self.plan.users.push(id);
        }
        Ok(id)
    }

    /// Moves a stream; answers its row.
    fn move_stream(&mut self, user: UserId, stream: StreamId, to: Seq, told_by_row: bool) -> u64 {
        let moved = self.memory.move_stream(user, stream, to, told_by_row);
        if moved.new {
            self.plan.streams.push((user, moved.row));
        }
        self.plan.evicted.extend(moved.evicted);
        moved.row
    }
}

/// What the operator has an account become.
enum Becomes {
    Nobodys,
    Of(PublicKey),
    Named(Option<DisplayName>),
}

fn owner_of(account: &Account) -> Owner {
    let Account { user: _, key, name, since, name_is_set } = account.clone();
    Owner { key, name, since, name_is_set }
}
