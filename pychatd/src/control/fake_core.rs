//! For tests: a core that answers as the test says and keeps the events that the test publishes.

use crate::handle::{EVENT_QUEUE_LEN, Handle, REQUEST_QUEUE_LEN, Subscription, ToCore};
use pychat_control::{ErrorCode, Event, EventKind, Failure, Request, State};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, oneshot};

/// A request that the core got, and where its answer goes.
pub(super) type Asked = (Request, oneshot::Sender<Result<Value, Failure>>);

/// The test's side of the core.
pub(super) struct FakeCore {
    /// What connections talk to.
    pub(super) handle: Handle,
    /// What was asked, in order.
    pub(super) asked: mpsc::UnboundedReceiver<Asked>,
    publish: mpsc::UnboundedSender<(Event, oneshot::Sender<()>)>,
}

impl FakeCore {
    /// Starts it on the runtime around.
    pub(super) fn start() -> Self {
        let (requests, to_core) = mpsc::channel(REQUEST_QUEUE_LEN);
        let (pass_on, asked) = mpsc::unbounded_channel();
        let (publish, published) = mpsc::unbounded_channel();
        tokio::spawn(serve(to_core, pass_on, published));
        Self { handle: Handle(requests), asked, publish }
    }

    /// Publishes an event; returns once subscribers can receive it.
    pub(super) async fn publish(&self, event: Event) {
        let (done, is_done) = oneshot::channel();
        self.publish.send((event, done)).expect("the core runs");
        is_done.await.expect("the core runs");
    }

    /// Publishes kept events with the cursors of `range`.
    pub(super) async fn publish_kept(&self, range: std::ops::RangeInclusive<u64>) {
        for cursor in range {
            self.publish(kept(cursor)).await;
        }
    }
}

/// An event that is kept.
pub(super) fn kept(cursor: u64) -> Event {
    let what = EventKind::State { id: format!("m{cursor}"), state: State::Accepted, reason: None };
    Event { cursor: Some(cursor), at: "2026-01-31T12:00:00.000Z".into(), what }
}

async fn serve(
    mut requests: mpsc::Receiver<ToCore>,
    pass_on: mpsc::UnboundedSender<Asked>,
    mut published: mpsc::UnboundedReceiver<(Event, oneshot::Sender<()>)>,
) {
    let (live, _) = broadcast::channel(EVENT_QUEUE_LEN);
    let mut events: Vec<Event> = Vec::new();
    loop {
        tokio::select! {
            Some((event, done)) = published.recv() => {
                if event.cursor.is_some() {
                    events.push(event.clone());
                }
                // Nobody may be subscribed, and the test may not wait.
                let _ = live.send(Arc::new(event));
                let _ = done.send(());
            }
            request = requests.recv() => match request {
                None => return,
                Some(ToCore::Request { request, respond }) => {
                    let _ = pass_on.send((request, respond));
                }
                Some(ToCore::Subscribe { respond }) => {
                    let cursor = events.last().and_then(|event| event.cursor).unwrap_or(0);
                    let _ = respond.send(Subscription { cursor, live: live.subscribe() });
                }
                Some(ToCore::Hook(_)) => {}
                Some(ToCore::EventsAfter { cursor, limit, respond }) => {
                    let _ = respond.send(kept_after(&events, cursor, limit));
                }
            },
        }
    }
}

/// As the core does: no gap is passed over in silence.
fn kept_after(events: &[Event], cursor: u64, limit: usize) -> Result<Vec<Event>, Failure> {
    let first = events.first().and_then(|event| event.cursor).unwrap_or(1);
    if cursor != 0 && cursor + 1 < first {
        let message = format!("the events before {first} are no longer kept");
        return Err(Failure { code: ErrorCode::LimitReached, message, hint: None, sent: None });
    }
    let after = events.iter().filter(|event| event.cursor > Some(cursor));
    Ok(after.take(limit).cloned().collect())
}
