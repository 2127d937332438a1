//! A connection over a named pipe.

use super::NotOpened;
use crate::Address;
use pychat_windows::{Pipe, pipe::ConnectError};
use std::{io, time::Duration};

/// Connected to a daemon of our own user.
#[derive(Debug)]
pub(super) struct Connection(Pipe);

impl Connection {
    /// Connects, for `patience` at most.
    pub(super) fn open(address: &Address, patience: Duration) -> Result<Self, NotOpened> {
        match Pipe::connect(address.path(), patience) {
            Ok(pipe) => Ok(Self(pipe)),
            Err(ConnectError::Foreign(user)) => Err(NotOpened::Foreign(user.to_string())),
            Err(ConnectError::Io(error)) => Err(error.into()),
        }
    }

    /// Reads what is there, or waits for it; without `patience` for as long as it takes.
    pub(super) fn read(
        &mut self,
        into: &mut [u8],
        patience: Option<Duration>,
    ) -> io::Result<usize> {
        self.0.read(into, patience)
    }

    /// Writes all of it.
    pub(super) fn write_all(&mut self, bytes: &[u8], patience: Duration) -> io::Result<()> {
        self.0.write_all(bytes, patience)
    }
}
