//! JetStream's JSON interface, as far as it is used.

use crate::store::jetstream::broker::Message;
use async_nats::{Client, HeaderMap, Request, RequestErrorKind, StatusCode};
use data_encoding::BASE64;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::HashMap, time::Duration};

/// How long an answer is waited for: longer than a quorum takes on a bad day, shorter than an election of a new
/// leader, after which it is asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// The same for what takes no quorum. A stream without a leader says nothing to who asks for its newest messages, and
/// meanwhile those of all other streams wait.
const READ_WITHIN: Duration = Duration::from_secs(1);

/// What NATS calls "there is no such message".
const NO_MESSAGE: u64 = 10_037;

/// What NATS calls "the last sequence is another one": as a constant text, and with the number in it.
const WRONG_LAST: [u64; 2] = [10_071, 10_164];

/// How the answers of a read end.
const END_OF_BATCH: u16 = 204;
const NOTHING_THERE: u16 = 404;
const NOBODY_THERE: u16 = 503;

/// Asks a cluster.
#[derive(Clone, Debug)]
pub(super) struct Api {
    client: Client,
}

/// Why something was not answered as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The cluster says no.
    #[error("NATS refused: {description} ({code})")]
    Refused {
        /// NATS's number for it.
        code: u64,
        /// Its words.
        description: String,
    },
    /// Nobody is there who could answer: no leader, or no such stream.
    #[error("NATS has nobody who answers: no leader is elected, or the stream is gone")]
    Nobody,
    /// No answer came in time.
    #[error("NATS does not answer")]
    Silent,
    /// It is no answer.
    #[error("NATS answers what makes no sense: {0}")]
    Senseless(String),
}

impl Failure {
    /// Whether somebody else was quicker.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if WRONG_LAST.contains(code))
    }
}

/// A message and its subject.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) subject: String,
    pub(super) message: Message,
}

/// What a read came to.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) messages: Vec<Found>,
    /// Whether there are others that did not fit.
    pub(super) more: bool,
}

