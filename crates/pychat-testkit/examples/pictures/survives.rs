//! A send that survives the server's death, in ann's shell.

use crate::{
    cast::{DEADLINE, join, run, until},
    svg,
};
use pychat_testkit::harness::{Options, Profile, Programs, Server, Tmux};

const SIZE: (u16, u16) = (92, 30);

/// Plays the scene, and draws the terminal.
pub(crate) fn take() -> String {
    let mut server = Server::start(&Options::default());
    let ann = join(&server, "ann", "Ann Example");
    let bob = join(&server, "bob", "Bob Miller");
    // What is said of a first contact belongs into another picture.
    run(&ann, &["send", "bob", "Good morning!", "--wait", "delivered"]);
    let shell = Shell::open(&ann, server.pid().expect("the server runs"));

    shell.types("pychatctl send bob 'Lunch at noon?' --wait delivered");
    shell.types("kill -9 $SERVER");
    // Its parent is this program, and has to notice.
    server.kill9();
    shell.types("pychatctl send bob 'Bring the book, please.' --timeout 2s");
    let queued = ann.ctl_json(&["history", "bob", "-n", "1"]);
    let id = queued["items"][0]["id"].as_str().expect("a message has an id").to_owned();

    server.restart();
    let is =
        |state: &str| ann.ctl_json(&["history", "bob", "-n", "1"])["items"][0]["state"] == state;
    until("it is delivered", || is("delivered"));
    run(&bob, &["inbox"]);
    until("it is read", || is("read"));
    shell.types("# the server was started again, and bob has looked");
    shell.types(&format!("pychatctl trace {id}"));

    let screen = shell.terminal.screen_in_colour();
    let rows = shell.terminal.screen().trim_end().lines().count();
    let rows = u16::try_from(rows).expect("a screen has few rows");
    svg::draw(&screen, (SIZE.0, rows), "ann: a message survives the death of the server")
}

/// Ann's shell, with a prompt that says so.
struct Shell {
    terminal: Tmux,
}

impl Shell {
    fn open(ann: &Profile, server: u32) -> Self {
        let programs = Programs::find().path("pychatctl");
        let programs = programs.parent().expect("a program is in a directory").to_owned();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = ann.command(&[]);
        command
            .env("PYCHAT_PROFILE", ann.name())
            .env("PATH", format!("{}:{path}", programs.display()))
            .env("SERVER", server.to_string());
        let terminal = Tmux::start(&command, SIZE.0, SIZE.1);
        terminal.type_text(r#"PS1="$(printf '\033[1;32mann$\033[0m ')"; clear"#);
        terminal.press(&["Enter"]);
        let shell = Self { terminal };
        shell.waits();
        shell
    }

    /// Types a command, and waits until it has ended.
    fn types(&self, line: &str) {
        self.terminal.type_text(line);
        self.terminal.wait_until("it is typed", DEADLINE, |screen| !is_waiting(screen));
        self.terminal.press(&["Enter"]);
        self.waits();
    }

    fn waits(&self) {
        self.terminal.wait_until("the shell waits", DEADLINE, is_waiting);
    }
}

/// Whether the last line is a prompt with nothing behind it.
fn is_waiting(screen: &str) -> bool {
    screen.trim_end().lines().last().is_some_and(|line| line.trim_end() == "ann$")
}
