//! The real programs' promises: server, daemon and command line as people run them. One file a topic.
//!
//! They must be built first: `cargo build --workspace`. What takes chances prints its seed;
//! `PYCHAT_TEST_SEED` runs it with another one.

mod chat;
mod five;
mod hooks;
mod kills;
mod moving;
mod secrecy;
mod stage;

#[cfg(unix)]
mod admin;
#[cfg(unix)]
mod backup;
#[cfg(unix)]
mod bad_input;
#[cfg(unix)]
mod bot;
#[cfg(unix)]
mod cluster;
#[cfg(unix)]
mod crowd;
#[cfg(unix)]
mod daemon;
#[cfg(unix)]
mod damaged;
#[cfg(target_os = "linux")]
mod full_disk;
#[cfg(unix)]
mod metrics;
#[cfg(unix)]
mod migrate;
#[cfg(unix)]
mod nats;
#[cfg(unix)]
mod nodes;
#[cfg(unix)]
mod page;
#[cfg(unix)]
mod recipes;
#[cfg(unix)]
mod restart;
#[cfg(unix)]
mod rolling;
#[cfg(unix)]
mod screen;
#[cfg(target_os = "linux")]
mod sealed;
#[cfg(target_os = "linux")]
mod tour;
