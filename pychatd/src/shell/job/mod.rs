//! What the program does for `pychatctl` other than being a daemon: a profile is exported or imported. How
//! the two speak to each other is told by `pychat_control::Archived`.

mod export;
mod import;
mod room;
mod target;
#[cfg(test)]
mod tests;

use super::{Fault, cli::Job};
use crate::archive::{
    ReadError,
    age::{DecryptError, Passphrase},
};
use pychat_control::{ErrorCode, Place};
use std::{fs::File, io, io::Read, path::Path};
use zeroize::Zeroizing;

/// Does what is asked, and reports it.
pub(super) fn run(place: &Place, job: &Job) -> Result<(), Fault> {
    let failed = |error| Fault::failed(format!("standard input cannot be read: {error}"));
    let mut stdin = stdin().map_err(failed)?;
    let passphrase = passphrase(&mut stdin)?;
    let told = match job {
        Job::ProfileExport { file, force } => export::run(place, file, *force, &passphrase)?,
        Job::ProfileImport { file } => import::run(place, file, stdin, &passphrase)?,
    };
    eprint!("{}", told.report());
    Ok(())
}

/// Standard input without a buffer, in which the passphrase would stay.
fn stdin() -> io::Result<File> {
    #[cfg(unix)]
    let ours = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?;
    #[cfg(windows)]
    let ours = std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned()?;
    Ok(ours.into())
}

/// The first line.
fn passphrase(from: &mut impl Read) -> Result<Passphrase, Fault> {
    // One more, so that a longer one shows; it never moves.
    let mut line = Zeroizing::new(Vec::with_capacity(Passphrase::BYTES_MAX + 1));
    let mut byte = Zeroizing::new([0; 1]);
    while line.len() <= Passphrase::BYTES_MAX {
        match from.read(&mut *byte) {
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(Fault::failed(format!("the passphrase cannot be read: {error}")));
            }
        }
    }
    Passphrase::new(line).map_err(|error| {
        Fault::usage(error.to_string()).hint("the first line of standard input is the passphrase")
    })
}

fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Fault::failed(format!("the system gives no random bytes: {error}")))?;
    Ok(bytes)
}

/// Why the archive `path` cannot be used. Nothing was written.
fn unreadable(path: &Path, error: &ReadError) -> Fault {
    let shown = path.display();
    let (code, hint) = match error {
        ReadError::Decrypt(DecryptError::WrongPassphrase) => (
            ErrorCode::Refused,
            "nothing was written; try again with the passphrase that it was exported with",
        ),
        ReadError::Newer { .. } => {
            (ErrorCode::VersionMismatch, "nothing was written; update pychatd and pychatctl here")
        }
        ReadError::TooLong(_) => (ErrorCode::LimitReached, "nothing was written"),
        ReadError::Decrypt(DecryptError::Header(_)) | ReadError::OtherContent => (
            ErrorCode::Other,
            "nothing was written; give a file made with `pychatctl profile export`",
        ),
        ReadError::Decrypt(DecryptError::Io(_)) | ReadError::Io(_) => {
            (ErrorCode::Other, "nothing was written")
        }
        ReadError::Broken(_) | ReadError::Line { .. } => (
            ErrorCode::Other,
            "nothing was written; use another copy of the file, or export the profile again",
        ),
    };
    Fault::of(code, format!("the file {shown} cannot be used: {error}")).hint(hint)
}
