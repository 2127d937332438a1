//! PyChat's command line: one short-lived process for each command, which asks the daemon and
//! prints the answer.
//!
//! `cli` says what can be typed, `settings` merges flags, variables and files, `session` reaches
//! the daemon (and starts it), `commands` holds one file for each verb, `screen` turns answers into
//! text, `complete` answers a shell where TAB was pressed. `chat` is the verb that stays: a full screen.

mod chat;
mod cli;
mod commands;
mod complete;
mod config;
mod defaults;
mod duration;
mod names;
mod notification;
mod output;
mod passphrase;
mod report;
mod screen;
mod session;
mod settings;
mod start;

use cli::Cli;
use output::Stop;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = complete::answer_shell() {
        return code;
    }
    if let Some(code) = notification::answer_daemon() {
        return code;
    }
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return report::usage(&error, std::env::args_os()),
    };
    match commands::run(cli) {
        // A reader that has enough, such as `head`, is no failure.
        Ok(()) | Err(Stop::ReaderGone) => ExitCode::SUCCESS,
        Err(Stop::Failed { failure, form }) => report::failure(&failure, form),
    }
}
