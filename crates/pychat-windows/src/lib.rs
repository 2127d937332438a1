//! What Windows has beyond std, in safe calls: users (`Sid`), pipes for one user alone (`pipe`,
//! `Pipe`), and processes that are not children (`Process`).
//!
//! On other systems this crate is empty.

#![cfg(windows)]

mod blocking;
mod command_line;
pub mod pipe;
mod process;
mod sid;

pub use blocking::Pipe;
pub use process::Process;
pub use sid::Sid;
