//! A QR code made of half blocks, two modules above each other in each character, for a camera
//! that looks at a terminal.

use super::{Paint, Width};
use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code, without which a camera does not find it: the standard's number.
const QUIET: usize = 4;

/// Black on white, said with the colours that every terminal has. Grounds of 256 colours would be
/// purer, but a terminal that does not know them takes their numbers for something else.
const BLACK_ON_WHITE: &str = "\u{1b}[30;47m";

/// Back to the terminal's own colours.
const RESET: &str = "\u{1b}[0m";

/// Why there is no QR code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoQr {
    /// No code holds so much.
    TextTooLong,
    /// Broken lines would be no code.
    TerminalTooNarrow,
}

/// The lines of a QR code that says `text`.
///
/// A camera wants dark modules on a light ground. With colours that is what it gets. Without, the
/// light modules are the ones that are drawn, quiet zone and all: most terminals write light on
/// dark, and on the others the code is inverted as a whole, which most cameras read too.
pub(crate) fn qr_code(text: &str, width: Width, paint: Paint) -> Result<String, NoQr> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M);
    let modules = Modules::new(&code.map_err(|_| NoQr::TextTooLong)?);
    match width {
        Width::Columns(columns) if columns < modules.side => return Err(NoQr::TerminalTooNarrow),
        Width::Columns(_) | Width::Unlimited => {}
    }
    let coloured = paint == Paint::COLOURED;
    let mut out = String::new();
    for y in (0..modules.side).step_by(2) {
        if coloured {
            out.push_str(BLACK_ON_WHITE);
        }
        for x in 0..modules.side {
            let is_drawn = |y| modules.is_dark(x, y) == coloured;
            out.push(match (is_drawn(y), is_drawn(y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        if coloured {
            out.push_str(RESET);
        }
        out.push('\n');
    }
    Ok(out)
}

/// The modules of a code with its quiet zone.
struct Modules {
    inner: usize,
    side: usize,
    colors: Vec<Color>,
}

impl Modules {
    fn new(code: &QrCode) -> Self {
        let inner = code.width();
        Self { inner, side: inner + 2 * QUIET, colors: code.to_colors() }
    }

    /// What is outside the code is light: the quiet zone, and the half of the last line's characters
    /// that is below it.
    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inner = |at: usize| at.checked_sub(QUIET).filter(|at| *at < self.inner);
        let at = inner(x).zip(inner(y)).map(|(x, y)| y * self.inner + x);
        at.and_then(|at| self.colors.get(at)) == Some(&Color::Dark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::wrap::columns;
    use proptest::prelude::*;

    const NUMBER: &str = "028663782565778973840183414095061939709401703847961490431971";

    #[test]
    fn without_colours_what_is_light_is_drawn() {
        let code = qr_code("1", Width::Unlimited, Paint::PLAIN).unwrap();
        insta::assert_snapshot!(code, @r"
        █████████████████████████████
        █████████████████████████████
        ████ ▄▄▄▄▄ █  █▄▀█ ▄▄▄▄▄ ████
        ████ █   █ █▄▄ ▄▀█ █   █ ████
        ████ █▄▄▄█ █▄▀▀▄▄█ █▄▄▄█ ████
        ████▄▄▄▄▄▄▄█▄▀▄█▄█▄▄▄▄▄▄▄████
        ████ █▀▄▄ ▄ ▄   ▀ █▀ ▀▄▄ ████
        ██████▄▀▄█▄█▄ ▀▄ ▀▀ ▀▄██▄████
        █████▄█▄▄▄▄█▀  ▄   ▄▄▄ ▀ ████
        ████ ▄▄▄▄▄ █ ▄▀▄██▀██▄ █▀████
        ████ █   █ █ ▄▄█▀  ▀ █▄█▄████
        ████ █▄▄▄█ ██▄▀  ▄█ ▄ █▄ ████
        ████▄▄▄▄▄▄▄█▄▄██▄▄█▄▄█▄▄█████
        █████████████████████████████
        █████████████████████████████
        ");
    }

    #[test]
    fn with_colours_what_is_dark_is_drawn_on_a_light_ground() {
        let code = qr_code("1", Width::Unlimited, Paint::COLOURED).unwrap();
        let third = code.lines().nth(2).unwrap();
        assert_eq!(third, "\u{1b}[30;47m    █▀▀▀▀▀█ ██ ▀▄ █▀▀▀▀▀█    \u{1b}[0m");
        assert!(code.lines().all(|line| line.starts_with(BLACK_ON_WHITE) && line.ends_with(RESET)));
    }

    #[test]
    fn a_safety_number_takes_half_a_terminal() {
        let code = qr_code(NUMBER, Width::Columns(80), Paint::PLAIN).unwrap();
        assert_eq!((code.lines().count(), columns(code.lines().next().unwrap())), (17, 33));
    }

    #[test]
    fn what_does_not_fit_is_not_drawn() {
        assert!(qr_code(NUMBER, Width::Columns(33), Paint::PLAIN).is_ok());
        let narrow = qr_code(NUMBER, Width::Columns(32), Paint::PLAIN);
        assert_eq!(narrow, Err(NoQr::TerminalTooNarrow));
        let long = qr_code(&"x".repeat(3000), Width::Unlimited, Paint::PLAIN);
        assert_eq!(long, Err(NoQr::TextTooLong));
    }

    proptest! {
        #[test]
        fn any_text_is_drawn_as_a_rectangle_or_refused(text in any::<String>()) {
            let code = qr_code(&text, Width::Unlimited, Paint::PLAIN).unwrap();
            let side = columns(code.lines().next().unwrap());
            prop_assert!(code.lines().all(|line| columns(line) == side));
            prop_assert_eq!(code.lines().count(), side.div_ceil(2));
        }
    }
}
