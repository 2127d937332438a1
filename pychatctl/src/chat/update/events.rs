//! What happened, as the daemon tells it.

use super::Chat;
use crate::{chat::model::Stage, screen::clean_line};
use pychat_control::{Event, EventKind, Link, Message, State};

impl Chat {
    pub(super) fn take_event(&mut self, event: Event) {
        match event.what {
            EventKind::Message { message } => self.take_arrival(&message),
            EventKind::State { id, state, reason } => self.take_state(&id, state, reason),
            EventKind::Shown { from, id } => {
                self.asked.conversations.want();
                if let Some(open) = self.open.as_mut().filter(|open| open.peer == from)
                    && let Some(window) = &mut open.window
                {
                    window.set_shown(&id);
                    self.marking.remove(&id);
                }
            }
            EventKind::Connection { state } => {
                self.link = Some(state);
                self.asked.status.want();
                match state {
                    Link::Connected => self.asked.users.want(),
                    Link::Disconnected | Link::Connecting | Link::Refused => {
                        self.people.forget_presence();
                    }
                }
            }
            EventKind::Presence { user } => self.people.set_user(user),
            EventKind::Contact { contact } => self.people.set_contact(contact),
            EventKind::ServerNotice { text } => {
                self.say(format!("the server's operator: {}", clean_line(&text)));
            }
        }
    }

    /// It is read from the history, so that everything stands in the order of places.
    fn take_arrival(&mut self, message: &Message) {
        self.asked.conversations.want();
        if self.peer().is_some_and(|peer| message.from == peer || message.to == peer) {
            self.asked.tail.want();
        }
    }

    fn take_state(&mut self, id: &str, state: State, reason: Option<String>) {
        let mut is_known = false;
        for with in &mut self.people.conversations {
            if with.last.id == id && with.last.received_at.is_none() {
                with.last.state = state;
                is_known = true;
            }
        }
        for outgoing in &mut self.outgoing {
            if outgoing.stage == Stage::Kept(id.to_owned()) {
                outgoing.item.message.state = state;
                outgoing.item.message.reason.clone_from(&reason);
                is_known = true;
            }
        }
        let window = self.open.as_mut().and_then(|open| open.window.as_mut());
        is_known |= window.is_some_and(|window| window.set_state(id, state, reason));
        if !is_known {
            // Another program sent it, maybe in this conversation.
            self.asked.tail.want();
            self.asked.conversations.want();
        }
    }
}
