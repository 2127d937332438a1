//! What is asked of the daemon after each input, and when to look at the clock next.

use super::{Ask, Chat, Daemon, Effect, Focus};
use crate::chat::{
    input::Beyond,
    model::{Comparison, Overlay, Scope, Stage, Us},
};
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// Between two looks at how the link is, while it is shown.
const STATUS_EVERY: Duration = Duration::from_secs(5);

/// The same while its numbers are looked at.
const STATUS_EVERY_IN_PANEL: Duration = Duration::from_secs(2);

/// After an answer that did not come.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Messages from an edge of what is loaded at which the next page is asked for.
const LOAD_AHEAD: i64 = 30;

impl Chat {
    /// When time alone changes something.
    pub(crate) fn wake_at(&self) -> Instant {
        let now = self.now.at;
        let again = self.asked.again_at.filter(|_| self.daemon == Daemon::Here);
        let status = match (self.daemon, self.focus) {
            (Daemon::Here, Focus::Here) => {
                let at = self.asked.status_at.map_or(now, |at| at + self.status_every());
                // Before that, nothing is asked.
                Some(again.map_or(at, |again| again.max(at)))
            }
            (Daemon::Gone, _) | (Daemon::Here, Focus::Elsewhere) => None,
        };
        let notice = self.notice.as_ref().map(|notice| notice.until);
        let all = [notice, self.leaving, status, again].into_iter().flatten();
        all.fold(now + until_next_minute(self.now.time), Instant::min)
    }

    fn status_every(&self) -> Duration {
        if self.overlay == Overlay::Link { STATUS_EVERY_IN_PANEL } else { STATUS_EVERY }
    }

    pub(super) fn ask(&mut self, effects: &mut Vec<Effect>) {
        if self.daemon == Daemon::Gone {
            return;
        }
        if let Some(at) = self.asked.again_at {
            if at > self.now.at {
                return;
            }
            self.asked.again_at = None;
        }
        let mut asks = Vec::new();
        self.ask_status(&mut asks);
        self.ask_people(&mut asks);
        self.ask_messages(&mut asks);
        self.mark_read(&mut asks);
        self.send_next(&mut asks);
        self.ask_overlay(&mut asks);
        effects.extend(asks.into_iter().map(Effect::Ask));
    }

    fn ask_status(&mut self, asks: &mut Vec<Ask>) {
        let due = self.asked.status_at.is_none_or(|at| at + self.status_every() <= self.now.at);
        if due && self.focus == Focus::Here {
            self.asked.status.want();
            self.asked.status_at = Some(self.now.at);
        }
        if self.asked.status.begins() {
            asks.push(Ask::Status);
        }
    }

    fn ask_people(&mut self, asks: &mut Vec<Ask>) {
        if self.asked.conversations.begins() {
            asks.push(Ask::Conversations);
        }
        if self.asked.contacts.begins() {
            asks.push(Ask::Contacts);
        }
        if self.link == Some(pychat_control::Link::Connected) && self.asked.users.begins() {
            asks.push(Ask::Users);
        }
    }

