//! Facts about what `trust` asks and says.

use super::*;
use jiff::tz::TimeZone;

fn changed() -> Contact {
    Contact {
        user: "bob".into(),
        state: ContactState::Changed,
        fingerprint: "0123 4567 89ab cdef 0123 4567 89ab cdef".into(),
        since: "2026-01-31T11:55:00.000Z".into(),
        offered: Some("cdef 89ab 4567 0123 cdef 89ab 4567 0123".into()),
        held: 2,
    }
}

fn trusted() -> Trusted {
    Trusted {
        user: "bob".into(),
        former: Some(changed().fingerprint),
        fingerprint: changed().offered.unwrap(),
        released: 2,
    }
}

#[test]
fn both_keys_and_what_is_held_are_shown_before_the_question() {
    let now = "2026-01-31T12:00:00Z".parse().unwrap();
    let clock = Clock::Relative { now, zone: TimeZone::UTC };
    let question = question(&changed(), changed().offered.as_deref().unwrap(), &clock);
    insta::assert_snapshot!(question.trim_end(), @r"
    bob's key changed (5 min ago); 2 held messages would go out.
    old key  0123 4567 89ab cdef 0123 4567 89ab cdef
    new key  cdef 89ab 4567 0123 cdef 89ab 4567 0123
    Compare first, with: pychatctl verify bob
    Trust the new key? [y/N]
    ");
}

#[test]
fn without_a_person_it_takes_a_word_beforehand() {
    let args = |yes| TrustArgs { peer: "bob".into(), yes };
    assert_eq!(Asking::of(&args(true), true), Ok(Asking::Never));
    assert_eq!(Asking::of(&args(true), false), Ok(Asking::Never));
    assert_eq!(Asking::of(&args(false), true), Ok(Asking::First));
    let failure = Asking::of(&args(false), false).unwrap_err();
    assert_eq!(failure.code, ErrorCode::Usage);
}

#[test]
fn what_was_done_is_told() {
    insta::assert_snapshot!(text(&trusted()), @r"
    bob's new key is trusted; 2 held messages on the way
    old key  0123 4567 89ab cdef 0123 4567 89ab cdef
    new key  cdef 89ab 4567 0123 cdef 89ab 4567 0123
    ");
    insta::assert_snapshot!(text(&Trusted { released: 0, ..trusted() }).lines().next().unwrap(), @"bob's new key is trusted; nothing was held");
    insta::assert_snapshot!(text(&unchanged(&Contact { offered: None, ..changed() })), @"nothing to trust: bob's key did not change (0123 4567 89ab cdef 0123 4567 89ab cdef)");
    insta::assert_snapshot!(declined(&changed()).message, @"bob's new key is not trusted; what is held stays held");
}

#[test]
fn another_key_than_the_one_that_was_shown_is_told() {
    assert!(check_shown(&changed(), &trusted()).is_ok());
    let other = Trusted { fingerprint: "ffff".into(), ..trusted() };
    assert!(check_shown(&changed(), &other).is_err());
}

#[test]
fn the_shape_of_the_json_stays() {
    let json = serde_json::to_string(&Versioned::new(trusted())).unwrap();
    insta::assert_snapshot!(json, @r#"{"v":1,"user":"bob","former":"0123 4567 89ab cdef 0123 4567 89ab cdef","fingerprint":"cdef 89ab 4567 0123 cdef 89ab 4567 0123","released":2}"#);
    let json = serde_json::to_string(&Versioned::new(unchanged(&changed()))).unwrap();
    insta::assert_snapshot!(json, @r#"{"v":1,"user":"bob","fingerprint":"0123 4567 89ab cdef 0123 4567 89ab cdef","released":0}"#);
}
