//! One client of the crowd: does what a daemon does, with its outbox and its cursor in memory.

use crate::{
    body::{Arrivals, Stamp},
    tally::{Tally, Trouble},
    writer::Writer,
};
use pychat_proto::{
    Client, ClientEvent, CloseCode, ConnectionId, Cursor, Instant, Lane, Seq, UserName,
    chat::{self, Call, MailboxEntry, Reply, ToClient},
};
use std::net::SocketAddr;

/// How far a member has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// No session.
    Apart,
    /// A session; whether the name is claimed by now is not asked.
    LoggedIn,
    /// The server was asked whether it knows the name: until then nobody can write to it.
    Asking,
    /// It does.
    Known,
}

/// Whether datagrams for a member may name other ids from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// They may.
    Changed,
    /// They do not.
    Same,
}

/// One client.
pub(crate) struct Member {
    name: UserName,
    pub(crate) client: Client,
    /// Over which socket it speaks.
    pub(crate) socket: usize,
    pub(crate) writer: Option<Writer>,
    pub(crate) arrivals: Option<Arrivals>,
    /// The ids under which datagrams are sent its way.
    pub(crate) ids: Vec<ConnectionId>,
    /// Whether something happened to it since it was last looked after.
    pub(crate) touched: bool,
    standing: Standing,
    /// Whether the server is asked for the name in each session: questions end with theirs.
    curious: bool,
    /// Whether its next session is a return that is waited for.
    awaited: bool,
    cursor: Cursor,
    /// The last record received, if it is not committed.
    received: Option<Seq>,
}

impl Member {
    /// Nobody yet: no session, nothing to write or to expect.
    pub(crate) fn new(name: UserName, client: Client, socket: usize) -> Self {
        Self {
            name,
            client,
            socket,
            writer: None,
            arrivals: None,
            ids: Vec::new(),
            touched: false,
            standing: Standing::Apart,
            curious: false,
            awaited: false,
            cursor: Cursor::NONE,
            received: None,
        }
    }

    pub(crate) const fn name(&self) -> &UserName {
        &self.name
    }

    /// Asks the server whether it knows the name by now, and again after a login.
    pub(crate) fn ask(&mut self, now: Instant) {
        self.curious = true;
        let question = chat::encode(&Call::User { name: self.name });
        if self.client.call(now, &question).is_some() {
            self.standing = Standing::Asking;
        }
    }

    /// If it has a session now, its next one is waited for; whether it is.
    pub(crate) fn await_return(&mut self) -> bool {
        self.awaited = self.standing != Standing::Apart;
        self.awaited
    }

    /// Says goodbye.
    pub(crate) fn log_out(&mut self, now: Instant, tally: &mut Tally) {
        self.client.close(now);
        self.curious = false;
        self.part(tally);
    }

    /// Takes what the session says, commits what came, and writes what is due.
    pub(crate) fn serve(&mut self, now: Instant, server: SocketAddr, tally: &mut Tally) -> Ids {
        let mut ids = Ids::Same;
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Connected { committed, .. } => {
                    ids = Ids::Changed;
                    if self.standing != Standing::Apart {
                        // On a suspect path the client logs in beside its session.
                        tally.sessions_lost += 1;
                        self.part(tally);
                    }
                    self.standing = Standing::LoggedIn;
                    tally.logged_in += 1;
                    if std::mem::take(&mut self.awaited) {
                        tally.back.push(now);
                    }
                    self.settle(committed, tally);
                    if let Some(writer) = &mut self.writer {
                        writer.begin(Some(committed.next()));
                    }
                    if self.curious {
                        self.ask(now);
                    }
                }
                ClientEvent::Committed { up_to, .. } => self.settle(up_to, tally),
                ClientEvent::Message { last, payload, .. } => {
                    self.received = Some(last);
                    self.take_entry(&payload, tally);
                }
                ClientEvent::Reply { payload, .. } => self.on_reply(now, &payload, tally),
                ClientEvent::Disconnected { code, retry_at, .. } => {
                    ids = Ids::Changed;
                    if code == CloseCode::Restarting {
                        tally.asked_away = tally.asked_away.max(retry_at.since(now));
                    }
                    tally.sessions_lost += 1;
                    self.part(tally);
                }
                ClientEvent::Refused(refusal) => {
                    ids = Ids::Changed;
                    self.part(tally);
                    tally.note(Trouble::LoginRefused(refusal.reason));
                }
                ClientEvent::MessageRefused { code, .. } => tally.note(Trouble::TextRefused(code)),
                ClientEvent::NeedAddresses => {
                    ids = Ids::Changed;
                    self.client.set_addresses(now, vec![server]);
                }
                ClientEvent::ServerKeyLearned(_)
                | ClientEvent::Suspicion(_)
                | ClientEvent::Unanswered { .. }
                | ClientEvent::Note { .. } => {}
            }
        }
        if let Some(received) = self.received.take() {
            self.client.set_cursor(self.cursor);
            self.client.commit(now, Lane::CHAT, received);
        }
        if let Some(writer) = &mut self.writer {
            tally.sent += writer.write(now, &mut self.client);
        }
        ids
    }

    fn settle(&mut self, up_to: Seq, tally: &mut Tally) {
        if let Some(writer) = &mut self.writer {
            tally.accepted += writer.settle(up_to);
        }
    }

    fn take_entry(&mut self, payload: &[u8], tally: &mut Tally) {
        let Ok(MailboxEntry { cursor, entry }) = chat::decode(payload) else { return };
        self.cursor = self.cursor.max(cursor);
        // Receipts are committed like texts, and that is all.
        let ToClient::Text { body, .. } = entry else { return };
        let Some(arrivals) = &mut self.arrivals else { return };
        match arrivals.take(&body) {
            Ok(Some(sent_at)) => tally.arrived(sent_at, Stamp::now()),
            Ok(None) => {}
            Err(fault) => tally.note(Trouble::Text(fault)),
        }
    }

    fn on_reply(&mut self, now: Instant, payload: &[u8], tally: &mut Tally) {
        if self.standing != Standing::Asking {
            return;
        }
        match chat::decode(payload) {
            Ok(Reply::User(Some(_))) => {
                self.standing = Standing::Known;
                tally.known += 1;
            }
            Ok(
                Reply::User(None)
                | Reply::Users { .. }
                | Reply::TryLater
                | Reply::OwnKeys(_)
                | Reply::UserKeys(_),
            )
            | Err(_) => self.ask(now),
        }
    }

    /// The session is over.
    fn part(&mut self, tally: &mut Tally) {
        match self.standing {
            Standing::Apart => {}
            Standing::LoggedIn | Standing::Asking => tally.logged_in -= 1,
            Standing::Known => {
                tally.logged_in -= 1;
                tally.known -= 1;
            }
        }
        self.standing = Standing::Apart;
        if let Some(writer) = &mut self.writer {
            writer.begin(None);
        }
    }
}
