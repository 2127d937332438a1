//! The server's table: every event in every state of one client's session. docs/PROTOCOL.md, "States".
//!
//! States and events are lists that cannot lack one of their variants, a state is told from all of an
//! entry's fields, and frames, close codes and events are matched whole: something new in the
//! endpoint does not compile before it stands here.

mod client;
mod packing;
mod stage;

use super::{Entry, Standing};
use crate::{
    Lane, RefuseCode, Seq, Urgency,
    session::standing::Standing as OfSession,
    states::{self, Table, listed},
    wire::{
        frame::Frame,
        packet::{self, DATA_HEADER_BYTES},
    },
};
use stage::Stage;
use std::time::Duration;

listed! {
    /// Where a server stands towards a client.
    State {
        Nothing = "Nothing",
        // A first contact that waits for its third message.
        Meeting = "Meeting",
        // A login that the application is looking up.
        Asked = "Asked",
        Unconfirmed = "Unconfirmed",
        // The hybrid keys are not agreed on yet.
        Agreeing = "Agreeing",
        Open = "Open",
        // At an address that has not answered its challenge.
        Unproved = "Unproved",
        // Sends nothing until it hears of the client.
        Resting = "Resting",
        Away = "Away",
        Closing = "Closing",
    }
}

impl State {
    fn of(stage: &Stage) -> Self {
        let endpoint = &stage.endpoint;
        let mut sessions = endpoint.slots.all();
        let one = sessions.next();
        assert!(sessions.next().is_none(), "the one client has one session");
        let Some((entry, away)) = one else {
            return match (endpoint.first_contacts.len(), &stage.incoming) {
                (0, None) => Self::Nothing,
                (0, Some(_)) => Self::Asked,
                _ => Self::Meeting,
            };
        };
        // Nobody outside can tell whether a session is packed.
        let Some(entry) = entry else { return if away { Self::Away } else { Self::Open } };
        // All fields are named, so that a new one is looked at here.
        let Entry { session, standing, ready: _ } = entry;
        match (standing, session.standing(), away) {
            (Standing::Unconfirmed(_), OfSession::Agreeing, false) => Self::Unconfirmed,
            (Standing::Confirmed, OfSession::Agreeing, false) => Self::Agreeing,
            (Standing::Confirmed, OfSession::Open, false) => Self::Open,
            (Standing::Confirmed, OfSession::Unproved, false) => Self::Unproved,
            (Standing::Confirmed, OfSession::Resting, false) => Self::Resting,
            (
                Standing::Confirmed,
                OfSession::Open | OfSession::Resting | OfSession::Unproved,
                true,
            ) => Self::Away,
            (Standing::Gone, OfSession::Closing, _) => Self::Closing,
            (
                Standing::Unconfirmed(_) | Standing::Confirmed | Standing::Gone,
                session @ (OfSession::Open
                | OfSession::Agreeing
                | OfSession::Unproved
                | OfSession::Resting
                | OfSession::Closing
                | OfSession::Closed),
                away,
            ) => panic!("a session cannot stand so: {session:?}, away: {away}"),
        }
    }
}

listed! {
    /// What may happen to an endpoint, frames and close codes left out.
    Event {
        Accept = "accept",
        Refuse = "refuse",
        SendMessage = "send_message",
        Commit = "commit",
        RefuseMessage = "refuse_message",
        Reply = "reply",
        Note = "note",
        Close = "close",
        Nothing = "an empty datagram",
        Unknown = "an unknown type",
        Login = "INIT",
        LoginWithToken = "INIT with token",
        LoginAgain = "repeated INIT",
        LoginForged = "forged INIT",
        LoginElsewhere = "INIT for another key",
        LoginShort = "short INIT",
        LoginVersion = "INIT of another version",
        Meet = "INIT XX",
        MeetWithToken = "INIT XX with token",
        Fin = "FIN",
        FinForged = "forged FIN",
        FinElsewhere = "FIN from another address",
        Retry = "RETRY",
        Resp = "RESP",
        Reset = "RESET",
        Versions = "VERSION",
        DataForged = "forged DATA",
        DataRepeated = "repeated DATA",
        DataShort = "short DATA",
        DataForNobody = "DATA for nobody",
        DataElsewhere = "PING from another address",
        DataElsewhereOld = "a late PING from another address",
        NoFrame = "DATA without a frame",
        Malformed = "a malformed frame",
        PathResponse = "PATH_RESPONSE",
        Deadline = "the next deadline",
        Silence = "11 s of silence",
        LongSilence = "100 s of silence",
        EndlessSilence = "901 s of silence",
    }
}

/// The client's usual port, and another one.
const HOME: u16 = 1;
const ELSEWHERE: u16 = 3;

