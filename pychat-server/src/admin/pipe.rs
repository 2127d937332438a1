//! The pipe on which a running server answers its operator: administrators, and the user it runs as. Who
//! else may is the business of the pipe's descriptor.

use super::{
    desk::Desk,
    talk::{ACCEPT_PAUSE, CONNECTIONS_MAX, converse},
};
use interprocess::local_socket::{tokio::Listener, traits::tokio::Listener as _};
use std::{io, path::Path, sync::Arc};
use tokio::{sync::Semaphore, task::JoinSet};
use tracing::{debug, warn};

/// The pipe, and who is on it.
pub(crate) struct Socket {
    listener: Listener,
    connections: JoinSet<()>,
    seats: Arc<Semaphore>,
}

impl Socket {
    /// Listens. A server that is gone has left nothing behind.
    pub(crate) fn open(name: &Path) -> io::Result<Self> {
        let listener = pychat_windows::pipe::listen_to_operators(name)?;
        let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Ok(Self { listener, connections: JoinSet::new(), seats })
    }

    /// Answers whoever comes, for as long as it is polled.
    pub(crate) async fn serve(&mut self, desk: &Desk) {
        loop {
            while self.connections.try_join_next().is_some() {}
            let Ok(seat) = Arc::clone(&self.seats).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok(stream) => {
                    let desk = desk.clone();
                    self.connections.spawn(async move {
                        if let Err(error) = converse(stream, &desk).await {
                            debug!(%error, "an operator's connection broke");
                        }
                        drop(seat);
                    });
                }
                Err(error) => {
                    warn!(%error, "the admin pipe");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}
