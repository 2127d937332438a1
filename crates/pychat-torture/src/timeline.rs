//! What the driver did and saw, moment by moment: `timeline.jsonl`.

use crate::record::Records;
use serde::Serialize;
use std::{
    io,
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A log of moments. Several threads may write.
#[derive(Debug)]
pub(crate) struct Timeline {
    started: Instant,
    records: Records,
}

#[derive(Serialize)]
struct Moment<'a> {
    after_ms: u128,
    at_ms: u64,
    what: &'a str,
    who: &'a str,
    detail: &'a str,
}

impl Timeline {
    /// A new one in `place`; its time starts now.
    pub(crate) fn create(place: &Path) -> io::Result<Self> {
        Ok(Self {
            started: Instant::now(),
            records: Records::create(place.join("timeline.jsonl"))?,
        })
    }

    /// Writes a moment down.
    pub(crate) fn note(&self, what: &str, who: &str, detail: &str) {
        let (after_ms, at_ms) = (self.started.elapsed().as_millis(), unix_ms());
        self.records.add(&Moment { after_ms, at_ms, what, who, detail });
    }
}

/// The driver's wall clock, which nobody steps.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
