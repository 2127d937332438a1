//! The local socket on which a running server answers its operator: root, and the user it runs as.

use super::{
    api::{Answer, Refused},
    desk::Desk,
    talk::{ACCEPT_PAUSE, CONNECTIONS_MAX, converse, line},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    io::AsyncWriteExt,
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinSet,
};
use tracing::{debug, warn};

/// The socket, and who is on it.
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    connections: JoinSet<()>,
    seats: Arc<Semaphore>,
}

impl Socket {
    /// Listens, in place of a server that is gone: ours is the only one of its data directory.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        // Who may is asked of each who comes; this is for those who would only be sent away.
        let only_ours = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(path, only_ours)?;
        let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Ok(Self { listener, path: path.to_owned(), connections: JoinSet::new(), seats })
    }

    /// Answers whoever comes, for as long as it is polled.
    pub(crate) async fn serve(&mut self, desk: &Desk) {
        loop {
            while self.connections.try_join_next().is_some() {}
            let Ok(seat) = Arc::clone(&self.seats).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) if is_operator(&stream) => {
                    let desk = desk.clone();
                    self.connections.spawn(async move {
                        if let Err(error) = converse(stream, &desk).await {
                            debug!(%error, "an operator's connection broke");
                        }
                        drop(seat);
                    });
                }
                Ok((stream, _)) => refuse(stream).await,
                Err(error) => {
                    warn!(%error, "the admin socket");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether whoever connected is an operator.
fn is_operator(stream: &UnixStream) -> bool {
    let us = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| may(peer.uid(), us))
}

/// Root may, and whoever the server runs as.
const fn may(uid: u32, us: u32) -> bool {
    uid == 0 || uid == us
}

async fn refuse(mut stream: UnixStream) {
    let refused = Refused::new(
        "only root and the user whom the server runs as may do this",
        "run it with sudo",
    );
    // Whoever it was needs no second try.
    let _ = stream.write_all(&line(&Answer::Error(refused))).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn root_and_the_servers_own_user_are_operators_and_nobody_else() {
        assert!(may(0, 998) && may(998, 998));
        assert!(!may(1000, 998) && !may(998, 0) && !may(u32::MAX, 998));
    }

    #[tokio::test]
    async fn the_socket_is_its_owners_alone_takes_a_dead_ones_place_and_goes_with_its_server() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a dead server's socket stays");
        let socket = Socket::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(socket);
        assert!(!path.exists());
    }
}
