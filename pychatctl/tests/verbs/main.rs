//! The real program against a daemon that says exactly what a test tells it to.
#![cfg(unix)]

mod archive;
mod daemon;
mod errors;
mod inbox;
mod run;
mod send;
mod settings;
mod texts;
