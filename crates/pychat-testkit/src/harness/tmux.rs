//! A terminal: a shell in a tmux of its own, typed into and looked at.

use std::{
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Between two looks at the screen.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the shell says when it waits for a command.
pub const PROMPT: &str = "ready$";

/// A shell on a screen. It and what it runs end when this is dropped.
#[derive(Debug)]
pub struct Tmux {
    /// Where its socket is: nobody else's.
    sockets: TempDir,
}

/// What a program has told its terminal to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modes {
    /// Another screen is shown.
    pub alternate: bool,
    /// The mouse is reported.
    pub mouse: bool,
    /// The cursor is visible.
    pub cursor: bool,
    /// What does not fit a row goes on in the next.
    pub wrap: bool,
}

impl Modes {
    /// As a shell has them.
    pub const USUAL: Self = Self { alternate: false, mouse: false, cursor: true, wrap: true };
}

impl Tmux {
    /// A shell of this size, with the environment of `command`.
    ///
    /// # Panics
    /// There is no tmux.
    #[must_use]
    pub fn start(command: &Command, columns: u16, rows: u16) -> Self {
        let tmux = Self { sockets: TempDir::new().expect("a temporary directory can be made") };
        let mut start = tmux.command();
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => start.env(name, value),
                None => start.env_remove(name),
            };
        }
        let size = [columns.to_string(), rows.to_string()];
        start
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env_remove("TMUX")
            .env_remove("NO_COLOR")
            .args(["new-session", "-d", "-x", &size[0], "-y", &size[1], "sh"]);
        check(&mut start);
        // In two parts, so that what is typed is not taken for what it does.
        let (head, tail) = PROMPT.split_at(PROMPT.len() / 2);
        tmux.type_text(&format!("PS1='{head}''{tail} '"));
        tmux.press(&["Enter"]);
        tmux.wait_for(PROMPT, Duration::from_secs(20));
        tmux
    }

    /// Types a text as it is.
    ///
    /// # Panics
    /// The shell has ended.
    pub fn type_text(&self, text: &str) {
        check(self.command().args(["send-keys", "-l", "--", text]));
    }

    /// Presses keys by tmux's names for them, such as `Enter` or `C-c`.
    ///
    /// # Panics
    /// The shell has ended.
    pub fn press(&self, keys: &[&str]) {
        check(self.command().arg("send-keys").args(keys));
    }

    /// Has the shell run `command`, with its arguments.
    ///
    /// # Panics
    /// The shell has ended.
    pub fn run(&self, command: &Command) {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let quoted: Vec<String> = words
            .map(|word| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''")))
            .collect();
        self.type_text(&quoted.join(" "));
        self.press(&["Enter"]);
    }

    /// What is on the screen.
    ///
    /// # Panics
    /// The shell has ended.
    #[must_use]
    pub fn screen(&self) -> String {
        let output = check(self.command().args(["capture-pane", "-p"]));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same with its colours, as the escapes that would draw it.
    ///
    /// # Panics
    /// The shell has ended.
    #[must_use]
    pub fn screen_in_colour(&self) -> String {
        let output = check(self.command().args(["capture-pane", "-e", "-p"]));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until the screen is as `is_so` wants it.
    ///
    /// # Panics
    /// It is not, at the deadline.
    pub fn wait_until(
        &self,
        what: &str,
        deadline: Duration,
        is_so: impl Fn(&str) -> bool,
    ) -> String {
        let end = Instant::now() + deadline;
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(
                Instant::now() < end,
                "not within {deadline:?}: {what}; on the screen:\n{screen}"
            );
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until `text` is on the screen.
    ///
    /// # Panics
    /// It is not, at the deadline.
    pub fn wait_for(&self, text: &str, deadline: Duration) -> String {
        self.wait_until(&format!("{text:?} is shown"), deadline, |screen| screen.contains(text))
    }

    /// Makes the screen larger or smaller.
    ///
    /// # Panics
    /// The shell has ended.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = [columns.to_string(), rows.to_string()];
        check(self.command().args(["resize-window", "-x", &size[0], "-y", &size[1]]));
    }

    /// What the terminal was told to do.
    ///
    /// # Panics
    /// The shell has ended.
    #[must_use]
    pub fn modes(&self) -> Modes {
        let flags = "#{alternate_on} #{mouse_any_flag} #{cursor_flag} #{wrap_flag}";
        let output = check(self.command().args(["display-message", "-p", flags]));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let flags: Vec<bool> = text.split_whitespace().map(|flag| flag == "1").collect();
        let [alternate, mouse, cursor, wrap] = flags[..] else { panic!("no flags: {text}") };
        Modes { alternate, mouse, cursor, wrap }
    }

    /// The shell's process id.
    ///
    /// # Panics
    /// The shell has ended.
    #[must_use]
    pub fn shell_pid(&self) -> u32 {
        let output = check(self.command().args(["display-message", "-p", "#{pane_pid}"]));
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a process has a number")
    }

    fn command(&self) -> Command {
        let mut command = Command::new("tmux");
        command.env("TMUX_TMPDIR", self.sockets.path()).args(["-u", "-f", "/dev/null"]);
        command
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        if thread::panicking() {
            let screen = self.command().args(["capture-pane", "-p"]).output();
            let screen = screen.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            eprintln!("--- screen\n{}", screen.unwrap_or_default());
        }
        // It may have ended by itself, which is as good.
        let _ended = self.command().arg("kill-server").output();
    }
}

fn check(command: &mut Command) -> Output {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("tmux cannot be run ({error}): install it"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}
