//! Runs a target's body.

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Shrinking ends after so many tries: an input that is small enough to look at.
const SHRINK_ITERS_MAX: u32 = 400;

fn number(variable: &str, usual: u64) -> u64 {
    let asked = env::var(variable).ok();
    asked.map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// The corpus of a target, in the order of its files' names.
pub(crate) fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files = fs::read_dir(&place).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
    let mut files: Vec<PathBuf> =
        files.map(|file| file.expect("a directory entry").path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).expect("a file"))).collect()
}

/// Runs a target over its corpus and over `cases` inputs. What fails is shrunk and shown.
pub(crate) fn run(
    target: &str,
    body: fn(&[u8]),
    cases: u32,
    inputs: &impl Strategy<Value = Vec<u8>>,
) {
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "the corpus of {target} is empty");
    for (file, data) in corpus {
        println!("{}", file.display());
        body(&data);
    }
    let seed = number("PYCHAT_TEST_SEED", 1);
    let cases = number("PYCHAT_FUZZ_CASES", u64::from(cases));
    println!("seed {seed}, {cases} cases");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let config = Config {
        cases: u32::try_from(cases).expect("a number of cases"),
        failure_persistence: None,
        max_shrink_iters: SHRINK_ITERS_MAX,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let done = TestRunner::new_with_rng(config, rng).run(inputs, |data| {
        body(&data);
        Ok(())
    });
    if let Err(failure) = done {
        panic!("{target}, seed {seed}: {failure}");
    }
}
