//! Real UDP sockets, the real clock and the real resolver for [`pychat_proto`], which knows none.
//!
//! A [`Socket`] moves datagrams in batches: [`Socket::recv`] hands out what one system call brought,
//! [`Socket::try_send`] sends a whole train of datagrams with one call where the kernel can. Time for
//! the protocol comes from [`now`].

mod address;
mod clock;
mod resolve;
mod socket;

pub use clock::{now, unix_ms};
pub use resolve::{ADDRESSES_MAX, resolve};
pub use socket::{RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES, Socket};
