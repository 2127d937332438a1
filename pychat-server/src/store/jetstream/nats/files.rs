//! The files that a store's address names: credentials, and a certificate authority.

use async_nats::rustls::pki_types::{CertificateDer, pem::PemObject as _};
use std::{fmt, fs, io, path::Path};

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// `creds=`.
    Credentials,
    /// `ca=`.
    Authority,
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum BadFile {
    /// It cannot be read.
    #[error(
        "reading {what} from {file}: {why}\n\
         hint: is {} the right file, and may the server's user read it?", what.option()
    )]
    Unreadable {
        /// What it is for.
        what: Use,
        /// Which.
        file: String,
        /// Why.
        #[source]
        why: io::Error,
    },
    /// It holds something else.
    #[error("{file} does not hold {what}: {why}\nhint: {}", what.looks())]
    Senseless {
        /// What it is for.
        what: Use,
        /// Which.
        file: String,
        /// Why.
        why: String,
    },
}

impl BadFile {
    pub(super) fn senseless(what: Use, file: &Path, why: impl fmt::Display) -> Self {
        Self::Senseless { what, file: file.display().to_string(), why: why.to_string() }
    }
}

impl Use {
    const fn option(self) -> &'static str {
        match self {
            Self::Credentials => "creds=",
            Self::Authority => "ca=",
        }
    }

    const fn looks(self) -> &'static str {
        match self {
            Self::Credentials => {
                "creds= takes what `nsc generate creds` prints: the user's JWT and its NKEY seed, each between its \
                 BEGIN and END lines"
            }
            Self::Authority => {
                "ca= takes certificates in PEM, which begin with -----BEGIN CERTIFICATE-----"
            }
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credentials => "credentials for NATS",
            Self::Authority => "the certificate authority of NATS",
        })
    }
}

/// The text of a file.
pub(super) fn read(what: Use, file: &Path) -> Result<String, BadFile> {
    fs::read_to_string(file).map_err(|why| match why.kind() {
        io::ErrorKind::InvalidData => BadFile::senseless(what, file, "it is no text"),
        _ => BadFile::Unreadable { what, file: file.display().to_string(), why },
    })
}

/// Looks whether there are certificates. The library takes a file without any for one that trusts nobody.
pub(super) fn check_authority(file: &Path) -> Result<(), BadFile> {
    let text = read(Use::Authority, file)?;
    let senseless = |why: &dyn fmt::Display| BadFile::senseless(Use::Authority, file, why);
    let mut certificates = CertificateDer::pem_slice_iter(text.as_bytes());
    match certificates.next() {
        None => Err(senseless(&"there is no certificate in it")),
        Some(Err(error)) => Err(senseless(&error)),
        Some(Ok(_)) => Ok(()),
    }
}
