//! The client's table: every event in every state. docs/PROTOCOL.md, "States".
//!
//! States and events are lists that cannot lack one of their variants, a state is told from all of
//! the client's fields, and frames, close codes and events are matched whole: something new in the
//! client does not compile before it stands here.

mod server;
mod stage;

use super::Client;
use crate::{
    Lane, Seq,
    session::standing::Standing,
    states::{self, Table, listed},
    wire::{frame::Frame, packet},
};
use stage::{RESET_TOKEN, SERVER_ID, Stage};
use std::time::Duration;

listed! {
    /// Where a client stands.
    State {
        Idle = "Idle",
        // An IK login.
        Connecting = "Connecting",
        // A first contact, until the server's key is known.
        Meeting = "Meeting",
        Joining = "Joining",
        // In a session whose hybrid keys are not agreed on yet.
        Agreeing = "Agreeing",
        Open = "Open",
        // With a login beside the session, for fresh keys.
        Renewing = "Renewing",
        // With a login at other nodes beside a session that was silent for a while.
        Moving = "Moving",
        Suspect = "Suspect",
        // With a login beside the suspect session.
        Racing = "Racing",
        Waiting = "Waiting",
        Closing = "Closing",
        // Closing, and waiting to log in anew.
        Parting = "Parting",
    }
}

impl State {
    fn of(client: &Client) -> Self {
        // All fields are named, so that a new one is looked at here.
        let Client {
            config: _,
            rng: _,
            nodes: _,
            wanted: _,
            session,
            attempt,
            joining,
            key_probe: _,
            leaving,
            suspect,
            moving,
            retry_at,
            events: _,
            happened: _,
            ended: _,
        } = client;
        let session = session.as_ref().map(|established| established.session.standing());
        let joining = joining.as_ref().map(|joining| joining.session.standing());
        let leaving = leaving.as_ref().map(|leaving| leaving.session.standing());
        let meeting = attempt.as_ref().map(super::Attempt::is_first_contact);
        if *moving && !suspect {
            assert!(matches!(session, Some(Standing::Open | Standing::Agreeing)), "{session:?}");
            assert_eq!((joining, leaving), (None, None));
            // A login at another node, or a pause after one that was answered with nonsense.
            assert!(meeting == Some(false) || meeting.is_none() && retry_at.is_some());
            return Self::Moving;
        }
        match (session, joining, leaving, meeting, suspect, retry_at.is_some()) {
            (None, None, None, None, false, false) => Self::Idle,
            (None, None, None | Some(Standing::Closing), Some(false), false, false) => {
                Self::Connecting
            }
            (None, None, None, Some(true), false, false) => Self::Meeting,
            (None, Some(Standing::Agreeing), None, None, false, false) => Self::Joining,
            (Some(Standing::Agreeing), None, None, None, false, _) => Self::Agreeing,
            (Some(Standing::Open), None, None, None, false, _) => Self::Open,
            (Some(Standing::Open), None, None, Some(false), false, false) => Self::Renewing,
            (Some(Standing::Open | Standing::Agreeing), None, None, None, true, _) => Self::Suspect,
            (Some(Standing::Open | Standing::Agreeing), None, None, Some(false), true, false) => {
                Self::Racing
            }
            (None, None, None, None, false, true) => Self::Waiting,
            (None, None, Some(Standing::Closing), None, false, false) => Self::Closing,
            (None, None, Some(Standing::Closing), None, false, true) => Self::Parting,
            other => panic!("a client cannot stand so: {other:?}"),
        }
    }
}

listed! {
    /// What may happen to a client, frames and close codes left out.
    Event {
        SetAddresses = "set_addresses",
        NetworkChange = "network change",
        SetCursor = "set_cursor",
        SendMessage = "send_message",
        Skip = "skip",
        Commit = "commit",
        Call = "call",
        Close = "close",
        Nothing = "an empty datagram",
        Unknown = "an unknown type",
        Init = "INIT",
        Fin = "FIN",
        Retry = "RETRY",
        RetryForged = "forged RETRY",
        Resp = "RESP",
        RespForged = "forged RESP",
        RespMalformed = "RESP with a malformed reply",
        ProbeResp = "RESP with another key",
        Reset = "RESET",
        ResetForged = "forged RESET",
        Versions = "VERSION",
        VersionsOurs = "VERSION with ours",
        DataForged = "forged DATA",
        DataRepeated = "repeated DATA",
        DataShort = "short DATA",
        DataForNobody = "DATA for nobody",
        NoFrame = "DATA without a frame",
        Malformed = "a malformed frame",
        Welcome = "WELCOME",
        Deadline = "the next deadline",
        Silence = "15 s of silence",
        LongSilence = "a minute of silence",
    }
}

