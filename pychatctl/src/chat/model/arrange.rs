//! The open conversation on the screen: which rows of which messages are shown. Only what is shown is
//! broken into rows, going from where the person looks.

use super::{Chat, Item, Window};
use crate::{
    chat::input::{Ask, Beyond},
    screen::rows_of,
};
use jiff::{SignedDuration, civil::Date, tz::TimeZone};
use std::collections::VecDeque;

/// Columns before a text: how far it is stands there.
pub(crate) const GUTTER: usize = 3;

/// Texts of one person that follow each other within this time share a heading.
const TOGETHER: SignedDuration = SignedDuration::from_mins(5);

/// The open conversation.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    /// With whom.
    pub(crate) peer: String,
    /// What is loaded of it, once something is.
    pub(crate) window: Option<Window>,
    /// The question whose answer takes the place of what is loaded.
    pub(crate) waiting_for: Option<Ask>,
    /// Where the person looks.
    pub(crate) position: Position,
    /// The place of the message above which the unread ones begin.
    pub(crate) unread_from: Option<u64>,
    /// The place that was jumped to.
    pub(crate) found: Option<u64>,
    /// The place to look at once it is loaded.
    pub(crate) target: Option<u64>,
    /// What is on the screen, from the top.
    pub(crate) shown: Vec<Row>,
}

/// Where the person looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// At the end, wherever that is.
    Bottom,
    /// The first row of the screen is this row of this message, counted from the first one of its text: what
    /// stands above that comes and goes with what is loaded.
    At {
        /// The message's number.
        item: i64,
        /// The row.
        row: i64,
    },
}

/// A row of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The message's number.
    pub(crate) item: i64,
    /// What of it.
    pub(crate) kind: RowKind,
}

/// What stands in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// The day of what follows.
    Day(Date),
    /// What follows is unread.
    Unread,
    /// Who wrote what follows, and when.
    Head,
    /// Something about the sender's key.
    Note(String),
    /// A row of the text.
    Text(usize),
    /// Why it did not go out.
    Failure(String),
}

impl Open {
    /// Before anything is loaded.
    pub(crate) fn new(peer: &str) -> Self {
        Self {
            peer: peer.to_owned(),
            window: None,
            waiting_for: None,
            position: Position::Bottom,
            unread_from: None,
            found: None,
            target: None,
            shown: Vec::new(),
        }
    }
}

impl Chat {
    /// Puts the open conversation on the screen.
    pub(crate) fn arrange(&mut self) {
        let area = self.areas().messages;
        let Some(mut sheet) = self.sheet() else { return };
        let (rows, position) = sheet.fill(usize::from(area.height));
        if let Some(open) = &mut self.open {
            open.shown = rows;
            open.position = position;
        }
    }

    /// Goes up (below zero) or down by so many rows.
    pub(crate) fn scroll(&mut self, rows: i64) {
        let height = usize::from(self.areas().messages.height);
        let Some(mut sheet) = self.sheet() else { return };
        let position = sheet.moved(rows, height);
        if let Some(open) = &mut self.open {
            open.position = position;
        }
        self.arrange();
    }

    /// Looks at the message at this place, or the first one behind it, with a few rows above it.
    pub(crate) fn look_at(&mut self, place: u64) {
        let height = i64::from(self.areas().messages.height);
        let Some(open) = &mut self.open else { return };
        let Some(window) = &open.window else { return };
        let Some(item) = window.number_at(place) else {
            open.position = Position::Bottom;
            self.arrange();
            return;
        };
        let row = self.sheet().map_or(0, |mut sheet| -sheet.rows_above_text(item));
        if let Some(open) = &mut self.open {
            open.position = Position::At { item, row };
        }
        self.scroll(-(height / 4));
    }

    fn sheet(&mut self) -> Option<Sheet<'_>> {
        let columns = usize::from(self.areas().messages.width).saturating_sub(GUTTER + 1).max(1);
        let open = self.open.as_mut()?;
        let peer = &open.peer;
        let window = open.window.as_mut()?;
        let is_here = |to: &str| window.after == Beyond::Nothing && to == peer;
        let mine = self.outgoing.iter_mut().filter(|outgoing| is_here(&outgoing.to));
        let outgoing: VecDeque<&mut Item> = mine.map(|outgoing| &mut outgoing.item).collect();
        Some(Sheet {
            window,
            outgoing,
            zone: &self.zone,
            columns,
            position: open.position,
            unread_from: open.unread_from,
        })
    }

    /// Somebody else's messages on the screen that nobody has seen yet.
    pub(crate) fn shown_unread(&self) -> Vec<String> {
        let rows = self.open.iter().flat_map(|open| &open.shown);
        let texts = rows.filter(|row| matches!(row.kind, RowKind::Text(_)));
        let items = texts.filter_map(|row| self.entry(row.item)).filter(|item| item.is_unread());
        let mut ids: Vec<String> = items.map(|item| item.message.id.clone()).collect();
        ids.dedup();
        ids
    }

    /// A message of the open conversation, or a text on its way, by its number.
    pub(crate) fn entry(&self, number: i64) -> Option<&Item> {
        let window = self.open.as_ref()?.window.as_ref()?;
        window.get(number).or_else(|| {
            let index = usize::try_from(number - window.end()).ok()?;
            self.outgoing_here().nth(index).map(|outgoing| &outgoing.item)
        })
    }
}

