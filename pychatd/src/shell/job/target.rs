//! The file that an archive goes into: it has its name once it is whole.

use super::random;
use crate::{archive::sync_dir, shell::Fault};
use pychat_control::ARCHIVE_STDIO;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// Where an archive goes.
#[derive(Debug)]
pub(super) struct Target {
    file: File,
    /// None for standard output.
    names: Option<Names>,
}

/// Removes the draft, if it was not published.
#[derive(Debug)]
struct Names {
    draft: PathBuf,
    path: PathBuf,
    overwrite: bool,
}

impl Target {
    /// Begins a file beside `path`, for its owner alone.
    pub(super) fn new(path: &Path, overwrite: bool) -> Result<Self, Fault> {
        if path == Path::new(ARCHIVE_STDIO) {
            let file = stdout().map_err(|error| failed(path, &error))?;
            return Ok(Self { file, names: None });
        }
        if !overwrite && fs::symlink_metadata(path).is_ok() {
            return Err(exists(path));
        }
        let Some(name) = path.file_name() else {
            return Err(Fault::usage(format!("{} is no name of a file", path.display())));
        };
        let number = u32::from_be_bytes(random()?);
        let draft = path.with_file_name(format!(".{}.{number:08x}.part", name.display()));
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&draft).map_err(|error| failed(path, &error))?;
        Ok(Self { file, names: Some(Names { draft, path: path.to_owned(), overwrite }) })
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives the file its name, once all of it is on disk.
    pub(super) fn publish(self) -> Result<(), Fault> {
        let Some(names) = self.names else { return Ok(()) };
        let path = &names.path;
        let published = self.file.sync_all().and_then(|()| names.link());
        match published {
            Ok(()) => {
                let directory = path.parent().unwrap_or(Path::new("."));
                sync_dir(directory).map_err(|error| failed(path, &error))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(path)),
            Err(error) => Err(failed(path, &error)),
        }
    }
}

impl Names {
    fn link(&self) -> io::Result<()> {
        let Self { draft, path, overwrite } = self;
        // A link never takes the place of something.
        if !*overwrite {
            match fs::hard_link(draft, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
                // The draft's own name goes when this is dropped.
                Ok(()) => return Ok(()),
                // A file system without links, such as a stick's.
                Err(_) if fs::symlink_metadata(path).is_ok() => {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                Err(_) => {}
            }
        }
        fs::rename(draft, path)
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        // Renamed, it is gone already.
        let _ = fs::remove_file(&self.draft);
    }
}

fn stdout() -> io::Result<File> {
    #[cfg(unix)]
    let ours = std::os::fd::AsFd::as_fd(&io::stdout()).try_clone_to_owned()?;
    #[cfg(windows)]
    let ours = std::os::windows::io::AsHandle::as_handle(&io::stdout()).try_clone_to_owned()?;
    Ok(ours.into())
}

fn exists(path: &Path) -> Fault {
    Fault::refused(format!("the file {} is there already", path.display()))
        .hint("choose another name, or overwrite it: --force")
}

fn failed(path: &Path, error: &io::Error) -> Fault {
    Fault::failed(format!("the file {} cannot be written: {error}", path.display()))
}
