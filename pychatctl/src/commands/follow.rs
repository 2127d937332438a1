//! `inbox --follow`: unread messages, then each new one as it comes. For a reader: those that it did
//! not take yet, whether they were read or not.

use super::{
    Context,
    doubts::Doubts,
    inbox::{mark_read, mark_reader, params, show},
    pages::{PAGE_LEN, next_inbox_page},
    subscription::{Gap, Step, Subscription, end_in_time},
};
use crate::{
    cli::InboxArgs,
    output::{Failed, Form},
    screen::clean_line,
    session::Session,
};
use pychat_control::{
    Contact, ContactState, ErrorCode, EventKind, Failure, InboxParams, Message, State,
};
use std::collections::HashSet;

/// Shows them until interrupted, until `-n` of them were shown, or until the time is up.
pub(super) fn run(context: &mut Context, args: &InboxArgs) -> Result<(), Failed> {
    let mut follower = Follower {
        wanted: params(args)?,
        peek: args.peek,
        left: args.limit,
        shown: HashSet::new(),
        taken: 0,
        doubts: Doubts::default(),
    };
    // Subscribed first, so that nothing falls between that and what is in the inbox already.
    let mut subscription = Subscription::open(context, None, Gap::Fill)?;
    loop {
        let step = subscription.next(context)?;
        let session = &mut subscription.session;
        let done = match step {
            Step::TimeUp => {
                follower.doubts.end()?;
                return end_in_time(args.limit, follower.left, "messages");
            }
            Step::Anew => {
                // Its places may be those of another database.
                follower.taken = 0;
                follower.show_waiting(context, session)
            }
            Step::Resumed if follower.wanted.reader.is_some() => {
                follower.show_waiting(context, session)
            }
            Step::Resumed => Ok(()),
            Step::Event(event) => follower.take(context, session, event.what),
        };
        match done {
            Err(Failed::Request(failure)) if failure.code == ErrorCode::DaemonUnreachable => {
                subscription.begin_anew();
            }
            done => done?,
        }
        if follower.left == Some(0) {
            return follower.doubts.end();
        }
    }
}

struct Follower {
    wanted: InboxParams,
    peek: bool,
    left: Option<u32>,
    /// Unread messages that were shown and may come as an event again.
    shown: HashSet<(String, String)>,
    /// The place of the last message that the reader took, if this is for one.
    taken: u64,
    doubts: Doubts,
}

impl Follower {
    /// Shows what is in the inbox, or waits for the reader.
    fn show_waiting(&mut self, context: &mut Context, session: &mut Session) -> Result<(), Failed> {
        let mut page_after = Some(self.wanted.clone());
        while page_after.is_some() && self.left != Some(0) {
            let limit = self.left.unwrap_or(PAGE_LEN);
            let mut page = next_inbox_page(session, &mut page_after, limit)?;
            let all = page.clone();
            page.retain(|message| self.is_new(message));
            self.deliver(context, &page)?;
            // What came again too: it was not marked yet.
            self.mark(session, &all)?;
        }
        Ok(())
    }

    /// Whether it was not shown before by this process. A reader's place tells it without a list that
    /// grows.
    fn is_new(&mut self, message: &Message) -> bool {
        match &self.wanted.reader {
            Some(_) => message.place.is_none_or(|place| place > self.taken),
            None => self.shown.insert((message.from.clone(), message.id.clone())),
        }
    }

    /// Shows an event if it is a message to us that is wanted, or says that a sender's key changed.
    fn take(
        &mut self,
        context: &mut Context,
        session: &mut Session,
        event: EventKind,
    ) -> Result<(), Failed> {
        let message = match event {
            EventKind::Message { message } => message,
            EventKind::Contact { contact } => return self.tell_change(context, &contact),
            EventKind::ServerNotice { text } => {
                let told = format!("the server's operator: {}", clean_line(&text));
                return Ok(context.out.remark(&told)?);
            }
            EventKind::State { .. }
            | EventKind::Shown { .. }
            | EventKind::Connection { .. }
            | EventKind::Presence { .. } => return Ok(()),
        };
        if self.wanted.reader.is_some() {
            // What waits is asked for: the daemon knows what the reader took.
            let is_new = self.is_new(&message);
            return if is_new { self.show_waiting(context, session) } else { Ok(()) };
        }
        let wanted = self.wants(&message.from);
        let again = self.shown.contains(&(message.from.clone(), message.id.clone()));
        if !wanted || again || message.state == State::Read {
            return Ok(());
        }
        self.deliver(context, std::slice::from_ref(&message))?;
        self.mark(session, &[message])
    }

    fn wants(&self, sender: &str) -> bool {
        self.wanted.from.as_ref().is_none_or(|from| from == sender)
    }

    /// That a key was pinned is told with the message that brought it, and what was verified or
    /// trusted was so by whoever reads this.
    fn tell_change(&self, context: &mut Context, contact: &Contact) -> Result<(), Failed> {
        match contact.state {
            ContactState::Changed if self.wants(&contact.user) => {
                let user = clean_line(&contact.user);
                let change = format!("{user}'s key changed; compare: pychatctl verify {user}");
                Ok(context.out.remark(&change)?)
            }
            ContactState::Pinned | ContactState::Verified | ContactState::Changed => Ok(()),
        }
    }

    fn deliver(&mut self, context: &mut Context, messages: &[Message]) -> Result<(), Failed> {
        match context.out.form {
            Form::Json => {
                for message in messages {
                    context.out.json(message)?;
                }
                context.out.flush()?;
            }
            Form::Text | Form::Quiet => show(context, messages)?,
        }
        self.doubts.note(messages);
        let count = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        self.left = self.left.map(|left| left.saturating_sub(count));
        Ok(())
    }

    fn mark(&mut self, session: &mut Session, messages: &[Message]) -> Result<(), Failed> {
        let marked = match &self.wanted.reader {
            Some(reader) => {
                self.taken = messages.last().and_then(|last| last.place).unwrap_or(self.taken);
                mark_reader(session, reader, messages)
            }
            None if self.peek => Ok(()),
            None => mark_read(session, messages),
        };
        match marked {
            // The daemon is gone, which is noticed next; they stay unread, or come again.
            Err(Failure { code: ErrorCode::DaemonUnreachable, .. }) | Ok(()) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }
}
