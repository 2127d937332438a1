//! The terminal: taken for as long as the chat is on it, and given back whatever happens.

use ratatui::{
    Frame, Terminal,
    backend::{Backend, ClearType, CrosstermBackend, WindowSize},
    buffer::Cell,
    crossterm::{
        cursor::Show,
        event::{
            DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
            EnableFocusChange, EnableMouseCapture,
        },
        execute,
        terminal::{
            DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen,
            disable_raw_mode, enable_raw_mode,
        },
    },
    layout::{Position, Rect, Size},
};
use std::{
    fs::File,
    io::{self, BufWriter},
    panic,
    sync::atomic::{AtomicBool, Ordering},
};

/// Whether the terminal is ours now.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours. Dropping it gives it back, and so does a panic before it says why.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: Terminal<Careful<CrosstermBackend<BufWriter<File>>>>,
}

impl Screen {
    /// Takes the terminal.
    pub(crate) fn take() -> io::Result<Self> {
        give_back_on_panic();
        take()?;
        let made = way_out().and_then(|out| {
            Terminal::new(Careful(CrosstermBackend::new(BufWriter::with_capacity(OUT_BYTES, out))))
        });
        match made {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Draws what has changed.
    pub(crate) fn draw(&mut self, paint: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(paint).map(|_| ())
    }

    /// How large it is.
    pub(crate) fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    /// Takes it anew after it was somebody else's: everything has to be drawn again.
    pub(crate) fn take_again(&mut self) -> io::Result<()> {
        give_back();
        take()?;
        // Not `clear`: that asks the terminal where its cursor is, while another thread reads the answers.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::new(0, 0, size.width, size.height))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// More than a large screen takes, so that it is written at once and nothing flickers.
const OUT_BYTES: usize = 64 * 1024;

fn take() -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    let taken = enable_raw_mode().and_then(|()| {
        // A text that is wider than was reckoned stays in its row.
        execute!(
            way_out()?,
            EnterAlternateScreen,
            DisableLineWrap,
            EnableBracketedPaste,
            EnableMouseCapture,
            EnableFocusChange
        )
    });
    if taken.is_err() {
        give_back();
    }
    taken
}

/// Gives the terminal back as it was, if it is ours.
pub(crate) fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // A terminal that is gone needs nothing back.
    let _ = way_out().and_then(|mut out| {
        execute!(
            out,
            DisableFocusChange,
            DisableMouseCapture,
            DisableBracketedPaste,
            EnableLineWrap,
            LeaveAlternateScreen,
            Show
        )
    });
    let _ = disable_raw_mode();
}

/// What a panic says is to be read, and the shell to be used afterwards.
fn give_back_on_panic() {
    let former = panic::take_hook();
    panic::set_hook(Box::new(move |why| {
        give_back();
        former(why);
    }));
}

/// Standard output past its lock, which whoever panics may hold.
#[cfg(unix)]
fn way_out() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

#[cfg(windows)]
fn way_out() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(io::stdout().as_handle().try_clone_to_owned()?.into())
}

/// A terminal and we may disagree about how wide a picture is. Behind each such character the cursor is
/// placed anew, so that the rest of the row stands where it belongs.
#[derive(Debug)]
pub(crate) struct Careful<B>(pub(crate) B);

impl<B: Backend> Backend for Careful<B> {
    type Error = B::Error;

    fn draw<'a, I>(&mut self, content: I) -> Result<(), Self::Error>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut run = Vec::new();
        for cell in content {
            run.push(cell);
            if !has_certain_width(cell.2.symbol()) {
                // Each call begins with placing the cursor.
                self.0.draw(run.drain(..))?;
            }
        }
        self.0.draw(run.into_iter())
    }

    fn append_lines(&mut self, lines: u16) -> Result<(), Self::Error> {
        self.0.append_lines(lines)
    }

    fn hide_cursor(&mut self) -> Result<(), Self::Error> {
        self.0.hide_cursor()
    }

    fn show_cursor(&mut self) -> Result<(), Self::Error> {
        self.0.show_cursor()
    }

    fn get_cursor_position(&mut self) -> Result<Position, Self::Error> {
        self.0.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> Result<(), Self::Error> {
        self.0.set_cursor_position(position)
    }

    fn clear(&mut self) -> Result<(), Self::Error> {
        self.0.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> Result<(), Self::Error> {
        self.0.clear_region(clear_type)
    }

    fn size(&self) -> Result<Size, Self::Error> {
        self.0.size()
    }

    fn window_size(&mut self) -> Result<WindowSize, Self::Error> {
        self.0.window_size()
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        self.0.flush()
    }
}

/// Letters, digits and the lines of boxes are as wide everywhere.
fn has_certain_width(symbol: &str) -> bool {
    let mut chars = symbol.chars();
    let (first, second) = (chars.next(), chars.next());
    second.is_none()
        && first.is_some_and(|c| {
            c.is_ascii() || c.is_alphanumeric() || matches!(c, '\u{2500}'..='\u{259f}')
        })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::{
        env,
        path::Path,
        process::Command,
        thread,
        time::{Duration, Instant},
    };

    /// Set within the terminal that the test opens for itself.
    const WITHIN: &str = "PYCHAT_TEST_WITHIN_TERMINAL";

    const NAME: &str =
        "chat::terminal::tests::a_panic_on_any_thread_gives_the_terminal_back_and_says_why";

    const DEADLINE: Duration = Duration::from_secs(60);

    fn tmux(sockets: &Path, words: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-u", "-f", "/dev/null"])
            .args(words)
            .env("TMUX_TMPDIR", sockets)
            .env(WITHIN, "yes")
            .env_remove("TMUX")
            .output()
            .expect("tmux is installed");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Takes the terminal, and panics while another thread holds standard output, as the program's main
    /// thread does.
    fn panic_on_screen() {
        let _screen = Screen::take().unwrap();
        let _lock = io::stdout().lock();
        let thread = thread::spawn(|| panic!("on purpose"));
        assert!(thread.join().is_err());
        // Long enough that what the test sees was not given back by our end.
        thread::sleep(DEADLINE);
    }

    #[test]
    fn a_panic_on_any_thread_gives_the_terminal_back_and_says_why() {
        if env::var_os(WITHIN).is_some() {
            return panic_on_screen();
        }
        let sockets = tempfile::tempdir().unwrap();
        let sockets = sockets.path();
        let test = env::current_exe().unwrap().display().to_string();
        let run = format!("'{test}' --exact {NAME} --nocapture");
        tmux(sockets, &["new-session", "-d", "-x", "100", "-y", "24", &run]);
        let end = Instant::now() + DEADLINE;
        let flags = "#{alternate_on} #{mouse_any_flag} #{cursor_flag} #{wrap_flag}";
        let (screen, modes) = loop {
            let screen = tmux(sockets, &["capture-pane", "-p"]);
            if screen.contains("on purpose") || Instant::now() > end {
                break (screen, tmux(sockets, &["display-message", "-p", flags]));
            }
            thread::sleep(Duration::from_millis(10));
        };
        tmux(sockets, &["kill-server"]);
        assert!(screen.contains("on purpose"), "{screen}");
        assert_eq!(modes.trim(), "0 0 1 1");
    }
}
