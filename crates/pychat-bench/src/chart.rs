//! Figures as pictures: SVG, one line on two axes.

use hdrhistogram::Histogram;
use std::fmt::{self, Write};

/// Size of the whole picture, and of its margins, in SVG's units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = 56.0;

/// Points of a distribution for each factor of ten in what lies beyond.
const POINTS_PER_DECADE: u32 = 40;

/// Room above the highest point of a linear axis.
const HEADROOM: f64 = 1.08;

/// Most ticks of a linear axis.
const TICKS_MAX: f64 = 10.0;

/// Where ticks of a logarithmic axis lie within a factor of ten.
const LOG_STEPS: [f64; 3] = [1.0, 2.0, 5.0];

/// A line on two axes.
#[derive(Clone, Debug)]
struct Chart {
    title: String,
    x: Axis,
    y: Axis,
    points: Vec<(f64, f64)>,
    marks: Marks,
}

/// Whether the points themselves are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marks {
    Shown,
    Hidden,
}

/// What an axis shows. Positions are in the points' own numbers.
#[derive(Clone, Debug)]
struct Axis {
    label: &'static str,
    from: f64,
    to: f64,
    ticks: Vec<(f64, String)>,
}

/// How latencies are spread: which share of texts took at most how long. `None` without any.
#[must_use]
pub fn latencies(title: &str, latency: &Histogram<u64>) -> Option<String> {
    if latency.is_empty() {
        return None;
    }
    let ms = |nanos: u64| nanos as f64 / 1e6;
    // 0, 0.9, 0.99 and so on are equally far apart, up to the one text of all.
    let end = (latency.len() as f64).log10().max(1.0);
    let steps = (end * f64::from(POINTS_PER_DECADE)).ceil() as u32;
    let points = (0..=steps).map(|step| {
        let x = (f64::from(step) / f64::from(POINTS_PER_DECADE)).min(end);
        let value = latency.value_at_quantile(1.0 - 10_f64.powf(-x));
        (x, ms(value).max(1e-6).log10())
    });
    let shares = ["0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %"];
    let shares = shares.into_iter().enumerate().map(|(nines, label)| (nines as f64, label.into()));
    let half = (2_f64.log10(), "50 %".into());
    let ticks = shares.chain([half]).filter(|(at, _)| *at <= end).collect();
    let x = Axis { label: "share of texts", from: 0.0, to: end, ticks };
    let y = log_axis("took at most, ms", ms(latency.min().max(1)), ms(latency.max().max(1)));
    let (title, points) = (title.to_owned(), points.collect());
    Some(Chart { title, x, y, points, marks: Marks::Hidden }.to_string())
}

/// A figure by the number of sessions. `None` without any point.
#[must_use]
pub fn sweep(title: &str, label: &'static str, points: &[(u32, f64)]) -> Option<String> {
    let (first, last) = (points.first()?.0, points.last()?.0);
    let most = points.iter().map(|(_, rate)| *rate).fold(1.0, f64::max) * HEADROOM;
    let x = Axis {
        label: "sessions",
        from: f64::from(first).log10(),
        to: f64::from(last.max(first + 1)).log10(),
        ticks: points.iter().map(|(n, _)| (f64::from(*n).log10(), n.to_string())).collect(),
    };
    let decade = 10_f64.powf(most.log10().floor());
    let finer = LOG_STEPS.map(|step| step * decade / 10.0);
    let step = finer.into_iter().find(|step| most / step <= TICKS_MAX).unwrap_or(decade);
    let ticks = (0..).map(|n| f64::from(n) * step).take_while(|at| *at <= most);
    let ticks = ticks.map(|at| (at, grouped(at))).collect();
    let y = Axis { label, from: 0.0, to: most, ticks };
    let points = points.iter().map(|(n, value)| (f64::from(*n).log10(), *value)).collect();
    Some(Chart { title: title.to_owned(), x, y, points, marks: Marks::Shown }.to_string())
}

/// A logarithmic axis that holds both values, from tick to tick.
fn log_axis(label: &'static str, least: f64, most: f64) -> Axis {
    let decades = least.log10().floor() as i32..=most.log10().ceil() as i32;
    let all: Vec<f64> =
        decades.flat_map(|decade| LOG_STEPS.map(|step| step * 10_f64.powi(decade))).collect();
    // The first one is at or below the least value: its decade begins there.
    let below = all.iter().copied().filter(|tick| *tick <= least);
    let from = below.fold(f64::NEG_INFINITY, f64::max);
    let from = if from.is_finite() { from } else { least };
    let to = all.iter().copied().filter(|tick| *tick >= most).fold(f64::INFINITY, f64::min);
    let to = if to.is_finite() && to > from { to } else { from * 10.0 };
    let ticks = all.into_iter().filter(|tick| (from..=to).contains(tick));
    let ticks = ticks.map(|tick| (tick.log10(), format!("{tick}"))).collect();
    Axis { label, from: from.log10(), to: to.log10(), ticks }
}

/// With spaces between thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

