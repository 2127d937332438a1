//! What a text costs the two daemons beyond sending it: `cargo bench -p pychat-e2e`.

use divan::Bencher;
use pychat_e2e::{Content, Device, DeviceKey, Identity, Prekey, PrekeyKind, Session, Vault, What};
use pychat_proto::{MessageId, SecretKey, UserName};

fn main() {
    divan::main();
}

struct Pair {
    keys: [DeviceKey; 2],
    sessions: [Session; 2],
    vault: Vault,
}

fn person(name: &str, seed: u8) -> (Identity, Device, DeviceKey) {
    let identity = Identity::new(&SecretKey::from_bytes([seed; 32]));
    let device = Device::new();
    let user = UserName::parse(name).expect("a name");
    let key = DeviceKey::sign(&identity, &user, device.olm_key(), 1);
    (identity, device, key)
}

fn content() -> Content {
    let text = "x".repeat(100);
    Content { id: MessageId::from_bytes([1; 16]), sent_at: 5, what: What::Text(text) }
}

fn pair() -> Pair {
    let (identity, alice, alice_key) = person("alice", 1);
    let (theirs, mut bob, bob_key) = person("bob", 2);
    bob.make_one_time_keys(1);
    let prekey = Prekey::sign(&theirs, &bob_key.olm, PrekeyKind::OneTime, bob.unpublished()[0]);
    let mut to_bob = alice.begin(&bob_key, &prekey).expect("keys are good");
    let first = to_bob.seal(&alice_key, &content()).expect("a session seals");
    let pychat_e2e::Envelope::First { message, .. } = &first else { unreachable!("the first") };
    let mut to_alice = Session::take_up(&mut bob, &alice_key, message).expect("it opens").session;
    let answer = to_alice.seal(&bob_key, &content()).expect("a session seals");
    to_bob.open(&answer).expect("it opens");
    let vault = Vault::for_disk(&identity);
    Pair { keys: [alice_key, bob_key], sessions: [to_bob, to_alice], vault }
}

/// Seal, open, in one direction.
#[divan::bench]
fn seal_and_open(bencher: Bencher<'_, '_>) {
    let Pair { keys, sessions: [mut to_bob, mut to_alice], .. } = pair();
    bencher.bench_local(|| {
        let sealed = to_bob.seal(&keys[0], &content()).expect("a session seals");
        to_alice.open(&sealed).expect("it opens")
    });
}

/// Seal, open, in turns: each turn is a Diffie-Hellman step of the ratchet.
#[divan::bench]
fn ping_pong(bencher: Bencher<'_, '_>) {
    let Pair { keys, sessions: [mut to_bob, mut to_alice], .. } = pair();
    bencher.bench_local(|| {
        let sealed = to_bob.seal(&keys[0], &content()).expect("a session seals");
        to_alice.open(&sealed).expect("it opens");
        let sealed = to_alice.seal(&keys[1], &content()).expect("a session seals");
        to_bob.open(&sealed).expect("it opens")
    });
}

/// A session to the disk's form and back.
#[divan::bench]
fn to_disk_and_back(bencher: Bencher<'_, '_>) {
    let Pair { sessions: [to_bob, _], vault, .. } = pair();
    bencher.bench_local(|| {
        Session::from_disk(&vault, &to_bob.to_disk(&vault)).expect("it was just sealed")
    });
}

/// A session begun and taken up: what the first text costs beyond that.
#[divan::bench]
fn first_contact(bencher: Bencher<'_, '_>) {
    bencher.bench_local(pair);
}
