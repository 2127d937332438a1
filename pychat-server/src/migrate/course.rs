//! What a migration does: copies what differs, user by user, and compares both ends.

use super::MigrateError;
use crate::store::{
    Ban, Decision, Invite, ReadLimit, StoreError,
    whole::{Begun, Parcel, Part, Piece, RuleBook, Standing, Tally, Whole},
};
use blake2::{Blake2s256, Digest as _};
use pychat_proto::{Cursor, UserName};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// Users at a time: what is under way of them is asked for and written at once.
pub(super) const USERS_PER_PAGE: usize = 256;

/// Bytes of entries at a time, about: shared by the users of a page, each of whom gets enough for one round.
const BYTES_AT_ONCE: usize = 8 * 1024 * 1024;
const BYTES_PER_USER: usize = 1024 * 1024;

/// Entries, or messages that hold several, of one user at a time.
const ENTRIES_PER_USER: usize = 1024;

/// Users who are named where the ends differ.
const NAMED_MAX: usize = 5;

/// The two ends.
pub(super) struct Course<'a> {
    pub(super) from: &'a mut dyn Whole,
    pub(super) to: &'a mut dyn Whole,
    /// [`USERS_PER_PAGE`], or fewer in a test.
    pub(super) users_per_page: usize,
    /// Hears how far it is after each page, and may end it there.
    pub(super) watch: &'a mut dyn FnMut(&Progress) -> Result<(), MigrateError>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// What is under way.
    pub(crate) doing: &'static str,
    /// Names that are done, and all of them.
    pub(crate) names: u64,
    pub(crate) of: u64,
}

/// What both ends hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Names of which anything is kept: of users, and of those who once wrote.
    pub names: u64,
    /// Names that are somebody's.
    pub accounts: u64,
    /// Entries that wait in mailboxes.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Names that are banned.
    pub bans: u64,
    /// Invites, those that are used up or over too.
    pub invites: u64,
    /// All of it in 32 bytes, in hexadecimal digits.
    pub digest: String,
}

/// Which end a failure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What is read.
    From,
    /// What is filled.
    To,
}

impl Side {
    /// In an error.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::From => "reading what is moved",
            Self::To => "writing to where it is moved",
        }
    }
}

fn reading(error: StoreError) -> MigrateError {
    MigrateError::Engine { side: Side::From, error }
}

fn writing(error: StoreError) -> MigrateError {
    MigrateError::Engine { side: Side::To, error }
}

impl Course<'_> {
    /// Copies what is not there yet.
    pub(super) fn copy(&mut self, begun: Begun) -> Result<(), MigrateError> {
        self.copy_rules()?;
        self.each_page("moving", |course, users| {
            let users = match begun {
                Begun::Now => users.to_vec(),
                Begun::Before => course.differing(users)?,
            };
            course.copy_users(&users)
        })
    }

    /// Compares all of both ends.
    pub(super) fn compare(&mut self) -> Result<Totals, MigrateError> {
        let mut totals = Totals::default();
        let mut hash = Blake2s256::new();
        let rules = self.from.rules().map_err(reading)?;
        if self.to.rules().map_err(writing)? != rules {
            return Err(MigrateError::RulesDiffer);
        }
        (totals.bans, totals.invites) = (rules.bans.len() as u64, rules.invites.len() as u64);
        hash_rules(&mut hash, &rules);
        let (mut count, mut named) = (0, Vec::new());
        self.each_page("comparing", |course, users| {
            let ours = tallies(course.from, users).map_err(reading)?;
            let theirs = tallies(course.to, users).map_err(writing)?;
            for ((standing, ours), (_, theirs)) in ours.into_iter().zip(theirs) {
                totals.names += u64::from(!standing.is_nothing());
                totals.accounts += u64::from(standing.account.is_some());
                totals.entries += ours.entries;
                totals.bytes += ours.bytes;
                let (ours, theirs) = (ours.finish(), theirs.finish());
                if ours != theirs {
                    count += 1;
                    if named.len() < NAMED_MAX {
                        named.push(standing.user.to_string());
                    }
                }
                if !standing.is_nothing() {
                    hash.update(ours);
                }
            }
            Ok(())
        })?;
        if count > 0 {
            let more = if count > NAMED_MAX as u64 { ", .." } else { "" };
            return Err(MigrateError::Differ { count, named: named.join(", ") + more });
        }
        for byte in hash.finalize() {
            // Writing into a string cannot fail.
            let _ = write!(totals.digest, "{byte:02x}");
        }
        Ok(totals)
    }

    /// Does something with all names that either end knows, some at a time.
    fn each_page(
        &mut self,
        doing: &'static str,
        mut of: impl FnMut(&mut Self, &[UserName]) -> Result<(), MigrateError>,
    ) -> Result<(), MigrateError> {
        let ours = self.from.begin().map_err(reading)?;
        let theirs = self.to.begin().map_err(writing)?;
        let mut progress = Progress { doing, names: 0, of: ours.max(theirs) };
        let mut after = None;
        loop {
            let mut users =
                self.from.names(after.as_ref(), self.users_per_page).map_err(reading)?;
            users.extend(self.to.names(after.as_ref(), self.users_per_page).map_err(writing)?);
            users.sort_unstable();
            users.dedup();
            // What follows is in one of the next pages whole.
            users.truncate(self.users_per_page);
            let Some(last) = users.last() else { return Ok(()) };
            after = Some(*last);
            of(self, &users)?;
            progress.names += users.len() as u64;
            (self.watch)(&progress)?;
        }
    }

    /// Those of whom the ends do not hold the same.
    fn differing(&mut self, users: &[UserName]) -> Result<Vec<UserName>, MigrateError> {
        let ours = tallies(self.from, users).map_err(reading)?;
        let theirs = tallies(self.to, users).map_err(writing)?;
        let both = users.iter().zip(ours.into_iter().zip(theirs));
        let differ = both.filter_map(|(user, ((_, ours), (_, theirs)))| {
            (ours.finish() != theirs.finish()).then_some(*user)
        });
        Ok(differ.collect())
    }

    fn copy_users(&mut self, users: &[UserName]) -> Result<(), MigrateError> {
        if users.is_empty() {
            return Ok(());
        }
        let standings = self.from.standings(users).map_err(reading)?;
        let mut open: Vec<_> = standings.into_iter().map(|it| (it, Cursor::NONE)).collect();
        let mut part = Part::First;
        while !open.is_empty() {
            let pieces = next_pieces(self.from, &open).map_err(reading)?;
            let open_before = std::mem::take(&mut open).into_iter().zip(pieces);
            let parcels: Vec<Parcel> = open_before
                .map(|((standing, _), pieces)| Parcel { standing, part, pieces })
                .collect();
            self.to.put(&parcels).map_err(writing)?;
            let rest = parcels.into_iter().filter_map(|Parcel { standing, pieces, .. }| {
                let after = pieces.last()?.entry.cursor;
                (after < standing.last).then_some((standing, after))
            });
            open = rest.collect();
            part = Part::Next;
        }
        Ok(())
    }

    /// Bans and invites are few: all of them at once.
    fn copy_rules(&mut self) -> Result<(), MigrateError> {
        let ours = self.from.rules().map_err(reading)?;
        let theirs = self.to.rules().map_err(writing)?;
        let mut decisions = Vec::new();
        let stays: BTreeSet<UserName> = ours.bans.iter().map(|(user, _)| *user).collect();
        let gone = theirs.bans.iter().filter(|(user, _)| !stays.contains(user));
        decisions.extend(gone.map(|(user, _)| Decision::Unban { user: *user }));
        let known: BTreeMap<UserName, Ban> = theirs.bans.into_iter().collect();
        let new = ours.bans.into_iter().filter(|(user, ban)| known.get(user) != Some(ban));
        decisions.extend(new.map(|(user, ban)| Decision::Ban { user, ban }));
        // An invite is not changed: another one takes its place.
        let gone = theirs.invites.iter().filter(|it| !ours.invites.contains(it));
        decisions.extend(gone.map(|it| Decision::Revoke { code: it.code.clone() }));
        let new = ours.invites.iter().filter(|it| !theirs.invites.contains(it));
        decisions.extend(new.map(|it| Decision::Invite(it.clone())));
        self.to.decide(decisions).map_err(writing)
    }
}

