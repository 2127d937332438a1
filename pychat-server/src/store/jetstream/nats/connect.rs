//! Finding the cluster, and the streams in it.

use super::{
    STREAMS_KEY,
    api::{Api, Failure, State},
    files::{self, BadFile, Use},
    marks::Mark,
    refusal, stream_config, stream_name,
};
use crate::store::jetstream::options::Options;
use async_nats::{Client, ConnectOptions, ServerAddr};
use serde_json::{Value, json};
use std::{io, time::Duration};

/// The oldest NATS that is known to do all that is asked of it.
const VERSION_MIN: (u64, u64) = (2, 12);

/// How long a connection may take before the next host is tried.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// How often NATS is asked whether it is there. The library takes another host when it has not answered twice.
const PING_EVERY: Duration = Duration::from_secs(1);

/// What NATS calls "there is no such stream".
pub(super) const NO_STREAM: u64 = 10_059;

/// How often a stream is asked for that others are making or electing a leader for, and how long in between.
const TRIES: u32 = 50;
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// Why the cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no thread for it.
    #[error("starting a thread for NATS: {0}")]
    Thread(#[source] io::Error),
    /// An address makes no sense.
    #[error("{0:?} is no address of a NATS server: {1}")]
    Address(String, #[source] io::Error),
    /// A file that the store's address names is of no use.
    #[error(transparent)]
    File(#[from] BadFile),
    /// Nobody there, or nobody who lets us in.
    #[error("connecting to NATS at {hosts}: {why}\nhint: {hint}")]
    Connect {
        /// Where.
        hosts: String,
        /// What was said.
        why: String,
        /// What to do.
        hint: String,
    },
    /// Too old.
    #[error(
        "NATS at {hosts} is version {found}; pychat-server needs {}.{} or later\n\
         hint: update nats-server", VERSION_MIN.0, VERSION_MIN.1
    )]
    Version {
        /// Where.
        hosts: String,
        /// What it is.
        found: String,
    },
    /// A stream is not as it should be.
    #[error(
        "the NATS stream {stream} has {found} {what}, and {wanted} are asked for\nhint: {hint}"
    )]
    Stream {
        /// Which.
        stream: String,
        /// Of what.
        what: &'static str,
        /// How many it has.
        found: u64,
        /// How many it should have.
        wanted: u64,
        /// What to do.
        hint: &'static str,
    },
    /// It acknowledges what a power cut takes away.
    #[error(
        "NATS at {host} acknowledges what it has not synced: it syncs every {interval:?}, and what was acknowledged since is \
         lost when power fails at all servers at once\n\
         hint: put `sync_interval: always` into `jetstream {{ }}` in its configuration and start it again; or, if you accept \
         that, leave monitor=.. out of the store's address"
    )]
    Syncs {
        /// Which server.
        host: String,
        /// How often it syncs.
        interval: Duration,
    },
    /// A stream could not be made.
    #[error(
        "making the NATS stream {stream}, or looking at it: {why}\n\
         hint: JetStream needs as many servers as replicas (replicas=1 for a single one), room on disk, and to be \
         enabled for the account (`nsc edit account --js-disk-storage 10G`)"
    )]
    Make {
        /// Which.
        stream: String,
        /// What was said.
        why: String,
    },
    /// There is nothing to read.
    #[error(
        "there is no stream {stream} at NATS\n\
         hint: is it the right cluster, and the right prefix=.. and streams=..?"
    )]
    NoStore {
        /// Which was looked for.
        stream: String,
    },
    /// There is something already where everything is to be new.
    #[error(
        "the NATS stream {stream} is in use: a migration fills new streams only\n\
         hint: choose another prefix=.., or, if nothing there is wanted, remove the streams with `nats stream rm`"
    )]
    Occupied {
        /// Which.
        stream: String,
    },
    /// There is nothing to go on with.
    #[error("the NATS stream {stream} is not half filled")]
    Gone {
        /// Which.
        stream: String,
    },
    /// What moves there is not all there yet.
    #[error(
        "mailboxes are being moved to this cluster from {from}, and not all of them are there\n\
         hint: run the same `pychat-server migrate` again, which goes on where it was; to give it up, remove the streams \
         with `nats stream rm`"
    )]
    Unfinished {
        /// Where they come from.
        from: String,
    },
    /// What was there is elsewhere now, and goes on there.
    #[error(
        "the mailboxes of this cluster were moved to {to}, and what came since then is there\n\
         hint: serve from there. To serve from here all the same, without what came since: \
         `pychat-server migrate --reopen` with this place"
    )]
    Moved {
        /// Where to.
        to: String,
    },
}

