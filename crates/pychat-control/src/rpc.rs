//! JSON-RPC 2.0, one object a line: requests in, answers and notifications out, and their reading
//! on the other side.

use crate::{CutOff, Event, Failure, Request, RpcError};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

/// What ties an answer to its request; the client chooses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Id {
    /// `null`: also the id of an answer to a line that cannot be read.
    Null,
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
}

impl From<u64> for Id {
    fn from(number: u64) -> Self {
        Self::Number(number.into())
    }
}

/// A request that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Without one it is a notification, which is obeyed and never answered.
    pub id: Option<Id>,
    /// What is asked.
    pub request: Request,
}

/// A line that holds no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Whom to tell; nobody, if it was a notification.
    pub id: Option<Id>,
    /// What is wrong with it.
    pub error: Box<RpcError>,
}

/// A line from the daemon.
#[derive(Clone, Debug, PartialEq)]
pub enum FromDaemon {
    /// The answer to a request.
    Answer {
        /// The request's id.
        id: Id,
        /// The JSON of the answer's type, or why not.
        outcome: Result<Value, Failure>,
    },
    /// Something that happened.
    Event(Box<Event>),
    /// No more events: this client read too slowly.
    CutOff(CutOff),
    /// A notification of a later version: to be ignored.
    Unknown(String),
}

/// A line from the daemon that follows no version of the protocol.
#[derive(Debug, thiserror::Error)]
pub enum InvalidLine {
    /// It is no JSON of an expected shape.
    #[error("the daemon sent a line that is not of the control protocol: {0}")]
    Json(#[from] serde_json::Error),
    /// It holds neither an answer nor a notification.
    #[error("the daemon sent a line that is neither an answer nor a notification")]
    Neither,
}

/// Reads a request.
///
/// # Errors
/// Says, ready to be sent back, why the line is no request.
pub fn parse_call(line: &[u8]) -> Result<Call, Rejected> {
    let reject = |id, code, message: String| Rejected {
        id,
        error: Box::new(RpcError::protocol(code, message)),
    };
    let nameless = |code, message| reject(Some(Id::Null), code, message);
    let value: Value = serde_json::from_slice(line)
        .map_err(|error| nameless(RpcError::PARSE_ERROR, format!("this is no JSON: {error}")))?;
    let Value::Object(mut members) = value else {
        let message = "a request is one JSON object; batches are not supported".to_owned();
        return Err(nameless(RpcError::INVALID_REQUEST, message));
    };
    let id = match members.remove("id") {
        None => None,
        Some(id) => Some(serde_json::from_value(id).map_err(|_| {
            let message = "`id` is a number, a text or null".to_owned();
            nameless(RpcError::INVALID_REQUEST, message)
        })?),
    };
    if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        let message = "`jsonrpc` must be \"2.0\"".to_owned();
        return Err(reject(id, RpcError::INVALID_REQUEST, message));
    }
    let Some(Value::String(method)) = members.remove("method") else {
        let message = "`method` is missing or no text".to_owned();
        return Err(reject(id, RpcError::INVALID_REQUEST, message));
    };
    if !METHODS.contains(&method.as_str()) {
        let shown: String = method.chars().take(METHOD_CHARS_SHOWN).collect();
        let message = format!("there is no method {shown:?}");
        return Err(reject(id, RpcError::UNKNOWN_METHOD, message));
    }
    let params = match members.remove("params") {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(params @ Value::Object(_)) => params,
        Some(_) => {
            let message = format!("`params` of {method} is an object");
            return Err(reject(id, RpcError::INVALID_PARAMS, message));
        }
    };
    match Request::deserialize(json!({ "method": &method, "params": params })) {
        Ok(request) => Ok(Call { id, request }),
        Err(error) => {
            Err(reject(id, RpcError::INVALID_PARAMS, format!("`params` of {method}: {error}")))
        }
    }
}

/// A request as a line, with its line feed.
#[must_use]
pub fn call_line(id: &Id, request: &Request) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        jsonrpc: &'static str,
        id: &'a Id,
        #[serde(flatten)]
        request: &'a Request,
    }
    line_of(&Line { jsonrpc: "2.0", id, request })
}

