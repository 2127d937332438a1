//! The daemon in one answer. Works even where the disk does not.

use super::{
    Core, answer, connect, contacts, roster, session::BACKLOG_MAX, users, waiters, wanted,
};
use pychat_control::{ServerNotice, Status};
use pychat_proto::{Client, Fill, PathStats};

/// How long it is told that another machine used this identity.
const OTHER_MACHINE_TOLD_MS: u64 = 30 * 24 * 3600 * 1000;

impl Core {
    /// The health of the path to the server, once there is a client.
    #[must_use]
    pub fn path(&self) -> Option<PathStats> {
        self.client.as_ref().map(Client::stats)
    }

    /// Shows each table with its bound.
    pub fn fills(&self, mut each: impl FnMut(Fill)) {
        if let Some(client) = &self.client {
            client.fills(&mut each);
        }
        each(Fill::new("connects that wait", self.connects.len(), connect::WAITERS_MAX));
        each(Fill::new("sends that wait", self.waiters.len(), waiters::WAITERS_MAX));
        each(Fill::new("keys that are wanted", self.wanted.len(), wanted::WANTED_MAX));
        each(Fill::new("verifies that wait", self.lookups.len(), contacts::LOOKUPS_MAX));
        each(Fill::new("users that are known", self.roster.len(), roster::ROSTER_MAX));
        each(Fill::new("lists under way", self.users.len(), users::QUERIES_MAX));
        each(Fill::new("events that wait for the disk", self.backlog.len(), BACKLOG_MAX));
    }

    pub(super) fn status(&self) -> Status {
        let account = self.stored.settings.account.as_ref();
        let stats = self.client.as_ref().map(Client::stats).unwrap_or_default();
        let rtt = Some(stats.rtt).filter(|rtt| !rtt.is_zero());
        let unread = self.database.read().unread_count();
        let unreadable = unread.as_ref().err().map(ToString::to_string);
        let disk_error = self.disk.trouble().map(str::to_owned).or(unreadable);
        let link_error = self.link_error.as_ref().map(|failure| failure.message.clone());
        let server_error = self.server_stuck.then(|| answer::SERVER_STUCK.to_owned());
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: self.config.pid,
            profile: self.config.profile.clone(),
            started_at: answer::time(self.config.started_at_unix_ms),
            link: self.link.state,
            since: answer::time(self.link.since_unix_ms),
            user: account.map(|account| account.user.to_string()),
            name: account.map(|account| account.name.to_string()),
            server: account.map(|account| account.server.to_string()),
            address: self.remote().map(|address| address.to_string()),
            node: self.node(),
            nodes: self.known_nodes(),
            fingerprint: account
                .and_then(|account| account.server.key)
                .map(|key| key.fingerprint()),
            rtt_ms: rtt.map(|rtt| u64::try_from(rtt.as_millis()).unwrap_or(u64::MAX)),
            loss_permille: loss_permille(&stats),
            retransmitted: stats.retransmitted,
            packets_sent: stats.sent,
            heard_at: self.sightings.heard_at.map(answer::time),
            queued: self.stored.queued,
            unread: unread.unwrap_or(0),
            unindexed: self.database.read().unindexed().unwrap_or(0),
            hooks: self.hooks.clone(),
            last_error: disk_error.or(link_error).or(server_error),
            changed_keys: self.changed_keys(),
            other_machine_at: self
                .stored
                .settings
                .other_machine_at
                .filter(|at| is_news(*at, self.now.unix_ms))
                .map(answer::time),
            server_notice: self.notice.as_ref().and_then(|(text, at)| {
                let is_news = self.now.unix_ms.saturating_sub(*at) <= NOTICE_TOLD_MS;
                is_news.then(|| ServerNotice { text: text.clone(), at: answer::time(*at) })
            }),
            set_aside: self
                .set_aside
                .as_ref()
                .filter(|path| path.exists())
                .map(|path| path.display().to_string()),
        }
    }
}

/// A machine that was left long ago is no news.
/// So long `status` shows what the server's operator told.
const NOTICE_TOLD_MS: u64 = 24 * 3600 * 1000;

fn is_news(other_machine_at: u64, now: u64) -> bool {
    now.saturating_sub(other_machine_at) <= OTHER_MACHINE_TOLD_MS
}

fn loss_permille(stats: &PathStats) -> u32 {
    let permille = stats.lost.saturating_mul(1000).checked_div(stats.sent).unwrap_or(0);
    u32::try_from(permille.min(1000)).unwrap_or(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_is_news_up_to_the_bound() {
        let now = 2 * OTHER_MACHINE_TOLD_MS;
        assert!(is_news(now + 1, now), "a clock that was set back");
        assert!(is_news(now - OTHER_MACHINE_TOLD_MS, now));
        assert!(!is_news(now - OTHER_MACHINE_TOLD_MS - 1, now));
    }
}
