//! Every postcard payload.

use super::Vectors;
use crate::{
    CloseCode, Cursor, DisplayName, MessageId, UserName,
    chat::{
        self, Call, LoginPayload, LoginReply, MailboxEntry, Note, OwnKeys, Prekey, Presence, Reply,
        ToClient, ToServer, UserKeys, UserState,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

const TIME: u64 = 1_700_000_000_000;

fn put<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    to: &mut Vectors,
    name: &str,
    value: &T,
) {
    let bytes = chat::encode(value);
    assert_eq!(chat::decode::<T>(&bytes).as_ref(), Ok(value));
    to.put(name, &bytes);
}

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn alice() -> UserState {
    UserState {
        user: user("alice"),
        name: DisplayName::parse("Alice").unwrap(),
        presence: Presence::Away,
        since: TIME,
    }
}

fn id(last: u8) -> MessageId {
    MessageId::new(TIME, [0, 1, 2, 3, 4, 5, 6, 7, 8, last])
}

#[test]
fn payloads_have_their_exact_bytes() {
    let mut to = Vectors::new("payloads.txt");
    to.comment(
        "LoginPayload: alice, \"Alice\", stream 09.., cursor 300; without and with an invite.",
    );
    let mut login = LoginPayload {
        user: user("alice"),
        name: DisplayName::parse("Alice").unwrap(),
        stream: [9; 16],
        cursor: Cursor(300),
        invite: None,
    };
    put(&mut to, "login", &login);
    login.invite = Some("code".into());
    put(&mut to, "login_invite", &login);

    to.comment(
        "LoginReply: connection id 0x0300000000000007, token 05.., committed 300, the time.",
    );
    let welcome = LoginReply::Welcome {
        connection_id: 0x0300_0000_0000_0007,
        reset_token: [5; 16],
        committed: 300,
        server_time: TIME,
    };
    put(&mut to, "reply_welcome", &welcome);
    let refused = LoginReply::Refused {
        code: CloseCode::NameTaken.code(),
        retry_after_ms: 1500,
        reason: "taken".into(),
    };
    put(&mut to, "reply_refused", &refused);

    to.comment("ToServer: to bob, \"hi\" for what is sealed.");
    let (to_user, body) = (user("bob"), b"hi".to_vec());
    put(&mut to, "to_server_text", &ToServer::Text { id: id(9), to: to_user, body });
    put(&mut to, "to_server_read", &ToServer::Read { to: user("bob"), ids: vec![id(9), id(10)] });

    to.comment("MailboxEntry: cursor 300, then a ToClient.");
    let entry = |entry| MailboxEntry { cursor: Cursor(300), entry };
    let text = ToClient::Text {
        id: id(9),
        from: user("alice"),
        name: DisplayName::parse("Alice").unwrap(),
        accepted_at: TIME + 1,
        body: b"hi".to_vec(),
    };
    put(&mut to, "to_client_text", &entry(text));
    let (by, ids) = (user("bob"), vec![id(9)]);
    let delivered = ToClient::Delivered { by, ids: ids.clone(), at: TIME };
    put(&mut to, "to_client_delivered", &entry(delivered));
    put(&mut to, "to_client_read", &entry(ToClient::Read { by, ids, at: TIME }));

    to.comment("Call and Reply.");
    put(&mut to, "call_users_first", &Call::Users { after: None, offline_too: true });
    let after = Some(user("alice"));
    put(&mut to, "call_users_next", &Call::Users { after, offline_too: false });
    put(&mut to, "call_user", &Call::User { name: user("alice") });
    put(&mut to, "reply_users", &Reply::Users { users: vec![alice()], more: true });
    put(&mut to, "reply_user", &Reply::User(Some(alice())));
    put(&mut to, "reply_user_none", &Reply::User(None));
    put(&mut to, "reply_try_later", &Reply::TryLater);

    to.comment(
        "End-to-end keys: device 0d0d, fallback 0f, one-time keys 0a and 0b0b from number 300.",
    );
    let (device, fallback) = (vec![0x0d; 2], vec![0x0f]);
    put(&mut to, "call_own_keys", &Call::OwnKeys);
    let publish = Call::PublishDevice { device: device.clone(), fallback: fallback.clone() };
    put(&mut to, "call_publish_device", &publish);
    let keys = vec![Prekey(vec![0x0a]), Prekey(vec![0x0b; 2])];
    put(&mut to, "call_publish_prekeys", &Call::PublishPrekeys { first: 300, keys });
    put(&mut to, "call_user_keys", &Call::UserKeys { user: user("alice"), claim: false });
    put(&mut to, "call_claim", &Call::UserKeys { user: user("alice"), claim: true });
    let own = OwnKeys { device: device.clone(), fallback, unused: 2, next: 302 };
    put(&mut to, "reply_own_keys", &Reply::OwnKeys(own));
    let keys = UserKeys { device, prekey: vec![0x0a] };
    put(&mut to, "reply_user_keys", &Reply::UserKeys(Some(keys)));
    put(&mut to, "reply_user_keys_none", &Reply::UserKeys(None));

    to.comment("Note.");
    put(&mut to, "note_presence", &Note::Presence(alice()));
    put(&mut to, "note_not_storing", &Note::NotStoring);
    put(&mut to, "note_notice", &Note::Notice { text: "back at noon".into() });
    let places = ["a.example.org:7420", "[2001:db8::1]:7421"];
    let nodes = places.map(|place| place.parse().unwrap()).to_vec();
    put(&mut to, "note_nodes", &Note::Nodes { nodes });
    to.check();
}
