//! Where metrics are told.

use serde::Deserialize;
use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

/// What a socket's path is written behind.
const UNIX: &str = "unix:";

/// Where metrics are told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum MetricsAddress {
    /// An address and a TCP port.
    Tcp(SocketAddr),
    /// A socket's path, which is absolute.
    Unix(PathBuf),
}

/// It is neither.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address with a port, as 127.0.0.1:7421, nor unix: and an absolute path")]
pub struct InvalidAddress(String);

impl FromStr for MetricsAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(text.to_owned());
        match text.strip_prefix(UNIX).map(PathBuf::from) {
            // Elsewhere there is nobody who would collect from one.
            Some(path) if cfg!(unix) && path.is_absolute() => Ok(Self::Unix(path)),
            Some(_) => Err(invalid()),
            None => text.parse().map(Self::Tcp).map_err(|_| invalid()),
        }
    }
}

impl TryFrom<String> for MetricsAddress {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

impl fmt::Display for MetricsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for good in ["127.0.0.1:7421", "[::1]:0", "unix:/run/pychat-server/metrics.sock"] {
            assert_eq!(good.parse::<MetricsAddress>().unwrap().to_string(), good);
        }
        for bad in
            ["", "7421", "localhost:7421", "127.0.0.1", "unix:", "unix:metrics.sock", "/run/x"]
        {
            assert_eq!(bad.parse::<MetricsAddress>(), Err(InvalidAddress(bad.into())));
        }
    }
}
