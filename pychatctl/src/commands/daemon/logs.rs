//! `daemon logs`: the end of its log, and what comes to it, over the end of a day and of the daemon.

use crate::{commands::Context, defaults, output::Failed, screen::clean_line};
use pychat_control::{ErrorCode, Failure};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Shows it.
pub(in crate::commands) fn logs(
    context: &mut Context,
    lines: Option<usize>,
    follow: bool,
) -> Result<(), Failed> {
    let dir = context.settings.place.log_dir();
    let Some(newest) = newest_log(&dir) else { return Err(no_log(&dir).into()) };
    context.out.remark(&newest.display().to_string())?;
    let (text, mut log) = Log::open(&newest, lines.unwrap_or(defaults::LOG_LINES))
        .map_err(|error| unreadable(&newest, &error))?;
    show(context, &text)?;
    let deadline = context.settings.ends_after.map(|span| Instant::now() + span);
    while follow && deadline.is_none_or(|deadline| Instant::now() < deadline) {
        let read = log.next(&dir).map_err(|error| unreadable(&log.path, &error))?;
        match read {
            Next::Lines(text) => show(context, &text)?,
            Next::Nothing => std::thread::sleep(LOOK_AGAIN),
            Next::File(path) => context.out.remark(&path.display().to_string())?,
        }
    }
    Ok(())
}

/// Parts of a log may come from a peer or a server.
fn show(context: &mut Context, text: &str) -> Result<(), Failed> {
    for line in text.lines() {
        context.out.line(&clean_line(line))?;
    }
    Ok(context.out.flush()?)
}

/// A log that is read on.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
    /// The beginning of a line whose end was not written yet.
    begun: Vec<u8>,
}

/// What comes of it.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Whole lines.
    Lines(String),
    /// The daemon goes on in this file.
    File(PathBuf),
    /// Nothing yet.
    Nothing,
}

impl Log {
    /// Opens a log, which may be large; gives its last lines.
    fn open(path: &Path, lines: usize) -> io::Result<(String, Self)> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let from = length.saturating_sub(TAIL_BYTES_MAX);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.by_ref().take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
        let mut log = Self { path: path.to_owned(), file, begun: Vec::new() };
        let text = log.whole_lines(&bytes).unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        // The first line is a part of one where the file was not read from its beginning.
        let whole = &all[usize::from(from > 0).min(all.len())..];
        let last = &whole[whole.len().saturating_sub(lines)..];
        Ok((last.iter().flat_map(|line| [*line, "\n"]).collect(), log))
    }

    /// Reads on. The file is read to its end before the next day's is looked at.
    fn next(&mut self, dir: &Path) -> io::Result<Next> {
        let newest = newest_log(dir);
        let mut bytes = Vec::new();
        self.file.by_ref().take(READ_BYTES).read_to_end(&mut bytes)?;
        if !bytes.is_empty() {
            return Ok(self.whole_lines(&bytes).map_or(Next::Nothing, Next::Lines));
        }
        match newest {
            Some(newest) if newest > self.path => {
                self.file = File::open(&newest)?;
                self.path.clone_from(&newest);
                Ok(Next::File(newest))
            }
            Some(_) | None => Ok(Next::Nothing),
        }
    }

    /// What `bytes` completes. A line that is too long is taken as several.
    fn whole_lines(&mut self, bytes: &[u8]) -> Option<String> {
        self.begun.extend_from_slice(bytes);
        let end = match self.begun.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if self.begun.len() > LINE_BYTES_MAX => self.begun.len(),
            None => return None,
        };
        let whole: Vec<u8> = self.begun.drain(..end).collect();
        Some(String::from_utf8_lossy(&whole).into_owned())
    }
}

/// The files' names end in their dates.
fn newest_log(dir: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max()
}

fn no_log(dir: &Path) -> Failure {
    Failure {
        code: ErrorCode::Other,
        message: format!("there is no log in {}", dir.display()),
        hint: Some("the daemon writes one: pychatctl daemon start".into()),
        sent: None,
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure {
        code: ErrorCode::Other,
        message: format!("{} cannot be read: {error}", path.display()),
        hint: None,
        sent: None,
    }
}

/// The most that is read of a log at first.
const TAIL_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The most that is read at a time afterwards.
const READ_BYTES: u64 = 64 * 1024;

/// More than any line of the daemon's.
const LINE_BYTES_MAX: usize = 256 * 1024;

/// Between two looks at whether there is more.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_newest_logs_last_lines_are_shown() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(newest_log(temp.path()), None);
        for (name, text) in [
            ("pychatd.2026-01-30.log", "old\n"),
            ("pychatd.2026-01-31.log", "a\nb\nc\n"),
            ("x.txt", ""),
        ] {
            std::fs::write(temp.path().join(name), text).unwrap();
        }
        let newest = newest_log(temp.path()).unwrap();
        let tail = |lines| Log::open(&newest, lines).unwrap().0;
        assert_eq!(tail(2), "b\nc\n");
        assert_eq!(tail(9), "a\nb\nc\n");
        assert_eq!(tail(0), "");
    }

    #[test]
    fn a_log_is_followed_into_the_next_day() {
        let temp = tempfile::tempdir().unwrap();
        let path = |day: &str| temp.path().join(format!("pychatd.2026-01-{day}.log"));
        std::fs::write(path("30"), "a\nbe").unwrap();
        let (text, mut log) = Log::open(&path("30"), 9).unwrap();
        assert_eq!(text, "a\n");
        let mut next = || log.next(temp.path()).unwrap();
        assert_eq!(next(), Next::Nothing);
        let mut file = File::options().append(true).open(path("30")).unwrap();
        file.write_all(b"gun\nc\n").unwrap();
        // What was written last on the old day is not lost.
        std::fs::write(path("31"), "d\n").unwrap();
        assert_eq!(next(), Next::Lines("begun\nc\n".into()));
        assert_eq!(next(), Next::File(path("31")));
        assert_eq!(next(), Next::Lines("d\n".into()));
        assert_eq!(next(), Next::Nothing);
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_than_the_bound() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("pychatd.2026-01-30.log");
        std::fs::write(&path, "x".repeat(LINE_BYTES_MAX + 1)).unwrap();
        let (text, log) = Log::open(&path, 9).unwrap();
        assert_eq!((text.len(), log.begun.len()), (LINE_BYTES_MAX + 2, 0));
    }
}
