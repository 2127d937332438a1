//! One file for each verb.

mod archive;
mod ask;
mod cancel;
mod chat;
mod completions;
mod connect;
mod contacts;
mod daemon;
mod disconnect;
mod doctor;
mod doubts;
mod follow;
mod history;
mod inbox;
mod man;
mod new_file;
mod notice;
mod pages;
mod peer;
mod profile;
mod readers;
mod search;
mod send;
mod status;
mod subscription;
mod trace;
mod trust;
mod unread;
mod users;
mod verify;
mod watch;

pub(crate) use archive::{ExportArgs, ImportArgs};
pub(crate) use unread::Template;

use crate::{
    cli::{Cli, Command, DaemonCommand},
    output::{ErrorForm, Failed, Output, Stop},
    session::Session,
    settings::Settings,
};
use pychat_control::{Failure, Request};
use serde::de::DeserializeOwned;

/// What a command has to work with.
pub(crate) struct Context {
    /// What holds.
    pub(crate) settings: Settings,
    /// The way out.
    pub(crate) out: Output,
}

impl Context {
    /// Reaches the daemon.
    fn session(&self) -> Result<Session, Failed> {
        Ok(Session::open(&self.settings)?)
    }

    /// Asks the daemon a single question; see [`Session::ask`].
    fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Failed> {
        Ok(Session::ask(&self.settings, request).map_err(Failure::from)?)
    }
}

/// Runs what was typed.
pub(crate) fn run(cli: Cli) -> Result<(), Stop> {
    let form_asked =
        if cli.globals.json == Some(true) { ErrorForm::Json } else { ErrorForm::Lines };
    // These need no daemon, no profile and no configuration, not even a sound one.
    match cli.command {
        Command::Completions { shell } => {
            return completions::run(shell).map_err(|failed| failed.stop(form_asked));
        }
        Command::Man { words, dir } => {
            let run = man::run(&words, dir.as_deref());
            return run.map_err(|failed| failed.stop(form_asked));
        }
        _ => {}
    }
    let settings = Settings::resolve(&cli.globals)
        .map_err(|failure| Failed::from(failure).stop(form_asked))?;
    let form = settings.error_form();
    let out = Output::new(settings.form, settings.view(), settings.remarks);
    let mut context = Context { settings, out };
    let is_for_person = matches!(
        cli.command,
        Command::Connect(_) | Command::Send(_) | Command::Inbox(_) | Command::Chat(_)
    );
    let done = dispatch(&mut context, cli.command);
    let noticed = if is_for_person { notice::show(&mut context) } else { Ok(()) };
    let flushed = context.out.flush().map_err(Failed::from);
    done.and(noticed).and(flushed).map_err(|failed| failed.stop(form))
}

fn dispatch(context: &mut Context, command: Command) -> Result<(), Failed> {
    match command {
        Command::Connect(args) => connect::run(context, args),
        Command::Disconnect => disconnect::run(context),
        Command::Users(args) => users::run(context, &args),
        Command::Send(args) => send::run(context, args),
        Command::Chat(args) => chat::run(context, &args),
        Command::Inbox(args) if args.follow => follow::run(context, &args),
        Command::Inbox(args) => inbox::run(context, &args),
        Command::Watch(args) => watch::run(context, &args),
        Command::History(args) => history::run(context, args),
        Command::Search(args) => search::run(context, args),
        Command::Status => status::run(context),
        Command::Doctor => doctor::run(context),
        Command::Unread(args) => unread::run(context, &args),
        Command::Readers { what } => readers::run(context, what),
        Command::Trace(args) => trace::run(context, args),
        Command::Cancel(args) => cancel::run(context, args),
        Command::Verify(args) => verify::run(context, args),
        Command::Trust(args) => trust::run(context, args),
        Command::Contacts => contacts::run(context),
        Command::Daemon(DaemonCommand::Start) => daemon::start(context),
        Command::Daemon(DaemonCommand::Stop) => daemon::stop(context),
        Command::Daemon(DaemonCommand::Restart) => daemon::restart(context),
        Command::Daemon(DaemonCommand::Status) => daemon::status(context),
        Command::Daemon(DaemonCommand::Logs { lines, follow }) => {
            daemon::logs(context, lines, follow)
        }
        Command::Profile(what) => profile::run(context, &what),
        Command::Completions { shell } => completions::run(shell),
        Command::Man { words, dir } => man::run(&words, dir.as_deref()),
    }
}

/// Milliseconds for the daemon.
fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
