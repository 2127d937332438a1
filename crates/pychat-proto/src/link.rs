//! The join link: where a server is and who it is. `pychat://host:port#key`.

use crate::PublicKey;
use std::{fmt, str::FromStr};

/// The port where none is given.
const DEFAULT_PORT: u16 = 7420;

/// Where a server is and, if the link says so, its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinLink {
    /// A host name or an address, without the brackets of IPv6.
    pub host: String,
    /// UDP.
    pub port: u16,
    /// Without one, the server's key is learned at the first contact and pinned.
    pub key: Option<PublicKey>,
}

/// Why a text is no [`JoinLink`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLink {
    /// No host at all.
    #[error("the link names no host; a link looks like pychat://chat.example.org:7420#KEY")]
    NoHost,
    /// A port that is no number from 1 to 65535.
    #[error("{0:?} is not a port: a number from 1 to 65535")]
    Port(String),
    /// What follows `#` is no key.
    #[error(
        "what follows '#' in the link is not a server key: a key has 43 characters; copy the whole line that `pychat-server link` prints"
    )]
    Key,
    /// Another scheme than `pychat`.
    #[error("a link begins with pychat://, not with {0:?}")]
    Scheme(String),
    /// A character that no host has.
    #[error("{0:?} is not a host name")]
    Host(String),
}

impl FromStr for JoinLink {
    type Err = InvalidLink;
    fn from_str(text: &str) -> Result<Self, InvalidLink> {
        let rest = match text.split_once("://") {
            Some(("pychat", rest)) => rest,
            Some((scheme, _)) => return Err(InvalidLink::Scheme(scheme.into())),
            None => text,
        };
        let (place, key) = match rest.split_once('#') {
            Some((place, key)) => (place, Some(key.parse().map_err(|_| InvalidLink::Key)?)),
            None => (rest, None),
        };
        let place = place.trim_end_matches('/');
        let (host, port) = split_port(place)?;
        if host.is_empty() {
            return Err(InvalidLink::NoHost);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if !host.chars().all(plain) {
            return Err(InvalidLink::Host(host.into()));
        }
        Ok(Self { host: host.into(), port, key })
    }
}

fn split_port(place: &str) -> Result<(&str, u16), InvalidLink> {
    let parse = |text: &str| match text.parse() {
        Ok(0) | Err(_) => Err(InvalidLink::Port(text.into())),
        Ok(port) => Ok(port),
    };
    if let Some(rest) = place.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(|| InvalidLink::Host(place.into()))?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, parse(port)?)),
            None if after.is_empty() => Ok((host, DEFAULT_PORT)),
            None => Err(InvalidLink::Host(place.into())),
        };
    }
    match place.rsplit_once(':') {
        // More than one colon and no brackets: an IPv6 address alone.
        Some((host, _)) if host.contains(':') => Ok((place, DEFAULT_PORT)),
        Some((host, port)) => Ok((host, parse(port)?)),
        None => Ok((place, DEFAULT_PORT)),
    }
}

impl fmt::Display for JoinLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "pychat://[{}]:{}", self.host, self.port)?;
        } else {
            write!(f, "pychat://{}:{}", self.host, self.port)?;
        }
        match &self.key {
            Some(key) => write!(f, "#{key}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_survive_their_text_form() {
        let key = PublicKey([9; 32]);
        for (text, host, port) in [
            ("pychat://example.org:7000", "example.org", 7000),
            ("example.org", "example.org", 7420),
            ("127.0.0.1:9", "127.0.0.1", 9),
            ("pychat://[::1]:7", "::1", 7),
            ("::1", "::1", 7420),
        ] {
            for key in [None, Some(key)] {
                let text = key.map_or(text.to_owned(), |key| format!("{text}#{key}"));
                let link: JoinLink = text.parse().unwrap();
                assert_eq!((link.host.as_str(), link.port, link.key), (host, port, key), "{text}");
                assert_eq!(link.to_string().parse(), Ok(link));
            }
        }
    }

    #[test]
    fn bad_links_say_what_is_wrong() {
        assert_eq!("http://x".parse::<JoinLink>(), Err(InvalidLink::Scheme("http".into())));
        assert_eq!("pychat://:7".parse::<JoinLink>(), Err(InvalidLink::NoHost));
        assert_eq!("pychat://h:0".parse::<JoinLink>(), Err(InvalidLink::Port("0".into())));
        assert_eq!("pychat://h:99999".parse::<JoinLink>(), Err(InvalidLink::Port("99999".into())));
        assert_eq!("pychat://h#short".parse::<JoinLink>(), Err(InvalidLink::Key));
        assert_eq!("a b".parse::<JoinLink>(), Err(InvalidLink::Host("a b".into())));
    }
}
