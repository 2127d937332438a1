//! What a shell offers when TAB is pressed. Its script asks this program, so that what it offers always
//! fits; the names come from the daemon. That is not started for it, and what fails is silent: a shell
//! in the middle of a line is no place for an error.

use crate::{
    cli::{self, Globals},
    screen::clean_line,
    settings::Settings,
};
use clap_complete::{
    ArgValueCompleter, CompleteEnv, CompletionCandidate,
    env::{EnvCompleter, Shells},
};
use pychat_control::{
    Client, KnownName, List, NamesParams, Presence, ReaderState, Request, StateBase,
};
use serde::de::DeserializeOwned;
use std::{
    env,
    ffi::OsStr,
    io,
    process::ExitCode,
    time::{Duration, Instant},
};

/// The script of a shell sets it to the shell's name.
const VARIABLE: &str = "PYCHAT_COMPLETE";

/// Answers a shell's script, if it is one that asks.
pub(crate) fn answer_shell() -> Option<ExitCode> {
    env::var_os(VARIABLE)?;
    let dir = env::current_dir().ok();
    let asked = CompleteEnv::with_factory(cli::command).var(VARIABLE);
    match asked.try_complete(env::args_os(), dir.as_deref()) {
        Ok(true) => Some(ExitCode::SUCCESS),
        Ok(false) => None,
        Err(_) => Some(ExitCode::FAILURE),
    }
}

/// The script for a shell. It is nothing but the way to ask.
pub(crate) fn script(shell: clap_complete::Shell) -> io::Result<Vec<u8>> {
    let name = shell.to_string();
    let shells = Shells::builtins();
    let asks: &dyn EnvCompleter = shells.completer(&name).ok_or(io::ErrorKind::NotFound)?;
    let mut script = Vec::new();
    asks.write_registration(VARIABLE, "pychatctl", "pychatctl", "pychatctl", &mut script)?;
    if shell == clap_complete::Shell::Zsh {
        script.extend_from_slice(ZSH_AUTOLOAD.as_bytes());
    }
    Ok(script)
}

/// Where zsh loads the script at the first TAB, that one is answered too.
const ZSH_AUTOLOAD: &str = "\
if [[ ${funcstack[1]-} = _pychatctl ]]; then
    _clap_dynamic_completer_pychatctl \"$@\"
fi
";

/// For a user's name.
pub(crate) fn users() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(prefix) = current.to_str() else { return Vec::new() };
        let params = NamesParams { prefix: prefix.to_owned(), limit: NAMES_MAX };
        let names = ask::<List<KnownName>>(&Request::Names(params));
        names.map_or_else(Vec::new, |names| names.items.iter().map(offered_user).collect())
    })
}

/// For a reader's name.
pub(crate) fn readers() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let readers = ask::<List<ReaderState>>(&Request::Readers {});
        let names = readers.into_iter().flat_map(|list| list.items).map(|reader| reader.reader);
        beginning(current, names)
    })
}

/// For a profile's name.
pub(crate) fn profiles() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let profiles = StateBase::from_env().map(|base| base.profiles()).unwrap_or_default();
        beginning(current, profiles.iter().map(ToString::to_string))
    })
}

fn beginning(current: &OsStr, names: impl Iterator<Item = String>) -> Vec<CompletionCandidate> {
    let prefix = current.to_string_lossy();
    let names = names.filter(|name| name.starts_with(prefix.as_ref()));
    names.map(|name| CompletionCandidate::new(clean_line(&name))).collect()
}

fn offered_user(known: &KnownName) -> CompletionCandidate {
    let status = known.status.map(|status| match status {
        Presence::Online => "online",
        Presence::Away => "away",
        Presence::Offline => "offline",
    });
    let name = known.name.as_deref().map(clean_line);
    let help = match (name, status) {
        (Some(name), Some(status)) => Some(format!("{name} ({status})")),
        (name, status) => name.or_else(|| status.map(str::to_owned)),
    };
    CompletionCandidate::new(clean_line(&known.user)).help(help.map(Into::into))
}

/// Asks the daemon, if it runs.
fn ask<T: DeserializeOwned>(request: &Request) -> Option<T> {
    let settings =
        Settings::resolve(&typed(env::args_os().filter_map(|word| word.into_string().ok())))
            .ok()?;
    let deadline = Instant::now() + ANSWER_MAX;
    let left = || deadline.saturating_duration_since(Instant::now());
    let mut client = Client::connect(&settings.place.address()).ok()?;
    client.hello("pychatctl", env!("CARGO_PKG_VERSION"), left()).ok()?;
    client.call(request, left()).ok()
}

/// What decides which daemon is asked, on a line that is still being typed.
fn typed(words: impl Iterator<Item = String>) -> Globals {
    let mut globals = Globals {
        profile: env::var("PYCHAT_PROFILE").ok().and_then(|name| name.parse().ok()),
        config: env::var_os("PYCHAT_CONFIG").map(Into::into),
        ..Globals::default()
    };
    let mut words = words;
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        let mut value = || value.clone().or_else(|| words.next());
        match flag.as_str() {
            "--profile" => globals.profile = value().and_then(|name| name.parse().ok()),
            "--config" => globals.config = value().map(Into::into),
            _ => {}
        }
    }
    globals
}

/// Names that are offered at most: more than anybody reads.
const NAMES_MAX: u32 = 200;

/// How long the daemon may take: it has the names in memory, and whoever pressed TAB waits.
const ANSWER_MAX: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use clap_complete::Shell;

    #[test]
    fn the_profile_is_found_on_a_line_that_is_being_typed() {
        let profile = |line: &str| {
            let words = line.split(' ').map(str::to_owned);
            typed(words).profile.map(|profile| profile.to_string())
        };
        assert_eq!(
            profile("pychatctl -- pychatctl --profile work send b").as_deref(),
            Some("work")
        );
        assert_eq!(profile("pychatctl -- pychatctl send --profile=work ").as_deref(), Some("work"));
        assert_eq!(profile("pychatctl -- pychatctl --profile"), None);
        assert_eq!(profile("pychatctl -- pychatctl --profile ../x"), None);
    }

    #[test]
    fn a_name_is_offered_with_what_is_known_of_it() {
        let help = |name: Option<&str>, status| {
            let known = KnownName { user: "bob".into(), name: name.map(Into::into), status };
            offered_user(&known).get_help().map(ToString::to_string)
        };
        assert_eq!(help(Some("Bob\nB."), Some(Presence::Away)).as_deref(), Some("Bob B. (away)"));
        assert_eq!(help(Some("B\u{1b}[2J"), None).as_deref(), Some("B"));
        assert_eq!(help(None, Some(Presence::Online)).as_deref(), Some("online"));
        assert_eq!(help(None, None), None);
    }

    #[test]
    fn there_is_a_script_for_each_shell() {
        for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
            let script = String::from_utf8(script(shell).unwrap()).unwrap();
            assert!(script.contains(VARIABLE) && script.contains("pychatctl"), "{shell}");
        }
    }
}
