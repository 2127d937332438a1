//! Attacks on the real programs, for tests and for figures.
//!
//! Each [`Attack`] does one hostile thing again and again; [`attacks::ALL`] names them. Beside it
//! [`Chatter`] is some honest pairs who write to each other at a steady rate and measure how long their
//! texts take, [`Gauge`] reads a program's memory and time, and [`Capture`] counts bytes on the wire with
//! `tcpdump`, which knows nothing of our own counters. [`measure`] puts them together: quiet and attack
//! in turns, in one run.
//!
//! The tests in `pychat-testkit` run the same attacks in small.
#![cfg(target_os = "linux")]

pub mod attacks;
mod capture;
mod chatter;
mod control;
mod drive;
mod figures;
mod gauge;
mod gun;
mod insider;
pub mod measure;
mod member;
mod target;

pub use attacks::Attack;
pub use capture::{Capture, Flow, NoCapture};
pub use chatter::{Chatter, Talk};
pub use control::{Daemon, Talker};
pub use drive::{Driven, drive};
pub use figures::{median, percentile};
pub use gauge::{Gauge, Used};
pub use gun::Gun;
pub use insider::Insider;
pub use member::{Happening, Member};
pub use target::Target;
