//! Words, for search: how a text is cut into them, when two are the same, and what somebody looks for.
//!
//! A word is a run of letters and digits, without regard to capitals and accents. In scripts that put
//! no space between words (Chinese, Japanese, Korean, Thai and their neighbours) each character is one, so that
//! what is looked for is found wherever it stands; there a query's run of characters is a phrase.

use std::ops::Range;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Longer words are told apart by this many characters only: what has more is no word of a language.
const WORD_CHARS_MAX: usize = 64;

/// Terms of one query; more are refused.
pub const TERMS_MAX: usize = 32;

/// A word's place in its text, and the form in which it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Bytes of the text.
    pub at: Range<usize>,
    /// Small letters without accents; never empty, no spaces, no quotes.
    pub form: String,
}

/// The words of a text, in order.
pub fn words(text: &str) -> impl Iterator<Item = Word> {
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        loop {
            let (start, first) = rest.next()?;
            let script = Script::of(first);
            if script == Script::None {
                continue;
            }
            let mut end = start + first.len_utf8();
            while let Some((at, next)) = rest.peek().copied() {
                let goes_on = is_combining_mark(next)
                    || (script == Script::Spaced && Script::of(next) == Script::Spaced);
                if !goes_on {
                    break;
                }
                end = at + next.len_utf8();
                rest.next();
            }
            let form = form(&text[start..end]);
            if !form.is_empty() {
                return Some(Word { at: start..end, form });
            }
        }
    })
}

/// What a character is to words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    /// Part of a word that ends at the next character that is none.
    Spaced,
    /// A word of its own.
    Unspaced,
    /// Between words.
    None,
}

impl Script {
    fn of(c: char) -> Self {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' => Self::Spaced,
            '\0'..='\u{7f}' => Self::None,
            // Thai, Lao, Tibetan, Myanmar, Khmer; Hangul; kana, ideographs; symbols that people look for.
            '\u{0e00}'..='\u{0fff}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1100}'..='\u{11ff}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{3040}'..='\u{31ff}'
            | '\u{3400}'..='\u{9fff}'
            | '\u{a960}'..='\u{a97f}'
            | '\u{ac00}'..='\u{d7ff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{ff66}'..='\u{ffdc}'
            | '\u{20000}'..='\u{3ffff}'
                if c.is_alphanumeric() =>
            {
                Self::Unspaced
            }
            '\u{2600}'..='\u{27bf}' | '\u{1f300}'..='\u{1faff}' => Self::Unspaced,
            _ if c.is_alphanumeric() => Self::Spaced,
            _ => Self::None,
        }
    }
}

/// What is compared of a word.
fn form(word: &str) -> String {
    if word.is_ascii() {
        return word
            .bytes()
            .take(WORD_CHARS_MAX)
            .map(|b| char::from(b.to_ascii_lowercase()))
            .collect();
    }
    let folded = word.nfkd().filter(|c| !is_accent(*c)).flat_map(char::to_lowercase).nfc();
    // What a compatibility form brings along besides letters would be a word's end, or a quote.
    folded
        .filter(|c| c.is_alphanumeric() || !c.is_ascii() && !c.is_whitespace())
        .take(WORD_CHARS_MAX)
        .collect()
}

/// Marks without which people write the same word: accents, Hebrew points, Arabic vowels.
const fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036f}' | '\u{0591}'..='\u{05c7}' | '\u{064b}'..='\u{065f}' | '\u{0670}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{fe00}'..='\u{fe0f}')
}

/// What somebody looks for: all of it has to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    terms: Vec<Term>,
}

/// Words that have to stand side by side, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    forms: Vec<String>,
    /// The last one is the beginning of a word.
    begins: bool,
}

/// Why there is nothing to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuery {
    /// No word in it.
    #[error("there is no word to look for: a word has letters or digits")]
    Empty,
    /// More than [`TERMS_MAX`] terms.
    #[error("there are too many words to look for: {0}, at most {TERMS_MAX}")]
    TooLong(usize),
}

impl Query {
    /// Reads `word other "some words" begin*`.
    ///
    /// # Errors
    /// There is nothing to look for, or too much.
    pub fn parse(text: &str) -> Result<Self, InvalidQuery> {
        let mut terms = Vec::new();
        // Every second part stands in quotes; a quote that is not closed holds to the end.
        for (number, part) in text.split(['"', '“', '”', '„']).enumerate() {
            if number % 2 == 1 {
                terms.extend(Term::of(part));
            } else {
                terms.extend(part.split_whitespace().filter_map(Term::of));
            }
        }
        match terms.len() {
            0 => Err(InvalidQuery::Empty),
            count if count > TERMS_MAX => Err(InvalidQuery::TooLong(count)),
            _ => Ok(Self { terms }),
        }
    }

    /// As FTS5's query of one column.
    #[must_use]
    pub fn to_fts5(&self, column: &str) -> String {
        let term = |term: &Term| {
            let star = if term.begins { " *" } else { "" };
            format!("{column} : \"{}\"{star}", term.forms.join(" "))
        };
        self.terms.iter().map(term).collect::<Vec<_>>().join(" AND ")
    }

    /// Where in a text the terms are: ranges of bytes, ascending, none within another, at most
    /// `ranges_max`.
    #[must_use]
    pub fn matches(&self, text: &str, ranges_max: usize) -> Vec<Range<usize>> {
        let words: Vec<Word> = words(text).collect();
        let mut found: Vec<Range<usize>> = Vec::new();
        let mut next = 0;
        while next < words.len() && found.len() < ranges_max {
            let rest = &words[next..];
            let longest = self.terms.iter().filter(|term| term.is_at(rest)).map(Term::len).max();
            match longest {
                Some(length) => {
                    found.push(rest[0].at.start..rest[length - 1].at.end);
                    next += length;
                }
                None => next += 1,
            }
        }
        found
    }
}