/// How a stream stands.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct State {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    #[serde(rename = "last_seq")]
    pub(super) last: u64,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl Api {
    pub(super) const fn new(client: Client) -> Self {
        Self { client }
    }

    async fn ask(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Vec<u8>,
        within: Duration,
    ) -> Result<Value, Failure> {
        let mut request = Request::new().payload(payload.into()).timeout(Some(within));
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        let answer = self.client.send_request(subject, request).await;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => Failure::Nobody,
            RequestErrorKind::TimedOut => Failure::Silent,
            _ => Failure::Senseless(error.to_string()),
        })?;
        if answer.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(Failure::Nobody);
        }
        let answer: Value = serde_json::from_slice(&answer.payload)
            .map_err(|error| Failure::Senseless(error.to_string()))?;
        match answer.get("error") {
            None => Ok(answer),
            Some(error) => {
                let refusal = Refusal::deserialize(error);
                let Refusal { err_code, description } =
                    refusal.map_err(|error| Failure::Senseless(error.to_string()))?;
                Err(Failure::Refused { code: err_code, description })
            }
        }
    }

    /// Asks something about streams; the question is an object or nothing.
    pub(super) async fn api(&self, what: &str, question: Value) -> Result<Value, Failure> {
        let payload = if question.is_null() { Vec::new() } else { question.to_string().into() };
        self.ask(format!("$JS.API.{what}"), None, payload, ANSWER_WITHIN).await
    }

    /// Publishes; answers the message's number once a quorum has it on disk.
    pub(super) async fn publish(
        &self,
        subject: String,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<u64, Failure> {
        let answer = self.ask(subject, Some(headers), body, ANSWER_WITHIN).await?;
        let number = answer.get("seq").and_then(Value::as_u64);
        number.ok_or_else(|| Failure::Senseless(answer.to_string()))
    }

    /// A subject's newest message, as the stream's leader has it.
    pub(super) async fn last(
        &self,
        stream: String,
        subject: String,
    ) -> Result<Option<Message>, Failure> {
        let (asked, question) =
            (format!("$JS.API.STREAM.MSG.GET.{stream}"), json!({ "last_by_subj": subject }));
        let answer = match self.ask(asked, None, question.to_string().into(), READ_WITHIN).await {
            Ok(answer) => answer,
            Err(Failure::Refused { code: NO_MESSAGE, .. }) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let message = answer.get("message");
        let number = message.and_then(|it| it.get("seq")).and_then(Value::as_u64);
        // An empty message has no data at all.
        let data = message.and_then(|it| it.get("data")).and_then(Value::as_str).unwrap_or("");
        let body = BASE64.decode(data.as_bytes()).ok();
        match (number, body) {
            (Some(number), Some(body)) => Ok(Some(Message { number, body })),
            _ => Err(Failure::Senseless("a message without number or content".into())),
        }
    }

    /// Messages from this number on, from any replica.
    pub(super) async fn read(
        &self,
        stream: &str,
        subject: &str,
        from: u64,
        messages_max: usize,
        bytes_max: usize,
    ) -> Result<Read, Failure> {
        let inbox = self.client.new_inbox();
        let lost = |error: String| Failure::Senseless(error);
        let mut answers =
            self.client.subscribe(inbox.clone()).await.map_err(|it| lost(it.to_string()))?;
        let question = json!({
            "seq": from, "next_by_subj": subject, "batch": messages_max, "max_bytes": bytes_max,
        });
        let asked = format!("$JS.API.DIRECT.GET.{stream}");
        let sent = self.client.publish_with_reply(asked, inbox, question.to_string().into()).await;
        sent.map_err(|it| lost(it.to_string()))?;
        let mut read = Read::default();
        loop {
            let answer = tokio::time::timeout(READ_WITHIN, answers.next()).await;
            let answer = answer.map_err(|_| Failure::Silent)?.ok_or(Failure::Silent)?;
            match answer.status.map(|status| status.as_u16()) {
                None => {}
                Some(END_OF_BATCH) => {
                    read.more = header(&answer, "Nats-Num-Pending").is_some_and(|left| left > 0);
                    return Ok(read);
                }
                Some(NOTHING_THERE) => return Ok(read),
                Some(NOBODY_THERE) => return Err(Failure::Nobody),
                Some(code) => {
                    let description = answer.description.map_or_else(String::new, Into::into);
                    return Err(Failure::Refused { code: u64::from(code), description });
                }
            }
            let number = header(&answer, "Nats-Sequence");
            let number = number.ok_or_else(|| lost("a message without a number".into()))?;
            let subject = answer.headers.as_ref().and_then(|it| it.get("Nats-Subject"));
            let subject = subject.map_or_else(String::new, |it| it.as_str().to_owned());
            let body = answer.payload.to_vec();
            read.messages.push(Found { subject, message: Message { number, body } });
        }
    }

    /// Removes a subject's messages up to this number.
    pub(super) async fn purge(
        &self,
        stream: &str,
        subject: &str,
        up_to: u64,
    ) -> Result<(), Failure> {
        let question = json!({ "filter": subject, "seq": up_to.saturating_add(1) });
        self.api(&format!("STREAM.PURGE.{stream}"), question).await.map(drop)
    }

    /// How a stream stands.
    pub(super) async fn state(&self, stream: &str) -> Result<State, Failure> {
        Ok(self.info(stream).await?.1)
    }

    /// A stream's configuration, and how it stands.
    pub(super) async fn info(&self, stream: &str) -> Result<(Value, State), Failure> {
        let answer = self.api(&format!("STREAM.INFO.{stream}"), Value::Null).await?;
        let field = |name: &str| answer.get(name).cloned().unwrap_or_default();
        let state = State::deserialize(field("state"));
        let state = state.map_err(|error| Failure::Senseless(error.to_string()))?;
        Ok((field("config"), state))
    }

    /// A stream's subjects that match.
    pub(super) async fn subjects(
        &self,
        stream: String,
        filter: String,
    ) -> Result<Vec<String>, Failure> {
        let mut subjects = Vec::new();
        loop {
            let question = json!({ "subjects_filter": filter, "offset": subjects.len() });
            let answer = self.api(&format!("STREAM.INFO.{stream}"), question).await?;
            let page = answer.pointer("/state/subjects").cloned();
            let page: HashMap<String, u64> = match page {
                None => HashMap::new(),
                Some(page) => serde_json::from_value(page)
                    .map_err(|error| Failure::Senseless(error.to_string()))?,
            };
            let total = answer.get("total").and_then(Value::as_u64).unwrap_or_default();
            let is_last = page.is_empty();
            subjects.extend(page.into_keys());
            if is_last || subjects.len() as u64 >= total {
                return Ok(subjects);
            }
        }
    }
}

fn header(message: &async_nats::Message, name: &str) -> Option<u64> {
    message.headers.as_ref()?.get(name)?.as_str().parse().ok()
}
