//! The real program against a daemon that says exactly what a test tells it to.
#![cfg(unix)]

mod archive;
mod camera;
mod chat;
mod complete;
mod daemon;
mod doubts;
mod errors;
mod history;
mod inbox;
mod keys;
mod logs;
mod readers;
mod run;
mod search;
mod send;
mod settings;
mod texts;
mod unread;
mod watch;
