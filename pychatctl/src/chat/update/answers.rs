//! Answers of the daemon, and answers that did not come.

use super::{Answer, Ask, Chat, NoAnswer, asking::ASK_AGAIN};
use crate::{
    chat::{
        input::{Beyond, Page},
        model::{Asked, Comparison, Due, Open, Overlay, Us},
    },
    screen::clean_line,
};
use pychat_control::{Failure, Found, Link, Status, Trusted, Verification};

impl Chat {
    pub(super) fn take_answer(&mut self, ask: Ask, answer: Answer) {
        match (ask, answer) {
            (Ask::Status, Answer::Status(status)) => self.take_status(*status),
            (Ask::Users, Answer::Users(users)) => {
                self.asked.users.end();
                self.people.set_users(users);
            }
            (Ask::Contacts, Answer::Contacts(contacts)) => {
                self.asked.contacts.end();
                self.people.set_contacts(contacts);
            }
            (Ask::Conversations, Answer::Conversations(conversations)) => {
                self.asked.conversations.end();
                self.take_conversations(conversations);
            }
            (ask, Answer::Page(page)) => self.take_page(&ask, page),
            (Ask::MarkRead { peer, ids }, Answer::Done) => {
                self.asked.conversations.want();
                self.set_shown(&peer, &ids);
            }
            (Ask::Send { key, .. }, Answer::Sent(sent)) => self.take_sent(&key, &sent),
            (Ask::Search { .. }, Answer::Found(found)) => self.take_found(found),
            (Ask::Names { .. }, Answer::Names(names)) => {
                if let Overlay::Switcher(switcher) = &mut self.overlay {
                    switcher.under_way = false;
                    switcher.names = names;
                }
            }
            (Ask::Verify { peer, code }, Answer::Verified(verification)) => {
                self.take_verification(&peer, code.as_deref(), *verification);
            }
            (Ask::Trust { .. }, Answer::Trusted(trusted)) => self.take_trusted(&trusted),
            // Each question has one kind of answer: `link` sees to it.
            _ => {}
        }
    }

    fn take_status(&mut self, status: Status) {
        self.asked.status.end();
        let was_connected = self.link == Some(Link::Connected);
        self.link = Some(status.link);
        if status.link == Link::Connected && !was_connected {
            self.asked.users.want();
        }
        let user = status.user.clone();
        self.us = user.map_or(Us::Nobody, Us::User);
        self.status = Some(status);
    }

    fn take_conversations(&mut self, conversations: Vec<pychat_control::Conversation>) {
        if self.people.set_conversations(conversations) {
            self.asked.users.want();
        }
        if self.open.is_none()
            && let Some(first) = self.people.conversations.first().map(|with| with.peer.clone())
        {
            self.open_empty(&first);
        }
        self.find_first_unread();
    }

    fn take_page(&mut self, ask: &Ask, page: Page) {
        let open = self.open.as_ref();
        let (first, last) = open
            .and_then(|open| open.window.as_ref())
            .map_or((None, None), |window| (window.first_place(), window.last_place()));
        let is_here = |peer: &str| open.is_some_and(|open| open.peer == peer);
        match ask {
            Ask::Latest { .. } | Ask::Around { .. } => {
                self.asked.tail.end();
                if open.is_some_and(|open| open.waiting_for.as_ref() == Some(ask)) {
                    self.take_whole_page(page);
                }
            }
            Ask::Older { peer, before } => {
                if is_here(peer)
                    && first == Some(*before)
                    && let Some(open) = &mut self.open
                    && let Some(window) = &mut open.window
                {
                    window.prepend(page);
                }
            }
            Ask::Newer { peer, after } => {
                self.asked.tail.end();
                if is_here(peer) && last == Some(*after) {
                    self.take_newer_page(page);
                }
            }
            _ => {}
        }
    }

    fn set_shown(&mut self, peer: &str, ids: &[String]) {
        let open = self.open.as_mut().filter(|open| open.peer == peer);
        if let Some(window) = open.and_then(|open| open.window.as_mut()) {
            for id in ids {
                window.set_shown(id);
                self.marking.remove(id);
            }
        }
    }

    fn take_found(&mut self, found: Found) {
        if let Overlay::Search(search) = &mut self.overlay {
            search.under_way = false;
            search.failure = None;
            search.more = found.next.is_some();
            search.unindexed = found.unindexed;
            search.hits = found.items;
            search.chosen = search.chosen.min(search.hits.len().saturating_sub(1));
        }
    }

    fn take_verification(&mut self, peer: &str, code: Option<&str>, known: Verification) {
        self.people.set_contact(known.contact.clone());
        if let Overlay::Verify(screen) = &mut self.overlay
            && screen.peer == peer
        {
            screen.outcome = match (code, known.matches) {
                (None, _) => Comparison::None,
                (Some(_), Some(true)) => Comparison::Same,
                (Some(_), Some(false)) => Comparison::Differs,
                (Some(_), None) => Comparison::Failed("the daemon did not compare them".into()),
            };
            screen.known = Some(Box::new(known));
        }
    }