fn apply(event: Event, stage: &mut Stage) -> Vec<String> {
    let (now, lane) = (stage.now, Lane::CHAT);
    match event {
        Event::SetAddresses => {
            let address = ([10, 0, 0, 1], 7420).into();
            stage.client.set_addresses(now, vec![address]);
        }
        Event::NetworkChange => stage.client.handle_network_change(now),
        Event::SetCursor => stage.client.set_cursor(crate::Cursor(7)),
        Event::SendMessage => stage.client.send_message(now, lane, Seq(2), b"more"),
        Event::Skip => stage.client.skip(now, lane, Seq(2)),
        Event::Commit => stage.client.commit(now, lane, Seq(0)),
        Event::Call => drop(stage.client.call(now, b"?")),
        Event::Close => stage.client.close(now),
        Event::Nothing => return stage.take(Vec::new()),
        Event::Unknown => return stage.take(vec![0x77; 64]),
        Event::Init => return stage.take(vec![packet::TYPE_INIT; packet::HANDSHAKE_BYTES]),
        Event::Fin => return stage.take(vec![packet::TYPE_FIN; 64]),
        Event::Retry => {
            let retry = stage.retry();
            return stage.take(retry);
        }
        Event::RetryForged => {
            let retry = damaged(stage.retry());
            return stage.take(retry);
        }
        Event::Resp => {
            let resp = stage.resp(&server::welcome());
            return stage.take(resp);
        }
        Event::RespForged => {
            let mut resp = stage.resp(&server::welcome());
            // A byte of the Noise message: the padding behind it must be zero anyway.
            if let Some(byte) = resp.get_mut(20) {
                *byte ^= 1;
            }
            return stage.take(resp);
        }
        Event::RespMalformed => {
            let resp = stage.resp(&[]);
            return stage.take(resp);
        }
        Event::ProbeResp => {
            let resp = stage.probe_resp();
            return stage.take(resp);
        }
        Event::Reset => return stage.take(packet::encode_reset(SERVER_ID, RESET_TOKEN)),
        Event::ResetForged => return stage.take(packet::encode_reset(SERVER_ID, [6; 16])),
        Event::Versions => {
            let versions = stage.versions(packet::VERSION + 1);
            return stage.take(versions);
        }
        Event::VersionsOurs => {
            let versions = stage.versions(packet::VERSION);
            return stage.take(versions);
        }
        Event::DataForged => {
            let packet = damaged(stage.data(&[Frame::Ping]));
            return stage.take(packet);
        }
        Event::DataRepeated => {
            let packet = stage.data(&[Frame::Ping]);
            stage.take(packet.clone());
            return stage.take(packet);
        }
        Event::DataShort => return stage.take(vec![packet::TYPE_DATA; 31]),
        Event::DataForNobody => return stage.take(vec![packet::TYPE_DATA; 64]),
        Event::NoFrame => {
            let packet = stage.data(&[]);
            return stage.take(packet);
        }
        Event::Malformed => {
            let packet = stage.sealed(&[0xff]);
            return stage.take(packet);
        }
        Event::Welcome => {
            let welcome = server::welcome();
            let packet = stage.data(&[Frame::Welcome { bytes: &welcome }]);
            return stage.take(packet);
        }
        Event::Deadline => return stage.next_deadline(),
        Event::Silence => return stage.run_for(Duration::from_secs(15)),
        Event::LongSilence => return stage.run_for(Duration::from_secs(60)),
    }
    stage.settle()
}

/// The datagram with its last byte changed.
fn damaged(mut datagram: Vec<u8>) -> Vec<u8> {
    if let Some(byte) = datagram.last_mut() {
        *byte ^= 1;
    }
    datagram
}

fn table() -> Table {
    let names = State::ALL.iter().map(|state| state.name()).collect();
    let mut table = Table::new("client", names);
    let reach = |name: &str| {
        let state = State::ALL.iter().find(|state| state.name() == name);
        Stage::reach(*state.expect("the table holds our states"))
    };
    for event in Event::ALL {
        table.event(event.name(), |state| {
            let mut stage = reach(state);
            let said = apply(*event, &mut stage);
            (State::of(&stage.client).name(), said)
        });
    }
    for (name, frame) in states::cases() {
        table.event(name, |state| {
            let mut stage = reach(state);
            let packet = stage.data(std::slice::from_ref(&frame));
            let said = stage.take(packet);
            (State::of(&stage.client).name(), said)
        });
    }
    for code in states::close_codes() {
        table.event(&format!("CLOSE {code:?}"), |state| {
            let mut stage = reach(state);
            let packet = stage.data(&[states::close(code)]);
            let said = stage.take(packet);
            (State::of(&stage.client).name(), said)
        });
        table.event(&format!("RESP Refused {code:?}"), |state| {
            let mut stage = reach(state);
            let resp = stage.resp(&server::refused(code));
            let said = stage.take(resp);
            (State::of(&stage.client).name(), said)
        });
    }
    table
}

#[test]
fn every_event_in_every_state_of_a_client_is_answered_as_the_table_says() {
    let table = table();
    assert_eq!(table.len(), State::ALL.len() * (Event::ALL.len() + 24 + 2 * 11));
    insta::assert_snapshot!("table", table.text());
}

#[test]
fn the_documents_table_of_a_clients_states_is_true() {
    table().check_document();
}

#[test]
fn notes_before_the_welcome_take_no_memory() {
    let mut stage = Stage::reach(State::Joining);
    let packet = stage.data(&[Frame::Note { bytes: b"note" }]);
    assert_eq!(stage.take(packet), ["Disconnected Protocol", "CLOSE Protocol"]);
    assert!(stage.client.joining.is_none() && stage.client.happened.is_empty());
    // Nor are they taken beside it, before the hybrid epoch.
    let mut stage = Stage::reach(State::Joining);
    let welcome = server::welcome();
    let packet = stage.data(&[Frame::Welcome { bytes: &welcome }, Frame::Note { bytes: b"note" }]);
    let said = stage.take(packet);
    assert_eq!(said, ["Connected", "Disconnected Protocol", "CLOSE Protocol"]);
}

#[test]
fn a_renewal_that_was_answered_with_nonsense_waits_before_the_next() {
    let mut stage = Stage::reach(State::Renewing);
    let resp = stage.resp(&[]);
    stage.take(resp);
    let retry_at = stage.client.retry_at.expect("it waits");
    stage.client.handle_timeout(stage.now);
    assert_eq!(State::of(&stage.client), State::Open);
    while stage.now < retry_at {
        assert!(stage.client.attempt.is_none());
        stage.next_deadline();
    }
    assert!(stage.client.attempt.is_some());
}
