//! What only one system has stands behind that system's `cfg`, with a counterpart for the others.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The crates that the three programs are made of.
const SOURCES: [&str; 9] = [
    "pychat-server/src",
    "pychatctl/src",
    "pychatd/src",
    "crates/pychat-control/src",
    "crates/pychat-e2e/src",
    "crates/pychat-proto/src",
    "crates/pychat-sqlite/src",
    "crates/pychat-udp/src",
    "crates/pychat-windows/src",
];

/// A word that only one system knows, and what has to stand above it in its file, or above the `mod` of
/// its file.
const WORDS: [(&str, &str); 10] = [
    ("os::linux", "target_os = \"linux\""),
    ("DynamicClockId", "target_os = \"linux\""),
    ("pidfd", "target_os = \"linux\""),
    ("prctl", "target_os = \"linux\""),
    ("os::unix", "unix"),
    ("os::fd", "unix"),
    ("rustix::", "unix"),
    ("sd_notify::", "unix"),
    ("os::windows", "windows"),
    ("pychat_windows::", "windows"),
];

#[test]
fn what_only_one_system_has_stands_behind_its_cfg() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut bare = Vec::new();
    for sources in SOURCES {
        for file in files(&root.join(sources)) {
            let text = fs::read_to_string(&file).expect("sources can be read");
            for (word, system) in WORDS {
                let Some(at) = text.find(word) else { continue };
                let guarded = is_guarded(&text[..at], system);
                if !guarded && !is_chosen_by_cfg(&file, system) {
                    bare.push(format!("{}: {word}", file.display()));
                }
            }
        }
    }
    assert!(bare.is_empty(), "without a cfg that says where: {bare:#?}");
}

/// Whether a `cfg` that has to do with `system` stands in `text`. What is Linux's alone is Unix's, too.
fn is_guarded(text: &str, system: &str) -> bool {
    let linux = |line: &str| system == "unix" && line.contains("linux");
    let about = |line: &str| line.contains("cfg") && (line.contains(system) || linux(line));
    text.lines().any(about)
}

/// Whether a file on the way to this one names it, or its directory, in a line or two below such a `cfg`.
fn is_chosen_by_cfg(file: &Path, system: &str) -> bool {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).expect("a file has a name");
    file.ancestors().skip(1).take(3).any(|directory| {
        let parents =
            [directory.with_extension("rs"), directory.join("mod.rs"), directory.join("lib.rs")];
        parents.iter().filter(|parent| *parent != file).any(|parent| {
            let text = fs::read_to_string(parent).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines.iter().enumerate().any(|(number, line)| {
                let names = line.contains(&format!("mod {stem};"))
                    || line.contains(&format!("{stem}.rs\""));
                let around = lines[number.saturating_sub(2)..=number].join("\n");
                names
                    && (around.contains(system)
                        || around.contains("cfg(test)")
                        || around.contains("cfg_attr(windows")
                        || around.contains("not(windows)"))
            }) || text.contains("#![cfg(windows)]") && system == "windows"
        })
    })
}

/// All files below `directory`, without those of tests.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("sources can be listed").flatten();
    let paths = entries.map(|entry| entry.path());
    let paths = paths.filter(|path| !path.ends_with("tests") && !path.ends_with("tests.rs"));
    let all = paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

#[test]
fn a_cfg_of_another_system_guards_nothing() {
    let text = "#[cfg(target_os = \"linux\")]\nfn boot_time() {\n    use rustix::time::";
    assert!(is_guarded(text, "target_os = \"linux\""));
    assert!(!is_guarded(text, "windows"));
    assert!(!is_guarded("fn bare() { }", "unix"));
}
