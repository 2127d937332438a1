//! What stands on and between characters without a place of its own: accents, joiners, selectors of
//! form. Writing needs some of them; a heap of them bleeds into other lines, and alone they hide.

use unicode_width::UnicodeWidthChar;

/// Marks on one character. Pointed and chanted Hebrew, stacked Tibetan and voiced Arabic have up to
/// five; more is there to bleed over the lines above.
const MARKS_MAX: u32 = 8;

/// Joiners within one emoji: no sequence that is in use has more than three. Without a bound, a
/// terminal would have to draw any number of pictures in the two columns of one.
const JOINS_MAX: u32 = 4;

/// Leaves out what has no place and no meaning where it stands, and what is too much of it. Cleaning
/// twice changes nothing.
///
/// A joiner (U+200D) stays between two pictures, and it and its opposite (U+200C) between two letters of a
/// script that is written with them. A selector stays on what it selects a form of. All other characters
/// without width that are no marks go.
pub(super) fn tame(text: &str) -> String {
    let mut tamed = Tamed { out: String::with_capacity(text.len()), ..Tamed::default() };
    for c in text.chars() {
        tamed.take(c);
    }
    tamed.out
}

#[derive(Default)]
struct Tamed {
    out: String,
    last: Option<char>,
    /// The last character with a place of its own.
    base: Option<char>,
    marks: u32,
    joins: u32,
    /// Kept only if what follows needs it.
    joiner: Option<char>,
}

impl Tamed {
    fn take(&mut self, c: char) {
        match Kind::of(c) {
            Kind::Base => self.take_base(c),
            Kind::Mark => self.take_mark(c),
            Kind::Selector => {
                let follows_base = self.last == self.base && self.joiner.is_none();
                if follows_base && self.base.is_some_and(|base| selects_form(base, c)) {
                    self.push(c);
                }
            }
            Kind::Joiner => self.joiner = Some(c),
            Kind::Hidden => {}
        }
    }

    fn take_base(&mut self, c: char) {
        match (self.joiner.take(), self.base, self.last) {
            (Some(ZWJ), Some(base), _)
                if is_picture(base) && is_picture(c) && self.joins < JOINS_MAX =>
            {
                self.joins += 1;
                self.push(ZWJ);
            }
            (Some(joiner), _, Some(last)) if is_joining(last) && is_joining(c) => {
                self.joins = 0;
                self.push(joiner);
            }
            _ => self.joins = 0,
        }
        self.marks = 0;
        self.base = if c == '\n' { None } else { Some(c) };
        self.push(c);
        if c == '\n' {
            self.last = None;
        }
    }

    /// One that stands on nothing would go onto what is ours.
    fn take_mark(&mut self, c: char) {
        if self.base.is_none() || self.marks == MARKS_MAX {
            return;
        }
        if let (Some(joiner), Some(last)) = (self.joiner.take(), self.last)
            && is_joining(last)
            && is_joining(c)
        {
            self.push(joiner);
        }
        self.marks += 1;
        self.push(c);
    }

    fn push(&mut self, c: char) {
        self.out.push(c);
        self.last = Some(c);
    }
}

/// What a character is in this respect.
enum Kind {
    /// It has a place of its own.
    Base,
    /// It stands on a base.
    Mark,
    /// It chooses between forms of a base.
    Selector,
    /// It joins its neighbours, or keeps them apart.
    Joiner,
    /// It shows nothing, wherever it stands.
    Hidden,
}

impl Kind {
    fn of(c: char) -> Self {
        match c {
            '\n' => Self::Base,
            ZWJ | ZWNJ => Self::Joiner,
            '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => Self::Selector,
            // Fillers have columns in some terminals and none in others, but never something to see.
            '\u{ad}'
            | '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{ffa0}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e00ff}'
            | '\u{e01f0}'..='\u{e0fff}' => Self::Hidden,
            _ if c.width() == Some(0) => Self::Mark,
            _ => Self::Base,
        }
    }
}

const ZWJ: char = '\u{200d}';
const ZWNJ: char = '\u{200c}';

/// Pictures, and the signs that are joined to them.
const fn is_picture(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

/// Scripts in which a joiner, or its opposite, changes how letters are written: Arabic, Syriac and their
/// kin, those of India and its neighbours, Mongolian.
const fn is_joining(c: char) -> bool {
    matches!(c,
        '\u{600}'..='\u{8ff}' | '\u{900}'..='\u{dff}' | '\u{1000}'..='\u{109f}'
        | '\u{1780}'..='\u{18af}' | '\u{a840}'..='\u{a8ff}' | '\u{fb50}'..='\u{fdff}'
        | '\u{fe70}'..='\u{fefc}' | '\u{11000}'..='\u{11fff}')
}

/// Whether `base` has the form that `selector` asks for.
const fn selects_form(base: char, selector: char) -> bool {
    match selector {
        // As a picture or as text.
        '\u{fe0e}' | '\u{fe0f}' => {
            is_picture(base)
                || matches!(
                    base,
                    '#' | '*' | '0'
                        ..='9' | '©' | '®' | '‼' | '⁉' | '™' | 'ℹ' | '〰' | '〽' | '㊗' | '㊙'
                )
        }
        // Han characters as they are written in one name or place.
        _ => {
            matches!(base, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_writing_needs_stays() {
        for text in [
            "Zoë Ngữ é",
            "👩‍👩‍👧 👨🏽‍🚀 🏳️‍🌈 ❤️‍🔥 🇩🇪 1️⃣ ❤︎",
            "می‌خواهم",
            "क्‍ष र्‍य ক্‌ষ র‍্য",
            "שָׁ֖לוֹם",
            "葛\u{e0100}",
            "한국 각",
            "ที่นี่",
        ] {
            assert_eq!(tame(text), text);
        }
    }

    #[test]
    fn a_heap_of_marks_is_cut() {
        let heap = format!("a{}b", "\u{301}".repeat(1000));
        assert_eq!(tame(&heap), format!("a{}b", "\u{301}".repeat(8)));
    }

    #[test]
    fn a_mark_on_nothing_goes() {
        assert_eq!(tame("\u{301}a\n\u{301}b"), "a\nb");
    }

    #[test]
    fn what_hides_goes() {
        for hidden in [
            "\u{200b}",
            "\u{200c}",
            "\u{200d}",
            "\u{2060}",
            "\u{2063}",
            "\u{ad}",
            "\u{34f}",
            "\u{3164}",
            "\u{fe0f}",
            "\u{fe00}",
            "\u{e0041}",
            "\u{e01ef}",
            "\u{180e}",
            "\u{ffa0}",
        ] {
            assert_eq!(tame(&format!("a{hidden}{hidden}b{hidden}")), "ab", "{hidden:?}");
            assert_eq!(tame(hidden), "", "{hidden:?}");
        }
    }

    #[test]
    fn one_emoji_does_not_grow_without_end() {
        let chain = ["👩"; 50].join("\u{200d}");
        let longest = ["👩"; 5].join("\u{200d}");
        assert!(tame(&chain).starts_with(&format!("{longest}👩")), "{}", tame(&chain));
        assert_eq!(tame("👩\u{fe0f}\u{fe0f}\u{fe0f}"), "👩\u{fe0f}");
    }

    proptest! {
        #[test]
        fn taming_twice_changes_nothing(
            text in "[a1\n\u{301}\u{94d}\u{915}\u{200b}\u{200c}\u{200d}\u{fe0f}\u{fe00}👩❤葛\u{e0100}\u{640}\u{ad}]{0,40}",
        ) {
            let tamed = tame(&text);
            prop_assert_eq!(tame(&tamed), tamed);
        }
    }
}