impl Term {
    fn of(text: &str) -> Option<Self> {
        let forms: Vec<String> = words(text).map(|word| word.form).collect();
        let begins = text.trim_end().ends_with('*');
        (!forms.is_empty()).then_some(Self { forms, begins })
    }

    const fn len(&self) -> usize {
        self.forms.len()
    }

    fn is_at(&self, words: &[Word]) -> bool {
        let last = self.forms.len() - 1;
        words.len() > last
            && self.forms.iter().zip(words).enumerate().all(|(number, (form, word))| {
                if number == last && self.begins {
                    word.form.starts_with(form)
                } else {
                    word.form == *form
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn forms(text: &str) -> Vec<String> {
        words(text).map(|word| word.form).collect()
    }

    fn matches(query: &str, text: &str) -> Vec<String> {
        let found = Query::parse(query).unwrap().matches(text, 100);
        found.into_iter().map(|at| text[at].to_owned()).collect()
    }

    #[test]
    fn words_are_letters_and_digits_without_capitals_and_accents() {
        assert_eq!(
            forms("Can't meet at 10:30, Zoë!"),
            ["can", "t", "meet", "at", "10", "30", "zoe"]
        );
        assert_eq!(forms("ŽLUŤOUČKÝ KŮŇ"), ["zlutoucky", "kun"]);
        assert_eq!(forms("e\u{301}te\u{301}"), forms("été"), "composed or not");
        assert_eq!(forms("Ｗｉｄｅ ﬁne"), ["wide", "fine"]);
        assert_eq!(forms("שָׁלוֹם"), ["שלום"]);
        assert_eq!(forms("  \u{1b}[2J -- \" * ()"), ["2j"]);
        assert_eq!(forms(""), [""; 0]);
    }

    #[test]
    fn scripts_without_spaces_are_found_by_any_part() {
        assert_eq!(forms("東京タワー"), ["東", "京", "タ", "ワ", "ー"]);
        assert_eq!(matches("京タ", "東京タワー"), ["京タ"]);
        assert_eq!(matches("が", "か"), [""; 0], "another letter, not an accent");
        assert_eq!(matches("안녕", "안녕하세요"), ["안녕"]);
        assert_eq!(matches("สวัส", "สวัสดีครับ"), ["สวัส"]);
        assert_eq!(matches("🎉", "done 🎉🎉"), ["🎉", "🎉"]);
        assert_eq!(matches("v2東京", "in v2東京"), ["v2東京"]);
    }

    #[test]
    fn phrases_and_beginnings_are_matched_and_every_term_is_shown() {
        assert_eq!(
            matches("\"red wine\" cheese", "Cheese, red  wine; wine"),
            ["Cheese", "red  wine"]
        );
        assert_eq!(matches("fer*", "the Ferries ferry"), ["Ferries", "ferry"]);
        assert_eq!(matches("\"red wi*\"", "red wine"), ["red wine"]);
        assert_eq!(matches("don't", "I don't, don"), ["don't"]);
        assert_eq!(matches("\"not closed", "not closed, closed"), ["not closed"]);
    }

    #[test]
    fn what_holds_no_word_or_too_many_is_refused() {
        assert_eq!(Query::parse("\"\" *"), Err(InvalidQuery::Empty));
        assert!(Query::parse(&"x ".repeat(TERMS_MAX)).is_ok());
        assert_eq!(Query::parse(&"x ".repeat(TERMS_MAX + 1)), Err(InvalidQuery::TooLong(33)));
    }

    #[test]
    fn the_index_is_asked_in_its_own_language() {
        let query = Query::parse("Red \"white wine\" OR 東京 beg* NEAR(").unwrap();
        insta::assert_snapshot!(query.to_fts5("body"), @r#"body : "red" AND body : "white wine" AND body : "or" AND body : "東 京" AND body : "beg" * AND body : "near""#);
    }

    #[test]
    fn a_long_word_is_told_by_its_beginning() {
        let long = "x".repeat(WORD_CHARS_MAX + 9);
        assert_eq!(forms(&long), ["x".repeat(WORD_CHARS_MAX)]);
        assert_eq!(matches(&long, &long), std::slice::from_ref(&long));
    }

    proptest! {
        #[test]
        fn every_word_of_a_text_is_found_in_it(text in any::<String>()) {
            for word in words(&text) {
                prop_assert!(!word.form.is_empty());
                prop_assert!(!word.form.contains(|c: char| c.is_whitespace() || c == '"'), "{word:?}");
                let query = Query::parse(&text[word.at.clone()]).unwrap();
                let found = query.matches(&text, usize::MAX);
                prop_assert!(found.iter().any(|at| at.start <= word.at.start && word.at.end <= at.end));
            }
        }

        #[test]
        fn nothing_that_is_looked_for_makes_us_panic(query in any::<String>(), text in any::<String>()) {
            if let Ok(query) = Query::parse(&query) {
                let _ = query.to_fts5("body");
                let mut end = 0;
                for at in query.matches(&text, 10) {
                    prop_assert!(at.start >= end && text.get(at.clone()).is_some());
                    end = at.end;
                }
            }
        }
    }
}
