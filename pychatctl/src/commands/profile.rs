//! `profile list|show|path|export|import`: profiles and where their files are.

use super::{Context, archive, users::Listed};
use crate::{
    cli::ProfileCommand,
    output::{Failed, Form, Versioned},
    screen::Table,
};
use pychat_control::{Client, Place, Profile, profile_file, user_file};
use serde::Serialize;

/// A profile, as JSON.
#[derive(Debug, Serialize)]
struct Shown {
    profile: String,
    running: bool,
    state_dir: String,
    address: String,
    config: Option<String>,
    user_config: Option<String>,
}

/// Shows what is asked.
pub(super) fn run(context: &mut Context, what: &ProfileCommand) -> Result<(), Failed> {
    match what {
        ProfileCommand::List => list(context),
        ProfileCommand::Show => show(context),
        ProfileCommand::Path => {
            let path = context.settings.place.state_dir().display().to_string();
            Ok(context.out.line(&path)?)
        }
        ProfileCommand::Export(args) => archive::export(context, args),
        ProfileCommand::Import(args) => archive::import(context, args),
    }
}

fn list(context: &mut Context) -> Result<(), Failed> {
    let profiles = context.settings.base.profiles();
    let shown: Vec<Shown> =
        profiles.into_iter().map(|profile| describe(context, profile)).collect();
    match context.out.form {
        Form::Json => context.out.json(&Listed::versioned(&shown, None))?,
        Form::Quiet => {
            for shown in &shown {
                context.out.line(&shown.profile)?;
            }
        }
        Form::Text if shown.is_empty() => {
            context.out.remark("no profile yet; the first `pychatctl connect` makes one")?;
        }
        Form::Text => {
            let mut table = Table::new(&["PROFILE", "DAEMON", "STATE"], 2);
            for Shown { profile, running, state_dir, .. } in shown {
                table.row(vec![profile, daemon_word(running).into(), state_dir]);
            }
            let text = table.lines(&context.out.view, |_, _, cell| cell);
            context.out.text(&text)?;
        }
    }
    Ok(())
}

fn show(context: &mut Context) -> Result<(), Failed> {
    let shown = describe(context, context.settings.profile().clone());
    match context.out.form {
        Form::Json => context.out.json(&Versioned::new(&shown))?,
        Form::Quiet => context.out.line(&shown.profile)?,
        Form::Text => {
            let none = || "(no place for it)".to_owned();
            for (head, text) in [
                ("profile", shown.profile),
                ("daemon", daemon_word(shown.running).into()),
                ("state", shown.state_dir),
                ("socket", shown.address),
                ("config", shown.config.unwrap_or_else(none)),
                ("user config", shown.user_config.unwrap_or_else(none)),
            ] {
                context.out.line(&format!("{head:<11} {text}"))?;
            }
        }
    }
    Ok(())
}

fn describe(context: &Context, profile: Profile) -> Shown {
    let place = Place::new(&context.settings.base, profile);
    let address = place.address();
    let dir = context.settings.config_dir.as_deref();
    Shown {
        profile: place.profile().to_string(),
        running: Client::connect(&address).is_ok(),
        state_dir: place.state_dir().display().to_string(),
        address: address.to_string(),
        config: dir.map(|dir| profile_file(dir, place.profile()).display().to_string()),
        user_config: dir.map(|dir| user_file(dir).display().to_string()),
    }
}

const fn daemon_word(running: bool) -> &'static str {
    if running { "running" } else { "not running" }
}
