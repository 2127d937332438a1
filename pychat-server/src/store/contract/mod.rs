//! What [`MailboxStore`] promises: one test for each promise, run on every engine.

mod keys;
mod operator;
pub(crate) mod words;

use crate::store::{
    Answer,
    Appended::{Duplicate, Full, NoSuchUser, Stored},
    Claimed, Command, MailboxStore, Quota, ReadLimit,
};
use pychat_proto::Cursor;
use words::{
    ALL, LAPTOP, PHONE, account, advance, append, bodies, claim, entries, page, placed, position,
    raise, receipt, records, reserve, safe_text, store_one, stored, take, text, trim, user,
};

/// An engine under test.
pub(in crate::store) trait Engine {
    /// A fresh store.
    fn new(quota: Quota) -> Self;
    /// The store.
    fn store(&mut self) -> &mut dyn MailboxStore;
    /// Pulls the plug, and opens again what is on disk.
    fn crash(&mut self);
}

/// Runs every promise on an engine.
macro_rules! contract {
    ($engine:ty) => {
        $crate::store::contract::contract!($engine:
            entries_are_read_in_the_order_of_their_cursors,
            what_was_committed_survives_a_crash,
            every_command_has_an_answer_at_its_index,
            a_record_is_stored_once,
            a_message_of_several_records_moves_the_position_past_all,
            a_record_out_of_turn_is_stored_and_moves_no_position,
            what_is_safe_elsewhere_counts_as_before,
            an_entry_keeps_the_place_that_it_has,
            an_entry_with_a_place_counts_against_no_quota,
            places_set_aside_are_never_handed_out_again,
            streams_do_not_depend_on_each_other,
            positions_survive_a_crash_and_the_trim_of_what_told_them,
            a_full_mailbox_takes_no_texts_and_leaves_no_trace,
            bytes_count_against_the_quota_too,
            the_server_writes_beyond_any_quota,
            a_trim_makes_room_within_its_batch,
            room_is_counted_anew_after_a_crash,
            nobody_has_no_mailbox,
            a_claim_counts_within_its_batch,
            refused_appends_move_no_position,
            advance_only_moves_forward,
            advance_survives_a_crash,
            trimmed_entries_are_gone_at_once,
            a_trim_ahead_of_the_mailbox_takes_nothing_to_come,
            cursors_are_never_reused_when_all_was_trimmed,
            cursors_are_never_reused_after_a_crash,
            raise_starts_cursors_after_it,
            raise_survives_a_crash,
            raise_below_changes_nothing,
            to_take_a_mailbox_raises_it_and_keeps_its_entries,
            a_name_belongs_to_the_key_that_claimed_it_first,
            the_owner_changes_the_display_name,
            a_repeated_claim_keeps_the_time,
            accounts_survive_a_crash,
            accounts_come_by_name,
            a_page_ends_at_the_limit_of_entries,
            a_page_ends_at_the_limit_of_bytes,
            a_page_has_one_entry_whatever_its_size,
            a_page_begins_after_its_cursor,
            mailboxes_do_not_see_each_other,
            keys_survive_a_crash,
            nobody_has_no_keys,
            a_prekey_is_handed_out_once_and_the_oldest_first,
            a_prekey_number_is_never_taken_again,
            another_device_begins_anew,
            the_same_device_with_another_fallback_changes_that_alone,
            prekeys_beyond_the_most_are_passed_over_and_may_come_again,
            the_fallback_is_handed_out_when_no_prekey_is_left,
            a_user_without_a_device_has_no_prekeys,
            prekey_numbers_end_at_their_bound,
            keys_of_users_do_not_mix,
            a_freed_name_has_no_owner_no_mail_and_no_keys,
            a_name_bound_to_another_key_keeps_its_mail_and_no_keys,
            a_display_name_that_was_set_stays_until_it_is_given_back,
            bans_hold_until_they_are_lifted,
            a_purged_mailbox_is_empty_and_goes_on,
            an_invite_lets_in_so_many_and_until_it_is_over,
            an_invite_without_bounds_lasts,
            bans_and_invites_have_a_bound,
            sizes_of_mailboxes_come_by_name,
            an_empty_batch_is_nothing,
            flush_changes_no_answer,
        );
    };
    ($engine:ty: $($promise:ident,)*) => {
        $(#[test]
        fn $promise() {
            $crate::store::contract::$promise(&mut <$engine as $crate::store::contract::Engine>::new($crate::store::contract::words::ROOMY));
        })*
    };
}
pub(in crate::store) use contract;
pub(in crate::store) use keys::{
    a_prekey_is_handed_out_once_and_the_oldest_first, a_prekey_number_is_never_taken_again,
    a_user_without_a_device_has_no_prekeys, another_device_begins_anew, keys_of_users_do_not_mix,
    keys_survive_a_crash, nobody_has_no_keys, prekey_numbers_end_at_their_bound,
    prekeys_beyond_the_most_are_passed_over_and_may_come_again,
    the_fallback_is_handed_out_when_no_prekey_is_left,
    the_same_device_with_another_fallback_changes_that_alone,
};
pub(in crate::store) use operator::{
    a_display_name_that_was_set_stays_until_it_is_given_back,
    a_freed_name_has_no_owner_no_mail_and_no_keys,
    a_name_bound_to_another_key_keeps_its_mail_and_no_keys, a_purged_mailbox_is_empty_and_goes_on,
    an_invite_lets_in_so_many_and_until_it_is_over, an_invite_without_bounds_lasts,
    bans_and_invites_have_a_bound, bans_hold_until_they_are_lifted,
    sizes_of_mailboxes_come_by_name,
};

