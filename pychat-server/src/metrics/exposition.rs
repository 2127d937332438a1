//! The text format of Prometheus, version 0.0.4, as far as it is needed here.

use std::fmt::{Display, Write as _};

/// The format's media type.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows, and begins anew with the server.
    Counter,
    /// It goes up and down.
    Gauge,
    /// A distribution: cumulative classes, their sum and count.
    Histogram,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Metrics as text, one family after another.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
}

/// A metric, whose samples follow.
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Exposition {
    /// Begins a metric.
    pub(super) fn family(&mut self, kind: Kind, name: &'static str, help: &str) -> Family<'_> {
        let help = escaped(help, false);
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {}", kind.word()));
        Family { text: &mut self.text, name }
    }

    /// A counter of one sample.
    pub(super) fn counter(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(Kind::Counter, name, help).sample(&[], value);
    }

    /// A gauge of one sample.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(Kind::Gauge, name, help).sample(&[], value);
    }

    /// A histogram of one distribution: how many values there were in each class, the bounds of all classes
    /// but the last, which has none, and the sum of all values.
    pub(super) fn histogram(
        &mut self,
        name: &'static str,
        help: &str,
        (bounds, counts): (&[f64], &[u64]),
        sum: f64,
    ) {
        self.family(Kind::Histogram, name, help);
        let mut so_far = 0;
        let bounds = bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(counts) {
            so_far += count;
            self.line(format_args!("{name}_bucket{{le=\"{bound}\"}} {so_far}"));
        }
        self.line(format_args!("{name}_sum {sum}"));
        self.line(format_args!("{name}_count {so_far}"));
    }

    /// All of it.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // A string takes whatever is written to it.
        let _ = writeln!(self.text, "{line}");
    }
}

impl Family<'_> {
    /// Adds a sample.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value, true)))
            .collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // A string takes whatever is written to it.
        let _ = writeln!(self.text, "{}{labels} {value}", self.name);
        self
    }
}

fn escaped(text: &str, is_quoted: bool) -> String {
    let text = text.replace('\\', r"\\").replace('\n', r"\n");
    if is_quoted { text.replace('"', "\\\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_the_format_says() {
        let mut exposition = Exposition::default();
        exposition.gauge("a", "one\nline \\", 0.25);
        let mut family = exposition.family(Kind::Counter, "b_total", "\"b\"");
        family.sample(&[("x", "q\"\\\n"), ("y", "")], u64::MAX);
        let mut text = exposition.into_text();
        assert_eq!(
            text,
            "# HELP a one\\nline \\\\\n# TYPE a gauge\na 0.25\n\
             # HELP b_total \"b\"\n# TYPE b_total counter\n\
             b_total{x=\"q\\\"\\\\\\n\",y=\"\"} 18446744073709551615\n"
        );
        let mut exposition = Exposition::default();
        exposition.histogram("h", "h", (&[0.0005, 1.0], &[2, 0, 3]), 7.5);
        text = exposition.into_text();
        let samples = text.lines().skip(2).collect::<Vec<_>>();
        assert_eq!(
            samples,
            [
                "h_bucket{le=\"0.0005\"} 2",
                "h_bucket{le=\"1\"} 2",
                "h_bucket{le=\"+Inf\"} 5",
                "h_sum 7.5",
                "h_count 5",
            ]
        );
    }
}
