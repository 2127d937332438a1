//! The model: what some number of users need, by multiplication.

use super::figures::{
    ALONE, AWAY_SHARE, CHECKED_EVERY_SECONDS, CONNECTED_ONE_IN, FIRST_SHARE, LIVE_AT_NATS,
    LIVE_AT_RECIPIENT, LIVE_AT_SENDER, LOGIN, NODES_MAX, REPLICAS, SECOND, SERVER_BYTES,
    SERVERS_MIN, SESSION_BYTES, SESSION_SECONDS, SESSIONS_PER_NODE, SESSIONS_PER_SHARD, SIGN_EVERY,
    SIGN_OF_LIFE, SILENCE_MAX, STREAMS, TEXTS_AN_HOUR, TOLD_EVERY, USER_BYTES, USERS_PER_STREAM,
    WRITTEN_AT_NATS, WRITTEN_AT_RECIPIENT, WRITTEN_AT_SENDER,
};

/// How many of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Nodes.
    pub nodes: u16,
    /// Shards of each, a core each.
    pub shards: u8,
    /// Streams that users are spread over.
    pub streams: u8,
    /// NATS servers.
    pub servers: u16,
}

impl Deployment {
    /// What the model has for so many users.
    #[must_use]
    pub fn of(users: u32) -> Self {
        let connected = users / CONNECTED_ONE_IN;
        let nodes = connected.div_ceil(SESSIONS_PER_NODE).clamp(SERVERS_MIN, NODES_MAX);
        let shards = connected.div_ceil(nodes).div_ceil(SESSIONS_PER_SHARD);
        let [fewest, most] = STREAMS;
        let streams = users.div_ceil(USERS_PER_STREAM).next_power_of_two().clamp(fewest, most);
        // A stream lies whole on each of its servers: they are filled by the piece.
        let piece = f64::from(users) * USER_BYTES / f64::from(streams);
        let pieces = ((SERVER_BYTES / piece) as u32).max(1);
        let servers = (streams * u32::from(REPLICAS)).div_ceil(pieces).max(SERVERS_MIN);
        // All are bounded by the constants above.
        Self {
            nodes: nodes as u16,
            shards: shards.max(1) as u8,
            streams: streams as u8,
            servers: servers as u16,
        }
    }

    /// Shards of all nodes.
    pub(super) fn shards(&self) -> usize {
        usize::from(self.nodes) * usize::from(self.shards)
    }
}

/// What so many users need.
#[derive(Clone, Debug)]
pub struct Model {
    /// Registered.
    pub users: u32,
    /// What they are spread over.
    pub deployment: Deployment,
    pub(super) connected: f64,
    /// A second, in the busiest hour.
    pub(super) texts: f64,
    pub(super) logins: f64,
    /// Of the texts a second, those for somebody away, and those that are the first since a login.
    pub(super) away: f64,
    pub(super) first: f64,
    /// Of the texts a second, those never written that go from node to node.
    pub(super) crossing: f64,
    /// Of all nodes together, in cores: of texts among many, of texts that come alone, and of signs of life.
    pub(super) texts_among_many: f64,
    pub(super) texts_alone: f64,
    pub(super) signs: f64,
    /// Of all NATS servers together, in cores.
    pub(super) at_nats: f64,
}

impl Model {
    /// Of so many registered users.
    #[must_use]
    pub fn of(users: u32) -> Self {
        let deployment = Deployment::of(users);
        let connected = f64::from(users / CONNECTED_ONE_IN);
        let texts = connected * TEXTS_AN_HOUR / 3_600.0;
        let away = texts * AWAY_SHARE;
        let first = (texts - away) * FIRST_SHARE;
        let live = texts - away - first;
        let nodes = f64::from(deployment.nodes);
        let crossing = live * (nodes - 1.0) / nodes;
        let written = away + first;
        let logins = connected / SESSION_SECONDS;
        let cores = |count: f64, cost: u64| count * cost as f64 / SECOND as f64;
        let written_ends = cores(written, WRITTEN_AT_SENDER + WRITTEN_AT_RECIPIENT);
        // Who comes back collects texts in batches.
        let alone =
            cores(texts, ALONE) + cores(texts - away, ALONE) + cores(away, WRITTEN_AT_RECIPIENT);
        Self {
            users,
            deployment,
            connected,
            texts,
            logins,
            away,
            first,
            crossing,
            texts_among_many: cores(live, LIVE_AT_SENDER + LIVE_AT_RECIPIENT) + written_ends,
            texts_alone: alone,
            signs: cores(connected * SECOND as f64 / SIGN_EVERY as f64, SIGN_OF_LIFE),
            at_nats: cores(crossing, LIVE_AT_NATS) + cores(written + logins, WRITTEN_AT_NATS),
        }
    }

    /// Of the texts a second, those that a quorum writes.
    pub(super) fn written(&self) -> f64 {
        self.away + self.first
    }