pub(in crate::store) fn entries_are_read_in_the_order_of_their_cursors(engine: &mut impl Engine) {
    let store = engine.store();
    store.commit(&[claim("bob"), text("ann", 1, "bob", b"1"), receipt("bob", b"2")]).unwrap();
    store.commit(&[text("ann", 2, "bob", b"3")]).unwrap();
    let all = page(store, "bob", 0, ALL);
    assert_eq!(bodies(&all), [b"1", b"2", b"3"]);
    assert!(all.entries.is_sorted_by(|a, b| a.cursor < b.cursor));
    assert!(!all.more);
}

pub(in crate::store) fn what_was_committed_survives_a_crash(engine: &mut impl Engine) {
    engine
        .store()
        .commit(&[claim("bob"), text("ann", 1, "bob", b"1"), receipt("bob", b"2")])
        .unwrap();
    let before = entries(engine.store(), "bob");
    engine.crash();
    assert_eq!(entries(engine.store(), "bob"), before);
    assert_eq!(position(engine.store(), "ann", LAPTOP), 1);
}

pub(in crate::store) fn every_command_has_an_answer_at_its_index(engine: &mut impl Engine) {
    let store = engine.store();
    let batch = [
        claim("bob"),
        text("ann", 1, "bob", b"1"),
        advance("ann", LAPTOP, 2),
        trim("bob", 1),
        raise("bob", 1),
    ];
    let answers = store.commit(&batch).unwrap();
    assert!(matches!(
        answers[..],
        [Answer::Claim(_), Answer::Append(_), Answer::Done, Answer::Done, Answer::Done]
    ));
}

pub(in crate::store) fn a_record_is_stored_once(engine: &mut impl Engine) {
    let store = engine.store();
    store.commit(&[claim("bob")]).unwrap();
    let once = text("ann", 1, "bob", b"1");
    assert_eq!(append(store, &[once.clone(), once.clone()])[1], Duplicate);
    assert_eq!(append(store, std::slice::from_ref(&once)), [Duplicate]);
    engine.crash();
    assert_eq!(append(engine.store(), &[once]), [Duplicate]);
    assert_eq!(entries(engine.store(), "bob").len(), 1);
}

pub(in crate::store) fn a_message_of_several_records_moves_the_position_past_all(
    engine: &mut impl Engine,
) {
    let store = engine.store();
    store.commit(&[claim("bob")]).unwrap();
    store_one(store, records("ann", LAPTOP, 1, 5, "bob", b"long"));
    assert_eq!(position(store, "ann", LAPTOP), 5);
    store_one(store, text("ann", 6, "bob", b"next"));
}