    fn take_trusted(&mut self, trusted: &Trusted) {
        self.overlay = Overlay::None;
        self.asked.contacts.want();
        let user = clean_line(&trusted.user);
        self.say(match trusted.released {
            0 => format!("{user}'s new key is trusted"),
            1 => format!("{user}'s new key is trusted; 1 held message is on its way"),
            held => format!("{user}'s new key is trusted; {held} held messages are on their way"),
        });
    }

    pub(super) fn take_no_answer(&mut self, ask: Ask, why: NoAnswer) {
        let (failure, is_gone) = match why {
            NoAnswer::Failed(failure) => (*failure, false),
            NoAnswer::Gone => (gone(), true),
        };
        if is_gone {
            self.asked.again_at = Some(self.now.at + ASK_AGAIN);
        }
        match ask {
            Ask::Status => self.lost(is_gone, |asked| &mut asked.status),
            Ask::Users => self.lost(is_gone, |asked| &mut asked.users),
            Ask::Contacts => self.lost(is_gone, |asked| &mut asked.contacts),
            Ask::Conversations => {
                self.lost(is_gone, |asked| &mut asked.conversations);
                if !is_gone {
                    self.say_failure(&failure);
                }
            }
            ask @ (Ask::Latest { .. } | Ask::Around { .. }) => {
                self.asked.tail.end();
                self.take_no_page(&ask, is_gone, &failure);
            }
            Ask::Older { peer, .. } => {
                if let Some(open) = self.open.as_mut().filter(|open| open.peer == peer)
                    && let Some(window) = &mut open.window
                {
                    window.before = Beyond::More;
                    self.asked.again_at = Some(self.now.at + ASK_AGAIN);
                }
            }
            Ask::Newer { peer, .. } => {
                self.lost(is_gone, |asked| &mut asked.tail);
                if let Some(open) = self.open.as_mut().filter(|open| open.peer == peer)
                    && let Some(window) = &mut open.window
                    && window.after == Beyond::Loading
                {
                    window.after = Beyond::More;
                    self.asked.again_at = Some(self.now.at + ASK_AGAIN);
                }
            }
            Ask::MarkRead { ids, .. } => {
                for id in &ids {
                    self.marking.remove(id);
                }
                self.asked.again_at = Some(self.now.at + ASK_AGAIN);
            }
            Ask::Send { key, .. } => self.take_not_sent(&key, is_gone, &failure),
            ask @ (Ask::Search { .. }
            | Ask::Names { .. }
            | Ask::Verify { .. }
            | Ask::Trust { .. }) => {
                self.take_no_overlay_answer(&ask, &failure);
            }
        }
    }

    fn take_no_overlay_answer(&mut self, ask: &Ask, failure: &Failure) {
        let told = clean_line(&failure.message);
        match (ask, &mut self.overlay) {
            (Ask::Names { .. }, Overlay::Switcher(switcher)) => switcher.under_way = false,
            (Ask::Search { .. }, Overlay::Search(search)) => {
                search.under_way = false;
                search.hits.clear();
                search.failure = Some(told);
            }
            (Ask::Verify { peer, .. }, Overlay::Verify(screen)) if screen.peer == *peer => {
                screen.outcome = Comparison::Failed(told);
            }
            (Ask::Trust { .. }, Overlay::Trust(screen)) => {
                screen.under_way = false;
                screen.failure = Some(told);
            }
            _ => {}
        }
    }

    fn take_no_page(&mut self, ask: &Ask, is_gone: bool, failure: &Failure) {
        let is_wanted = |open: &&mut Open| open.waiting_for.as_ref() == Some(ask);
        if let Some(open) = self.open.as_mut().filter(is_wanted) {
            open.waiting_for = None;
            self.asked.again_at = Some(self.now.at + ASK_AGAIN);
            if !is_gone {
                self.say_failure(failure);
            }
        }
    }

    fn lost(&mut self, is_gone: bool, due: fn(&mut Asked) -> &mut Due) {
        let due = due(&mut self.asked);
        due.end();
        if is_gone {
            due.want();
        }
    }

    pub(super) fn say_failure(&mut self, failure: &Failure) {
        let told = clean_line(&failure.message);
        match failure.hint.as_deref().map(clean_line) {
            Some(hint) => self.say(format!("{told}; {hint}")),
            None => self.say(told),
        }
    }
}

fn gone() -> Failure {
    Failure {
        code: pychat_control::ErrorCode::DaemonUnreachable,
        message: "the daemon did not answer".into(),
        hint: None,
        sent: None,
    }
}
