//! What an export or import writes, seen growing.

use crate::{
    commands::Context,
    screen::{Progress, Ticker},
};
use pychat_control::Place;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What the job writes beside its place, to be seen growing: the job itself says nothing before its end.
#[derive(Debug)]
pub(super) struct Draft {
    dir: PathBuf,
    begins: String,
    ends: &'static str,
}

impl Draft {
    /// The file beside the one that is exported to.
    pub(super) fn of_export(file: &Path) -> Self {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        Self { dir: parent(file), begins: format!(".{name}."), ends: ".part" }
    }

    /// The directory beside the profile's.
    pub(super) fn of_import(place: &Place) -> Self {
        let begins = format!(".import-{}", place.profile());
        Self { dir: parent(place.state_dir()), begins, ends: "" }
    }

    /// Shows it growing, as long as the outcome lives.
    pub(super) fn watch(self, context: &Context, doing: &'static str) -> Ticker {
        Ticker::start(Progress::detect(context.out.remarks), move |elapsed| {
            format!("{doing}... {}, {} s", size(self.bytes()), elapsed.as_secs())
        })
    }

    /// How large it is: a file, or a directory of files.
    fn bytes(&self) -> u64 {
        let Ok(entries) = fs::read_dir(&self.dir) else { return 0 };
        let ours = entries.flatten().filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(&self.begins) && name.ends_with(self.ends)
        });
        let bytes = |entry: fs::DirEntry| match fs::read_dir(entry.path()) {
            Ok(within) => {
                within.flatten().filter_map(|file| file.metadata().ok()).map(|m| m.len()).sum()
            }
            Err(_) => entry.metadata().map_or(0, |metadata| metadata.len()),
        };
        ours.map(bytes).sum()
    }
}

fn parent(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_seen_growing() {
        let temp = tempfile::tempdir().unwrap();
        let draft =
            |begins: &str, ends| Draft { dir: temp.path().into(), begins: begins.into(), ends };
        let file = draft(".a.age.", ".part");
        assert_eq!(file.bytes(), 0);
        fs::write(temp.path().join(".a.age.01234567.part"), [0; 700]).unwrap();
        fs::write(temp.path().join("a.age"), [0; 5]).unwrap();
        assert_eq!(file.bytes(), 700);
        fs::create_dir(temp.path().join(".import-work")).unwrap();
        fs::write(temp.path().join(".import-work/pychat.db"), [0; 9]).unwrap();
        assert_eq!(draft(".import-work", "").bytes(), 9);
        assert_eq!((size(999_999), size(12_345_678)), ("999 kB".into(), "12.3 MB".into()));
    }
}
