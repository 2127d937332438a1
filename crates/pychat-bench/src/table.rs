//! A record for people.

use crate::record::Record;
use std::fmt::Write;

/// What a figure is called, the metric, how many units make one of it, its unit, its decimals.
struct Line(&'static str, &'static str, f64, &'static str, usize);

const LINES: &[Line] = &[
    Line("delivered", "delivered_per_s", 1.0, "/s", 0),
    Line("stored", "stored_per_s", 1.0, "/s", 0),
    Line("stored, server CPU", "store_cpu_s_per_m", 1.0, "s per million", 1),
    Line("collected after login", "collect_s", 1.0, "s", 3),
    Line("missing", "missing", 1.0, "", 0),
    Line("sent", "sent", 1.0, "", 0),
    Line("arrived within 20 s", "arrived", 1.0, "", 0),
    Line("server CPU", "server_cpu_s_per_m", 1.0, "s per million", 1),
    Line("without the crowd's own", "server_cpu_s_per_m_less_crowd", 1.0, "s per million", 1),
    Line("client CPU", "client_cpu_s_per_m", 1.0, "s per million", 1),
    Line("server cores", "server_cores", 1.0, "", 2),
    Line("client cores", "client_cores", 1.0, "", 2),
    Line("other cores", "other_cores", 1.0, "", 2),
    Line("crowd", "crowd", 1.0, "sessions", 0),
    Line("crowd alone, cores", "crowd_cores", 1.0, "", 4),
    Line("crowd, memory each", "crowd_rss_kib_each", 1.0, "KiB", 2),
    Line("crowd, memory each, PSS", "crowd_pss_kib_each", 1.0, "KiB", 2),
    Line("latency, median", "p50_us", 1e-3, "ms", 2),
    Line("latency, 99 %", "p99_us", 1e-3, "ms", 2),
    Line("latency, 99.9 %", "p999_us", 1e-3, "ms", 2),
    Line("latency, median", "p50_ms", 1.0, "ms", 0),
    Line("latency, 90 %", "p90_ms", 1.0, "ms", 0),
    Line("latency, 99 %", "p99_ms", 1.0, "ms", 0),
    Line("latency, longest", "max_ms", 1.0, "ms", 0),
    Line("memory each, first 1000", "rss_kib_each_1k", 1.0, "KiB", 2),
    Line("memory each, all", "rss_kib_each_all", 1.0, "KiB", 2),
    Line("memory each, all, PSS", "pss_kib_each_all", 1.0, "KiB", 2),
    Line("logins", "logins_per_s", 1.0, "/s", 0),
    Line("login, server CPU", "login_cpu_ms_each", 1.0, "ms", 3),
    Line("login, client CPU", "login_client_cpu_ms_each", 1.0, "ms", 3),
    Line("returns", "returns_per_s", 1.0, "/s", 0),
    Line("return, server CPU", "return_cpu_ms_each", 1.0, "ms", 3),
    Line("return, client CPU", "return_client_cpu_ms_each", 1.0, "ms", 3),
    Line("server gone for", "gone_s", 1.0, "s", 2),
    Line("all back after", "all_back_s", 1.0, "s", 2),
    Line("all back, once it is ready", "all_back_since_ready_s", 1.0, "s", 2),
    Line("back, median", "back_p50_s", 1.0, "s", 2),
    Line("back, 99 %", "back_p99_s", 1.0, "s", 2),
    Line("returns, busiest second", "returns_peak_per_s", 1.0, "/s", 0),
    Line("returns, busiest 100 ms", "returns_peak_per_100_ms", 1.0, "", 0),
    Line("RETRYs", "retries", 1.0, "", 0),
    Line("tries without answer", "inits_unanswered", 1.0, "", 0),
    Line("sessions lost meanwhile", "sessions_lost", 1.0, "", 0),
];

/// The record as lines of text.
#[must_use]
pub fn lines(record: &Record) -> String {
    let Record { server, version, scenario, durability, reps, metrics, .. } = record;
    let runs = if *reps == 1 { "one run".into() } else { format!("medians of {reps} runs") };
    let mut text = format!("{scenario}: {server} {version}, {durability}, {runs}\n\n");
    for Line(name, metric, factor, unit, decimals) in LINES {
        if let Some(value) = metrics.get(metric) {
            // Writing to a string does not fail.
            let _written = writeln!(text, "  {name:<28}{:>12.decimals$} {unit}", value * factor);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Metrics;

    #[test]
    fn figures_stand_below_each_other_with_their_units() {
        let record = Record {
            server: "pychat",
            version: "1.0".into(),
            scenario: "mailbox 9 messages".into(),
            confirm: "server_ack",
            durability: "synced",
            reps: 3,
            metrics: Metrics::from([("stored_per_s", 12_345.6), ("collect_s", 0.25)]),
        };
        assert_eq!(
            lines(&record),
            "mailbox 9 messages: pychat 1.0, synced, medians of 3 runs\n\n\
             \x20 stored                             12346 /s\n\
             \x20 collected after login              0.250 s\n"
        );
    }
}
