//! What a running program writes, line by line, kept and waited for.

use std::{
    io::{BufRead, BufReader, Read},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Lines that are kept; a program that writes more has lost its oldest ones.
const LINES_MAX: usize = 20_000;

/// A growing log. Clones show the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<(Mutex<Lines>, Condvar)>);

#[derive(Debug, Default)]
struct Lines {
    kept: std::collections::VecDeque<String>,
    /// How many lines were written before the first one kept.
    gone: usize,
    /// Sources that may still bring lines.
    open: usize,
}

/// Why a line did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoLine {
    /// The program closed its output, most likely because it ended.
    Ended,
    /// Time ran out.
    TimedOut,
}

impl Log {
    /// A log that a thread of its own fills from `source` until its end.
    pub(super) fn follow(source: impl Read + Send + 'static) -> Self {
        let log = Self::default();
        log.add(source);
        log
    }

    /// Follows another source too: the program's next life.
    pub(super) fn add(&self, source: impl Read + Send + 'static) {
        self.change(|lines| lines.open += 1);
        let log = self.clone();
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while let Ok(1..) = source.read_until(b'\n', &mut line) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                log.change(|lines| lines.push(text));
                line.clear();
            }
            log.change(|lines| lines.open -= 1);
        });
    }

    /// How many lines were written so far.
    pub(super) fn position(&self) -> usize {
        let lines = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.gone + lines.kept.len()
    }

    /// Waits for the first line after `position` in which `find` finds something.
    pub(super) fn wait<T>(
        &self,
        position: usize,
        deadline: Duration,
        mut find: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, NoLine> {
        let deadline = Instant::now() + deadline;
        let (mutex, changed) = &*self.0;
        let mut next = position;
        let mut lines = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let seen = next.saturating_sub(lines.gone);
            if let Some(found) = lines.kept.iter().skip(seen).find_map(|line| find(line)) {
                return Ok(found);
            }
            if lines.open == 0 {
                return Err(NoLine::Ended);
            }
            next = lines.gone + lines.kept.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NoLine::TimedOut);
            }
            lines = changed.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All lines kept.
    pub(super) fn text(&self) -> String {
        let lines = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.kept.iter().flat_map(|line| [line, "\n"]).collect()
    }

    fn change(&self, change: impl FnOnce(&mut Lines)) {
        let (mutex, changed) = &*self.0;
        change(&mut mutex.lock().unwrap_or_else(PoisonError::into_inner));
        changed.notify_all();
    }
}

impl Lines {
    fn push(&mut self, line: String) {
        if self.kept.len() == LINES_MAX {
            self.kept.pop_front();
            self.gone += 1;
        }
        self.kept.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    #[test]
    fn a_line_is_found_when_it_comes() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let log = Log::follow(reader);
        let waiting = thread::spawn({
            let log = log.clone();
            move || log.wait(0, DEADLINE, |line| line.strip_prefix("ready ").map(str::to_owned))
        });
        std::io::Write::write_all(&mut writer, b"starting\nready now\nmore").unwrap();
        assert_eq!(waiting.join().unwrap(), Ok("now".to_owned()));
        drop(writer);
        assert_eq!(
            log.wait(0, DEADLINE, |line| (line == "less").then_some(())),
            Err(NoLine::Ended)
        );
        assert_eq!(log.text(), "starting\nready now\nmore\n");
    }

    #[test]
    fn a_line_before_the_position_is_not_found() {
        let log = Log::follow(&b"one\ntwo\n"[..]);
        assert_eq!(log.wait(0, DEADLINE, |line| (line == "two").then_some(())), Ok(()));
        assert_eq!(log.wait(log.position(), DEADLINE, |_| Some(())), Err(NoLine::Ended));
    }

    #[test]
    fn a_long_log_loses_its_oldest_lines() {
        let mut lines = Lines::default();
        (0..=LINES_MAX).for_each(|number| lines.push(number.to_string()));
        assert_eq!((lines.kept.len(), lines.gone, lines.kept[0].as_str()), (LINES_MAX, 1, "1"));
    }
}
