//! The configuration files: `config.toml` of the user and of each profile.

use crate::duration;
use pychat_control::{ConfigError, DaemonConfig, Profile, State};
use serde::{Deserialize, Deserializer, de};
use std::{path::Path, time::Duration};

/// One file's content; what it leaves out is decided elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The profile, in the user's file only.
    #[serde(default, deserialize_with = "profile")]
    pub(crate) profile: Option<Profile>,
    /// The server that `connect` takes.
    pub(crate) server: Option<String>,
    /// When to colour.
    pub(crate) color: Option<ColorWhen>,
    /// How long a command waits.
    #[serde(default, deserialize_with = "span")]
    pub(crate) timeout: Option<Duration>,
    /// Whether the daemon is started when it is needed.
    pub(crate) autostart: Option<bool>,
    /// Whether answers are JSON.
    pub(crate) json: Option<bool>,
    /// Whether remarks are left out.
    pub(crate) quiet: Option<bool>,
    /// What `send` waits for.
    #[serde(default, deserialize_with = "wait")]
    pub(crate) wait: Option<State>,
    /// What is the daemon's: read here so that a slip is told at once.
    #[serde(default)]
    pub(crate) daemon: DaemonConfig,
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ColorWhen {
    /// On a terminal that can.
    Auto,
    /// Also into a pipe.
    Always,
    /// Not at all.
    Never,
}

impl Config {
    /// Reads a file that need not be there.
    pub(crate) fn read_if_there(path: &Path) -> Result<Self, ConfigError> {
        pychat_control::read_config_if_there(path)
    }

    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        pychat_control::read_config(path)
    }

    /// Reads a file's text; `path` is for what is said about it.
    #[cfg(test)]
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        pychat_control::parse_config(text, path)
    }
}

/// The states that `send` can wait for.
pub(crate) fn parse_wait(text: &str) -> Result<State, String> {
    match text {
        "queued" => Ok(State::Queued),
        "accepted" => Ok(State::Accepted),
        "delivered" => Ok(State::Delivered),
        "read" => Ok(State::Read),
        _ => Err("it is one of queued, accepted, delivered, read".into()),
    }
}

fn profile<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Profile>, D::Error> {
    String::deserialize(from)?.parse().map(Some).map_err(de::Error::custom)
}

fn span<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    duration::parse(&String::deserialize(from)?).map(Some).map_err(de::Error::custom)
}

fn wait<'de, D: Deserializer<'de>>(from: D) -> Result<Option<State>, D::Error> {
    parse_wait(&String::deserialize(from)?).map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pychat_control::Notify;

    fn error(text: &str) -> String {
        Config::parse(text, Path::new("c.toml")).unwrap_err().to_string()
    }

    #[test]
    fn every_key_is_read() {
        let text = "profile = 'work'\nserver = 'h'\ncolor = 'never'\ntimeout = '3s'\n\
                    autostart = false\njson = true\nquiet = true\nwait = 'read'\n[daemon]\nnotify = 'text'";
        let expected = Config {
            profile: Some("work".parse().unwrap()),
            server: Some("h".into()),
            color: Some(ColorWhen::Never),
            timeout: Some(Duration::from_secs(3)),
            autostart: Some(false),
            json: Some(true),
            quiet: Some(true),
            wait: Some(State::Read),
            daemon: DaemonConfig { notify: Some(Notify::Text), ..DaemonConfig::default() },
        };
        assert_eq!(Config::parse(text, Path::new("c")).unwrap(), expected);
        assert_eq!(Config::parse("", Path::new("c")).unwrap(), Config::default());
    }

    #[test]
    fn errors_say_file_line_and_column() {
        insta::assert_snapshot!(error("json = true\ntimeout = 'soon'"), @r#"c.toml:2:11: "soon" is no span of time: type 30s, 5m, 2h or 7d"#);
        insta::assert_snapshot!(error("# é\nserve = 'x'"), @"c.toml:2:1: unknown field `serve`, expected one of `profile`, `server`, `color`, `timeout`, `autostart`, `json`, `quiet`, `wait`, `daemon`");
        insta::assert_snapshot!(error("color = 'pink'"), @"c.toml:1:9: unknown variant `pink`, expected one of `auto`, `always`, `never`");
        insta::assert_snapshot!(error("json = 'yes'"), @r#"c.toml:1:8: invalid type: string "yes", expected a boolean"#);
        assert!(error("json =").starts_with("c.toml:1:7: "));
    }

    #[test]
    fn a_file_that_is_not_there_says_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("none/config.toml");
        assert_eq!(Config::read_if_there(&path).unwrap(), Config::default());
        assert!(matches!(Config::read(&path), Err(ConfigError::Unreadable { .. })));
        assert!(Config::read_if_there(temp.path()).is_err(), "a directory is no file");
    }
}
