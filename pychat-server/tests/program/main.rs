//! The real program: what it says, when it refuses, how it ends.

mod manual;
#[cfg(unix)]
mod metrics;
mod migrate;
mod refusals;
mod running;
mod server;
mod texts;
