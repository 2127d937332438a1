//! A login: our memory of the outbox's stream and the server's are brought together.
//!
//! Each side is the authority on its own position. A server that knows more than our last COMMIT
//! took it and could not tell us. One that knows less lost its memory and gets again what we kept.
//! One that knows records that we never numbered, or that end elsewhere, tells that *our* database
//! went back in time: then the stream is left behind for a new one.

use super::change::Change;
use crate::db::DatabaseError;
use pychat_proto::{Seq, StreamId};

/// What a login came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reconciled {
    /// Go on after record `fed`.
    Resume {
        /// The last record that the server holds.
        fed: Seq,
    },
    /// A new stream was begun: log in again.
    Divergent,
}

/// Brings the outbox to where the server is.
pub(super) fn reconcile(
    change: &mut Change<'_>,
    committed: Seq,
    fresh_stream: StreamId,
) -> Result<Reconciled, DatabaseError> {
    if let Some(account) = &mut change.stored.settings.account {
        account.logged_in = true;
    }
    if is_divergent(change, committed)? {
        change.begin_stream(fresh_stream)?;
        return Ok(Reconciled::Divergent);
    }
    if committed < change.stored.settings.committed {
        tracing::warn!(
            server = committed.0,
            ours = change.stored.settings.committed.0,
            "the server lost its memory of our last messages; they are sent again"
        );
        change.tx.uncommit_after(committed)?;
        change.stored.settings.committed = committed;
        change.recount()?;
    } else {
        change.commit_outbox(committed)?;
    }
    Ok(Reconciled::Resume { fed: committed })
}

fn is_divergent(change: &Change<'_>, committed: Seq) -> Result<bool, DatabaseError> {
    if committed >= change.stored.settings.next_seq {
        return Ok(true);
    }
    // Pruned rows are not there; they cannot contradict.
    let row = change.tx.outbox_at(committed)?;
    Ok(row.is_some_and(|row| row.last != committed))
}
