//! Target `config`: what people write into files and on command lines.

use crate::source::Source;
use pychat_control::{Profile, check_display_name, check_user_name};
use pychat_proto::{DisplayName, JoinLink, MessageId, PublicKey, UserName};
use pychat_server::config::{ConfigError, check_text};
use std::path::Path;

/// What is accepted survives its own text form; what is refused is refused with a place that is in
/// the text; and the two halves of the project agree on what a name is.
pub fn config(data: &[u8]) {
    let mut source = Source::new(data);
    let kind = source.u8();
    let Ok(text) = std::str::from_utf8(source.rest()) else { return };
    match kind & 3 {
        0 => server_file(text),
        1 => client_file(text),
        2 => link(text),
        _ => names(text),
    }
}

fn server_file(text: &str) {
    match check_text(Path::new("c.toml"), text) {
        Ok(())
        | Err(
            ConfigError::Exposed(_)
            | ConfigError::NoData
            | ConfigError::Store(_)
            | ConfigError::Shards(_)
            | ConfigError::Host(_)
            | ConfigError::NodeWithoutName
            | ConfigError::TooManyNodes { .. },
        ) => {}
        Err(ConfigError::Parse { place, message, .. }) => {
            is_within(text, place.line, place.column);
            assert!(!message.is_empty() && !message.contains('\n'));
        }
        Err(error @ ConfigError::Read { .. }) => panic!("{error}"),
    }
}

fn client_file(text: &str) {
    use crate::pychatctl_config::Config;
    use pychat_control::{ConfigError, parse_config};
    match parse_config::<Config>(text, Path::new("c.toml")) {
        Ok(_) => {}
        Err(ConfigError::Invalid { line, column, message, .. }) => {
            is_within(text, line, column);
            assert!(!message.is_empty() && !message.contains('\n'));
        }
        Err(error @ ConfigError::Unreadable { .. }) => panic!("{error}"),
    }
}

/// A place, or the one just behind the end.
fn is_within(text: &str, line: usize, column: usize) {
    let lines = text.matches('\n').count() + 1;
    assert!((1..=lines).contains(&line), "line {line} of {lines}");
    let there = text.split('\n').nth(line - 1).unwrap_or_default();
    let columns = there.chars().count() + 1;
    assert!((1..=columns).contains(&column), "column {column} of {columns} in {there:?}");
}

fn link(text: &str) {
    if let Ok(link) = text.parse::<JoinLink>() {
        for place in link.places() {
            assert!(place.port() != 0 && !place.host().is_empty());
            assert!(place.host().is_ascii() && !place.host().contains(char::is_whitespace));
            assert_eq!(place.to_string().parse().as_ref(), Ok(place), "{text:?}");
        }
        assert_eq!(link.to_string().parse(), Ok(link), "{text:?}");
    }
    if let Ok(key) = text.parse::<PublicKey>() {
        assert_eq!(key.to_string(), text, "a key has one text form");
    }
}

fn names(text: &str) {
    let name = UserName::parse(text);
    assert_eq!(name.is_ok(), check_user_name(text).is_ok(), "{text:?}");
    if let Ok(name) = name {
        assert_eq!(name.as_str(), text);
        assert!((1..=32).contains(&text.len()));
    }
    let name = DisplayName::parse(text);
    // The command line wants one that says something.
    if check_display_name(text).is_ok() {
        assert!(name.is_ok(), "{text:?}");
    }
    if let Ok(name) = name {
        assert_eq!(name.as_str(), text);
        assert!(text.chars().count() <= 64 && !text.contains(char::is_control));
    }
    if let Ok(id) = text.parse::<MessageId>() {
        assert_eq!(id.to_string().parse::<MessageId>().ok(), Some(id));
    }
    if let Ok(profile) = text.parse::<Profile>() {
        assert_eq!(profile.as_str(), text);
        assert_eq!(Path::new(text).components().count(), 1, "a profile is a directory's name");
    }
}
