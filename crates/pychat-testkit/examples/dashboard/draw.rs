//! The picture.

use super::{Line, Panel};
use std::fmt::Write;

/// Size of a place of the dashboard's grid, and what lies between panels.
const CELL: (f64, f64) = (46.0, 25.0);
const GAP: f64 = 8.0;

/// Above the panels: what this is.
const TOP: f64 = 46.0;

/// Points that are farther apart, in seconds, are not of one line.
const GAP_MAX_S: f64 = 4.0;

/// Colours of lines, told apart by people who do not tell red from green, too.
const COLOURS: [&str; 8] =
    ["#5b8ff9", "#f6bd16", "#5ad8a6", "#e86452", "#9270ca", "#ff9d4d", "#269a99", "#ff99c3"];

/// Grey of words that do not matter much.
const FAINT: &str = "#8e8e99";

/// Draws all panels; `seconds` is what their axes span.
pub(crate) fn picture(title: &str, panels: &[Panel], seconds: f64) -> String {
    // Rows' titles are left out, and so is the room that they take.
    let mut tops: Vec<f64> = panels.iter().map(|panel| panel.place[1]).collect();
    tops.sort_by(f64::total_cmp);
    tops.dedup();
    let rows_before = |top: f64| tops.iter().filter(|other| **other < top).count() as f64;
    let height_of = |top: f64| {
        let row = panels.iter().filter(|panel| panel.place[1] == top);
        row.map(|panel| panel.place[3]).fold(0.0, f64::max)
    };
    let above =
        |top: f64| tops.iter().filter(|other| **other < top).map(|it| height_of(*it)).sum::<f64>();
    let lowest = tops.iter().map(|top| height_of(*top)).sum::<f64>();
    let (width, height) =
        (24.0 * CELL.0 + GAP, TOP + lowest * CELL.1 + (tops.len() as f64 + 1.0) * GAP);
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" role="img" font-family="Inter,Helvetica,Arial,sans-serif" font-size="11">
<title>{0}</title>
<rect width="100%" height="100%" fill="#111217"/>
<text x="{GAP}" y="20" font-size="15" fill="#d8d9da">{0}</text>
<text x="{GAP}" y="37" fill="{FAINT}">The panels of the dashboard, drawn without Grafana: the values are those of a real run, over {seconds:.0} seconds</text>
"##,
        escaped(title),
    );
    for panel in panels {
        let [left, top, columns, rows] = panel.place;
        let (x, y) =
            (GAP + left * CELL.0, TOP + above(top) * CELL.1 + (rows_before(top) + 1.0) * GAP);
        let size = (columns * CELL.0 - GAP, rows * CELL.1);
        let _ = writeln!(svg, r#"<g transform="translate({x:.1} {y:.1})">"#);
        let _ = writeln!(
            svg,
            r##"<rect width="{:.1}" height="{:.1}" rx="3" fill="#181b1f" stroke="#25272d"/><text x="8" y="17" fill="#ccccdc">{}</text>"##,
            size.0,
            size.1,
            escaped(&panel.title)
        );
        if panel.is_stat {
            stat(&mut svg, panel, size);
        } else {
            chart(&mut svg, panel, size, seconds);
        }
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// The last value, large.
fn stat(svg: &mut String, panel: &Panel, (width, height): (f64, f64)) {
    let last = panel.lines.first().and_then(|line| line.points.last());
    let text = last.map_or_else(
        || "no data".to_owned(),
        |(_, value)| {
            let word = panel.words.iter().find(|(of, _)| of == value);
            word.map_or_else(|| shown(*value, &panel.unit), |(_, word)| word.clone())
        },
    );
    let _ = writeln!(
        svg,
        r##"<text x="{:.1}" y="{:.1}" font-size="26" fill="#73bf69" text-anchor="middle">{}</text>"##,
        width / 2.0,
        height / 2.0 + 16.0,
        escaped(&text)
    );
}

/// Lines over time, with a legend below.
fn chart(svg: &mut String, panel: &Panel, (width, height): (f64, f64), seconds: f64) {
    let lines: Vec<&Line> = panel.lines.iter().filter(|line| !line.points.is_empty()).collect();
    let (left, top, right, bottom) = (58.0, 28.0, width - 10.0, height - 44.0);
    let values = lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value);
    let most = ceiling(values.fold(0.0, f64::max), &panel.unit);
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        let y = bottom - share * (bottom - top);
        let _ = writeln!(
            svg,
            r##"<path d="M{left} {y:.1}H{right:.1}" stroke="#2c3037"/><text x="{:.1}" y="{:.1}" fill="{FAINT}" font-size="10" text-anchor="end">{}</text>"##,
            left - 5.0,
            y + 3.5,
            escaped(&shown(share * most, &panel.unit))
        );
    }
    for (at, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" fill="{FAINT}" font-size="10" text-anchor="{anchor}">{:.0} s</text>"#,
            left + at * (right - left),
            bottom + 13.0,
            at * seconds
        );
    }
    let mut x = 10.0;
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let place = |(at, value): &(f64, f64)| {
            let y = bottom - value / most * (bottom - top);
            format!("{:.1},{y:.1}", left + at / seconds * (right - left))
        };
        // Where there was nothing to tell, there is no line.
        for part in line.points.chunk_by(|(before, _), (after, _)| after - before <= GAP_MAX_S) {
            let points: Vec<String> = part.iter().map(place).collect();
            let points = points.join(" ");
            let _ = writeln!(
                svg,
                r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.4"/>"#
            );
        }
        // About what the letters take; what has no room is left out, as the picture is an example.
        let room = line.legend.chars().count() as f64 * 6.3 + 24.0;
        if x + room < width {
            let _ = writeln!(
                svg,
                r##"<rect x="{x:.1}" y="{:.1}" width="10" height="3" fill="{colour}"/><text x="{:.1}" y="{:.1}" fill="#b4b7bd" font-size="10">{}</text>"##,
                height - 15.0,
                x + 14.0,
                height - 10.0,
                escaped(&line.legend)
            );
        }
        x += room;
    }
    if lines.is_empty() {
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" fill="{FAINT}" text-anchor="middle">no data: nothing of the kind happened</text>"#,
            width / 2.0,
            height / 2.0
        );
    }
}