    /// The open conversation: from its start, at its end, or at an edge that comes into sight.
    fn ask_messages(&mut self, asks: &mut Vec<Ask>) {
        if !self.people.conversations_known || self.us == Us::Unknown {
            return;
        }
        let Some(open) = &mut self.open else { return };
        let peer = open.peer.clone();
        if open.waiting_for.is_some() {
            return;
        }
        let Some(window) = &mut open.window else {
            let ask = match open.target {
                Some(place) => Ask::Around { peer, place },
                None => Ask::Latest { peer },
            };
            open.waiting_for = Some(ask.clone());
            // What is new until it is answered is in the answer.
            self.asked.tail.wanted = false;
            asks.push(ask);
            return;
        };
        let shown = open.shown.first().zip(open.shown.last());
        if let Some((first, last)) = shown {
            let is_near_start = first.item - window.first() < LOAD_AHEAD;
            let is_near_end = window.end() - last.item < LOAD_AHEAD;
            if let (true, Beyond::More, Some(before)) =
                (is_near_start, window.before, window.first_place())
            {
                window.before = Beyond::Loading;
                asks.push(Ask::Older { peer: peer.clone(), before });
            }
            if let (true, Beyond::More, Some(after)) =
                (is_near_end, window.after, window.last_place())
            {
                window.after = Beyond::Loading;
                asks.push(Ask::Newer { peer: peer.clone(), after });
            }
        }
        // What is new comes by itself where the end is not in sight.
        if window.after != Beyond::Nothing {
            self.asked.tail.wanted = false;
        } else if self.asked.tail.begins() {
            match window.last_place() {
                Some(after) => asks.push(Ask::Newer { peer, after }),
                None => {
                    let ask = Ask::Latest { peer };
                    open.waiting_for = Some(ask.clone());
                    asks.push(ask);
                }
            }
        }
    }

    /// What is on the screen of somebody who looks there was seen.
    fn mark_read(&mut self, asks: &mut Vec<Ask>) {
        if self.focus == Focus::Elsewhere || self.overlay != Overlay::None {
            return;
        }
        let ids = self.shown_unread();
        let ids: Vec<String> = ids.into_iter().filter(|id| !self.marking.contains(id)).collect();
        let Some(peer) = self.peer().map(str::to_owned).filter(|_| !ids.is_empty()) else { return };
        self.marking.extend(ids.iter().cloned());
        asks.push(Ask::MarkRead { peer, ids });
    }

    /// One text after the other: a lost answer must not let the next one overtake.
    fn send_next(&mut self, asks: &mut Vec<Ask>) {
        if self.outgoing.iter().any(|outgoing| outgoing.stage == Stage::Asked) {
            return;
        }
        let mut waiting = self.outgoing.iter_mut();
        if let Some(next) = waiting.find(|outgoing| outgoing.stage == Stage::Waiting) {
            next.stage = Stage::Asked;
            let (key, to) = (next.key.clone(), next.to.clone());
            asks.push(Ask::Send { key, to, body: next.body.clone() });
        }
    }

    /// As it is typed: of each, one question is under way, and the next is the newest.
    fn ask_overlay(&mut self, asks: &mut Vec<Ask>) {
        let peer = self.peer().map(str::to_owned);
        match &mut self.overlay {
            Overlay::Switcher(switcher) if !switcher.under_way => {
                let prefix = switcher.line.text().trim().to_lowercase();
                if switcher.asked.as_ref() != Some(&prefix) {
                    switcher.under_way = true;
                    switcher.asked = Some(prefix.clone());
                    asks.push(Ask::Names { prefix });
                }
            }
            Overlay::Search(search) if !search.under_way => {
                let words = search.line.text().trim().to_owned();
                let wanted = (words.clone(), search.scope);
                if search.asked.as_ref() != Some(&wanted) {
                    search.asked = Some(wanted);
                    if words.is_empty() {
                        search.hits.clear();
                        search.failure = None;
                    } else {
                        search.under_way = true;
                        let peer = peer.filter(|_| search.scope == Scope::Here);
                        asks.push(Ask::Search { words, peer });
                    }
                }
            }
            Overlay::Verify(screen) if screen.outcome == Comparison::NotAsked => {
                screen.outcome = Comparison::UnderWay;
                asks.push(Ask::Verify { peer: screen.peer.clone(), code: None });
            }
            Overlay::None
            | Overlay::Help { .. }
            | Overlay::Link
            | Overlay::Switcher(_)
            | Overlay::Search(_)
            | Overlay::Verify(_)
            | Overlay::Trust(_) => {}
        }
    }
}

/// "5 min ago" changes then.
fn until_next_minute(time: Timestamp) -> Duration {
    let second = u64::try_from(time.as_second().rem_euclid(60)).unwrap_or(0);
    Duration::from_secs(60 - second)
}
