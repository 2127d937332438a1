//! A Unix socket for whoever collects metrics without a network.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net,
    },
    path::{Path, PathBuf},
};
use tokio::net::{UnixListener, UnixStream};

/// Who runs the server and its group: whoever collects the figures is let in by that group.
const SOCKET_MODE: u32 = 0o660;

/// The socket; it goes with its server.
pub(super) struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl UnixSocket {
    /// Listens. Call it within a runtime.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        make_room(path)?;
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whoever comes next.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes the socket of a server that is gone, and nothing else.
fn make_room(path: &Path) -> io::Result<()> {
    let in_use = |why: &str| Err(io::Error::new(io::ErrorKind::AddrInUse, why));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => in_use("there is a file that is no socket"),
        Ok(_) if net::UnixStream::connect(path).is_ok() => in_use("another program listens there"),
        Ok(_) => fs::remove_file(path),
    }
}
