//! One control connection: `hello` first and in time, then requests, each answered when its answer
//! is there, and events.

use super::{
    About,
    ask::{answer, ask},
    outgoing::{Ended, LINE_QUEUE_LEN, write_lines},
    seat::{Seat, Seats},
    subscription,
};
use crate::handle::Handle;
use pychat_control::{
    Call, ErrorCode, Failure, Hello, HelloParams, Id, LineBuffer, PROTOCOL_VERSION, Rejected,
    Request, RpcError, error_line, parse_call, result_line,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// Time for `hello`; a connection that takes longer is closed.
pub(super) const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests of one connection that may wait for their answers; at the bound no more are read.
pub(super) const IN_FLIGHT_MAX: usize = 16;

/// How long answers are waited for after the client closed its side.
pub(super) const END_TIMEOUT: Duration = Duration::from_secs(10);

/// The oldest protocol version that is spoken here.
const PROTOCOL_OLDEST: u32 = 1;

/// Read at a time.
const READ_BYTES: usize = 8 * 1024;

/// Serves one connection that has to leave for nobody until it ends.
pub async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    handle: Handle,
    about: Arc<About>,
    closing: watch::Receiver<bool>,
) {
    converse_at(&Seats::new().take(), stream, handle, about, closing).await;
}

/// Serves the connection at `seat` until it ends.
pub(super) async fn converse_at(
    seat: &Seat,
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    handle: Handle,
    about: Arc<About>,
    closing: watch::Receiver<bool>,
) {
    let (mut reader, writer) = tokio::io::split(stream);
    let (out, lines) = mpsc::channel(LINE_QUEUE_LEN);
    let writing = write_lines(writer, lines);
    let mut conversation = Conversation {
        handle,
        about,
        out,
        phase: Phase::Strange { deadline: Instant::now() + HELLO_TIMEOUT },
        answers: JoinSet::new(),
        events: JoinSet::new(),
        seat,
    };
    let talk = async move {
        conversation.run(&mut reader, closing).await;
        // With the conversation its way out is dropped, and the writer ends once it is drained.
    };
    tokio::pin!(writing);
    let mut talk = Box::pin(talk);
    let ended = tokio::select! {
        ended = &mut writing => ended,
        () = &mut talk => {
            drop(talk);
            writing.await
        }
    };
    if ended == Ended::Stalled {
        tracing::debug!("a control connection was cut: its client does not read");
    }
}

/// How far the connection is.
///
/// `Strange` --hello--> `Greeted` --end of input or of the daemon--> `Ending`
enum Phase {
    /// Before `hello`.
    Strange { deadline: Instant },
    /// After it.
    Greeted,
    /// No more requests; answers are still on their way.
    Ending { deadline: Instant },
}

struct Conversation<'a> {
    handle: Handle,
    about: Arc<About>,
    out: mpsc::Sender<String>,
    phase: Phase,
    /// One task for each request that waits for its answer.
    answers: JoinSet<()>,
    /// The subscription, if there is one.
    events: JoinSet<()>,
    seat: &'a Seat,
}

