//! A subscription that outlives the daemon: when that comes back, it goes on where it stopped.

use super::Context;
use crate::{
    output::Failed,
    session::{Session, failure_of},
};
use pychat_control::{CallError, ErrorCode, Event, Failure, Request, SubscribeParams, Subscribed};
use std::time::{Duration, Instant};

/// What comes of it next.
pub(super) enum Step {
    /// Events follow from now on: what was before is to be asked for.
    Anew,
    /// The daemon or the subscription was gone and is back; events go on where they stopped.
    Resumed,
    /// Something happened.
    Event(Box<Event>),
    /// It was to end by now.
    TimeUp,
}

/// What to do where events from so long ago are kept no more, or the database is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// [`Step::Anew`]: whoever follows asks for what it missed.
    Fill,
    /// It is a failure: what was missed is nowhere else.
    Refuse,
}

/// The subscription, and the session that it is on.
pub(super) struct Subscription {
    /// For requests in between.
    pub(super) session: Session,
    cursor: Option<u64>,
    gap: Gap,
    deadline: Option<Instant>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not asked for yet.
    New,
    /// Asked for before, and lost.
    Lost,
    /// Events come.
    Open,
}

impl Subscription {
    /// Events after `cursor`, else from now on, for as long as was typed.
    pub(super) fn open(context: &Context, cursor: Option<u64>, gap: Gap) -> Result<Self, Failed> {
        let session = context.session()?;
        let deadline = context.settings.ends_after.map(|span| Instant::now() + span);
        Ok(Self { session, cursor, gap, deadline, state: State::New })
    }

    /// Something that was asked for in between is missing: everything begins anew.
    pub(super) fn begin_anew(&mut self) {
        self.cursor = None;
        self.state = State::New;
    }

    /// Waits for what is next.
    pub(super) fn next(&mut self, context: &mut Context) -> Result<Step, Failed> {
        loop {
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(Step::TimeUp);
            }
            let closed = match self.state {
                State::New | State::Lost => match self.subscribe() {
                    Ok(step) => return Ok(step),
                    Err(error) => error,
                },
                State::Open => match self.session.next_event_before(self.deadline) {
                    Ok(Ok(event)) => {
                        self.cursor = event.cursor.or(self.cursor);
                        return Ok(Step::Event(event));
                    }
                    // We read too slowly.
                    Ok(Err(cut_off)) => {
                        self.cursor = Some(cut_off.cursor);
                        self.state = State::Lost;
                        continue;
                    }
                    Err(CallError::TimedOut) => return Ok(Step::TimeUp),
                    Err(error) => error,
                },
            };
            match closed {
                CallError::Closed => self.wait_for_daemon(context)?,
                error => return Err(failure_of(error).into()),
            }
        }
    }

    fn subscribe(&mut self) -> Result<Step, CallError> {
        let subscribe = |after| Request::Subscribe(SubscribeParams { after });
        let answer = self.session.try_call::<Subscribed>(&subscribe(self.cursor));
        let (subscribed, step) = match (answer, self.cursor, self.gap) {
            (Err(CallError::Failed(_)), Some(_), Gap::Fill) => {
                (self.session.try_call::<Subscribed>(&subscribe(None))?, Step::Anew)
            }
            (answer, None, _) => (answer?, Step::Anew),
            (answer, Some(_), _) => (answer?, Step::Resumed),
        };
        self.cursor = Some(subscribed.cursor);
        self.state = State::Open;
        Ok(step)
    }

    /// Whoever ended the daemon wanted it ended, so it is not started here.
    fn wait_for_daemon(&mut self, context: &mut Context) -> Result<(), Failed> {
        context.out.remark("the daemon ended; waiting for it to come back")?;
        if self.state == State::Open {
            self.state = State::Lost;
        }
        while self.deadline.is_none_or(|deadline| Instant::now() < deadline) {
            match Session::open_running(&context.settings) {
                Ok(Some(session)) => {
                    self.session = session;
                    return Ok(());
                }
                Ok(None) | Err(Failure { code: ErrorCode::DaemonUnreachable, .. }) => {
                    std::thread::sleep(LOOK_AGAIN);
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(())
    }
}

/// How what was to bring `wanted` of something ends at its time: with fewer of them it failed.
pub(super) fn end_in_time(
    wanted: Option<u32>,
    left: Option<u32>,
    what: &str,
) -> Result<(), Failed> {
    let (Some(wanted), Some(left @ 1..)) = (wanted, left) else { return Ok(()) };
    let came = wanted.saturating_sub(left);
    Err(Failed::from(Failure {
        code: ErrorCode::TimedOut,
        message: format!("{came} of {wanted} {what} came in time"),
        hint: Some("wait longer with --timeout, or see: pychatctl status".into()),
        sent: None,
    }))
}

/// Between two looks at whether the daemon is back.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_than_were_wanted_is_a_failure() {
        assert!(end_in_time(None, None, "events").is_ok());
        assert!(end_in_time(Some(2), Some(0), "events").is_ok());
        let Err(Failed::Request(failure)) = end_in_time(Some(3), Some(1), "events") else {
            panic!("one is missing");
        };
        assert_eq!(failure.code, ErrorCode::TimedOut);
        assert_eq!(failure.message, "2 of 3 events came in time");
    }
}
