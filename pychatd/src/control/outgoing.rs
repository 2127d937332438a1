//! A connection's way out: whole lines, one after another, and an end to waiting for a reader that
//! does not read.

use std::time::Duration;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    time::timeout,
};

/// Lines that may wait for a connection; at the bound, its requests and events wait too.
pub(super) const LINE_QUEUE_LEN: usize = 16;

/// How long a line may take to be read before the connection is cut.
pub(super) const STALL_MAX: Duration = Duration::from_secs(10);

/// Why no more lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// There are no more.
    Drained,
    /// The other side is gone.
    Gone,
    /// The other side does not read.
    Stalled,
}

/// Writes lines until there are no more.
pub(super) async fn write_lines(
    mut to: impl AsyncWrite + Unpin,
    mut lines: mpsc::Receiver<String>,
) -> Ended {
    while let Some(line) = lines.recv().await {
        match timeout(STALL_MAX, to.write_all(line.as_bytes())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Ended::Gone,
            Err(_) => return Ended::Stalled,
        }
    }
    // Whether the goodbye arrives makes no difference.
    let _ = to.shutdown().await;
    Ended::Drained
}
