//! The daemon, on threads of their own, so that the interface never waits for it: one follows events, and
//! two take questions, as those that wait for the server must not hold up the others.

use super::{
    input::{Answer, Ask, Beyond, Following, Input, Lane, NoAnswer, Page},
    model::{CONVERSATIONS_MAX, HITS_MAX, NAMES_MAX, PAGE_LEN},
};
use crate::{
    session::{Session, failure_of},
    settings::Settings,
};
use pychat_control::{
    CallError, Contact, Conversation, ConversationsParams, Empty, ErrorCode, Failure,
    HistoryParams, KnownName, List, Message, NamesParams, Request, SearchParams, SendParams, State,
    SubscribeParams, Subscribed, User, UsersParams, VerifyParams,
};
use std::{
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread,
    time::Duration,
};

/// Questions that wait in a lane. The model has at most one of each kind under way, and texts up to their
/// own bound.
const ASKS_MAX: usize = 128;

/// Messages before a place that was jumped to: more than a screen.
const AROUND_BEFORE: u32 = 60;

/// The daemon answers a `send` once the text is on its disk: that is not long.
const SEND_TIMEOUT: Duration = Duration::from_secs(3);

/// Between two looks at whether the daemon is back.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// The way to the daemon.
#[derive(Debug)]
pub(crate) struct Link {
    daemon: SyncSender<Ask>,
    server: SyncSender<Ask>,
}

impl Link {
    /// Follows events by way of `session`, and takes questions.
    pub(crate) fn start(settings: &Settings, session: Session, inputs: &SyncSender<Input>) -> Self {
        follow(settings, session, inputs);
        let lane = || {
            let (sender, asks) = sync_channel(ASKS_MAX);
            let (own, tell) = (settings.clone(), inputs.clone());
            thread::spawn(move || answer_all(&own, &asks, &tell));
            sender
        };
        Self { daemon: lane(), server: lane() }
    }

    /// Asks. A lane that is full gives the question back, as one that was not answered.
    pub(crate) fn ask(&self, ask: Ask) -> Result<(), Ask> {
        let lane = match ask.lane() {
            Lane::Daemon => &self.daemon,
            Lane::Server => &self.server,
        };
        lane.try_send(ask).map_err(|error| match error {
            TrySendError::Full(ask) | TrySendError::Disconnected(ask) => ask,
        })
    }
}

/// Tells what happens, on a thread of its own, first by way of `session`, and over the daemon's end.
pub(crate) fn follow<T: From<Input> + Send + 'static>(
    settings: &Settings,
    session: Session,
    tell: &SyncSender<T>,
) {
    let (settings, tell) = (settings.clone(), tell.clone());
    thread::spawn(move || Follower { settings, tell, cursor: None }.run(session));
}

/// Nobody listens any more: the interface has ended.
struct NobodyListens;

struct Follower<T> {
    settings: Settings,
    tell: SyncSender<T>,
    cursor: Option<u64>,
}

impl<T: From<Input>> Follower<T> {
    fn run(mut self, first: Session) {
        let mut session = Some(first);
        loop {
            let Some(here) = session.take().or_else(|| self.wait_for_daemon()) else { return };
            let Err(error) = self.follow(here) else { return };
            let told = match error {
                CallError::Closed | CallError::Io(_) | CallError::TimedOut => Input::DaemonGone,
                error => Input::Unusable(Box::new(failure_of(error))),
            };
            if self.say(told).is_err() {
                return;
            }
        }
    }

    /// Until the connection ends, or nobody listens.
    fn follow(&mut self, mut session: Session) -> Result<NobodyListens, CallError> {
        loop {
            let following = self.subscribe(&mut session)?;
            if self.say(Input::Subscribed(following)).is_err() {
                return Ok(NobodyListens);
            }
            loop {
                match session.next_event_before(None)? {
                    Ok(event) => {
                        self.cursor = event.cursor.or(self.cursor);
                        if self.say(Input::Event(event)).is_err() {
                            return Ok(NobodyListens);
                        }
                    }
                    Err(cut_off) => {
                        self.cursor = Some(cut_off.cursor);
                        break;
                    }
                }
            }
        }
    }

