//! In place of the admin socket on systems without Unix sockets: there is none.

use super::desk::Desk;
use std::{io, path::Path};

/// Nobody is on it.
pub(crate) struct Socket {}

impl Socket {
    /// Says that there is none.
    pub(crate) fn open(_path: &Path) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets"))
    }

    /// Nobody comes.
    #[allow(clippy::unused_self)]
    pub(crate) async fn serve(&mut self, _desk: &Desk) {
        std::future::pending().await
    }
}
