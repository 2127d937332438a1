//! Measures a PyChat server: what it delivers, how fast, and what that costs.
//!
//! Many clients in one thread (`crowd`, sans-IO; `driver`, on sockets) put a `scenario`'s work on a
//! `server`; `body` checks each text that arrives. A run with a lost text has no figures.

pub mod body;
pub mod chart;
pub mod cli;
pub mod crowd;
pub mod driver;
pub mod gauge;
mod member;
pub mod record;
pub mod run;
pub mod scenario;
pub mod server;
pub mod table;
pub mod tally;
mod timers;
pub mod writer;
