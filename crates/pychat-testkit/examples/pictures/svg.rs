//! Draws a terminal's screen as a picture.
//!
//! Each run of characters has its place and its width written down. Whoever looks at the picture has other
//! fonts, in which a tick or a dot may be wider than a letter; columns stay columns all the same.

use std::{fmt::Write, num::NonZeroU16};
use vt100::{Cell, Color, Parser};

/// Draws what the escapes in `screen` show on a terminal of `size`, columns and rows.
pub(crate) fn draw(screen: &str, (columns, rows): (u16, u16), title: &str) -> String {
    let at_least_one = |cells: u16| NonZeroU16::new(cells).unwrap_or(NonZeroU16::MIN);
    let mut parser = Parser::new(at_least_one(rows), at_least_one(columns), 0);
    let lines: Vec<&str> = screen.lines().take(usize::from(rows)).collect();
    parser.process(lines.join("\r\n").as_bytes());

    let (width, height) = (x(columns) + MARGIN, y(rows) + MARGIN);
    let middle = width / 2.0;
    let title = escaped(title);
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.1} {height:.1}" width="{width:.0}" height="{height:.0}" role="img">
<title>{title}</title>
<rect x="0.5" y="0.5" width="{:.1}" height="{:.1}" rx="7" fill="{BACKGROUND}" stroke="#8b949e"/>
<g fill="#6e7681"><circle cx="16" cy="15" r="4.5"/><circle cx="31" cy="15" r="4.5"/><circle cx="46" cy="15" r="4.5"/></g>
<g xml:space="preserve" font-family="{FONTS}" font-size="{FONT_SIZE}" fill="{FOREGROUND}">
<text x="{middle:.1}" y="19" font-size="12" fill="#8b949e" text-anchor="middle">{title}</text>
"##,
        width - 1.0,
        height - 1.0,
    );
    for row in 0..rows {
        for run in runs(&parser, row, columns) {
            run.draw(&mut svg, row);
        }
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

/// Characters side by side that look alike.
struct Run {
    column: u16,
    columns: u16,
    text: String,
    look: Look,
}

/// How characters are drawn.
#[derive(Clone, PartialEq, Eq)]
struct Look {
    foreground: String,
    /// None, where it is the terminal's own.
    background: Option<String>,
    weight: Weight,
    strength: Strength,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Normal,
    Bold,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    Full,
    Faint,
}

fn runs(parser: &Parser, row: u16, columns: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let cells =
        (0..columns).filter_map(|column| Some((column, parser.screen().cell(row, column)?)));
    for (column, cell) in cells.filter(|(_, cell)| !cell.is_wide_continuation()) {
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let (look, width) = (look(cell), if cell.is_wide() { 2 } else { 1 });
        match runs.last_mut() {
            Some(run) if run.look == look && goes_on(&run.text, text) => {
                run.text.push_str(text);
                run.columns += width;
            }
            Some(_) | None => runs.push(Run { column, columns: width, text: text.into(), look }),
        }
    }
    runs
}

/// Letters go on with letters; what many fonts lack stands alone, or with more of the same.
fn goes_on(before: &str, next: &str) -> bool {
    (before.is_ascii() && next.is_ascii()) || (!next.is_ascii() && before.ends_with(next))
}

fn look(cell: &Cell) -> Look {
    let (foreground, background) = (colour(cell.fgcolor()), colour(cell.bgcolor()));
    let (foreground, background) = if cell.inverse() {
        (
            background.unwrap_or_else(|| BACKGROUND.into()),
            Some(foreground.unwrap_or_else(|| FOREGROUND.into())),
        )
    } else {
        (foreground.unwrap_or_else(|| FOREGROUND.into()), background)
    };
    let weight = if cell.bold() { Weight::Bold } else { Weight::Normal };
    let strength = if cell.dim() { Strength::Faint } else { Strength::Full };
    Look { foreground, background, weight, strength }
}

impl Run {
    /// Its width and height if it is a line, which a font would draw with gaps.
    fn line(&self) -> Option<(f64, f64)> {
        match self.text.chars().next()? {
            '│' => Some((1.0, CELL.1)),
            '─' => Some((CELL.0 * f64::from(self.columns), 1.0)),
            _ => None,
        }
    }

    fn draw(&self, svg: &mut String, row: u16) {
        let Self { column, columns, text, look } = self;
        // Writing to a string does not fail.
        if let Some(background) = &look.background {
            let (left, top, width) = (x(*column), y(row), CELL.0 * f64::from(*columns));
            let _done = writeln!(
                svg,
                r#"<rect x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{}" fill="{background}"/>"#,
                CELL.1
            );
        }
        if let Some((width, height)) = self.line() {
            let (left, top) = (x(*column) + (CELL.0 - 1.0) / 2.0, y(row));
            let (left, top) = if height > width { (left, top) } else { (x(*column), top + 9.0) };
            let fill = &look.foreground;
            let opacity = look.strength.opacity();
            let _done = writeln!(
                svg,
                r#"<rect x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{height:.1}" fill="{fill}"{opacity}/>"#
            );
            return;
        }
        let shown = text.trim_end();
        if shown.is_empty() {
            return;
        }
        let before = shown.chars().take_while(|c| *c == ' ').count();
        let after = text.len() - shown.len();
        let spaces = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        let left = x(column.saturating_add(spaces(before)));
        let columns = columns.saturating_sub(spaces(before + after));
        let width = CELL.0 * f64::from(columns);
        let base = y(row) + BASELINE;
        let mut more = String::new();
        if look.foreground != FOREGROUND {
            let _done = write!(more, r#" fill="{}""#, look.foreground);
        }
        if look.weight == Weight::Bold {
            more.push_str(r#" font-weight="bold""#);
        }
        more.push_str(look.strength.opacity());
        let shown = escaped(shown.trim_start());
        let _done = writeln!(
            svg,
            r#"<text x="{left:.1}" y="{base:.1}" textLength="{width:.1}" lengthAdjust="spacingAndGlyphs"{more}>{shown}</text>"#
        );
    }
}

impl Strength {
    const fn opacity(self) -> &'static str {
        match self {
            Self::Full => "",
            Self::Faint => r#" opacity="0.6""#,
        }
    }
}

/// The left edge of a column.
fn x(column: u16) -> f64 {
    MARGIN + CELL.0 * f64::from(column)
}

/// The upper edge of a row.
fn y(row: u16) -> f64 {
    TITLE_HEIGHT + CELL.1 * f64::from(row)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// None for the terminal's own.
fn colour(colour: Color) -> Option<String> {
    match colour {
        Color::Default => None,
        Color::Idx(index) => Some(indexed(index)),
        Color::Rgb(red, green, blue) => Some(format!("#{red:02x}{green:02x}{blue:02x}")),
    }
}

/// The 16 colours that a terminal chooses, a cube of 216, and 24 greys, as xterm has them.
fn indexed(index: u8) -> String {
    let (red, green, blue) = match index {
        0..16 => return PALETTE[usize::from(index)].into(),
        16..232 => {
            let step = |part: u8| if part == 0 { 0 } else { 55 + 40 * part };
            let cube = index - 16;
            (step(cube / 36), step(cube / 6 % 6), step(cube % 6))
        }
        232.. => {
            let grey = 8 + 10 * (index - 232);
            (grey, grey, grey)
        }
    };
    format!("#{red:02x}{green:02x}{blue:02x}")
}

const FONTS: &str = "ui-monospace, 'SF Mono', Menlo, 'DejaVu Sans Mono', 'Cascadia Mono', \
                     Consolas, 'Liberation Mono', monospace";
const FONT_SIZE: u16 = 14;

/// A character's width and height in the picture: what most fonts have at this size.
const CELL: (f64, f64) = (8.4, 18.0);

/// From a row's upper edge to where its letters stand.
const BASELINE: f64 = 13.5;

const MARGIN: f64 = 12.0;
const TITLE_HEIGHT: f64 = 34.0;
const BACKGROUND: &str = "#0d1117";
const FOREGROUND: &str = "#e6edf3";

/// Readable on the background, each of them.
const PALETTE: [&str; 16] = [
    "#30363d", "#ff7b72", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#c9d1d9",
    "#8b949e", "#ffa198", "#7ee787", "#f2cc60", "#a5d6ff", "#e2c5ff", "#b3f0ff", "#ffffff",
];

#[cfg(test)]
mod tests {
    use super::{draw, indexed};

    /// What is drawn of text, without where.
    fn texts(screen: &str) -> Vec<String> {
        let svg = draw(screen, (20, 2), "a title");
        let lines = svg.lines().filter_map(|line| line.split_once("textLength="));
        lines.map(|(_, rest)| rest.replace(" lengthAdjust=\"spacingAndGlyphs\"", "")).collect()
    }

    #[test]
    fn each_run_has_its_width_and_what_fonts_lack_stands_alone() {
        assert_eq!(
            texts("ab c ✓✓ d<e"),
            [r#""33.6">ab c</text>"#, r#""16.8">✓✓</text>"#, r#""25.2">d&lt;e</text>"#]
        );
    }

    #[test]
    fn colours_are_as_the_terminal_would_have_them() {
        assert_eq!(
            texts("\u{1b}[1;32mok\u{1b}[0m \u{1b}[2mold\u{1b}[0m"),
            [
                r##""16.8" fill="#56d364" font-weight="bold">ok</text>"##,
                r#""25.2" opacity="0.6">old</text>"#
            ]
        );
        assert_eq!([indexed(16), indexed(196), indexed(255)], ["#000000", "#ff0000", "#eeeeee"]);
    }

    #[test]
    fn what_is_reversed_has_a_background() {
        let svg = draw("\u{1b}[7mbob\u{1b}[0m", (20, 2), "a title");
        assert!(svg.contains(r##"width="25.2" height="18" fill="#e6edf3"/>"##), "{svg}");
        assert!(svg.contains(r##"fill="#0d1117">bob</text>"##), "{svg}");
    }

    #[test]
    fn more_than_fits_is_left_out() {
        assert_eq!(texts("1\n2\n3").len(), 2);
    }
}
