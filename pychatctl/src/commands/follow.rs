//! `inbox --follow`: unread messages, then each new one as it comes. It outlives the daemon: when
//! that comes back, it goes on where it stopped.

use super::{
    Context,
    doubts::Doubts,
    inbox::{mark_read, params, show},
    pages::{PAGE_LEN, next_inbox_page},
};
use crate::{
    cli::InboxArgs,
    output::{Failed, Form},
    screen::clean_line,
    session::{Session, failure_of},
};
use pychat_control::{
    CallError, Contact, ContactState, ErrorCode, Event, EventKind, Failure, InboxParams, Message,
    Request, State, SubscribeParams, Subscribed,
};
use std::{collections::HashSet, time::Duration};

/// Shows them until interrupted, or until `-n` of them were shown.
pub(super) fn run(context: &mut Context, args: &InboxArgs) -> Result<(), Failed> {
    let mut follower = Follower {
        wanted: params(args)?,
        peek: args.peek,
        left: args.limit,
        shown: HashSet::new(),
        cursor: None,
        doubts: Doubts::default(),
    };
    let mut session = context.session()?;
    loop {
        match follower.follow(context, &mut session)? {
            Ended::Enough => return follower.doubts.end(),
            Ended::CutOff => {}
            Ended::Closed => {
                context.out.remark("the daemon ended; waiting for it to come back")?;
                session = wait_for_daemon(context)?;
            }
        }
    }
}

/// Why no more events come.
enum Ended {
    /// As many as wanted were shown.
    Enough,
    /// We read too slowly: subscribe again.
    CutOff,
    /// The daemon is gone.
    Closed,
}

/// From where events follow.
enum From {
    /// From the last one on.
    Cursor,
    /// What was before is in the inbox.
    Now,
}

struct Follower {
    wanted: InboxParams,
    peek: bool,
    left: Option<u32>,
    /// Unread messages that were shown and may come as an event again.
    shown: HashSet<(String, String)>,
    cursor: Option<u64>,
    doubts: Doubts,
}

impl Follower {
    fn follow(&mut self, context: &mut Context, session: &mut Session) -> Result<Ended, Failed> {
        match self.subscribe(session) {
            Ok(From::Cursor) => {}
            // Subscribed first, so that nothing falls between the two.
            Ok(From::Now) if self.show_unread(context, session)? => return Ok(Ended::Enough),
            Ok(From::Now) => {}
            Err(CallError::Closed) => return Ok(Ended::Closed),
            Err(error) => return Err(failure_of(error).into()),
        }
        loop {
            match session.next_event() {
                Ok(Ok(event)) => {
                    if self.take(context, session, *event)? {
                        return Ok(Ended::Enough);
                    }
                }
                Ok(Err(cut_off)) => {
                    self.cursor = Some(cut_off.cursor);
                    return Ok(Ended::CutOff);
                }
                Err(CallError::Closed) => return Ok(Ended::Closed),
                Err(error) => return Err(failure_of(error).into()),
            }
        }
    }

    fn subscribe(&mut self, session: &mut Session) -> Result<From, CallError> {
        let subscribe = |after| Request::Subscribe(SubscribeParams { after });
        let answer = session.try_call::<Subscribed>(&subscribe(self.cursor));
        let (subscribed, from) = match (answer, self.cursor) {
            // The daemon's database is another one now, or keeps events from so long ago no more.
            (Err(CallError::Failed(_)), Some(_)) => {
                (session.try_call::<Subscribed>(&subscribe(None))?, From::Now)
            }
            (answer, None) => (answer?, From::Now),
            (answer, Some(_)) => (answer?, From::Cursor),
        };
        self.cursor = Some(subscribed.cursor);
        Ok(from)
    }

    /// Shows what is unread; says whether that is enough.
    fn show_unread(
        &mut self,
        context: &mut Context,
        session: &mut Session,
    ) -> Result<bool, Failed> {
        let mut page_after = Some(self.wanted.clone());
        while page_after.is_some() && self.left != Some(0) {
            let limit = self.left.unwrap_or(PAGE_LEN);
            let page = next_inbox_page(session, &mut page_after, limit)?;
            let mut new =
                |message: &Message| self.shown.insert((message.from.clone(), message.id.clone()));
            let page: Vec<Message> = page.into_iter().filter(|message| new(message)).collect();
            self.deliver(context, session, &page)?;
        }
        Ok(self.left == Some(0))
    }

    /// Shows an event if it is a message to us that is wanted, or says that a sender's key changed;
    /// tells whether that is enough.
    fn take(
        &mut self,
        context: &mut Context,
        session: &mut Session,
        event: Event,
    ) -> Result<bool, Failed> {
        self.cursor = event.cursor.or(self.cursor);
        let message = match event.what {
            EventKind::Message { message } => message,
            EventKind::Contact { contact } => {
                self.tell_change(context, &contact)?;
                return Ok(false);
            }
            EventKind::State { .. }
            | EventKind::Shown { .. }
            | EventKind::Connection { .. }
            | EventKind::Presence { .. } => return Ok(false),
        };
        let wanted = self.wants(&message.from);
        let again = self.shown.contains(&(message.from.clone(), message.id.clone()));
        if !wanted || again || message.state == State::Read {
            return Ok(false);
        }
        self.deliver(context, session, &[message])?;
        Ok(self.left == Some(0))
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

    fn deliver(
        &mut self,
        context: &mut Context,
        session: &mut Session,
        messages: &[Message],
    ) -> Result<(), Failed> {
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
        if !self.peek {
            match mark_read(session, messages) {
                // The daemon is gone, which is noticed next; they stay unread.
                Err(Failure { code: ErrorCode::DaemonUnreachable, .. }) | Ok(()) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(())
    }
}

/// Whoever ended the daemon wanted it ended, so it is not started here.
fn wait_for_daemon(context: &Context) -> Result<Session, Failed> {
    loop {
        match Session::open_running(&context.settings) {
            Ok(Some(session)) => return Ok(session),
            Ok(None) | Err(Failure { code: ErrorCode::DaemonUnreachable, .. }) => {
                std::thread::sleep(LOOK_AGAIN);
            }
            Err(failure) => return Err(failure.into()),
        }
    }
}

/// Between two looks at whether the daemon is back.
const LOOK_AGAIN: Duration = Duration::from_millis(300);
