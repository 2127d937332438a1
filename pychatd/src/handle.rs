//! How the control socket talks to the daemon's core: requests with one answer each, and events.

use pychat_control::{Event, Failure, HookStatus, Request};
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, oneshot};

/// Requests that may wait for the core; at the bound the control socket stops reading.
pub const REQUEST_QUEUE_LEN: usize = 256;

/// Live events that a subscriber may lag behind; one that lags more is cut off and resumes from the
/// cursor of its last event.
pub const EVENT_QUEUE_LEN: usize = 1024;

/// What the core is asked over its channel.
#[derive(Debug)]
pub enum ToCore {
    /// A request and where its answer goes. `Hello` and `Subscribe` never come this way.
    Request {
        /// What is asked.
        request: Request,
        /// Where the answer goes: the JSON of the answer type that `Request` names.
        respond: oneshot::Sender<Result<serde_json::Value, Failure>>,
    },
    /// Live events from now on.
    Subscribe {
        /// Where they will come from.
        respond: oneshot::Sender<Subscription>,
    },
    /// How a program that is run for messages is, for `status`.
    Hook(HookStatus),
    /// Kept events after a cursor, ascending, at most `limit`.
    EventsAfter {
        /// The last one known.
        cursor: u64,
        /// At most this many.
        limit: usize,
        /// Where the answer goes.
        respond: oneshot::Sender<Result<Vec<Event>, Failure>>,
    },
}

/// Live events, and the last kept event before them.
#[derive(Debug)]
pub struct Subscription {
    /// The last kept event before the live ones.
    pub cursor: u64,
    /// What happens from now on.
    pub live: broadcast::Receiver<Arc<Event>>,
}

/// A way to the core, for each connection of the control socket.
#[derive(Clone, Debug)]
pub struct Handle(pub mpsc::Sender<ToCore>);
