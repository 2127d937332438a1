//! The real programs under attack, in small: `cargo xtask attack` does the same with figures. One file
//! for each family.
//!
//! What is asserted are facts: honest people are served in order and to the end, somebody new gets in,
//! memory stays within a named bound. Times are printed and never asserted. The programs must be built
//! first: `cargo build --workspace`.
#![cfg(target_os = "linux")]

mod amplification;
mod floods;
mod forgeries;
mod insiders;
mod mailboxes;
mod sockets;
mod stage;
mod state_dirs;
