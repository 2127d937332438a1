//! The state directory: made private, and refused where it is not ours.

use super::Fault;
use pychat_control::{Place, Untrusted, check_private_dir};
use std::{fs, io, path::Path};

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

fn create_private(dir: &Path) -> Result<(), Fault> {
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
    check_writable(dir).map_err(|error| not_writable(dir, &error))
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
    fs::write(&probe, b"x")?;
    match fs::remove_file(probe) {
        // Another daemon that starts at the same moment looks as well, and was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn not_writable(dir: &Path, error: &io::Error) -> Fault {
    Fault::failed(format!("the directory {} cannot be used: {error}", dir.display()))
        .hint("make it writable, or name another directory: pychatd --state-dir DIR")
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
    fn a_base_that_is_no_directory_is_told() {
        let fault =
            prepare(&Place::new(&StateBase::at(Path::new("/dev/null/x")), Profile::default()));
        let fault = fault.unwrap_err();
        assert!(fault.to_string().contains("hint: make it writable"), "{fault}");
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
