//! What stands in the way to the server, as far as it is known here.

use super::{Core, answer};
use pychat_control::{Diagnosis, LinkError};

/// What was seen of the way to the server since the daemon started.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    pub(super) datagrams_sent: u64,
    pub(super) datagrams_received: u64,
    /// When an authentic packet came last, in Unix milliseconds.
    pub(super) heard_at: Option<u64>,
    /// How far our clock was ahead of the server's at the last login, in milliseconds.
    pub(super) clock_ahead_ms: Option<i64>,
    /// Why the last look-up failed, as long as none has succeeded since.
    pub(super) lookup_error: Option<String>,
}

impl Sightings {
    /// A login: the server told its time.
    pub(super) fn note_server_time(&mut self, server_unix_ms: u64, our_unix_ms: u64) {
        let ahead = i128::from(our_unix_ms) - i128::from(server_unix_ms);
        self.clock_ahead_ms = i64::try_from(ahead).ok();
    }
}

impl Core {
    pub(super) fn diagnose(&self) -> Diagnosis {
        let server = self.stored.settings.account.as_ref().map(|account| &account.server);
        let seen = &self.sightings;
        Diagnosis {
            link: self.link.state,
            host: server.map(pychat_proto::JoinLink::hosts),
            port: server.map(|server| server.first().port()),
            node: self.node(),
            nodes: self.known_nodes(),
            lookup_error: seen.lookup_error.clone(),
            address: self.remote().map(|address| address.to_string()),
            datagrams_sent: seen.datagrams_sent,
            datagrams_received: seen.datagrams_received,
            heard_at: seen.heard_at.map(answer::time),
            link_error: self.link_error.as_ref().map(|failure| LinkError {
                code: failure.code.number(),
                name: failure.code.name().to_owned(),
                message: failure.message.clone(),
                hint: failure.hint.clone(),
            }),
            clock_ahead_ms: seen.clock_ahead_ms,
            disk_error: self.disk.trouble().map(str::to_owned),
            server_stuck: self.server_stuck,
        }
    }
}
