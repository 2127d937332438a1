//! What [`MailboxStore`] promises of the operator's decisions.

use super::{
    Engine,
    words::{
        account, claim, entries, own_keys, publish, publish_device, receipt, store_one, text, user,
    },
};
use crate::store::{
    Account, Answer, BANS_MAX, Ban, Claimed, Command, Decided, Decision, INVITES_MAX, Invite,
    InviteCode, MailboxSize, MailboxStore, Note,
};
use pychat_proto::{DisplayName, PublicKey, UserName};

fn decide(store: &mut dyn MailboxStore, decision: Decision) -> Decided {
    let answers = store.commit(&[Command::Decide(decision)]).unwrap();
    let [Answer::Decided(decided)] = answers[..] else { panic!("{answers:?}") };
    decided
}

fn code(text: &str) -> InviteCode {
    InviteCode::parse(text).unwrap()
}

fn invite(text: &str, uses: Option<u32>, expires_at: Option<u64>) -> Invite {
    Invite {
        code: code(text),
        uses,
        expires_at,
        note: Note::parse("for the crew").unwrap(),
        made_at: 7,
    }
}

fn claim_invited(account: Account, text: &str, at: u64) -> Command {
    Command::ClaimInvited { account, code: code(text), at }
}

fn claimed(store: &mut dyn MailboxStore, command: Command) -> Claimed {
    let answers = store.commit(&[command]).unwrap();
    let [Answer::Claim(claimed)] = answers[..] else { panic!("{answers:?}") };
    claimed
}

pub(in crate::store) fn a_freed_name_has_no_owner_no_mail_and_no_keys(engine: &mut impl Engine) {
    let store = engine.store();
    let keys = [publish_device("bob", 1, 100), publish("bob", 0, 3)];
    store.commit(&[claim("ann"), claim("bob")]).unwrap();
    store.commit(&keys).unwrap();
    let last = store_one(store, text("ann", 1, "bob", b"hi"));
    assert_eq!(decide(store, Decision::Free { user: user("bob") }), Decided::Done);
    assert_eq!(decide(store, Decision::Free { user: user("bob") }), Decided::NoSuchUser);
    assert_eq!(store.size().unwrap().accounts, 1);
    engine.crash();
    let store = engine.store();
    assert_eq!(store.account(&user("bob")), Ok(None));
    let heir = account("bob", 2, "Another", 9);
    assert_eq!(claimed(store, Command::Claim(heir.clone())), Claimed::New);
    assert_eq!(store.account(&user("bob")), Ok(Some(heir)));
    assert_eq!(own_keys(store, "bob").unwrap().device, Vec::<u8>::new());
    assert_eq!(entries(store, "bob"), []);
    // Its places are not used again.
    assert!(store_one(store, receipt("bob", b"")) > last);
}

pub(in crate::store) fn a_name_bound_to_another_key_keeps_its_mail_and_no_keys(
    engine: &mut impl Engine,
) {
    let store = engine.store();
    store.commit(&[claim("ann"), claim("bob"), publish_device("bob", 1, 100)]).unwrap();
    store_one(store, text("ann", 1, "bob", b"hi"));
    let key = PublicKey([9; 32]);
    assert_eq!(decide(store, Decision::Rebind { user: user("bob"), key }), Decided::Done);
    engine.crash();
    let store = engine.store();
    assert_eq!(store.account(&user("bob")).unwrap().unwrap().key, key);
    assert_eq!(entries(store, "bob").len(), 1);
    assert_eq!(own_keys(store, "bob").unwrap().device, Vec::<u8>::new());
    let eve = Decision::Rebind { user: user("eve"), key };
    assert_eq!(decide(store, eve), Decided::NoSuchUser);
}

