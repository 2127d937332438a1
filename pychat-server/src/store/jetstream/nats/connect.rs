//! Finding the cluster, and the streams in it.

use super::{
    STREAMS_KEY,
    api::{Api, Failure},
    stream_config, stream_name,
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
const NO_STREAM: u64 = 10_059;

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
    /// The file with credentials cannot be read.
    #[error("reading NATS credentials from {0}: {1}")]
    Credentials(String, #[source] io::Error),
    /// Nobody there, or nobody who lets us in.
    #[error(
        "connecting to NATS at {hosts}: {why}\n\
         hint: is nats-server running there, with JetStream on, and are user and password right?"
    )]
    Connect {
        /// Where.
        hosts: String,
        /// What was said.
        why: String,
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
    /// A stream could not be made.
    #[error(
        "making the NATS stream {stream}: {why}\n\
         hint: JetStream needs as many servers as replicas (replicas=1 for a single one), and room on disk"
    )]
    Make {
        /// Which.
        stream: String,
        /// What was said.
        why: String,
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
        let shown = file.display().to_string();
        let text = std::fs::read_to_string(file)
            .map_err(|error| OpenError::Credentials(shown.clone(), error))?;
        connect = connect.credentials(&text).map_err(|it| OpenError::Credentials(shown, it))?;
    }
    if let Some(file) = &options.authority {
        connect = connect.add_root_certificates(file.clone());
    }
    let addresses = options.hosts.iter().map(|host| {
        let address: Result<ServerAddr, _> = host.parse();
        address.map_err(|error| OpenError::Address(host.clone(), error))
    });
    let addresses: Vec<ServerAddr> = addresses.collect::<Result<_, _>>()?;
    let hosts = options.hosts.join(",");
    let client = connect.connect(addresses).await;
    let client = client
        .map_err(|error| OpenError::Connect { hosts: hosts.clone(), why: error.to_string() })?;
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

/// Makes the streams that are missing, and looks at those that are there.
pub(super) async fn prepare(api: &Api, options: &Options) -> Result<(), OpenError> {
    for stream in (0..options.streams).map(Some).chain([None]) {
        let name = stream_name(&options.prefix, stream);
        let config = find_or_make(api, &name, &stream_config(options, stream)).await?;
        let streams = config.pointer(&format!("/metadata/{STREAMS_KEY}")).and_then(Value::as_str);
        let streams = streams.and_then(|it| it.parse().ok()).unwrap_or_default();
        if streams != u64::from(options.streams) {
            return Err(OpenError::Stream {
                stream: name,
                what: "streams beside it",
                found: streams,
                wanted: options.streams.into(),
                hint: "how many there are is fixed when they are made: put that number as streams=.. into the store's address",
            });
        }
        let replicas = config.get("num_replicas").and_then(Value::as_u64).unwrap_or_default();
        if replicas < u64::from(options.replicas) {
            return Err(OpenError::Stream {
                stream: name,
                what: "replicas",
                found: replicas,
                wanted: options.replicas.into(),
                hint: "let NATS keep more with `nats stream edit --replicas`, or ask for fewer with replicas=..",
            });
        }
    }
    Ok(())
}

/// A stream's configuration.
async fn find_or_make(api: &Api, name: &str, wanted: &Value) -> Result<Value, OpenError> {
    let mut why = String::new();
    for _ in 0..TRIES {
        let found = api.api(&format!("STREAM.INFO.{name}"), Value::Null).await;
        let found = match found {
            Err(Failure::Refused { code: NO_STREAM, .. }) => {
                api.api(&format!("STREAM.CREATE.{name}"), wanted.clone()).await
            }
            other => other,
        };
        match found {
            Ok(answer) => return Ok(answer.get("config").cloned().unwrap_or_else(|| json!({}))),
            Err(failure) => why = failure.to_string(),
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    Err(OpenError::Make { stream: name.to_owned(), why })
}
