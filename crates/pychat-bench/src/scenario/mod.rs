//! The work that is put on a server, a file for each kind.

mod logins;
mod lossy;
mod mailbox;
mod relay;
mod schedule;
mod storm;

pub use logins::{idle, logins};
pub use lossy::{Lossy, lossy};
pub use mailbox::{Mailbox, mailbox};
pub use relay::{Load, Relay, relay};
pub use storm::{Storm, storm};

use std::time::Duration;

/// A server that does nothing of what is waited for, for so long, has stalled.
const STALLED_AFTER: Duration = Duration::from_secs(20);

/// After the last text it is looked for so long whether one comes again.
const AFTERMATH: Duration = Duration::from_millis(200);