/// The entries that come next of each of these mailboxes; none of one that has no more.
fn next_pieces(
    whole: &mut dyn Whole,
    open: &[(Standing, Cursor)],
) -> Result<Vec<Vec<Piece>>, StoreError> {
    let has_more = |(standing, after): &&(Standing, Cursor)| *after < standing.last;
    let wanted: Vec<(UserName, Cursor)> =
        open.iter().filter(has_more).map(|(standing, after)| (standing.user, *after)).collect();
    let bytes = (BYTES_AT_ONCE / wanted.len().max(1)).min(BYTES_PER_USER);
    let mut pieces =
        whole.pieces(&wanted, ReadLimit { entries: ENTRIES_PER_USER, bytes })?.into_iter();
    let of_each = open.iter().map(|it| {
        if !has_more(&it) {
            return Ok(Vec::new());
        }
        let pieces = pieces.next().unwrap_or_default();
        let user = &it.0.user;
        let missing = || StoreError::Fatal(format!("entries of {user}'s mailbox are missing"));
        if pieces.is_empty() { Err(missing()) } else { Ok(pieces) }
    });
    of_each.collect()
}

/// What each of these users' parts comes to.
fn tallies(
    whole: &mut dyn Whole,
    users: &[UserName],
) -> Result<Vec<(Standing, Tally)>, StoreError> {
    let standings = whole.standings(users)?;
    let mut tallies: Vec<Tally> = standings.iter().map(Tally::of).collect();
    let mut open: Vec<(Standing, Cursor)> =
        standings.into_iter().map(|standing| (standing, Cursor::NONE)).collect();
    while open.iter().any(|(standing, after)| *after < standing.last) {
        let pieces = next_pieces(whole, &open)?;
        for (((_, after), tally), pieces) in open.iter_mut().zip(&mut tallies).zip(pieces) {
            for piece in &pieces {
                tally.add(piece);
                *after = piece.entry.cursor;
            }
        }
    }
    Ok(open.into_iter().map(|(standing, _)| standing).zip(tallies).collect())
}

fn hash_rules(hash: &mut Blake2s256, rules: &RuleBook) {
    let RuleBook { bans, invites } = rules;
    let mut line = String::new();
    for (user, Ban { reason, since }) in bans {
        let _ = writeln!(line, "ban {user} {since} {}", reason.as_str());
    }
    for Invite { code, uses, expires_at, note, made_at } in invites {
        let (code, note) = (code.as_str(), note.as_str());
        let _ = writeln!(line, "invite {code} {uses:?} {expires_at:?} {made_at} {note}");
    }
    hash.update(line);
}
