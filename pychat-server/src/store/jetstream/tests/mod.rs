//! The contract on this engine, on a real `nats-server`, and what is its own.

use super::{JetStream, Model, Nats, OpenError, Options};
use crate::store::{
    Command, MailboxStore, Quota, StoreError,
    contract::{
        Engine, contract,
        words::{LAPTOP, ROOMY, claim, entries, position, store_one, take, text, user},
    },
    jetstream::Weather,
};
use pychat_proto::Seq;
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
mod login;
mod nodes;
mod tls;

/// What comes of opening a cluster of one that syncs so, and is asked about it at this port.
fn open_monitored(sync: Sync, port: impl Fn(&NatsCluster) -> u16) -> Result<(), OpenError> {
    let cluster = NatsCluster::start(1, sync);
    let link = format!("{}?replicas=1&streams=2&monitor={}", cluster.link(), port(&cluster));
    Nats::open(&Options::parse(&link).unwrap()).map(drop)
}

#[test]
fn nats_that_does_not_sync_what_it_acknowledges_is_refused_if_it_is_asked() {
    let refused = open_monitored(Sync::Sometimes, |cluster| cluster.monitor(0)).unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, OpenError::Syncs { .. }), "{text}");
    assert!(text.contains("120s") && text.contains("sync_interval: always"), "{text}");
    open_monitored(Sync::Always, |cluster| cluster.monitor(0)).unwrap();
    // Who cannot be asked may be down: that is logged, and no reason to stay away.
    open_monitored(Sync::Sometimes, |cluster| cluster.port(0)).unwrap();
}

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

/// It matters because all other streams wait meanwhile.
#[test]
fn who_writes_to_a_stream_without_a_leader_asks_it_nothing_and_is_told_at_once() {
    let model = Model::default();
    let mut store = JetStream::new(model.clone(), node(), ROOMY);
    store.commit(&[claim("ann"), claim("bob"), take("bob", 0)]).unwrap();
    store_one(&mut store, text("ann", 1, "bob", b"1"));
    let stream = store.part(&take("bob", 0));
    model.set_weather(Weather::Leaderless(stream));
    for _ in 0..3 {
        let refused = store.commit(&[text("ann", 2, "bob", b"2")]);
        assert!(matches!(refused, Err(StoreError::NotWritten(_))), "{refused:?}");
    }
    assert_eq!(model.waited(), 0);
    model.set_weather(Weather::Fair);
    store_one(&mut store, text("ann", 2, "bob", b"2"));
    assert_eq!(entries(&mut store, "bob").len(), 2);
}

/// A position that could not be written with a text is written as soon as anybody asks for it.
#[test]
fn a_position_that_was_not_written_is_written_when_it_is_asked_for_again() {
    let model = Model::default();
    let mut store = JetStream::new(model.clone(), node(), ROOMY);
    let (ann, part) = (take("ann", 0), |store: &JetStream<Model>, name| store.part(&take(name, 0)));
    let senders = part(&store, "ann");
    let other = ["bob", "carol", "dave"].into_iter().find(|it| part(&store, it) != senders);
    let other = other.unwrap();
    store.commit(&[claim("ann"), ann, claim(other), take(other, 0)]).unwrap();
    store_one(&mut store, text("ann", 1, other, b"1"));
    model.set_weather(Weather::Leaderless(senders));
    store_one(&mut store, text("ann", 2, other, b"2"));
    let advance = Command::Advance { user: user("ann"), stream: LAPTOP, up_to: Seq(2) };
    let refused = store.commit(std::slice::from_ref(&advance));
    assert!(matches!(refused, Err(StoreError::Unknown(_))), "{refused:?}");
    model.set_weather(Weather::Fair);
    let mut another = JetStream::new(model.clone(), node(), ROOMY);
    assert_eq!(position(&mut another, "ann", LAPTOP), 1);
    store.commit(&[advance]).unwrap();
    assert_eq!(position(&mut another, "ann", LAPTOP), 2);
}
