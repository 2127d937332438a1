//! The bodies of PyChat's fuzz targets.
//!
//! Each is a function of bytes that panics where a promise is broken. `fuzz/` at the top of the
//! repository lets libFuzzer choose the bytes; `tests/twins` runs the same bodies in the ordinary
//! test command, over the corpus and over generated inputs.

mod archive;
mod capture;
mod config;
mod control;
mod daemon_db;
mod damage;
mod frames;
mod handshake;
mod ledger;
mod mutation;
mod packet;
mod pair;
mod sealed;
mod server;
mod server_db;
mod session;
mod source;
mod stage;

/// Spans of time as `pychatctl` reads them, for its configuration.
#[allow(dead_code, reason = "not all of a program's parts are used here")]
#[path = "../../../pychatctl/src/duration.rs"]
mod duration;
/// `pychatctl`'s configuration: it is a program, and nothing else can ask it to read a file.
#[allow(dead_code, reason = "not all of a program's parts are used here")]
#[path = "../../../pychatctl/src/config.rs"]
mod pychatctl_config;

pub use archive::archive;
pub use capture::datagrams;
pub use config::config;
pub use control::control;
pub use daemon_db::daemon_db;
pub use frames::frames;
pub use handshake::handshake;
pub use packet::packet;
pub use sealed::sealed;
pub use server::server;
pub use server_db::server_db;
pub use session::session;
