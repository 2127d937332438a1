//! Why no connection came about, and what to do about it.

use super::{Options, connect::OpenError};
use async_nats::{
    ConnectError, ConnectErrorKind,
    rustls::{self, AlertDescription, CertificateError},
};
use std::{error::Error, io};

/// What to tell about an attempt to connect.
pub(super) fn explain(options: &Options, error: &ConnectError) -> OpenError {
    let hosts = options.hosts.join(",");
    let refused = error.kind() == ConnectErrorKind::AuthorizationViolation;
    let (why, hint) = if refused {
        (format!("it refuses {}", who(options)), login_hint(options).to_owned())
    } else if let Some(tls) = tls(error) {
        (format!("TLS: {tls}"), tls_hint(options, tls))
    } else if error.kind() == ConnectErrorKind::Tls {
        let hint = "TLS needs a host's name or address, and authorities to trust: this machine's own (a package \
                    ca-certificates), or yours, with ca=FILE";
        (error.to_string(), hint.to_owned())
    } else {
        let hint = "is nats-server running there, and is the address right?";
        (error.to_string(), hint.to_owned())
    };
    OpenError::Connect { hosts, why, hint }
}

/// As whom the server came. No secrets.
fn who(options: &Options) -> String {
    match (&options.credentials, &options.login) {
        (Some(file), _) => format!("the credentials in {}", file.display()),
        (None, Some((user, Some(_)))) => format!("user {user:?} with the password given"),
        (None, Some((_, None))) => "the token given".to_owned(),
        (None, None) => "who comes without a user or credentials".to_owned(),
    }
}

const fn login_hint(options: &Options) -> &'static str {
    match (&options.credentials, &options.login) {
        (Some(_), _) => {
            "NATS has to know the account that signed that user (`nsc push`), the user may not have expired or been \
             revoked, and JWT and seed have to be the same user's: `nsc generate creds` makes the file anew"
        }
        (None, Some(_)) => {
            "give the user and password, or the token, that stand in nats-server's configuration, as in \
             nats://USER:PASSWORD@HOST or nats://TOKEN@HOST; where `nsc` makes its users, name a file of theirs: creds=FILE"
        }
        (None, None) => {
            "name the server's user in the store's address: creds=FILE with a file of `nsc`'s, or \
             nats://USER:PASSWORD@HOST"
        }
    }
}

/// What TLS has to say, somewhere below.
fn tls(error: &ConnectError) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref() {
            return Some(tls);
        }
        // An I/O error's source is that of the one in it, which would be passed over.
        let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match within {
            Some(within) => Some(within),
            None => error.source(),
        };
    }
    None
}

fn tls_hint(options: &Options, error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => certificate_hint(options, why),
        rustls::Error::InvalidMessage(_) => {
            "nats-server does not speak TLS there: give its configuration a `tls { }`, or write nats:// for tls://"
                .to_owned()
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "nats-server asks for a certificate of the client's, which pychat-server has not: leave `verify` out of \
             its `tls { }`, and let users log in with a password or credentials"
                .to_owned()
        }
        _ => "nats-server's log says what it thinks of this connection".to_owned(),
    }
}

fn certificate_hint(options: &Options, why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            match &options.authority {
                None => "this machine does not trust who signed the certificate: if that is an authority of your own, \
                         add ca=FILE with its certificate (PEM) to the store's address"
                    .to_owned(),
                Some(file) => format!(
                    "the certificate is not signed by the authority in {}: name with ca=FILE the certificate (PEM) of the one \
                     that signed it",
                    file.display()
                ),
            }
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "name each NATS server in the store's address as its certificate does, or have one made that has these names \
             (as subjectAltName)"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "renew the certificate and let nats-server load it (`nats-server --signal reload`); if it is not old, this \
             machine's clock is wrong"
                .to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is this machine's clock right? If it is, wait, or have the certificate made anew"
                .to_owned()
        }
        CertificateError::Other(other) if other.0.to_string() == AUTHORITY_AS_SERVER => {
            "nats-server shows an authority's certificate as its own (`openssl req -x509` makes such): let the authority \
             sign one for the server, or make it with basicConstraints=CA:FALSE"
                .to_owned()
        }
        _ => "have the certificate made anew for the NATS server, with its names as subjectAltName; for an authority of your \
              own, add ca=FILE to the store's address"
            .to_owned(),
    }
}

/// What rustls's certificates are checked with says of it, in a type that is not to be had here.
const AUTHORITY_AS_SERVER: &str = "CaUsedAsEndEntity";

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said where TLS fails so. As a server's refusal comes: below an I/O error.
    fn told(link: &str, error: rustls::Error) -> String {
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        explain(&Options::parse(link).unwrap(), &ConnectError::from(error)).to_string()
    }

    // On a real server it depends on who is quicker whether its alert is still read.
    #[test]
    fn a_server_that_wants_a_certificate_of_the_client_is_told_apart() {
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        let text = told("tls://n1", alert);
        assert!(text.contains("leave `verify` out"), "{text}");
    }

    #[test]
    fn whatever_is_wrong_with_a_certificate_there_is_something_to_do() {
        for why in [
            CertificateError::BadEncoding,
            CertificateError::Expired,
            CertificateError::NotValidYet,
            CertificateError::Revoked,
            CertificateError::UnknownIssuer,
            CertificateError::BadSignature,
            CertificateError::NotValidForName,
            CertificateError::InvalidPurpose,
        ] {
            let text = told("tls://n1", rustls::Error::InvalidCertificate(why));
            assert!(text.starts_with("connecting to NATS at n1: TLS: "), "{text}");
            assert!(text.contains("\nhint: ") && text.contains("certificate"), "{text}");
        }
        let unknown = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert!(told("tls://n1", unknown()).contains("add ca=FILE"));
        assert!(told("tls://n1?ca=/x.pem", unknown()).contains("by the authority in /x.pem"));
    }
}
