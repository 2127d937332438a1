//! What a status bar shows: a text with places for numbers and names.

use crate::screen::clean_line;
use pychat_control::Unread;
use std::str::FromStr;

/// Such a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Total,
    Senders,
    Names,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidTemplate {
    /// There is nothing of that name.
    #[error(
        "there is no {{{0}}}: it is {{total}}, {{senders}} or {{names}}; {{{{ and }}}} are braces"
    )]
    Unknown(String),
    /// It does not close.
    #[error("a brace is alone: type {{{{ or }}}} for one that is shown")]
    Alone,
}

impl FromStr for Template {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("{{") {
                plain.push('{');
                rest = after;
            } else if let Some(after) = rest.strip_prefix("}}") {
                plain.push('}');
                rest = after;
            } else {
                let named = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
                let (name, after) = named.ok_or(InvalidTemplate::Alone)?;
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(Part::named(name)?);
                rest = after;
            }
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        Ok(Self(parts))
    }
}

impl Part {
    fn named(name: &str) -> Result<Self, InvalidTemplate> {
        match name {
            "total" => Ok(Self::Total),
            "senders" => Ok(Self::Senders),
            "names" => Ok(Self::Names),
            _ => Err(InvalidTemplate::Unknown(name.chars().take(NAME_CHARS_MAX).collect())),
        }
    }
}

impl Template {
    /// The text with what is unread.
    pub(crate) fn fill(&self, unread: &Unread) -> String {
        let fill = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Total => unread.total.to_string(),
            Part::Senders => unread.items.len().to_string(),
            Part::Names => unread
                .items
                .iter()
                .map(|item| clean_line(&item.user))
                .collect::<Vec<_>>()
                .join(", "),
        };
        self.0.iter().map(fill).collect()
    }
}

/// Enough of a name that does not exist to find it in what was typed.
const NAME_CHARS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use pychat_control::UnreadFrom;

    fn unread() -> Unread {
        let from = |user: &str, count| UnreadFrom { user: user.into(), count };
        Unread { total: 5, items: vec![from("bob", 4), from("carol", 1)] }
    }

    fn filled(text: &str) -> String {
        text.parse::<Template>().unwrap().fill(&unread())
    }

    #[test]
    fn places_are_filled_and_braces_can_be_shown() {
        assert_eq!(filled("{total} from {senders}: {names}"), "5 from 2: bob, carol");
        assert_eq!(filled(r#"{{"text":"{total}"}}"#), r#"{"text":"5"}"#);
        assert_eq!(filled("ü{{{total}}}"), "ü{5}");
        assert_eq!(filled(""), "");
        assert_eq!(
            "{total}".parse::<Template>().unwrap().fill(&Unread { total: 0, items: vec![] }),
            "0"
        );
    }

    #[test]
    fn what_is_no_place_is_refused_with_those_that_are() {
        let refused = |text: &str| text.parse::<Template>().unwrap_err().to_string();
        insta::assert_snapshot!(refused("{count}"), @"there is no {count}: it is {total}, {senders} or {names}; {{ and }} are braces");
        insta::assert_snapshot!(refused("{total"), @"a brace is alone: type {{ or }} for one that is shown");
        assert_eq!(refused("total}"), refused("{total"));
        assert!(refused(&format!("{{{}}}", "x".repeat(9999))).len() < 200);
    }
}
