//! The core against the real protocol and a tiny server, in one thread under a virtual clock.

mod connecting;
mod crashes;
mod disk;
mod keys;
mod reading;
mod sending;
mod server;
mod users;
mod world;
