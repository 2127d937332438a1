//! How the daemon is, and what stands in its way.

use super::Link;
use serde::{Deserialize, Serialize};

/// The daemon in one answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// The profile that it serves.
    pub profile: String,
    /// When it started.
    pub started_at: String,
    /// The link to the server.
    pub link: Link,
    /// Since when the link is in this state.
    pub since: String,
    /// The user name, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The server as a join link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The address in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The server's node in use, where the server has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How many nodes are known; absent where the server has one.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub nodes: u64,
    /// The server key's fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Smoothed round trip in whole milliseconds, once measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<u64>,
    /// Share of packets sent that were lost, 0 to 1, in thousandths.
    pub loss_permille: u32,
    /// Frames sent again.
    pub retransmitted: u64,
    /// Packets sent in this session, of which `loss_permille` tells the lost ones.
    #[serde(default)]
    pub packets_sent: u64,
    /// When the server was heard last; absent before it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_at: Option<String>,
    /// Messages of ours that the server does not hold yet.
    pub queued: u64,
    /// Others' messages not shown yet.
    pub unread: u64,
    /// Messages that a search does not look at yet; absent if there are none.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub unindexed: u64,
    /// What went wrong last, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Whose key changed and is not trusted: what we send to them is held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_keys: Vec<String>,
    /// When another machine was seen to have used this identity, if that was within the last 30 days:
    /// what arrived there may be only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_machine_at: Option<String>,
    /// What the server's operator told last, for a day and while this daemon runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_notice: Option<ServerNotice>,
    /// A damaged database that this one took the place of, as long as its file is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<String>,
    /// Programs that are run for messages, by the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookStatus>,
}

/// A program that is run for each message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookStatus {
    /// `on-message` or `notify`.
    pub hook: String,
    /// Messages that wait for it.
    pub waiting: u64,
    /// Runs that failed, since the daemon started.
    pub failed: u64,
    /// Why the last one failed, for a person, as long as none has succeeded since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// What the daemon knows of what stands in its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The link to the server.
    pub link: Link,
    /// The server's host, as it was typed; several with commas between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its UDP port; of several hosts, the first one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Why its name could not be looked up the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup_error: Option<String>,
    /// The address in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The server's node in use, where the server has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How many nodes are known; absent where the server has one.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub nodes: u64,
    /// Datagrams sent since the daemon started.
    pub datagrams_sent: u64,
    /// Datagrams that came since the daemon started.
    pub datagrams_received: u64,
    /// When the server was heard last; absent before it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_at: Option<String>,
    /// What the link failed of: an error's number and word, as in `error.code` and `error.data.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_error: Option<LinkError>,
    /// How far our clock was ahead of the server's at the login, in milliseconds; absent before one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead_ms: Option<i64>,
    /// Why the daemon cannot write to its disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_error: Option<String>,
    /// The server cannot write to its disk, as it said.
    #[serde(default)]
    pub server_stuck: bool,
}

/// Why there is no link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkError {
    /// The number, an [`super::ErrorCode`].
    pub code: u8,
    /// The word for it.
    pub name: String,
    /// What failed and why, for a person.
    pub message: String,
    /// What to do, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What the server's operator told all who were there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerNotice {
    /// What.
    pub text: String,
    /// When it came.
    pub at: String,
}
