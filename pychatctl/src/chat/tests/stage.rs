//! What most tests begin with: alice, logged in, and a daemon that remembers what it was asked.

use crate::chat::{
    input::{Answer, Ask, Beyond, Effect, Following, Input, Now, Page},
    model::{Chat, Colours, Glyphs, Look},
    view,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use pychat_control::{
    Contact, ContactState, Conversation, Event, EventKind, Link, Message, Presence, Sent, State,
    Status, User,
};
use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::Buffer,
    crossterm::event::{
        Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers, MouseEvent, MouseEventKind,
    },
    layout::Size,
};
use std::time::{Duration, Instant};
use unicode_width::UnicodeWidthStr;

pub(super) const PLAIN: Look = Look { colours: Colours::None, glyphs: Glyphs::Unicode };

/// A chat, and what it wants done.
pub(super) struct Stage {
    pub(super) chat: Chat,
    now: Now,
    effects: Vec<Effect>,
}

impl Stage {
    /// Before the daemon has said anything.
    pub(super) fn dark(width: u16, height: u16) -> Self {
        Self::with_look(PLAIN, width, height)
    }

    pub(super) fn with_look(look: Look, width: u16, height: u16) -> Self {
        let time = "2026-01-31T12:00:00Z".parse().unwrap();
        let now = Now { at: Instant::now(), time };
        let size = Size { width, height };
        let chat = Chat::new(look, TimeZone::UTC, size, now, "k");
        Self { chat, now, effects: Vec::new() }
    }

    /// Logged in and connected, with these conversations.
    pub(super) fn with(width: u16, height: u16, conversations: Vec<Conversation>) -> Self {
        let mut stage = Self::dark(width, height);
        stage.log_in(conversations);
        stage
    }

    pub(super) fn log_in(&mut self, conversations: Vec<Conversation>) {
        self.input(Input::Subscribed(Following::Anew));
        self.answer(Ask::Status, Answer::Status(Box::new(status())));
        let users =
            vec![user("bob", "Bob B.", Presence::Online), user("carol", "Carol", Presence::Away)];
        self.answer(Ask::Users, Answer::Users(users));
        self.answer(Ask::Contacts, Answer::Contacts(vec![contact("bob", ContactState::Pinned)]));
        self.answer(Ask::Conversations, Answer::Conversations(conversations));
    }

    /// With bob's conversation open, and these messages in it.
    pub(super) fn with_bob(width: u16, height: u16, messages: Vec<Message>) -> Self {
        let mut stage = Self::with(width, height, three_conversations());
        stage.answer_page(messages, Beyond::Nothing, Beyond::Nothing);
        stage
    }

    /// Takes an input.
    pub(super) fn input(&mut self, input: Input) {
        let effects = self.chat.update(input, self.now);
        self.effects.extend(effects);
    }

    /// An answer to a question that was asked, or could have been.
    pub(super) fn answer(&mut self, ask: Ask, answer: Answer) {
        self.input(Input::Answered(ask, Ok(answer)));
    }

    /// An answer to the last question for messages.
    pub(super) fn answer_page(&mut self, items: Vec<Message>, before: Beyond, after: Beyond) {
        let ask = self.last_ask(|ask| {
            matches!(
                ask,
                Ask::Latest { .. } | Ask::Older { .. } | Ask::Newer { .. } | Ask::Around { .. }
            )
        });
        self.answer(ask, Answer::Page(Page { items, before, after }));
    }

    /// The last question that fits.
    pub(super) fn last_ask(&self, fits: impl Fn(&Ask) -> bool) -> Ask {
        let asks = self.effects.iter().rev().filter_map(|effect| match effect {
            Effect::Ask(ask) if fits(ask) => Some(ask.clone()),
            Effect::Ask(_) | Effect::Suspend | Effect::Leave => None,
        });
        asks.clone().next().expect("it was asked")
    }

    /// What was wanted since this was called last.
    pub(super) fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The texts that were to be sent since `effects` was taken.
    pub(super) fn sends(&mut self) -> Vec<(String, String)> {
        let effects = self.effects();
        let sends = effects.into_iter().filter_map(|effect| match effect {
            Effect::Ask(Ask::Send { key, body, .. }) => Some((key, body)),
            _ => None,
        });
        sends.collect()
    }

    /// Messages that were marked since `effects` was taken.
    pub(super) fn marked(&mut self) -> Vec<String> {
        let effects = self.effects();
        let marked = effects.into_iter().filter_map(|effect| match effect {
            Effect::Ask(Ask::MarkRead { ids, .. }) => Some(ids),
            _ => None,
        });
        marked.flatten().collect()
    }

    pub(super) fn event(&mut self, what: EventKind) {
        let at = "2026-01-31T12:00:00.000Z".into();
        self.input(Input::Event(Box::new(Event { cursor: Some(1), at, what })));
    }

    pub(super) fn state(&mut self, id: &str, state: State) {
        self.event(EventKind::State { id: id.into(), state, reason: None });
    }

    pub(super) fn terminal(&mut self, event: TerminalEvent) {
        self.input(Input::Terminal(event));
    }

