//! What the configuration's table `[daemon]` says: for the daemon, and for `pychatctl` to find a slip.

use crate::{ConfigError, Profile, parse_span, settings_file};
use serde::{Deserialize, Deserializer, de};
use std::{path::Path, path::PathBuf, time::Duration};

/// One file's table `[daemon]`; what it leaves out is decided elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DaemonConfig {
    /// The program that is run for each message, and its arguments.
    #[serde(default, deserialize_with = "command")]
    pub on_message: Option<Vec<String>>,
    /// How long it may take.
    #[serde(default, deserialize_with = "hook_time")]
    pub on_message_timeout: Option<Duration>,
    /// What a desktop notification shows.
    pub notify: Option<Notify>,
    /// For how long messages are kept that were seen.
    #[serde(default, deserialize_with = "span")]
    pub history_keep: Option<Duration>,
    /// Bytes of database beyond which the oldest messages go that were seen.
    #[serde(default, deserialize_with = "bytes")]
    pub history_max: Option<u64>,
}

/// What a desktop notification shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notify {
    /// There is none.
    #[default]
    Off,
    /// Who wrote.
    Sender,
    /// Who wrote, and what.
    Text,
}

/// The verb of `pychatctl`, for the daemon alone, that shows the messages on its standard input.
pub const NOTIFY_JOB: &str = "show-notification";

/// The longest time a program for messages may take: others wait behind it.
pub const HOOK_TIME_MAX: Duration = Duration::from_secs(600);

/// The smallest `history-max`: a database with little in it is about as large.
pub const HISTORY_BYTES_MIN: u64 = 1024 * 1024;

impl DaemonConfig {
    /// Reads the user's file (`user`, or the usual one) and the profile's, which goes before it.
    ///
    /// # Errors
    /// One of them is there and cannot be used, or `user` is not there.
    pub fn load(user: Option<&Path>, profile: &Profile) -> Result<Self, ConfigError> {
        let dir = settings_file::config_dir();
        let base: File = match (user, &dir) {
            (Some(path), _) => settings_file::read_config(path)?,
            (None, Some(dir)) => {
                settings_file::read_config_if_there(&settings_file::user_file(dir))?
            }
            (None, None) => File::default(),
        };
        let own: File = match &dir {
            Some(dir) => {
                let path: PathBuf = settings_file::profile_file(dir, profile);
                settings_file::read_config_if_there(&path)?
            }
            None => File::default(),
        };
        Ok(own.daemon.over(base.daemon))
    }

    fn over(self, base: Self) -> Self {
        Self {
            on_message: self.on_message.or(base.on_message),
            on_message_timeout: self.on_message_timeout.or(base.on_message_timeout),
            notify: self.notify.or(base.notify),
            history_keep: self.history_keep.or(base.history_keep),
            history_max: self.history_max.or(base.history_max),
        }
    }
}

/// A file as the daemon reads it: the rest is for `pychatctl`, which checks it.
#[derive(Default, Deserialize)]
struct File {
    #[serde(default)]
    daemon: DaemonConfig,
}

/// A program, or a program and its arguments. No shell is between.
fn command<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Command {
        Program(String),
        Words(Vec<String>),
    }
    let words = match Command::deserialize(from) {
        Ok(Command::Program(program)) => vec![program],
        Ok(Command::Words(words)) => words,
        Err(_) => {
            return Err(de::Error::custom(
                "it is a program, or a list of a program and its arguments",
            ));
        }
    };
    match words.first() {
        Some(program) if !program.is_empty() => Ok(Some(words)),
        Some(_) | None => Err(de::Error::custom("it names no program")),
    }
}

fn span<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    parse_span(&String::deserialize(from)?).map(Some).map_err(de::Error::custom)
}

fn hook_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let time = parse_span(&String::deserialize(from)?).map_err(de::Error::custom)?;
    if time.is_zero() || time > HOOK_TIME_MAX {
        return Err(de::Error::custom("it is a span up to 10m"));
    }
    Ok(Some(time))
}

fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(from)?;
    match parse_bytes(&text) {
        Some(bytes) if bytes >= HISTORY_BYTES_MIN => Ok(Some(bytes)),
        Some(_) => Err(de::Error::custom("it is 1MB at least")),
        None => Err(de::Error::custom(format!("{text:?} is no size: type 500MB or 2GB"))),
    }
}

/// Reads `500MB` and the like; `MB` and `MiB` both mean 1024 times 1024.
fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "kB" | "KB" | "KiB" => 10,
        "MB" | "MiB" => 20,
        "GB" | "GiB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DaemonConfig, String> {
        let file: Result<File, _> = settings_file::parse_config(text, Path::new("c.toml"));
        file.map(|file| file.daemon).map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_is_read_and_the_rest_of_the_file_is_somebody_elses() {
        let text = "server = 'h'\n[daemon]\non-message = ['beep', '-n']\non-message-timeout = '5s'\n\
                    notify = 'sender'\nhistory-keep = '365d'\nhistory-max = '500MB'";
        let expected = DaemonConfig {
            on_message: Some(vec!["beep".into(), "-n".into()]),
            on_message_timeout: Some(Duration::from_secs(5)),
            notify: Some(Notify::Sender),
            history_keep: Some(Duration::from_secs(365 * 86_400)),
            history_max: Some(500 << 20),
        };
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read("server = 'h'"), Ok(DaemonConfig::default()));
        let program = read("[daemon]\non-message = '/bin/beep'").unwrap().on_message;
        assert_eq!(program, Some(vec!["/bin/beep".to_owned()]));
    }

    #[test]
    fn slips_are_told_with_their_place() {
        let slip = |line: &str| read(&format!("[daemon]\n{line}")).unwrap_err();
        insta::assert_snapshot!(slip("on-mesage = 'x'"), @"c.toml:2:1: unknown field `on-mesage`, expected one of `on-message`, `on-message-timeout`, `notify`, `history-keep`, `history-max`");
        insta::assert_snapshot!(slip("on-message = []"), @"c.toml:2:14: it names no program");
        insta::assert_snapshot!(slip("on-message = 7"), @"c.toml:2:14: it is a program, or a list of a program and its arguments");
        insta::assert_snapshot!(slip("on-message-timeout = '11m'"), @"c.toml:2:22: it is a span up to 10m");
        insta::assert_snapshot!(slip("notify = 'loud'"), @"c.toml:2:10: unknown variant `loud`, expected one of `off`, `sender`, `text`");
        insta::assert_snapshot!(slip("history-max = '5'"), @r#"c.toml:2:15: "5" is no size: type 500MB or 2GB"#);
        insta::assert_snapshot!(slip("history-max = '5kB'"), @"c.toml:2:15: it is 1MB at least");
        assert!(slip("history-max = '99999999999999999GB'").contains("no size"));
    }

    #[test]
    fn the_profiles_file_goes_before_the_users() {
        let own = read("[daemon]\nnotify = 'off'").unwrap();
        let base = read("[daemon]\nnotify = 'text'\nhistory-keep = '7d'").unwrap();
        let both = own.over(base);
        assert_eq!(both.notify, Some(Notify::Off));
        assert_eq!(both.history_keep, Some(Duration::from_secs(7 * 86_400)));
    }
}
