//! The data directory, and the keys in it: lose them and clients see a changed server.

pub mod key_file;

use crate::random;
use pychat_proto::{SecretKey, ServerSecrets};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The file of the mailbox store in the data directory.
pub const STORE_FILE: &str = "mailboxes.sqlite3";

const NO_NEW_KEY: &str =
    "restore it from a backup; a new key would make every client refuse this server";

const IDENTITY_FILE: &str = "identity.key";
const RESET_FILE: &str = "reset.key";
const LOCK_FILE: &str = "server.lock";
const KEY_BYTES: usize = 32;

/// A data directory that is ours for as long as this lives.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// It cannot be made.
    #[error("the data directory {} cannot be made: {source}", path.display())]
    Create {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file in it cannot be read or written.
    #[error("{} cannot be used: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another server has it.
    #[error("the data directory {} is in use by another pychat-server", .0.display())]
    InUse(PathBuf),
    /// Others than its owner may read a key or change the directory.
    #[error("{} is open to other users (mode {mode:04o})", path.display())]
    Loose {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// What it should be.
        wanted: u32,
    },
    /// A key file of another size.
    #[error("{} holds {bytes} bytes where a key has {KEY_BYTES}: it is damaged", path.display())]
    Size {
        /// Which.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// There are mailboxes and no key, or only one of the two keys.
    #[error("{} is missing, though the directory has been in use", .0.display())]
    Missing(PathBuf),
    /// No server was ever started here.
    #[error("{} holds no server yet", .0.display())]
    NoServer(PathBuf),
}

impl DataError {
    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Create { .. } => "choose another one with --data".into(),
            Self::File { .. } => {
                "it must belong to the user who runs the server; choose another one with --data"
                    .into()
            }
            Self::InUse(_) => "stop the other server, or choose another one with --data".into(),
            Self::Loose { path, wanted, .. } => format!("chmod {wanted:o} {}", path.display()),
            Self::Size { .. } => NO_NEW_KEY.into(),
            Self::Missing(_) => format!(
                "{NO_NEW_KEY}. Where mailboxes were moved to with `pychat-server migrate`, bring the key with \
                 `pychat-server key export` and `key import`"
            ),
            Self::NoServer(_) => "start the server once, or name its directory with --data".into(),
        }
    }
}

impl DataDirectory {
    /// Makes the directory if there is none (for its owner alone), and takes it.
    ///
    /// # Errors
    /// See [`DataError`].
    pub fn take(path: &Path) -> Result<Self, DataError> {
        create(path)?;
        check_mode(path, 0o022, 0o700)?;
        let lock_path = path.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        owner_only(&mut options);
        let lock = options.open(&lock_path).map_err(at(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(at(&lock_path)(source)),
        }
    }

    /// Where the mailbox store is.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.path.join(STORE_FILE)
    }

    /// Reads the keys, or makes them in a directory that has never been in use.
    ///
    /// # Errors
    /// See [`DataError`].
    pub fn secrets(&self) -> Result<ServerSecrets, DataError> {
        if let Some(secrets) = read_secrets(&self.path)? {
            return Ok(secrets);
        }
        if self.store().exists() {
            return Err(DataError::Missing(self.path.join(IDENTITY_FILE)));
        }
        // The identity comes last: once it is there, everything is.
        create_key(&self.path, RESET_FILE)?;
        create_key(&self.path, IDENTITY_FILE)?;
        read_secrets(&self.path)?.ok_or_else(|| DataError::Missing(self.path.join(IDENTITY_FILE)))
    }
}

/// Reads the keys of a server that may be running.
///
/// # Errors
/// See [`DataError`].
pub fn read(path: &Path) -> Result<ServerSecrets, DataError> {
    read_secrets(path)?.ok_or_else(|| DataError::NoServer(path.to_owned()))
}

/// Writes the keys of a server that is restored.
///
/// # Errors
/// See [`DataError`].
pub(crate) fn write(path: &Path, secrets: &ServerSecrets) -> Result<(), DataError> {
    // The identity comes last: once it is there, everything is.
    write_key(path, RESET_FILE, secrets.reset.as_bytes())?;
    write_key(path, IDENTITY_FILE, secrets.identity.as_bytes())
}

/// `None`: there is no identity yet.
fn read_secrets(path: &Path) -> Result<Option<ServerSecrets>, DataError> {
    let Some(identity) = read_key(&path.join(IDENTITY_FILE))? else { return Ok(None) };
    let reset_path = path.join(RESET_FILE);
    let reset = read_key(&reset_path)?.ok_or(DataError::Missing(reset_path))?;
    Ok(Some(ServerSecrets { identity, reset }))
}

fn read_key(path: &Path) -> Result<Option<SecretKey>, DataError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path)(error)),
    };
    check_mode(path, 0o077, 0o600)?;
    let bytes = file.metadata().map_err(at(path))?.len();
    if bytes != KEY_BYTES as u64 {
        return Err(DataError::Size { path: path.to_owned(), bytes });
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    file.read_exact(&mut *key).map_err(at(path))?;
    Ok(Some(SecretKey::from_bytes(*key)))
}

