//! Logins and the sessions that follow: what each costs.

use crate::{
    body::Stamp,
    driver::Driver,
    gauge::{Gauge, Memory},
    record::Metrics,
    server::Server,
};
use anyhow::Result;
use std::{ops::Range, time::Duration};

/// A session that was quiet for so long is idle: the server has freed what it keeps of a lively one.
const SETTLE: Duration = Duration::from_secs(2);

/// Sessions after which memory is read for the first time.
const FIRST_SESSIONS: u32 = 1000;

/// Sessions that do nothing: memory of the first thousand and of all, and what their logins took.
///
/// # Errors
/// A login fails, or the server is out of reach.
pub async fn idle(
    driver: &mut Driver,
    server: &Server,
    sessions: u32,
    parallel: u32,
) -> Result<Metrics> {
    // One more, before anything is measured: the first login also warms the server up.
    driver.crowd().grow(sessions + 1);
    driver.log_in(0..1, parallel).await?;
    driver.rest(SETTLE).await?;
    let (before, cpu_before, began) = (server.memory(), server.cpu_s(), Stamp::now());
    let mut metrics = Metrics::new();
    let (mut held, mut seconds) = (1, 0.0);
    let goals = [
        (FIRST_SESSIONS.min(sessions), ["rss_kib_each_1k", "pss_kib_each_1k"]),
        (sessions, ["rss_kib_each_all", "pss_kib_each_all"]),
    ];
    for (goal, names) in goals {
        seconds += log_in(driver, held..goal + 1, parallel).await?;
        held = goal + 1;
        driver.rest(SETTLE).await?;
        if let (Some(before), Some(now)) = (before, server.memory()) {
            let Memory { rss_kib, pss_kib } = now.less(before);
            metrics.insert(names[0], rss_kib / f64::from(goal));
            metrics.insert(names[1], pss_kib / f64::from(goal));
        }
    }
    metrics.insert("logins_per_s", f64::from(sessions) / seconds);
    if let (Some(before), Some(now)) = (cpu_before, server.cpu_s()) {
        metrics.insert("login_cpu_ms_each", (now - before) * 1e3 / f64::from(sessions));
    }
    metrics.insert("seconds", Stamp::now().nanos_since(began) as f64 / 1e9);
    metrics.insert("sessions_lost", driver.tally().sessions_lost as f64);
    Ok(metrics)
}

/// A storm of logins: first everybody claims a name, then all come back at once.
///
/// # Errors
/// As for [`idle`].
pub async fn logins(
    driver: &mut Driver,
    server: &Server,
    sessions: u32,
    parallel: u32,
) -> Result<Metrics> {
    driver.crowd().grow(sessions + 1);
    driver.log_in(0..1, parallel).await?;
    driver.rest(SETTLE).await?;
    let mut metrics = Metrics::new();
    let rounds = [
        ["logins_per_s", "login_cpu_ms_each", "login_client_cpu_ms_each"],
        ["returns_per_s", "return_cpu_ms_each", "return_client_cpu_ms_each"],
    ];
    for [per_s, server_each, client_each] in rounds {
        let cpus = || [server.cpu_s(), Gauge::own().cpu_s()];
        let before = cpus();
        let seconds = log_in(driver, 1..sessions + 1, parallel).await?;
        metrics.insert(per_s, f64::from(sessions) / seconds);
        // What a login leaves to be done, a name's entry in the store for example, belongs to it.
        driver.rest(SETTLE).await?;
        for ((now, before), name) in cpus().into_iter().zip(before).zip([server_each, client_each])
        {
            if let (Some(now), Some(before)) = (now, before) {
                metrics.insert(name, (now - before) * 1e3 / f64::from(sessions));
            }
        }
        let now = pychat_udp::now();
        (1..sessions + 1).for_each(|member| driver.crowd().log_out(now, member));
        driver.rest(SETTLE).await?;
    }
    metrics.insert("sessions_lost", driver.tally().sessions_lost as f64);
    Ok(metrics)
}

/// The seconds that it took.
async fn log_in(driver: &mut Driver, members: Range<u32>, parallel: u32) -> Result<f64> {
    let began = Stamp::now();
    driver.log_in(members, parallel).await?;
    Ok(Stamp::now().nanos_since(began) as f64 / 1e9)
}
