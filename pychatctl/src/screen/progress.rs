//! What takes longer than a moment says how far it is: one line on standard error that vanishes. There
//! is none in a pipe, and none for what is done at once.

use super::{Width, clean_line, wrap::cut_to};
use std::{
    env,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

/// The line.
#[derive(Debug)]
pub(crate) struct Progress {
    state: State,
    began: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody looks.
    Off,
    /// Nothing is shown yet.
    Hidden,
    /// A line is shown since then.
    Shown(Instant),
}

impl Progress {
    /// On a terminal where remarks are wanted.
    pub(crate) fn detect(remarks: bool) -> Self {
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let on = remarks && !dumb && io::stderr().is_terminal();
        Self { state: if on { State::Hidden } else { State::Off }, began: Instant::now() }
    }

    /// Shows how far it is, once it takes longer than a moment, and not more often than eyes can follow.
    pub(crate) fn tell(&mut self, text: impl FnOnce(Duration) -> String) {
        self.tell_at(Instant::now(), &mut io::stderr(), text);
    }

    fn tell_at(
        &mut self,
        now: Instant,
        to: &mut impl Write,
        text: impl FnOnce(Duration) -> String,
    ) {
        let due = match self.state {
            State::Off => return,
            State::Hidden => self.began + MOMENT,
            State::Shown(then) => then + REDRAW,
        };
        if now < due {
            return;
        }
        let line = cut_to(&clean_line(&text(now - self.began)), Width::detect());
        // Without a terminal there is nobody to tell.
        let _ = write!(to, "\r{line}\u{1b}[K");
        self.state = State::Shown(now);
    }

    /// Takes the line away, so that something else can be written.
    pub(crate) fn clear(&mut self) {
        self.clear_at(&mut io::stderr());
    }

    fn clear_at(&mut self, to: &mut impl Write) {
        if let State::Shown(_) = self.state {
            let _ = write!(to, "\r\u{1b}[K");
            self.state = State::Hidden;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A line that is kept up to date while this thread waits for something else. It vanishes with this.
#[derive(Debug)]
pub(crate) struct Ticker {
    line: Arc<Mutex<Progress>>,
    /// The other end notices when this is gone.
    _alive: mpsc::Sender<()>,
}

impl Ticker {
    /// Shows what `text` tells, every second.
    pub(crate) fn start(
        progress: Progress,
        mut text: impl FnMut(Duration) -> String + Send + 'static,
    ) -> Self {
        let is_on = progress.state != State::Off;
        let line = Arc::new(Mutex::new(progress));
        let (alive, end) = mpsc::channel::<()>();
        if is_on {
            let line = Arc::clone(&line);
            // It is not waited for: what it asks may take longer than what is waited for here.
            thread::spawn(move || {
                let began = Instant::now();
                while end.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
                    let told = text(began.elapsed());
                    line.lock().unwrap_or_else(PoisonError::into_inner).tell(|_| told);
                }
            });
        }
        Self { line, _alive: alive }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.clear();
        // What the thread still has to say comes too late.
        line.state = State::Off;
    }
}

/// What is done within it needs no line.
const MOMENT: Duration = Duration::from_millis(700);

/// Between two looks of the line.
const REDRAW: Duration = Duration::from_millis(100);

/// Between two looks at what is waited for.
const TICK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written when it is told after these times, and then taken away.
    fn written(state: State, times_ms: &[u64]) -> String {
        let began = Instant::now();
        let mut progress = Progress { state, began };
        let mut to = Vec::new();
        for ms in times_ms {
            let now = began + Duration::from_millis(*ms);
            progress
                .tell_at(now, &mut to, |elapsed| format!("{} ms\n\u{1b}[2J", elapsed.as_millis()));
        }
        progress.clear_at(&mut to);
        // Standard error is not to see the end of it.
        progress.state = State::Off;
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn what_is_done_in_a_moment_shows_nothing() {
        assert_eq!(written(State::Hidden, &[0, 500, 699]), "");
        assert_eq!(written(State::Off, &[0, 5000]), "", "nobody looks");
    }

    #[test]
    fn a_line_is_one_line_and_vanishes() {
        let shown = "\r700 ms \u{1b}[K\r900 ms \u{1b}[K\r\u{1b}[K";
        assert_eq!(written(State::Hidden, &[0, 700, 750, 900]), shown);
    }
}
