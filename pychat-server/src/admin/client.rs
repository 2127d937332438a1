//! Asks a running server over its admin socket.

use super::api::{Answer, LINE_BYTES_MAX, Refused, Request};
use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// The socket's name in its directory.
#[cfg(unix)]
const SOCKET_FILE: &str = "admin.sock";

/// Where the systemd unit has it.
#[cfg(unix)]
const OF_THE_UNIT: &str = "/run/pychat-server";

#[cfg(unix)]
const HINT_NOT_PERMITTED: &str = "run it with sudo, or as the user whom the server runs as";
#[cfg(windows)]
const HINT_NOT_PERMITTED: &str =
    "run it as an administrator, or as the user whom the server runs as";
#[cfg(unix)]
const HINT_UNREACHABLE: &str =
    "start the server (systemctl start pychat-server), or name its socket with --socket";
#[cfg(windows)]
const HINT_UNREACHABLE: &str =
    "start the server (sc start pychat-server), or name its data directory with --data";

/// A backup of a large store takes a while; nothing else does.
const ANSWER_MAX: Duration = Duration::from_secs(3600);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no server answers at {}: {source}", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The server ended, or does not answer.
    #[error("the server did not answer: {0}")]
    Lost(#[source] io::Error),
    /// The server says no.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl AskError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some(HINT_NOT_PERMITTED.into())
            }
            Self::Unreachable { .. } => Some(HINT_UNREACHABLE.into()),
            Self::Lost(_) => Some("see the server's log; what was asked may be done".into()),
            Self::Refused(refused) => refused.hint.clone(),
        }
    }
}

/// Where a server's socket is: in the runtime directory that systemd gave it, or beside its data.
#[cfg(unix)]
#[must_use]
pub fn socket_beside(data: &Path) -> PathBuf {
    let given = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from);
    given.as_deref().unwrap_or(data).join(SOCKET_FILE)
}

/// A server's pipe, which is named after its data directory; the service's after itself.
#[cfg(windows)]
#[must_use]
pub fn socket_beside(data: &Path) -> PathBuf {
    if crate::run::is_service() {
        return OF_THE_SERVICE.into();
    }
    // Not its real path, which is there only once the server has made it.
    let place = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let place = place.as_os_str().to_ascii_lowercase();
    // FNV-1a: the same in every version of the program.
    let hash = place.as_encoded_bytes().iter();
    let hash = hash.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!(r"\\.\pipe\pychat-server-{hash:016x}").into()
}

/// The socket to ask when none was named: the unit's, if there is one.
#[cfg(unix)]
#[must_use]
pub fn find_socket(data: &Path) -> PathBuf {
    let beside = socket_beside(data);
    let of_the_unit = Path::new(OF_THE_UNIT).join(SOCKET_FILE);
    if !beside.exists() && of_the_unit.exists() { of_the_unit } else { beside }
}

/// The pipe to ask when none was named: the service's, if that is all there is.
#[cfg(windows)]
#[must_use]
pub fn find_socket(data: &Path) -> PathBuf {
    use pychat_windows::{Pipe, pipe::ConnectError};
    let beside = socket_beside(data);
    match Pipe::connect_as_operator(&beside, CONNECT_MAX) {
        Err(ConnectError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            OF_THE_SERVICE.into()
        }
        _ => beside,
    }
}

/// Where the service is asked.
#[cfg(windows)]
const OF_THE_SERVICE: &str = r"\\.\pipe\pychat-server";

/// Asks, and waits for the answer.
///
/// # Errors
/// See [`AskError`].
pub fn ask(socket: &Path, request: &Request) -> Result<serde_json::Value, AskError> {
    let unreachable = |source| AskError::Unreachable { path: socket.to_owned(), source };
    let mut connection = connect(socket).map_err(unreachable)?;
    // Texts and numbers are always JSON.
    let mut line = serde_json::to_vec(request).unwrap_or_default();
    line.push(b'\n');
    // One who may not is told so at once, and the socket is closed then.
    let written = connection.write_all(&line);
    let mut answer = Vec::new();
    let read = connection.take(LINE_BYTES_MAX as u64);
    let read = BufReader::new(read).read_until(b'\n', &mut answer);
    match read.and(written) {
        Ok(()) => {}
        Err(error) if answer.is_empty() => return Err(AskError::Lost(error)),
        Err(_) => {}
    }
    match serde_json::from_slice(&answer) {
        Ok(Answer::Ok(value)) => Ok(value),
        Ok(Answer::Error(refused)) => Err(refused.into()),
        Err(error) => Err(AskError::Lost(io::Error::new(io::ErrorKind::InvalidData, error))),
    }
}

#[cfg(unix)]
fn connect(socket: &Path) -> io::Result<impl Read + Write> {
    let stream = std::os::unix::net::UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    Ok(stream)
}

#[cfg(windows)]
fn connect(pipe: &Path) -> io::Result<impl Read + Write> {
    let opened = pychat_windows::Pipe::connect_as_operator(pipe, CONNECT_MAX);
    let opened = opened.map_err(io::Error::other)?;
    Ok(opened.with_patience(ANSWER_MAX))
}

/// As long as all of its places are taken.
#[cfg(windows)]
const CONNECT_MAX: Duration = Duration::from_secs(5);
