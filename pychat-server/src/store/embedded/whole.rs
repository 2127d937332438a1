//! A store's file as a whole: read without a change to it, or filled from another engine.
//!
//! A file that is being filled has another name until it is complete, so that no server takes it for a store. It
//! is filled in the order of users' names, all entries straight into the archive, which is keyed by mailbox:
//! nothing of them is in memory when a server opens it.

use super::{
    OpenError, check, failure, keys, load, marks,
    memory::{Head, Memory, Owner, Usage, User, UserId},
    open, rules, schema, write,
};
use crate::store::{
    Decided, Decision, Entry, ReadLimit, StoreError,
    whole::{Begun, Parcel, Part, Piece, RuleBook, Standing, Start, Weight, Whole},
};
use pychat_proto::{Cursor, UserName};
use rusqlite::{Connection, OpenFlags, params};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

/// A store's file that no server uses.
#[derive(Debug)]
pub(crate) struct WholeFile {
    path: PathBuf,
    connection: Connection,
    /// Users of whom the rows of `users` and `streams` do not say everything. None in a file that is filled.
    busy: Memory,
    _lock: File,
}

/// Why a file is not filled. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FillError {
    /// It cannot be opened or made.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is nothing to go on with.
    #[error("nothing is half filled at {}", .0.display())]
    Gone(PathBuf),
    /// There is a store.
    #[error("{} is there already", .0.display())]
    Occupied(PathBuf),
    /// Another migration was not finished.
    #[error("{} is half filled from {from}", path.display())]
    Other { path: PathBuf, from: String },
}

