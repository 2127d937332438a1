//! Where the server is: its places looked up with [`Action::Resolve`], again with pauses while nothing is found.

use super::{Action, Core, Sockets, answer};
use pychat_proto::{Instant, Node, Place, chat::NODES_MAX};
use std::time::Duration;

/// The first pause after a look-up that failed; it doubles with each one.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// The longest pause: as long as the protocol's own between two tries without a network.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Where the look-up stands.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    retry_at: Option<Instant>,
    failures: u32,
    /// What the last look-up that succeeded found, for when the resolver is gone and the server is
    /// not.
    known: Vec<Node>,
}

impl Resolver {
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Does not wait for the end of a pause.
    pub(super) fn hurry(&mut self, now: Instant) {
        if let Some(at) = &mut self.retry_at {
            *at = now;
        }
        self.failures = 0;
    }

    fn pause(&self) -> Duration {
        RETRY_FIRST.saturating_mul(1 << self.failures.min(16)).min(RETRY_MAX)
    }
}

impl Core {
    /// Asks for the server's addresses; a server that is new is asked for without old answers.
    pub(super) fn resolve_anew(&mut self) {
        self.resolver = Resolver::default();
        self.resolve(Sockets::Fresh);
    }

    pub(super) fn resolve(&mut self, sockets: Sockets) {
        self.resolver.retry_at = None;
        if let Some(account) = &self.stored.settings.account {
            let mut places: Vec<Place> = account.server.places().cloned().collect();
            // Only a server with the pinned key is ever talked to there.
            if account.server.key.is_some() {
                for told in &self.stored.settings.nodes {
                    if !places.contains(told) {
                        places.push(told.clone());
                    }
                }
            }
            self.actions.push_back(Action::Resolve { places, sockets });
        }
    }

    /// The server told where its nodes are: that outlives it, and this daemon.
    pub(super) fn take_nodes(&mut self, mut nodes: Vec<Place>) {
        nodes.truncate(NODES_MAX);
        if self.stored.settings.nodes == nodes {
            return;
        }
        let written = self.change(|change| {
            change.stored.settings.nodes = nodes;
            Ok(())
        });
        // What cannot be written is told again at the next login.
        if written.is_ok() && self.link.is_up() {
            self.resolve(Sockets::Kept);
        }
    }

    /// The node in use, where there are several.
    pub(super) fn node(&self) -> Option<String> {
        let remote = self.remote().filter(|_| self.resolver.known.len() > 1)?;
        let node = self.resolver.known.iter().find(|node| node.addresses.contains(&remote))?;
        Some(node.place.to_string())
    }

    /// How many nodes are known; none where there is one.
    pub(super) fn known_nodes(&self) -> u64 {
        match self.resolver.known.len() {
            0 | 1 => 0,
            several => several as u64,
        }
    }

    /// Nothing is looked up for a link that nobody wants.
    pub(super) fn stop_resolving(&mut self) {
        self.resolver.retry_at = None;
    }

    pub(super) fn run_resolver(&mut self) {
        if self.resolver.retry_at.is_some_and(|at| at <= self.now.mono) {
            self.resolve(Sockets::Fresh);
        }
    }

    pub(super) fn take_places_found(&mut self, nodes: Vec<Node>) {
        if nodes.is_empty() {
            return self.take_resolve_failure("the name has no address");
        }
        if !self.link.is_up() {
            return;
        }
        self.sightings.lookup_error = None;
        self.resolver = Resolver { known: nodes, ..Resolver::default() };
        self.tell_client_nodes();
    }

    pub(super) fn take_resolve_failure(&mut self, reason: &str) {
        if !self.link.is_up() {
            return;
        }
        self.sightings.lookup_error = Some(reason.to_owned());
        if let Some(account) = &self.stored.settings.account {
            self.link_error = Some(answer::unresolved(&account.server.hosts(), reason));
        }
        if !self.resolver.known.is_empty() {
            // The client asks again if nobody answers there.
            self.tell_client_nodes();
            return;
        }
        self.resolver.retry_at = Some(self.now.mono + self.resolver.pause());
        self.resolver.failures = self.resolver.failures.saturating_add(1);
    }

    fn tell_client_nodes(&mut self) {
        let nodes = self.resolver.known.iter().map(|node| node.addresses.clone()).collect();
        if let Some(client) = &mut self.client {
            client.set_nodes(self.now.mono, nodes);
        }
    }
}
