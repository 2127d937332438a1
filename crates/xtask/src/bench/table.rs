//! Records as Markdown, a table for each scenario.

use super::records::{Figure, Records, Row};
use std::fmt::Write;

/// One column.
struct Column {
    heading: &'static str,
    metric: &'static str,
    /// From the metric's unit to the heading's.
    factor: f64,
    decimals: usize,
    kind: Kind,
}

/// What a column shows beside the median.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing.
    Plain,
    /// The ratio to the reference server.
    Compared,
    /// The least and the most of all runs.
    Spread,
}

const fn column(
    heading: &'static str,
    metric: &'static str,
    factor: f64,
    decimals: usize,
    kind: Kind,
) -> Column {
    Column { heading, metric, factor, decimals, kind }
}

const RELAY: &[Column] = &[
    column("delivered/s", "delivered_per_s", 1.0, 0, Kind::Compared),
    column("server CPU s/M", "server_cpu_s_per_m", 1.0, 1, Kind::Compared),
    column("client CPU s/M", "client_cpu_s_per_m", 1.0, 1, Kind::Plain),
    column("server cores", "server_cores", 1.0, 2, Kind::Plain),
    column("client cores", "client_cores", 1.0, 2, Kind::Plain),
    column("p50 ms", "p50_us", 1e-3, 2, Kind::Plain),
    column("p99 ms", "p99_us", 1e-3, 2, Kind::Compared),
    column("p99.9 ms", "p999_us", 1e-3, 2, Kind::Plain),
];
const IDLE: &[Column] = &[
    column("RSS KiB each, first 1000", "rss_kib_each_1k", 1.0, 2, Kind::Plain),
    column("RSS KiB each, all", "rss_kib_each_all", 1.0, 2, Kind::Compared),
    column("PSS KiB each, all", "pss_kib_each_all", 1.0, 2, Kind::Plain),
    column("logins/s", "logins_per_s", 1.0, 0, Kind::Compared),
    column("server CPU ms/login", "login_cpu_ms_each", 1.0, 3, Kind::Compared),
];
const CROWD: &[Column] = &[
    column("server CPU s/M", "server_cpu_s_per_m", 1.0, 1, Kind::Plain),
    column("less the crowd's own", "server_cpu_s_per_m_less_crowd", 1.0, 1, Kind::Plain),
    column("crowd alone, cores", "crowd_cores", 1.0, 4, Kind::Plain),
    column("RSS KiB each", "crowd_rss_kib_each", 1.0, 2, Kind::Plain),
    column("p50 ms", "p50_us", 1e-3, 2, Kind::Plain),
    column("p99 ms", "p99_us", 1e-3, 2, Kind::Plain),
    column("other cores", "other_cores", 1.0, 2, Kind::Plain),
];
const STORM: &[Column] = &[
    column("all back, s", "all_back_s", 1.0, 1, Kind::Spread),
    column("p50 s", "back_p50_s", 1.0, 1, Kind::Plain),
    column("p99 s", "back_p99_s", 1.0, 1, Kind::Plain),
    column("most in a second", "returns_peak_per_s", 1.0, 0, Kind::Plain),
    column("most in 100 ms", "returns_peak_per_100_ms", 1.0, 0, Kind::Plain),
    column("server CPU ms each", "return_cpu_ms_each", 1.0, 3, Kind::Plain),
    column("RETRYs", "retries", 1.0, 0, Kind::Plain),
    column("tries without answer", "inits_unanswered", 1.0, 0, Kind::Plain),
];
const LOGINS: &[Column] = &[
    column("first logins/s", "logins_per_s", 1.0, 0, Kind::Plain),
    column("server CPU ms each", "login_cpu_ms_each", 1.0, 3, Kind::Plain),
    column("returns/s", "returns_per_s", 1.0, 0, Kind::Plain),
    column("server CPU ms each", "return_cpu_ms_each", 1.0, 3, Kind::Plain),
    column("client CPU ms each", "return_client_cpu_ms_each", 1.0, 3, Kind::Plain),
];
const MAILBOX: &[Column] = &[
    column("stored/s", "stored_per_s", 1.0, 0, Kind::Compared),
    column("server CPU s/M stored", "store_cpu_s_per_m", 1.0, 1, Kind::Compared),
    column("login until all received, s", "collect_s", 1.0, 3, Kind::Compared),
    column("missing", "missing", 1.0, 0, Kind::Plain),
];
const LOSSY: &[Column] = &[
    column("sent", "sent", 1.0, 0, Kind::Plain),
    column("arrived in 20 s", "arrived", 1.0, 0, Kind::Spread),
    column("p50 ms", "p50_ms", 1.0, 0, Kind::Spread),
    column("p90 ms", "p90_ms", 1.0, 0, Kind::Spread),
    column("p99 ms", "p99_ms", 1.0, 0, Kind::Spread),
    column("max ms", "max_ms", 1.0, 0, Kind::Spread),
];