pub(in crate::store) fn a_record_out_of_turn_is_stored_and_moves_no_position(
    engine: &mut impl Engine,
) {
    let store = engine.store();
    store.commit(&[claim("bob")]).unwrap();
    store_one(store, text("ann", 1, "bob", b"1"));
    store_one(store, text("ann", 3, "bob", b"3"));
    assert_eq!(position(store, "ann", LAPTOP), 1);
    store.commit(&[advance("ann", LAPTOP, 3)]).unwrap();
    assert_eq!(append(store, &[text("ann", 3, "bob", b"3")]), [Duplicate]);
    engine.crash();
    assert_eq!(bodies(&page(engine.store(), "bob", 0, ALL)), [b"1", b"3"]);
    assert_eq!(position(engine.store(), "ann", LAPTOP), 3);
}

pub(in crate::store) fn what_is_safe_elsewhere_counts_as_before(engine: &mut impl Engine) {
    let store = engine.store();
    store.commit(&[claim("bob")]).unwrap();
    store_one(store, safe_text("ann", 5, 6, "bob", b"6"));
    assert_eq!(position(store, "ann", LAPTOP), 6);
    engine.crash();
    assert_eq!(position(engine.store(), "ann", LAPTOP), 6);
}

pub(in crate::store) fn an_entry_keeps_the_place_that_it_has(engine: &mut impl Engine) {
    let store = engine.store();
    store.commit(&[claim("bob")]).unwrap();
    let (first, reserved) = stored(store, text("ann", 1, "bob", b"1"));
    assert!(reserved > first + 2);
    let second = stored(store, placed("ann", 2, "bob", first + 2, b"2"));
    assert_eq!(second.0, first + 2);
    assert_eq!(store_one(store, receipt("bob", b"3")), first + 3);
    engine.crash();
    let all = page(engine.store(), "bob", 0, ALL);
    let cursors: Vec<u64> = all.entries.iter().map(|entry| entry.cursor.0).collect();
    assert_eq!(cursors, [first, first + 2, first + 3]);
}

pub(in crate::store) fn an_entry_with_a_place_counts_against_no_quota<E: Engine>(_: &mut E) {
    let mut engine = E::new(Quota { entries: 1, bytes: 100 });
    let store = engine.store();
    store.commit(&[claim("bob")]).unwrap();
    let first = store_one(store, text("ann", 1, "bob", b"1"));
    assert_eq!(stored(store, placed("ann", 2, "bob", first + 1, b"2")).0, first + 1);
    assert_eq!(append(store, &[text("ann", 3, "bob", b"3")]), [Full]);
}

pub(in crate::store) fn places_set_aside_are_never_handed_out_again(engine: &mut impl Engine) {
    engine.store().commit(&[claim("bob"), receipt("bob", b"1")]).unwrap();
    let answers = engine.store().commit(&[reserve("bob", 9000), reserve("bob", 5)]).unwrap();
    assert_eq!(answers, [Answer::Reserved(Cursor(9000)), Answer::Reserved(Cursor(9000))]);
    engine.crash();
    assert!(store_one(engine.store(), receipt("bob", b"2")) > 9000);
}

pub(in crate::store) fn streams_do_not_depend_on_each_other(engine: &mut impl Engine) {
    let store = engine.store();
    store.commit(&[claim("bob")]).unwrap();
    store_one(store, records("ann", LAPTOP, 1, 1, "bob", b"1"));
    store_one(store, records("ann", PHONE, 1, 1, "bob", b"2"));
    store_one(store, records("bob", LAPTOP, 1, 1, "bob", b"3"));
    assert_eq!(position(store, "ann", PHONE), 1);
    assert_eq!(position(store, "bob", PHONE), 0);
    assert_eq!(position(store, "eve", PHONE), 0);
}

pub(in crate::store) fn positions_survive_a_crash_and_the_trim_of_what_told_them(
    engine: &mut impl Engine,
) {
    let store = engine.store();
    store.commit(&[claim("bob")]).unwrap();
    store_one(store, text("ann", 1, "bob", b"1"));
    let last = store_one(store, text("ann", 2, "bob", b"2"));
    store.commit(&[trim("bob", last)]).unwrap();
    store.flush().unwrap();
    engine.crash();
    assert_eq!(position(engine.store(), "ann", LAPTOP), 2);
    assert_eq!(entries(engine.store(), "bob"), []);
}

