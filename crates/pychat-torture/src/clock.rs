//! A program's own wall clock, which the driver steps: libfaketime, preloaded, reads its offset from
//! a file at each call. The boot-time and monotonic clocks stay true.

use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The library, as Debian's package `libfaketime` (of `faketime`) places it below `/usr/lib/*`.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// One program's clock.
#[derive(Debug)]
pub(crate) struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A true clock whose offset is kept in `file`. `None` without libfaketime.
    pub(crate) fn new(file: PathBuf) -> Result<Option<Self>> {
        let Some(library) = find_library() else { return Ok(None) };
        let clock = Self { library, file };
        clock.step(0)?;
        Ok(Some(clock))
    }

    /// From now on the clock is `hours` off.
    pub(crate) fn step(&self, hours: i64) -> Result<()> {
        // Replaced, since a reader must not find half of it.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{:+}\n", hours * 3_600))
            .and_then(|()| fs::rename(&new, &self.file))
            .context("stepping a clock")
    }

    /// The environment of a program that goes by this clock.
    pub(crate) fn environment(&self) -> [(&'static str, PathBuf); 4] {
        [
            ("LD_PRELOAD", self.library.clone()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.clone()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }

    /// A script that becomes `program`, going by this clock: for programs that others start.
    pub(crate) fn wrap(&self, program: &Path, script: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let mut text = String::from("#!/bin/sh\n");
        for (name, value) in self.environment() {
            text += &format!("export {name}='{}'\n", value.display());
        }
        text += &format!("exec '{}' \"$@\"\n", program.display());
        fs::write(script, text)
            .and_then(|()| fs::set_permissions(script, fs::Permissions::from_mode(0o700)))
            .context("writing a script that starts a program")
    }
}

/// Removes what libfaketime leaves behind for processes that were killed.
pub(crate) fn forget_dead() {
    for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let kinds = ["sem.faketime_sem_", "faketime_shm_"];
        let pid = kinds.iter().find_map(|kind| name.strip_prefix(kind));
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Somebody else may have tidied up meanwhile.
            let _absent = fs::remove_file(entry.path());
        }
    }
}

fn find_library() -> Option<PathBuf> {
    let places = fs::read_dir("/usr/lib").ok()?.flatten();
    places.map(|place| place.path().join(LIBRARY)).find(|path| path.is_file())
}