pub(in crate::store) fn a_display_name_that_was_set_stays_until_it_is_given_back(
    engine: &mut impl Engine,
) {
    let store = engine.store();
    let shown = |store: &mut dyn MailboxStore| {
        store.account(&user("bob")).unwrap().unwrap().name.as_str().to_owned()
    };
    store.commit(&[Command::Claim(account("bob", 1, "Rude", 1))]).unwrap();
    let rename = |name: Option<&str>| Decision::Rename {
        user: user("bob"),
        name: name.map(|name| DisplayName::parse(name).unwrap()),
    };
    assert_eq!(decide(store, rename(Some("Bob"))), Decided::Done);
    engine.crash();
    let store = engine.store();
    let rude = Command::Claim(account("bob", 1, "Rude", 2));
    assert_eq!(claimed(store, rude.clone()), Claimed::Ours);
    assert_eq!(shown(store), "Bob");
    assert_eq!(decide(store, rename(None)), Decided::Done);
    assert_eq!(claimed(store, rude), Claimed::Ours);
    assert_eq!(shown(store), "Rude");
}

pub(in crate::store) fn bans_hold_until_they_are_lifted(engine: &mut impl Engine) {
    let ban = |reason: &str, since| Ban { reason: Note::parse(reason).unwrap(), since };
    let store = engine.store();
    for (name, reason) in [("eve", "spam"), ("bob", ""), ("eve", "more spam")] {
        let decision = Decision::Ban { user: user(name), ban: ban(reason, 5) };
        assert_eq!(decide(store, decision), Decided::Done);
    }
    engine.crash();
    let store = engine.store();
    assert_eq!(store.ban(&user("eve")), Ok(Some(ban("more spam", 5))));
    let names = |bans: Vec<(UserName, Ban)>| -> Vec<_> {
        bans.into_iter().map(|(name, _)| name.as_str().to_owned()).collect()
    };
    assert_eq!(names(store.bans(None, 9).unwrap()), ["bob", "eve"]);
    assert_eq!(names(store.bans(None, 1).unwrap()), ["bob"]);
    assert_eq!(names(store.bans(Some(&user("bob")), 9).unwrap()), ["eve"]);
    assert_eq!(decide(store, Decision::Unban { user: user("eve") }), Decided::Done);
    assert_eq!(decide(store, Decision::Unban { user: user("eve") }), Decided::NoSuchUser);
    engine.crash();
    assert_eq!(engine.store().ban(&user("eve")), Ok(None));
}

pub(in crate::store) fn a_purged_mailbox_is_empty_and_goes_on(engine: &mut impl Engine) {
    let store = engine.store();
    store.commit(&[claim("ann"), claim("bob")]).unwrap();
    let last = store_one(store, text("ann", 1, "bob", b"one"));
    assert_eq!(decide(store, Decision::Purge { mailbox: user("bob") }), Decided::Done);
    assert_eq!(entries(store, "bob"), []);
    engine.crash();
    let store = engine.store();
    assert_eq!(entries(store, "bob"), []);
    assert_eq!(store.mailboxes(Some(&user("ann")), 1).unwrap()[0].entries, 0);
    assert!(store_one(store, text("ann", 2, "bob", b"two")) > last);
    assert_eq!(decide(store, Decision::Purge { mailbox: user("eve") }), Decided::NoSuchUser);
}

