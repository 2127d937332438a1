//! Opening conversations, and going to places in them.

use super::Chat;
use crate::chat::{
    input::{Beyond, Page},
    model::{DRAFTS_MAX, Focus, Item, Line, Open, Overlay, Position, Stage, Window},
};

impl Chat {
    /// Opens the conversation with somebody: where the unread messages begin, or at its end.
    pub(super) fn open_conversation(&mut self, peer: &str) {
        self.overlay = Overlay::None;
        if self.peer() == Some(peer) {
            return;
        }
        if !self.leave_conversation() {
            return;
        }
        self.open_empty(peer);
        self.find_first_unread();
    }

    /// Opens it without knowing anything of it.
    pub(super) fn open_empty(&mut self, peer: &str) {
        self.open = Some(Open::new(peer));
        self.marking.clear();
    }

    /// Where the unread messages begin is where it is loaded.
    pub(super) fn find_first_unread(&mut self) {
        let Some(peer) = self.peer() else { return };
        let first_unread = self.people.conversation(peer).and_then(|with| with.first_unread);
        if let Some(open) = self.open.as_mut().filter(|open| open.window.is_none()) {
            open.unread_from = first_unread;
            open.target = open.target.or(first_unread);
        }
    }

    /// Keeps what is typed; says whether that is possible.
    fn leave_conversation(&mut self) -> bool {
        self.drafts.retain(|_, line| !line.is_empty());
        if self.drafts.len() >= DRAFTS_MAX && !self.is_line_empty() {
            self.say("too many unsent texts are kept: send or delete this one first");
            return false;
        }
        // What is on the daemon's disk is found there again.
        self.outgoing.retain(|outgoing| !matches!(outgoing.stage, Stage::Kept(_)));
        true
    }

    /// Goes to a message, in whichever conversation.
    pub(super) fn go_to(&mut self, peer: &str, place: u64) {
        self.overlay = Overlay::None;
        if self.peer() != Some(peer) {
            if !self.leave_conversation() {
                return;
            }
            self.open_empty(peer);
            let first_unread = self.people.conversation(peer).and_then(|with| with.first_unread);
            if let Some(open) = &mut self.open {
                open.unread_from = first_unread;
            }
        }
        if let Some(open) = &mut self.open {
            open.found = Some(place);
        }
        self.look_or_load(place);
    }

    fn look_or_load(&mut self, place: u64) {
        let Some(open) = &mut self.open else { return };
        let window = open.window.as_ref();
        let first = window.and_then(Window::first_place);
        let last = window.and_then(Window::last_place);
        let is_loaded =
            first.zip(last).is_some_and(|(first, last)| first <= place && place <= last);
        if is_loaded {
            self.look_at(place);
        } else {
            open.target = Some(place);
            open.window = None;
            open.waiting_for = None;
            open.shown.clear();
        }
    }

    /// Goes to the first unread message here, or to the next conversation that has one.
    pub(super) fn go_to_unread(&mut self) {
        let unread = |with: &pychat_control::Conversation| {
            with.first_unread.filter(|_| with.unread > 0).map(|place| (with.peer.clone(), place))
        };
        let here = self.peer().and_then(|peer| self.people.conversation(peer)).and_then(unread);
        if let Some((_, place)) = here {
            if let Some(open) = &mut self.open {
                open.unread_from = Some(place);
            }
            self.look_or_load(place);
            return;
        }
        let waiting = self.people.conversations.iter().find_map(unread);
        match waiting {
            Some((peer, _)) => self.open_conversation(&peer),
            None => self.say("nothing is unread"),
        }
    }

    /// To the very first message.
    pub(super) fn go_to_start(&mut self) {
        let Some(open) = &mut self.open else { return };
        match &open.window {
            Some(window) if window.before == Beyond::Nothing => {
                open.position = Position::At { item: window.first(), row: -ROWS_ABOVE_TEXT_MAX };
            }
            Some(_) | None => self.look_or_load(0),
        }
    }

    /// To the very last message.
    pub(super) fn go_to_end(&mut self) {
        let Some(open) = &mut self.open else { return };
        open.position = Position::Bottom;
        open.target = None;
        open.found = None;
        if open.window.as_ref().is_some_and(|window| window.after != Beyond::Nothing) {
            open.window = None;
            open.waiting_for = None;
            open.shown.clear();
        }
    }

