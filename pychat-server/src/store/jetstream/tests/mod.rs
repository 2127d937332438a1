//! The contract on this engine, on a real `nats-server`, and what is its own.

use super::{JetStream, Model, Nats, Options};
use crate::store::{
    MailboxStore, Quota,
    contract::{Engine, contract},
};
use pychat_testkit::harness::nats::{NatsCluster, Sync};
use std::sync::atomic::{AtomicU64, Ordering};

/// Another node each time.
fn node() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A node's engine on a cluster of one.
struct OnNats {
    cluster: NatsCluster,
    quota: Quota,
    store: Option<JetStream<Nats>>,
}

impl OnNats {
    fn open(cluster: &NatsCluster, quota: Quota) -> JetStream<Nats> {
        let link = format!("{}?replicas=1&streams=2", cluster.link());
        let nats = Nats::open(&Options::parse(&link).unwrap()).unwrap();
        JetStream::new(nats, node(), quota)
    }
}

impl Engine for OnNats {
    fn new(quota: Quota) -> Self {
        let cluster = NatsCluster::start(1, Sync::Sometimes);
        let store = Some(Self::open(&cluster, quota));
        Self { cluster, quota, store }
    }
    fn store(&mut self) -> &mut dyn MailboxStore {
        self.store.as_mut().unwrap()
    }
    fn crash(&mut self) {
        self.store = None;
        self.store = Some(Self::open(&self.cluster, self.quota));
    }
}

mod on_nats {
    super::contract!(super::OnNats);
}
mod nodes;

/// A node's engine on the model of a cluster, which has to keep the same promises as the real one.
struct OnModel {
    model: Model,
    quota: Quota,
    store: Option<JetStream<Model>>,
}

impl Engine for OnModel {
    fn new(quota: Quota) -> Self {
        let model = Model::default();
        let store = Some(JetStream::new(model.connect(), node(), quota));
        Self { model, quota, store }
    }
    fn store(&mut self) -> &mut dyn MailboxStore {
        self.store.as_mut().unwrap()
    }
    fn crash(&mut self) {
        self.store = Some(JetStream::new(self.model.connect(), node(), self.quota));
    }
}

mod on_model {
    super::contract!(super::OnModel);
}
