//! Facts about what `verify` shows.

use super::*;
use crate::screen::{Paint, Width};

fn verification() -> Verification {
    Verification {
        contact: Contact {
            user: "bob".into(),
            state: ContactState::Pinned,
            fingerprint: "0123 4567 89ab cdef 0123 4567 89ab cdef".into(),
            since: "2026-01-31T11:55:00.000Z".into(),
            offered: None,
            held: 0,
        },
        safety_number: "02866 37825 65778 97384 01834 14095 06193 97094 01703 84796 14904 31971"
            .into(),
        qr: "028663782565778973840183414095061939709401703847961490431971".into(),
        matches: None,
    }
}

fn changed() -> Verification {
    let contact = Contact {
        state: ContactState::Changed,
        offered: Some("cdef 89ab 4567 0123 cdef 89ab 4567 0123".into()),
        held: 2,
        ..verification().contact
    };
    Verification { contact, ..verification() }
}

#[test]
fn the_number_is_shown_in_lines_that_can_be_read_aloud() {
    insta::assert_snapshot!(text(&verification(), &View::at_noon()), @r"
    user         bob
    state        not verified yet (pinned 5 min ago)
    fingerprint  0123 4567 89ab cdef 0123 4567 89ab cdef

        02866  37825  65778  97384
        01834  14095  06193  97094
        01703  84796  14904  31971
    ");
    insta::assert_snapshot!(advice(&verification().contact, Some("alice")).trim_start(), @r"
    Compare it, by voice or camera, with what bob sees from:
      pychatctl verify alice
    If it is the same, nobody stands between you. Then type what bob sees:
      pychatctl verify bob --code NUMBER
    ");
    assert!(advice(&verification().contact, None).contains("pychatctl verify YOUR-NAME"));
}

#[test]
fn of_a_changed_key_both_are_shown() {
    insta::assert_snapshot!(text(&changed(), &View::at_noon()), @r"
    user         bob
    state        THE KEY CHANGED (5 min ago)
    old key      0123 4567 89ab cdef 0123 4567 89ab cdef
    new key      cdef 89ab 4567 0123 cdef 89ab 4567 0123

    The new key's number:
        02866  37825  65778  97384
        01834  14095  06193  97094
        01703  84796  14904  31971
    ");
    let compare = advice(&changed().contact, Some("alice"));
    assert!(advice(&verification().contact, Some("alice")).starts_with(&compare));
    assert!(!compare.contains("--code"), "{compare}");
    let failure = not_trusted(&changed().contact);
    assert_eq!(failure.code, ErrorCode::KeyChanged);
    insta::assert_snapshot!(failure.message, @"bob's key changed, and the new one is not trusted: 2 messages are held");
    insta::assert_snapshot!(failure.hint.unwrap(), @"bob started anew on some machine, or somebody poses as bob: if the numbers are the same, accept the new key: pychatctl trust bob");
}

#[test]
fn what_was_verified_says_so() {
    let mut verified = verification();
    verified.contact.state = ContactState::Verified;
    let view = View { paint: Paint::COLOURED, ..View::at_noon() };
    assert!(text(&verified, &view).contains("\u{1b}[32mverified\u{1b}[0m (5 min ago)"));
}

#[test]
fn nothing_is_wider_than_80_columns() {
    let name = "a-user-name-of-32-characters-123";
    let mut long = changed();
    long.contact.user = name.into();
    let view = View { width: Width::Columns(80), ..View::at_noon() };
    assert!(text(&long, &view).lines().all(|line| line.chars().count() <= 80));
    assert!(
        advice(&verification().contact, Some("alice"))
            .lines()
            .all(|line| line.chars().count() <= 80)
    );
}

#[test]
fn numbers_that_differ_are_explained() {
    let failure = differs("bob");
    assert_eq!(failure.code, ErrorCode::KeyChanged);
    insta::assert_snapshot!(failure.message, @"the numbers differ: what bob sees is not what you see");
    insta::assert_snapshot!(failure.hint.unwrap(), @"look for a slip first: pychatctl verify bob; if there is none, somebody may stand between you and bob and read along: send nothing secret, and tell bob another way");
}

#[test]
fn a_code_is_drawn_on_a_terminal_unless_something_else_is_said() {
    let args = |qr, no_qr| VerifyArgs { peer: "bob".into(), code: None, qr, no_qr };
    assert_eq!(Drawing::of(&args(false, false), true), Drawing::Wanted);
    assert_eq!(Drawing::of(&args(false, false), false), Drawing::Unwanted);
    assert_eq!(Drawing::of(&args(true, false), false), Drawing::Wanted);
    assert_eq!(Drawing::of(&args(false, true), true), Drawing::Unwanted);
}

#[test]
fn the_shape_of_the_json_stays() {
    let json = serde_json::to_string(&Versioned::new(changed())).unwrap();
    insta::assert_snapshot!(json, @r#"{"v":1,"user":"bob","state":"changed","fingerprint":"0123 4567 89ab cdef 0123 4567 89ab cdef","since":"2026-01-31T11:55:00.000Z","offered":"cdef 89ab 4567 0123 cdef 89ab 4567 0123","held":2,"safety_number":"02866 37825 65778 97384 01834 14095 06193 97094 01703 84796 14904 31971","qr":"028663782565778973840183414095061939709401703847961490431971"}"#);
}
