//! The core against the real protocol and a tiny server, in one thread under a virtual clock.

mod connecting;
mod crashes;
mod disk;
mod finding;
mod keys;
mod nodes;
mod readers;
mod reading;
mod removing;
mod sending;
mod server;
mod users;
mod world;
