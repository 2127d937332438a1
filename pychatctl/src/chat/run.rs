//! The loop: inputs into the model, effects out of it, the model onto the screen.

use super::{
    input::{Effect, Input, NoAnswer, Now},
    link::Link,
    model::{Chat, Ending, Look},
    terminal::{self, Screen},
    view,
};
use crate::{screen::clean_text, session::Session, settings::Settings};
use jiff::tz::TimeZone;
use pychat_control::{ErrorCode, Failure};
use ratatui::crossterm::event as terminal_events;
use std::{
    collections::VecDeque,
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Instant,
};

/// Inputs that wait to be taken: then whoever has more of them waits, up to the daemon, which cuts off
/// whoever reads too slowly and goes on without a gap.
const INPUTS_MAX: usize = 1024;

/// Inputs that are taken before the screen is drawn again: a flood of them is still seen.
const INPUTS_A_FRAME: usize = 256;

/// Shows the chat until the person leaves.
pub(crate) fn run(
    settings: &Settings,
    look: Look,
    peer: Option<&str>,
    key_prefix: &str,
) -> Result<(), Failure> {
    let session = Session::open(settings)?;
    let (tell, inputs) = sync_channel(INPUTS_MAX);
    let ended = {
        let mut screen = Screen::take().map_err(|error| no_terminal(&error))?;
        let size = screen.size().map_err(|error| no_terminal(&error))?;
        let mut chat = Chat::new(look, TimeZone::system(), size, Now::read(), key_prefix);
        chat.begin(peer);
        signals::follow(&tell).map_err(|error| no_terminal(&error))?;
        read_terminal(&tell);
        let link = Link::start(settings, session, &tell);
        let looped = Loop { chat: &mut chat, screen: &mut screen, link: &link, inputs: &inputs };
        let looped = looped.run();
        drop(screen);
        tell_unkept(&chat);
        looped.map_err(|error| no_terminal(&error))?;
        chat.ended
    };
    match ended {
        None | Some(Ending::Wanted) => Ok(()),
        Some(Ending::Failed(failure)) => Err(*failure),
        Some(Ending::Signal(signal)) => {
            signals::die_of(signal);
            Ok(())
        }
    }
}

struct Loop<'a> {
    chat: &'a mut Chat,
    screen: &'a mut Screen,
    link: &'a Link,
    inputs: &'a Receiver<Input>,
}

impl Loop<'_> {
    fn run(mut self) -> io::Result<()> {
        loop {
            self.screen.draw(|frame| view::draw(self.chat, frame))?;
            let first = match self.chat.wake_at().checked_duration_since(Instant::now()) {
                None => Input::Tick,
                Some(wait) => match self.inputs.recv_timeout(wait) {
                    Ok(input) => input,
                    Err(RecvTimeoutError::Timeout) => Input::Tick,
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                },
            };
            let more = self.inputs.try_iter().take(INPUTS_A_FRAME);
            for input in [first].into_iter().chain(more) {
                if self.take(input)? == Going::Ends {
                    return Ok(());
                }
            }
        }
    }

    fn take(&mut self, input: Input) -> io::Result<Going> {
        if matches!(input, Input::Resumed) {
            self.screen.take_again()?;
            self.chat.size = self.screen.size()?;
        }
        let mut effects = VecDeque::from(self.chat.update(input, Now::read()));
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Leave => return Ok(Going::Ends),
                Effect::Suspend => self.suspend()?,
                Effect::Ask(ask) => {
                    if let Err(ask) = self.link.ask(ask) {
                        let lost = Input::Answered(ask, Err(NoAnswer::Gone));
                        effects.extend(self.chat.update(lost, Now::read()));
                    }
                }
            }
        }
        Ok(Going::On)
    }

    /// The shell has the terminal until it lets us go on.
    fn suspend(&mut self) -> io::Result<()> {
        terminal::give_back();
        signals::stop();
        self.screen.take_again()?;
        self.chat.size = self.screen.size()?;
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Going {
    On,
    Ends,
}

fn read_terminal(tell: &SyncSender<Input>) {
    let tell = tell.clone();
    thread::spawn(move || {
        loop {
            let (input, is_last) = match terminal_events::read() {
                Ok(event) => (Input::Terminal(event), false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => (Input::TerminalGone, true),
            };
            if tell.send(input).is_err() || is_last {
                return;
            }
        }
    });
}

/// What was typed and is on no disk is not lost with the screen.
fn tell_unkept(chat: &Chat) {
    for outgoing in chat.unkept() {
        let text = clean_text(&outgoing.body);
        eprintln!("the daemon did not confirm this text to {}:\n{text}", outgoing.to);
    }
}

fn no_terminal(error: &io::Error) -> Failure {
    Failure {
        code: ErrorCode::Other,
        message: format!("the terminal cannot be used: {error}"),
        hint: Some("chat line by line: pychatctl chat --plain PEER".into()),
        sent: None,
    }
}

#[cfg(unix)]
mod signals {
    use super::Input;
    use signal_hook::{
        consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP},
        iterator::Signals,
        low_level,
    };
    use std::{io, sync::mpsc::SyncSender, thread};

    /// Signals become inputs, on a thread of its own.
    pub(super) fn follow(tell: &SyncSender<Input>) -> io::Result<()> {
        let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT, SIGTSTP, SIGCONT])?;
        let tell = tell.clone();
        thread::spawn(move || {
            for signal in signals.forever() {
                let input = match signal {
                    SIGTSTP => Input::Suspended,
                    SIGCONT => Input::Resumed,
                    signal => Input::Ended(signal),
                };
                if tell.send(input).is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    /// Stops as whoever is suspended does; returns when it may go on.
    pub(super) fn stop() {
        // Without it, the terminal was given back for nothing, and is taken again.
        let _ = low_level::emulate_default_handler(SIGTSTP);
    }

    /// Ends as whoever does not handle the signal, so that the parent sees it.
    pub(super) fn die_of(signal: i32) {
        // Then the end is an ordinary one.
        let _ = low_level::emulate_default_handler(signal);
    }
}

#[cfg(not(unix))]
mod signals {
    use super::Input;
    use std::{io, sync::mpsc::SyncSender};

    /// There are none: the console sends keys.
    pub(super) fn follow(_: &SyncSender<Input>) -> io::Result<()> {
        Ok(())
    }

    /// Nobody can be suspended.
    pub(super) fn stop() {}

    /// Nobody ends so.
    pub(super) fn die_of(_: i32) {}
}