/// Connects to the first host that answers; the library finds the others, and comes back by itself.
pub(in crate::store::jetstream) async fn connect(options: &Options) -> Result<Client, OpenError> {
    let mut connect = ConnectOptions::new()
        .name("pychat-server")
        .connection_timeout(CONNECT_WITHIN)
        .ping_interval(PING_EVERY)
        .require_tls(options.tls)
        .reconnect_delay_callback(|tries| {
            Duration::from_millis(50 * (1 << tries.min(5))).min(Duration::from_secs(1))
        });
    connect = match &options.login {
        None => connect,
        Some((user, Some(password))) => connect.user_and_password(user.clone(), password.clone()),
        Some((token, None)) => connect.token(token.clone()),
    };
    if let Some(file) = &options.credentials {
        let text = files::read(Use::Credentials, file)?;
        connect = connect
            .credentials(&text)
            .map_err(|error| BadFile::senseless(Use::Credentials, file, error))?;
    }
    if let Some(file) = &options.authority {
        files::check_authority(file)?;
        connect = connect.add_root_certificates(file.clone());
    }
    let addresses = options.hosts.iter().map(|host| {
        let address: Result<ServerAddr, _> = host.parse();
        address.map_err(|error| OpenError::Address(host.clone(), error))
    });
    let addresses: Vec<ServerAddr> = addresses.collect::<Result<_, _>>()?;
    let hosts = options.hosts.join(",");
    let client = connect.connect(addresses).await;
    let client = client.map_err(|error| refusal::explain(options, &error))?;
    let found = client.server_info().version;
    if version(&found).is_none_or(|found| found < VERSION_MIN) {
        return Err(OpenError::Version { hosts, found });
    }
    Ok(client)
}

fn version(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.trim_start_matches('v').split('.').map(|it| it.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// What the streams are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// To serve from: those that are missing are made, and none may be marked.
    Serve,
    /// To fill them: those that are missing are made.
    Make,
    /// To read them: all are there.
    Read,
}

/// Looks at the streams, and makes those that are missing where that is wanted.
pub(super) async fn prepare(
    api: &Api,
    options: &Options,
    opening: Opening,
) -> Result<(), OpenError> {
    // What may keep a node from using any of them stands in the first.
    for stream in [None].into_iter().chain((0..options.streams).map(Some)) {
        let name = stream_name(&options.prefix, stream);
        let config = match opening {
            Opening::Serve | Opening::Make => {
                find_or_make(api, &name, &stream_config(options, stream)).await?
            }
            Opening::Read => match look(api, &name).await? {
                Some((config, _)) => config,
                None => return Err(OpenError::NoStore { stream: name }),
            },
        };
        check(&name, &config, options)?;
        if let (Opening::Serve, Some(mark)) = (opening, Mark::of(&config)) {
            return Err(mark.refusal());
        }
    }
    Ok(())
}

/// Checks that a stream is made as it is asked for.
pub(super) fn check(name: &str, config: &Value, options: &Options) -> Result<(), OpenError> {
    let streams = config.pointer(&format!("/metadata/{STREAMS_KEY}")).and_then(Value::as_str);
    let streams = streams.and_then(|it| it.parse().ok()).unwrap_or_default();
    if streams != u64::from(options.streams) {
        return Err(OpenError::Stream {
            stream: name.to_owned(),
            what: "streams beside it",
            found: streams,
            wanted: options.streams.into(),
            hint: "how many there are is fixed when they are made: put that number as streams=.. into the store's address",
        });
    }
    let replicas = config.get("num_replicas").and_then(Value::as_u64).unwrap_or_default();
    if replicas < u64::from(options.replicas) {
        return Err(OpenError::Stream {
            stream: name.to_owned(),
            what: "replicas",
            found: replicas,
            wanted: options.replicas.into(),
            hint: "let NATS keep more with `nats stream edit --replicas`, or ask for fewer with replicas=..",
        });
    }
    Ok(())
}

/// A stream's configuration, and how it stands, if it is there.
pub(super) async fn look(api: &Api, name: &str) -> Result<Option<(Value, State)>, OpenError> {
    let look = || async {
        match api.info(name).await {
            Err(Failure::Refused { code: NO_STREAM, .. }) => Ok(None),
            found => found.map(Some),
        }
    };
    ask(name, look).await
}

/// A stream's configuration.
pub(super) async fn find_or_make(
    api: &Api,
    name: &str,
    wanted: &Value,
) -> Result<Value, OpenError> {
    let find = || async {
        match api.info(name).await {
            Err(Failure::Refused { code: NO_STREAM, .. }) => {
                let made = api.api(&format!("STREAM.CREATE.{name}"), wanted.clone()).await?;
                Ok(made.get("config").cloned().unwrap_or_else(|| json!({})))
            }
            found => found.map(|(config, _)| config),
        }
    };
    ask(name, find).await
}

/// Asks about a stream that others may be making, or electing a leader for.
pub(super) async fn ask<T, F: Future<Output = Result<T, Failure>>>(
    name: &str,
    question: impl Fn() -> F,
) -> Result<T, OpenError> {
    let mut why = String::new();
    for _ in 0..TRIES {
        match question().await {
            Ok(answer) => return Ok(answer),
            Err(failure) => why = failure.to_string(),
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    Err(OpenError::Make { stream: name.to_owned(), why })
}
