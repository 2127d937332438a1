//! Events for one subscriber: first those kept since its cursor, then live ones, without a gap and
//! none twice.

use super::ask::ending;
use crate::handle::{Handle, Subscription, ToCore};
use pychat_control::{
    CutOff, ErrorCode, Event, Failure, Id, RpcError, SubscribeParams, Subscribed, error_line,
    notification_line, result_line,
};
use tokio::sync::{broadcast::error::RecvError, mpsc, oneshot};

/// Kept events that are asked for at a time.
pub(super) const PAGE_LEN: usize = 64;

/// Answers `subscribe` and sends events until the subscriber is gone, too slow, or the core ends.
/// A notification is obeyed too, hence the optional id; nobody is told if it fails.
pub(super) async fn run(
    handle: Handle,
    id: Option<Id>,
    params: SubscribeParams,
    out: mpsc::Sender<String>,
) {
    let line = match begin(&handle, &params).await {
        Err(failure) => id.map(|id| error_line(&id, &RpcError::from(failure))),
        Ok(Begun { subscription, mut cursor, backlog }) => {
            if let Some(id) = id {
                // A cursor is a plain number.
                let subscribed = serde_json::to_value(Subscribed { cursor }).unwrap_or_default();
                if out.send(result_line(&id, &subscribed)).await.is_err() {
                    return;
                }
            }
            match follow(&handle, subscription, backlog, &mut cursor, &out).await {
                Stop::Gone => None,
                Stop::CutOff(message) => {
                    Some(notification_line("cut_off", &CutOff { cursor, message }))
                }
            }
        }
    };
    if let Some(line) = line {
        // A subscriber that is gone needs no goodbye.
        let _ = out.send(line).await;
    }
}

/// Why there are no more events.
enum Stop {
    /// The subscriber is gone, or the daemon ends and with it the connection.
    Gone,
    /// To be told, for a person.
    CutOff(String),
}

/// A subscription that can be granted.
struct Begun {
    /// Live events from the newest on.
    subscription: Subscription,
    /// Where the subscriber is.
    cursor: u64,
    /// What is kept after its cursor, the first page of it: reading it shows whether the subscriber
    /// can go on from there.
    backlog: Vec<Event>,
}

async fn begin(handle: &Handle, params: &SubscribeParams) -> Result<Begun, Failure> {
    let subscription = subscribe(handle).await?;
    let newest = subscription.cursor;
    let cursor = params.after.unwrap_or(newest);
    if cursor > newest {
        return Err(ahead(cursor, newest));
    }
    let backlog = if cursor < newest { kept_after(handle, cursor).await? } else { Vec::new() };
    Ok(Begun { subscription, cursor, backlog })
}

async fn follow(
    handle: &Handle,
    mut subscription: Subscription,
    mut backlog: Vec<Event>,
    cursor: &mut u64,
    out: &mpsc::Sender<String>,
) -> Stop {
    // A long backlog takes time, in which live events pile up: then those are taken anew, from
    // where the backlog was left, until one page holds all that is between.
    loop {
        let full = backlog.len() == PAGE_LEN;
        for event in backlog {
            if let Err(stop) = deliver(&event, cursor, out).await {
                return stop;
            }
        }
        if !full {
            break;
        }
        let next = async {
            let subscription = subscribe(handle).await?;
            Ok((kept_after(handle, *cursor).await?, subscription))
        };
        match next.await {
            Ok((page, anew)) => (backlog, subscription) = (page, anew),
            Err(Failure { message, .. }) => return Stop::CutOff(message),
        }
    }
    loop {
        match subscription.live.recv().await {
            Ok(event) => {
                if let Err(stop) = deliver(&event, cursor, out).await {
                    return stop;
                }
            }
            Err(RecvError::Lagged(_)) => {
                return Stop::CutOff("events come faster than this client reads them".into());
            }
            Err(RecvError::Closed) => return Stop::Gone,
        }
    }
}

/// The next page of what is kept after `cursor`.
async fn kept_after(handle: &Handle, cursor: u64) -> Result<Vec<Event>, Failure> {
    let (respond, answer) = oneshot::channel();
    let question = ToCore::EventsAfter { cursor, limit: PAGE_LEN, respond };
    handle.0.send(question).await.map_err(|_| ending())?;
    answer.await.map_err(|_| ending())?
}

/// Sends an event, unless the subscriber has it.
async fn deliver(event: &Event, cursor: &mut u64, out: &mpsc::Sender<String>) -> Result<(), Stop> {
    match event.cursor {
        Some(known) if known <= *cursor => return Ok(()),
        Some(new) => *cursor = new,
        None => {}
    }
    out.send(notification_line("event", event)).await.map_err(|_| Stop::Gone)
}

async fn subscribe(handle: &Handle) -> Result<Subscription, Failure> {
    let (respond, answer) = oneshot::channel();
    handle.0.send(ToCore::Subscribe { respond }).await.map_err(|_| ending())?;
    answer.await.map_err(|_| ending())
}

/// Going on from there would skip events: the subscriber knows another history than we do.
fn ahead(cursor: u64, newest: u64) -> Failure {
    Failure {
        code: ErrorCode::Usage,
        message: format!("there is no event {cursor} yet, the newest is {newest}"),
        hint: Some("the daemon's database is another one now: subscribe without a cursor".into()),
        sent: None,
    }
}
