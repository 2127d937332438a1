//! The join link: where a server's nodes are and who it is. `pychat://host:port#key`.

use crate::PublicKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, net::SocketAddr, str::FromStr};

/// The port where none is given.
pub const DEFAULT_PORT: u16 = 7420;

/// Most hosts that a link names: as many as fit a line that people pass on, and more than anybody has to try. A
/// server with more nodes names some of them, and tells of the others.
pub const HOSTS_MAX: usize = 8;

/// Longest name of a host, in bytes: what DNS allows.
pub const HOST_BYTES_MAX: usize = 253;

/// Where a node of a server is: a host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    host: String,
    port: u16,
}

/// A node of a server, looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Under which it is known.
    pub place: Place,
    /// Its addresses, in the order in which they are tried; never empty.
    pub addresses: Vec<SocketAddr>,
}

/// Where a server is and, if the link says so, its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinLink {
    first: Place,
    /// Others where the same server is, at most [`HOSTS_MAX`] with the first.
    others: Vec<Place>,
    /// Without one, the server's key is learned at the first contact and pinned.
    pub key: Option<PublicKey>,
}

/// Why a text is no [`JoinLink`], or no [`Place`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLink {
    /// No host at all, or none between two commas.
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
    /// A character that no host has, or too many of them.
    #[error("{0:?} is not a host name")]
    Host(String),
    /// Nothing before, between or behind commas.
    #[error(
        "a host is missing beside a comma in the link; several hosts look like pychat://a.example.org,b.example.org:7420#KEY"
    )]
    MissingHost,
    /// More hosts than a link may name.
    #[error("the link names {0} hosts, and at most {HOSTS_MAX} can be named; leave some out")]
    TooManyHosts(usize),
    /// The same host and port twice.
    #[error("the link names {0} twice; leave one out")]
    Repeated(Place),
}

impl Place {
    /// A host that was looked up, or is known to be one.
    ///
    /// # Errors
    /// `host` is no name and no address, or `port` is 0.
    pub fn new(host: &str, port: u16) -> Result<Self, InvalidLink> {
        if host.is_empty() {
            return Err(InvalidLink::NoHost);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if !host.chars().all(plain) || host.len() > HOST_BYTES_MAX {
            return Err(InvalidLink::Host(host.into()));
        }
        if port == 0 {
            return Err(InvalidLink::Port("0".into()));
        }
        Ok(Self { host: host.into(), port })
    }

    /// A host name or an address, without the brackets of IPv6.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// UDP.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl From<SocketAddr> for Place {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl FromStr for Place {
    type Err = InvalidLink;
    fn from_str(text: &str) -> Result<Self, InvalidLink> {
        let (host, port) = split_port(text)?;
        Self::new(host, port.unwrap_or(DEFAULT_PORT))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Bracketed(&self.host), self.port)
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl JoinLink {
    /// A link that names one place.
    #[must_use]
    pub const fn to_place(place: Place, key: Option<PublicKey>) -> Self {
        Self { first: place, others: Vec::new(), key }
    }

    /// A link that names several places of one server.
    ///
    /// # Errors
    /// There is none, there are too many, or one is named twice.
    pub fn to_places(places: Vec<Place>, key: Option<PublicKey>) -> Result<Self, InvalidLink> {
        if places.len() > HOSTS_MAX {
            return Err(InvalidLink::TooManyHosts(places.len()));
        }
        let repeated = |(index, place): &(usize, &Place)| places[..*index].contains(place);
        if let Some((_, place)) = places.iter().enumerate().find(repeated) {
            return Err(InvalidLink::Repeated(place.clone()));
        }
        let mut places = places.into_iter();
        let first = places.next().ok_or(InvalidLink::NoHost)?;
        Ok(Self { first, others: places.collect(), key })
    }

    /// The place that is named first.
    #[must_use]
    pub const fn first(&self) -> &Place {
        &self.first
    }

    /// Those that are named behind the first.
    #[must_use]
    pub fn others(&self) -> &[Place] {
        &self.others
    }

    /// All places, in the link's order.
    pub fn places(&self) -> impl Iterator<Item = &Place> + Clone {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Whether both links name a place that is the same: then they mean one server.
    #[must_use]
    pub fn shares_a_place(&self, other: &Self) -> bool {
        self.places().any(|place| other.places().any(|its| its == place))
    }

    /// The hosts without their ports, for people.
    #[must_use]
    pub fn hosts(&self) -> String {
        self.places().map(Place::host).collect::<Vec<_>>().join(", ")
    }
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
        let list = place.trim_end_matches('/');
        let count = list.split(',').count();
        if count > HOSTS_MAX {
            return Err(InvalidLink::TooManyHosts(count));
        }
        if count > 1 && list.split(',').any(str::is_empty) {
            return Err(InvalidLink::MissingHost);
        }
        let split: Vec<_> = list.split(',').map(split_port).collect::<Result<_, _>>()?;
        let port_of_all = match split.split_last() {
            Some(((_, port), before)) if before.iter().all(|(_, port)| port.is_none()) => *port,
            _ => None,
        };
        let place = |(host, port): (&str, Option<u16>)| {
            Place::new(host, port.or(port_of_all).unwrap_or(DEFAULT_PORT))
        };
        Self::to_places(split.into_iter().map(place).collect::<Result<_, _>>()?, key)
    }
}

/// A host and its port, if it names one.
fn split_port(place: &str) -> Result<(&str, Option<u16>), InvalidLink> {
    let parse = |text: &str| match text.parse() {
        Ok(0) | Err(_) => Err(InvalidLink::Port(text.into())),
        Ok(port) => Ok(Some(port)),
    };
    if let Some(rest) = place.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(|| InvalidLink::Host(place.into()))?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, parse(port)?)),
            None if after.is_empty() => Ok((host, None)),
            None => Err(InvalidLink::Host(place.into())),
        };
    }
    match place.rsplit_once(':') {
        // More than one colon and no brackets: an IPv6 address alone.
        Some((host, _)) if host.contains(':') => Ok((place, None)),
        Some((host, port)) => Ok((host, parse(port)?)),
        None => Ok((place, None)),
    }
}

