//! The control socket's server: accepts connections of the same user and lets each converse with
//! the core. `docs/CONTROL.md` is the specification.
//!
//! Drive it: [`bind`], [`Server::start`], and at the end [`Server::stop_accepting`], then
//! [`Server::close`], so that a client sees its connection end as the daemon's last act.

mod ask;
mod connection;
#[cfg(test)]
mod fake_core;
mod outgoing;
mod seat;
mod subscription;

pub use connection::converse;

use crate::handle::Handle;
use interprocess::local_socket::{
    tokio::{Listener, Stream},
    traits::tokio::Listener as _,
};
use pychat_control::{Address, ErrorCode, Failure, Id, RpcError, error_line};
use seat::Seats;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    sync::{Semaphore, watch},
    task::JoinHandle,
};

/// Connections at a time. For one more an idle one has to leave; if all wait for something, the new one is
/// told so and closed.
pub const CONNECTIONS_MAX: u32 = 64;

/// What `hello` says about this daemon.
#[derive(Clone, Debug)]
pub struct About {
    /// The daemon's version.
    pub version: &'static str,
    /// Its process id.
    pub pid: u32,
    /// The profile that it serves.
    pub profile: String,
}

/// The running server.
#[derive(Debug)]
pub struct Server {
    accepting: JoinHandle<()>,
    /// One permit for each connection.
    connections: Arc<Semaphore>,
    closing: watch::Sender<bool>,
}

/// Listens at `address`. Whoever calls this holds the profile's lock, so that a socket that is there
/// already is a dead daemon's.
///
/// # Errors
/// The address cannot be listened at, or something else than a socket is in the way.
#[cfg(unix)]
pub fn bind(address: &Address) -> io::Result<Listener> {
    use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
    remove_stale(address)?;
    let name = address.path().to_fs_name::<GenericFilePath>()?;
    ListenerOptions::new().name(name).reclaim_name(false).create_tokio()
}

/// Listens at `address`, for our own user alone. Whoever calls this holds the profile's lock, so that a
/// pipe that is there already is that of a daemon whose last connections are just ending, which is waited
/// for; or it is a stranger's.
///
/// # Errors
/// The address cannot be listened at.
#[cfg(windows)]
pub fn bind(address: &Address) -> io::Result<Listener> {
    let deadline = std::time::Instant::now() + TAKEN_MAX;
    loop {
        match pychat_windows::pipe::listen(address.path()) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
            Err(_) if std::time::Instant::now() < deadline => std::thread::sleep(ACCEPT_PAUSE),
            bound => return bound,
        }
    }
}

/// Removes the socket at the end, before the lock is released. A pipe ends with the process that listens.
pub fn unbind(address: &Address) {
    // Left behind, it would be healed by the next daemon.
    #[cfg(unix)]
    let _ = remove_stale(address);
    #[cfg(windows)]
    let _ = address;
}

impl Server {
    /// Starts to accept connections; needs a runtime around it.
    #[must_use]
    pub fn start(listener: Listener, handle: Handle, about: About) -> Self {
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
        let (closing, closed) = watch::channel(false);
        let permits = Arc::clone(&connections);
        let accepting = tokio::spawn(accept(listener, permits, handle, Arc::new(about), closed));
        Self { accepting, connections, closing }
    }

    /// Stops to listen. Connections go on.
    pub async fn stop_accepting(&mut self) {
        self.accepting.abort();
        // Cancelled is how it ends.
        let _ = (&mut self.accepting).await;
    }

    /// Lets connections finish what they were asked and ends them, within `CLOSE_TIMEOUT`.
    pub async fn close(self) {
        self.closing.send_replace(true);
        let all = self.connections.acquire_many(CONNECTIONS_MAX);
        if tokio::time::timeout(CLOSE_TIMEOUT, all).await.is_err() {
            tracing::debug!("control connections were cut at the end");
        }
    }
}

async fn accept(
    listener: Listener,
    permits: Arc<Semaphore>,
    handle: Handle,
    about: Arc<About>,
    closing: watch::Receiver<bool>,
) {
    let mut seats = Seats::new();
    loop {
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a control connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Err(peer) = check_peer(&stream) {
            tracing::warn!(peer, "a control connection of another user was refused");
            continue;
        }
        let permit = match Arc::clone(&permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) if seats.free_one() => {
                // Whoever leaves is gone at its next turn.
                let freed = Arc::clone(&permits).acquire_owned();
                let Ok(Ok(permit)) = tokio::time::timeout(CLOSE_TIMEOUT, freed).await else {
                    tokio::spawn(turn_away(stream));
                    continue;
                };
                permit
            }
            Err(_) => {
                tokio::spawn(turn_away(stream));
                continue;
            }
        };
        let (handle, about, closing) = (handle.clone(), Arc::clone(&about), closing.clone());
        let seat = seats.take();
        tokio::spawn(async move {
            tokio::select! {
                () = connection::converse_at(&seat, stream, handle, about, closing) => {}
                () = seat.wanted() => {
                    tracing::debug!("an idle control connection was ended for a new one");
                }
            }
            drop(permit);
        });
    }
}

/// Says why there is no place. The line fits the socket's empty buffer, so this never waits for
/// long; if it does, the client is told by the end of the connection.
async fn turn_away(mut stream: Stream) {
    let failure = Failure {
        code: ErrorCode::LimitReached,
        message: format!("the daemon serves {CONNECTIONS_MAX} connections at a time"),
        hint: Some("close programs that use PyChat, such as `pychatctl inbox --follow`".into()),
        sent: None,
    };
    let line = error_line(&Id::Null, &RpcError::from(failure));
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, stream.write_all(line.as_bytes())).await;
}

#[cfg(unix)]
fn check_peer(stream: &Stream) -> Result<(), String> {
    use interprocess::local_socket::traits::StreamCommon as _;
    let us = rustix::process::geteuid().as_raw();
    match stream.peer_creds() {
        Ok(peer) if peer.euid() == Some(us) => Ok(()),
        Ok(peer) => Err(format!("{:?}", peer.euid())),
        Err(error) => Err(error.to_string()),
    }
}

/// The pipe's descriptor lets nobody but its owner in.
#[cfg(windows)]
fn check_peer(_: &Stream) -> Result<(), String> {
    Ok(())
}

#[cfg(unix)]
fn remove_stale(address: &Address) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match address.path().symlink_metadata() {
        Ok(metadata) if metadata.file_type().is_socket() => std::fs::remove_file(address.path()),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "something that is no socket is in the way",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// How long connections get at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the connections of a daemon that ends keep its pipe's name: as long as it lets them, and a
/// little longer.
#[cfg(windows)]
const TAKEN_MAX: Duration = Duration::from_secs(3);

/// Rest after a failed accept: it fails when file descriptors run out, and would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(all(test, unix))]
mod tests;
