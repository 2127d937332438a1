//! Certificates, good ones and all others, on a real NATS server.

use super::{Nats, Options};
use data_encoding::BASE64;
use pychat_testkit::harness::nats::{NatsCluster, Sync};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use std::{fs, path::PathBuf};
use tempfile::TempDir;

/// An authority of one's own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Vec<u8>,
}

impl Authority {
    fn new() -> Self {
        let (params, key) = (authority_params(), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap().der().to_vec();
        Self { issuer: Issuer::new(params, key), certificate }
    }
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::new(["authority".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A certificate for these names, which is good for longer than this test is run.
fn server_params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    CertificateParams::new(names).unwrap()
}

/// A server with a certificate.
struct Secured {
    files: TempDir,
    cluster: NatsCluster,
}

impl Secured {
    fn start(authority: &Authority, params: &CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority.issuer).unwrap();
        Self::start_as(certificate.der(), &key)
    }

    fn start_as(certificate: &[u8], key: &KeyPair) -> Self {
        let files = tempfile::tempdir().unwrap();
        let write = |name: &str, what: &str, content: &[u8]| {
            let file = files.path().join(name);
            fs::write(&file, pem(what, content)).unwrap();
            file
        };
        let certificate = write("certificate.pem", "CERTIFICATE", certificate);
        let key = write("key.pem", "PRIVATE KEY", key.serialized_der());
        let tls = format!(
            "tls {{ cert_file: {:?}, key_file: {:?} }}\n",
            certificate.display(),
            key.display()
        );
        let cluster = NatsCluster::start_with(Sync::Sometimes, &tls);
        Self { files, cluster }
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let file = self.files.path().join(name);
        fs::write(&file, content).unwrap();
        file
    }

    /// What comes of opening it by this name, with this file as the authority.
    fn open(&self, host: &str, authority: Option<&PathBuf>) -> Result<(), String> {
        let port = self.cluster.port(0);
        let authority = authority.map(|file| format!("&ca={}", file.display()));
        let authority = authority.unwrap_or_default();
        let link = format!("tls://{host}:{port}?replicas=1&streams=2{authority}");
        let opened = Nats::open(&Options::parse(&link).unwrap());
        opened.map(drop).map_err(|error| error.to_string())
    }

    /// What is said to who trusts this authority and may not come in.
    fn refusal(&self, authority: &Authority) -> String {
        let file = self.file("authority.pem", &pem("CERTIFICATE", &authority.certificate));
        self.open("127.0.0.1", Some(&file)).unwrap_err()
    }
}

fn pem(what: &str, content: &[u8]) -> String {
    let text = BASE64.encode(content);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}

#[test]
fn an_authority_of_ones_own_is_trusted_where_it_is_named_and_the_hint_says_how() {
    let authority = Authority::new();
    let secured = Secured::start(&authority, &server_params(&["127.0.0.1", "localhost"]));
    let file = secured.file("authority.pem", &pem("CERTIFICATE", &authority.certificate));
    secured.open("127.0.0.1", Some(&file)).unwrap();
    secured.open("localhost", Some(&file)).unwrap();

    let text = secured.open("127.0.0.1", None).unwrap_err();
    assert!(text.contains("UnknownIssuer"), "{text}");
    assert!(text.contains("add ca=FILE with its certificate (PEM)"), "{text}");

    let text = secured.refusal(&Authority::new());
    assert!(text.contains("not signed by the authority in "), "{text}");
    assert!(text.contains("name with ca=FILE"), "{text}");
}

#[test]
fn a_file_without_an_authority_is_named_and_how_it_should_look() {
    let authority = Authority::new();
    let secured = Secured::start(&authority, &server_params(&["127.0.0.1"]));
    let missing = secured.files.path().join("missing.pem");
    let text = secured.open("127.0.0.1", Some(&missing)).unwrap_err();
    assert!(text.contains("missing.pem") && text.contains("is ca= the right file"), "{text}");
    let certificate = pem("CERTIFICATE", &authority.certificate);
    for (name, content) in [
        ("empty.pem", String::new()),
        ("key.pem", pem("PRIVATE KEY", b"secret")),
        ("torn.pem", certificate[..certificate.len() / 2].to_owned()),
    ] {
        let file = secured.file(name, &content);
        let text = secured.open("127.0.0.1", Some(&file)).unwrap_err();
        assert!(text.contains("does not hold the certificate authority of NATS: "), "{text}");
        assert!(text.contains(name) && text.contains("-----BEGIN CERTIFICATE-----"), "{text}");
    }
}

#[test]
fn a_certificate_for_another_name_tells_its_names() {
    let authority = Authority::new();
    let text =
        Secured::start(&authority, &server_params(&["nats.example.org"])).refusal(&authority);
    assert!(text.contains("127.0.0.1") && text.contains("nats.example.org"), "{text}");
    assert!(text.contains("name each NATS server in the store's address"), "{text}");
}

#[test]
fn a_certificate_out_of_its_time_is_to_be_renewed() {
    let authority = Authority::new();
    let mut params = server_params(&["127.0.0.1"]);
    (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    let text = Secured::start(&authority, &params).refusal(&authority);
    assert!(text.contains("expired") && text.contains("hint: renew the certificate"), "{text}");

    let mut params = server_params(&["127.0.0.1"]);
    (params.not_before, params.not_after) = (date_time_ymd(3001, 1, 1), date_time_ymd(3002, 1, 1));
    let text = Secured::start(&authority, &params).refusal(&authority);
    assert!(text.contains("not valid yet") && text.contains("clock right?"), "{text}");
}

#[test]
fn an_authority_in_place_of_a_server_is_told_apart() {
    let mut params = authority_params();
    params.subject_alt_names = server_params(&["127.0.0.1"]).subject_alt_names;
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().der().to_vec();
    let secured = Secured::start_as(&certificate, &key);
    let file = secured.file("authority.pem", &pem("CERTIFICATE", &certificate));
    let text = secured.open("127.0.0.1", Some(&file)).unwrap_err();
    assert!(text.contains("basicConstraints=CA:FALSE"), "{text}");
}

#[test]
fn tls_where_there_is_none_is_told_apart() {
    let cluster = NatsCluster::start(1, Sync::Sometimes);
    let link = format!("tls://127.0.0.1:{}?replicas=1", cluster.port(0));
    let text = Nats::open(&Options::parse(&link).unwrap()).unwrap_err().to_string();
    assert!(text.contains("does not speak TLS there"), "{text}");
}
