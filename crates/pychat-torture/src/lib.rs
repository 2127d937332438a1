//! Crash loops of the real programs with real SQLite files.
//!
//! The driver, `pychat-torture`, has people talk through the real programs while it kills, freezes
//! and restarts those, fills their disks, makes their fsync fail, steps their clocks and spoils
//! their network. It writes down each text that a program said it took and each text that a program
//! showed. The checker, `pychat-torture-check`, knows these two files and nothing else: it says what
//! was lost, doubled, put out of order or invented.
//!
//! The schedule is drawn from a seed, so that the same seed asks for the same mishaps at the same
//! moments. The machine is real: which instruction a kill hits is not repeatable.

pub mod check;
pub mod record;

#[cfg(target_os = "linux")]
mod clock;
#[cfg(target_os = "linux")]
pub mod cluster;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod gate;
#[cfg(target_os = "linux")]
mod interrupt;
#[cfg(target_os = "linux")]
mod life;
#[cfg(target_os = "linux")]
mod mishaps;
#[cfg(target_os = "linux")]
mod person;
#[cfg(target_os = "linux")]
pub mod plan;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
pub mod report;
#[cfg(target_os = "linux")]
pub mod run;
#[cfg(target_os = "linux")]
mod said;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod strace;
#[cfg(target_os = "linux")]
mod talk;
#[cfg(target_os = "linux")]
mod timeline;
