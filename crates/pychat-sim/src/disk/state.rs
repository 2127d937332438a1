//! What is on a disk, and what is wrong with it.

use super::file::File;
use pychat_testkit::dice::Dice;
use sqlite_plugin::{vars, vfs::VfsResult};
use std::collections::BTreeMap;

/// How a machine goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The program is killed; what it wrote is written.
    Kill,
    /// What was not synced may be lost or torn.
    PowerCut,
}

/// When a disk is pulled: at the write, resize, deletion or sync after `after` others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plug {
    pub(crate) after: u64,
    /// Whether that one is still done.
    pub(crate) done: bool,
    pub(crate) crash: Crash,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) files: BTreeMap<String, File>,
    dice: Dice,
    pub(super) plug: Option<Plug>,
    pub(super) pulled: Option<Crash>,
    /// The most bytes that its files may have together.
    room: Option<usize>,
    pub(super) syncs_failing: u32,
    pub(super) writes_failing: u32,
    /// Whether anything failed since the last restart.
    pub(super) failed: bool,
}

impl State {
    pub(super) fn new(dice: Dice) -> Self {
        Self {
            files: BTreeMap::new(),
            dice,
            plug: None,
            pulled: None,
            room: None,
            syncs_failing: 0,
            writes_failing: 0,
            failed: false,
        }
    }

    pub(super) fn pull(&mut self, crash: Crash) {
        // A power cut on top of a kill is a power cut.
        if self.pulled != Some(Crash::PowerCut) {
            self.pulled = Some(crash);
        }
    }

    pub(super) fn restart(&mut self) -> Option<Crash> {
        self.plug = None;
        self.syncs_failing = 0;
        self.writes_failing = 0;
        self.failed = false;
        let crash = self.pulled.take();
        if crash == Some(Crash::PowerCut) {
            let dice = &mut self.dice;
            self.files.retain(|_, file| file.lose_power(dice));
        }
        crash
    }

    pub(super) fn set_room(&mut self, bytes: Option<usize>) {
        self.room = bytes.map(|bytes| bytes + self.used());
    }

    pub(super) fn worst(&self) -> Self {
        let left = |(name, file): (&String, &File)| Some((name.clone(), file.worst()?));
        let mut state = Self::new(self.dice.clone());
        state.files = self.files.iter().filter_map(left).collect();
        state
    }

    pub(super) fn write(&mut self, name: &str, at: usize, bytes: &[u8]) -> VfsResult<()> {
        let length = self.files.get(name).map_or(0, File::len);
        let grows = (at + bytes.len()).saturating_sub(length);
        if grows > 0 && self.room.is_some_and(|room| self.used() + grows > room) {
            self.failed = true;
            return Err(vars::SQLITE_FULL);
        }
        if self.writes_failing > 0 {
            self.writes_failing -= 1;
            self.failed = true;
            return Err(vars::SQLITE_IOERR_WRITE);
        }
        self.step(vars::SQLITE_IOERR_WRITE, |state| {
            state.files.entry(name.to_owned()).or_default().write(at, bytes);
        })
    }

    /// Writes a file over itself and syncs it, if a power cut could take anything away from it.
    pub(super) fn rewrite(&mut self, name: &str) -> VfsResult<()> {
        if !self.files.get(name).is_some_and(File::is_in_doubt) {
            return Ok(());
        }
        if self.syncs_failing > 0 {
            return self.sync(name);
        }
        self.step(vars::SQLITE_IOERR_FSYNC, |state| {
            if let Some(file) = state.files.get_mut(name) {
                file.rewrite();
            }
        })
    }

    pub(super) fn resize(&mut self, name: &str, length: usize) -> VfsResult<()> {
        self.step(vars::SQLITE_IOERR_TRUNCATE, |state| {
            state.files.entry(name.to_owned()).or_default().resize(length);
        })
    }

    pub(super) fn delete(&mut self, name: &str) -> VfsResult<()> {
        self.step(vars::SQLITE_IOERR_DELETE, |state| {
            state.files.remove(name);
        })
    }

    pub(super) fn sync(&mut self, name: &str) -> VfsResult<()> {
        if self.syncs_failing > 0 {
            self.syncs_failing -= 1;
            self.failed = true;
            if let Some(file) = self.files.get_mut(name) {
                file.fail_sync(&mut self.dice);
            }
            return Err(vars::SQLITE_IOERR_FSYNC);
        }
        self.step(vars::SQLITE_IOERR_FSYNC, |state| {
            if let Some(file) = state.files.get_mut(name) {
                file.sync();
            }
        })
    }

    /// Does something to the disk, unless the disk was pulled, or is at this step.
    fn step(&mut self, refused: i32, work: impl FnOnce(&mut Self)) -> VfsResult<()> {
        if self.pulled.is_some() {
            return Err(refused);
        }
        match &mut self.plug {
            Some(plug) if plug.after == 0 => {
                let Plug { done, crash, .. } = *plug;
                if done {
                    work(self);
                }
                self.pull(crash);
                return Err(refused);
            }
            Some(plug) => plug.after -= 1,
            None => {}
        }
        work(self);
        Ok(())
    }

    fn used(&self) -> usize {
        self.files.values().map(File::len).sum()
    }
}
