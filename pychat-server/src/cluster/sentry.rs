//! Hears whether nodes use a cluster, without being one.

use super::{
    GONE,
    frame::{Frame, What},
};
use crate::store::{
    Node,
    jetstream::{Options, wire},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};
use tokio::sync::oneshot;

/// Listens for nodes' signs of life for as long as it lives.
#[derive(Debug)]
pub(crate) struct Sentry {
    heard: Heard,
    since: Instant,
    /// The other end notices when this is gone.
    _alive: oneshot::Sender<()>,
}

/// Nodes that are there, and where clients reach them, as far as they say so.
type Heard = Arc<Mutex<BTreeMap<Node, Option<String>>>>;

impl Sentry {
    /// Begins to listen.
    ///
    /// # Errors
    /// The cluster is not reached, or there can be no thread.
    pub(crate) fn post(options: &Options) -> Result<Self, wire::WireError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(wire::WireError::thread)?;
        let mut wire = runtime.block_on(wire::Wire::open(options, NOBODY))?;
        let heard = Heard::default();
        let (alive, mut ended) = oneshot::channel();
        let hears = Arc::clone(&heard);
        let started = thread::Builder::new().name("sentry".into()).spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = &mut ended => return,
                        bytes = wire.next() => match bytes {
                            Some(bytes) => hear(&hears, &bytes),
                            None => return,
                        },
                    }
                }
            });
        });
        started.map_err(wire::WireError::thread)?;
        Ok(Self { heard, since: Instant::now(), _alive: alive })
    }

    /// Waits until a node that is there must have been heard.
    pub(crate) fn wait(&self) {
        thread::sleep(GONE.saturating_sub(self.since.elapsed()));
    }

    /// The nodes that were heard, as an operator knows them.
    pub(crate) fn nodes(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let name = |(node, place): (&Node, &Option<String>)| match place {
            Some(place) => place.clone(),
            None => format!("node {node}"),
        };
        heard.iter().map(name).collect()
    }
}

/// No node has this number.
const NOBODY: Node = Node(0);

fn hear(heard: &Heard, bytes: &[u8]) {
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(frame) = Frame::decode(bytes) else {
        heard.insert(NOBODY, Some("a node of another version".into()));
        return;
    };
    if let What::Bye = frame.what {
        heard.remove(&frame.node());
        return;
    }
    // Whatever it says, it is there.
    let place = heard.entry(frame.node()).or_default();
    if let What::Beat { advertise, .. } = frame.what {
        *place = advertise;
    }
}
