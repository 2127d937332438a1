//! The PyChat daemon: a core without I/O, its database, and the loops that drive it.

pub mod archive;
pub mod control;
pub mod core;
pub mod db;
pub mod handle;
pub mod hooks;
pub mod run;
pub mod shell;
pub mod words;
