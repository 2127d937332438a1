//! Texts for somebody who is away, and how long they take to be collected.

use crate::{
    body::Stamp,
    driver::Driver,
    record::Metrics,
    scenario::{AFTERMATH, STALLED_AFTER},
    server::Server,
    writer::Pace,
};
use anyhow::{Result, ensure};
use std::time::Duration;

/// A text of somebody who left is under way no more after this long.
const AWAY_AFTER: Duration = Duration::from_millis(500);

/// Which texts.
#[derive(Clone, Copy, Debug)]
pub struct Mailbox {
    /// How many.
    pub messages: u64,
    /// Most of them that the server has not accepted.
    pub window: u64,
}

/// One sender fills the mailbox of a recipient who is away; then the recipient comes.
///
/// # Errors
/// A text was refused, lost, doubled or out of order, or the server stalls.
pub async fn mailbox(driver: &mut Driver, server: &Server, work: &Mailbox) -> Result<Metrics> {
    let (pair, recipient, members) = (0, 1, 2);
    driver.crowd().grow(members);
    driver.log_in(0..members, members).await?;
    driver.introduce(members).await?;
    driver.crowd().log_out(pychat_udp::now(), recipient);
    driver.rest(AWAY_AFTER).await?;

    let messages = work.messages;
    let (cpu_before, began) = (server.cpu_s(), Stamp::now());
    driver.crowd().begin_writing(pair, Pace::Window(work.window), messages);
    let stored = driver.wait_for(STALLED_AFTER, messages, |tally| tally.accepted).await?;
    ensure!(stored == messages, "{stored} of {messages} texts were accepted, and then no more");
    let storing = Stamp::now().nanos_since(began) as f64 / 1e9;
    let cpu = server.cpu_s().zip(cpu_before).map(|(now, before)| now - before);
    ensure!(driver.tally().delivered == 0, "a text was delivered to somebody who is away");

    let began = Stamp::now();
    driver.crowd().log_in(pychat_udp::now(), recipient);
    let got = driver.wait_for(STALLED_AFTER, messages, |tally| tally.delivered).await?;
    ensure!(got == messages, "{got} of {messages} texts were collected, and then no more");
    let collecting = Stamp::now().nanos_since(began) as f64 / 1e9;
    // A doubled text may come after the last one.
    driver.rest(AFTERMATH).await?;
    let mut metrics = Metrics::from([
        ("stored_per_s", messages as f64 / storing),
        ("collect_s", collecting),
        ("collected_per_s", messages as f64 / collecting),
        ("missing", (messages - got) as f64),
    ]);
    if let Some(cpu) = cpu {
        metrics.insert("store_cpu_s_per_m", cpu / messages as f64 * 1e6);
    }
    Ok(metrics)
}
