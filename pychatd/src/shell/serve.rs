//! The daemon's life: the socket, the core beside it, and their end in an order that leaves nothing
//! behind.

use super::{Fault, Start, background, background::Readiness, lock::Lock, signals};
use crate::{
    control::{self, About, Server},
    handle::{Handle, REQUEST_QUEUE_LEN, ToCore},
    hooks,
};
use pychat_control::{DaemonConfig, DaemonFile, PROTOCOL_VERSION, Place, Request};
use std::{
    future::Future,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::{mpsc, oneshot, watch};

/// Runs until the core is done.
pub(super) fn serve<C, F>(
    place: &Place,
    config: DaemonConfig,
    lock: Lock,
    readiness: &mut Readiness,
    core: C,
) -> Result<(), Fault>
where
    C: FnOnce(Start, mpsc::Receiver<ToCore>, watch::Receiver<bool>) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::failed(format!("the runtime cannot be started: {error}")))?;
    let (shutdown, is_shutdown) = watch::channel(false);
    signals::listen(shutdown)
        .map_err(|error| Fault::failed(format!("signals cannot be received: {error}")))?;
    runtime.block_on(live(place, config, lock, readiness, core, is_shutdown))
}

async fn live<C, F>(
    place: &Place,
    config: DaemonConfig,
    lock: Lock,
    readiness: &mut Readiness,
    core: C,
    shutdown: watch::Receiver<bool>,
) -> Result<(), Fault>
where
    C: FnOnce(Start, mpsc::Receiver<ToCore>, watch::Receiver<bool>) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let start = Start {
        state_dir: place.state_dir().to_owned(),
        profile: place.profile().to_string(),
        unix_ms: unix_ms(),
        config: config.clone(),
    };
    let address = place.address();
    let listener = control::bind(&address).map_err(|error| {
        Fault::failed(format!("the control socket {address} cannot be opened: {error}"))
    })?;
    let file = daemon_file(place, start.unix_ms);
    let (requests, to_core) = mpsc::channel(REQUEST_QUEUE_LEN);
    let handle = Handle(requests);
    let about = About {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        profile: start.profile.clone(),
    };
    let profile = start.profile.clone();
    let mut server = Server::start(listener, handle.clone(), about);
    let mut core = std::pin::pin!(core(start, to_core, shutdown));

    let outcome = tokio::select! {
        ended = &mut core => ended,
        () = answers(&handle) => {
            file.write(&place.daemon_file()).map_err(|error| {
                Fault::failed(format!("{error}"))
            })?;
            readiness.tell_ready();
            tracing::info!(version = env!("CARGO_PKG_VERSION"), "the daemon is ready");
            let _hooks = hooks::start(&config, &profile, &handle);
            core.await
        }
    };
    background::tell_stopping();
    server.stop_accepting().await;
    control::unbind(&address);
    // Without a daemon there is nothing to say about one.
    let _ = std::fs::remove_file(place.daemon_file());
    // A client that waits for the end of its connection finds the profile free.
    drop(lock);
    server.close().await;
    tracing::info!("the daemon ends");
    outcome.map_err(|error| Fault::failed(format!("{error:#}")))
}

/// Waits for the core's first answer: from then on, the socket answers.
async fn answers(handle: &Handle) {
    let (respond, answer) = oneshot::channel();
    let request = ToCore::Request { request: Request::Status {}, respond };
    if handle.0.send(request).await.is_err() || answer.await.is_err() {
        // The core ended, which is noticed beside this.
        std::future::pending::<()>().await;
    }
}

fn daemon_file(place: &Place, started_at_unix_ms: u64) -> DaemonFile {
    let started_at = i64::try_from(started_at_unix_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .unwrap_or_default();
    DaemonFile {
        address: place.address().to_string(),
        pid: std::process::id(),
        started_at: format!("{started_at:.3}"),
        version: env!("CARGO_PKG_VERSION").into(),
        protocol: PROTOCOL_VERSION,
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(all(test, unix))]
mod tests;
