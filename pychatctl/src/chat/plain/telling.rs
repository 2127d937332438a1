//! What is printed and told: messages, states, who is there.

use super::Plain;
use crate::{
    output::Failed,
    screen::{Width, clean_body, clean_line, columns, wrap},
};
use pychat_control::{
    ContactState, Empty, Event, EventKind, InboxParams, List, Message, Presence, Request, State,
    Trust, Unread, User, UsersParams,
};

/// Unread messages asked for at a time.
const PAGE_LEN: u32 = 100;

/// Later lines of a text stand behind this many spaces, so that none looks like another message.
const INDENT: usize = 4;

impl Plain<'_> {
    pub(super) fn take_event(&mut self, event: Event) -> Result<(), Failed> {
        match event.what {
            EventKind::Message { message } => {
                let key = (message.from.clone(), message.id.clone());
                if !self.shown.remove(&key) && message.state == State::Unread {
                    self.show(&[message])?;
                }
                Ok(())
            }
            EventKind::State { id, state, reason } => {
                self.tell_state(&id, state, reason.as_deref())
            }
            EventKind::Contact { contact } if contact.state == ContactState::Changed => {
                let user = clean_line(&contact.user);
                let told = format!("{user}'s key changed; compare: pychatctl verify {user}");
                Ok(self.context.out.remark(&told)?)
            }
            EventKind::ServerNotice { text } => {
                let told = format!("the server's operator: {}", clean_line(&text));
                Ok(self.context.out.remark(&told)?)
            }
            EventKind::Shown { .. }
            | EventKind::Connection { .. }
            | EventKind::Presence { .. }
            | EventKind::Contact { .. } => Ok(()),
        }
    }

    pub(super) fn tell_state(
        &mut self,
        id: &str,
        state: State,
        reason: Option<&str>,
    ) -> Result<(), Failed> {
        let Some(known) = self.sent.iter().find(|known| known.id == id) else { return Ok(()) };
        let to = clean_line(&known.to);
        let what = match state {
            State::Queued | State::Unread => return Ok(()),
            State::Accepted => format!("at the server, for {to}"),
            State::Delivered => format!("delivered to {to}"),
            State::Read => format!("read by {to}"),
            State::Refused => match reason {
                Some(reason) => format!("not sent to {to} ({})", clean_line(reason)),
                None => format!("not sent to {to}"),
            },
            State::Cancelled => format!("taken back, not sent to {to}"),
            State::Expired => format!("expired, not sent to {to}"),
        };
        let told = format!("{what}: {}", known.excerpt);
        Ok(self.context.out.remark(&told)?)
    }

    pub(super) fn show_unread(&mut self) -> Result<(), Failed> {
        self.shown.clear();
        let mut next = None;
        loop {
            let params = InboxParams { limit: PAGE_LEN, next, ..InboxParams::default() };
            let page = match self.call::<List<Message>>(&Request::Inbox(params)) {
                None => return Ok(()),
                Some(Err(failure)) => return self.tell_failure(&failure),
                Some(Ok(page)) => page,
            };
            let keys = page.items.iter().map(|message| (message.from.clone(), message.id.clone()));
            self.shown.extend(keys);
            self.show(&page.items)?;
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// Prints them, and once they are printed marks them.
    fn show(&mut self, messages: &[Message]) -> Result<(), Failed> {
        for message in messages {
            self.print(message)?;
        }
        self.context.out.flush()?;
        let ids: Vec<String> = messages.iter().map(|message| message.id.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        match self.call::<Empty>(&Request::MarkRead { ids }) {
            // They stay unread; the daemon's end is told by itself.
            None | Some(Ok(Empty {})) => Ok(()),
            Some(Err(failure)) => self.tell_failure(&failure),
        }
    }

    fn print(&mut self, message: &Message) -> Result<(), Failed> {
        let from = clean_line(&message.from);
        let body = match message.trust {
            Some(Trust::Unopened) => {
                format!("[this text could not be opened; ask {from} to send it again]")
            }
            None | Some(Trust::FirstContact | Trust::KeyChanged) => clean_body(&message.body),
        };
        if message.trust == Some(Trust::KeyChanged) {
            let told =
                format!("warning: {from}'s key changed, so somebody else may have written this");
            self.context.out.remark(&told)?;
        }
        let at = message.received_at.as_deref().unwrap_or(&message.sent_at);
        let when = match self.context.out.view.clock.tell(at) {
            when if when == "just now" => String::new(),
            when => format!(" ({when})"),
        };
        let head = format!("{from}{when}: ");
        // A screen reader, and a pipe, break lines themselves.
        let text = wrap(&head, columns(&head), &body, INDENT, Width::Unlimited);
        Ok(self.context.out.text(&text)?)
    }

    pub(super) fn tell_who(&mut self) -> Result<(), Failed> {
        let timeout = self.context.settings.timeout;
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let params = UsersParams { all: false, timeout_ms };
        match self.call::<List<User>>(&Request::Users(params)) {
            None => Ok(self.context.out.remark("the daemon is not there")?),
            Some(Err(failure)) => self.tell_failure(&failure),
            Some(Ok(users)) if users.items.is_empty() => {
                Ok(self.context.out.remark("nobody is there")?)
            }
            Some(Ok(users)) => {
                for user in users.items {
                    let status = match user.status {
                        Presence::Online => "online",
                        Presence::Away => "away",
                        Presence::Offline => "offline",
                    };
                    let told = format!("{} is {status}", clean_line(&user.user));
                    self.context.out.remark(&told)?;
                }
                Ok(())
            }
        }
    }

    pub(super) fn tell_unread(&mut self) -> Result<(), Failed> {
        match self.call::<Unread>(&Request::Unread {}) {
            None => Ok(self.context.out.remark("the daemon is not there")?),
            Some(Err(failure)) => self.tell_failure(&failure),
            Some(Ok(unread)) if unread.total == 0 => {
                Ok(self.context.out.remark("nothing is unread")?)
            }
            Some(Ok(unread)) => {
                for from in unread.items {
                    let told = format!("{} from {}", from.count, clean_line(&from.user));
                    self.context.out.remark(&told)?;
                }
                Ok(())
            }
        }
    }
}
