//! What was sent, to be typed again.

use super::Line;
use std::collections::VecDeque;

/// Sent texts that the arrow keys bring back.
pub(crate) const RECALLED_MAX: usize = 100;

/// Texts that were sent before, newest last, and where among them the person is.
#[derive(Debug, Default)]
pub(crate) struct Recalled {
    texts: VecDeque<String>,
    /// The one that is shown, and what was typed before.
    at: Option<(usize, Line)>,
}

impl Recalled {
    /// Remembers a text.
    pub(crate) fn add(&mut self, text: &str) {
        self.at = None;
        if self.texts.back().is_none_or(|last| last != text) {
            self.texts.push_back(text.to_owned());
        }
        while self.texts.len() > RECALLED_MAX {
            self.texts.pop_front();
        }
    }

    /// The text before the one that is shown.
    pub(crate) fn earlier(&mut self, line: &mut Line) {
        let (index, typed) = match self.at.take() {
            Some((index, typed)) => (index.checked_sub(1), typed),
            None => (self.texts.len().checked_sub(1), line.clone()),
        };
        let index = index.unwrap_or(0);
        if let Some(text) = self.texts.get(index) {
            *line = Line::of(text);
            self.at = Some((index, typed));
        }
    }

    /// The text behind the one that is shown; at the end what was typed before.
    pub(crate) fn later(&mut self, line: &mut Line) {
        let Some((index, typed)) = self.at.take() else { return };
        match self.texts.get(index + 1) {
            Some(text) => {
                *line = Line::of(text);
                self.at = Some((index + 1, typed));
            }
            None => *line = typed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_texts_are_forgotten_and_doubles_are_not_kept() {
        let mut recalled = Recalled::default();
        for number in 0..RECALLED_MAX + 5 {
            recalled.add(&number.to_string());
            recalled.add(&number.to_string());
        }
        assert_eq!(recalled.texts.len(), RECALLED_MAX);
        let mut line = Line::of("typed");
        for _ in 0..RECALLED_MAX + 5 {
            recalled.earlier(&mut line);
        }
        assert_eq!(line.text(), "5");
    }
}