/// Makes a key file that is there whole or not at all, also after a power cut.
fn create_key(directory: &Path, name: &str) -> Result<(), DataError> {
    let key = random::bytes().map_err(at(&directory.join(name)))?;
    write_key(directory, name, &key)
}

/// As [`create_key`], with a key that is known.
fn write_key(directory: &Path, name: &str, key: &[u8; KEY_BYTES]) -> Result<(), DataError> {
    let path = directory.join(name);
    let unfinished = directory.join(format!("{name}.new"));
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    owner_only(&mut options);
    let write = || {
        let mut file = options.open(&unfinished)?;
        file.write_all(key)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        sync_directory(directory)
    };
    write().map_err(at(&path))
}

/// Makes a directory if there is none, for its owner alone.
pub(crate) fn create(path: &Path) -> Result<(), DataError> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made = builder.create(path);
    made.map_err(|source| DataError::Create { path: path.to_owned(), source })
}

fn at(path: &Path) -> impl Fn(io::Error) -> DataError {
    move |source| DataError::File { path: path.to_owned(), source }
}

#[cfg(unix)]
fn check_mode(path: &Path, forbidden: u32, wanted: u32) -> Result<(), DataError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_err(at(path))?.permissions().mode() & 0o7777;
    if mode & forbidden != 0 {
        return Err(DataError::Loose { path: path.to_owned(), mode, wanted });
    }
    Ok(())
}

/// What is made is for its owner alone.
#[cfg(unix)]
pub(crate) fn owner_only(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Permissions are inherited from the directory there.
#[cfg(not(unix))]
fn check_mode(_path: &Path, _forbidden: u32, _wanted: u32) -> Result<(), DataError> {
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn owner_only(_options: &mut OpenOptions) {}

#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn identity(secrets: &ServerSecrets) -> pychat_proto::PublicKey {
        secrets.identity.public()
    }

    #[test]
    fn keys_are_made_once_and_read_ever_after() {
        let directory = directory();
        let path = directory.path().join("new/data");
        let first = DataDirectory::take(&path).unwrap().secrets().unwrap();
        let second = DataDirectory::take(&path).unwrap().secrets().unwrap();
        assert_eq!(identity(&first), identity(&second));
        assert_eq!(first.reset.as_bytes(), second.reset.as_bytes());
        assert_ne!(first.reset.as_bytes(), first.identity.as_bytes());
        assert_eq!(identity(&read(&path).unwrap()), identity(&first));
    }

    #[test]
    fn a_directory_has_one_server() {
        let directory = directory();
        let _held = DataDirectory::take(directory.path()).unwrap();
        let second = DataDirectory::take(directory.path());
        assert!(matches!(second, Err(DataError::InUse(_))), "{second:?}");
    }

    #[test]
    fn a_lost_key_is_not_replaced_behind_the_operators_back() {
        let directory = directory();
        let data = DataDirectory::take(directory.path()).unwrap();
        data.secrets().unwrap();
        fs::write(data.store(), "").unwrap();
        for name in [RESET_FILE, IDENTITY_FILE] {
            fs::remove_file(directory.path().join(name)).unwrap();
            let error = data.secrets().unwrap_err();
            assert!(matches!(&error, DataError::Missing(path) if path.ends_with(name)), "{error}");
        }
    }

    #[test]
    fn a_key_of_another_size_is_damaged() {
        for bytes in [0, KEY_BYTES - 1, KEY_BYTES + 1] {
            let directory = directory();
            let data = DataDirectory::take(directory.path()).unwrap();
            data.secrets().unwrap();
            fs::write(directory.path().join(IDENTITY_FILE), vec![1; bytes]).unwrap();
            let error = data.secrets().unwrap_err();
            assert!(matches!(error, DataError::Size { bytes: found, .. } if found == bytes as u64));
        }
    }

    #[test]
    fn a_directory_without_a_server_has_no_link() {
        let error = read(directory().path()).unwrap_err();
        assert!(matches!(error, DataError::NoServer(_)), "{error}");
    }

    #[test]
    fn a_file_in_the_directorys_place_is_an_error() {
        let directory = directory();
        let path = directory.path().join("file");
        fs::write(&path, "").unwrap();
        let error = DataDirectory::take(&path).unwrap_err();
        assert!(matches!(error, DataError::Create { .. }), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn what_we_make_is_for_its_owner_alone_and_looser_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = directory();
        let path = directory.path().join("data");
        let key = path.join(IDENTITY_FILE);
        let data = DataDirectory::take(&path).unwrap();
        data.secrets().unwrap();
        for (path, expected) in [(&path, 0o700), (&key, 0o600), (&path.join(RESET_FILE), 0o600)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, expected);
        }
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        let error = data.secrets().unwrap_err();
        assert!(matches!(error, DataError::Loose { mode: 0o640, .. }), "{error}");
        assert_eq!(error.hint(), format!("chmod 600 {}", key.display()));
        drop(data);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).unwrap();
        let error = DataDirectory::take(&path).unwrap_err();
        assert!(matches!(error, DataError::Loose { mode: 0o770, .. }), "{error}");
    }
}
