//! Facts about lines: what is read, what is refused and how.

use super::*;
use crate::{
    ConnectParams, Contact, ContactState, ConversationsParams, ErrorCode, EventKind, HelloParams,
    HistoryParams, InboxParams, Link, MarkReaderParams, NamesParams, RemoveParams, SearchParams,
    SendParams, State, SubscribeParams, UsersParams, VerifyParams,
};
use proptest::prelude::*;

fn rejected(line: &str) -> (Option<Id>, i64) {
    let rejected = parse_call(line.as_bytes()).expect_err(line);
    (rejected.id, rejected.error.code)
}

#[test]
fn lines_that_are_no_request_are_told_why() {
    let null = || Some(Id::Null);
    assert_eq!(rejected("{"), (null(), RpcError::PARSE_ERROR));
    assert_eq!(rejected("\u{7f}"), (null(), RpcError::PARSE_ERROR));
    assert_eq!(rejected("[]"), (null(), RpcError::INVALID_REQUEST));
    assert_eq!(rejected("1"), (null(), RpcError::INVALID_REQUEST));
    assert_eq!(rejected(r#"{"id":{}}"#), (null(), RpcError::INVALID_REQUEST));
    assert_eq!(rejected(r#"{"id":7}"#), (Some(7.into()), RpcError::INVALID_REQUEST));
    assert_eq!(
        rejected(r#"{"jsonrpc":"1.0","id":7,"method":"status"}"#),
        (Some(7.into()), RpcError::INVALID_REQUEST)
    );
    assert_eq!(
        rejected(r#"{"jsonrpc":"2.0","id":"a","method":"dance"}"#),
        (Some(Id::Text("a".into())), RpcError::UNKNOWN_METHOD)
    );
    assert_eq!(
        rejected(r#"{"jsonrpc":"2.0","id":null,"method":"status","params":[1]}"#),
        (null(), RpcError::INVALID_PARAMS)
    );
    assert_eq!(
        rejected(r#"{"jsonrpc":"2.0","id":1,"method":"send","params":{"to":3}}"#),
        (Some(1.into()), RpcError::INVALID_PARAMS)
    );
    assert!(parse_call(&[0xff, 0xfe]).is_err());
    assert!(parse_call("[".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn a_notification_has_no_id_and_a_null_id_is_an_id() {
    let notification = parse_call(br#"{"jsonrpc":"2.0","method":"disconnect"}"#).unwrap();
    assert_eq!(notification, Call { id: None, request: Request::Disconnect {} });
    let call = parse_call(br#"{"jsonrpc":"2.0","id":null,"method":"disconnect"}"#).unwrap();
    assert_eq!(call.id, Some(Id::Null));
    assert_eq!(rejected(r#"{"jsonrpc":"2.0","method":"x"}"#), (None, RpcError::UNKNOWN_METHOD));
}

#[test]
fn parameters_may_be_left_out_null_or_empty() {
    for params in ["", r#","params":null"#, r#","params":{}"#] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"status"{params}}}"#);
        assert_eq!(parse_call(line.as_bytes()).unwrap().request, Request::Status {}, "{line}");
    }
}

#[test]
fn unknown_members_are_ignored() {
    let line = br#"{"jsonrpc":"2.0","id":1,"method":"trace","params":{"id":"x","more":1},"y":2}"#;
    assert_eq!(parse_call(line).unwrap().request, Request::Trace { id: "x".into() });
}

#[test]
fn null_is_a_result() {
    let read = parse_from_daemon(br#"{"jsonrpc":"2.0","id":1,"result":null}"#).unwrap();
    assert_eq!(read, FromDaemon::Answer { id: 1.into(), outcome: Ok(Value::Null) });
}

#[test]
fn errors_reach_the_client_as_failures() {
    let error = RpcError::from(Failure {
        code: ErrorCode::NoSuchUser,
        message: "m".into(),
        hint: None,
        sent: None,
    });
    let line = error_line(&Id::Null, &error);
    let FromDaemon::Answer { id: Id::Null, outcome: Err(failure) } =
        parse_from_daemon(line.as_bytes()).unwrap()
    else {
        panic!("{line}");
    };
    assert_eq!(failure.code, ErrorCode::NoSuchUser);
}

#[test]
fn notifications_reach_the_client_and_unknown_ones_do_no_harm() {
    let contact = Contact {
        user: "bob".into(),
        state: ContactState::Changed,
        fingerprint: "0123 4567".into(),
        since: "2026-01-31T11:00:00.000Z".into(),
        offered: Some("89ab cdef".into()),
        held: 2,
    };
    for what in [EventKind::Connection { state: Link::Connected }, EventKind::Contact { contact }] {
        let event = Event { cursor: None, at: "2026-01-31T12:00:00.000Z".into(), what };
        let line = notification_line(EVENT, &event);
        let read = parse_from_daemon(line.as_bytes()).unwrap();
        assert_eq!(read, FromDaemon::Event(Box::new(event)));
    }
    let cut = CutOff { cursor: 9, message: "slow".into() };
    let line = notification_line(CUT_OFF, &cut);
    assert_eq!(parse_from_daemon(line.as_bytes()).unwrap(), FromDaemon::CutOff(cut));
    for line in [
        r#"{"jsonrpc":"2.0","method":"tea"}"#,
        r#"{"jsonrpc":"2.0","method":"event","params":{"event":"tea","at":"x"}}"#,
    ] {
        let read = parse_from_daemon(line.as_bytes()).unwrap();
        assert_eq!(read, FromDaemon::Unknown("tea".into()));
    }
    assert!(parse_from_daemon(br#"{"jsonrpc":"2.0"}"#).is_err());
    assert!(parse_from_daemon(br#"{"jsonrpc":"2.0","method":"event","params":{}}"#).is_err());
}

fn requests() -> impl Strategy<Value = Request> {
    let text = || any::<String>();
    let maybe = || any::<Option<String>>();
    prop_oneof![
        (text(), text(), any::<u32>(), any::<u32>()).prop_map(
            |(client, version, protocol_min, protocol_max)| {
                Request::Hello(HelloParams { client, version, protocol_min, protocol_max })
            }
        ),
        Just(Request::Status {}),
        (
            text(),
            text(),
            any::<Option<String>>(),
            any::<Option<String>>(),
            any::<Option<String>>(),
            any::<u64>()
        )
            .prop_map(|(user, name, server, trust_key, invite, timeout_ms)| {
                Request::Connect(ConnectParams {
                    user,
                    name,
                    server,
                    trust_key,
                    invite,
                    timeout_ms,
                })
            }),
        Just(Request::Disconnect {}),
        (any::<bool>(), any::<u64>())
            .prop_map(|(all, timeout_ms)| Request::Users(UsersParams { all, timeout_ms })),
        (text(), text(), any::<Option<String>>(), any::<u64>(), any::<Option<u64>>()).prop_map(
            |(to, body, key, timeout_ms, expire_ms)| {
                let wait = State::Accepted;
                Request::Send(SendParams { to, body, key, wait, timeout_ms, expire_ms })
            }
        ),
        (any::<u32>(), maybe(), maybe(), maybe(), maybe()).prop_map(
            |(limit, since, from, next, reader)| {
                Request::Inbox(InboxParams { limit, since, from, next, reader })
            }
        ),
        prop::collection::vec(text(), 0..4).prop_map(|ids| Request::MarkRead { ids }),
        (maybe(), maybe(), any::<u32>(), any::<Option<u64>>(), any::<Option<u64>>()).prop_map(
            |(peer, since, limit, before, after)| {
                let rest = HistoryParams::default();
                Request::History(HistoryParams { peer, since, limit, before, after, ..rest })
            }
        ),
        (any::<u32>(), maybe())
            .prop_map(|(limit, next)| Request::Conversations(ConversationsParams { limit, next })),
        (text(), maybe(), maybe(), any::<u32>(), any::<u32>()).prop_map(
            |(words, peer, until, context, limit)| {
                let rest = SearchParams::default();
                Request::Search(SearchParams { words, peer, until, context, limit, ..rest })
            }
        ),
        (maybe(), any::<Option<Vec<String>>>(), any::<bool>(), any::<bool>()).prop_map(
            |(peer, ids, all, dry_run)| {
                let rest = RemoveParams::default();
                Request::Remove(RemoveParams { peer, ids, all, dry_run, ..rest })
            }
        ),
        (text(), any::<u64>()).prop_map(|(reader, place)| {
            Request::MarkReader(MarkReaderParams { reader, place })
        }),
        Just(Request::Readers {}),
        text().prop_map(|reader| Request::RemoveReader { reader }),
        (text(), any::<u32>())
            .prop_map(|(prefix, limit)| Request::Names(NamesParams { prefix, limit })),
        Just(Request::Diagnose {}),
        Just(Request::Unread {}),
        text().prop_map(|id| Request::Trace { id }),
        text().prop_map(|id| Request::Cancel { id }),
        (text(), any::<Option<String>>(), any::<u64>()).prop_map(|(peer, code, timeout_ms)| {
            Request::Verify(VerifyParams { peer, code, timeout_ms })
        }),
        (text(), proptest::option::of(text()))
            .prop_map(|(peer, fingerprint)| Request::Trust { peer, fingerprint }),
        Just(Request::Contacts {}),
        any::<Option<u64>>().prop_map(|after| Request::Subscribe(SubscribeParams { after })),
        Just(Request::Shutdown {}),
    ]
}

fn ids() -> impl Strategy<Value = Id> {
    prop_oneof![
        Just(Id::Null),
        any::<u64>().prop_map(Id::from),
        any::<i64>().prop_map(|number| Id::Number(number.into())),
        any::<String>().prop_map(Id::Text),
    ]
}

proptest! {
    #[test]
    fn every_request_survives_its_line(id in ids(), request in requests()) {
        let line = call_line(&id, &request);
        prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
        prop_assert_eq!(parse_call(line.as_bytes()), Ok(Call { id: Some(id), request }));
    }

    #[test]
    fn every_answer_survives_its_line(id in ids(), text in any::<String>()) {
        let result = json!({ "text": text });
        let line = result_line(&id, &result);
        prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
        let read = parse_from_daemon(line.as_bytes()).unwrap();
        prop_assert_eq!(read, FromDaemon::Answer { id, outcome: Ok(result) });
    }

    #[test]
    fn no_bytes_make_either_side_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_call(&line);
        let _ = parse_from_daemon(&line);
    }

    #[test]
    fn no_json_makes_either_side_panic(
        method in prop::sample::select(METHODS.to_vec()),
        key in "[a-z_]{1,10}",
        text in any::<String>(),
    ) {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { key: text } });
        let _ = parse_call(call.to_string().as_bytes());
        let _ = parse_from_daemon(call.to_string().as_bytes());
    }
}