impl WholeFile {
    /// Opens a store that is there, and changes nothing of it. All of it is checked, however large it is: what
    /// is damaged is noticed before anything of it went anywhere.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let bytes = fs::metadata(path).map_err(|source| open::failed(path, source))?.len();
        let lock = open::lock(path)?;
        open::refuse_damaged(path, bytes)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(schema::refused)?;
        check::write_at_close(&connection, false)?;
        schema::check_current(&connection)?;
        check::check_all(&connection)?;
        Self::of(path, connection, lock)
    }

    /// Opens a file to be filled from `source`: a new one, or the one that an earlier try has left.
    ///
    /// # Errors
    /// See [`FillError`].
    pub(crate) fn fill(
        path: &Path,
        source: &str,
        start: Start,
    ) -> Result<(Self, Begun), FillError> {
        let lock = open::lock(path)?;
        if fs::symlink_metadata(path).is_ok() {
            return Err(FillError::Occupied(path.to_owned()));
        }
        open::refuse_lone_log(path)?;
        let unfinished = marks::unfinished(path);
        let found = marks::from_of(&unfinished)?;
        let begun = match found {
            Some(from) if from == source => Begun::Before,
            Some(from) => return Err(FillError::Other { path: unfinished, from }),
            None if start == Start::GoOn => return Err(FillError::Gone(unfinished)),
            None => {
                open::create(&unfinished)?;
                let connection = open::connect(&unfinished)?;
                schema::prepare(&connection)?;
                let begin = write::begin(&connection).and_then(|begin| {
                    begin.execute_batch(marks::FROM_TABLE)?;
                    begin.execute("INSERT INTO migration VALUES(?1)", [source])?;
                    begin.commit()
                });
                begin.map_err(schema::refused)?;
                Begun::Now
            }
        };
        let connection = open::connect(&unfinished)?;
        schema::prepare(&connection)?;
        Ok((Self::of(path, connection, lock)?, begun))
    }

    fn of(path: &Path, connection: Connection, lock: File) -> Result<Self, OpenError> {
        pychat_sqlite::keep_plans(&connection).map_err(schema::refused)?;
        let busy = load::load(&connection, 0)?;
        Ok(Self { path: path.to_owned(), connection, busy, _lock: lock })
    }

    /// What was filled is complete: from here on it is a store.
    ///
    /// # Errors
    /// See [`OpenError`]; the next try goes on here.
    pub(crate) fn finish(self) -> Result<(), OpenError> {
        let unfinished = marks::unfinished(&self.path);
        let busy: i64 = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .map_err(schema::refused)?;
        if busy != 0 {
            return Err(OpenError::InUse);
        }
        // Closed, it has no log beside it.
        self.connection.close().map_err(|(_, error)| schema::refused(error))?;
        let file = File::options().write(true).open(&unfinished);
        let synced = file.and_then(|file| file.sync_all());
        synced.map_err(|source| open::failed(&unfinished, source))?;
        // An older store's that was moved from here once.
        marks::set_moved(&self.path, None)?;
        fs::rename(&unfinished, &self.path).map_err(|source| open::failed(&self.path, source))?;
        open::sync_directory(&self.path)?;
        // Not before: an unfinished file without it would be begun anew.
        let connection = open::connect(&self.path)?;
        connection.execute_batch("DROP TABLE migration").map_err(schema::refused)
    }

    fn user(&self, name: &UserName) -> rusqlite::Result<Option<(UserId, Found<'_>)>> {
        if let Some(id) = self.busy.names.get(name) {
            return Ok(Some((*id, Found::Busy(self.busy.user(*id)))));
        }
        Ok(load::named(&self.connection, name)?.map(|(id, user)| (id, Found::Clean(user.into()))))
    }

    fn standing(&self, name: &UserName) -> rusqlite::Result<Standing> {
        let Some((id, found)) = self.user(name)? else { return Ok(Standing::nothing(*name)) };
        let user = found.user();
        let mut streams: Vec<_> = user.streams.iter().collect();
        streams.sort_unstable_by_key(|stream| (stream.used, stream.row));
        let last = match user.slots.back() {
            Some(slot) => slot.cursor,
            // The archive's row may be gone, though its number is not.
            None if user.head.archives_after(0) => {
                let mut select = self.connection.prepare_cached(
                    "SELECT coalesce(max(cursor), 0) FROM archive WHERE mailbox = ?1 AND cursor > ?2",
                )?;
                let after = user.head.trimmed.cast_signed();
                select.query_one(params![id.0, after], |row| row.get::<_, i64>(0))?.cast_unsigned()
            }
            None => 0,
        };
        Ok(Standing {
            user: *name,
            account: user.account(),
            keys: keys::load(&self.connection, id)?,
            streams: streams.into_iter().map(|stream| (stream.id, stream.position)).collect(),
            reserved: Cursor(user.head.reserved),
            last: Cursor(last),
        })
    }

    fn piece(
        &self,
        name: &UserName,
        after: Cursor,
        limit: ReadLimit,
    ) -> rusqlite::Result<Vec<Piece>> {
        let Some((id, found)) = self.user(name)? else { return Ok(Vec::new()) };
        let user = found.user();
        let after = after.0.max(user.head.trimmed);
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        let mut take = |cursor: u64, counts: bool, entry: &[u8]| {
            let weight = if counts { Weight::Counts } else { Weight::Free };
            bytes += entry.len();
            pieces.push(Piece {
                entry: Entry { cursor: Cursor(cursor), entry: entry.into() },
                weight,
            });
            pieces.len() < limit.entries && bytes < limit.bytes
        };
        if user.head.archives_after(after) {
            let mut select = self.connection.prepare_cached(
                "SELECT cursor, counted, entry FROM archive WHERE mailbox = ?1 AND cursor > ?2 ORDER BY cursor",
            )?;
            let mut rows = select.query(params![id.0, after.cast_signed()])?;
            while let Some(row) = rows.next()? {
                let cursor = row.get::<_, i64>(0)?.cast_unsigned();
                if !take(cursor, row.get(1)?, row.get_ref(2)?.as_blob()?) {
                    return Ok(pieces);
                }
            }
        }
        let mut select =
            self.connection.prepare_cached("SELECT entry FROM entries WHERE seq = ?1")?;
        let from = user.slots.partition_point(|slot| slot.cursor <= after);
        for slot in user.slots.range(from..) {
            let more = select.query_one([slot.row.cast_signed()], |row| {
                Ok(take(slot.cursor, slot.counted, row.get_ref(0)?.as_blob()?))
            })?;
            if !more {
                break;
            }
        }
        Ok(pieces)
    }

    fn put_all(&mut self, parcels: &[Parcel]) -> rusqlite::Result<()> {
        let transaction = write::begin(&self.connection)?;
        let (mut next_user, mut next_stream) = (self.busy.next_user, self.busy.next_stream);
        for Parcel { standing, part, pieces } in parcels {
            let known = load::named(&transaction, &standing.user)?;
            let (id, mut head) = match known {
                Some((id, user)) => (id, user.head),
                None => {
                    let id = UserId(next_user);
                    next_user += 1;
                    (id, Head::starting_after(0))
                }
            };
            if *part == Part::First {
                for sql in [
                    "DELETE FROM archive WHERE mailbox = ?1",
                    "DELETE FROM streams WHERE user = ?1",
                ] {
                    transaction.prepare_cached(sql)?.execute([id.0])?;
                }
                head = Head::starting_after(standing.reserved.0);
            }
            for Piece { entry: Entry { cursor, entry }, weight } in pieces {
                let counted = *weight == Weight::Counts;
                transaction
                    .prepare_cached("INSERT INTO archive VALUES(?1, ?2, ?3, ?4)")?
                    .execute(params![id.0, cursor.0.cast_signed(), counted, &**entry])?;
                head.archived = cursor.0;
                if counted {
                    head.in_archive.add(Usage { entries: 1, bytes: entry.len() as u64 });
                }
            }
            let user = user_of(standing, head);
            write::user(&transaction, id, &user, &head)?;
            if *part == Part::First {
                for (used, (stream, position)) in (1_i64..).zip(&standing.streams) {
                    let (row, position) = (next_stream.cast_signed(), position.0.cast_signed());
                    transaction
                        .prepare_cached("INSERT INTO streams VALUES(?1, ?2, ?3, ?4, ?5)")?
                        .execute(params![row, id.0, stream.0, position, used])?;
                    next_stream += 1;
                }
                keys::put(&transaction, id, standing.keys.as_ref())?;
            }
        }
        transaction.commit()?;
        (self.busy.next_user, self.busy.next_stream) = (next_user, next_stream);
        Ok(())
    }

    fn decide_all(&mut self, decisions: &[Decision]) -> Result<rusqlite::Result<()>, Decided> {
        let mut changed = Vec::new();
        for decision in decisions {
            changed.push(self.busy.rules.decide(decision)?.name());
        }
        let written = write::begin(&self.connection).and_then(|transaction| {
            rules::write(&transaction, &self.busy.rules, &changed)?;
            transaction.commit()
        });
        Ok(written)
    }
}