/// All tables; a ratio is to `reference`, where that was measured too.
pub(super) fn markdown(records: &Records, reference: Option<&str>) -> String {
    let mut text = String::new();
    for title in records.titles() {
        let columns = columns_of(title);
        let base = records.rows(title).find(|row| Some(row.name.as_str()) == reference);
        // Writing to a string does not fail.
        let _written = write_table(&mut text, title, columns, records, base);
    }
    for note in records.notes() {
        text.push_str(&format!("\nNot measured: {note}\n"));
    }
    text
}

fn columns_of(title: &str) -> &'static [Column] {
    match title.split(' ').next() {
        Some("crowd") => CROWD,
        Some("idle") => IDLE,
        Some("logins") => LOGINS,
        Some("storm") => STORM,
        Some("mailbox") => MAILBOX,
        Some("lossy") => LOSSY,
        _ => RELAY,
    }
}

fn write_table(
    to: &mut String,
    title: &str,
    columns: &[Column],
    records: &Records,
    base: Option<&Row>,
) -> std::fmt::Result {
    write!(to, "\n### {title}\n\n| server |")?;
    let compares = |column: &Column| base.is_some() && column.kind == Kind::Compared;
    for column in columns {
        write!(to, " {} |", column.heading)?;
        if compares(column) {
            write!(to, " × {} |", base.map_or("", |base| &base.name))?;
        }
    }
    let wide = columns.len() + columns.iter().filter(|column| compares(column)).count();
    writeln!(to, " runs |\n|---|{}", "---:|".repeat(wide + 1))?;
    for row in records.rows(title) {
        write!(to, "| {} |", row.server)?;
        for column in columns {
            let figure = row.figure(column.metric);
            write!(to, " {} |", figure.map_or_else(String::new, |figure| cell(column, figure)))?;
            if compares(column) {
                let against = base.and_then(|base| base.figure(column.metric));
                let ratio = figure.zip(against).map(|(own, base)| own.median / base.median);
                write!(to, " {} |", ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")))?;
            }
        }
        writeln!(to, " {} |", row.runs())?;
    }
    Ok(())
}

fn cell(column: &Column, figure: Figure) -> String {
    let show = |value: f64| format!("{:.*}", column.decimals, value * column.factor);
    match column.kind {
        Kind::Plain | Kind::Compared => show(figure.median),
        Kind::Spread => {
            format!("{} ({}–{})", show(figure.median), show(figure.least), show(figure.most))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ratios_are_to_the_reference() {
        let mut records = Records::default();
        for (server, rate, stored) in [("pychat", 300.0, 0.5), ("other", 100.0, 1.0)] {
            let metrics = json!({"stored_per_s": rate, "collect_s": stored});
            let run = json!({"server": server, "version": "1", "metrics": metrics});
            records.add("mailbox 10 messages", Ok(run));
        }
        let text = markdown(&records, Some("other"));
        assert!(text.contains("| pychat 1 | 300 | 3.00 |  |  | 0.500 | 0.50 |  | 1 |"), "{text}");
        assert!(text.contains("| stored/s | × other |"), "{text}");
        let alone = markdown(&records, None);
        assert!(alone.contains("| pychat 1 | 300 |  | 0.500 |  | 1 |"), "{alone}");
    }

    #[test]
    fn a_bad_links_figures_show_their_spread() {
        let mut records = Records::default();
        for most in [1.0, 2.0, 30.0] {
            let metrics = json!({"max_ms": most});
            records.add("lossy", Ok(json!({"server": "s", "version": "1", "metrics": metrics})));
        }
        assert!(markdown(&records, None).contains(" 2 (1–30) | 3 |"));
    }
}
