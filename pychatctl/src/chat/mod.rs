//! `chat`: conversations on a full screen.
//!
//! The state is `model`; `update` takes an input (a key, an answer, an event, the passing of time) and
//! gives the effects that it wants; `view` draws the state. None of the three does anything else, so that
//! tests need neither a terminal nor a daemon. `link` speaks to the daemon on threads of its own,
//! `terminal` takes the terminal and gives it back, `run` is the loop between them. `plain` is the same
//! line by line, for screen readers and terminals that cannot be drawn on.

mod areas;
mod input;
mod link;
mod model;
mod plain;
mod run;
mod terminal;
mod update;
mod view;

#[cfg(test)]
mod tests;

pub(crate) use model::{Colours, Glyphs, Look};
pub(crate) use plain::run as run_plain;
pub(crate) use run::run as run_screen;
