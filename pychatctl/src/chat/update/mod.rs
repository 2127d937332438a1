//! From the state and what comes in to the next state and what is to be done.

mod answers;
mod asking;
mod conversation;
mod events;
mod keys;
mod mouse;
mod overlays;
mod sending;

use super::{
    input::{Answer, Ask, Effect, Following, Input, NoAnswer, Now},
    model::{Chat, Daemon, Ending, Focus},
};
use ratatui::{crossterm::event::Event as TerminalEvent, layout::Size};
use std::time::Duration;

/// How long something told for a moment stays.
const NOTICE: Duration = Duration::from_secs(6);

/// Within this time the second Ctrl-C ends.
pub(super) const LEAVING: Duration = Duration::from_secs(3);

impl Chat {
    /// Before the first input: with this conversation open, if one was named.
    pub(crate) fn begin(&mut self, peer: Option<&str>) {
        if let Some(peer) = peer {
            self.open_empty(peer);
        }
    }

    /// Takes an input; gives what is to be done.
    pub(crate) fn update(&mut self, input: Input, now: Now) -> Vec<Effect> {
        self.now = now;
        let mut effects = Vec::new();
        self.take(input, &mut effects);
        self.forget_old();
        self.arrange();
        self.ask(&mut effects);
        effects
    }

    fn take(&mut self, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Terminal(event) => self.take_terminal(event, effects),
            Input::TerminalGone => self.end(Ending::Wanted, effects),
            Input::Answered(ask, Ok(answer)) => self.take_answer(ask, answer),
            Input::Answered(ask, Err(why)) => self.take_no_answer(ask, why),
            Input::Event(event) => self.take_event(*event),
            Input::Subscribed(following) => self.take_subscribed(following),
            Input::DaemonGone => {
                self.daemon = Daemon::Gone;
                self.link = None;
                self.people.forget_presence();
            }
            Input::Unusable(failure) => self.end(Ending::Failed(failure), effects),
            Input::Ended(signal) => self.end(Ending::Signal(signal), effects),
            Input::Suspended => effects.push(Effect::Suspend),
            Input::Resumed | Input::Tick => {}
        }
    }

    fn take_terminal(&mut self, event: TerminalEvent, effects: &mut Vec<Effect>) {
        match event {
            TerminalEvent::Key(key) => self.take_key(key, effects),
            TerminalEvent::Mouse(mouse) => self.take_mouse(mouse),
            TerminalEvent::Paste(text) => self.take_paste(&text),
            TerminalEvent::Resize(width, height) => self.size = Size { width, height },
            TerminalEvent::FocusGained => self.focus = Focus::Here,
            TerminalEvent::FocusLost => {
                self.focus = Focus::Elsewhere;
                self.forget_unread_line();
            }
        }
    }

    pub(super) fn end(&mut self, ending: Ending, effects: &mut Vec<Effect>) {
        self.ended = Some(ending);
        effects.push(Effect::Leave);
    }

    /// Tells something for a while.
    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.tell(text, self.now.at + NOTICE);
    }

    fn forget_old(&mut self) {
        let now = self.now.at;
        if self.notice.as_ref().is_some_and(|notice| notice.until <= now) {
            self.notice = None;
        }
        if self.leaving.is_some_and(|until| until <= now) {
            self.leaving = None;
        }
    }

    fn take_subscribed(&mut self, following: Following) {
        self.daemon = Daemon::Here;
        self.asked.status.want();
        self.asked.conversations.want();
        self.asked.contacts.want();
        self.asked.tail.want();
        self.asked.again_at = None;
        if following == Following::Anew {
            self.load_anew();
        }
    }
}
