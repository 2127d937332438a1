//! The PyChat daemon: a core without I/O, its database, and the loops that drive it.

pub mod handle;
