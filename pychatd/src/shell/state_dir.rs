//! The state directory: made private, and refused where it is not ours.

use super::Fault;
use pychat_control::{Place, Untrusted, check_private_dir};
use std::{fs, io, io::Write as _, path::Path};

/// Everything that this process creates is for its user alone.
pub(super) fn keep_files_private() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}

/// Creates what is missing of the state directory, the log's and the socket's, and checks that they
/// are ours.
pub(super) fn prepare(place: &Place) -> Result<(), Fault> {
    let state_dir = place.state_dir();
    create_private(state_dir)?;
    create_private(&place.log_dir())?;
    // Only now its real path is known, from which the socket's comes.
    if let Some(dir) = place.address().dir() {
        create_private(dir)?;
    }
    Ok(())
}

/// Creates a directory for us alone, where there is none, and checks that it is ours.
pub(super) fn create_private(dir: &Path) -> Result<(), Fault> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    match builder.create(dir) {
        Ok(()) => {}
        // What is there is looked at below.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(not_writable(dir, &error)),
    }
    check_owned(dir)?;
    make_private(dir).map_err(|error| not_writable(dir, &error))?;
    // Only now nobody else can put anything there any more.
    check_contents(dir)?;
    check_writable(dir).map_err(|error| not_writable(dir, &error))
}

