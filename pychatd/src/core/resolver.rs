//! The server's addresses: asked for with [`Action::Resolve`], again with pauses while there are none.

use super::{Action, Core, answer};
use pychat_proto::Instant;
use std::{net::SocketAddr, time::Duration};

/// The first pause after a look-up that failed; it doubles with each one.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// The longest pause: as long as the protocol's own between two tries without a network.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Where the look-up stands.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    retry_at: Option<Instant>,
    failures: u32,
    /// The addresses of the last look-up that succeeded, for when the resolver is gone and the
    /// server is not.
    known: Vec<SocketAddr>,
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
        self.resolve();
    }

    pub(super) fn resolve(&mut self) {
        self.resolver.retry_at = None;
        if let Some(account) = &self.stored.settings.account {
            let host = account.server.host.clone();
            self.actions.push_back(Action::Resolve { host, port: account.server.port });
        }
    }

    /// Nothing is looked up for a link that nobody wants.
    pub(super) fn stop_resolving(&mut self) {
        self.resolver.retry_at = None;
    }

    pub(super) fn run_resolver(&mut self) {
        if self.resolver.retry_at.is_some_and(|at| at <= self.now.mono) {
            self.resolve();
        }
    }

    pub(super) fn take_addresses(&mut self, addresses: Vec<SocketAddr>) {
        if addresses.is_empty() {
            return self.take_resolve_failure("the name has no address");
        }
        if !self.link.is_up() {
            return;
        }
        self.sightings.lookup_error = None;
        self.resolver = Resolver { known: addresses.clone(), ..Resolver::default() };
        if let Some(client) = &mut self.client {
            client.set_addresses(self.now.mono, addresses);
        }
    }

    pub(super) fn take_resolve_failure(&mut self, reason: &str) {
        if !self.link.is_up() {
            return;
        }
        self.sightings.lookup_error = Some(reason.to_owned());
        if let Some(account) = &self.stored.settings.account {
            self.link_error = Some(answer::unresolved(&account.server.host, reason));
        }
        if !self.resolver.known.is_empty() {
            // The client asks again if nobody answers there.
            let known = self.resolver.known.clone();
            if let Some(client) = &mut self.client {
                client.set_addresses(self.now.mono, known);
            }
            return;
        }
        self.resolver.retry_at = Some(self.now.mono + self.resolver.pause());
        self.resolver.failures = self.resolver.failures.saturating_add(1);
    }
}
