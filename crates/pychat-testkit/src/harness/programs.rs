//! Where the programs under test are.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The directory with the programs under test.
#[derive(Clone, Debug)]
pub struct Programs {
    directory: PathBuf,
}

impl Programs {
    /// The programs that were built with the running test: in `PYCHAT_BIN_DIR` if that is set,
    /// else in the target directory of the test itself.
    ///
    /// # Panics
    /// They are not built.
    #[must_use]
    pub fn find() -> Self {
        if let Some(directory) = env::var_os("PYCHAT_BIN_DIR") {
            return Self::inside(directory);
        }
        let test = env::current_exe().expect("a running program has a path");
        // target/debug/deps/test-1234: the programs are one directory further up.
        let built = test.ancestors().skip(1).take(3).find(|directory| has_all(directory));
        let Some(directory) = built else { panic!("{}", not_built(&test)) };
        Self::inside(directory)
    }

    /// The programs in this directory.
    #[must_use]
    pub fn inside(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// One program's path.
    ///
    /// # Panics
    /// It is not there.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        let path = self.directory.join(file_name(name));
        assert!(path.is_file(), "{}", not_built(&path));
        path
    }
}

const NAMES: [&str; 3] = ["pychatd", "pychatctl", "pychat-server"];

fn has_all(directory: &Path) -> bool {
    NAMES.iter().all(|name| directory.join(file_name(name)).is_file())
}

fn file_name(name: &str) -> String {
    format!("{name}{}", env::consts::EXE_SUFFIX)
}

fn not_built(place: &Path) -> String {
    format!(
        "the programs under test were not found near {}: run `cargo build --workspace` first, or \
         set PYCHAT_BIN_DIR to the directory that holds {}",
        place.display(),
        NAMES.join(", "),
    )
}
