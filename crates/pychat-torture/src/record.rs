//! What the checker is told: one JSON object a line.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// A text that the sender's program said it took. Those of one conversation and direction stand in
/// the order in which they were taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// When it was taken, in milliseconds since 1970 by the driver's clock.
    pub at_ms: u64,
    /// Who wrote it.
    pub from: String,
    /// To whom.
    pub to: String,
    /// The sender's own key for it.
    pub key: String,
    /// The id that the program gave to it.
    pub id: String,
    /// The text itself; no two are alike.
    pub text: String,
}

/// A text that the recipient's program showed. Those of one conversation and direction stand in the
/// order in which they were shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrived {
    /// Who wrote it, as shown.
    pub from: String,
    /// To whom it was shown.
    pub to: String,
    /// Its id, as shown.
    pub id: String,
    /// The text itself.
    pub text: String,
    /// Whether the program was cut off before it could note that this text was shown. It may, and
    /// should, show it again.
    #[serde(default)]
    pub cut_off: bool,
}

/// Why records could not be read.
#[derive(Debug)]
pub enum ReadError {
    /// The file cannot be read.
    File(PathBuf, io::Error),
    /// A line is no record.
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        number: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{} cannot be read: {error}", path.display()),
            Self::Line { path, number, source } => {
                write!(f, "line {number} of {} is no record: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for ReadError {}

/// Reads a file of records.
///
/// # Errors
/// The file cannot be read, or a line of it is no record.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, ReadError> {
    let file = |error| ReadError::File(path.to_owned(), error);
    let lines = BufReader::new(File::open(path).map_err(file)?).lines();
    let record = |(index, line): (usize, io::Result<String>)| {
        serde_json::from_str(&line.map_err(file)?).map_err(|source| ReadError::Line {
            path: path.to_owned(),
            number: index + 1,
            source,
        })
    };
    lines.enumerate().map(record).collect()
}

/// A file of records that grows. Several threads may write.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    file: Mutex<File>,
}

impl Records {
    /// A new, empty file.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(&path)?;
        Ok(Self { path, file: Mutex::new(file) })
    }

    /// Adds a record as one line.
    ///
    /// # Panics
    /// It cannot be written: a run without records proves nothing.
    pub fn add(&self, record: &impl Serialize) {
        let mut line = serde_json::to_vec(record).expect("a record is plain data");
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).expect("records can be written");
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
