//! A small file system that is filled and freed: a tmpfs, which takes root's rights to mount.

use anyhow::{Context, Result};
use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

/// Room for a long run's databases, and little enough to be filled at once.
const DISK_BYTES: u64 = 96 << 20;

/// A mounted file system. Unmounted when dropped.
#[derive(Debug)]
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it at `place`, where that is possible; else says why not.
    pub(crate) fn mount(place: &Path) -> Result<Result<Self, String>> {
        fs::create_dir_all(place).context("making a directory to mount on")?;
        let options = format!("size={DISK_BYTES},mode=0700");
        let mut command = Command::new("mount");
        let mounted = command.args(["-t", "tmpfs", "-o", &options, "pychat"]).arg(place).output();
        Ok(match mounted {
            Ok(output) if output.status.success() => Ok(Self(place.to_owned())),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        })
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Takes all the room that is left.
    pub(crate) fn fill(&self) -> Result<()> {
        let file = OpenOptions::new().create(true).append(true).open(self.filler());
        let mut file = match file {
            // Not even a name fits.
            Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
            file => file.context("making the file that fills a disk")?,
        };
        for bytes in [1 << 20, 65_536, 4_096, 1] {
            let block = vec![0; bytes];
            loop {
                match file.write(&block) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("filling a disk"),
                }
            }
        }
        Ok(())
    }

    /// Gives the room back.
    pub(crate) fn make_room(&self) -> Result<()> {
        match fs::remove_file(self.filler()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).context("freeing a disk")
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A program may still be there: it keeps what it has open.
        let _left_behind = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
