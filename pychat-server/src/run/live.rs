//! The configuration of a running server, and how a new reading of it is applied: all of it or nothing.

use super::{LogControl, Reins, log};
use crate::{
    admin::api::Reloaded,
    cli::ServeArgs,
    config::{ConfigError, NodeSettings, Settings},
};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

/// Reloads that may wait: more than one operator asks for none.
const RELOADS_LEN: usize = 4;

/// Where what came of a reload goes, or why nothing did.
pub(super) type Reply = oneshot::Sender<Result<Reloaded, String>>;

/// Asks the main thread to read the configuration again.
#[derive(Clone, Debug)]
pub(crate) struct Reloads(mpsc::Sender<Reply>);

impl Reloads {
    pub(super) fn new() -> (Self, mpsc::Receiver<Reply>) {
        let (sender, receiver) = mpsc::channel(RELOADS_LEN);
        (Self(sender), receiver)
    }

    /// Has it read, and waits for what comes of it.
    pub(crate) async fn reload(&self) -> Result<Reloaded, String> {
        let (reply, answer) = oneshot::channel();
        let ending = |()| "the server is ending".to_owned();
        self.0.send(reply).await.map_err(|_| ending(()))?;
        answer.await.map_err(|_| ending(()))?
    }
}

/// What holds.
pub(super) struct Live {
    args: ServeArgs,
    settings: Settings,
}

impl Live {
    pub(super) fn new(args: ServeArgs, settings: Settings) -> Self {
        Self { args, settings }
    }

    /// Over how long clients are to come back after a stop.
    pub(super) const fn restart_spread(&self) -> Duration {
        self.settings.restart_spread
    }

    /// Reads flags, variables and the file again, and applies what changed. A fault changes nothing.
    pub(super) async fn reload(
        &mut self,
        reins: &Reins,
        log: &LogControl,
    ) -> Result<Reloaded, String> {
        let applied = self.apply(reins, log).await;
        match &applied {
            Ok(reloaded) => {
                info!(applied = ?reloaded.applied, "the configuration was read again");
                if !reloaded.needs_restart.is_empty() {
                    warn!(settings = ?reloaded.needs_restart, "these hold after a restart only");
                }
            }
            Err(error) => error!(%error, "the configuration was not applied; all stays as it was"),
        }
        applied
    }

    async fn apply(&mut self, reins: &Reins, log: &LogControl) -> Result<Reloaded, String> {
        let new = Settings::resolve(&self.args).map_err(|error: ConfigError| error.to_string())?;
        log::check(&new.log).map_err(|error| format!("{:?} is no log filter: {error}", new.log))?;
        let reloaded = compare(&self.settings, &new);
        // From here on nothing can be wrong with the configuration.
        if self.settings.log != new.log {
            log.set(&new.log)?;
        }
        let (registration, always_write) = (new.registration.clone(), new.always_write);
        // Who was told of nodes is told that there are none any more.
        let told_before = self.settings.nodes.told.is_some();
        let told = new.nodes.told.clone().or_else(|| told_before.then(Vec::new));
        let shards = reins.each_shard(move |visited| {
            visited.shard.configure(registration.clone(), always_write);
            if let Some(told) = &told {
                visited.shard.set_nodes(visited.now, told);
            }
        });
        shards.await.map_err(|error| error.to_string())?;
        let quota = new.quota;
        let committer = reins.committer(move |committer| committer.store().set_quota(quota));
        committer.await.map_err(|error| error.to_string())?;
        // What holds after a restart only is still to be told of at the next reload.
        self.settings = Settings {
            listen: self.settings.listen.clone(),
            data: self.settings.data.clone(),
            store: self.settings.store.clone(),
            host: self.settings.host.clone(),
            nodes: NodeSettings { advertise: self.settings.nodes.advertise.clone(), ..new.nodes },
            shards: self.settings.shards,
            log_format: self.settings.log_format,
            admin_socket: self.settings.admin_socket.clone(),
            metrics: self.settings.metrics.clone(),
            ..new
        };
        Ok(reloaded)
    }
}

/// What differs, by its name in the file.
fn compare(old: &Settings, new: &Settings) -> Reloaded {
    let named = |pairs: &[(bool, &str)]| -> Vec<String> {
        pairs.iter().filter(|(differs, _)| *differs).map(|(_, name)| (*name).to_owned()).collect()
    };
    Reloaded {
        applied: named(&[
            (old.log != new.log, "log"),
            (old.nodes.told != new.nodes.told, "nodes"),
            (old.restart_spread != new.restart_spread, "restart_spread_s"),
            (old.quota.entries != new.quota.entries, "mailbox.messages"),
            (old.quota.bytes != new.quota.bytes, "mailbox.bytes"),
            (old.always_write != new.always_write, "mailbox.always_write"),
            (old.registration != new.registration, "registration"),
        ]),
        needs_restart: named(&[
            (old.listen != new.listen, "listen"),
            (old.data != new.data, "data"),
            (old.store != new.store, "store"),
            (old.host != new.host, "host"),
            (old.nodes.advertise != new.nodes.advertise, "advertise"),
            (old.shards != new.shards, "shards"),
            (old.log_format != new.log_format, "log_format"),
            (old.admin_socket != new.admin_socket, "admin.socket"),
            (old.metrics != new.metrics, "metrics"),
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{shard::Registration, store::Quota};

    /// A setting that is forgotten in `compare` does not compile here: no `..`.
    #[test]
    fn every_setting_is_applied_or_needs_a_restart() {
        let args = ServeArgs {
            common: crate::cli::CommonArgs { data: Some("/a".into()), ..Default::default() },
            ..ServeArgs::default()
        };
        let old = Settings::resolve(&args).unwrap();
        let new = Settings {
            listen: vec!["127.0.0.1:1".parse().unwrap()],
            data: "/b".into(),
            store: Some(crate::store::jetstream::Options::parse("nats://n1").unwrap()),
            host: Some("chat.example.org".into()),
            nodes: NodeSettings {
                advertise: Some("a:1".parse().unwrap()),
                told: Some(vec!["a:1".parse().unwrap()]),
            },
            shards: old.shards + 1,
            log: "debug".into(),
            log_format: crate::config::LogFormat::Json,
            restart_spread: Duration::from_secs(7),
            quota: Quota { entries: 1, bytes: 2 },
            always_write: !old.always_write,
            registration: Registration::Closed,
            admin_socket: "/c".into(),
            metrics: Some("127.0.0.1:1".parse().unwrap()),
        };
        let reloaded = compare(&old, &new);
        assert_eq!(reloaded.applied.len() + reloaded.needs_restart.len(), 16);
        assert_eq!(compare(&new, &new), Reloaded::default());
    }
}
