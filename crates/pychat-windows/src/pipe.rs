//! Named pipes that one user alone can open.
//!
//! Two things keep others out. The one who listens creates the pipe with a descriptor that names its own
//! user and nobody else ([`descriptor`]), refuses clients from other machines, and is the first of that
//! name or fails. The one who connects lets itself be identified but not impersonated, and asks whose
//! process listens before it says a word, since anybody may create a pipe of any name.

use crate::{Sid, process::failed};
use interprocess::{
    local_socket::{GenericFilePath, ListenerOptions, ToFsName, tokio::Listener},
    os::windows::{
        local_socket::ListenerOptionsExt as _,
        named_pipe::{pipe_mode::Bytes, tokio::DuplexPipeStream},
        security_descriptor::SecurityDescriptor,
    },
};
use std::{
    fs::{File, OpenOptions},
    io,
    os::windows::{fs::OpenOptionsExt as _, io::OwnedHandle},
    path::Path,
    time::{Duration, Instant},
};
use widestring::U16CString;
use winsafe::co;

/// The end of whoever connected.
pub type Stream = DuplexPipeStream<Bytes>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Somebody else listens.
    #[error("it is held by another user ({0})")]
    Foreign(Sid),
    /// Nobody listens, or it fails.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Who may open a pipe of `owner`'s, in Windows' own notation: it is theirs, nothing is inherited from
/// elsewhere, and they may do all with it. Whoever is not named may nothing.
#[must_use]
pub fn descriptor(owner: &Sid) -> String {
    format!("O:{owner}D:P(A;;GA;;;{owner})")
}

/// As [`descriptor`], for administrators too, who may do what they want with a machine anyway.
#[must_use]
pub fn descriptor_for_operators(owner: &Sid) -> String {
    format!("{}(A;;GA;;;BA)", descriptor(owner))
}

/// Listens at `name`, for our own user alone. Needs a runtime around it.
///
/// # Errors
/// Somebody listens there already, whoever it is; or it fails.
pub fn listen(name: &Path) -> io::Result<Listener> {
    listen_for(name, &descriptor(&Sid::own()?))
}

/// Listens at `name`, for our own user and for administrators. Needs a runtime around it.
///
/// # Errors
/// As for [`listen`].
pub fn listen_to_operators(name: &Path) -> io::Result<Listener> {
    listen_for(name, &descriptor_for_operators(&Sid::own()?))
}

fn listen_for(name: &Path, descriptor: &str) -> io::Result<Listener> {
    let descriptor = U16CString::from_str(descriptor)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    ListenerOptions::new()
        .name(name.to_fs_name::<GenericFilePath>()?)
        .security_descriptor(SecurityDescriptor::deserialize(&descriptor)?)
        .create_tokio()
}

/// Whom one who connects speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Our own user.
    Own,
    /// Our own user, and the accounts that only services run as.
    OwnAndServices,
}

/// Connects to the pipe `name`, and waits up to `patience` while all of its places are taken. Needs a
/// runtime around it.
///
/// # Errors
/// See [`ConnectError`].
pub fn connect(name: &Path, trust: Trust, patience: Duration) -> Result<Stream, ConnectError> {
    let handle = OwnedHandle::from(open(name, Instant::now() + patience)?);
    let stream = Stream::try_from(handle).map_err(|error| io::Error::other(error.to_string()))?;
    let theirs = Sid::of_process(stream.server_process_id()?)?;
    let trusted = theirs == Sid::own()?
        || trust == Trust::OwnAndServices && SERVICES.contains(&theirs.as_str());
    if trusted { Ok(stream) } else { Err(ConnectError::Foreign(theirs)) }
}

/// Where whoever listens has no place ready, the next one is made when it next looks.
fn open(name: &Path, deadline: Instant) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options.custom_flags(co::FILE_FLAG::OVERLAPPED.raw());
    options.security_qos_flags(SECURITY_IDENTIFICATION);
    loop {
        match options.open(name) {
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                std::thread::sleep(BUSY_PAUSE);
            }
            Err(error) if is_busy(&error) => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, error));
            }
            opened => return opened,
        }
    }
}

fn is_busy(error: &io::Error) -> bool {
    error.raw_os_error() == failed(co::ERROR::PIPE_BUSY).raw_os_error()
}

/// The system, local services, network services: no person logs in as one of these.
const SERVICES: [&str; 3] = ["S-1-5-18", "S-1-5-19", "S-1-5-20"];

/// Between two looks for a free place.
const BUSY_PAUSE: Duration = Duration::from_millis(2);

/// Whoever listens may know who we are, and not act as us: `SECURITY_IDENTIFICATION` of `winbase.h`.
const SECURITY_IDENTIFICATION: u32 = 1 << 16;

#[cfg(test)]
mod tests;