    /// Memory of the fullest NATS server, in bytes: a stream lies whole on each of its three.
    pub(super) fn server_bytes(&self) -> f64 {
        let Deployment { streams, servers, .. } = self.deployment;
        let pieces = (u16::from(streams) * REPLICAS).div_ceil(servers);
        f64::from(pieces) * f64::from(self.users) * USER_BYTES / f64::from(streams)
    }

    /// Who is at a node, and comes back within half a minute if it dies.
    pub(super) fn of_a_node(&self) -> f64 {
        self.connected / f64::from(self.deployment.nodes)
    }

    /// Writes a second after a node's death: of each login, and at first of each text, as nothing that was proven before
    /// counts.
    pub(super) fn writes_after_death(&self) -> f64 {
        self.of_a_node() * SECOND as f64 / SIGN_EVERY as f64 + self.logins + self.texts
    }

    /// Texts that wait until a node counts as gone or their writer is at another one: those of half of the time that its
    /// people take.
    pub(super) fn held(&self) -> f64 {
        let seconds = SILENCE_MAX as f64 / SECOND as f64 / 2.0;
        self.texts / f64::from(self.deployment.nodes) * seconds
    }

    /// The rows of docs/SCALING.md, "How far it goes".
    #[must_use]
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let Deployment { nodes, shards, streams, servers } = self.deployment;
        let seats_told = self.connected * f64::from(nodes - 1) / f64::from(nodes);
        vec![
            ("connected", counted(self.connected)),
            ("nodes, shards of each", format!("{nodes}, {shards}")),
            ("texts a second in the busiest hour", counted(self.texts)),
            ("of these for somebody away", counted(self.away)),
            ("of these the first since a login", counted(self.first)),
            ("written by a quorum, of both", counted(self.written())),
            ("logins a second, a write each", counted(self.logins)),
            ("processor of all nodes for texts, each alone", cores(self.texts_alone)),
            ("the same if all came in batches", cores(self.texts_among_many)),
            ("processor of all nodes for signs of life", cores(self.signs)),
            (
                "processor of all nodes for logins",
                cores(self.logins * LOGIN as f64 / SECOND as f64),
            ),
            ("processor of NATS for texts and logins", cores(self.at_nats)),
            ("memory of sessions, all nodes", gigabytes(self.connected * SESSION_BYTES)),
            (
                "who is where, told to each node a second",
                counted(seats_told * SECOND as f64 / TOLD_EVERY as f64),
            ),
            ("mailboxes looked up a second", counted(self.connected / CHECKED_EVERY_SECONDS)),
            ("memory of NATS in each replica", gigabytes(f64::from(self.users) * USER_BYTES)),
            ("`streams=`", streams.to_string()),
            ("NATS servers of 32 GB", servers.to_string()),
        ]
    }
}

/// With two digits that say something.
pub(super) fn counted(count: f64) -> String {
    match count {
        1e6.. => format!("{} million", (count / 1e5).round() / 10.0),
        1e3.. => {
            let step = 10_f64.powf(count.log10().floor() - 1.0);
            let rounded = ((count / step).round() * step) as u64;
            format!("{},{:03}", rounded / 1_000, rounded % 1_000)
        }
        10.0.. => format!("{count:.0}"),
        _ => format!("{count:.1}"),
    }
}

fn cores(cores: f64) -> String {
    match cores {
        10.0.. => format!("{cores:.0}"),
        0.1.. => format!("{cores:.1}"),
        _ => format!("{cores:.2}"),
    }
}

fn gigabytes(bytes: f64) -> String {
    format!("{} GB", cores(bytes / 1e9))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What [`Model::rows`] says stands in the document, row by row.
    #[test]
    fn the_table_of_the_document_is_the_models() {
        const DOCUMENT: &str = include_str!("../../../../docs/SCALING.md");
        let models = [1_000_000, 10_000_000, 100_000_000].map(Model::of);
        let columns = models.each_ref().map(Model::rows);
        for (at, (what, _)) in columns[0].iter().enumerate() {
            let cells = columns.each_ref().map(|rows| rows[at].1.as_str()).join(" | ");
            let row = format!("\n| {what} | {cells} |\n");
            assert!(DOCUMENT.contains(&row), "docs/SCALING.md lacks: {row}");
        }
        let (_, after) = DOCUMENT.split_once("| registered users |").unwrap();
        let rows = after.lines().take_while(|line| !line.is_empty()).count();
        assert_eq!(rows - 2, columns[0].len(), "the document has other rows too");
    }

    #[test]
    fn no_server_is_filled_beyond_its_memory() {
        for millions in 1..=100 {
            let model = Model::of(millions * 1_000_000);
            assert!(model.server_bytes() <= SERVER_BYTES, "{millions}: {model:?}");
        }
    }
}
