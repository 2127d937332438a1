//! Asks a Prometheus.

use super::Line;
use serde_json::Value;
use std::{
    error::Error,
    io::{Read, Write},
    net::TcpStream,
};

/// Between two points of a line. Prometheus has to scrape at least as often.
const STEP_S: u32 = 2;

/// Over what rates are taken: as Grafana would take with that step, four scrapes.
const RATE: &str = "8s";

/// The lines of an expression between two times.
pub(crate) fn range(
    prometheus: &str,
    expression: &str,
    legend: &str,
    [start, end]: [f64; 2],
) -> Result<Vec<Line>, Box<dyn Error>> {
    let expression = expression
        .replace("$__rate_interval", RATE)
        .replace("$job", ".*")
        .replace("$instance", ".*");
    let query: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let path = format!("/api/v1/query_range?query={query}&start={start}&end={end}&step={STEP_S}");
    let answer: Value = serde_json::from_str(&get(prometheus, &path)?)?;
    if answer["status"] != "success" {
        return Err(format!("{expression}: {}", answer["error"]).into());
    }
    let series = answer["data"]["result"].as_array().ok_or("no result")?;
    Ok(series.iter().map(|series| line(series, legend, start)).collect())
}

fn line(series: &Value, legend: &str, start: f64) -> Line {
    let mut legend = legend.to_owned();
    for (label, value) in series["metric"].as_object().into_iter().flatten() {
        legend = legend.replace(&format!("{{{{{label}}}}}"), value.as_str().unwrap_or_default());
    }
    let values = series["values"].as_array().into_iter().flatten();
    let points = values.filter_map(|point| {
        let value: f64 = point[1].as_str()?.parse().ok()?;
        value.is_finite().then_some((point[0].as_f64()? - start, value))
    });
    Line { legend, points: points.collect() }
}

fn get(host: &str, path: &str) -> Result<String, Box<dyn Error>> {
    let mut stream = TcpStream::connect(host)?;
    // 1.0: the answer comes in one piece and ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    Ok(body.to_owned())
}
