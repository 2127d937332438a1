//! Draws a Grafana dashboard as one picture, without Grafana: `dashboard PROMETHEUS DASHBOARD.json FROM TO`
//! prints SVG.
//!
//! What is drawn are the dashboard's own panels at their own places, and the values are what a running
//! Prometheus (as `127.0.0.1:9090`) answers to their own expressions between those two times, in seconds since 1970. The
//! looks are ours.

mod draw;
mod prometheus;

use serde_json::Value;
use std::process::ExitCode;

/// One panel of the dashboard.
struct Panel {
    title: String,
    unit: String,
    is_stat: bool,
    /// Left, top, width, height, in the dashboard's grid.
    place: [f64; 4],
    /// Words for single values.
    words: Vec<(f64, String)>,
    lines: Vec<Line>,
}

/// One line of a panel.
struct Line {
    legend: String,
    /// Seconds since the beginning, and the value.
    points: Vec<(f64, f64)>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [prometheus, file, from, to] = arguments.as_slice() else {
        eprintln!("usage: dashboard HOST:PORT DASHBOARD.json FROM TO > PICTURE.svg");
        return ExitCode::from(2);
    };
    match draw(prometheus, file, [from, to]) {
        Ok(svg) => {
            print!("{svg}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn draw(
    prometheus: &str,
    file: &str,
    span: [&str; 2],
) -> Result<String, Box<dyn std::error::Error>> {
    let dashboard: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let span: [f64; 2] = [span[0].parse()?, span[1].parse()?];
    let title = dashboard["title"].as_str().unwrap_or("dashboard");
    let mut panels = Vec::new();
    for panel in dashboard["panels"].as_array().ok_or("it has no panels")? {
        if panel["type"] != "row" {
            panels.push(ask(prometheus, panel, span)?);
        }
    }
    Ok(draw::picture(title, &panels, span[1] - span[0]))
}

/// A panel with what Prometheus answers to its expressions.
fn ask(
    prometheus: &str,
    panel: &Value,
    span: [f64; 2],
) -> Result<Panel, Box<dyn std::error::Error>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let defaults = &panel["fieldConfig"]["defaults"];
    let mut lines = Vec::new();
    for target in panel["targets"].as_array().into_iter().flatten() {
        let legend = text(&target["legendFormat"]);
        lines.extend(prometheus::range(prometheus, &text(&target["expr"]), &legend, span)?);
    }
    let mappings = defaults["mappings"].as_array().into_iter().flatten();
    let options = mappings.filter_map(|mapping| mapping["options"].as_object()).flatten();
    let words =
        options.filter_map(|(value, word)| Some((value.parse().ok()?, text(&word["text"]))));
    Ok(Panel {
        title: text(&panel["title"]),
        unit: text(&defaults["unit"]),
        is_stat: panel["type"] == "stat",
        place: ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_f64().unwrap_or(0.0)),
        words: words.collect(),
        lines,
    })
}
