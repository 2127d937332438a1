//! The engine's log in NATS JetStream.
//!
//! What is asked is asked over NATS's own JSON interface, all of a batch at once. The committer's thread waits;
//! what runs meanwhile are the tasks of the client library, on a thread of their own.

mod api;
pub(super) mod connect;
mod files;
mod marks;
mod monitor;
mod refusal;

pub use connect::OpenError;
pub use files::{BadFile, Use};

use super::{
    broker::{Broker, Message, Publish, PublishError, Trouble},
    options::Options,
    subject::{self, Kind, Subject},
};
use crate::store::ReadLimit;
use api::{Api, Failure};
use async_nats::HeaderMap;
use connect::Opening;
use futures_util::future::join_all;
use pychat_proto::UserName;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{runtime::Runtime, sync::Semaphore};

/// Messages read at once.
const MESSAGES_PER_READ_MAX: usize = 256;

/// Bytes read at once.
const BYTES_PER_READ_MAX: usize = 1024 * 1024;

/// How long a replica may lag behind what was acknowledged before a read is given up, and how often it is
/// asked meanwhile. Another one may answer then.
const LAG_MAX: Duration = Duration::from_secs(1);
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// Questions under way at once, fewer than the connection's queue takes.
const UNDER_WAY_MAX: usize = 1024;

/// Of those that have to be sent in their order: tokio interrupts a task after 128 steps, and what waits then may be
/// overtaken.
const IN_ORDER_MAX: usize = 64;

/// Purges under way at once: a trim is not urgent, and costs the cluster more than a text.
const PURGES_MAX: usize = 16;

/// Purges that wait. Beyond it they are left out, and made good by the mailbox's next.
const PURGES_WAITING_MAX: usize = 16_384;