/// The next number above that is good to read at the end of an axis.
fn ceiling(most: f64, unit: &str) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let base: f64 = if unit == "bytes" { 1024.0 } else { 1.0 };
    let scale = if base > 1.0 { base.powf((most.ln() / base.ln()).floor()) } else { 1.0 };
    let step = scale * 10_f64.powf((most / scale).log10().floor());
    let factors = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0];
    factors.into_iter().map(|factor| factor * step).find(|top| *top >= most).unwrap_or(most)
}

/// A value as Grafana would write it.
fn shown(value: f64, unit: &str) -> String {
    let short = |value: f64| {
        let digits = match value.abs() {
            0.0 => 0,
            small if small < 0.1 => 3,
            small if small < 10.0 => 2,
            _ => 0,
        };
        let text = format!("{value:.digits$}");
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    };
    let scaled = |value: f64, base: f64, units: &[&str]| {
        let power = if value < base { 0 } else { (value.ln() / base.ln()).floor() as usize };
        let power = power.min(units.len() - 1);
        format!("{}{}", short(value / base.powf(power as f64)), units[power])
    };
    match unit {
        "bytes" => scaled(value, 1024.0, &[" B", " KiB", " MiB", " GiB"]),
        "percentunit" => format!("{} %", short(value * 100.0)),
        "s" if value < 1.0 => format!("{} ms", short(value * 1e3)),
        "s" => format!("{} s", short(value)),
        "cps" | "pps" => format!("{}/s", scaled(value, 1000.0, &["", "k", "M"])),
        _ => scaled(value, 1000.0, &["", "k", "M"]),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