pub(in crate::store) fn a_full_mailbox_takes_no_texts_and_leaves_no_trace<E: Engine>(_: &mut E) {
    let mut engine = E::new(Quota { entries: 2, bytes: 100 });
    let store = engine.store();
    store.commit(&[claim("bob")]).unwrap();
    let batch: Vec<_> = (1..=3).map(|seq| text("ann", seq, "bob", b"x")).collect();
    assert_eq!(append(store, &batch)[2], Full);
    assert_eq!(append(store, &batch[2..]), [Full]);
    assert_eq!((entries(store, "bob").len(), position(store, "ann", LAPTOP)), (2, 2));
}

pub(in crate::store) fn bytes_count_against_the_quota_too<E: Engine>(_: &mut E) {
    let mut engine = E::new(Quota { entries: 100, bytes: 10 });
    let store = engine.store();
    store.commit(&[claim("bob")]).unwrap();
    store_one(store, text("ann", 1, "bob", b"123456"));
    assert_eq!(append(store, &[text("ann", 2, "bob", b"12345")]), [Full]);
    store_one(store, text("ann", 2, "bob", b"1234"));
    assert_eq!(append(store, &[text("ann", 3, "bob", b"1")]), [Full]);
}

pub(in crate::store) fn the_server_writes_beyond_any_quota<E: Engine>(_: &mut E) {
    let mut engine = E::new(Quota { entries: 1, bytes: 4 });
    let store = engine.store();
    store.commit(&[claim("bob")]).unwrap();
    store_one(store, receipt("bob", b"receipt"));
    store_one(store, text("ann", 1, "bob", b"text"));
    store_one(store, receipt("bob", b"receipt"));
    assert_eq!(append(store, &[text("ann", 2, "bob", b"")]), [Full]);
}

pub(in crate::store) fn a_trim_makes_room_within_its_batch<E: Engine>(_: &mut E) {
    let mut engine = E::new(Quota { entries: 1, bytes: 4 });
    let store = engine.store();
    store.commit(&[claim("bob")]).unwrap();
    let cursor = store_one(store, text("ann", 1, "bob", b"text"));
    let answers = store.commit(&[trim("bob", cursor), text("ann", 2, "bob", b"more")]).unwrap();
    assert!(matches!(answers[1], Answer::Append(Stored { .. })));
}

pub(in crate::store) fn room_is_counted_anew_after_a_crash<E: Engine>(_: &mut E) {
    let mut engine = E::new(Quota { entries: 2, bytes: 100 });
    engine.store().commit(&[claim("bob")]).unwrap();
    store_one(engine.store(), text("ann", 1, "bob", b"1"));
    store_one(engine.store(), receipt("bob", b"receipt"));
    engine.crash();
    store_one(engine.store(), text("ann", 2, "bob", b"2"));
    assert_eq!(append(engine.store(), &[text("ann", 3, "bob", b"3")]), [Full]);
}

pub(in crate::store) fn nobody_has_no_mailbox(engine: &mut impl Engine) {
    let store = engine.store();
    let batch = [text("ann", 1, "bob", b""), receipt("bob", b"")];
    assert_eq!(append(store, &batch), [NoSuchUser; 2]);
    assert_eq!(entries(store, "bob"), []);
    // Nor is a sender, or one whose cursor was raised, somebody.
    store.commit(&[claim("bob"), text("ann", 1, "bob", b""), raise("cyd", 5)]).unwrap();
    assert_eq!(append(store, &[receipt("ann", b""), receipt("cyd", b"")]), [NoSuchUser; 2]);
}

pub(in crate::store) fn a_claim_counts_within_its_batch(engine: &mut impl Engine) {
    let answers =
        engine.store().commit(&[receipt("bob", b""), claim("bob"), receipt("bob", b"")]).unwrap();
    assert_eq!(answers[0], Answer::Append(NoSuchUser));
    assert!(matches!(answers[2], Answer::Append(Stored { .. })));
}

