//! Each promise of the database.

mod aside;
mod opening;
mod tables;
