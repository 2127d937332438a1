//! The device's identity: 32 random bytes in a file of their own, for the owner's eyes only.

use pychat_proto::SecretKey;
use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file is there and is no key.
    #[error(
        "the identity key {0} is damaged: it has to hold exactly 32 bytes. Put a backup of it in its \
         place. Without one, move it away: a new identity is made, and your user name stays with the \
         old one until the server's operator frees it"
    )]
    Damaged(PathBuf),
    /// Others may read the file.
    #[error("the identity key {0} can be read by others; run: chmod 600 '{0}'")]
    Exposed(PathBuf),
    /// The operating system does not let us.
    #[error("the identity key {path} cannot be {action}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Reads the identity at `path`, or makes one of `fresh` random bytes and writes it there first.
///
/// # Errors
/// Says what is wrong with the file; an existing one is never overwritten.
pub fn load_or_create(path: &Path, fresh: SecretKey) -> Result<SecretKey, IdentityError> {
    let failed =
        |action| move |source| IdentityError::Failed { path: path.to_owned(), action, source };
    match fs::File::open(path) {
        Ok(file) => read(path, &file, failed("read")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write(path, &fresh).map_err(failed("written"))?;
            Ok(fresh)
        }
        Err(error) => Err(failed("read")(error)),
    }
}

/// Reads the identity at `path`, which has to be there.
///
/// # Errors
/// Says what is wrong with the file.
pub fn load(path: &Path) -> Result<SecretKey, IdentityError> {
    let failed = |source| IdentityError::Failed { path: path.to_owned(), action: "read", source };
    read(path, &fs::File::open(path).map_err(failed)?, failed)
}

fn read(
    path: &Path,
    file: &fs::File,
    failed: impl Fn(io::Error) -> IdentityError,
) -> Result<SecretKey, IdentityError> {
    if is_exposed(&file.metadata().map_err(&failed)?) {
        return Err(IdentityError::Exposed(path.to_owned()));
    }
    // One byte more than a key has, so that a longer file shows.
    let mut bytes = Zeroizing::new(Vec::with_capacity(33));
    file.take(33).read_to_end(&mut bytes).map_err(&failed)?;
    let key = <[u8; 32]>::try_from(bytes.as_slice())
        .map_err(|_| IdentityError::Damaged(path.to_owned()))?;
    Ok(SecretKey::from_bytes(key))
}

/// Under another name first, so that a crash leaves no half of a key.
fn write(path: &Path, key: &SecretKey) -> io::Result<()> {
    let draft = path.with_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(key.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    #[cfg(unix)]
    if let Some(directory) = path.parent() {
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(unix)]
fn is_exposed(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0
}

#[cfg(not(unix))]
fn is_exposed(_: &fs::Metadata) -> bool {
    false
}
