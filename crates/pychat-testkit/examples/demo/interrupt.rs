//! Ctrl-C and its like: noted, so that the demonstration ends by itself and cleans up.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Whether somebody wants an end.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

/// Somebody wants an end.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it was interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl Interrupt {
    /// From now on signals that would end the program are only noted.
    pub(crate) fn watch() -> io::Result<Self> {
        let interrupt = Self(Arc::default());
        let noted = interrupt.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signals = {
            let _entered = runtime.enter();
            imp::Signals::new()?
        };
        thread::spawn(move || {
            runtime.block_on(signals.any());
            noted.0.store(true, Ordering::Relaxed);
            eprintln!("\ninterrupted: cleaning up");
        });
        Ok(interrupt)
    }

    /// An error if somebody wants an end.
    pub(crate) fn check(&self) -> Result<(), Interrupted> {
        if self.0.load(Ordering::Relaxed) { Err(Interrupted) } else { Ok(()) }
    }
}

#[cfg(unix)]
mod imp {
    use std::io;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub(super) struct Signals {
        interrupt: Signal,
        terminate: Signal,
        hangup: Signal,
    }

    impl Signals {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hangup: signal(SignalKind::hangup())?,
            })
        }

        pub(super) async fn any(mut self) {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
                _ = self.hangup.recv() => {}
            }
        }
    }
}

#[cfg(windows)]
mod imp {
    use std::io;
    use tokio::signal::windows::{CtrlC, ctrl_c};

    pub(super) struct Signals(CtrlC);

    impl Signals {
        pub(super) fn new() -> io::Result<Self> {
            ctrl_c().map(Self)
        }

        pub(super) async fn any(mut self) {
            self.0.recv().await;
        }
    }
}
