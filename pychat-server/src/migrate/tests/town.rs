//! A store in which everything is that there can be, and all that it tells.

use crate::store::{
    Account, Ban, Command, Decision, Entry, Invite, InviteCode, MailboxSize, MailboxStore, Note,
    contract::words::{
        self, ALL, LAPTOP, PHONE, advance, claim, claim_prekey, placed, publish, publish_device,
        raise, receipt, records, reserve, text, trim, user,
    },
};
use pychat_proto::{Cursor, DisplayName, PublicKey, Seq, StreamId, UserName, chat::OwnKeys};

/// Fills a store with people in every state that the contract knows.
pub(super) fn build(store: &mut dyn MailboxStore) {
    let claimed =
        ["ann", "bob", "carol", "dave", "eve", "fred", "gina", "hugo", "ivy", "judy", "kim"];
    let claims: Vec<Command> = claimed.map(claim).into();
    store.commit(&claims).unwrap();
    keys(store);
    mailboxes(store);
    decisions(store);
    store.flush().unwrap();
}

fn keys(store: &mut dyn MailboxStore) {
    let batch = [
        // Some were taken.
        publish_device("ann", 1, 2),
        publish("ann", 0, 10),
        claim_prekey("ann"),
        claim_prekey("ann"),
        // All were taken.
        publish_device("bob", 3, 4),
        publish("bob", 5, 1),
        claim_prekey("bob"),
        // None was ever there.
        publish_device("carol", 5, 6),
        // They go with the name.
        publish_device("fred", 7, 8),
        publish("fred", 0, 3),
        publish_device("gina", 9, 9),
    ];
    store.commit(&batch).unwrap();
}

fn mailboxes(store: &mut dyn MailboxStore) {
    // Bob has some that are trimmed, texts of several records, and receipts between them.
    for seq in 1..=20 {
        let body = format!("text {seq}");
        store.commit(&[text("ann", seq, "bob", body.as_bytes())]).unwrap();
        store.commit(&[receipt("bob", format!("receipt {seq}").as_bytes())]).unwrap();
    }
    store.commit(&[records("ann", PHONE, 1, 7, "bob", b"long"), trim("bob", 13)]).unwrap();
    // All that Carol got is trimmed.
    store.commit(&[text("bob", 1, "carol", b"gone"), trim("carol", u64::MAX >> 2)]).unwrap();
    // Dave's client knows more than the server, and Eve's places were set aside.
    store.commit(&[raise("dave", 5000), reserve("eve", 3000)]).unwrap();
    // Somebody whose name nobody has wrote.
    store.commit(&[text("nobody", 1, "bob", b"from nobody")]).unwrap();
    // Fred's and Hugo's is emptied.
    let to = |name: &'static str, seq| text("dave", seq, name, b"is emptied");
    store.commit(&[to("fred", 1), to("hugo", 2), to("hugo", 3)]).unwrap();
    // Judy's is more than fits into one message, or into one piece.
    for seq in 1..=90 {
        let body = vec![seq as u8; 30_000];
        let text = records("eve", LAPTOP, seq, seq, "judy", &body[..10_000 + 200 * seq as usize]);
        store.commit(&[text]).unwrap();
    }
    // Kim's entries have their places, with gaps, and one was out of turn.
    store.commit(&[placed("kim", 1, "kim", 10, b"a"), placed("kim", 2, "kim", 25, b"b")]).unwrap();
    store.commit(&[placed("kim", 9, "kim", 26, b"out of turn"), receipt("kim", b"")]).unwrap();
    // Ivy has had more outboxes than are remembered, and used an early one again.
    for stream in (10..19_u8).chain([12]) {
        let up_to = u64::from(stream) + 2;
        store.commit(&[advance("ivy", StreamId([stream; 16]), up_to)]).unwrap();
    }
    store.commit(&[advance("ivy", StreamId([12; 16]), 99)]).unwrap();
}

fn decisions(store: &mut dyn MailboxStore) {
    let ban = |reason: &str, since| Ban { reason: Note::parse(reason).unwrap(), since };
    let invite = |code: &str, uses, expires_at| {
        let (code, note) = (InviteCode::parse(code).unwrap(), Note::parse("für Zoë").unwrap());
        Decision::Invite(Invite { code, uses, expires_at, note, made_at: 5 })
    };
    let decisions = [
        Decision::Free { user: user("fred") },
        Decision::Rebind { user: user("gina"), key: PublicKey([9; 32]) },
        Decision::Rename { user: user("ann"), name: Some(DisplayName::parse("Änn").unwrap()) },
        Decision::Purge { mailbox: user("hugo") },
        Decision::Ban { user: user("eve"), ban: ban("spam", 7) },
        Decision::Ban { user: user("mallory"), ban: ban("", 8) },
        Decision::Ban { user: user("dave"), ban: ban("a mistake", 9) },
        Decision::Unban { user: user("dave") },
        invite("open", None, None),
        invite("twice", Some(2), Some(1000)),
        invite("used-up", Some(1), None),
        invite("gone.*>", Some(1), None),
        Decision::Revoke { code: InviteCode::parse("gone.*>").unwrap() },
    ];
    store.commit(&decisions.map(Command::Decide)).unwrap();
    let account = words::account("newcomer", 8, "New", 11);
    let code = InviteCode::parse("used-up").unwrap();
    store.commit(&[Command::ClaimInvited { account, code, at: 0 }]).unwrap();
    store.commit(&[text("dave", 4, "hugo", b"after it was emptied")]).unwrap();
}

/// All that a store tells of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    accounts: Vec<Account>,
    people: Vec<Person>,
    sizes: Vec<MailboxSize>,
    bans: Vec<(UserName, Ban)>,
    invites: Vec<Invite>,
}

#[derive(Debug, PartialEq, Eq)]
struct Person {
    name: &'static str,
    entries: Vec<Entry>,
    keys: Option<OwnKeys>,
    positions: Vec<Seq>,
}

/// Everybody who was ever named in the town.
const NAMES: [&str; 14] = [
    "ann", "bob", "carol", "dave", "eve", "fred", "gina", "hugo", "ivy", "judy", "kim", "mallory",
    "newcomer", "nobody",
];

/// Looks at all of it. Nothing is changed.
pub(super) fn seen(store: &mut dyn MailboxStore) -> Seen {
    let people = NAMES.map(|name| {
        let streams = [LAPTOP, PHONE].into_iter().chain((10..19).map(|it| StreamId([it; 16])));
        let positions: Vec<Seq> =
            streams.map(|stream| store.position(&user(name), stream).unwrap()).collect();
        let entries = store.read(&user(name), Cursor::NONE, ALL).unwrap().entries;
        Person { name, entries, keys: store.keys(&user(name)).unwrap(), positions }
    });
    Seen {
        accounts: store.accounts(None, 100).unwrap(),
        people: people.into(),
        sizes: store.mailboxes(None, 100).unwrap(),
        bans: store.bans(None, 100).unwrap(),
        invites: store.invites().unwrap(),
    }
}
