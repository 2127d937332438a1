//! Target `sealed`: what comes in the body of a text, as a server may have made or changed it.

use pychat_e2e::{
    Content, Device, DeviceKey, Envelope, Identity, Prekey, PrekeyKind, Session, What,
};
use pychat_proto::{MessageId, SecretKey, UserName};

/// Two people with a session, and what one sealed for the other.
struct Pair {
    bob: Device,
    alice_key: DeviceKey,
    to_bob: Session,
    alice: Identity,
}

/// Which envelope is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    First,
    Later,
    Own,
}

/// Bytes that are read as they are have one encoding, or none. Sealed ones that are changed by as little as a
/// bit open for nobody, and what was not changed still opens afterwards.
pub fn sealed(data: &[u8]) {
    as_they_are(data);
    let (kind, edits) = match data.split_first() {
        Some((byte, edits)) => {
            ([Kind::First, Kind::Later, Kind::Own][usize::from(byte % 3)], edits)
        }
        None => (Kind::First, data),
    };
    changed(kind, edits);
}

fn as_they_are(data: &[u8]) {
    let alice = user("alice");
    if let Ok(envelope) = Envelope::decode(data) {
        assert_eq!(envelope.encode(), data, "an envelope has one encoding");
    }
    if let Ok(content) = Content::decode(data) {
        // A text that is no UTF-8 is shown with replacements, and is as long.
        assert_eq!(content.what.is_text(), data[0] == 1);
    }
    if let Ok(key) = DeviceKey::decode(data, &alice) {
        assert_eq!(key.encode(), data, "a device key has one encoding");
    }
    let device = DeviceKey::sign(&identity(1), &alice, [9; 32], 1);
    if let Ok(prekey) = Prekey::decode(data, &device) {
        assert_eq!(prekey.encode(), data, "a prekey has one encoding");
    }
}

fn changed(kind: Kind, edits: &[u8]) {
    let mut pair = Pair::new();
    let hello = content("hello");
    let first = pair.seal(&hello);
    let (sealed, mut session) = match kind {
        Kind::First => (first.encode(), None),
        Kind::Own => (Envelope::to_oneself(&pair.alice, &hello).encode(), None),
        Kind::Later => {
            let mut session = pair.take_up(&first).expect("what was not changed opens");
            let answer = session.seal(&pair.alice_key, &content("answer")).expect("it seals");
            pair.to_bob.open(&answer).expect("what was not changed opens");
            (pair.seal(&hello).encode(), Some(session))
        }
    };
    let mut bytes = sealed.clone();
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % bytes.len();
        bytes[at] ^= edit[2];
    }
    let mut opens = |bytes: &[u8]| {
        let envelope = Envelope::decode(bytes).ok()?;
        match (kind, &mut session) {
            (Kind::Own, _) => envelope.open_own(&pair.alice),
            (Kind::Later, Some(session)) => session.open(&envelope).ok(),
            (Kind::First | Kind::Later, _) => pair.open_first(&envelope),
        }
    };
    if bytes != sealed {
        assert_eq!(opens(&bytes), None, "{kind:?}: something changed, and it opened");
    }
    assert_eq!(opens(&sealed), Some(hello), "{kind:?}: what was not changed opens");
}

impl Pair {
    fn new() -> Self {
        let (alice, bobs) = (identity(1), identity(2));
        let (device, mut bob) = (Device::new(), Device::new());
        let alice_key = DeviceKey::sign(&alice, &user("alice"), device.olm_key(), 1);
        let bob_key = DeviceKey::sign(&bobs, &user("bob"), bob.olm_key(), 1);
        bob.make_one_time_keys(1);
        let prekey = Prekey::sign(&bobs, &bob_key.olm, PrekeyKind::OneTime, bob.unpublished()[0]);
        let to_bob = device.begin(&bob_key, &prekey).expect("the keys are good");
        Self { bob, alice_key, to_bob, alice }
    }

    fn seal(&mut self, content: &Content) -> Envelope {
        self.to_bob.seal(&self.alice_key, content).expect("a session seals")
    }

    fn take_up(&mut self, envelope: &Envelope) -> Option<Session> {
        self.opened(envelope).map(|(session, _)| session)
    }

    fn open_first(&mut self, envelope: &Envelope) -> Option<Content> {
        self.opened(envelope).map(|(_, content)| content)
    }

    fn opened(&mut self, envelope: &Envelope) -> Option<(Session, Content)> {
        let Envelope::First { device, message } = envelope else { return None };
        let from = DeviceKey::decode(device, &user("alice")).ok()?;
        let opened = Session::take_up(&mut self.bob, &from, message).ok()?;
        Some((opened.session, opened.content))
    }
}

fn identity(seed: u8) -> Identity {
    Identity::new(&SecretKey::from_bytes([seed; 32]))
}

fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a user name")
}

fn content(text: &str) -> Content {
    Content { id: MessageId::from_bytes([3; 16]), sent_at: 7, what: What::Text(text.into()) }
}
