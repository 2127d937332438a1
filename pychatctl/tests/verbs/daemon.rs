//! A daemon for tests: answers as it is told and remembers what it was asked.

use crate::run::Home;
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    sync::{Arc, Mutex, mpsc},
};

/// What the daemon does with a request.
pub(crate) enum Reply {
    /// Answers with a result.
    Result(Value),
    /// Answers with an error.
    Error(Value),
    /// Answers with a result, then sends these events.
    Events(Value, Vec<Value>),
    /// Closes the connection without an answer.
    Close,
}

/// What was asked, in order: methods and parameters, without `hello`.
pub(crate) struct FakeDaemon {
    asked: mpsc::Receiver<(String, Value)>,
}

impl FakeDaemon {
    /// Listens in `home`'s default profile.
    pub(crate) fn start(
        home: &Home,
        reply: impl FnMut(&str, &Value) -> Reply + Send + 'static,
    ) -> Self {
        let listener = UnixListener::bind(home.socket()).unwrap();
        let (tell, asked) = mpsc::channel();
        let reply: Replies = Arc::new(Mutex::new(reply));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (tell, reply) = (tell.clone(), Arc::clone(&reply));
                std::thread::spawn(move || converse(stream.unwrap(), &tell, &reply));
            }
        });
        Self { asked }
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<(String, Value)> {
        self.asked.try_iter().collect()
    }

    /// Waits for the next request.
    pub(crate) fn next(&self) -> (String, Value) {
        self.asked.recv_timeout(crate::run::SOON).expect("a request")
    }
}

type Replies = Arc<Mutex<dyn FnMut(&str, &Value) -> Reply + Send>>;

fn converse(mut stream: UnixStream, tell: &mpsc::Sender<(String, Value)>, reply: &Replies) {
    let lines = BufReader::new(stream.try_clone().unwrap());
    for line in lines.lines() {
        let Ok(line) = line else { return };
        let call: Value = serde_json::from_str(&line).unwrap();
        let (id, method) = (&call["id"], call["method"].as_str().unwrap());
        let replied = if method == "hello" {
            let hello =
                json!({ "version": "0.1.0", "protocol": 1, "pid": 42, "profile": "default" });
            Reply::Result(hello)
        } else {
            let _ = tell.send((method.to_owned(), call["params"].clone()));
            (*reply.lock().unwrap())(method, &call["params"])
        };
        let mut said = Vec::new();
        match replied {
            Reply::Result(result) => {
                said.push(json!({ "jsonrpc": "2.0", "id": id, "result": result }));
            }
            Reply::Error(error) => said.push(json!({ "jsonrpc": "2.0", "id": id, "error": error })),
            Reply::Events(result, events) => {
                said.push(json!({ "jsonrpc": "2.0", "id": id, "result": result }));
                said.extend(events);
            }
            Reply::Close => return,
        }
        for line in said {
            if stream.write_all(format!("{line}\n").as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// A message of bob's to alice.
pub(crate) fn message(id: &str, body: &str) -> Value {
    json!({
        "id": id, "from": "bob", "to": "alice", "name": "Bob", "body": body,
        "sent_at": "2026-01-31T11:54:00.000Z", "received_at": "2026-01-31T11:55:00.000Z",
        "state": "unread",
    })
}

/// The event of a message's arrival.
pub(crate) fn arrival(cursor: u64, message: &Value) -> Value {
    json!({
        "jsonrpc": "2.0", "method": "event",
        "params": {
            "cursor": cursor, "at": "2026-01-31T11:55:00.000Z", "event": "message",
            "message": message,
        },
    })
}