pub(in crate::store) fn an_invite_lets_in_so_many_and_until_it_is_over(engine: &mut impl Engine) {
    let store = engine.store();
    let twice = Decision::Invite(invite("sesame", Some(2), Some(100)));
    assert_eq!(decide(store, twice.clone()), Decided::Done);
    assert_eq!(decide(store, twice), Decided::InviteExists);
    let batch = [
        claim_invited(account("ann", 1, "", 1), "sesame", 99),
        claim_invited(account("bob", 2, "", 1), "wrong", 99),
        claim_invited(account("bob", 2, "", 1), "sesame", 100),
        claim_invited(account("bob", 2, "", 1), "sesame", 99),
        claim_invited(account("eve", 3, "", 1), "sesame", 99),
        // Who has the name needs no invite, and another key gets none of it.
        claim_invited(account("ann", 1, "Ann", 2), "sesame", 99),
        claim_invited(account("ann", 3, "", 1), "sesame", 99),
    ];
    let expected = [
        Claimed::New,
        Claimed::NotInvited,
        Claimed::NotInvited,
        Claimed::New,
        Claimed::NotInvited,
        Claimed::Ours,
        Claimed::Taken,
    ];
    assert_eq!(store.commit(&batch).unwrap(), expected.map(Answer::Claim));
    engine.crash();
    let store = engine.store();
    assert_eq!(store.invite(&code("sesame")).unwrap().unwrap().uses, Some(0));
    assert_eq!(store.account(&user("eve")), Ok(None));
    assert_eq!(store.size().unwrap().accounts, 2);
    assert_eq!(decide(store, Decision::Revoke { code: code("sesame") }), Decided::Done);
    assert_eq!(decide(store, Decision::Revoke { code: code("sesame") }), Decided::NoSuchInvite);
    engine.crash();
    assert_eq!(engine.store().invites(), Ok(Vec::new()));
}

pub(in crate::store) fn an_invite_without_bounds_lasts(engine: &mut impl Engine) {
    let store = engine.store();
    let lasting = invite("crew", None, None);
    assert_eq!(decide(store, Decision::Invite(lasting.clone())), Decided::Done);
    let newcomer = claim_invited(account("ann", 1, "", 1), "crew", u64::MAX >> 1);
    assert_eq!(claimed(store, newcomer), Claimed::New);
    engine.crash();
    assert_eq!(engine.store().invites(), Ok(vec![lasting]));
}

pub(in crate::store) fn bans_and_invites_have_a_bound(engine: &mut impl Engine) {
    let store = engine.store();
    let ban = |number: usize| {
        let user = user(&format!("u{number}"));
        Command::Decide(Decision::Ban { user, ban: Ban { reason: Note::default(), since: 0 } })
    };
    let invite = |number: usize| {
        Command::Decide(Decision::Invite(invite(&format!("c{number}"), None, None)))
    };
    let all: Vec<Command> = (0..=BANS_MAX).map(ban).chain((0..=INVITES_MAX).map(invite)).collect();
    let answers = store.commit(&all).unwrap();
    let full = |decided: &Answer| *decided == Answer::Decided(Decided::Full);
    let refused: Vec<usize> =
        answers.iter().enumerate().filter(|(_, it)| full(it)).map(|(at, _)| at).collect();
    assert_eq!(refused, [BANS_MAX, all.len() - 1]);
    // One that is there can still be changed.
    assert_eq!(store.commit(&[ban(0)]).unwrap(), [Answer::Decided(Decided::Done)]);
}

pub(in crate::store) fn sizes_of_mailboxes_come_by_name(engine: &mut impl Engine) {
    let store = engine.store();
    store.commit(&[claim("ann"), claim("bob"), claim("cy")]).unwrap();
    store_one(store, text("ann", 1, "bob", b"one"));
    store_one(store, text("ann", 2, "bob", b"three"));
    store_one(store, receipt("cy", b"receipts count against no quota"));
    let size = |name, entries, bytes| MailboxSize { user: user(name), entries, bytes };
    let all = vec![size("ann", 0, 0), size("bob", 2, 8), size("cy", 0, 0)];
    assert_eq!(store.mailboxes(None, 9), Ok(all.clone()));
    engine.crash();
    let store = engine.store();
    assert_eq!(store.mailboxes(None, 9), Ok(all.clone()));
    assert_eq!(store.mailboxes(Some(&user("ann")), 1), Ok(all[1..2].to_vec()));
    let size = store.size().unwrap();
    assert_eq!(size.accounts, 3);
    assert!(size.recent <= 3 && size.bytes > 0, "{size:?}");
}
