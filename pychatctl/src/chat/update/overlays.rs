//! Keys for what is in front of the conversation, and what opens it.

use super::{
    Ask, Chat, Effect,
    keys::{Lines, edit},
};
use crate::{
    chat::model::{
        Choice, Comparison, Line, Overlay, Scope, Switcher, TrustScreen, VerifyScreen, is_peer,
    },
    screen::clean_line,
};
use pychat_control::check_code;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

impl Chat {
    pub(super) fn take_overlay_key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) {
        if key.code == KeyCode::Esc {
            self.overlay = Overlay::None;
            return;
        }
        match std::mem::take(&mut self.overlay) {
            Overlay::None => {}
            Overlay::Help { scrolled } => self.overlay = help_after(scrolled, key.code),
            Overlay::Link => {
                if !is_for_closing(key.code) {
                    self.overlay = Overlay::Link;
                }
            }
            Overlay::Switcher(switcher) => self.take_switcher_key(switcher, key),
            Overlay::Search(search) => {
                self.overlay = Overlay::Search(search);
                self.take_search_key(key);
            }
            Overlay::Verify(screen) => self.take_verify_key(screen, key, effects),
            Overlay::Trust(screen) => self.take_trust_key(screen, key, effects),
        }
    }

    fn take_switcher_key(&mut self, mut switcher: Switcher, key: KeyEvent) {
        let choices = self.choices(&switcher);
        match step(key) {
            Some(step) => switcher.chosen = stepped(switcher.chosen, step, choices.len()),
            None if key.code == KeyCode::Enter => {
                if let Some(choice) = choices.get(switcher.chosen) {
                    self.open_conversation(&choice.user);
                    return;
                }
            }
            None => {
                // What does not fit a name is not typed.
                let _ = edit(&mut switcher.line, key, Lines::One);
                switcher.chosen = 0;
            }
        }
        self.overlay = Overlay::Switcher(switcher);
    }

    /// Whom the letters may mean: conversations first, then other users that begin so, then whoever has
    /// exactly this name.
    pub(crate) fn choices(&self, switcher: &Switcher) -> Vec<Choice> {
        let letters = switcher.line.text().trim().to_lowercase();
        let choice = |user: &str, name: Option<&str>, is_new| Choice {
            user: user.to_owned(),
            name: name.map(str::to_owned),
            is_new,
        };
        let mut choices = Vec::new();
        let mut later = Vec::new();
        for user in self.listed() {
            let name = self.people.name(&user);
            let is_begin = user.starts_with(&letters);
            let is_inside = user.contains(&letters)
                || name.is_some_and(|name| name.to_lowercase().contains(&letters));
            if is_begin {
                choices.push(choice(&user, name, false));
            } else if is_inside {
                later.push(choice(&user, name, false));
            }
        }
        choices.append(&mut later);
        if letters.is_empty()
            && let Some(here) =
                choices.iter().position(|choice| Some(choice.user.as_str()) == self.peer())
        {
            // Whoever wants to go somewhere wants to go elsewhere.
            let here = choices.remove(here);
            choices.push(here);
        }
        let is_us = |user: &str| self.us == crate::chat::model::Us::User(user.to_owned());
        for known in &switcher.names {
            let is_there = choices.iter().any(|choice| choice.user == known.user);
            if known.user.starts_with(&letters) && !is_there && !is_us(&known.user) {
                choices.push(choice(&known.user, known.name.as_deref(), true));
            }
        }
        let is_there = choices.iter().any(|choice| choice.user == letters);
        if is_peer(&letters) && !is_there {
            choices.push(choice(&letters, None, true));
        }
        choices
    }

    fn take_search_key(&mut self, key: KeyEvent) {
        let has_peer = self.open.is_some();
        let Overlay::Search(search) = &mut self.overlay else { return };
        match (step(key), key.code) {
            (Some(step), _) => search.chosen = stepped(search.chosen, step, search.hits.len()),
            (None, KeyCode::Tab) if has_peer => {
                search.scope = match search.scope {
                    Scope::Everywhere => Scope::Here,
                    Scope::Here => Scope::Everywhere,
                };
                search.chosen = 0;
            }
            (None, KeyCode::Enter) => {
                let hit = search.hits.get(search.chosen).map(|hit| hit.message.clone());
                let Some(message) = hit else { return };
                let peer = if message.received_at.is_some() { message.from } else { message.to };
                if let Some(place) = message.place {
                    self.go_to(&peer, place);
                }
            }
            (None, _) => {
                // More words than a message holds find nothing.
                let _ = edit(&mut search.line, key, Lines::One);
                search.chosen = 0;
            }
        }
    }

    /// Opens the comparison with the open conversation's peer.
    pub(super) fn show_verify(&mut self) {
        let Some(peer) = self.peer().map(str::to_owned) else { return };
        let line = Line::default();
        self.show(Overlay::Verify(VerifyScreen {
            peer,
            known: None,
            line,
            outcome: Comparison::NotAsked,
        }));
    }

    fn take_verify_key(
        &mut self,
        mut screen: VerifyScreen,
        key: KeyEvent,
        effects: &mut Vec<Effect>,
    ) {
        if key.code == KeyCode::Enter {
            match check_code(screen.line.text()) {
                Err(error) => screen.outcome = Comparison::Failed(error.to_string()),
                Ok(()) if screen.outcome == Comparison::UnderWay => {}
                Ok(()) => {
                    screen.outcome = Comparison::UnderWay;
                    let code = Some(screen.line.text().to_owned());
                    effects.push(Effect::Ask(Ask::Verify { peer: screen.peer.clone(), code }));
                }
            }
        } else {
            // A code that is too long is refused when it is compared.
            let _ = edit(&mut screen.line, key, Lines::One);
        }
        self.overlay = Overlay::Verify(screen);
    }

    /// Opens the question whether the new key of the open conversation's peer is taken.
    pub(super) fn show_trust(&mut self) {
        let Some(peer) = self.peer() else { return };
        let told = clean_line(peer);
        let contact = self.people.contact(peer).filter(|_| self.people.is_changed(peer)).cloned();
        match contact.and_then(|contact| contact.offered.clone().map(|key| (contact, key))) {
            Some((contact, offered)) => self.show(Overlay::Trust(TrustScreen {
                contact,
                offered,
                under_way: false,
                failure: None,
            })),
            None => self.say(format!("{told}'s key did not change: there is nothing to accept")),
        }
    }

    /// Everything but a clear yes is a no.
    fn take_trust_key(
        &mut self,
        mut screen: TrustScreen,
        key: KeyEvent,
        effects: &mut Vec<Effect>,
    ) {
        match key.code {
            KeyCode::Char('y' | 'Y') if !screen.under_way => {
                screen.under_way = true;
                let (peer, fingerprint) = (screen.contact.user.clone(), screen.offered.clone());
                effects.push(Effect::Ask(Ask::Trust { peer, fingerprint }));
                self.overlay = Overlay::Trust(screen);
            }
            _ if screen.under_way => self.overlay = Overlay::Trust(screen),
            _ => self.say("the new key is not trusted; what is held stays held"),
        }
    }
}

