//! The echo peer: during development a user `echo` answers each text with the same text.
//!
//! It is a reader of its mailbox like any other, only without a session: a page, the answers to
//! it, and when all of them are on disk the trim and the next page. What a crash makes it answer
//! twice bears the same id, and the recipient stores it once.

use super::{
    Now, Shard,
    jobs::Purpose,
    parcel::{Asker, Failed},
    unsettled::owed_for,
};
use crate::{
    committer::{Outcome, Work, home},
    person::Person,
    store::{Account, Command, Entry, Page, ReadLimit, StoreError},
};
use pychat_proto::{
    Cursor, DisplayName, MessageId, UserName,
    chat::{self, Presence, ToClient},
};
use std::sync::Arc;

/// Entries that it answers at once.
const PAGE: ReadLimit = ReadLimit { entries: 64, bytes: 256 * 1024 };

/// The echo peer of the shard on which its name lives.
pub(super) struct Echo {
    user: UserName,
    name: DisplayName,
    answered: Cursor,
    state: State,
    /// Something arrived since the last page was asked for.
    announced: bool,
}

enum State {
    /// The name is to be claimed, so that people may write to it.
    Nameless,
    Claiming,
    Idle,
    /// The mailbox is to be read.
    Behind,
    Reading,
    Answering {
        up_to: Cursor,
        outstanding: usize,
        failed: bool,
    },
}

impl Shard {
    /// Claims the name and starts reading, if this shard is the one for it.
    pub(super) fn start_echo(&mut self) {
        let user = UserName::parse("echo").expect("echo is a name");
        if !self.config.dev_echo || home(&user, self.config.shards) != self.config.shard {
            return;
        }
        let name = DisplayName::parse("Echo").expect("Echo is a display name");
        let since = self.config.started_at;
        let (answered, state) = (Cursor::NONE, State::Nameless);
        let (person, presence) = (Person::new(&user, &name), Presence::Online);
        self.jobs.tell(Work::Presence { person, presence, since });
        self.echo = Some(Echo { user, name, answered, state, announced: false });
        self.pump_echo();
    }

    /// Something arrived in a mailbox; maybe in this one.
    pub(super) fn wake_echo(&mut self, mailbox: &UserName) {
        let Some(echo) = self.echo.as_mut().filter(|echo| echo.user == *mailbox) else { return };
        echo.announced = true;
        if matches!(echo.state, State::Idle) {
            echo.state = State::Behind;
            self.pump_echo();
        }
    }

    /// Takes the next step. After a failure the store's pause passes first.
    pub(super) fn pump_echo(&mut self) {
        let Some(echo) = self.echo.as_mut() else { return };
        if self.reads.is_pausing() || self.writes.is_pausing() {
            return;
        }
        match echo.state {
            State::Nameless => {
                echo.state = State::Claiming;
                let key = self.config.secrets.identity.public();
                let (user, name) = (echo.user, echo.name.clone());
                let claim =
                    Command::Claim(Account { user, key, name, since: self.config.started_at });
                self.jobs.push(Purpose::EchoClaim, Work::Commit(claim));
            }
            State::Behind => {
                echo.state = State::Reading;
                echo.announced = false;
                let (mailbox, after) = (echo.user, echo.answered);
                self.jobs.push(Purpose::EchoPage, Work::Read { mailbox, after, limit: PAGE });
            }
            State::Claiming | State::Idle | State::Reading | State::Answering { .. } => {}
        }
    }

    pub(super) fn on_echo_claimed(&mut self, done: bool) {
        if let Some(echo) = self.echo.as_mut() {
            // A name that somebody else has is as good: it exists, and nobody will answer.
            echo.state = if done { State::Behind } else { State::Nameless };
        }
        self.pump_echo();
    }

    pub(super) fn on_echo_page(&mut self, now: Now, outcome: Result<Outcome, StoreError>) {
        let Some(echo) = self.echo.as_mut() else { return };
        echo.state = State::Behind;
        if let Ok(Outcome::Page(Page { entries, .. })) = outcome {
            let Some(last) = entries.last() else {
                if !echo.announced {
                    echo.state = State::Idle;
                }
                return self.pump_echo();
            };
            let answers: Vec<(UserName, Arc<[u8]>)> =
                entries.iter().flat_map(|entry| echo.answers(now, entry)).collect();
            let outstanding = answers.len();
            echo.state = State::Answering { up_to: last.cursor, outstanding, failed: false };
            for (to, entry) in answers {
                let owed = owed_for(&entry);
                let asker = Asker::Echo(self.config.shard);
                self.hand_over(home(&to, self.config.shards), to, entry, owed, asker);
            }
            self.finish_echo_page();
        }
        self.pump_echo();
    }

    pub(super) fn on_echo_answer(&mut self, now: Now, safe: Result<(), Failed>) {
        if let Err(failed) = safe {
            self.note_failed(now, failed);
        }
        if let Some(Echo { state: State::Answering { outstanding, failed, .. }, .. }) =
            &mut self.echo
        {
            *outstanding -= 1;
            *failed |= safe.is_err();
        }
        self.finish_echo_page();
        self.pump_echo();
    }

    /// Trims when all answers to a page are on disk; answers all of it again if one is not.
    fn finish_echo_page(&mut self) {
        let Some(echo) = self.echo.as_mut() else { return };
        let State::Answering { up_to, outstanding: 0, failed } = echo.state else { return };
        echo.state = State::Behind;
        if !failed {
            echo.answered = up_to;
            let mailbox = echo.user;
            self.write(Purpose::Unwatched, Command::Trim { mailbox, up_to });
        }
    }
}

impl Echo {
    /// What a client would cause, too: delivered, read, and the same text back.
    fn answers(&self, now: Now, entry: &Entry) -> Vec<(UserName, Arc<[u8]>)> {
        let (by, at) = (self.user, now.unix_ms);
        let Ok(ToClient::Text { id, from, body, .. }) = chat::decode(&entry.entry) else {
            return Vec::new();
        };
        let text = ToClient::Text {
            id: answer_id(id),
            from: by,
            name: self.name.clone(),
            accepted_at: at,
            body,
        };
        let delivered = ToClient::Delivered { by, ids: vec![id], at };
        let read = ToClient::Read { by, ids: vec![id], at };
        let answer = |entry: &ToClient| (from, chat::encode(entry).into());
        [delivered, read, text].iter().map(answer).collect()
    }
}

/// The same for the same text, so that an answer given twice is one message.
fn answer_id(id: MessageId) -> MessageId {
    let mut bytes = *id.as_bytes();
    bytes[6..].iter_mut().for_each(|byte| *byte ^= 0xff);
    MessageId::from_bytes(bytes)
}