fn apply(event: Event, stage: &mut Stage) -> Vec<String> {
    let lane = Lane::CHAT;
    let datagram = match event {
        Event::Accept => return stage.accept(),
        Event::Refuse => return stage.refuse(),
        Event::SendMessage => {
            return stage.with_session(|endpoint, now, session| {
                endpoint.send_message(now, session, lane, Urgency::Normal, b"more");
            });
        }
        Event::Commit => return stage.with_session(|e, now, s| e.commit(now, s, lane, Seq(0))),
        Event::RefuseMessage => {
            return stage.with_session(|endpoint, now, session| {
                endpoint.refuse_message(now, session, lane, Seq(1), RefuseCode::NoSuchUser);
            });
        }
        Event::Reply => return stage.with_session(|e, now, s| e.reply(now, s, 7, b"!")),
        Event::Note => return stage.with_session(|e, now, s| e.note(now, s, b"note")),
        Event::Close => return stage.close(),
        Event::Nothing => Vec::new(),
        Event::Unknown => vec![0x77; 64],
        Event::Login => stage.log_in(),
        // A token is bound to its message: to the login it is as good as none.
        Event::LoginWithToken => {
            first_contact_without_token(stage);
            stage.log_in()
        }
        Event::LoginAgain => stage.init.clone(),
        Event::LoginForged => damaged(stage.log_in(), packet::HANDSHAKE_BYTES - 1),
        Event::LoginElsewhere => damaged(stage.log_in(), 12),
        Event::LoginShort => stage.log_in()[..packet::HANDSHAKE_BYTES - 1].to_vec(),
        Event::LoginVersion => damaged(stage.log_in(), 1),
        Event::Meet => {
            stage.token = None;
            stage.meet()
        }
        Event::MeetWithToken => {
            first_contact_without_token(stage);
            stage.meet()
        }
        Event::Fin => stage.fin(),
        Event::FinForged => damaged(stage.fin(), 20),
        Event::FinElsewhere => {
            let fin = stage.fin();
            return stage.take(fin, ELSEWHERE);
        }
        Event::Retry => vec![packet::TYPE_RETRY; 50],
        Event::Resp => vec![packet::TYPE_RESP; packet::HANDSHAKE_BYTES],
        Event::Reset => vec![packet::TYPE_RESET; packet::RESET_BYTES],
        Event::Versions => vec![packet::TYPE_VERSION; 11],
        Event::DataForged => damaged(stage.data(&[Frame::Ping]), DATA_HEADER_BYTES),
        Event::DataRepeated => {
            let packet = stage.data(&[Frame::Ping]);
            stage.take(packet.clone(), HOME);
            packet
        }
        Event::DataShort => stage.data(&[])[..packet::RESET_BYTES].to_vec(),
        Event::DataForNobody => vec![packet::TYPE_DATA; 64],
        Event::DataElsewhere => {
            let packet = stage.probe();
            return stage.take(packet, ELSEWHERE);
        }
        Event::DataElsewhereOld => {
            let (late, newer) = (stage.probe(), stage.probe());
            stage.take(newer, HOME);
            return stage.take(late, ELSEWHERE);
        }
        Event::NoFrame => stage.data(&[]),
        Event::Malformed => stage.sealed(&[0xff]),
        Event::PathResponse => {
            let challenge = stage.challenge;
            stage.data(&[Frame::PathResponse(challenge)])
        }
        Event::Deadline => return stage.next_deadline(),
        Event::Silence => return stage.run_for(Duration::from_secs(11)),
        Event::LongSilence => return stage.run_for(Duration::from_secs(100)),
        Event::EndlessSilence => return stage.run_for(Duration::from_secs(901)),
    };
    stage.take(datagram, HOME)
}

/// Gets a token for the client's address.
fn first_contact_without_token(stage: &mut Stage) {
    stage.token = None;
    let init = stage.meet();
    stage.take(init, HOME);
    assert!(stage.token.is_some());
}

fn damaged(mut datagram: Vec<u8>, at: usize) -> Vec<u8> {
    datagram[at] ^= 1;
    datagram
}

fn table() -> Table {
    let names = State::ALL.iter().map(|state| state.name()).collect();
    let mut table = Table::new("server", names);
    let reach = |name: &str| {
        let state = State::ALL.iter().find(|state| state.name() == name);
        Stage::reach(*state.expect("the table holds our states"))
    };
    let home = |state: State| if state == State::Unproved { 2 } else { HOME };
    for event in Event::ALL {
        table.event(event.name(), |state| {
            let mut stage = reach(state);
            let said = apply(*event, &mut stage);
            (State::of(&stage).name(), said)
        });
    }
    let closes = states::close_codes().into_iter().map(|code| {
        let name: &'static str = format!("CLOSE {code:?}").leak();
        (name, states::close(code))
    });
    for (name, frame) in states::cases().into_iter().chain(closes) {
        table.event(name, |state| {
            let mut stage = reach(state);
            let port = home(State::of(&stage));
            let packet = stage.data(std::slice::from_ref(&frame));
            let said = stage.take(packet, port);
            (State::of(&stage).name(), said)
        });
    }
    table
}

#[test]
fn every_event_in_every_state_of_a_server_is_answered_as_the_table_says() {
    let table = table();
    assert_eq!(table.len(), State::ALL.len() * (Event::ALL.len() + 24 + 11));
    insta::assert_snapshot!("table", table.text());
}

#[test]
fn the_documents_table_of_a_servers_states_is_true() {
    table().check_document();
}
