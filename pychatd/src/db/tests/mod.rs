//! Each promise of the database.

mod opening;
mod tables;
