//! Real UDP sockets, the real clock and the real resolver for [`pychat_proto`], which knows none.
//!
//! A [`Socket`] moves datagrams in batches: [`Socket::recv`] hands out what one system call brought,
//! [`Socket::try_send`] sends a whole train of datagrams with one call where the kernel can. Time for
//! the protocol comes from [`now`]. [`PollSocket`] does the same for a thread without a runtime.

mod address;
mod batch;
mod bind;
mod clock;
mod poll_socket;
mod refusal;
mod resolve;
mod socket;
mod srv;

pub use bind::{RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES};
pub use clock::{now, unix_ms};
pub use poll_socket::PollSocket;
pub use refusal::is_refused;
pub use resolve::{ADDRESSES_MAX, NODES_MAX, resolve, resolve_nodes};
pub use socket::Socket;
