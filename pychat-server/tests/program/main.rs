//! The real program: what it says, when it refuses, how it ends.

mod echo;
mod refusals;
mod running;
mod server;
