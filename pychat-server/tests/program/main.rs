//! The real program: what it says, when it refuses, how it ends.

mod refusals;
mod running;
mod server;
mod texts;
