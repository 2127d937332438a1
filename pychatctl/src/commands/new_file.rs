//! A file that is there as a whole or not at all: it is written beside its place, and moved there.

use pychat_control::{ErrorCode, Failure};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// What to do with a file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// Leave it, and fail.
    Keep,
    /// Take its place.
    Replace,
}

/// Such a file. What is not [finished](Self::finish) is removed.
#[derive(Debug)]
pub(super) struct NewFile {
    file: File,
    beside: PathBuf,
    place: PathBuf,
    existing: Existing,
}

impl NewFile {
    /// Begins it; nobody else may read it.
    pub(super) fn create(place: &Path, existing: Existing) -> Result<Self, Failure> {
        if existing == Existing::Keep && place.symlink_metadata().is_ok() {
            return Err(is_there(place));
        }
        let Some(name) = place.file_name() else {
            return Err(failure(place, &io::ErrorKind::IsADirectory.into()));
        };
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.part", std::process::id()));
        let beside = place.with_file_name(hidden);
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&beside).map_err(|error| failure(place, &error))?;
        Ok(Self { file, beside, place: place.to_owned(), existing })
    }

    /// It is complete: puts it into its place, for sure.
    pub(super) fn finish(self) -> Result<(), Failure> {
        self.move_there().map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => is_there(&self.place),
            _ => failure(&self.place, &error),
        })
    }

    fn move_there(&self) -> io::Result<()> {
        self.file.sync_all()?;
        match self.existing {
            Existing::Replace => fs::rename(&self.beside, &self.place),
            // A link, unlike a move, never takes the place of what came there meanwhile.
            Existing::Keep => match fs::hard_link(&self.beside, &self.place) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    // This file system has no links.
                    fs::rename(&self.beside, &self.place)
                }
                linked => linked,
            },
        }
    }

    /// What to say of a write that failed.
    pub(super) fn failed(&self, error: &io::Error) -> Failure {
        failure(&self.place, error)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // It may be in its place by now.
        let _ = fs::remove_file(&self.beside);
    }
}

fn is_there(place: &Path) -> Failure {
    Failure {
        code: ErrorCode::Refused,
        message: format!("the file {} is there already", place.display()),
        hint: Some("choose another name, or overwrite it with --force".into()),
        sent: None,
    }
}

fn failure(place: &Path, error: &io::Error) -> Failure {
    Failure {
        code: ErrorCode::Other,
        message: format!("the file {} cannot be written: {error}", place.display()),
        hint: None,
        sent: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn it_is_there_as_a_whole_or_not_at_all() {
        let temp = tempfile::tempdir().unwrap();
        let place = temp.path().join("a.jsonl");
        let mut file = NewFile::create(&place, Existing::Keep).unwrap();
        file.write_all(b"one").unwrap();
        assert!(!place.exists());
        drop(file);
        assert_eq!(names(temp.path()), [""; 0], "nothing is left behind");
        let mut file = NewFile::create(&place, Existing::Keep).unwrap();
        file.write_all(b"two").unwrap();
        file.finish().unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"two");
        assert_eq!(names(temp.path()), ["a.jsonl"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn what_is_there_stays_unless_it_is_to_go() {
        let temp = tempfile::tempdir().unwrap();
        let place = temp.path().join("a.jsonl");
        // It comes there while the new one is written.
        let file = NewFile::create(&place, Existing::Keep).unwrap();
        fs::write(&place, "old").unwrap();
        assert_eq!(file.finish().unwrap_err().code, ErrorCode::Refused);
        let failure = NewFile::create(&place, Existing::Keep).unwrap_err();
        assert_eq!(failure.code, ErrorCode::Refused);
        assert_eq!(fs::read(&place).unwrap(), b"old");
        NewFile::create(&place, Existing::Replace).unwrap().finish().unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"");
        assert_eq!(names(temp.path()), ["a.jsonl"]);
    }

    #[test]
    fn a_place_that_cannot_be_is_told() {
        let temp = tempfile::tempdir().unwrap();
        assert!(NewFile::create(&temp.path().join("no/a"), Existing::Keep).is_err());
        assert!(NewFile::create(Path::new(".."), Existing::Replace).is_err());
    }
}
