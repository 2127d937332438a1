//! What the daemon's and the server's databases need beyond SQLite itself.

mod damage;
mod log;
mod plans;

pub use damage::{DATABASE_BYTES_MIN, log_damage, one_line};
pub use log::{ResyncError, resync_log};
pub use plans::keep_plans;
