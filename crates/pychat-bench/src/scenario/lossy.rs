//! Texts at a steady rate across a link that loses datagrams.

use super::{Load, schedule::Schedule};
use crate::{driver::Driver, record::Metrics, writer::Pace};
use anyhow::{Result, ensure};
use std::time::Duration;

/// A text that arrives within this time after the last one was written counts as arrived; a later one
/// has to come too, but a person would have given up.
const ARRIVES_WITHIN: Duration = Duration::from_secs(20);

/// If nothing arrives for so long after that, what is missing is lost.
const LOST_AFTER: Duration = Duration::from_secs(120);

/// Which texts.
#[derive(Clone, Copy, Debug)]
pub struct Lossy {
    /// Senders with a recipient each.
    pub pairs: u32,
    /// Texts a second of each sender.
    pub rate: f64,
    /// Time in which texts are written.
    pub seconds: f64,
    /// Logins under way at a time.
    pub parallel: u32,
}

/// Logs the pairs in across the link, lets them write, and measures each text.
///
/// # Errors
/// A text was lost, doubled or out of order, or the server is out of reach.
pub async fn lossy(driver: &mut Driver, work: &Lossy) -> Result<Metrics> {
    let members = 2 * work.pairs;
    driver.crowd().grow(members);
    let began = pychat_udp::now();
    driver.log_in(0..members, work.parallel).await?;
    driver.introduce(members).await?;
    let logins = pychat_udp::now().since(began);
    (0..work.pairs).for_each(|pair| driver.crowd().begin_writing(pair, Pace::Due(0), u64::MAX));
    driver.crowd().tally_mut().measuring = true;
    let mut schedule = Schedule::new(work.pairs, Load::Rate(work.rate));
    schedule.write(driver, Duration::from_secs_f64(work.seconds)).await?;

    let (sent, last) = (driver.tally().sent, pychat_udp::now());
    let over = last + ARRIVES_WITHIN;
    while driver.tally().delivered < sent && pychat_udp::now() < over {
        driver.turn(over).await?;
    }
    driver.crowd().tally_mut().measuring = false;
    let arrived = driver.tally().delivered;
    let came = driver.wait_for(LOST_AFTER, sent, |tally| tally.delivered).await?;
    ensure!(came == sent, "{} of {sent} texts did not arrive", sent - came);
    ensure!(arrived > 0, "nothing arrived in {ARRIVES_WITHIN:?}");
    let tally = driver.tally();
    let mut metrics = Metrics::from([
        ("sent", sent as f64),
        ("arrived", arrived as f64),
        ("logins_s", logins.as_secs_f64()),
        ("sessions_lost", tally.sessions_lost as f64),
        ("max_ms", tally.latency.max() as f64 / 1e6),
    ]);
    for (name, quantile) in [("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99)] {
        metrics.insert(name, tally.latency.value_at_quantile(quantile) as f64 / 1e6);
    }
    Ok(metrics)
}
