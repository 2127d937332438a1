//! Two people, from the first text on: what opens where, and what does not.

use pychat_e2e::{
    Content, Device, DeviceKey, Envelope, Identity, Opened, Prekey, PrekeyKind, Session,
    Unopenable, Vault, What,
};
use pychat_proto::{MessageId, SecretKey, UserName, chat::SEALED_BYTES_MAX, chat::TEXT_BYTES_MAX};

struct Person {
    identity: Identity,
    device: Device,
    key: DeviceKey,
}

impl Person {
    fn new(name: &str, seed: u8) -> Self {
        let identity = Identity::new(&SecretKey::from_bytes([seed; 32]));
        let device = Device::new();
        let user = UserName::parse(name).unwrap();
        let key = DeviceKey::sign(&identity, &user, device.olm_key(), 1);
        Self { identity, device, key }
    }

    fn one_time_key(&mut self) -> Prekey {
        self.device.make_one_time_keys(1);
        let key = self.device.unpublished()[0];
        self.device.mark_published();
        Prekey::sign(&self.identity, &self.key.olm, PrekeyKind::OneTime, key)
    }

    fn fallback_key(&mut self) -> Prekey {
        let key = self.device.make_fallback_key();
        self.device.mark_published();
        Prekey::sign(&self.identity, &self.key.olm, PrekeyKind::Fallback, key)
    }

    fn begin_with(&self, other: &mut Self) -> Session {
        let prekey = other.one_time_key();
        self.device.begin(&other.key, &prekey).unwrap()
    }

    fn take_up(
        &mut self,
        from: &DeviceKey,
        envelope: &Envelope,
    ) -> Result<Opened<Session>, Unopenable> {
        let Envelope::First { message, .. } = envelope else { panic!("{envelope:?}") };
        Session::take_up(&mut self.device, from, message)
    }
}

fn text(text: &str) -> Content {
    let id = MessageId::from_bytes([text.len() as u8; 16]);
    Content { id, sent_at: 5, what: What::Text(text.into()) }
}

fn carried(envelope: &Envelope) -> Envelope {
    Envelope::decode(&envelope.encode()).unwrap()
}

#[test]
fn two_people_write_to_each_other() {
    let (alice, mut bob) = (Person::new("alice", 1), Person::new("bob", 2));
    let mut to_bob = alice.begin_with(&mut bob);
    let first = to_bob.seal(&alice.key, &text("hi")).unwrap();
    let second = to_bob.seal(&alice.key, &text("there")).unwrap();
    let Opened { session: mut to_alice, content } =
        bob.take_up(&alice.key, &carried(&first)).unwrap();
    assert_eq!(content, text("hi"));
    assert_eq!(to_alice.id(), to_bob.id());
    assert_eq!(to_alice.open(&carried(&second)), Ok(text("there")));
    for round in 0..5 {
        let answer = to_alice.seal(&bob.key, &text(&format!("a{round}"))).unwrap();
        assert!(matches!(answer, Envelope::Later(_)));
        assert_eq!(to_bob.open(&carried(&answer)), Ok(text(&format!("a{round}"))));
        let question = to_bob.seal(&alice.key, &text(&format!("q{round}"))).unwrap();
        assert!(matches!(question, Envelope::Later(_)), "bob has answered");
        assert_eq!(to_alice.open(&carried(&question)), Ok(text(&format!("q{round}"))));
    }
}

#[test]
fn a_repetition_opens_once() {
    let (alice, mut bob) = (Person::new("alice", 1), Person::new("bob", 2));
    let mut to_bob = alice.begin_with(&mut bob);
    let first = to_bob.seal(&alice.key, &text("hi")).unwrap();
    let mut opened = bob.take_up(&alice.key, &first).unwrap();
    assert_eq!(opened.session.open(&first), Err(Unopenable::NoSession));
    assert_eq!(bob.take_up(&alice.key, &first).err(), Some(Unopenable::NoSession));
}

#[test]
fn a_one_time_key_that_was_handed_out_twice_opens_for_the_first_only() {
    let (alice, carol) = (Person::new("alice", 1), Person::new("carol", 3));
    let mut bob = Person::new("bob", 2);
    let key = bob.one_time_key();
    let mut of_alice = alice.device.begin(&bob.key, &key).unwrap();
    let mut of_carol = carol.device.begin(&bob.key, &key).unwrap();
    let hi = of_alice.seal(&alice.key, &text("hi")).unwrap();
    let ho = of_carol.seal(&carol.key, &text("ho")).unwrap();
    assert!(bob.take_up(&alice.key, &hi).is_ok());
    assert_eq!(bob.take_up(&carol.key, &ho).err(), Some(Unopenable::NoSession));
}

#[test]
fn two_hundred_strangers_get_by_with_fifty_one_time_keys_and_the_fallback() {
    let mut bob = Person::new("bob", 2);
    let fallback = bob.fallback_key();
    let mut keys: Vec<Prekey> = (0..50).map(|_| bob.one_time_key()).collect();
    let sealed: Vec<(DeviceKey, Envelope)> = (0..200)
        .map(|n| {
            let person = Person::new(&format!("u{n}"), n as u8);
            let key = keys.pop().unwrap_or(fallback);
            let mut session = person.device.begin(&bob.key, &key).unwrap();
            (person.key, session.seal(&person.key, &text("hi")).unwrap())
        })
        .collect();
    for (key, envelope) in sealed {
        assert_eq!(bob.take_up(&key, &envelope).unwrap().content, text("hi"));
    }
}

