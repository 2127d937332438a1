//! A connection for a program without a runtime: each step waits, for so long at most.
//!
//! The system's own way to wait for a pipe knows no time limit, so that a small runtime does it.

use crate::pipe::{self, ConnectError, Stream, Trust};
use std::{
    io::{self, Read, Write},
    path::Path,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Runtime,
    time::timeout,
};

/// A connection to a pipe of our own user.
#[derive(Debug)]
pub struct Pipe {
    stream: Stream,
    /// After the stream, which is dropped within it.
    runtime: Runtime,
}

impl Pipe {
    /// Connects to our own user's pipe, see [`pipe::connect`].
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect(name: &Path, patience: Duration) -> Result<Self, ConnectError> {
        Self::connect_to(name, Trust::Own, patience)
    }

    /// Connects to a pipe of our own user's or of a service.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect_as_operator(name: &Path, patience: Duration) -> Result<Self, ConnectError> {
        Self::connect_to(name, Trust::OwnAndServices, patience)
    }

    fn connect_to(name: &Path, trust: Trust, patience: Duration) -> Result<Self, ConnectError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stream = {
            let _within = runtime.enter();
            pipe::connect(name, trust, patience)?
        };
        Ok(Self { stream, runtime })
    }

    /// Reads what is there, or waits for it; nothing is the end. Without `patience` for as long as it
    /// takes.
    ///
    /// # Errors
    /// Nothing comes in time, or the connection broke.
    pub fn read(&mut self, into: &mut [u8], patience: Option<Duration>) -> io::Result<usize> {
        let stream = &mut self.stream;
        self.runtime.block_on(async {
            match patience {
                None => stream.read(into).await,
                Some(patience) => timeout(patience, stream.read(into)).await?,
            }
        })
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// It is not taken in time, or the connection broke.
    pub fn write_all(&mut self, bytes: &[u8], patience: Duration) -> io::Result<()> {
        let stream = &mut self.stream;
        self.runtime.block_on(async { timeout(patience, stream.write_all(bytes)).await? })
    }

    /// For whoever reads and writes as from and to a file: each step may take so long.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Patient {
        Patient { pipe: self, patience }
    }
}

/// A [`Pipe`] as std's traits have it.
#[derive(Debug)]
pub struct Patient {
    pipe: Pipe,
    patience: Duration,
}

impl Read for Patient {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.pipe.read(into, Some(self.patience))
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pipe.write_all(bytes, self.patience).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
