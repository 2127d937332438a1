//! Chatting line by line, for screen readers and for terminals that cannot be drawn on: what comes is
//! printed, and what is typed is sent. Nothing is ever written over.

mod lines;
mod telling;

use super::{
    input::{Following, Input},
    link::follow,
};
use crate::{
    commands::Context,
    names,
    output::Failed,
    screen::{clean_line, cut},
    session::{Session, failure_of},
};
use pychat_control::{CallError, ErrorCode, Failure, Request, SendParams, Sent, State, check_text};
use std::{
    collections::{HashSet, VecDeque},
    sync::mpsc::sync_channel,
    time::Duration,
};

/// Inputs that wait: then the daemon and the typist do.
const INPUTS_MAX: usize = 256;

/// Messages of ours whose further states are told: older ones have theirs in the history.
const SENT_MAX: usize = 256;

/// Texts that wait for the daemon to come back. One more is refused.
const WAITING_MAX: usize = 256;

/// Columns of a text by which it is told apart.
const EXCERPT_COLUMNS: usize = 24;

/// The daemon answers a `send` once the text is on its disk.
const SEND_TIMEOUT: Duration = Duration::from_secs(3);

/// Chats until the input ends or the person leaves.
pub(crate) fn run(
    context: &mut Context,
    peer: Option<String>,
    fresh_key: fn() -> String,
) -> Result<(), Failed> {
    let session = Session::open(&context.settings)?;
    let (tell, inputs) = sync_channel(INPUTS_MAX);
    follow(&context.settings, session, &tell);
    lines::read_lines(tell);
    let mut plain = Plain {
        context,
        session: None,
        peer,
        fresh_key,
        waiting: VecDeque::new(),
        sent: VecDeque::new(),
        shown: HashSet::new(),
        input: Typing::GoesOn,
    };
    for said in inputs {
        if plain.take(said)? == Going::Ends {
            break;
        }
    }
    plain.end()
}

