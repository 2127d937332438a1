//! The outbox's way into the session: its rows are offered in order, within the client's room.

use super::Core;
use crate::db::{DatabaseError, OutboxRow, What};
use pychat_proto::{Client, Lane, Seq, records_for};

/// Rows offered in one go.
const ROWS: usize = 64;

/// A step of the way.
enum Step {
    /// Offer this row.
    Offer(OutboxRow),
    /// The server is told to move on: rows that were given up, or records no longer kept.
    Skip { up_to: Seq },
}

impl Core {
    /// Offers as much of the outbox as the client takes. A row that was never tried is marked as
    /// tried, on disk, before it is handed over, so that it cannot be taken back afterwards.
    pub(super) fn feed(&mut self) {
        while self.disk.is_ready() {
            let room = match &self.client {
                Some(client) if client.is_connected() => client.room(Lane::CHAT),
                Some(_) | None => return,
            };
            let Some(fed) = self.session.map(|session| session.fed) else { return };
            if fed.next() >= self.stored.settings.next_seq {
                return;
            }
            let steps = match self.steps_after(fed, room) {
                Ok(steps) => steps,
                Err(error) => return self.disk.failed(self.now.mono, &error),
            };
            // A failure is shown in `status`, and tried again after a pause.
            if steps.is_empty() || self.mark_tried(&steps).is_err() {
                return;
            }
            self.take_steps(steps);
        }
    }

    fn steps_after(&self, fed: Seq, mut room: u64) -> Result<Vec<Step>, DatabaseError> {
        let end = self.stored.settings.next_seq;
        let rows = self.database.read().outbox_after(fed, ROWS)?;
        let at_end = rows.len() < ROWS;
        let mut steps = Vec::with_capacity(rows.len());
        // What was offered or skipped in these steps, and what is to be skipped after it.
        let (mut done, mut skip_to) = (fed, fed);
        for row in rows {
            if row.given_up {
                skip_to = row.last;
                continue;
            }
            skip_to = Seq(row.first.0 - 1);
            if !skip(&mut steps, &mut room, done, skip_to) {
                return Ok(steps);
            }
            let Some(left) = room.checked_sub(records_for(row.payload.len())) else {
                return Ok(steps);
            };
            (room, done, skip_to) = (left, row.last, row.last);
            steps.push(Step::Offer(row));
        }
        if at_end {
            skip_to = Seq(end.0 - 1);
        }
        skip(&mut steps, &mut room, done, skip_to);
        Ok(steps)
    }

    fn mark_tried(&mut self, steps: &[Step]) -> Result<(), DatabaseError> {
        let untried: Vec<&OutboxRow> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Offer(row) if !row.tried => Some(row),
                Step::Offer(_) | Step::Skip { .. } => None,
            })
            .collect();
        if untried.is_empty() {
            return Ok(());
        }
        self.change(|change| {
            for row in untried {
                change.tx.mark_tried(row.first)?;
                if let Some(message) = row.message
                    && let Some(message) = change.tx.message(message)?
                {
                    change.record(message.row, message.id, What::Sent, None)?;
                }
            }
            Ok(())
        })
    }

    fn take_steps(&mut self, steps: Vec<Step>) {
        let (Some(client), Some(session)) = (&mut self.client, &mut self.session) else { return };
        for step in steps {
            session.fed = match step {
                Step::Offer(row) => {
                    client.send_message(self.now.mono, Lane::CHAT, row.first, &row.payload);
                    row.last
                }
                Step::Skip { up_to } => {
                    client.skip(self.now.mono, Lane::CHAT, up_to);
                    up_to
                }
            };
        }
    }

    /// Whether the client has a live session, on disk and on the wire.
    pub(super) fn is_live(&self) -> bool {
        self.session.is_some() && self.client.as_ref().is_some_and(Client::is_connected)
    }
}

/// Adds a skip from after `done` to `up_to`, if there is something to skip. `false`: no room for it.
/// However long, it has to begin within the window.
fn skip(steps: &mut Vec<Step>, room: &mut u64, done: Seq, up_to: Seq) -> bool {
    let records = up_to.0 - done.0;
    if records == 0 {
        return true;
    }
    if *room == 0 {
        return false;
    }
    *room = room.saturating_sub(records);
    steps.push(Step::Skip { up_to });
    true
}
