//! The server's program.

use clap::Parser;
use pychat_server::{
    cli::{Cli, Command, ConfigCommand, LinkArgs, ServeArgs},
    config::{self, LinkSettings, Settings},
    identity,
    run::{self, Failure},
};
use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => serve(&cli.serve),
        Some(Command::Serve(args)) => serve(&args),
        Some(Command::Link(args)) => link(&args),
        Some(Command::Config(ConfigCommand::Check { file })) => {
            config::check(&file).map_err(Failure::from)
        }
        Some(Command::Config(ConfigCommand::Default)) => print(config::DEFAULT_FILE),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("pychat-server: error: {failure}");
            if let Some(hint) = failure.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn serve(args: &ServeArgs) -> Result<(), Failure> {
    let settings = Settings::resolve(args)?;
    start_log(&settings.log)?;
    run::serve(&settings)
}

fn link(args: &LinkArgs) -> Result<(), Failure> {
    let settings = LinkSettings::resolve(args)?;
    let secrets = identity::read(&settings.data)?;
    let link = run::join_link(settings.host.as_deref(), settings.address, &secrets);
    print(&format!("{link}\n"))
}

fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        // Who reads it has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::System { doing: "writing to standard output", source: error })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Logs to standard error: ids and addresses, never what people write.
fn start_log(filter: &str) -> Result<(), Failure> {
    let parsed = EnvFilter::builder().parse(filter);
    let filter = parsed.map_err(|error| Failure::Log(filter.to_owned(), error.to_string()))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false);
    // The journal has its own clock.
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        log.without_time().init();
    } else {
        log.init();
    }
    Ok(())
}