    fn subscribe(&mut self, session: &mut Session) -> Result<Following, CallError> {
        let subscribe = |after| Request::Subscribe(SubscribeParams { after });
        let answer = session.try_call::<Subscribed>(&subscribe(self.cursor));
        let (subscribed, following) = match (answer, self.cursor) {
            // The daemon's database is another one now, or keeps events from so long ago no more.
            (Err(CallError::Failed(_)), Some(_)) => {
                (session.try_call::<Subscribed>(&subscribe(None))?, Following::Anew)
            }
            (answer, None) => (answer?, Following::Anew),
            (answer, Some(_)) => (answer?, Following::Seamlessly),
        };
        self.cursor = Some(subscribed.cursor);
        Ok(following)
    }

    /// Whoever ended the daemon wanted it ended, so it is not started here.
    fn wait_for_daemon(&self) -> Option<Session> {
        loop {
            match Session::open_running(&self.settings) {
                Ok(Some(session)) => return Some(session),
                Ok(None) | Err(Failure { code: ErrorCode::DaemonUnreachable, .. }) => {
                    thread::sleep(LOOK_AGAIN);
                }
                Err(failure) => {
                    // The end is told; whoever hears it ends.
                    let _ = self.say(Input::Unusable(Box::new(failure)));
                    return None;
                }
            }
        }
    }

    fn say(&self, input: Input) -> Result<(), NobodyListens> {
        self.tell.send(input.into()).map_err(|_| NobodyListens)
    }
}

fn answer_all(settings: &Settings, asks: &Receiver<Ask>, tell: &SyncSender<Input>) {
    let mut session = None;
    for ask in asks {
        let outcome = answer(settings, &mut session, &ask);
        if tell.send(Input::Answered(ask, outcome)).is_err() {
            return;
        }
    }
}

/// Asks, and once more on a new connection: the one at hand may be that of a daemon that has ended. No
/// question does harm if it is asked twice.
fn answer(
    settings: &Settings,
    session: &mut Option<Session>,
    ask: &Ask,
) -> Result<Answer, NoAnswer> {
    let tries = if session.is_some() { 2 } else { 1 };
    for _ in 0..tries {
        let mut open = match session.take() {
            Some(open) => open,
            None => match Session::open_running(settings) {
                Ok(Some(opened)) => opened,
                Ok(None) | Err(Failure { code: ErrorCode::DaemonUnreachable, .. }) => break,
                Err(failure) => return Err(NoAnswer::Failed(Box::new(failure))),
            },
        };
        match call(settings, &mut open, ask) {
            Ok(answer) => {
                *session = Some(open);
                return Ok(answer);
            }
            Err(CallError::Failed(failure)) => {
                *session = Some(open);
                return Err(NoAnswer::Failed(Box::new(failure)));
            }
            Err(CallError::Closed | CallError::Io(_)) => {}
            Err(CallError::TimedOut) => break,
            Err(error @ (CallError::Invalid(_) | CallError::TooLong(_))) => {
                return Err(NoAnswer::Failed(Box::new(failure_of(error))));
            }
        }
    }
    Err(NoAnswer::Gone)
}