    pub(super) fn key(&mut self, code: KeyCode) {
        self.terminal(TerminalEvent::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    pub(super) fn control(&mut self, c: char) {
        let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        self.terminal(TerminalEvent::Key(key));
    }

    pub(super) fn alt(&mut self, code: KeyCode) {
        self.terminal(TerminalEvent::Key(KeyEvent::new(code, KeyModifiers::ALT)));
    }

    pub(super) fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) {
        let modifiers = KeyModifiers::NONE;
        self.terminal(TerminalEvent::Mouse(MouseEvent { kind, column, row, modifiers }));
    }

    pub(super) fn type_text(&mut self, text: &str) {
        for c in text.chars() {
            self.key(KeyCode::Char(c));
        }
    }

    /// Types a text to whoever is open, sends it, and has it kept with this id.
    pub(super) fn send(&mut self, text: &str, id: &str) {
        self.type_text(text);
        self.key(KeyCode::Enter);
        self.keep(id);
    }

    /// The daemon keeps the last text that was sent.
    pub(super) fn keep(&mut self, id: &str) {
        let ask = self.last_ask(|ask| matches!(ask, Ask::Send { .. }));
        self.answer(
            ask,
            Answer::Sent(Sent { id: id.into(), state: State::Queued, first_contact: None }),
        );
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.now.at += time;
        self.now.time += SignedDuration::try_from(time).unwrap();
        self.input(Input::Tick);
    }

    /// The screen as a terminal has it.
    pub(super) fn buffer(&self) -> Buffer {
        let Size { width, height } = self.chat.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| view::draw(&self.chat, frame)).unwrap();
        terminal.backend().buffer().clone()
    }

    /// The screen as text.
    pub(super) fn picture(&self) -> String {
        let buffer = self.buffer();
        let mut picture = String::new();
        for row in 0..buffer.area.height {
            let mut line = String::new();
            let mut column = 0;
            while column < buffer.area.width {
                let symbol = buffer[(column, row)].symbol();
                line.push_str(symbol);
                column += u16::try_from(symbol.width().max(1)).unwrap();
            }
            picture.push_str(line.trim_end());
            picture.push('\n');
        }
        picture
    }
}

pub(super) fn status() -> Status {
    Status {
        version: "0.1.0".into(),
        pid: 42,
        profile: "default".into(),
        started_at: "2026-01-31T10:00:00.000Z".into(),
        link: Link::Connected,
        since: "2026-01-31T11:55:00.000Z".into(),
        user: Some("alice".into()),
        name: Some("Alice Doe".into()),
        server: Some("pychat://chat.example.org:7420#abc".into()),
        address: Some("192.0.2.1:7420".into()),
        node: None,
        nodes: 0,
        fingerprint: Some("0123 4567".into()),
        rtt_ms: Some(24),
        loss_permille: 13,
        retransmitted: 7,
        packets_sent: 540,
        heard_at: Some("2026-01-31T11:59:58.000Z".into()),
        queued: 0,
        unread: 3,
        unindexed: 0,
        last_error: None,
        changed_keys: Vec::new(),
        other_machine_at: None,
        server_notice: None,
        set_aside: None,
        hooks: Vec::new(),
    }
}

pub(super) fn user(user: &str, name: &str, status: Presence) -> User {
    User { user: user.into(), name: name.into(), status, since: "2026-01-31T11:00:00.000Z".into() }
}

pub(super) fn contact(user: &str, state: ContactState) -> Contact {
    let offered = "cdef 89ab 4567 0123 cdef 89ab 4567 0123".to_owned();
    let is_changed = state == ContactState::Changed;
    Contact {
        user: user.into(),
        state,
        fingerprint: "0123 4567 89ab cdef 0123 4567 89ab cdef".into(),
        since: "2026-01-31T11:00:00.000Z".into(),
        offered: is_changed.then_some(offered),
        held: if is_changed { 2 } else { 0 },
    }
}

/// A minute of the day of the tests, as the daemon tells it.
fn minute(minute: u64) -> String {
    let start: Timestamp = "2026-01-31T10:00:00Z".parse().unwrap();
    let at = start + SignedDuration::from_mins(i64::try_from(minute).unwrap());
    format!("{at:.3}")
}

/// Bob's message at a place, which is the minute after ten as well.
pub(super) fn from_bob(place: u64, body: &str) -> Message {
    Message {
        id: format!("m{place}"),
        from: "bob".into(),
        to: "alice".into(),
        name: "Bob B.".into(),
        body: body.into(),
        sent_at: minute(place),
        received_at: Some(minute(place)),
        state: State::Read,
        reason: None,
        trust: None,
        place: Some(place),
    }
}

pub(super) fn unread_from_bob(place: u64, body: &str) -> Message {
    Message { state: State::Unread, ..from_bob(place, body) }
}

/// Ours to bob.
pub(super) fn to_bob(place: u64, body: &str, state: State) -> Message {
    Message {
        from: "alice".into(),
        to: "bob".into(),
        name: "Alice".into(),
        received_at: None,
        state,
        ..from_bob(place, body)
    }
}

pub(super) fn conversation(peer: &str, unread: u64, first_unread: Option<u64>) -> Conversation {
    let last = Message { from: peer.into(), ..from_bob(90, "the last one") };
    Conversation { peer: peer.into(), name: None, unread, first_unread, last }
}

pub(super) fn three_conversations() -> Vec<Conversation> {
    vec![
        conversation("bob", 0, None),
        conversation("carol", 3, Some(50)),
        conversation("dave", 0, None),
    ]
}

/// Bob's messages at these places.
pub(super) fn many(places: std::ops::Range<u64>) -> Vec<Message> {
    places.map(|place| from_bob(place, &format!("message {place}"))).collect()
}