    /// To a neighbour in the list.
    pub(super) fn go_to_neighbour(&mut self, down: bool) {
        let listed = self.listed();
        let here = listed.iter().position(|peer| Some(peer.as_str()) == self.peer());
        let next = match (here, down) {
            (None, _) => Some(0),
            (Some(index), true) => Some(index + 1),
            (Some(index), false) => index.checked_sub(1),
        };
        if let Some(peer) = next.and_then(|index| listed.get(index)).cloned() {
            self.open_conversation(&peer);
        }
    }

    /// Everything that is shown may have changed.
    pub(super) fn load_anew(&mut self) {
        let looked_at = self.open.as_ref().and_then(|open| match open.position {
            Position::Bottom => None,
            Position::At { item, .. } => self.entry(item).and_then(|item| item.message.place),
        });
        if let Some(open) = &mut self.open {
            open.target = open.target.or(looked_at);
            open.window = None;
            open.waiting_for = None;
            open.shown.clear();
        }
    }

    /// Takes what was loaded in place of what was there.
    pub(super) fn take_whole_page(&mut self, page: Page) {
        self.drop_outgoing(&page);
        let Some(open) = &mut self.open else { return };
        open.waiting_for = None;
        open.window = Some(Window::new(page));
        open.position = Position::Bottom;
        match open.target.take() {
            Some(place) => self.look_at(place),
            None => self.arrange(),
        }
    }

    /// Takes what is newer than all that was there.
    pub(super) fn take_newer_page(&mut self, page: Page) {
        self.drop_outgoing(&page);
        let more = page.after == Beyond::More;
        let first_unread = page.items.iter().map(|message| Item::new(message.clone()));
        let first_unread = first_unread.filter(Item::is_unread).find_map(|item| item.message.place);
        let focus = self.focus;
        let Some(open) = &mut self.open else { return };
        let Some(window) = &mut open.window else { return };
        window.append(page);
        if focus == Focus::Elsewhere && open.unread_from.is_none() {
            open.unread_from = first_unread;
        }
        if more && open.position == Position::Bottom {
            // Whoever looks at the end goes with it.
            window.after = Beyond::More;
        }
    }

    /// What is in the window is no longer on its way there.
    fn drop_outgoing(&mut self, page: &Page) {
        let is_there = |id: &str| page.items.iter().any(|message| message.id == id);
        self.outgoing.retain(|outgoing| match &outgoing.stage {
            Stage::Kept(id) => !is_there(id),
            Stage::Waiting | Stage::Asked => true,
        });
    }

    /// The line above what is unread goes once all of it was seen.
    pub(super) fn forget_unread_line(&mut self) {
        let Some(open) = &mut self.open else { return };
        let any_unread =
            open.window.as_ref().is_some_and(|window| window.items().any(Item::is_unread));
        if !any_unread {
            open.unread_from = None;
        }
    }

    /// Those in the list, from the top: a conversation that has just begun comes first.
    pub(crate) fn listed(&self) -> Vec<String> {
        let new = self.peer().filter(|peer| self.people.conversation(peer).is_none());
        let known = self.people.conversations.iter().map(|with| with.peer.clone());
        new.map(str::to_owned).into_iter().chain(known).collect()
    }

    /// The first of them that is shown, where so many fit: the open one is among them.
    pub(crate) fn list_top(&self, rows: usize) -> usize {
        let peer = self.peer();
        let here = self.listed().iter().position(|listed| Some(listed.as_str()) == peer);
        here.map_or(0, |index| (index + 1).saturating_sub(rows))
    }

    /// Puts a text back where it was typed.
    pub(super) fn give_back(&mut self, peer: &str, body: &str) -> bool {
        let line = self.drafts.entry(peer.to_owned()).or_default();
        let text = match line.text() {
            "" => body.to_owned(),
            typed => format!("{body}\n{typed}"),
        };
        if text.len() > pychat_control::TEXT_BYTES_MAX {
            return false;
        }
        *line = Line::of(&text);
        true
    }
}

/// More than ever stand above a text.
const ROWS_ABOVE_TEXT_MAX: i64 = 1000;
