//! Facts about traces.

use super::*;
use serde_json::json;

fn trace(state: State, steps: &[(&str, &str)]) -> Trace {
    let steps: Vec<_> = steps
        .iter()
        .map(|(at, what)| TraceStep {
            at: format!("2026-01-31T{at}Z"),
            what: (*what).into(),
            detail: None,
        })
        .collect();
    let message = Message {
        id: "01KG9".into(),
        from: "alice".into(),
        to: "bob".into(),
        name: "Alice".into(),
        body: "hello".into(),
        sent_at: "2026-01-31T11:59:00.000Z".into(),
        received_at: None,
        state,
        reason: None,
        trust: None,
        place: None,
    };
    Trace { message, steps }
}

fn status(link: &str, changed: &[&str]) -> Status {
    serde_json::from_value(json!({
        "version": "0.1.0", "pid": 42, "profile": "default",
        "started_at": "2026-01-31T10:00:00.000Z", "link": link,
        "since": "2026-01-31T11:55:00.000Z", "loss_permille": 0, "retransmitted": 0, "queued": 1,
        "unread": 0, "changed_keys": changed,
    }))
    .unwrap()
}

const ACCEPTED: [(&str, &str); 4] = [
    ("11:59:00.000", "queued"),
    ("11:59:00.004", "sent"),
    ("11:59:05.104", "sent"),
    ("11:59:05.140", "accepted"),
];

#[test]
fn steps_are_told_with_their_times_and_tries() {
    let trace = trace(State::Accepted, &ACCEPTED);
    insta::assert_snapshot!(text(&trace, None, &View::at_noon()), @r"
    01KG9
    1 min ago  alice -> bob [accepted]: hello
      11:59:00.000             queued      written to this machine's disk
      11:59:00.004      +4 ms  sent        handed to the network
      11:59:05.104     +5.1 s  sent again  try 2
      11:59:05.140     +36 ms  accepted    safe at the server
    It waits at the server until bob's machine fetches it, which goes by itself.
    See when bob was there: pychatctl users --all
    ");
    insta::assert_snapshot!(steps(&trace.steps, &View::pipe()), @r"
    2026-01-31T11:59:00.000Z             queued      written to this machine's disk
    2026-01-31T11:59:00.004Z      +4 ms  sent        handed to the network
    2026-01-31T11:59:05.104Z     +5.1 s  sent again  try 2
    2026-01-31T11:59:05.140Z     +36 ms  accepted    safe at the server
    ");
    let json = serde_json::to_string(&Versioned::new(&trace)).unwrap();
    assert!(json.starts_with(r#"{"v":1,"message":{"id":"01KG9","#), "{json}");
}

#[test]
fn a_step_says_how_long_it_took() {
    let span = |to: &str| span("2026-01-01T00:00:00Z", to).unwrap();
    for (to, told) in [
        ("2026-01-01T00:00:00Z", "+0 ms"),
        ("2026-01-01T00:00:01.250Z", "+1.2 s"),
        ("2026-01-01T00:02:05Z", "+2 min 5 s"),
        ("2026-01-01T03:02:05Z", "+3 h 2 min"),
        ("2026-01-09T04:00:00Z", "+8 d 4 h"),
        ("2025-12-31T00:00:00Z", ""),
    ] {
        assert_eq!(span(to), told, "{to}");
    }
}

#[test]
fn what_it_waits_for_is_told_for_each_state() {
    let waits = |state, steps: &[(&str, &str)], status: Option<Status>| {
        let mut trace = trace(state, steps);
        if state == State::Refused {
            trace.message.reason = Some("no such user".into());
        }
        now(&trace, status.as_ref()).join("\n")
    };
    let mut all = Vec::new();
    for (link, changed) in [
        ("disconnected", &[][..]),
        ("connecting", &[]),
        ("connected", &[]),
        ("connected", &["bob"]),
    ] {
        for count in [1, 2] {
            let told = waits(State::Queued, &ACCEPTED[..count], Some(status(link, changed)));
            all.push(format!("-- queued, {link} {changed:?}, {count} steps\n{told}"));
        }
    }
    for state in [
        State::Accepted,
        State::Delivered,
        State::Read,
        State::Refused,
        State::Cancelled,
        State::Expired,
    ] {
        all.push(format!("-- {state:?}\n{}", waits(state, &ACCEPTED, None)));
    }
    insta::assert_snapshot!(all.join("\n"), @r#"
    -- queued, disconnected [], 1 steps
    It waits for a login, and then goes out by itself: pychatctl connect USER NAME
    Why there is none: pychatctl status
    To take it back: pychatctl cancel 01KG9
    -- queued, disconnected [], 2 steps
    It waits for a login, and then goes out by itself: pychatctl connect USER NAME
    Why there is none: pychatctl status
    -- queued, connecting [], 1 steps
    It waits for a connection to the server, and then goes out by itself.
    What stands in the way: pychatctl status
    To take it back: pychatctl cancel 01KG9
    -- queued, connecting [], 2 steps
    It waits for a connection to the server, and then goes out by itself.
    What stands in the way: pychatctl status
    -- queued, connected [], 1 steps
    It goes out by itself as soon as it can.
    To take it back: pychatctl cancel 01KG9
    -- queued, connected [], 2 steps
    It waits for the server's answer, and is sent again until that comes.
    -- queued, connected ["bob"], 1 steps
    It is held, as bob's key changed: compare with pychatctl verify bob,
    then let it go out: pychatctl trust bob
    To take it back: pychatctl cancel 01KG9
    -- queued, connected ["bob"], 2 steps
    It is held, as bob's key changed: compare with pychatctl verify bob,
    then let it go out: pychatctl trust bob
    -- Accepted
    It waits at the server until bob's machine fetches it, which goes by itself.
    See when bob was there: pychatctl users --all
    -- Delivered
    It waits until bob looks at it. Nothing is left to be done.
    -- Read
    bob has seen it. Nothing is left to be done.
    -- Refused
    It will not arrive: the server refused it (no such user).
    Once that is mended, send it anew: pychatctl send bob TEXT
    -- Cancelled
    It was taken back: bob does not get it.
    -- Expired
    It was given up in time: bob does not get it.
    Send it anew, with a longer --expire or none: pychatctl send bob TEXT
    "#);
    assert!(all.iter().all(|told| told.lines().all(|line| line.chars().count() <= 80)));
}

#[test]
fn somebody_elses_message_waits_for_us() {
    let mut trace = trace(State::Unread, &[("11:59:00.000", "received")]);
    trace.message.received_at = Some("2026-01-31T11:59:00.000Z".into());
    assert_eq!(now(&trace, None), ["It waits to be read: pychatctl inbox"]);
    trace.message.state = State::Read;
    assert_eq!(now(&trace, None), ["It was shown here. Nothing is left to be done."]);
}
