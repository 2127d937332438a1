//! A server's key in a file: how several nodes come to share one.
//!
//! Its identity alone would not do: the reset secret goes with it, so that each node makes the reset tokens that the
//! others' clients know.

use super::{
    DataDirectory, DataError, check_mode, owner_only, read, read_secrets, sync_directory, write,
};
use data_encoding::BASE64URL_NOPAD;
use pychat_proto::{PublicKey, SecretKey, ServerSecrets};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// What stands in the file before the keys; behind it the format's version.
const MAGIC: &str = "pychat-server-key";
const VERSION: &str = "1";

const EXPLANATION: &str = "\
# The key of a PyChat server. Whoever has this file can pose as the server to all its clients.
# It is for the other nodes of the same server: `pychat-server key import FILE` on each, then delete the file.
# Keep a copy where your backups are and nobody else reads; do not send it by mail or chat.
";

/// Longest file that is looked at: the explanation and two keys are well below it.
const FILE_BYTES_MAX: u64 = 4096;

/// What becomes of what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// It stays, and nothing is done.
    Never,
    /// It goes, as somebody wants that.
    Wanted,
}

impl Overwrite {
    /// As the flag says.
    #[must_use]
    pub const fn if_wanted(yes: bool) -> Self {
        if yes { Self::Wanted } else { Self::Never }
    }
}

/// What an import came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The directory has this key now.
    Written(PublicKey),
    /// It had it before.
    Same(PublicKey),
}

/// Why a key was not exported or imported. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Something is in the file's place.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was not made by `key export`, or not all of it is there.
    #[error("{} is no key of a pychat-server, or it is damaged", .0.display())]
    Foreign(PathBuf),
    /// A later format.
    #[error("{} was made by a later version of pychat-server", .0.display())]
    Newer(PathBuf),
    /// The directory has another key.
    #[error("{} holds the key of another server, which clients know as {key}", path.display())]
    Occupied {
        /// The data directory.
        path: PathBuf,
        /// Its key.
        key: PublicKey,
    },
    /// The data directory, or the file's permissions.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl KeyFileError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Exists(_) => "name another file, or overwrite this one with --yes".into(),
            Self::File { .. } => "see that the file's directory is there and can be used".into(),
            Self::Foreign(_) => {
                "name a file that `pychat-server key export` has made; make it again on the other node"
                    .into()
            }
            Self::Newer(_) => "install the same version of pychat-server on all nodes".into(),
            Self::Occupied { .. } => {
                "with --yes that key is overwritten: clients that know it refuse this server from then \
                 on; keep it first with `pychat-server key export`"
                    .into()
            }
            Self::Data(error) => error.hint(),
        }
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> KeyFileError {
    move |source| KeyFileError::File { path: path.to_owned(), source }
}

