//! Where a profile's files and socket are. Both programs work it out alike, from nothing that
//! differs between a login shell, cron and a terminal multiplexer.

use crate::Profile;
use std::{
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
};

/// The directory that holds every profile's state directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateBase(PathBuf);

/// No directory for the state can be worked out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no place for PyChat's files: neither PYCHAT_STATE_DIR, {HOME_VARIABLES} is set")]
pub struct NoPlace;

/// One profile's state directory and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    profile: Profile,
    state_dir: PathBuf,
}

/// Where a daemon listens: a socket's path, on Windows a pipe's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(PathBuf);

/// The notice's file in the state directory: UTF-8, a few lines.
pub const NOTICE_FILE: &str = "notice.txt";

/// Longest path that every system takes for a socket, in bytes: macOS has 104 with a final zero,
/// Linux 108.
pub const SOCKET_PATH_BYTES_MAX: usize = 103;

#[cfg(not(windows))]
const HOME_VARIABLES: &str = "XDG_STATE_HOME nor HOME";
#[cfg(windows)]
const HOME_VARIABLES: &str = "nor LOCALAPPDATA";

impl StateBase {
    /// From the environment: `PYCHAT_STATE_DIR`, else `$XDG_STATE_HOME/pychat`, else
    /// `~/.local/state/pychat`; on Windows `%LOCALAPPDATA%\pychat`.
    ///
    /// # Errors
    /// There is no home directory.
    pub fn from_env() -> Result<Self, NoPlace> {
        Self::resolve(|name| std::env::var_os(name), std::env::home_dir())
    }

    /// Takes `path`; a relative one counts from the working directory.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The profiles that have a state directory, in the order of their names.
    #[must_use]
    pub fn profiles(&self) -> Vec<Profile> {
        let names = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut profiles: Vec<Profile> = names
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        profiles.sort();
        profiles
    }

    fn resolve(
        variable: impl Fn(&str) -> Option<OsString>,
        home: Option<PathBuf>,
    ) -> Result<Self, NoPlace> {
        let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(path) = set("PYCHAT_STATE_DIR") {
            return Ok(Self::at(&path));
        }
        if cfg!(windows) {
            return set("LOCALAPPDATA").map(|path| Self(path.join("pychat"))).ok_or(NoPlace);
        }
        // The XDG specification wants relative paths ignored.
        let state = set("XDG_STATE_HOME").filter(|path| path.is_absolute());
        let home = home.filter(|path| path.is_absolute());
        let state = state.or_else(|| home.map(|home| home.join(".local/state")));
        state.map(|state| Self(state.join("pychat"))).ok_or(NoPlace)
    }
}

impl Place {
    /// The place of one profile.
    #[must_use]
    pub fn new(base: &StateBase, profile: Profile) -> Self {
        Self { state_dir: base.0.join(profile.as_str()), profile }
    }

    /// Whose place it is.
    #[must_use]
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The state directory.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// The lock that the daemon holds for life.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.state_dir.join("lock")
    }

    /// What the daemon says about itself.
    #[must_use]
    pub fn daemon_file(&self) -> PathBuf {
        self.state_dir.join("daemon.json")
    }

    /// What the daemon wants the person to know, until somebody has shown it.
    #[must_use]
    pub fn notice_file(&self) -> PathBuf {
        self.state_dir.join(NOTICE_FILE)
    }

    /// The directory of the daemon's log files.
    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.state_dir.join("log")
    }

    /// Where the daemon listens: in the state directory, or, where that path is too long for a
    /// socket, in a directory of our own under `/tmp` that is named after it. On Windows, a pipe that is
    /// named after us, the profile and the state directory, as two of these may hold a profile of one name.
    #[must_use]
    pub fn address(&self) -> Address {
        // Reached over different links it is still the same directory.
        let state_dir =
            fs::canonicalize(&self.state_dir).unwrap_or_else(|_| self.state_dir.clone());
        let hash = fnv1a(state_dir.as_os_str().as_encoded_bytes());
        if cfg!(windows) {
            let (user, profile) = (own_user(), &self.profile);
            return Address(format!(r"\\.\pipe\pychat-{user}-{profile}-{hash:016x}").into());
        }
        let socket = state_dir.join(SOCKET_FILE);
        if socket.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return Address(socket);
        }
        // Not std::env::temp_dir: TMPDIR differs between a shell and cron.
        Address(PathBuf::from(format!("/tmp/pychat-{}-{hash:016x}/{SOCKET_FILE}", own_user())))
    }
}