impl Chart {
    fn x_of(&self, value: f64) -> f64 {
        LEFT + (value - self.x.from) / (self.x.to - self.x.from) * (WIDTH - LEFT - RIGHT)
    }

    fn y_of(&self, value: f64) -> f64 {
        HEIGHT
            - BOTTOM
            - (value - self.y.from) / (self.y.to - self.y.from) * (HEIGHT - TOP - BOTTOM)
    }

    fn write_axes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (at, label) in &self.x.ticks {
            let x = self.x_of(*at);
            writeln!(f, r#"<path class="grid" d="M{x:.1} {TOP}V{bottom}"/>"#)?;
            writeln!(
                f,
                r#"<text x="{x:.1}" y="{}" text-anchor="middle">{label}</text>"#,
                bottom + 18.0
            )?;
        }
        for (at, label) in &self.y.ticks {
            let y = self.y_of(*at);
            writeln!(f, r#"<path class="grid" d="M{LEFT} {y:.1}H{right}"/>"#)?;
            let (x, y) = (LEFT - 8.0, y + 4.0);
            writeln!(f, r#"<text x="{x}" y="{y:.1}" text-anchor="end">{label}</text>"#)?;
        }
        let (middle, under) = ((LEFT + right) / 2.0, HEIGHT - 14.0);
        let (x_label, y_label) = (self.x.label, self.y.label);
        writeln!(f, r#"<text x="{middle}" y="{under}" text-anchor="middle">{x_label}</text>"#)?;
        writeln!(f, r#"<text x="{LEFT}" y="{}">{y_label}</text>"#, TOP - 10.0)?;
        writeln!(f, r#"<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>"#)
    }

    fn write_line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut path = String::new();
        for (index, (x, y)) in self.points.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            write!(path, "{command}{:.1} {:.1}", self.x_of(*x), self.y_of(*y))?;
        }
        writeln!(f, r#"<path class="line" d="{path}"/>"#)?;
        if self.marks == Marks::Hidden {
            return Ok(());
        }
        self.points.iter().try_for_each(|(x, y)| {
            let (x, y) = (self.x_of(*x), self.y_of(*y));
            writeln!(f, r#"<circle class="mark" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#)
        })
    }
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = escaped(&self.title);
        writeln!(f, r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">"#)?;
        writeln!(f, "<title>{title}</title>\n<style>{STYLE}</style>")?;
        writeln!(f, r#"<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>"#)?;
        writeln!(f, r#"<text class="title" x="{LEFT}" y="24">{title}</text>"#)?;
        self.write_axes(f)?;
        self.write_line(f)?;
        writeln!(f, "</svg>")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#444}\
    .title{font-size:15px;font-weight:600;fill:#111}\
    .grid{stroke:#e4e4e4;fill:none}.axis{stroke:#777;fill:none}\
    .line{stroke:#1a5fb4;stroke-width:2;fill:none;stroke-linejoin:round}.mark{fill:#1a5fb4}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_a_line_that_only_rises() {
        let mut latency = Histogram::new_with_max(60_000_000_000, 3).unwrap();
        assert_eq!(latencies("none", &latency), None);
        (1..=10_000_u64).for_each(|n| latency.record(n * 1000).unwrap());
        let svg = latencies("a < b", &latency).unwrap();
        assert!(svg.contains("<title>a &lt; b</title>"));
        assert!(svg.contains(">99.99 %<") && !svg.contains(">99.999 %<"), "{svg}");
        let path = svg.split("class=\"line\" d=\"M").nth(1).unwrap().split('"').next().unwrap();
        let heights: Vec<f64> = path
            .split('L')
            .map(|point| point.split(' ').nth(1).unwrap().parse().unwrap())
            .collect();
        assert!(heights.is_sorted_by(|before, after| before >= after), "{heights:?}");
        assert!(heights.iter().all(|y| (TOP..=HEIGHT - BOTTOM).contains(y)), "{heights:?}");
    }

    #[test]
    fn one_latency_and_one_point_of_a_sweep_make_pictures_without_nonsense() {
        let mut latency = Histogram::new_with_max(60_000_000_000, 3).unwrap();
        latency.record(1_000_000).unwrap();
        let pictures = [latencies("one", &latency), sweep("one", "y", &[(2, 100.0)])];
        for picture in pictures {
            let picture = picture.unwrap();
            assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
        }
        assert_eq!(sweep("none", "y", &[]), None);
    }

    #[test]
    fn a_linear_axis_has_a_few_round_ticks() {
        for most in [1.0, 9.0, 24_000.0, 51_000.0, 99_999.0, 1_300_000.0] {
            let picture = sweep("rates", "y", &[(2, 0.0), (200, most)]).unwrap();
            let ticks = picture.matches("text-anchor=\"end\"").count();
            assert!((3..=11).contains(&ticks), "{most}: {ticks}");
        }
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(50.0), "50");
        assert_eq!(grouped(1_250_000.0), "1\u{202f}250\u{202f}000");
    }
}