/// Writes the key of the server in `data`, which may be running, to `file`, for its owner alone.
///
/// # Errors
/// See [`KeyFileError`].
pub fn export(data: &Path, file: &Path, overwrite: Overwrite) -> Result<PublicKey, KeyFileError> {
    let secrets = read(data)?;
    if overwrite == Overwrite::Never && fs::symlink_metadata(file).is_ok() {
        return Err(KeyFileError::Exists(file.to_owned()));
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let unfinished = PathBuf::from(name);
    let written = write_new(&unfinished, &text_of(&secrets))
        .and_then(|()| fs::rename(&unfinished, file))
        .and_then(|()| sync_directory(parent(file)));
    if let Err(error) = written {
        let _ = fs::remove_file(&unfinished);
        return Err(at(file)(error));
    }
    Ok(secrets.identity.public())
}

/// Makes the key in `file` that of the server in `data`, which must not be running; the directory is made if there
/// is none.
///
/// # Errors
/// See [`KeyFileError`].
pub fn import(data: &Path, file: &Path, overwrite: Overwrite) -> Result<Imported, KeyFileError> {
    let secrets = read_file(file)?;
    let key = secrets.identity.public();
    let directory = DataDirectory::take(data)?;
    match read_secrets(&directory.path) {
        Ok(Some(before)) if is_same(&before, &secrets) => return Ok(Imported::Same(key)),
        Ok(Some(before)) if overwrite == Overwrite::Never => {
            let (path, key) = (data.to_owned(), before.identity.public());
            return Err(KeyFileError::Occupied { path, key });
        }
        Ok(_) | Err(DataError::Missing(_)) => {}
        Err(_) if overwrite == Overwrite::Wanted => {}
        Err(error) => return Err(error.into()),
    }
    write(&directory.path, &secrets)?;
    Ok(Imported::Written(key))
}

fn is_same(one: &ServerSecrets, other: &ServerSecrets) -> bool {
    // Both are ours: nobody learns anything by how long it takes.
    one.identity.as_bytes() == other.identity.as_bytes()
        && one.reset.as_bytes() == other.reset.as_bytes()
}

fn text_of(secrets: &ServerSecrets) -> Zeroizing<String> {
    let [identity, reset] = [&secrets.identity, &secrets.reset]
        .map(|key| Zeroizing::new(BASE64URL_NOPAD.encode(key.as_bytes())));
    let (identity, reset) = (identity.as_str(), reset.as_str());
    let public = secrets.identity.public();
    Zeroizing::new(format!(
        "{EXPLANATION}# Clients know this server as {public}\n{MAGIC} {VERSION}\nidentity {identity}\nreset {reset}\n"
    ))
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    owner_only(&mut options);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn parent(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

fn read_file(path: &Path) -> Result<ServerSecrets, KeyFileError> {
    let file = File::open(path).map_err(at(path))?;
    check_mode(path, 0o077, 0o600)?;
    let mut text = Zeroizing::new(String::new());
    match file.take(FILE_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(KeyFileError::Foreign(path.to_owned()));
        }
        Err(error) => return Err(at(path)(error)),
    }
    let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let foreign = || KeyFileError::Foreign(path.to_owned());
    let mut value = |name: &str| {
        let (found, value) = lines.next()?.split_once(' ')?;
        (found == name).then_some(value.trim())
    };
    match value(MAGIC).ok_or_else(foreign)? {
        VERSION => {}
        _ => return Err(KeyFileError::Newer(path.to_owned())),
    }
    let identity = value("identity").and_then(key_of).ok_or_else(foreign)?;
    let reset = value("reset").and_then(key_of).ok_or_else(foreign)?;
    Ok(ServerSecrets { identity, reset })
}

fn key_of(text: &str) -> Option<SecretKey> {
    let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?);
    let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(bytes.as_slice().try_into().ok()?);
    Some(SecretKey::from_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two data directories and a place for a file; a server was in the first.
    fn stage() -> (tempfile::TempDir, PathBuf, PathBuf, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let [first, second, file] =
            ["first", "second", "server.key"].map(|name| directory.path().join(name));
        DataDirectory::take(&first).unwrap().secrets().unwrap();
        (directory, first, second, file)
    }

    #[test]
    fn a_key_goes_whole_from_one_node_to_the_next() {
        let (_directory, first, second, file) = stage();
        let key = export(&first, &file, Overwrite::Never).unwrap();
        assert_eq!(import(&second, &file, Overwrite::Never).unwrap(), Imported::Written(key));
        assert!(is_same(&read(&first).unwrap(), &read(&second).unwrap()));
        assert_eq!(import(&second, &file, Overwrite::Never).unwrap(), Imported::Same(key));
        assert!(
            DataDirectory::take(&second).unwrap().secrets().is_ok(),
            "the server starts with it"
        );
    }

    #[test]
    fn nothing_is_overwritten_unless_that_is_wanted() {
        let (_directory, first, second, file) = stage();
        DataDirectory::take(&second).unwrap().secrets().unwrap();
        export(&first, &file, Overwrite::Never).unwrap();
        let error = export(&first, &file, Overwrite::Never).unwrap_err();
        assert!(matches!(error, KeyFileError::Exists(_)), "{error}");
        let key = export(&first, &file, Overwrite::Wanted).unwrap();
        let error = import(&second, &file, Overwrite::Never).unwrap_err();
        let own = read(&second).unwrap().identity.public();
        assert!(matches!(error, KeyFileError::Occupied { key, .. } if key == own), "{error}");
        assert_eq!(import(&second, &file, Overwrite::Wanted).unwrap(), Imported::Written(key));
        assert!(is_same(&read(&first).unwrap(), &read(&second).unwrap()));
    }

    #[test]
    fn a_running_servers_key_can_be_exported_and_not_replaced() {
        let (_directory, first, _, file) = stage();
        let _running = DataDirectory::take(&first).unwrap();
        export(&first, &file, Overwrite::Never).unwrap();
        let error = import(&first, &file, Overwrite::Wanted).unwrap_err();
        assert!(matches!(error, KeyFileError::Data(DataError::InUse(_))), "{error}");
    }

    #[test]
    fn a_lost_key_comes_back_with_an_import() {
        let (_directory, first, _, file) = stage();
        export(&first, &file, Overwrite::Never).unwrap();
        let before = read(&first).unwrap();
        fs::remove_file(first.join(super::super::RESET_FILE)).unwrap();
        import(&first, &file, Overwrite::Never).unwrap();
        assert!(is_same(&read(&first).unwrap(), &before));
    }

    #[test]
    fn what_is_no_key_or_a_later_one_is_told() {
        let (_directory, first, second, file) = stage();
        export(&first, &file, Overwrite::Never).unwrap();
        let whole = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        for (text, newer) in [
            (whole.replace(" 1\n", " 2\n"), true),
            (lines[..lines.len() - 1].join("\n"), false),
            (whole.replace("identity", "identities"), false),
            (whole[..whole.len() - 5].to_owned(), false),
            ("\u{fffd}".into(), false),
            (String::new(), false),
        ] {
            fs::write(&file, &text).unwrap();
            let error = import(&second, &file, Overwrite::Never).unwrap_err();
            assert!(
                if newer {
                    matches!(error, KeyFileError::Newer(_))
                } else {
                    matches!(error, KeyFileError::Foreign(_))
                },
                "{error}"
            );
            assert!(!second.exists(), "nothing was made");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_alone_and_a_looser_one_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let (_directory, first, second, file) = stage();
        export(&first, &file, Overwrite::Never).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let error = import(&second, &file, Overwrite::Wanted).unwrap_err();
        assert!(
            matches!(error, KeyFileError::Data(DataError::Loose { mode: 0o644, .. })),
            "{error}"
        );
        assert_eq!(error.hint(), format!("chmod 600 {}", file.display()));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let key = first.join(super::super::IDENTITY_FILE);
        fs::set_permissions(key, fs::Permissions::from_mode(0o640)).unwrap();
        let error = export(&first, &file, Overwrite::Wanted).unwrap_err();
        assert!(matches!(error, KeyFileError::Data(DataError::Loose { .. })), "{error}");
    }
}