pub(in crate::store) fn refused_appends_move_no_position(engine: &mut impl Engine) {
    let store = engine.store();
    store.commit(&[claim("bob")]).unwrap();
    let appended = append(store, &[text("ann", 1, "eve", b"1"), text("ann", 2, "bob", b"2")]);
    assert!(matches!(appended[..], [NoSuchUser, Stored { .. }]));
    assert_eq!(position(store, "ann", LAPTOP), 0);
    store.commit(&[advance("ann", LAPTOP, 2)]).unwrap();
    store_one(store, text("ann", 3, "bob", b"3"));
}

pub(in crate::store) fn advance_only_moves_forward(engine: &mut impl Engine) {
    let store = engine.store();
    store.commit(&[advance("ann", LAPTOP, 7), advance("ann", LAPTOP, 3)]).unwrap();
    assert_eq!(position(store, "ann", LAPTOP), 7);
    store.commit(&[advance("ann", LAPTOP, u64::MAX)]).unwrap();
    assert_eq!(position(store, "ann", LAPTOP), u64::MAX);
}

pub(in crate::store) fn advance_survives_a_crash(engine: &mut impl Engine) {
    engine.store().commit(&[claim("bob"), text("ann", 1, "bob", b"")]).unwrap();
    engine.store().commit(&[advance("ann", LAPTOP, 7), advance("eve", PHONE, u64::MAX)]).unwrap();
    engine.crash();
    assert_eq!(position(engine.store(), "ann", LAPTOP), 7);
    assert_eq!(position(engine.store(), "eve", PHONE), u64::MAX);
}

pub(in crate::store) fn trimmed_entries_are_gone_at_once(engine: &mut impl Engine) {
    let store = engine.store();
    store.commit(&[claim("bob")]).unwrap();
    let first = store_one(store, text("ann", 1, "bob", b"1"));
    store_one(store, text("ann", 2, "bob", b"2"));
    store.commit(&[trim("bob", first), trim("eve", 9), trim("bob", 0)]).unwrap();
    assert_eq!(bodies(&page(store, "bob", 0, ALL)), [b"2"]);
}

pub(in crate::store) fn a_trim_ahead_of_the_mailbox_takes_nothing_to_come(
    engine: &mut impl Engine,
) {
    let store = engine.store();
    store.commit(&[claim("bob"), receipt("bob", b"1"), trim("bob", u64::MAX)]).unwrap();
    store_one(store, receipt("bob", b"2"));
    assert_eq!(bodies(&page(store, "bob", 0, ALL)), [b"2"]);
}

pub(in crate::store) fn cursors_are_never_reused_when_all_was_trimmed(engine: &mut impl Engine) {
    engine.store().commit(&[claim("bob")]).unwrap();
    let mut last = 0;
    for _ in 0..3 {
        let cursor = store_one(engine.store(), receipt("bob", b""));
        assert!(cursor > last);
        last = cursor;
        engine.store().commit(&[trim("bob", cursor)]).unwrap();
        engine.store().flush().unwrap();
        engine.crash();
    }
}

pub(in crate::store) fn cursors_are_never_reused_after_a_crash(engine: &mut impl Engine) {
    engine.store().commit(&[claim("bob")]).unwrap();
    let mut last = 0;
    // Past any number that an engine may reserve at once.
    for round in 0..4 {
        let batch = vec![receipt("bob", b""); 700];
        for appended in append(engine.store(), &batch) {
            let Stored { cursor, .. } = appended else { panic!("{appended:?}") };
            assert!(cursor.0 > last, "round {round}: {} after {last}", cursor.0);
            last = cursor.0;
        }
        engine.crash();
    }
    assert_eq!(entries(engine.store(), "bob").len(), 2800);
}

pub(in crate::store) fn raise_starts_cursors_after_it(engine: &mut impl Engine) {
    let store = engine.store();
    let answers = store.commit(&[claim("bob"), raise("bob", 5000), receipt("bob", b"")]).unwrap();
    let at = |answer: &Answer| match answer {
        Answer::Append(Stored { cursor, .. }) => Some(cursor.0),
        _ => None,
    };
    assert_eq!(at(&answers[2]), Some(5001));
}

pub(in crate::store) fn raise_survives_a_crash(engine: &mut impl Engine) {
    engine.store().commit(&[claim("bob"), raise("bob", 5000)]).unwrap();
    engine.crash();
    assert!(store_one(engine.store(), receipt("bob", b"")) > 5000);
}

