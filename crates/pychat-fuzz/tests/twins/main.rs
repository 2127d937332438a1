//! The fuzz targets in the ordinary test command: the checked-in corpus, then generated inputs.
//!
//! Each run prints its seed; `PYCHAT_TEST_SEED` runs it with another one, `PYCHAT_FUZZ_CASES` with
//! another number of cases.

mod inputs;
mod local;
mod protocol;
mod runner;