/// While others could write to the directory, they may have put links there, through which we would
/// write to our own files elsewhere, or files of theirs, in which we would keep our secrets.
#[cfg(unix)]
fn check_contents(dir: &Path) -> Result<(), Fault> {
    use std::os::unix::fs::MetadataExt;
    let us = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(dir).map_err(|error| not_writable(dir, &error))? {
        let entry = entry.map_err(|error| not_writable(dir, &error))?;
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // Another daemon that starts at the same moment has removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(not_writable(dir, &error)),
        };
        let what = if metadata.is_symlink() {
            "is a symbolic link".to_owned()
        } else if metadata.uid() != us {
            format!("belongs to another user (uid {}, we are {us})", metadata.uid())
        } else {
            continue;
        };
        return Err(Fault::refused(format!("{} {what}", entry.path().display())).hint(
            "it is not ours: look where it comes from and move it away, or name another directory: \
             pychatd --state-dir DIR",
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_contents(_: &Path) -> Result<(), Fault> {
    Ok(())
}

/// A directory of ours that others can write to becomes private; anything else is not for us.
fn check_owned(dir: &Path) -> Result<(), Fault> {
    match check_private_dir(dir) {
        Ok(()) | Err(Untrusted::Open { .. }) => Ok(()),
        Err(error @ Untrusted::Foreign { .. }) => Err(Fault::refused(error.to_string()).hint(
            "run the daemon as the user whose directory it is, or name another directory: \
                   pychatd --state-dir DIR",
        )),
        Err(error @ Untrusted::NotADirectory { .. }) => Err(Fault::refused(error.to_string())
            .hint("move it away, or name another directory: pychatd --state-dir DIR")),
        Err(Untrusted::Unreadable { source, .. }) => Err(not_writable(dir, &source)),
    }
}

#[cfg(unix)]
fn make_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = dir.symlink_metadata()?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Permission bits do not tell: the file system may be read-only or full.
fn check_writable(dir: &Path) -> io::Result<()> {
    let probe = dir.join(".writable");
    // Made anew, so that nothing that lies there is followed or overwritten.
    let made = fs::File::options().write(true).create_new(true).open(&probe);
    match made.and_then(|mut file| file.write_all(b"x")) {
        Ok(()) => {}
        // Another daemon that starts at the same moment looks as well, or one was killed at it: the
        // place is taken, and freed here.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            // What was not written whole is not left behind either.
            let _gone = fs::remove_file(&probe);
            return Err(error);
        }
    }
    match fs::remove_file(probe) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn not_writable(dir: &Path, error: &io::Error) -> Fault {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space on its disk, then try again"
        }
        _ => "make it writable, or name another directory: pychatd --state-dir DIR",
    };
    Fault::failed(format!("the directory {} cannot be used: {error}", dir.display())).hint(hint)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use pychat_control::{Profile, StateBase};
    use std::os::unix::fs::PermissionsExt;

    fn place_in(temp: &Path) -> Place {
        Place::new(&StateBase::at(&temp.join("base")), Profile::default())
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_directories_are_made_private_and_an_open_one_is_closed() {
        let temp = tempfile::tempdir().unwrap();
        let place = place_in(temp.path());
        prepare(&place).unwrap();
        assert_eq!(mode(place.state_dir()), 0o700);
        assert_eq!(mode(&place.log_dir()), 0o700);

        fs::set_permissions(place.state_dir(), fs::Permissions::from_mode(0o777)).unwrap();
        prepare(&place).unwrap();
        assert_eq!(mode(place.state_dir()), 0o700);
        assert_eq!(fs::read_dir(place.state_dir()).unwrap().count(), 1, "only the log's directory");
    }

    #[test]
    fn daemons_that_start_at_once_do_not_disturb_each_other() {
        let temp = tempfile::tempdir().unwrap();
        let place = place_in(temp.path());
        std::thread::scope(|scope| {
            let starting: Vec<_> =
                (0..8).map(|_| scope.spawn(|| (0..50).try_for_each(|_| prepare(&place)))).collect();
            for one in starting {
                assert_eq!(one.join().unwrap(), Ok(()));
            }
        });
    }

    #[test]
    fn a_link_or_a_file_in_its_place_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let place = place_in(temp.path());
        fs::create_dir_all(temp.path().join("elsewhere")).unwrap();
        fs::create_dir_all(place.state_dir().parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(temp.path().join("elsewhere"), place.state_dir()).unwrap();
        let fault = prepare(&place).unwrap_err();
        assert!(fault.message().contains("symbolic link"), "{fault}");

        fs::remove_file(place.state_dir()).unwrap();
        fs::write(place.state_dir(), "").unwrap();
        let fault = prepare(&place).unwrap_err();
        assert!(fault.message().contains("not a directory but a file"), "{fault}");
    }

    #[test]
    fn a_link_that_lies_in_it_is_refused_and_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let place = place_in(temp.path());
        prepare(&place).unwrap();
        let precious = temp.path().join("precious");
        fs::write(&precious, "only copy").unwrap();
        for name in [".writable", "lock", "identity", "pychat.db"] {
            let link = place.state_dir().join(name);
            std::os::unix::fs::symlink(&precious, &link).unwrap();
            let fault = prepare(&place).unwrap_err();
            assert!(fault.message().contains("is a symbolic link"), "{name}: {fault}");
            assert_eq!(fs::read_to_string(&precious).unwrap(), "only copy", "{name}");
            fs::remove_file(link).unwrap();
        }
        prepare(&place).unwrap();
    }

    #[test]
    fn a_probe_that_a_killed_daemon_left_is_no_hindrance() {
        let temp = tempfile::tempdir().unwrap();
        let place = place_in(temp.path());
        prepare(&place).unwrap();
        let probe = place.state_dir().join(".writable");
        fs::write(&probe, "x").unwrap();
        prepare(&place).unwrap();
        assert!(!probe.exists());
    }

    #[test]
    fn a_base_that_is_no_directory_is_told() {
        let fault =
            prepare(&Place::new(&StateBase::at(Path::new("/dev/null/x")), Profile::default()));
        let fault = fault.unwrap_err();
        assert!(fault.to_string().contains("hint: make it writable"), "{fault}");
    }

    #[test]
    fn a_full_disk_is_not_taken_for_a_directory_without_permission() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let fault = not_writable(Path::new("/state"), &full);
        assert!(fault.to_string().contains("hint: free some space"), "{fault}");
    }

    #[test]
    fn a_path_too_long_for_a_socket_gets_a_private_directory_for_it() {
        let temp = tempfile::tempdir().unwrap();
        let place = place_in(&temp.path().join("x".repeat(120)));
        prepare(&place).unwrap();
        let dir = place.address().dir().unwrap().to_owned();
        assert!(dir.starts_with("/tmp"), "{}", dir.display());
        assert_eq!(mode(&dir), 0o700);
        fs::remove_dir(dir).unwrap();
    }
}