pub(in crate::store) fn raise_below_changes_nothing(engine: &mut impl Engine) {
    let store = engine.store();
    store.commit(&[claim("bob"), raise("bob", 10)]).unwrap();
    let first = store_one(store, receipt("bob", b""));
    store.commit(&[raise("bob", 3), raise("bob", first), raise("bob", 0)]).unwrap();
    assert_eq!(store_one(store, receipt("bob", b"")), first + 1);
    assert_eq!(entries(store, "bob").len(), 2);
}

pub(in crate::store) fn to_take_a_mailbox_raises_it_and_keeps_its_entries(
    engine: &mut impl Engine,
) {
    let store = engine.store();
    store.commit(&[claim("bob"), receipt("bob", b"1")]).unwrap();
    let answers = store.commit(&[take("bob", 5000), take("bob", 3)]).unwrap();
    assert!(matches!(answers[..], [Answer::Taken(_), Answer::Taken(_)]), "{answers:?}");
    assert_eq!(store_one(store, receipt("bob", b"2")), 5001);
    engine.crash();
    assert_eq!(bodies(&page(engine.store(), "bob", 0, ALL)), [b"1", b"2"]);
    assert!(store_one(engine.store(), receipt("bob", b"3")) > 5001);
}

pub(in crate::store) fn a_name_belongs_to_the_key_that_claimed_it_first(engine: &mut impl Engine) {
    let (ours, theirs) = (account("bob", 1, "Bob", 10), account("bob", 2, "Eve", 20));
    let batch = [
        Command::Claim(ours.clone()),
        Command::Claim(theirs.clone()),
        Command::Claim(ours.clone()),
    ];
    let claimed = [Claimed::New, Claimed::Taken, Claimed::Ours].map(Answer::Claim);
    assert_eq!(engine.store().commit(&batch).unwrap(), claimed);
    engine.crash();
    let answers = engine.store().commit(&[Command::Claim(theirs)]).unwrap();
    assert_eq!(answers, [Answer::Claim(Claimed::Taken)]);
    assert_eq!(engine.store().account(&user("bob")), Ok(Some(ours)));
}

pub(in crate::store) fn the_owner_changes_the_display_name(engine: &mut impl Engine) {
    let renamed = account("bob", 1, "Robert", 20);
    engine.store().commit(&[Command::Claim(account("bob", 1, "Bob", 10))]).unwrap();
    let answers = engine.store().commit(&[Command::Claim(renamed.clone())]).unwrap();
    assert_eq!(answers, [Answer::Claim(Claimed::Ours)]);
    engine.crash();
    assert_eq!(engine.store().account(&user("bob")), Ok(Some(renamed)));
}

pub(in crate::store) fn a_repeated_claim_keeps_the_time(engine: &mut impl Engine) {
    let first = account("bob", 1, "Bob", 10);
    engine.store().commit(&[Command::Claim(first.clone())]).unwrap();
    engine.store().commit(&[Command::Claim(account("bob", 1, "Bob", 20))]).unwrap();
    assert_eq!(engine.store().account(&user("bob")), Ok(Some(first)));
}

pub(in crate::store) fn accounts_survive_a_crash(engine: &mut impl Engine) {
    let all = [account("ann", 1, "Ännchen 🚢", 1), account("bob", 2, "", u64::MAX)];
    engine.store().commit(&all.clone().map(Command::Claim)).unwrap();
    engine.crash();
    assert_eq!(engine.store().accounts(None, 10), Ok(all.to_vec()));
}

pub(in crate::store) fn accounts_come_by_name(engine: &mut impl Engine) {
    let store = engine.store();
    store.commit(&["c", "a", "d", "b"].map(claim)).unwrap();
    // One who only sends has no account.
    store.commit(&[text("aa", 1, "a", b"")]).unwrap();
    let mut names = |after: Option<&str>, limit| {
        let accounts = store.accounts(after.map(user).as_ref(), limit).unwrap();
        accounts.into_iter().map(|account| account.user.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 3), ["a", "b", "c"]);
    assert_eq!(names(Some("b"), 3), ["c", "d"]);
    assert_eq!(names(Some("bb"), 1), ["c"]);
    assert_eq!(names(Some("d"), 3), [""; 0]);
    assert_eq!(names(None, 0), [""; 0]);
    assert_eq!(store.account(&user("aa")), Ok(None));
}

