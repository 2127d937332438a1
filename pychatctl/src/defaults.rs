//! What holds where nothing else is said.

use pychat_control::State;
use std::time::Duration;

/// How long a command waits.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// What `send` waits for.
pub(crate) const WAIT: State = State::Accepted;

/// Messages that `inbox` shows at most.
pub(crate) const INBOX_LEN: u32 = 1000;

/// Messages that `history` shows at most.
pub(crate) const HISTORY_LEN: u32 = 50;

/// Hits that `search` shows at most.
pub(crate) const SEARCH_LEN: u32 = 50;

/// Lines that `daemon logs` shows.
pub(crate) const LOG_LINES: usize = 50;
