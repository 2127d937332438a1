//! Whether a directory is ours alone to write: checked before its socket is trusted.

use std::{io, path::Path};

/// Why a directory is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// It cannot be looked at.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// The directory.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A symbolic link, a file or something else.
    #[error("{path} is not a directory but {what}")]
    NotADirectory {
        /// The path.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// It belongs to somebody else.
    #[error("{path} belongs to another user (uid {owner}, we are {us})")]
    Foreign {
        /// The directory.
        path: String,
        /// Its owner's user id.
        owner: u32,
        /// Our user id.
        us: u32,
    },
    /// Others can write to it.
    #[error("{path} can be written by other users (mode {mode:03o})")]
    Open {
        /// The directory.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
}

/// Checks that `path` is a directory, no link to one, that belongs to us and that nobody else can
/// write to. On Windows, the user's own profile directory is trusted as it is.
///
/// # Errors
/// It is not.
pub fn check_private_dir(path: &Path) -> Result<(), Untrusted> {
    let shown = path.display().to_string();
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(source) => return Err(Untrusted::Unreadable { path: shown, source }),
    };
    if !metadata.is_dir() {
        let what = if metadata.is_symlink() { "a symbolic link" } else { "a file" };
        return Err(Untrusted::NotADirectory { path: shown, what });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (owner, us) = (metadata.uid(), rustix::process::geteuid().as_raw());
        if owner != us {
            return Err(Untrusted::Foreign { path: shown, owner, us });
        }
        let mode = metadata.mode() & 0o777;
        if mode & 0o022 != 0 {
            return Err(Untrusted::Open { path: shown, mode });
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    #[test]
    fn only_a_real_directory_of_ours_is_trusted() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("dir");
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(check_private_dir(&dir).is_ok());

        let link = temp.path().join("link");
        std::os::unix::fs::symlink(&dir, &link).unwrap();
        assert!(matches!(
            check_private_dir(&link),
            Err(Untrusted::NotADirectory { what: "a symbolic link", .. })
        ));
        let file = temp.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(
            check_private_dir(&file),
            Err(Untrusted::NotADirectory { what: "a file", .. })
        ));
        assert!(matches!(
            check_private_dir(&temp.path().join("none")),
            Err(Untrusted::Unreadable { .. })
        ));
    }

    #[test]
    fn a_directory_that_others_write_to_is_not_trusted() {
        let temp = tempfile::tempdir().unwrap();
        for (mode, trusted) in [(0o755, true), (0o770, false), (0o707, false)] {
            fs::set_permissions(temp.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(check_private_dir(temp.path()).is_ok(), trusted, "{mode:o}");
        }
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o700)).unwrap();
    }
}