/// A host as it stands before a port.
struct Bracketed<'a>(&'a str);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') { write!(f, "[{}]", self.0) } else { f.write_str(self.0) }
    }
}

impl fmt::Display for JoinLink {
    /// One port stands behind the last host and holds for all; different ones stand behind each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pychat://")?;
        let last = self.others.last().unwrap_or(&self.first);
        let one_port = self.places().all(|place| place.port == last.port);
        for place in self.places().take(self.others.len()) {
            if one_port {
                write!(f, "{},", Bracketed(&place.host))?;
            } else {
                write!(f, "{place},")?;
            }
        }
        write!(f, "{last}")?;
        match &self.key {
            Some(key) => write!(f, "#{key}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(link: &JoinLink) -> Vec<(&str, u16)> {
        link.places().map(|place| (place.host(), place.port())).collect()
    }

    #[test]
    fn links_survive_their_text_form() {
        let key = PublicKey([9; 32]);
        for (text, expected) in [
            ("pychat://example.org:7000", &[("example.org", 7000)][..]),
            ("example.org", &[("example.org", 7420)]),
            ("127.0.0.1:9", &[("127.0.0.1", 9)]),
            ("pychat://[::1]:7", &[("::1", 7)]),
            ("::1", &[("::1", 7420)]),
            ("pychat://a,b,c:7420", &[("a", 7420), ("b", 7420), ("c", 7420)]),
            ("a,b", &[("a", 7420), ("b", 7420)]),
            ("a,b:9", &[("a", 9), ("b", 9)]),
            ("a:7420,b:7421", &[("a", 7420), ("b", 7421)]),
            ("a:9,b", &[("a", 9), ("b", 7420)]),
            ("[::1]:7,[::2]:8,c:9", &[("::1", 7), ("::2", 8), ("c", 9)]),
            ("::1,::2", &[("::1", 7420), ("::2", 7420)]),
            ("[::1],[::2]:8", &[("::1", 8), ("::2", 8)]),
        ] {
            for key in [None, Some(key)] {
                let text = key.map_or(text.to_owned(), |key| format!("{text}#{key}"));
                let link: JoinLink = text.parse().unwrap();
                assert_eq!((places(&link).as_slice(), link.key), (expected, key), "{text}");
                assert_eq!(link.to_string().parse(), Ok(link));
            }
        }
    }

    #[test]
    fn links_are_printed_as_they_are_passed_on() {
        for text in [
            "pychat://example.org:7420",
            "pychat://[::1]:7",
            "pychat://a,b,c:7420",
            "pychat://a:7420,b:7421",
            "pychat://[::1],[::2]:8",
        ] {
            assert_eq!(text.parse::<JoinLink>().unwrap().to_string(), text);
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
        for text in ["a,,b", ",a", "a,", ",", "pychat://a,b,:7"] {
            let error = text.parse::<JoinLink>().unwrap_err();
            assert!(matches!(error, InvalidLink::MissingHost | InvalidLink::NoHost), "{text}");
        }
        assert_eq!("a,b:x".parse::<JoinLink>(), Err(InvalidLink::Port("x".into())));
        let twice = Place::new("a", 7420).unwrap();
        assert_eq!("a,b,a".parse::<JoinLink>(), Err(InvalidLink::Repeated(twice)));
    }

    #[test]
    fn a_link_names_so_many_hosts_and_no_more() {
        let hosts =
            |count: usize| (0..count).map(|n| format!("h{n}")).collect::<Vec<_>>().join(",");
        let link: JoinLink = hosts(HOSTS_MAX).parse().unwrap();
        assert_eq!(link.places().count(), HOSTS_MAX);
        let error = hosts(HOSTS_MAX + 1).parse::<JoinLink>();
        assert_eq!(error, Err(InvalidLink::TooManyHosts(HOSTS_MAX + 1)));
    }

    #[test]
    fn a_host_has_so_many_bytes_and_no_more() {
        assert!(Place::new(&"h".repeat(HOST_BYTES_MAX), 1).is_ok());
        let long = "h".repeat(HOST_BYTES_MAX + 1);
        assert_eq!(Place::new(&long, 1), Err(InvalidLink::Host(long.clone())));
    }
}