fn help_after(scrolled: usize, code: KeyCode) -> Overlay {
    let scrolled = match code {
        KeyCode::Down | KeyCode::Char('j') => scrolled + 1,
        KeyCode::Up | KeyCode::Char('k') => scrolled.saturating_sub(1),
        KeyCode::PageDown | KeyCode::Char(' ') => scrolled + HELP_PAGE,
        KeyCode::PageUp => scrolled.saturating_sub(HELP_PAGE),
        _ => return Overlay::None,
    };
    Overlay::Help { scrolled: scrolled.min(crate::chat::view::HELP_ROWS) }
}

/// Rows that a page key moves the help.
const HELP_PAGE: usize = 10;

const fn is_for_closing(code: KeyCode) -> bool {
    matches!(code, KeyCode::Enter | KeyCode::Char(_) | KeyCode::Esc)
}

/// Up or down in a list.
fn step(key: KeyEvent) -> Option<isize> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Up => Some(-1),
        KeyCode::Down => Some(1),
        KeyCode::Char('p') if control => Some(-1),
        KeyCode::Char('n') if control => Some(1),
        KeyCode::PageUp => Some(-LIST_PAGE),
        KeyCode::PageDown => Some(LIST_PAGE),
        _ => None,
    }
}

/// Lines that a page key moves in a list.
const LIST_PAGE: isize = 8;

fn stepped(chosen: usize, step: isize, count: usize) -> usize {
    chosen.saturating_add_signed(step).min(count.saturating_sub(1))
}
