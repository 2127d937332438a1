//! Where the cluster is, and how it is used.

use std::path::PathBuf;

/// Streams that mailboxes are spread over, where nothing else is said: each has its own leader, so that
/// the work of a cluster of three to five spreads evenly, and each costs every batch one write that is synced.
pub(super) const STREAMS: u8 = 8;

/// Most streams.
pub(super) const STREAMS_MAX: u8 = 64;

/// Replicas where nothing else is said: one may fail.
pub(super) const REPLICAS: u8 = 3;

/// What the names of all streams and subjects begin with, where nothing else is said.
pub(super) const PREFIX: &str = "pychat";

/// How to reach and use a NATS cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Hosts with their ports: one is enough to find the others.
    pub hosts: Vec<String>,
    /// TLS is required.
    pub tls: bool,
    /// A user and a password, or a token as the user alone.
    pub login: Option<(String, Option<String>)>,
    /// A file with credentials, as `nsc` makes them.
    pub credentials: Option<PathBuf>,
    /// A file with the certificate authority that the cluster's certificates are of.
    pub authority: Option<PathBuf>,
    /// What names begin with.
    pub prefix: String,
    /// Streams that mailboxes are spread over; fixed when they are made.
    pub streams: u8,
    /// Replicas of each stream.
    pub replicas: u8,
    /// The port at which each host tells about itself, if it is to be asked.
    pub monitor: Option<u16>,
}

/// Why a link is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOptions {
    /// It does not begin as it has to.
    #[error("the store is a directory, or nats://HOST,HOST,HOST, or tls://HOST,HOST,HOST")]
    Scheme,
    /// It names no host.
    #[error("{0:?} is no host; give them as nats://n1,n2,n3 or nats://n1:4222,n2:4222")]
    Host(String),
    /// What comes after `?`.
    #[error(
        "{0:?} is not known here; there are prefix, streams (1 to {STREAMS_MAX}), replicas (1 to 5), monitor (a port), creds and ca, as in \
         nats://n1,n2,n3?replicas=3&creds=/etc/pychat-server/nats.creds"
    )]
    Option(String),
}

impl Options {
    /// Reads `nats://[USER[:PASSWORD]@]HOST[:PORT],..[?prefix=..&streams=..&replicas=..&monitor=..&creds=..&ca=..]`.
    ///
    /// # Errors
    /// See [`BadOptions`].
    pub fn parse(link: &str) -> Result<Self, BadOptions> {
        let (tls, rest) = match link.split_once("://") {
            Some(("nats", rest)) => (false, rest),
            Some(("tls", rest)) => (true, rest),
            Some(_) | None => return Err(BadOptions::Scheme),
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (login, hosts) = match place.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, place),
        };
        let login = login.map(|login| match login.split_once(':') {
            Some((user, password)) => (user.to_owned(), Some(password.to_owned())),
            None => (login.to_owned(), None),
        });
        let hosts = hosts.trim_end_matches('/').split(',').map(|host| {
            let sound = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic());
            sound.then(|| host.to_owned()).ok_or_else(|| BadOptions::Host(host.to_owned()))
        });
        let mut options = Self {
            hosts: hosts.collect::<Result<_, _>>()?,
            tls,
            login,
            credentials: None,
            authority: None,
            prefix: PREFIX.to_owned(),
            streams: STREAMS,
            replicas: REPLICAS,
            monitor: None,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            options.set(pair)?;
        }
        Ok(options)
    }

    fn set(&mut self, pair: &str) -> Result<(), BadOptions> {
        let bad = || BadOptions::Option(pair.to_owned());
        let (key, value) = pair.split_once('=').ok_or_else(bad)?;
        let number = |most: u8| {
            let number = value.parse().ok().filter(|it| (1..=most).contains(it));
            number.ok_or_else(bad)
        };
        match key {
            "prefix" => {
                let sound = (1..=32).contains(&value.len())
                    && value
                        .bytes()
                        .all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_');
                self.prefix = sound.then(|| value.to_owned()).ok_or_else(bad)?;
            }
            "streams" => self.streams = number(STREAMS_MAX)?,
            "replicas" => self.replicas = number(5)?,
            "monitor" => {
                self.monitor = Some(value.parse().ok().filter(|it| *it > 0).ok_or_else(bad)?);
            }
            "creds" => self.credentials = Some(value.into()),
            "ca" => self.authority = Some(value.into()),
            _ => return Err(bad()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_where_and_how() {
        let link = "nats://joe:secret@n1,n2:4333,[::1]:4222?prefix=chat&streams=4&replicas=1&creds=/x.creds";
        let options = Options::parse(link).unwrap();
        assert_eq!(options.hosts, ["n1", "n2:4333", "[::1]:4222"]);
        assert_eq!(options.login, Some(("joe".into(), Some("secret".into()))));
        assert_eq!((options.tls, options.streams, options.replicas), (false, 4, 1));
        assert_eq!(options.credentials, Some("/x.creds".into()));
        let plain = Options::parse("tls://n1").unwrap();
        assert_eq!((plain.tls, plain.streams, plain.replicas), (true, STREAMS, REPLICAS));
        assert_eq!(plain.prefix, PREFIX);
    }

    #[test]
    fn a_bad_link_says_what_is_wrong_with_it() {
        assert_eq!(Options::parse("/var/lib/pychat"), Err(BadOptions::Scheme));
        assert_eq!(Options::parse("nats://a,,b"), Err(BadOptions::Host(String::new())));
        for pair in ["streams=0", "streams=65", "replicas=6", "prefix=a.b", "prefix=", "x=1", "x"] {
            let bad = Options::parse(&format!("nats://a?{pair}"));
            assert_eq!(bad, Err(BadOptions::Option(pair.to_owned())));
        }
    }
}