pub(in crate::store) fn a_page_ends_at_the_limit_of_entries(engine: &mut impl Engine) {
    let store = engine.store();
    store
        .commit(&[claim("bob"), receipt("bob", b"1"), receipt("bob", b"2"), receipt("bob", b"3")])
        .unwrap();
    let limit = |entries| ReadLimit { entries, bytes: 100 };
    let two = page(store, "bob", 0, limit(2));
    assert_eq!((bodies(&two), two.more), (vec![&b"1"[..], b"2"], true));
    let rest = page(store, "bob", two.entries[1].cursor.0, limit(2));
    assert_eq!((bodies(&rest), rest.more), (vec![&b"3"[..]], false));
    assert!(!page(store, "bob", 0, limit(3)).more);
}

pub(in crate::store) fn a_page_ends_at_the_limit_of_bytes(engine: &mut impl Engine) {
    let store = engine.store();
    store
        .commit(&[claim("bob"), receipt("bob", b"12"), receipt("bob", b"34"), receipt("bob", b"5")])
        .unwrap();
    let limit = |bytes| ReadLimit { entries: 100, bytes };
    let page_of = |store: &mut dyn MailboxStore, bytes| {
        let page = page(store, "bob", 0, limit(bytes));
        (page.entries.len(), page.more)
    };
    assert_eq!(page_of(store, 3), (1, true));
    assert_eq!(page_of(store, 4), (2, true));
    assert_eq!(page_of(store, 5), (3, false));
}

pub(in crate::store) fn a_page_has_one_entry_whatever_its_size(engine: &mut impl Engine) {
    let store = engine.store();
    store.commit(&[claim("bob"), receipt("bob", &[7; 33 * 1024]), receipt("bob", b"2")]).unwrap();
    for limit in [ReadLimit { entries: 10, bytes: 10 }, ReadLimit { entries: 0, bytes: 0 }] {
        let page = page(store, "bob", 0, limit);
        assert_eq!(
            (page.entries.len(), page.entries[0].entry.len(), page.more),
            (1, 33 * 1024, true)
        );
    }
}

pub(in crate::store) fn a_page_begins_after_its_cursor(engine: &mut impl Engine) {
    let store = engine.store();
    store.commit(&[claim("bob")]).unwrap();
    let first = store_one(store, receipt("bob", b"1"));
    store_one(store, receipt("bob", b"2"));
    assert_eq!(bodies(&page(store, "bob", first, ALL)), [b"2"]);
    assert_eq!(page(store, "bob", u64::MAX, ALL).entries, []);
}

pub(in crate::store) fn mailboxes_do_not_see_each_other(engine: &mut impl Engine) {
    let store = engine.store();
    store
        .commit(&[claim("ann"), claim("bob"), receipt("ann", b"a"), receipt("bob", b"b")])
        .unwrap();
    let cursor = page(store, "bob", 0, ALL).entries[0].cursor.0;
    store.commit(&[trim("bob", cursor)]).unwrap();
    assert_eq!(bodies(&page(store, "ann", 0, ALL)), [b"a"]);
    assert_eq!(entries(store, "bob"), []);
    assert_eq!(entries(store, "nobody"), []);
}

pub(in crate::store) fn an_empty_batch_is_nothing(engine: &mut impl Engine) {
    assert_eq!(engine.store().commit(&[]), Ok(Vec::new()));
}

pub(in crate::store) fn flush_changes_no_answer(engine: &mut impl Engine) {
    let store = engine.store();
    store
        .commit(&[claim("bob"), text("ann", 1, "bob", b"1"), text("ann", 2, "bob", b"2")])
        .unwrap();
    let first = entries(store, "bob")[0].cursor.0;
    store.commit(&[trim("bob", first)]).unwrap();
    let before = entries(store, "bob");
    store.flush().unwrap();
    assert_eq!((entries(store, "bob"), position(store, "ann", LAPTOP)), (before, 2));
}
