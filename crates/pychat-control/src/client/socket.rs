//! A connection over a Unix socket.

use super::NotOpened;
use crate::Address;
use interprocess::{
    ConnectWaitMode,
    local_socket::{
        ConnectOptions, GenericFilePath, Stream, ToFsName, traits::Stream as _,
        traits::StreamCommon as _,
    },
};
use std::{
    io::{self, Read, Write},
    time::Duration,
};

/// Connected to a daemon of our own user.
#[derive(Debug)]
pub(super) struct Connection(Stream);

impl Connection {
    /// Connects, for `patience` at most.
    pub(super) fn open(address: &Address, patience: Duration) -> Result<Self, NotOpened> {
        let stream = ConnectOptions::new()
            .name(address.path().to_fs_name::<GenericFilePath>()?)
            .wait_mode(ConnectWaitMode::Timeout(patience))
            .connect_sync()?;
        check_peer(&stream)?;
        Ok(Self(stream))
    }

    /// Reads what is there, or waits for it; without `patience` for as long as it takes.
    pub(super) fn read(
        &mut self,
        into: &mut [u8],
        patience: Option<Duration>,
    ) -> io::Result<usize> {
        self.0.set_recv_timeout(patience)?;
        self.0.read(into)
    }

    /// Writes all of it.
    pub(super) fn write_all(&mut self, bytes: &[u8], patience: Duration) -> io::Result<()> {
        self.0.set_send_timeout(Some(patience))?;
        self.0.write_all(bytes)
    }
}

fn check_peer(stream: &Stream) -> Result<(), NotOpened> {
    let us = rustix::process::geteuid().as_raw();
    let peer = stream.peer_creds().ok().and_then(|peer| peer.euid());
    match peer {
        Some(uid) if uid == us => Ok(()),
        Some(uid) => Err(NotOpened::Foreign(format!("uid {uid}"))),
        // The other side is gone already.
        None => Err(io::Error::from(io::ErrorKind::NotFound).into()),
    }
}
