//! How the server is, told to programs that watch it: metrics for Prometheus, and health, over HTTP.
//!
//! The threads count for themselves (`admin::stats`), and are asked when somebody asks. `exposition` is the
//! text format, `families` what is told in it, `health` what is wrong if anything is, `window` the HTTP.

mod address;
mod exposition;
mod families;
mod health;
#[cfg(test)]
mod tests;
mod window;

pub use address::{InvalidAddress, MetricsAddress};
pub(crate) use window::{Watch, Window};
