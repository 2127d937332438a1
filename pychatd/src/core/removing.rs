//! Messages that are removed: when somebody says so, and when they are older or more than the configuration
//! wants.

use super::{
    Core, answer,
    change::Change,
    reading::{parse_time, parse_user},
};
use crate::db::{DatabaseError, Doomed, REMOVED_MAX};
use pychat_control::{Failure, RemoveParams, Removed};
use pychat_proto::Instant;
use std::time::Duration;

/// Messages that are removed in one transaction: some ten milliseconds.
const REMOVED_AT_ONCE: usize = 1000;

/// Message ids in one request.
const IDS_MAX: usize = 1000;

/// How long it is remembered that a message was there. Its sender keeps it for seven days, for a server that
/// lost its memory.
const REMEMBERED_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// How often the history is looked through.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// Pause between two rounds of a long removal, in which others are served.
const ROUND_PAUSE: Duration = Duration::from_millis(100);

impl Core {
    /// Removes what is named, as much as one transaction takes.
    pub(super) fn remove(&mut self, params: &RemoveParams) -> Result<Removed, Failure> {
        let doomed = doomed(params)?;
        if params.dry_run {
            let counts = self.database.read().count_doomed(&doomed);
            let (removed, kept) = counts.map_err(|error| answer::unreadable(&error))?;
            return Ok(Removed { removed, kept, more: false });
        }
        let removed = self.change(|change| remove(change, &doomed));
        let removed = removed.map_err(|error| answer::unwritten(&error, "the messages stay"))?;
        let more = removed == REMOVED_AT_ONCE;
        let kept = match more {
            true => 0,
            false => {
                let counts = self.database.read().count_doomed(&doomed);
                counts.map_err(|error| answer::unreadable(&error))?.1
            }
        };
        Ok(Removed { removed: removed as u64, kept, more })
    }

    /// Removes what is older, or more, than is to be kept. What nobody saw stays.
    pub(super) fn run_removal(&mut self) {
        if self.removal_deadline().is_none_or(|at| at > self.now.mono) {
            return;
        }
        let limits = self.config.limits;
        let until = limits.history_for.map(|time| {
            let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            self.now.unix_ms.saturating_sub(ms)
        });
        let old = Doomed { until, ..Doomed::default() };
        let removed = self.change(|change| {
            let removed = if until.is_some() { remove(change, &old)? } else { 0 };
            match limits.history_bytes {
                Some(most) if removed == 0 && change.tx.bytes_used()? > most => {
                    remove(change, &Doomed::default())
                }
                Some(_) | None => Ok(removed),
            }
        });
        // A failure is shown in `status`, and the next round tries again.
        let more = removed.is_ok_and(|count| count == REMOVED_AT_ONCE);
        self.next_removal = self.now.mono + if more { ROUND_PAUSE } else { LOOK_EVERY };
    }

    /// When the history is looked through, if the configuration wants that.
    pub(super) fn removal_deadline(&self) -> Option<Instant> {
        let limits = self.config.limits;
        let wanted = limits.history_for.is_some() || limits.history_bytes.is_some();
        Some(self.next_removal).filter(|_| wanted && self.disk.is_ready())
    }
}

/// Removes the oldest of what is named, in this transaction, and forgets what was removed long ago.
fn remove(change: &mut Change<'_>, doomed: &Doomed) -> Result<usize, DatabaseError> {
    let rows = change.tx.doomed(doomed, REMOVED_AT_ONCE)?;
    if rows.is_empty() {
        return Ok(0);
    }
    let now = change.now.unix_ms;
    change.tx.overwrite_removed(true)?;
    let removed = rows.iter().try_for_each(|row| change.tx.remove_message(*row, now));
    change.tx.overwrite_removed(false)?;
    removed?;
    let remembered = u64::try_from(REMEMBERED_FOR.as_millis()).unwrap_or(u64::MAX);
    change.tx.prune_removed(now.saturating_sub(remembered), REMOVED_MAX)?;
    Ok(rows.len())
}

fn doomed(params: &RemoveParams) -> Result<Doomed, Failure> {
    let RemoveParams { peer, until, ids, all, unread_too, dry_run: _ } = params;
    let ids = match ids {
        Some(ids) if ids.len() > IDS_MAX => {
            let count = ids.len();
            return Err(answer::usage(format!("at most {IDS_MAX} ids at a time, not {count}")));
        }
        Some(ids) => {
            let parse = |id: &String| id.parse().map_err(|error| answer::usage(format!("{error}")));
            Some(ids.iter().map(parse).collect::<Result<Vec<_>, _>>()?)
        }
        None => None,
    };
    if !all && peer.is_none() && until.is_none() && ids.is_none() {
        return Err(answer::usage("name what is to be removed: a peer, a time, ids, or all"));
    }
    Ok(Doomed {
        peer: peer.as_deref().map(parse_user).transpose()?,
        until: until.as_deref().map(parse_time).transpose()?,
        ids,
        unread_too: *unread_too,
    })
}
