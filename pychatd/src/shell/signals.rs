//! Signals to end: the first asks for an orderly end, the second gets an end at once. They have a
//! thread of their own, so that a busy daemon hears them too.

use std::{thread, time::Duration};
use tokio::sync::watch;

/// How long an orderly end may take after a signal.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// Turns `shutdown` true at the first signal; ends the process at the second, or if it is still
/// there [`END_TIMEOUT`] later.
///
/// # Errors
/// The system gives no thread or no signals.
pub(super) fn listen(shutdown: watch::Sender<bool>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Registered before this returns, so that no signal is missed.
    let mut signals = {
        let _within = runtime.enter();
        Signals::register()?
    };
    let handle = move || {
        runtime.block_on(async {
            signals.next().await;
            tracing::info!("a signal asks for the end");
            shutdown.send_replace(true);
            match tokio::time::timeout(END_TIMEOUT, signals.next()).await {
                Ok(()) => tracing::warn!("a second signal: ending at once"),
                Err(_) => tracing::error!("the end took too long"),
            }
            std::process::exit(1);
        });
    };
    thread::Builder::new().name("signals".into()).spawn(handle).map(drop)
}

#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn register() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let [terminate, interrupt, hangup] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn register() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