fn call(settings: &Settings, session: &mut Session, ask: &Ask) -> Result<Answer, CallError> {
    match ask {
        Ask::Status => session.try_call(&Request::Status {}).map(Box::new).map(Answer::Status),
        Ask::Users => {
            let params = UsersParams { all: false, timeout_ms: millis(settings.timeout) };
            let list: List<User> = session.try_call(&Request::Users(params))?;
            Ok(Answer::Users(list.items))
        }
        Ask::Contacts => {
            let list: List<Contact> = session.try_call(&Request::Contacts {})?;
            Ok(Answer::Contacts(list.items))
        }
        Ask::Conversations => conversations(session),
        Ask::Latest { peer } => page(session, peer, Side::Before(None), PAGE_LEN).map(Answer::Page),
        Ask::Older { peer, before } => {
            page(session, peer, Side::Before(Some(*before)), PAGE_LEN).map(Answer::Page)
        }
        Ask::Newer { peer, after } => {
            page(session, peer, Side::After(*after), PAGE_LEN).map(Answer::Page)
        }
        Ask::Around { peer, place } => around(session, peer, *place).map(Answer::Page),
        Ask::MarkRead { ids, .. } => {
            let Empty {} = session.try_call(&Request::MarkRead { ids: ids.clone() })?;
            Ok(Answer::Done)
        }
        Ask::Send { key, to, body } => {
            let params = SendParams {
                to: to.clone(),
                body: body.clone(),
                key: Some(key.clone()),
                wait: State::Queued,
                timeout_ms: millis(SEND_TIMEOUT),
                expire_ms: None,
            };
            session.try_call(&Request::Send(params)).map(Answer::Sent)
        }
        Ask::Search { words, peer } => {
            let params = SearchParams {
                words: words.clone(),
                peer: peer.clone(),
                limit: HITS_MAX,
                ..SearchParams::default()
            };
            session.try_call(&Request::Search(params)).map(Answer::Found)
        }
        Ask::Names { prefix } => {
            let params = NamesParams { prefix: prefix.clone(), limit: NAMES_MAX };
            let list: List<KnownName> = session.try_call(&Request::Names(params))?;
            Ok(Answer::Names(list.items))
        }
        Ask::Verify { peer, code } => {
            let timeout_ms = millis(settings.timeout);
            let params = VerifyParams { peer: peer.clone(), code: code.clone(), timeout_ms };
            session.try_call(&Request::Verify(params)).map(Box::new).map(Answer::Verified)
        }
        Ask::Trust { peer, fingerprint } => {
            let fingerprint = Some(fingerprint.clone());
            let request = Request::Trust { peer: peer.clone(), fingerprint };
            session.try_call(&request).map(Answer::Trusted)
        }
    }
}

fn conversations(session: &mut Session) -> Result<Answer, CallError> {
    let params = ConversationsParams { limit: CONVERSATIONS_MAX, next: None };
    let list: List<Conversation> = session.try_call(&Request::Conversations(params))?;
    Ok(Answer::Conversations(list.items))
}

/// Which messages.
#[derive(Clone, Copy)]
enum Side {
    /// The last ones before a place, or the last ones.
    Before(Option<u64>),
    /// The first ones after a place.
    After(u64),
}

fn page(session: &mut Session, peer: &str, side: Side, limit: u32) -> Result<Page, CallError> {
    let (before, after) = match side {
        Side::Before(place) => (place, None),
        Side::After(place) => (None, Some(place)),
    };
    let peer = Some(peer.to_owned());
    let params = HistoryParams { peer, limit, before, after, ..HistoryParams::default() };
    let list: List<Message> = session.try_call(&Request::History(params))?;
    let beyond = if list.next.is_some() { Beyond::More } else { Beyond::Nothing };
    let (before, after) = match side {
        Side::Before(_) => (beyond, Beyond::Nothing),
        Side::After(_) => (Beyond::Nothing, beyond),
    };
    Ok(Page { items: list.items, before, after })
}

fn around(session: &mut Session, peer: &str, place: u64) -> Result<Page, CallError> {
    let mut page_of = |side, limit| page(session, peer, side, limit);
    let newer = page_of(Side::After(place.saturating_sub(1)), PAGE_LEN)?;
    let mut older = page_of(Side::Before(Some(place)), AROUND_BEFORE)?;
    older.items.extend(newer.items);
    Ok(Page { after: newer.after, ..older })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