impl Address {
    /// The path or the pipe's name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The directory whose owner decides who may listen here; a pipe has none.
    #[must_use]
    pub fn dir(&self) -> Option<&Path> {
        if cfg!(windows) { None } else { self.0.parent() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// The user's number.
#[cfg(unix)]
fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The user's number. Without one no pipe is opened, neither to listen nor to ask.
#[cfg(windows)]
fn own_user() -> String {
    pychat_windows::Sid::own().map_or_else(|_| "unknown".to_owned(), |sid| sid.to_string())
}

/// FNV-1a, 64 bits: the same in every version of both programs.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

const SOCKET_FILE: &str = "control.sock";

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn resolve(variables: &[(&str, &str)], home: Option<&str>) -> Result<PathBuf, NoPlace> {
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        StateBase::resolve(variable, home.map(PathBuf::from)).map(|base| base.0)
    }

    #[test]
    fn the_state_is_where_the_first_of_three_says() {
        let all = [("PYCHAT_STATE_DIR", "/p"), ("XDG_STATE_HOME", "/x"), ("XDG_RUNTIME_DIR", "/r")];
        assert_eq!(resolve(&all, Some("/h")), Ok("/p".into()));
        assert_eq!(resolve(&all[1..], Some("/h")), Ok("/x/pychat".into()));
        assert_eq!(resolve(&all[2..], Some("/h")), Ok("/h/.local/state/pychat".into()));
        assert_eq!(resolve(&[("TMUX", "/t")], None), Err(NoPlace));
    }

    #[test]
    fn empty_and_relative_variables_of_the_desktop_are_ignored() {
        let odd = [("PYCHAT_STATE_DIR", ""), ("XDG_STATE_HOME", "x")];
        assert_eq!(resolve(&odd, Some("/h")), Ok("/h/.local/state/pychat".into()));
        let here = std::env::current_dir().unwrap();
        assert_eq!(resolve(&[("PYCHAT_STATE_DIR", "s")], None), Ok(here.join("s")));
    }

    #[test]
    fn a_socket_path_is_in_the_state_directory_up_to_the_bound() {
        // "/<base>/default/control.sock"
        let fixed = "//default/control.sock".len();
        let place = |length: usize| {
            let base = format!("/{}", "b".repeat(length - fixed));
            Place::new(&StateBase(base.into()), Profile::default())
        };
        let fits = place(SOCKET_PATH_BYTES_MAX);
        assert_eq!(fits.address().path(), fits.state_dir().join("control.sock"));
        assert_eq!(fits.address().path().as_os_str().len(), SOCKET_PATH_BYTES_MAX);

        let long = place(SOCKET_PATH_BYTES_MAX + 1).address();
        assert!(long.path().starts_with("/tmp"), "{long}");
        assert!(long.path().as_os_str().len() <= SOCKET_PATH_BYTES_MAX, "{long}");
        assert_ne!(long, place(SOCKET_PATH_BYTES_MAX + 2).address());
        assert_eq!(long, place(SOCKET_PATH_BYTES_MAX + 1).address());
    }

    #[test]
    fn profiles_are_the_directories_with_a_profiles_name() {
        let temp = tempfile::tempdir().unwrap();
        for name in ["work", "default", "Not One", ".hidden"] {
            fs::create_dir(temp.path().join(name)).unwrap();
        }
        fs::write(temp.path().join("file"), "").unwrap();
        let names: Vec<_> = StateBase::at(temp.path()).profiles();
        assert_eq!(names, ["default".parse().unwrap(), "work".parse().unwrap()]);
        assert_eq!(StateBase::at(&temp.path().join("none")).profiles(), []);
    }
}
