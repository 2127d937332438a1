//! Texts between pairs: as fast as windows allow, or at a steady rate.

use crate::{
    body::Stamp,
    driver::Driver,
    gauge::{Gauge, Memory, machine_cpu_s},
    record::Metrics,
    scenario::{AFTERMATH, STALLED_AFTER, schedule::Schedule},
    server::Server,
    tally::Tally,
    writer::Pace,
};
use anyhow::{Result, ensure};
use std::time::Duration;

/// Which texts.
#[derive(Clone, Copy, Debug)]
pub struct Relay {
    /// Senders with a recipient each.
    pub pairs: u32,
    /// Sessions that do nothing beside them.
    pub crowd: u32,
    /// How they are spaced.
    pub load: Load,
    /// Logins under way at a time.
    pub parallel: u32,
    /// Time before anything is measured.
    pub warmup: Duration,
    /// The measured time.
    pub measured: Duration,
}

/// How a pair's texts are spaced.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// At most this many that the server has not accepted.
    Window(u64),
    /// So many a second, whatever comes back.
    Rate(f64),
}

/// A crowd is watched for so long before anybody writes: in that time each of its sessions shows at least
/// one sign of life, 25 s and a tenth after the one before.
const CROWD_WATCHED: Duration = Duration::from_millis(27_500);

/// A session that was quiet for so long is idle: the server has freed what it keeps of a lively one.
const CROWD_SETTLES: Duration = Duration::from_secs(2);

/// What was used and done until some moment.
struct Reading {
    at: Stamp,
    delivered: u64,
    sent: u64,
    server_cpu_s: Option<f64>,
    client_cpu_s: Option<f64>,
    machine_cpu_s: Option<f64>,
}

impl Reading {
    fn take(driver: &Driver, server: &Server) -> Self {
        let tally = driver.tally();
        Self {
            at: Stamp::now(),
            delivered: tally.delivered,
            sent: tally.sent,
            server_cpu_s: server.cpu_s(),
            client_cpu_s: Gauge::own().cpu_s(),
            machine_cpu_s: machine_cpu_s(),
        }
    }

    /// The figures of the time since `earlier`.
    fn since(&self, earlier: &Self) -> Metrics {
        let seconds = self.at.nanos_since(earlier.at) as f64 / 1e9;
        let delivered = (self.delivered - earlier.delivered) as f64;
        let mut metrics = Metrics::from([
            ("delivered_per_s", delivered / seconds),
            ("sent_per_s", (self.sent - earlier.sent) as f64 / seconds),
        ]);
        let cpus = [
            ("server_cpu_s_per_m", "server_cores", self.server_cpu_s, earlier.server_cpu_s),
            ("client_cpu_s_per_m", "client_cores", self.client_cpu_s, earlier.client_cpu_s),
        ];
        for (per_m, cores, now, before) in cpus {
            if let (Some(now), Some(before)) = (now, before) {
                metrics.insert(per_m, (now - before) / delivered * 1e6);
                metrics.insert(cores, (now - before) / seconds);
            }
        }
        if let (Some(now), Some(before)) = (self.machine_cpu_s, earlier.machine_cpu_s) {
            let ours = ["server_cores", "client_cores"].map(|name| metrics.get(name).copied());
            let ours = ours.into_iter().flatten().sum::<f64>();
            metrics.insert("other_cores", ((now - before) / seconds - ours).max(0.0));
        }
        metrics
    }
}

/// Logs the pairs in, lets them write, and measures in the middle of it.
///
/// # Errors
/// A text was lost, doubled or out of order, nothing was delivered, or the server is out of reach.
pub async fn relay(driver: &mut Driver, server: &Server, work: &Relay) -> Result<Metrics> {
    let members = 2 * work.pairs;
    driver.crowd().grow(members);
    driver.log_in(0..members, work.parallel).await?;
    driver.introduce(members).await?;
    let crowd = match work.crowd {
        0 => Metrics::new(),
        _ => crowd(driver, server, work).await?,
    };
    let pace = match work.load {
        Load::Window(window) => Pace::Window(window),
        Load::Rate(_) => Pace::Due(0),
    };
    (0..work.pairs).for_each(|pair| driver.crowd().begin_writing(pair, pace, u64::MAX));

    let mut schedule = Schedule::new(work.pairs, work.load);
    schedule.write(driver, work.warmup).await?;
    driver.crowd().tally_mut().measuring = true;
    let before = Reading::take(driver, server);
    schedule.write(driver, work.measured).await?;
    let after = Reading::take(driver, server);
    driver.crowd().tally_mut().measuring = false;
    let backlog = driver.tally().sent - driver.tally().delivered;

    driver.crowd().stop_writing();
    let sent = driver.tally().sent;
    let both = |tally: &Tally| tally.delivered.min(tally.accepted);
    let settled = driver.wait_for(STALLED_AFTER, sent, both).await?;
    // A doubled text may come after the last one.
    driver.rest(AFTERMATH).await?;
    let tally = driver.tally();
    let (accepted, arrived) = (tally.accepted, tally.delivered);
    ensure!(settled == sent, "of {sent} texts {accepted} were accepted and {arrived} arrived");
    ensure!(after.delivered > before.delivered, "nothing was delivered in the measured time");
    let mut metrics = after.since(&before);
    if let Some(alone) = crowd.get("crowd_cores")
        && let Some(cores) = metrics.get("server_cores")
        && let Some(rate) = metrics.get("delivered_per_s")
    {
        metrics.insert("server_cpu_s_per_m_less_crowd", (cores - alone) / rate * 1e6);
    }
    metrics.extend(crowd);
    metrics.insert("backlog", backlog as f64);
    metrics.insert("sessions_lost", tally.sessions_lost as f64);
    for (name, quantile) in [("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999)] {
        metrics.insert(name, tally.latency.value_at_quantile(quantile) as f64 / 1e3);
    }
    Ok(metrics)
}

/// Logs a crowd in and watches it: its memory, and what its signs of life cost.
async fn crowd(driver: &mut Driver, server: &Server, work: &Relay) -> Result<Metrics> {
    let members = 2 * work.pairs;
    driver.rest(CROWD_SETTLES).await?;
    let before = server.memory();
    driver.crowd().grow(members + work.crowd);
    driver.log_in(members..members + work.crowd, work.parallel).await?;
    driver.rest(CROWD_SETTLES).await?;
    let mut metrics = Metrics::from([("crowd", f64::from(work.crowd))]);
    if let (Some(before), Some(now)) = (before, server.memory()) {
        let Memory { rss_kib, pss_kib } = now.less(before);
        metrics.insert("crowd_rss_kib_each", rss_kib / f64::from(work.crowd));
        metrics.insert("crowd_pss_kib_each", pss_kib / f64::from(work.crowd));
    }
    let (before, began) = (server.cpu_s(), Stamp::now());
    driver.rest(CROWD_WATCHED).await?;
    if let (Some(before), Some(now)) = (before, server.cpu_s()) {
        let seconds = Stamp::now().nanos_since(began) as f64 / 1e9;
        metrics.insert("crowd_cores", (now - before) / seconds);
    }
    Ok(metrics)
}
