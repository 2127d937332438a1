//! Ctrl-C and its like: noted, so that the run ends by itself, and unmounts and stops what it began.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use tokio::signal::unix::{SignalKind, signal};

/// Whether somebody wants an end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on signals that would end the program are only noted.
    pub(crate) fn watch() -> io::Result<Self> {
        let interrupt = Self::default();
        let noted = interrupt.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut ctrl_c, mut terminated) = {
            let _entered = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = ctrl_c.recv() => {}
                    _ = terminated.recv() => {}
                }
            });
            noted.0.store(true, Ordering::Relaxed);
            eprintln!("\ninterrupted: cleaning up");
        });
        Ok(interrupt)
    }

    /// Whether that has happened.
    pub(crate) fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
