//! Facts about the chat, without a terminal and without a daemon: what goes in, what comes out, and what
//! it looks like. One file a topic.

mod following;
mod harmless;
mod pictures;
mod reading;
mod stage;
mod writing;