impl Conversation<'_> {
    async fn run(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        mut closing: watch::Receiver<bool>,
    ) {
        let mut lines = LineBuffer::default();
        let mut chunk = [0; READ_BYTES];
        loop {
            while self.answers.len() < IN_FLIGHT_MAX && !self.is_ending() {
                match lines.next_line() {
                    Ok(Some(line)) => {
                        self.seat.asked();
                        self.take(line).await;
                        self.note_whether_idle();
                    }
                    Ok(None) => break,
                    Err(too_long) => {
                        let error =
                            RpcError::protocol(RpcError::INVALID_REQUEST, too_long.to_string());
                        self.say(error_line(&Id::Null, &error)).await;
                        self.end();
                    }
                }
            }
            if self.is_ending() && self.answers.is_empty() {
                return;
            }
            let reads = self.answers.len() < IN_FLIGHT_MAX && !self.is_ending();
            let deadline = match self.phase {
                Phase::Strange { deadline } | Phase::Ending { deadline } => Some(deadline),
                Phase::Greeted => None,
            };
            tokio::select! {
                Some(_) = self.answers.join_next(), if !self.answers.is_empty() => {
                    self.note_whether_idle();
                }
                Some(_) = self.events.join_next(), if !self.events.is_empty() => {
                    self.note_whether_idle();
                }
                _ = closing.wait_for(|closing| *closing), if !self.is_ending() => self.end(),
                () = passed(deadline), if deadline.is_some() => return,
                read = reader.read(&mut chunk), if reads => match read {
                    Ok(0) | Err(_) => self.end(),
                    Ok(count) => lines.push(&chunk[..count]),
                },
            }
        }
    }

    /// Who waits for something keeps its place.
    fn note_whether_idle(&self) {
        self.seat.note(!self.answers.is_empty() || !self.events.is_empty());
    }

    fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. })
    }

    /// Nothing more is read, and no more events follow.
    fn end(&mut self) {
        self.events.abort_all();
        self.phase = Phase::Ending { deadline: Instant::now() + END_TIMEOUT };
    }

    async fn take(&mut self, line: &[u8]) {
        match parse_call(line) {
            Ok(call) => self.dispatch(call).await,
            Err(Rejected { id: Some(id), error }) => self.say(error_line(&id, &error)).await,
            Err(Rejected { id: None, .. }) => {}
        }
    }

    async fn dispatch(&mut self, Call { id, request }: Call) {
        let outcome = match request {
            Request::Hello(params) => self.greet(id.as_ref(), &params).await,
            // Every version answers these, so that another version's client can end the daemon.
            Request::Status {} | Request::Shutdown {} => self.forward(id.clone(), request).await,
            _ if !matches!(self.phase, Phase::Greeted) => Err(unknown_client()),
            Request::Subscribe(_) if !self.events.is_empty() => Err(subscribed_already()),
            Request::Subscribe(params) => {
                let (handle, out) = (self.handle.clone(), self.out.clone());
                self.events.spawn(subscription::run(handle, id.clone(), params, out));
                Ok(())
            }
            Request::Connect(_)
            | Request::Disconnect {}
            | Request::Users(_)
            | Request::Send(_)
            | Request::Inbox(_)
            | Request::MarkRead { .. }
            | Request::History(_)
            | Request::Unread {}
            | Request::Trace { .. }
            | Request::Cancel { .. }
            | Request::Verify(_)
            | Request::Trust { .. }
            | Request::Contacts {}
            | Request::Conversations(_)
            | Request::Search(_)
            | Request::Remove(_)
            | Request::MarkReader(_)
            | Request::Readers {}
            | Request::RemoveReader { .. }
            | Request::Names(_)
            | Request::Diagnose {} => self.forward(id.clone(), request).await,
        };
        if let (Err(failure), Some(id)) = (outcome, id) {
            self.say(error_line(&id, &failure.into())).await;
        }
    }

    async fn greet(&mut self, id: Option<&Id>, params: &HelloParams) -> Result<(), Failure> {
        let HelloParams { client, version, protocol_min, protocol_max } = params;
        tracing::debug!(?client, ?version, protocol_min, protocol_max, "a client says hello");
        let protocol = PROTOCOL_VERSION.min(*protocol_max);
        if protocol < PROTOCOL_OLDEST || protocol < *protocol_min {
            return Err(self.versions_differ(params));
        }
        self.phase = Phase::Greeted;
        let hello = Hello {
            version: self.about.version.into(),
            protocol,
            pid: self.about.pid,
            profile: self.about.profile.clone(),
        };
        if let Some(id) = id {
            // Texts and numbers are always JSON.
            let hello = serde_json::to_value(hello).unwrap_or_default();
            self.say(result_line(id, &hello)).await;
        }
        Ok(())
    }

    async fn forward(&mut self, id: Option<Id>, request: Request) -> Result<(), Failure> {
        let asked = ask(&self.handle, request).await?;
        let (handle, out) = (self.handle.clone(), self.out.clone());
        self.answers.spawn(async move {
            let line = answer(&handle, asked, id.as_ref().unwrap_or(&Id::Null)).await;
            if id.is_some() {
                // A client that is gone needs no answer.
                let _ = out.send(line).await;
            }
        });
        Ok(())
    }

    /// To a client that is gone nothing is said; the writer ends this conversation then.
    async fn say(&self, line: String) {
        let _ = self.out.send(line).await;
    }

    fn versions_differ(&self, params: &HelloParams) -> Failure {
        let (min, max) = (params.protocol_min, params.protocol_max);
        Failure {
            code: ErrorCode::VersionMismatch,
            message: format!(
                "the daemon {} speaks the control protocol {PROTOCOL_OLDEST} to \
                 {PROTOCOL_VERSION}, the client speaks {min} to {max}",
                self.about.version
            ),
            hint: Some("restart the daemon: pychatctl daemon restart".into()),
            sent: None,
        }
    }
}

/// Waits for a deadline, if there is one.
async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn unknown_client() -> Failure {
    Failure {
        code: ErrorCode::Usage,
        message: "the first request on a connection is `hello`".into(),
        hint: None,
        sent: None,
    }
}

fn subscribed_already() -> Failure {
    Failure {
        code: ErrorCode::Usage,
        message: "this connection is subscribed already".into(),
        hint: None,
        sent: None,
    }
}

#[cfg(test)]
mod tests;