/// An answer as a line, with its line feed.
#[must_use]
pub fn result_line(id: &Id, result: &Value) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        jsonrpc: &'static str,
        id: &'a Id,
        result: &'a Value,
    }
    line_of(&Line { jsonrpc: "2.0", id, result })
}

/// A refusal as a line, with its line feed.
#[must_use]
pub fn error_line(id: &Id, error: &RpcError) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        jsonrpc: &'static str,
        id: &'a Id,
        error: &'a RpcError,
    }
    line_of(&Line { jsonrpc: "2.0", id, error })
}

/// A notification as a line, with its line feed.
#[must_use]
pub fn notification_line<T: Serialize>(method: &str, params: &T) -> String {
    #[derive(Serialize)]
    struct Line<'a, T> {
        jsonrpc: &'static str,
        method: &'a str,
        params: &'a T,
    }
    line_of(&Line { jsonrpc: "2.0", method, params })
}

/// Reads what the daemon sent.
///
/// # Errors
/// The line follows no version of the protocol.
pub fn parse_from_daemon(line: &[u8]) -> Result<FromDaemon, InvalidLine> {
    #[derive(Deserialize)]
    struct Line {
        #[serde(default)]
        id: Option<Id>,
        #[serde(default, deserialize_with = "present")]
        result: Option<Value>,
        error: Option<RpcError>,
        method: Option<String>,
        #[serde(default)]
        params: Value,
    }
    let line: Line = serde_json::from_slice(line)?;
    let id = line.id.unwrap_or(Id::Null);
    match (line.error, line.result, line.method) {
        (Some(error), _, _) => Ok(FromDaemon::Answer { id, outcome: Err(error.into()) }),
        (None, Some(result), _) => Ok(FromDaemon::Answer { id, outcome: Ok(result) }),
        (None, None, Some(method)) if method == EVENT => event(line.params),
        (None, None, Some(method)) if method == CUT_OFF => {
            Ok(FromDaemon::CutOff(serde_json::from_value(line.params)?))
        }
        (None, None, Some(method)) => Ok(FromDaemon::Unknown(method)),
        (None, None, None) => Err(InvalidLine::Neither),
    }
}

/// An event of a kind that a later version added is to be ignored, not to end the client.
fn event(params: Value) -> Result<FromDaemon, InvalidLine> {
    let kind = params.get("event").and_then(Value::as_str).map(str::to_owned);
    match (serde_json::from_value(params), kind) {
        (Ok(event), _) => Ok(FromDaemon::Event(Box::new(event))),
        (Err(_), Some(kind)) if !EVENTS.contains(&kind.as_str()) => Ok(FromDaemon::Unknown(kind)),
        (Err(error), _) => Err(error.into()),
    }
}

/// Tells `"result": null` from no result at all.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// Our types hold neither maps with odd keys nor numbers that JSON lacks, the only things that
/// cannot be written.
fn line_of<T: Serialize>(value: &T) -> String {
    let mut line = serde_json::to_string(value).expect("plain types are always JSON");
    line.push('\n');
    line
}

/// The method of an event's notification.
pub(crate) const EVENT: &str = "event";

/// The method of the notification after which no event follows.
pub(crate) const CUT_OFF: &str = "cut_off";

/// The kinds of [`crate::EventKind`].
const EVENTS: [&str; 6] = ["message", "state", "shown", "connection", "presence", "contact"];

/// The methods of [`Request`].
const METHODS: [&str; 25] = [
    "hello",
    "status",
    "connect",
    "disconnect",
    "users",
    "send",
    "inbox",
    "mark_read",
    "history",
    "conversations",
    "search",
    "remove",
    "mark_reader",
    "readers",
    "remove_reader",
    "names",
    "unread",
    "trace",
    "cancel",
    "verify",
    "trust",
    "contacts",
    "subscribe",
    "diagnose",
    "shutdown",
];

/// How much of an unknown method is said back.
const METHOD_CHARS_SHOWN: usize = 40;

#[cfg(test)]
mod tests;
