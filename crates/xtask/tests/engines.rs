//! The storage engine's crate is named only in the directory that is written for it, so that another
//! engine stands beside it and not everywhere.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// An engine's crate, sources, and the one directory in them that may name it.
const PLACES: [(&str, &str, &str); 3] = [
    ("rusqlite::", "pychat-server/src", "store/embedded"),
    ("async_nats::", "pychat-server/src", "store/jetstream"),
    ("rusqlite::", "pychatd/src", "db"),
];

#[test]
fn the_engine_is_named_in_its_own_directory_only() {
    for (engine, sources, own) in PLACES {
        let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(sources);
        let named = naming(engine, &sources);
        let (inside, outside): (Vec<_>, Vec<_>) =
            named.into_iter().partition(|file| file.starts_with(sources.join(own)));
        assert!(!inside.is_empty(), "nothing below {own} names the engine: has it moved?");
        assert_eq!(outside, Vec::<PathBuf>::new(), "only {own} may name the engine");
    }
}

/// All files below `directory`, tests left out, that name the engine.
fn naming(engine: &str, directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("sources can be listed") {
        let path = entry.expect("sources can be listed").path();
        if path.ends_with("tests") || path.ends_with("tests.rs") {
            continue;
        }
        if path.is_dir() {
            found.extend(naming(engine, &path));
        } else if fs::read_to_string(&path).is_ok_and(|text| text.contains(engine)) {
            found.push(path);
        }
    }
    found
}