impl Whole for WholeFile {
    fn begin(&mut self) -> Result<u64, StoreError> {
        Ok(self.busy.next_user.into())
    }

    fn names(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<UserName>, StoreError> {
        load::names(&self.connection, after, limit).map_err(|error| failure::sort(&error))
    }

    fn standings(&mut self, users: &[UserName]) -> Result<Vec<Standing>, StoreError> {
        let standings: rusqlite::Result<_> = users.iter().map(|user| self.standing(user)).collect();
        standings.map_err(|error| failure::sort(&error))
    }

    fn pieces(
        &mut self,
        wanted: &[(UserName, Cursor)],
        limit: ReadLimit,
    ) -> Result<Vec<Vec<Piece>>, StoreError> {
        let pieces = wanted.iter().map(|(user, after)| self.piece(user, *after, limit));
        let pieces: rusqlite::Result<_> = pieces.collect();
        pieces.map_err(|error| failure::sort(&error))
    }

    fn rules(&mut self) -> Result<RuleBook, StoreError> {
        let rules = &self.busy.rules;
        Ok(RuleBook { bans: rules.bans(None, usize::MAX), invites: rules.invites() })
    }

    fn put(&mut self, parcels: &[Parcel]) -> Result<(), StoreError> {
        self.put_all(parcels).map_err(|error| failure::sort(&error))
    }

    fn decide(&mut self, decisions: Vec<Decision>) -> Result<(), StoreError> {
        match self.decide_all(&decisions) {
            Ok(written) => written.map_err(|error| failure::sort(&error)),
            Err(decided) => Err(StoreError::Fatal(format!("a ban or an invite: {decided:?}"))),
        }
    }
}

/// A user who was looked up.
enum Found<'a> {
    Busy(&'a User),
    Clean(Box<User>),
}

impl Found<'_> {
    fn user(&self) -> &User {
        match self {
            Self::Busy(user) => user,
            Self::Clean(user) => user,
        }
    }
}

fn user_of(standing: &Standing, head: Head) -> User {
    let mut user = User::new(standing.user, head);
    user.account = standing.account.clone().map(|account| Owner {
        key: account.key,
        name: account.name,
        since: account.since,
        name_is_set: account.name_is_set,
    });
    user
}
