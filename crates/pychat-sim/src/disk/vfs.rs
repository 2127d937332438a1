//! The disks as a file system of SQLite: `NUMBER/NAME` is a file of the disk of that number.

use super::state::State;
use sqlite_plugin::{
    flags::{AccessFlags, LockLevel, OpenOpts},
    vars,
    vfs::{RegisterOpts, Vfs, VfsHandle, VfsResult, register_static},
};
use std::{
    collections::HashMap,
    ffi::CString,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

/// What SQLite knows it by.
pub(super) const NAME: &str = "pychat-sim";

type Mounted = HashMap<u64, Weak<Mutex<State>>>;

static MOUNTED: LazyLock<Mutex<Mounted>> = LazyLock::new(|| {
    let name = CString::new(NAME).expect("it has no zero byte");
    let registered = register_static(name, Disks, RegisterOpts { make_default: false });
    assert!(registered.is_ok(), "SQLite takes the file system");
    Mutex::new(Mounted::new())
});

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Makes a disk known; answers its number.
pub(super) fn mount(state: &Arc<Mutex<State>>) -> u64 {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    mounted().insert(number, Arc::downgrade(state));
    number
}

pub(super) fn unmount(number: u64) {
    mounted().remove(&number);
}

fn mounted() -> MutexGuard<'static, Mounted> {
    MOUNTED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(path: &str) -> VfsResult<(Arc<Mutex<State>>, &str)> {
    let (number, name) = path.split_once('/').ok_or(vars::SQLITE_CANTOPEN)?;
    let number = number.parse().map_err(|_| vars::SQLITE_CANTOPEN)?;
    let state = mounted().get(&number).and_then(Weak::upgrade);
    Ok((state.ok_or(vars::SQLITE_CANTOPEN)?, name))
}

struct Disks;

/// An open file.
struct Handle {
    state: Arc<Mutex<State>>,
    name: String,
}

impl Handle {
    fn state(&self) -> VfsResult<MutexGuard<'_, State>> {
        self.state.lock().map_err(|_| vars::SQLITE_IOERR)
    }
}

impl VfsHandle for Handle {
    fn readonly(&self) -> bool {
        false
    }

    fn in_memory(&self) -> bool {
        false
    }
}

impl Vfs for Disks {
    type Handle = Handle;

    fn open(&self, path: Option<&str>, opts: OpenOpts) -> VfsResult<Handle> {
        // Temporary files are kept in memory by SQLite itself.
        let (state, name) = find(path.ok_or(vars::SQLITE_CANTOPEN)?)?;
        if opts.delete_on_close() {
            return Err(vars::SQLITE_CANTOPEN);
        }
        let handle = Handle { name: name.to_owned(), state };
        let mut files = handle.state()?;
        if files.pulled.is_some() {
            return Err(vars::SQLITE_IOERR);
        }
        files.files.entry(handle.name.clone()).or_default();
        drop(files);
        Ok(handle)
    }

    fn delete(&self, path: &str) -> VfsResult<()> {
        let (state, name) = find(path)?;
        state.lock().map_err(|_| vars::SQLITE_IOERR)?.delete(name)
    }

    fn access(&self, path: &str, _: AccessFlags) -> VfsResult<bool> {
        let (state, name) = find(path)?;
        let state = state.lock().map_err(|_| vars::SQLITE_IOERR)?;
        Ok(state.files.get(name).is_some_and(|file| file.len() > 0))
    }

    fn file_size(&self, handle: &mut Handle) -> VfsResult<usize> {
        Ok(handle.state()?.files.get(&handle.name).map_or(0, super::file::File::len))
    }

    fn truncate(&self, handle: &mut Handle, size: usize) -> VfsResult<()> {
        handle.state()?.resize(&handle.name, size)
    }

    fn write(&self, handle: &mut Handle, offset: usize, bytes: &[u8]) -> VfsResult<usize> {
        handle.state()?.write(&handle.name, offset, bytes).map(|()| bytes.len())
    }

    fn read(&self, handle: &mut Handle, offset: usize, into: &mut [u8]) -> VfsResult<usize> {
        Ok(handle.state()?.files.get(&handle.name).map_or(0, |file| file.read(offset, into)))
    }

    // One connection at a time opens a file here.
    fn lock(&self, _: &mut Handle, _: LockLevel) -> VfsResult<()> {
        Ok(())
    }

    fn unlock(&self, _: &mut Handle, _: LockLevel) -> VfsResult<()> {
        Ok(())
    }

    fn check_reserved_lock(&self, _: &mut Handle) -> VfsResult<bool> {
        Ok(false)
    }

    fn sync(&self, handle: &mut Handle) -> VfsResult<()> {
        handle.state()?.sync(&handle.name)
    }

    fn close(&self, _: Handle) -> VfsResult<()> {
        Ok(())
    }

    /// As SQLite assumes of real disks: a write damages nothing beside itself. Nothing else is
    /// promised.
    fn device_characteristics(&self, _: &mut Handle) -> VfsResult<i32> {
        Ok(vars::SQLITE_IOCAP_POWERSAFE_OVERWRITE)
    }
}
