//! Credentials as `nsc` makes them, and passwords, on a real NATS server that lets in nobody else.

use super::{JetStream, MailboxStore as _, Nats, OpenError, Options, node};
use crate::store::contract::words::{ALL, ROOMY, bodies, claim, page, store_one, text};
use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use pychat_testkit::harness::nats::{NatsCluster, Sync};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A server whose operator knows of an account for `PyChat`, of one without JetStream, and of no other.
struct Operated {
    files: TempDir,
    account: KeyPair,
    without_jetstream: KeyPair,
    // Last, as it is to outlive what speaks to it.
    cluster: NatsCluster,
}

impl Operated {
    fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        let (operator, system) = (KeyPair::new_operator(), KeyPair::new_account());
        let (account, without_jetstream) = (KeyPair::new_account(), KeyPair::new_account());
        let of_operator = json!({ "type": "operator", "version": 2 });
        let operator_file = files.path().join("operator.jwt");
        fs::write(&operator_file, jwt(&operator, &operator, "operator", &of_operator)).unwrap();
        let accounts = [
            (&system, "system", 0),
            (&account, "pychat", -1),
            (&without_jetstream, "without-jetstream", 0),
        ];
        let preload = accounts.map(|(account, name, disk_bytes)| {
            let token = jwt(&operator, account, name, &account_claims(disk_bytes));
            format!("{}: {token}\n", account.public_key())
        });
        let cluster = NatsCluster::start_with(
            Sync::Sometimes,
            &format!(
                "operator: {:?}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n{}}}\n",
                operator_file.display(),
                system.public_key(),
                preload.concat(),
            ),
        );
        Self { files, account, without_jetstream, cluster }
    }

    /// Writes a file of credentials: a user's token, signed by an account, with the key of somebody.
    fn credentials(&self, name: &str, account: &KeyPair, user: &KeyPair, key: &KeyPair) -> PathBuf {
        let rights = json!({
            "type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1,
        });
        let token = jwt(account, user, name, &rights);
        let seed = key.seed().unwrap();
        self.file(
            name,
            &format!(
                "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
                 ************************* IMPORTANT *************************\n\
                 NKEY Seed printed below can be used to sign and prove identity.\n\
                 NKEYs are sensitive and should be treated as secrets.\n\n\
                 -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n\n\
                 *************************************************************\n"
            ),
        )
    }

    /// A user of an account's.
    fn user(&self, name: &str, account: &KeyPair) -> PathBuf {
        let user = KeyPair::new_user();
        self.credentials(name, account, &user, &user)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.files.path().join(name);
        fs::write(&file, text).unwrap();
        file
    }

    fn open(&self, login: &str, more: &str) -> Result<Nats, OpenError> {
        let link = self.cluster.link().replace("//", &format!("//{login}"));
        let link = format!("{link}?replicas=1&streams=2{more}");
        Nats::open(&Options::parse(&link).unwrap())
    }

    fn open_with(&self, file: &Path) -> Result<Nats, OpenError> {
        self.open("", &format!("&creds={}", file.display()))
    }

    /// What is said where nobody gets in. It names the file, and no secret.
    fn refusal(&self, file: &Path) -> String {
        let text = self.open_with(file).unwrap_err().to_string();
        assert!(text.contains(&file.display().to_string()), "{text}");
        let content = fs::read(file).unwrap_or_default();
        let content = String::from_utf8_lossy(&content);
        let secrets = content.lines().filter(|line| line.starts_with(['S', 'e']));
        secrets.for_each(|secret| assert!(!text.contains(secret), "{text}"));
        text
    }
}

/// What an account may do.
fn account_claims(disk_bytes: i64) -> Value {
    json!({
        "type": "account",
        "version": 2,
        "limits": {
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
            "conn": -1, "leaf": -1, "mem_storage": disk_bytes, "disk_storage": disk_bytes,
            "streams": disk_bytes, "consumer": disk_bytes,
        },
        "default_permissions": { "pub": {}, "sub": {} },
    })
}

