//! The part of the open conversation that is loaded: messages in their order without a gap, from one
//! place to another. It grows where it is looked at, and shrinks at the far end.

use super::Item;
use crate::chat::input::{Beyond, Page};
use pychat_control::{Message, State};
use std::collections::VecDeque;

/// Messages asked for at a time: a few screens.
pub(crate) const PAGE_LEN: u32 = 100;

/// Messages that are kept loaded: pages for going to and fro without asking again.
pub(crate) const WINDOW_MESSAGES_MAX: usize = 600;

/// Bytes of texts that are kept loaded: some answers of the daemon, each a line of 1 MiB at most, as they were
/// told and as they are shown.
pub(crate) const WINDOW_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Loaded messages. Each has a number that it keeps while others come and go at both ends.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    items: VecDeque<Item>,
    first: i64,
    bytes: usize,
    /// What is before the first.
    pub(crate) before: Beyond,
    /// What is after the last.
    pub(crate) after: Beyond,
}

impl Window {
    /// Of what was loaded.
    pub(crate) fn new(page: Page) -> Self {
        let mut window = Self {
            items: VecDeque::new(),
            first: 0,
            bytes: 0,
            before: page.before,
            after: page.after,
        };
        for message in page.items {
            window.push_back(message);
        }
        window
    }

    /// Takes what comes before it; drops what is too much at the other end.
    pub(crate) fn prepend(&mut self, page: Page) {
        for message in page.items.into_iter().rev() {
            if self.is_before_first(&message) {
                let item = Item::new(message);
                self.bytes += item.bytes();
                self.items.push_front(item);
                self.first -= 1;
            }
        }
        self.before = page.before;
        while self.is_too_much() {
            let Some(item) = self.items.pop_back() else { break };
            self.bytes -= item.bytes();
            self.after = Beyond::More;
        }
    }

    /// Takes what comes after it; drops what is too much at the other end.
    pub(crate) fn append(&mut self, page: Page) {
        for message in page.items {
            if self.is_after_last(&message) {
                self.push_back(message);
            }
        }
        self.after = page.after;
        while self.is_too_much() {
            let Some(item) = self.items.pop_front() else { break };
            self.bytes -= item.bytes();
            self.first += 1;
            self.before = Beyond::More;
        }
    }

    /// The number of the first message.
    pub(crate) const fn first(&self) -> i64 {
        self.first
    }

    /// The number behind the last message.
    pub(crate) fn end(&self) -> i64 {
        self.first + i64::try_from(self.items.len()).unwrap_or(0)
    }

    /// A message by its number.
    pub(crate) fn get(&self, number: i64) -> Option<&Item> {
        self.items.get(usize::try_from(number - self.first).ok()?)
    }

    /// A message by its number, to be broken into rows.
    pub(crate) fn get_mut(&mut self, number: i64) -> Option<&mut Item> {
        self.items.get_mut(usize::try_from(number - self.first).ok()?)
    }

    /// The place of the first message.
    pub(crate) fn first_place(&self) -> Option<u64> {
        self.items.front().and_then(|item| item.message.place)
    }

    /// The place of the last message.
    pub(crate) fn last_place(&self) -> Option<u64> {
        self.items.back().and_then(|item| item.message.place)
    }

    /// The number of the first message at this place or behind it.
    pub(crate) fn number_at(&self, place: u64) -> Option<i64> {
        let is_there = |item: &Item| item.message.place.is_some_and(|at| at >= place);
        let index = self.items.iter().position(is_there)?;
        Some(self.first + i64::try_from(index).unwrap_or(0))
    }

    /// All messages.
    pub(crate) fn items(&self) -> impl DoubleEndedIterator<Item = &Item> + ExactSizeIterator {
        self.items.iter()
    }

    /// A message of ours came further; says whether it is here.
    pub(crate) fn set_state(&mut self, id: &str, state: State, reason: Option<String>) -> bool {
        let ours = |item: &&mut Item| item.message.received_at.is_none() && item.message.id == id;
        let Some(item) = self.items.iter_mut().rev().find(ours) else { return false };
        item.message.state = state;
        item.message.reason = reason;
        true
    }

    /// A message of the other one was shown.
    pub(crate) fn set_shown(&mut self, id: &str) {
        let theirs = |item: &&mut Item| item.message.received_at.is_some() && item.message.id == id;
        if let Some(item) = self.items.iter_mut().rev().find(theirs) {
            item.message.state = State::Read;
        }
    }

    /// Messages of which only places tell whether they are new.
    fn is_after_last(&self, message: &Message) -> bool {
        self.last_place().is_none_or(|last| message.place.is_none_or(|place| place > last))
    }

    fn is_before_first(&self, message: &Message) -> bool {
        self.first_place().is_none_or(|first| message.place.is_none_or(|place| place < first))
    }

    fn push_back(&mut self, message: Message) {
        let item = Item::new(message);
        self.bytes += item.bytes();
        self.items.push_back(item);
    }

    fn is_too_much(&self) -> bool {
        self.items.len() > WINDOW_MESSAGES_MAX || self.bytes > WINDOW_BYTES_MAX
    }
}