/// All that can be shown, from which a screen is filled.
struct Sheet<'a> {
    window: &'a mut Window,
    outgoing: VecDeque<&'a mut Item>,
    zone: &'a TimeZone,
    columns: usize,
    position: Position,
    unread_from: Option<u64>,
}

impl Sheet<'_> {
    /// The rows of a screen of this height, and where it is by then: at the end, if it shows that.
    fn fill(&mut self, height: usize) -> (Vec<Row>, Position) {
        let Position::At { item, row } = self.position else {
            return (self.fill_from_bottom(height), Position::Bottom);
        };
        let (item, row) = self.normal(item, row);
        let mut rows = Vec::new();
        let mut number = item;
        while number < self.end() && rows.len() < height {
            let skipped = if number == item { usize::try_from(row).unwrap_or(0) } else { 0 };
            rows.extend(self.rows(number).into_iter().skip(skipped));
            number += 1;
        }
        let ends_here = number == self.end() && rows.len() <= height;
        if ends_here && self.window.after == Beyond::Nothing {
            return (self.fill_from_bottom(height), Position::Bottom);
        }
        rows.truncate(height);
        let above = self.rows_above_text(item);
        (rows, Position::At { item, row: row - above })
    }

    fn fill_from_bottom(&mut self, height: usize) -> Vec<Row> {
        let mut rows: VecDeque<Row> = VecDeque::new();
        let mut number = self.end();
        while number > self.window.first() && rows.len() < height {
            number -= 1;
            for row in self.rows(number).into_iter().rev() {
                rows.push_front(row);
            }
        }
        while rows.len() > height {
            rows.pop_front();
        }
        rows.into()
    }

    /// Where the screen is once it was moved.
    fn moved(&mut self, by: i64, height: usize) -> Position {
        let (item, row) = match self.position {
            Position::At { item, row } => self.normal(item, row),
            Position::Bottom => {
                let rows = self.fill_from_bottom(height);
                let Some(first) = rows.first() else { return Position::Bottom };
                let item = first.item;
                let shown = rows.iter().take_while(|row| row.item == item).count();
                let all = self.rows(item).len();
                (item, i64::try_from(all.saturating_sub(shown)).unwrap_or(0))
            }
        };
        let above = self.rows_above_text(item);
        let (item, row) = self.normal(item, row + by - above);
        if item >= self.end() {
            return Position::Bottom;
        }
        Position::At { item, row: row - self.rows_above_text(item) }
    }

    /// A message and a row of it, from a message and a row that may be far outside of it, counted from its
    /// text. Above everything is the first row, below everything the end.
    fn normal(&mut self, item: i64, row: i64) -> (i64, i64) {
        let mut item = item.clamp(self.window.first(), self.end());
        let mut row = row + self.rows_above_text(item);
        while row < 0 {
            if item == self.window.first() {
                return (item, 0);
            }
            item -= 1;
            row += self.len(item);
        }
        while item < self.end() && row >= self.len(item) {
            row -= self.len(item);
            item += 1;
        }
        if item == self.end() { (item, 0) } else { (item, row) }
    }

    fn end(&self) -> i64 {
        self.window.end() + i64::try_from(self.outgoing.len()).unwrap_or(0)
    }

    fn len(&mut self, number: i64) -> i64 {
        i64::try_from(self.rows(number).len()).unwrap_or(0)
    }

    fn get(&self, number: i64) -> Option<&Item> {
        self.window.get(number).or_else(|| {
            let index = usize::try_from(number - self.window.end()).ok()?;
            self.outgoing.get(index).map(|item| &**item)
        })
    }

    fn get_mut(&mut self, number: i64) -> Option<&mut Item> {
        let end = self.window.end();
        if number < end {
            return self.window.get_mut(number);
        }
        let index = usize::try_from(number - end).ok()?;
        self.outgoing.get_mut(index).map(|item| &mut **item)
    }

    fn rows_above_text(&mut self, number: i64) -> i64 {
        i64::try_from(self.above_text(number).len()).unwrap_or(0)
    }

    fn rows(&mut self, number: i64) -> Vec<Row> {
        let mut kinds = self.above_text(number);
        let columns = self.columns;
        let Some(item) = self.get_mut(number) else { return Vec::new() };
        kinds.extend((0..item.rows(columns).len()).map(RowKind::Text));
        if let Some(failure) = item.failure() {
            kinds.extend(wrapped(&failure, columns).map(RowKind::Failure));
        }
        kinds.into_iter().map(|kind| Row { item: number, kind }).collect()
    }

    fn above_text(&self, number: i64) -> Vec<RowKind> {
        let Some(item) = self.get(number) else { return Vec::new() };
        let former = self.get(number - 1);
        let mut kinds = Vec::new();
        let day = item.day(self.zone);
        if former.is_none_or(|former| former.day(self.zone) != day) {
            kinds.push(RowKind::Day(day));
        }
        if self.unread_from.is_some() && self.unread_from == item.message.place {
            kinds.push(RowKind::Unread);
        }
        let note = item.note();
        let goes_on = |former: &Item| {
            former.author() == item.author() && item.at.duration_since(former.at) < TOGETHER
        };
        if !kinds.is_empty() || note.is_some() || !former.is_some_and(goes_on) {
            kinds.push(RowKind::Head);
        }
        if let Some(note) = note {
            kinds.extend(wrapped(&note, self.columns).map(RowKind::Note));
        }
        kinds
    }
}

fn wrapped(text: &str, columns: usize) -> impl Iterator<Item = String> {
    rows_of(text, columns).into_iter().map(|row| text[row].to_owned())
}