/// A token of NATS's, in its second version: what `by` says of `about`.
fn jwt(by: &KeyPair, about: &KeyPair, name: &str, nats: &Value) -> String {
    let (issuer, subject) = (by.public_key(), about.public_key());
    // Any text that no other token has; nsc takes a hash.
    let id = format!("{name}-{subject}");
    let claims = json!({
        "jti": id, "iat": 1_700_000_000, "iss": issuer, "name": name, "sub": subject, "nats": nats,
    });
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let encoded = [header, claims].map(|it| BASE64URL_NOPAD.encode(it.to_string().as_bytes()));
    let signed = encoded.join(".");
    let signature = BASE64URL_NOPAD.encode(&by.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

#[test]
fn with_credentials_a_node_keeps_mailboxes_and_finds_them_again() {
    let operated = Operated::start();
    let file = operated.user("node.creds", &operated.account);
    let open = || JetStream::new(operated.open_with(&file).unwrap(), node(), ROOMY);
    let mut store = open();
    store.commit(&[claim("ann"), claim("bob")]).unwrap();
    store_one(&mut store, text("ann", 1, "bob", b"hello"));
    drop(store);
    assert_eq!(bodies(&page(&mut open(), "bob", 0, ALL)), [b"hello"]);
}

#[test]
fn who_comes_without_credentials_is_told_that_they_are_needed() {
    let operated = Operated::start();
    let text = operated.open("", "").unwrap_err().to_string();
    assert!(text.contains("refuses who comes without a user or credentials"), "{text}");
    assert!(text.contains("creds=FILE"), "{text}");
    let text = operated.open("joe:pass@", "").unwrap_err().to_string();
    assert!(text.contains("refuses user \"joe\" with the password given"), "{text}");
    assert!(!text.contains("pass@") && text.contains("hint: "), "{text}");
}

#[test]
fn a_file_without_credentials_is_named_and_how_it_should_look() {
    let operated = Operated::start();
    let missing = operated.files.path().join("missing.creds");
    let text = operated.refusal(&missing);
    assert!(text.contains("reading credentials for NATS from"), "{text}");
    assert!(text.contains("is creds= the right file"), "{text}");

    let user = operated.user("whole.creds", &operated.account);
    let whole = fs::read_to_string(user).unwrap();
    let (token, _) = whole.split_once("\n\n").unwrap();
    for (name, content) in [
        ("empty.creds", ""),
        ("hosts", "127.0.0.1 localhost\n"),
        ("token-alone.creds", &format!("{token}\n")),
        ("damaged.creds", &whole.replace("SEED-----\nSU", "SEED-----\nSUSU")),
    ] {
        let text = operated.refusal(&operated.file(name, content));
        assert!(text.contains("does not hold credentials for NATS: "), "{text}");
        assert!(text.contains("`nsc generate creds`"), "{text}");
    }
    let binary = operated.files.path().join("binary");
    fs::write(&binary, [0xff; 16]).unwrap();
    assert!(operated.refusal(&binary).contains("it is no text"));
}

#[test]
fn credentials_of_others_are_refused_and_the_hint_says_what_to_look_at() {
    let operated = Operated::start();
    let (stranger, user, other) =
        (KeyPair::new_account(), KeyPair::new_user(), KeyPair::new_user());
    for file in [
        operated.user("unknown-account.creds", &stranger),
        operated.credentials("another-key.creds", &operated.account, &user, &other),
        operated.credentials("account-key.creds", &operated.account, &user, &operated.account),
    ] {
        let text = operated.refusal(&file);
        assert!(text.contains("it refuses the credentials in "), "{text}");
        assert!(text.contains("`nsc push`") && text.contains("`nsc generate creds`"), "{text}");
    }
}

#[test]
fn an_account_without_jetstream_is_told_apart_from_a_wrong_login() {
    let operated = Operated::start();
    let file = operated.user("no-jetstream.creds", &operated.without_jetstream);
    let text = operated.open_with(&file).unwrap_err().to_string();
    assert!(text.contains("not enabled for account"), "{text}");
    assert!(text.contains("nsc edit account"), "{text}");
}

/// What comes of opening a server that has this in its configuration, with each of these logins.
fn open_each<const N: usize>(config: &str, logins: [&str; N]) -> [Result<(), String>; N] {
    let cluster = NatsCluster::start_with(Sync::Sometimes, config);
    logins.map(|login| {
        let link = format!("nats://{login}@127.0.0.1:{}?replicas=1&streams=2", cluster.port(0));
        Nats::open(&Options::parse(&link).unwrap()).map(drop).map_err(|error| error.to_string())
    })
}

#[test]
fn who_has_the_password_or_the_token_comes_in_and_whoever_has_not_is_told_so() {
    let config = "authorization { user: joe, password: secret }\n";
    let [right, wrong] = open_each(config, ["joe:secret", "joe:wrong"]);
    right.unwrap();
    let text = wrong.unwrap_err();
    assert!(text.contains("refuses user \"joe\"") && !text.contains("wrong"), "{text}");

    let [right, wrong] = open_each("authorization { token: secret }\n", ["secret", "wrong"]);
    right.unwrap();
    let text = wrong.unwrap_err();
    assert!(text.contains("refuses the token given") && !text.contains("wrong"), "{text}");
}
