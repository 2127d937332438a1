//! What a NATS server tells of itself on its monitoring port, and nowhere else: whether it syncs what it
//! acknowledges.

use super::{Options, connect::OpenError};
use serde_json::Value;
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tracing::{info, warn};

/// How long a server may take to tell.
const TELL_WITHIN: Duration = Duration::from_secs(2);

/// What it tells has a kilobyte.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Asks each host whether it syncs what it acknowledges, if it is known where.
///
/// # Errors
/// One says that it does not. Those that do not answer are logged: they may be down, as one always may.
pub(super) async fn check(options: &Options) -> Result<(), OpenError> {
    let Some(port) = options.monitor else {
        warn!(
            "it is not known whether NATS syncs what it acknowledges (sync_interval: always); if it does not, texts are \
             lost when power fails at all its servers at once. Add monitor=8222 to the store's address to have it checked"
        );
        return Ok(());
    };
    for host in &options.hosts {
        let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
        match timeout(TELL_WITHIN, ask(name, port)).await.unwrap_or_else(|_| Err(silent())) {
            Ok(config) if config["sync_always"] == true => {
                info!(host, "NATS syncs what it acknowledges");
            }
            Ok(config) => {
                let interval =
                    Duration::from_nanos(config["sync_interval"].as_u64().unwrap_or_default());
                return Err(OpenError::Syncs { host: host.clone(), interval });
            }
            Err(error) => {
                warn!(host, port, %error, "NATS does not tell whether it syncs what it acknowledges");
            }
        }
    }
    Ok(())
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

/// The configuration of a server's JetStream.
async fn ask(host: &str, port: u16) -> io::Result<Value> {
    let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    // In this form of HTTP the answer comes as it is and ends with the connection.
    let question = format!("GET /jsz?config=true HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(question.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).await?;
    let config = answer.split_once("\r\n\r\n").and_then(|(_, body)| {
        let mut told: Value = serde_json::from_str(body).ok()?;
        Some(told["config"].take()).filter(Value::is_object)
    });
    let odd = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "that is no monitoring port of NATS with JetStream",
        )
    };
    config.ok_or_else(odd)
}
