//! The control protocol between `pychatctl` and `pychatd`: JSON-RPC 2.0, one object a line.

mod api;

pub use api::*;
