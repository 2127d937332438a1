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

/// Ctrl-C and Ctrl-Break; the console's window closed; the user or the system logging off. After the last
/// three the system ends the process as soon as its own patience is over, some seconds.
#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    stop: tokio::signal::windows::CtrlBreak,
    close: tokio::signal::windows::CtrlClose,
    logoff: tokio::signal::windows::CtrlLogoff,
    shutdown: tokio::signal::windows::CtrlShutdown,
}

#[cfg(windows)]
impl Signals {
    fn register() -> std::io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
        Ok(Self {
            interrupt: ctrl_c()?,
            stop: ctrl_break()?,
            close: ctrl_close()?,
            logoff: ctrl_logoff()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.stop.recv() => {}
            _ = self.close.recv() => {}
            _ = self.logoff.recv() => {}
            _ = self.shutdown.recv() => {}
        }
    }
}