/// What comes in here.
enum Said {
    /// The daemon, or about it.
    Daemon(Input),
    /// A line was typed.
    Line(String),
    /// A line was typed that is no text, or too much.
    BadLine(&'static str),
    /// No more lines.
    End,
}

impl From<Input> for Said {
    fn from(input: Input) -> Self {
        Self::Daemon(input)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Going {
    On,
    Ends,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Typing {
    GoesOn,
    Ended,
}

/// A text that was typed.
struct Typed {
    key: String,
    to: String,
    body: String,
}

/// A message of ours.
struct Known {
    id: String,
    to: String,
    excerpt: String,
}

struct Plain<'a> {
    context: &'a mut Context,
    session: Option<Session>,
    peer: Option<String>,
    fresh_key: fn() -> String,
    waiting: VecDeque<Typed>,
    sent: VecDeque<Known>,
    /// Unread messages that were shown and may come as an event again.
    shown: HashSet<(String, String)>,
    input: Typing,
}

impl Plain<'_> {
    fn take(&mut self, said: Said) -> Result<Going, Failed> {
        match said {
            Said::Daemon(Input::Subscribed(following)) => self.take_subscribed(following)?,
            Said::Daemon(Input::Event(event)) => self.take_event(*event)?,
            Said::Daemon(Input::DaemonGone) => {
                self.session = None;
                self.context.out.remark("the daemon ended; waiting for it to come back")?;
            }
            Said::Daemon(Input::Unusable(failure)) => return Err(Failed::from(*failure)),
            Said::Daemon(_) => {}
            Said::Line(line) => return self.take_line(&line),
            Said::BadLine(why) => self.context.out.remark(why)?,
            Said::End => self.input = Typing::Ended,
        }
        let is_done = self.input == Typing::Ended && self.waiting.is_empty();
        Ok(if is_done { Going::Ends } else { Going::On })
    }

    fn take_subscribed(&mut self, following: Following) -> Result<(), Failed> {
        if following == Following::Anew {
            if self.sent.is_empty() && self.waiting.is_empty() {
                let told = self.to_whom();
                self.context.out.remark(&told)?;
            }
            self.show_unread()?;
        }
        self.send_waiting()
    }

    fn to_whom(&self) -> String {
        match &self.peer {
            Some(peer) => format!("what you type goes to {peer}; /help tells the commands"),
            None => "type /to USER first, then your texts; /help tells the commands".into(),
        }
    }

    fn take_line(&mut self, line: &str) -> Result<Going, Failed> {
        match line.strip_prefix('/') {
            // Two of them begin a text with one.
            Some(rest) if !rest.starts_with('/') => return self.obey(rest),
            Some(text) => self.keep(text)?,
            None if line.trim().is_empty() => {}
            None => self.keep(line)?,
        }
        self.send_waiting()?;
        Ok(Going::On)
    }

    fn obey(&mut self, command: &str) -> Result<Going, Failed> {
        let mut words = command.split_whitespace();
        match (words.next().unwrap_or_default(), words.next()) {
            ("quit" | "q", None) => return Ok(Going::Ends),
            ("to", Some(peer)) => match names::check_user(peer) {
                Ok(()) => {
                    self.peer = Some(peer.to_owned());
                    let told = self.to_whom();
                    self.context.out.remark(&told)?;
                }
                Err(failure) => self.tell_failure(&failure)?,
            },
            ("who", None) => self.tell_who()?,
            ("unread", None) => self.tell_unread()?,
            ("help", None) => self.context.out.remark(HELP)?,
            _ => {
                let told =
                    format!("there is no command /{}; /help tells them", clean_line(command));
                self.context.out.remark(&told)?;
            }
        }
        Ok(Going::On)
    }

    fn keep(&mut self, text: &str) -> Result<(), Failed> {
        let Some(peer) = self.peer.clone() else {
            return Ok(self.context.out.remark("not sent: type /to USER first")?);
        };
        if let Err(error) = check_text(text) {
            return Ok(self.context.out.remark(&format!("not sent: {error}"))?);
        }
        if self.waiting.len() >= WAITING_MAX {
            let told = "not sent: too many texts wait for the daemon; type it again later";
            return Ok(self.context.out.remark(told)?);
        }
        let key = (self.fresh_key)();
        self.waiting.push_back(Typed { key, to: peer, body: text.to_owned() });
        Ok(())
    }

    /// One after the other, so that none overtakes. With its key, a text that was sent before its answer
    /// was lost is not sent twice.
    fn send_waiting(&mut self) -> Result<(), Failed> {
        while let Some(typed) = self.waiting.front() {
            let params = SendParams {
                to: typed.to.clone(),
                body: typed.body.clone(),
                key: Some(typed.key.clone()),
                wait: State::Queued,
                timeout_ms: u64::try_from(SEND_TIMEOUT.as_millis()).unwrap_or(u64::MAX),
                expire_ms: None,
            };
            let outcome = self.call::<Sent>(&Request::Send(params));
            let Some(outcome) = outcome else { return Ok(()) };
            let Some(typed) = self.waiting.pop_front() else { return Ok(()) };
            match outcome {
                Ok(sent) => self.take_sent(&typed, &sent)?,
                Err(failure) => self.take_not_sent(&typed, &failure)?,
            }
        }
        Ok(())
    }

    fn take_sent(&mut self, typed: &Typed, sent: &Sent) -> Result<(), Failed> {
        let excerpt = cut(&clean_line(&typed.body), EXCERPT_COLUMNS).into_owned();
        self.sent.push_back(Known { id: sent.id.clone(), to: typed.to.clone(), excerpt });
        if self.sent.len() > SENT_MAX {
            self.sent.pop_front();
        }
        if let Some(key) = &sent.first_contact {
            let (to, key) = (clean_line(&typed.to), clean_line(key));
            let told = format!(
                "first contact with {to}, key fingerprint {key}; compare it with: pychatctl verify {to}"
            );
            self.context.out.remark(&told)?;
        }
        Ok(())
    }

    fn take_not_sent(&mut self, typed: &Typed, failure: &Failure) -> Result<(), Failed> {
        let Some(sent) = &failure.sent else {
            let text = clean_line(&typed.body);
            self.context.out.remark(&format!("not sent: {text}"))?;
            return self.tell_failure(failure);
        };
        self.take_sent(typed, sent)?;
        match failure.code {
            // It is on the disk, and goes out by itself.
            ErrorCode::TimedOut => Ok(()),
            ErrorCode::KeyChanged => {
                let to = clean_line(&typed.to);
                let told = format!(
                    "held: {to}'s key changed; compare with pychatctl verify {to}, then pychatctl trust {to}"
                );
                Ok(self.context.out.remark(&told)?)
            }
            _ => self.tell_failure(failure),
        }
    }

    fn tell_failure(&mut self, failure: &Failure) -> Result<(), Failed> {
        let mut told = clean_line(&failure.message);
        if let Some(hint) = &failure.hint {
            told.push_str("; ");
            told.push_str(&clean_line(hint));
        }
        Ok(self.context.out.remark(&told)?)
    }

    /// Asks; nothing, if the daemon is not there. Asks once more on a new connection, as the one at hand may
    /// be that of a daemon that has ended.
    fn call<T: serde::de::DeserializeOwned>(
        &mut self,
        request: &Request,
    ) -> Option<Result<T, Failure>> {
        for _ in 0..2 {
            let mut session = match self.session.take() {
                Some(session) => session,
                None => match Session::open_running(&self.context.settings) {
                    Ok(Some(session)) => session,
                    Ok(None) => return None,
                    Err(failure) => return Some(Err(failure)),
                },
            };
            match session.try_call(request) {
                Ok(answer) => {
                    self.session = Some(session);
                    return Some(Ok(answer));
                }
                Err(CallError::Failed(failure)) => {
                    self.session = Some(session);
                    return Some(Err(failure));
                }
                Err(CallError::Closed | CallError::Io(_)) => {}
                Err(error) => return Some(Err(failure_of(error))),
            }
        }
        None
    }

    /// What was typed and never reached the daemon is told.
    fn end(&mut self) -> Result<(), Failed> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        for typed in std::mem::take(&mut self.waiting) {
            self.context.out.remark(&format!(
                "not sent to {}: {}",
                typed.to,
                clean_line(&typed.body)
            ))?;
        }
        Err(Failed::from(Failure {
            code: ErrorCode::DaemonUnreachable,
            message: "the daemon ended before it had all texts".into(),
            hint: Some("start it: pychatctl daemon start; then send them again".into()),
            sent: None,
        }))
    }
}

const HELP: &str = "\
Each line that you type is sent; // begins a text with a slash.
/to USER   write to somebody else
/who       who is there
/unread    how many messages wait
/quit      leave; so does the end of the input";
