//! How far a migration is: one line on a terminal that vanishes, and nothing in a pipe.

use super::course::Progress;
use std::{
    env,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// What is done within it needs no line.
const MOMENT: Duration = Duration::from_millis(700);

/// Between two looks of the line.
const REDRAW: Duration = Duration::from_millis(100);

/// Signs of a full bar.
const BAR: u64 = 30;

/// The line.
pub(super) struct Line {
    is_on: bool,
    began: Instant,
    drawn: Option<Instant>,
}

impl Line {
    /// One that is shown where somebody looks.
    pub(super) fn detect() -> Self {
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let is_on = !dumb && io::stderr().is_terminal();
        Self { is_on, began: Instant::now(), drawn: None }
    }

    /// Shows how far it is, not more often than eyes can follow.
    pub(super) fn tell(&mut self, progress: &Progress) {
        let now = Instant::now();
        let due = self.drawn.map_or(self.began + MOMENT, |drawn| drawn + REDRAW);
        if self.is_on && now >= due {
            // Without a terminal there is nobody to tell.
            let _ = write!(io::stderr(), "\r{}\u{1b}[K", text(progress));
            self.drawn = Some(now);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}

fn text(progress: &Progress) -> String {
    let Progress { doing, names, of } = *progress;
    let of = of.max(names).max(1);
    let filled = names.saturating_mul(BAR) / of;
    let bar: String = (0..BAR).map(|at| if at < filled { '#' } else { '.' }).collect();
    format!("{doing} [{bar}] {names} of {of} names")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_fits_and_is_full_at_the_end() {
        let at = |names, of| text(&Progress { doing: "comparing", names, of });
        let half = "comparing [###############...............] 50 of 100 names";
        assert_eq!(at(50, 100), half);
        assert_eq!(at(0, 0), "comparing [..............................] 0 of 1 names");
        assert!(at(20_000_000, 10).len() < 80, "{}", at(20_000_000, 10));
    }
}
