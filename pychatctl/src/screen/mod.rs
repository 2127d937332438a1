//! From answers to text for people.

mod clean;
mod event;
mod found;
mod markdown;
mod marks;
mod message;
mod paint;
mod progress;
mod qr;
mod rows;
mod table;
mod when;
mod wrap;

pub(crate) use clean::{clean_body, clean_line, clean_text};
pub(crate) use event::event_line;
pub(crate) use found::{Among, around, of_search};
pub(crate) use markdown::Markdown;
pub(crate) use message::{incoming, of_history};
pub(crate) use paint::Paint;
pub(crate) use progress::{Progress, Ticker};
pub(crate) use qr::{NoQr, qr_code};
pub(crate) use rows::rows_of;
pub(crate) use table::Table;
pub(crate) use when::{Clock, parse_time};
pub(crate) use wrap::{Width, columns, cut, wrap};

/// How text is laid out.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// How wide; nothing is cut or wrapped for a pipe.
    pub(crate) width: Width,
    /// Colours.
    pub(crate) paint: Paint,
    /// How times are told.
    pub(crate) clock: Clock,
}

impl View {
    /// What fits standard output.
    pub(crate) fn detect(terminal: bool, paint: Paint) -> Self {
        if terminal {
            Self { width: Width::detect(), paint, clock: Clock::relative_to_now() }
        } else {
            Self { width: Width::Unlimited, paint, clock: Clock::Absolute }
        }
    }
}

#[cfg(test)]
impl View {
    /// A terminal of 80 columns at noon, for tests.
    pub(crate) fn at_noon() -> Self {
        let now = "2026-01-31T12:00:00Z".parse().unwrap();
        Self {
            width: Width::Columns(80),
            paint: Paint::PLAIN,
            clock: Clock::Relative { now, zone: jiff::tz::TimeZone::UTC },
        }
    }

    /// A pipe, for tests.
    pub(crate) fn pipe() -> Self {
        Self { width: Width::Unlimited, paint: Paint::PLAIN, clock: Clock::Absolute }
    }
}