/// A connection to a cluster in which the streams are there.
pub struct Nats {
    runtime: Runtime,
    api: Api,
    prefix: String,
    streams: u8,
    purges: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl std::fmt::Debug for Nats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nats").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Nats {
    /// Connects, and makes the streams that are missing.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        let nats = Self::connect(options)?;
        nats.prepare(options, Opening::Serve)?;
        nats.runtime.block_on(monitor::check(options))?;
        Ok(nats)
    }

    /// Connects, whatever streams there are.
    fn connect(options: &Options) -> Result<Self, OpenError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("nats")
            .enable_all()
            .build()
            .map_err(OpenError::Thread)?;
        let client = runtime.block_on(connect::connect(options))?;
        Ok(Self {
            runtime,
            api: Api::new(client),
            prefix: options.prefix.clone(),
            streams: options.streams,
            purges: Arc::new(Semaphore::new(PURGES_MAX)),
            waiting: Arc::new(Semaphore::new(PURGES_WAITING_MAX)),
        })
    }

    fn prepare(&self, options: &Options, opening: Opening) -> Result<(), OpenError> {
        self.runtime.block_on(connect::prepare(&self.api, options, opening))
    }

    fn name_of_stream(&self, subject: &Subject) -> String {
        stream_name(&self.prefix, subject.stream(self.streams))
    }

    fn streams(&self) -> impl Iterator<Item = String> {
        (0..self.streams).map(|stream| stream_name(&self.prefix, Some(stream)))
    }

    /// Reads a stream's messages of a subject, or of several; `until` has to be among what is known.
    async fn read_all(
        &self,
        stream: &str,
        subject: &str,
        from: u64,
        until: u64,
        limit: ReadLimit,
    ) -> Result<Vec<api::Found>, Trouble> {
        let messages_max = limit.entries.clamp(1, MESSAGES_PER_READ_MAX);
        let bytes_max = limit.bytes.clamp(1, BYTES_PER_READ_MAX);
        let give_up = tokio::time::Instant::now() + LAG_MAX;
        loop {
            let read = self.api.read(stream, subject, from, messages_max, bytes_max).await?;
            let is_cut = read.more || read.messages.len() >= messages_max;
            let reached = read.messages.last().map_or(0, |it| it.message.number);
            if is_cut || reached >= until {
                return Ok(read.messages);
            }
            if tokio::time::Instant::now() >= give_up {
                let why = format!("no replica of {stream} has what was acknowledged");
                return Err(Trouble::NotDone(why));
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    async fn read_subject(
        &self,
        (subject, from, until): &(Subject, u64, u64),
        limit: ReadLimit,
    ) -> Result<Vec<Message>, Trouble> {
        let name = subject.render(&self.prefix, self.streams);
        let found =
            self.read_all(&self.name_of_stream(subject), &name, *from, *until, limit).await?;
        Ok(found.into_iter().map(|found| found.message).collect())
    }
}

impl Broker for Nats {
    fn stream(&self, subject: &Subject) -> Option<u8> {
        subject.stream(self.streams)
    }

    fn publish(&mut self, batch: &[Publish]) -> Vec<Result<u64, PublishError>> {
        let publishes = batch.iter().map(|publish| {
            let subject = publish.subject.render(&self.prefix, self.streams);
            let mut headers = HeaderMap::new();
            let expected = match publish.subject {
                Subject::User(..) => "Nats-Expected-Last-Subject-Sequence",
                Subject::Ban(_) | Subject::Invite(_) => "Nats-Expected-Last-Sequence",
            };
            headers.insert(expected, publish.expected.to_string());
            if publish.replaces {
                headers.insert("Nats-Rollup", "sub");
            }
            self.api.publish(subject, headers, publish.body.clone())
        });
        let mut publishes: Vec<_> = publishes.collect();
        // Rules expect each other, so they have to be sent in their order.
        let are_rules = batch.iter().any(|it| !matches!(it.subject, Subject::User(..)));
        let under_way_max = if are_rules { IN_ORDER_MAX } else { UNDER_WAY_MAX };
        let mut results = Vec::with_capacity(publishes.len());
        while !publishes.is_empty() {
            let later = publishes.split_off(publishes.len().min(under_way_max));
            results.extend(self.runtime.block_on(join_all(publishes)));
            publishes = later;
        }
        results
            .into_iter()
            .map(|result| {
                result.map_err(|failure| {
                    if failure.is_conflict() {
                        PublishError::Conflict
                    } else {
                        Trouble::from(failure).into()
                    }
                })
            })
            .collect()
    }

    fn last(&mut self, subjects: &[Subject]) -> Result<Vec<Option<Message>>, Trouble> {
        let asked = subjects.iter().map(|subject| {
            let name = subject.render(&self.prefix, self.streams);
            self.api.last(self.name_of_stream(subject), name)
        });
        let mut asked: Vec<_> = asked.collect();
        let mut found = Vec::with_capacity(asked.len());
        while !asked.is_empty() {
            let later = asked.split_off(asked.len().min(UNDER_WAY_MAX));
            for message in self.runtime.block_on(join_all(asked)) {
                found.push(message?);
            }
            asked = later;
        }
        Ok(found)
    }

    fn read(
        &mut self,
        subject: &Subject,
        from: u64,
        until: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Message>, Trouble> {
        self.runtime.block_on(self.read_subject(&(subject.clone(), from, until), limit))
    }

    fn read_each(
        &mut self,
        wanted: &[(Subject, u64, u64)],
        limit: ReadLimit,
    ) -> Result<Vec<Vec<Message>>, Trouble> {
        let read = join_all(wanted.iter().map(|wanted| self.read_subject(wanted, limit)));
        self.runtime.block_on(read).into_iter().collect()
    }

    fn rules(&mut self, after: u64, freshly: bool) -> Result<Vec<(Subject, Message)>, Trouble> {
        let stream = stream_name(&self.prefix, None);
        let until = if freshly {
            let state = self.runtime.block_on(self.api.state(&stream))?;
            if state.last <= after {
                return Ok(Vec::new());
            }
            state.last
        } else {
            after
        };
        let subjects = format!("{}.rules.>", self.prefix);
        let limit = ReadLimit { entries: MESSAGES_PER_READ_MAX, bytes: BYTES_PER_READ_MAX };
        let (mut rules, mut from) = (Vec::new(), after + 1);
        loop {
            // A replica that has nothing new is believed, unless it is known better.
            let until = if freshly { until } else { 0 };
            let found = self.read_all(&stream, &subjects, from, until, limit);
            let found = self.runtime.block_on(found)?;
            let Some(end) = found.last().map(|it| it.message.number) else { return Ok(rules) };
            let is_full = found.len() >= MESSAGES_PER_READ_MAX;
            rules.extend(found.into_iter().filter_map(|it| {
                Some((Subject::parse_rule(&self.prefix, &it.subject)?, it.message))
            }));
            if !is_full && end >= until {
                return Ok(rules);
            }
            from = end + 1;
        }
    }

    fn purge(&mut self, subject: &Subject, up_to: u64) {
        let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else { return };
        let (api, purges) = (self.api.clone(), Arc::clone(&self.purges));
        let (stream, name) =
            (self.name_of_stream(subject), subject.render(&self.prefix, self.streams));
        self.runtime.spawn(async move {
            let _place = place;
            let _turn = purges.acquire().await;
            if let Err(error) = api.purge(&stream, &name, up_to).await {
                tracing::debug!(%error, "a trim is left to the next one");
            }
        });
    }

    fn remove(&mut self, subject: &Subject, up_to: u64) -> Result<(), Trouble> {
        let (stream, name) =
            (self.name_of_stream(subject), subject.render(&self.prefix, self.streams));
        Ok(self.runtime.block_on(self.api.purge(&stream, &name, up_to))?)
    }

    fn names(&mut self, kind: Kind) -> Result<Vec<UserName>, Trouble> {
        let filter = format!("{}.*.{}.>", self.prefix, kind.token());
        let asked: Vec<_> =
            self.streams().map(|stream| self.api.subjects(stream, filter.clone())).collect();
        let mut names = Vec::new();
        for subjects in self.runtime.block_on(join_all(asked)) {
            let tokens = subjects?;
            names.extend(tokens.iter().filter_map(|it| subject::user(it.rsplit('.').next()?)));
        }
        Ok(names)
    }

    fn bytes(&mut self) -> Result<u64, Trouble> {
        let streams: Vec<_> = self.streams().chain([stream_name(&self.prefix, None)]).collect();
        let states = join_all(streams.iter().map(|stream| self.api.state(stream)));
        let mut bytes = 0;
        for state in self.runtime.block_on(states) {
            bytes += state?.bytes;
        }
        Ok(bytes)
    }
}

/// What a stream is called; the one of bans and invites has no number.
fn stream_name(prefix: &str, stream: Option<u8>) -> String {
    match stream {
        Some(stream) => format!("{prefix}_mailboxes_{stream:02x}"),
        None => format!("{prefix}_rules"),
    }
}

/// How a stream is made.
fn stream_config(options: &Options, stream: Option<u8>) -> Value {
    let subjects = match stream {
        Some(stream) => format!("{}.{stream:02x}.>", options.prefix),
        None => format!("{}.rules.>", options.prefix),
    };
    json!({
        "name": stream_name(&options.prefix, stream),
        "description": "PyChat: written by pychat-server alone",
        "subjects": [subjects],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "num_replicas": options.replicas,
        "max_msgs_per_subject": if stream.is_none() { 1 } else { -1 },
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "allow_direct": true,
        "allow_rollup_hdrs": stream.is_some(),
        "metadata": { STREAMS_KEY: options.streams.to_string() },
    })
}

/// Where a stream says how many of them there are.
const STREAMS_KEY: &str = "pychat-streams";

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { .. } | Failure::Nobody => Self::NotDone(failure.to_string()),
            Failure::Silent | Failure::Senseless(_) => Self::Unknown(failure.to_string()),
        }
    }
}
