//! Plain NATS subjects, for what nodes tell each other: best effort, and in order from each node.

use super::{nats::connect, options::Options};
use crate::store::Node;
use async_nats::{Client, Subscriber, connection::State};
use futures_util::StreamExt;

/// A node's connection for it.
pub(crate) struct Wire {
    client: Client,
    prefix: String,
    to_me: Subscriber,
    to_all: Subscriber,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error(transparent)]
    Open(#[from] super::OpenError),
    #[error("listening to other nodes: {0}")]
    Subscribe(#[from] async_nats::SubscribeError),
}

impl WireError {
    /// There is no thread for it.
    pub(crate) const fn thread(source: std::io::Error) -> Self {
        Self::Open(super::OpenError::Thread(source))
    }
}

impl Wire {
    /// Connects and listens.
    pub(crate) async fn open(options: &Options, node: Node) -> Result<Self, WireError> {
        let client = connect::connect(options).await?;
        let prefix = options.prefix.clone();
        let to_me = client.subscribe(subject(&prefix, node)).await?;
        let to_all = client.subscribe(format!("{prefix}.nodes")).await?;
        Ok(Self { client, prefix, to_me, to_all })
    }

    /// What comes next; `None`: nothing ever will.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        let message = tokio::select! {
            biased;
            message = self.to_me.next() => message,
            message = self.to_all.next() => message,
        };
        message.map(|message| message.payload.to_vec())
    }

    /// Sends to one node. What cannot be sent is lost: nobody waits for a connection that may not come back.
    pub(crate) async fn send_to(&self, node: Node, bytes: Vec<u8>) {
        if !self.is_connected() {
            return;
        }
        let _ = self.client.publish(subject(&self.prefix, node), bytes.into()).await;
    }

    /// Sends to all nodes, this one among them. What cannot be sent is lost.
    pub(crate) async fn send_to_all(&self, bytes: Vec<u8>) {
        if !self.is_connected() {
            return;
        }
        let _ = self.client.publish(format!("{}.nodes", self.prefix), bytes.into()).await;
    }

    /// Waits until what was sent is on its way.
    pub(crate) async fn flush(&self) {
        if !self.is_connected() {
            return;
        }
        let _ = self.client.flush().await;
    }

    /// Whether NATS is reached.
    pub(crate) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }
}

fn subject(prefix: &str, node: Node) -> String {
    format!("{prefix}.node.{:016x}", node.0)
}
