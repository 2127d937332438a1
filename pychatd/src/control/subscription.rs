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
        Ok((subscription, mut cursor)) => {
            if let Some(id) = id {
                // A cursor is a plain number.
                let subscribed = serde_json::to_value(Subscribed { cursor }).unwrap_or_default();
                if out.send(result_line(&id, &subscribed)).await.is_err() {
                    return;
                }
            }
            match follow(&handle, subscription, &mut cursor, &out).await {
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

/// Where the subscriber is, and live events from the newest on.
async fn begin(
    handle: &Handle,
    params: &SubscribeParams,
) -> Result<(Subscription, u64), Failure> {
    let subscription = subscribe(handle).await?;
    let newest = subscription.cursor;
    match params.after {
        Some(cursor) if cursor > newest => Err(ahead(cursor, newest)),
        Some(cursor) => Ok((subscription, cursor)),
        None => Ok((subscription, newest)),
    }
}

async fn follow(
    handle: &Handle,
    mut subscription: Subscription,
    cursor: &mut u64,
    out: &mpsc::Sender<String>,
) -> Stop {
    // A long backlog takes time, in which live events pile up: then those are taken anew, from
    // where the backlog was left.
    loop {
        match catch_up(handle, cursor, subscription.cursor, out).await {
            Err(stop) => return stop,
            Ok(..=1) => break,
            Ok(_) => match subscribe(handle).await {
                Ok(anew) => subscription = anew,
                Err(failure) => return Stop::CutOff(failure.message),
            },
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

/// Sends what is kept after `cursor`, up to `newest`, and says in how many pages.
async fn catch_up(
    handle: &Handle,
    cursor: &mut u64,
    newest: u64,
    out: &mpsc::Sender<String>,
) -> Result<u32, Stop> {
    let mut pages = 0;
    while *cursor < newest {
        let (respond, answer) = oneshot::channel();
        let question = ToCore::EventsAfter { cursor: *cursor, limit: PAGE_LEN, respond };
        handle.0.send(question).await.map_err(|_| Stop::Gone)?;
        let page = answer.await.map_err(|_| Stop::Gone)?;
        let page = page.map_err(|failure| Stop::CutOff(failure.message))?;
        let before = *cursor;
        for event in &page {
            deliver(event, cursor, out).await?;
        }
        pages += 1;
        if *cursor == before {
            // The rest is kept no longer.
            *cursor = newest;
        }
    }
    Ok(pages)
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