#[test]
fn the_fallback_before_the_latest_still_opens() {
    let (alice, mut bob) = (Person::new("alice", 1), Person::new("bob", 2));
    let keys = [bob.fallback_key(), bob.fallback_key(), bob.fallback_key()];
    let opens = keys.map(|key| {
        let mut session = alice.device.begin(&bob.key, &key).unwrap();
        let sealed = session.seal(&alice.key, &text("hi")).unwrap();
        bob.take_up(&alice.key, &sealed).is_ok()
    });
    assert_eq!(opens, [false, true, true]);
}

#[test]
fn nobody_begins_a_session_in_anothers_name() {
    let (alice, mallory) = (Person::new("alice", 1), Person::new("mallory", 4));
    let mut bob = Person::new("bob", 2);
    let mut session = mallory.begin_with(&mut bob);
    let sealed = session.seal(&alice.key, &text("hi")).unwrap();
    assert_eq!(bob.take_up(&alice.key, &sealed).err(), Some(Unopenable::NoSession));
}

#[test]
fn a_stranger_opens_nothing() {
    let (alice, mut bob) = (Person::new("alice", 1), Person::new("bob", 2));
    let mut carol = Person::new("carol", 3);
    let mut to_bob = alice.begin_with(&mut bob);
    let first = to_bob.seal(&alice.key, &text("hi")).unwrap();
    assert!(carol.take_up(&alice.key, &first).is_err());
    let own = Envelope::to_oneself(&alice.identity, &text("mine"));
    assert_eq!(carried(&own).open_own(&alice.identity), Some(text("mine")));
    assert_eq!(carried(&own).open_own(&carol.identity), None);
    assert_eq!(first.open_own(&alice.identity), None);
    assert_eq!(to_bob.open(&own), Err(Unopenable::NoSession));
}

#[test]
fn a_changed_bit_opens_nothing_and_loses_nothing() {
    let (alice, mut bob) = (Person::new("alice", 1), Person::new("bob", 2));
    let mut to_bob = alice.begin_with(&mut bob);
    let first = to_bob.seal(&alice.key, &text("hi")).unwrap();
    let mut to_alice = bob.take_up(&alice.key, &first).unwrap().session;
    let answer = to_alice.seal(&bob.key, &text("ho")).unwrap().encode();
    for bit in 0..answer.len() * 8 {
        let mut flipped = answer.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(envelope) = Envelope::decode(&flipped) {
            assert!(to_bob.open(&envelope).is_err(), "bit {bit}");
        }
    }
    assert_eq!(to_bob.open(&Envelope::decode(&answer).unwrap()), Ok(text("ho")));
}

#[test]
fn what_was_left_out_or_came_late_opens() {
    let (alice, mut bob) = (Person::new("alice", 1), Person::new("bob", 2));
    let mut to_bob = alice.begin_with(&mut bob);
    let sealed: Vec<Envelope> =
        (0..30).map(|n| to_bob.seal(&alice.key, &text(&"x".repeat(n))).unwrap()).collect();
    let mut to_alice = bob.take_up(&alice.key, &sealed[3]).unwrap().session;
    for n in (4..30).rev().chain(0..3) {
        assert_eq!(to_alice.open(&sealed[n]), Ok(text(&"x".repeat(n))), "{n}");
    }
}

#[test]
fn a_session_survives_the_disk_at_every_step() {
    let (alice, mut bob) = (Person::new("alice", 1), Person::new("bob", 2));
    let vault = Vault::for_disk(&alice.identity);
    let stored = |session: Session| Session::from_disk(&vault, &session.to_disk(&vault)).unwrap();
    let mut to_bob = stored(alice.begin_with(&mut bob));
    let first = to_bob.seal(&alice.key, &text("hi")).unwrap();
    let mut to_alice = stored(bob.take_up(&alice.key, &first).unwrap().session);
    for _ in 0..5 {
        to_bob = stored(to_bob);
        let answer = to_alice.seal(&bob.key, &text("ho")).unwrap();
        assert_eq!(to_bob.open(&answer), Ok(text("ho")));
        to_alice = stored(to_alice);
        let question = to_bob.seal(&alice.key, &text("hm")).unwrap();
        assert_eq!(to_alice.open(&question), Ok(text("hm")));
    }
    assert!(Session::from_disk(&vault, b"noise").is_err());
}

#[test]
fn the_longest_text_fits_what_the_server_takes() {
    let (alice, mut bob) = (Person::new("alice", 1), Person::new("bob", 2));
    let mut to_bob = alice.begin_with(&mut bob);
    let longest = text(&"x".repeat(TEXT_BYTES_MAX));
    let first = to_bob.seal(&alice.key, &longest).unwrap();
    assert!(first.encode().len() <= SEALED_BYTES_MAX, "{}", first.encode().len());
}

#[test]
fn noise_is_no_envelope() {
    for noise in
        [&b""[..], b"\x00", b"\x01", b"\x01\x02\x03", b"\x02", b"\x02\xff\xff", b"\x04abc", b"hi"]
    {
        assert!(Envelope::decode(noise).is_err(), "{noise:?}");
    }
}
