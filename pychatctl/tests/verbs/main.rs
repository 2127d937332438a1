//! The real program against a daemon that says exactly what a test tells it to.
#![cfg(unix)]

mod archive;
mod camera;
mod chat;
mod daemon;
mod doubts;
mod errors;
mod inbox;
mod keys;
mod run;
mod send;
mod settings;
mod texts;
