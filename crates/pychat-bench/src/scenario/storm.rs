//! A restart of the server under many sessions: how they come back.

use crate::{
    driver::Driver,
    record::Metrics,
    server::{Ending, Server},
};
use anyhow::{Result, ensure};
use pychat_proto::Instant;
use std::time::Duration;

/// Sessions rest for so long before the server ends: a killed one finds its clients again in a file that
/// may be this much behind.
const SETTLE: Duration = Duration::from_secs(10);

/// The server ends and starts within this time.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// When nobody came back for so long, nobody comes any more: longer than the pause between two signs of
/// life, at which each client notices by itself.
const NOBODY_COMES: Duration = Duration::from_secs(60);

/// What returns leave to be done at the server is done after this time, and belongs to them.
const LATE_WORK: Duration = Duration::from_secs(2);

/// Returns are counted over each time of these lengths.
const SECOND: Duration = Duration::from_secs(1);
const TENTH: Duration = Duration::from_millis(100);

/// Which storm.
#[derive(Clone, Copy, Debug)]
pub struct Storm {
    /// Sessions that the server has when it ends.
    pub sessions: u32,
    /// How it ends.
    pub ending: Ending,
    /// Logins under way at a time before that; afterwards nobody paces them but the protocol.
    pub parallel: u32,
}

/// Logs everybody in, ends the server, starts it again, and watches all come back by themselves.
///
/// # Errors
/// Somebody does not come back, or the server does not.
pub async fn storm(driver: &mut Driver, server: &mut Server, work: &Storm) -> Result<Metrics> {
    driver.crowd().grow(work.sessions);
    driver.log_in(0..work.sessions, work.parallel).await?;
    driver.rest(SETTLE).await?;
    let awaited = driver.crowd().await_returns();
    ensure!(awaited == u64::from(work.sessions), "{awaited} sessions stood before the restart");

    let began = pychat_udp::now();
    server.end(work.ending)?;
    turns_until(driver, || server.has_ended()).await?;
    server.start_again()?;
    turns_until(driver, || server.is_ready()).await?;
    let (ready, cpu_before) = (pychat_udp::now(), server.cpu_s());
    let back = driver.wait_for(NOBODY_COMES, awaited, |tally| tally.back.len() as u64).await?;
    ensure!(back == awaited, "{back} of {awaited} came back, and then nobody more");
    let (inits, retries) = (driver.tally().inits, driver.tally().retries);
    driver.rest(LATE_WORK).await?;

    let tally = driver.tally();
    let after = |from: Instant, rank: usize| {
        let at = tally.back.get(rank).copied().unwrap_or(from);
        at.since(from).as_secs_f64()
    };
    let last = tally.back.len().saturating_sub(1);
    let mut metrics = Metrics::from([
        ("gone_s", ready.since(began).as_secs_f64()),
        ("all_back_s", after(began, last)),
        ("all_back_since_ready_s", after(ready, last)),
        ("back_p50_s", after(began, last / 2)),
        ("back_p99_s", after(began, last * 99 / 100)),
        ("asked_away_max_s", tally.asked_away.as_secs_f64()),
        ("returns_peak_per_s", most_within(&tally.back, SECOND) as f64),
        ("returns_peak_per_100_ms", most_within(&tally.back, TENTH) as f64),
        ("retries", retries as f64),
        ("inits_unanswered", inits.saturating_sub(retries + back) as f64),
    ]);
    if let (Some(before), Some(now)) = (cpu_before, server.cpu_s()) {
        metrics.insert("return_cpu_ms_each", (now - before) * 1e3 / back as f64);
    }
    Ok(metrics)
}

/// The clients go on with what they do until this is so.
async fn turns_until(driver: &mut Driver, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let until = pychat_udp::now() + PROGRAM_PATIENCE;
    while !done()? {
        ensure!(pychat_udp::now() < until, "the server is neither gone nor ready after a minute");
        driver.rest(LOOK_EVERY).await?;
    }
    Ok(())
}

/// The most moments that lie within any stretch of this length; they ascend.
fn most_within(moments: &[Instant], stretch: Duration) -> usize {
    let mut first = 0;
    let counts = moments.iter().enumerate().map(|(at, moment)| {
        while moment.since(moments[first]) >= stretch {
            first += 1;
        }
        at + 1 - first
    });
    counts.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_stretch_may_begin_at_any_moment() {
        let moments: Vec<Instant> =
            [0, 60, 90, 150, 159, 300].map(|ms| Instant::from_micros(ms * 1000)).into();
        assert_eq!(most_within(&moments, TENTH), 4);
        assert_eq!(most_within(&moments, SECOND), 6);
        assert_eq!(most_within(&[], TENTH), 0);
    }
}
