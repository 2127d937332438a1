//! What the daemon's and the server's databases need beyond SQLite itself.

mod damage;
mod log;

pub use damage::log_damage;
pub use log::{ResyncError, resync_log};
