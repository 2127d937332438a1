//! The way out: data on standard output, in the form that was asked for, and why a command ends
//! early.

use crate::screen::View;
use pychat_control::{ErrorCode, Failure};
use serde::Serialize;
use std::io::{self, IsTerminal, StdoutLock, Write};

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It failed.
    Failed {
        /// Why.
        failure: Box<Failure>,
        /// How to say it.
        form: ErrorForm,
    },
    /// Nobody reads the output any more.
    ReaderGone,
}

/// How an error is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorForm {
    /// `error:` and `hint:` lines.
    Lines,
    /// One JSON object.
    Json,
}

/// How data is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// Only the one thing that a script needs.
    Quiet,
}

/// Standard output and what is known about it.
#[derive(Debug)]
pub(crate) struct Output {
    stdout: io::BufWriter<StdoutLock<'static>>,
    /// What the data looks like.
    pub(crate) form: Form,
    /// How it is laid out for people.
    pub(crate) view: View,
    /// Whether remarks beside the data are wanted.
    pub(crate) remarks: bool,
}

/// A JSON answer with the version of its shape.
#[derive(Debug, Serialize)]
pub(crate) struct Versioned<T> {
    v: u8,
    #[serde(flatten)]
    answer: T,
}

/// Only additions are made to the shapes of this version.
const SHAPES_VERSION: u8 = 1;

impl<T> Versioned<T> {
    /// Marks an answer with the version.
    pub(crate) const fn new(answer: T) -> Self {
        Self { v: SHAPES_VERSION, answer }
    }
}

impl Output {
    /// Takes standard output.
    pub(crate) fn new(form: Form, view: View, remarks: bool) -> Self {
        Self { stdout: io::BufWriter::new(io::stdout().lock()), form, view, remarks }
    }

    /// Writes text that is data.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), OutputError> {
        self.stdout.write_all(text.as_bytes()).map_err(OutputError)
    }

    /// Writes a line of text that is data.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), OutputError> {
        self.text(line)?;
        self.text("\n")
    }

    /// Writes one JSON object as a line.
    pub(crate) fn json<T: Serialize>(&mut self, value: &T) -> Result<(), OutputError> {
        serde_json::to_writer(&mut self.stdout, value)
            .map_err(|error| OutputError(error.into()))?;
        self.text("\n")
    }

    /// Everything written so far reaches the reader; what follows may rely on that.
    pub(crate) fn flush(&mut self) -> Result<(), OutputError> {
        self.stdout.flush().map_err(OutputError)
    }

    /// Says something beside the data, on standard error, unless it is not wanted.
    pub(crate) fn remark(&mut self, text: &str) -> Result<(), OutputError> {
        // The order on a terminal is the order of saying.
        self.flush()?;
        if self.remarks {
            // Without standard error there is nobody to tell.
            let _ = writeln!(io::stderr(), "{text}");
        }
        Ok(())
    }
}

/// Standard output failed.
#[derive(Debug)]
pub(crate) struct OutputError(io::Error);

/// A failure within a command: the daemon's, or of the output.
#[derive(Debug)]
pub(crate) enum Failed {
    /// What was asked.
    Request(Box<Failure>),
    /// The way out.
    Output(OutputError),
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self::Request(Box::new(failure))
    }
}

impl From<OutputError> for Failed {
    fn from(error: OutputError) -> Self {
        Self::Output(error)
    }
}

impl Failed {
    /// How the whole command ends.
    pub(crate) fn stop(self, form: ErrorForm) -> Stop {
        match self {
            Self::Request(failure) => Stop::Failed { failure, form },
            Self::Output(OutputError(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Stop::ReaderGone
            }
            Self::Output(OutputError(error)) => {
                let failure = Failure {
                    code: ErrorCode::Other,
                    message: format!("standard output cannot be written: {error}"),
                    hint: None,
                    sent: None,
                };
                Stop::Failed { failure: Box::new(failure), form }
            }
        }
    }
}

/// Whether standard output is a terminal.
pub(crate) fn on_terminal() -> bool {
    io::stdout().is_terminal()
}
