//! The server's program.

use clap::{CommandFactory, Parser};
use clap_complete::Shell;
#[cfg(windows)]
use pychat_server::cli::ServiceCommand;
use pychat_server::{
    admin::{
        client::{self, AskError, find_socket},
        show,
    },
    cli::{
        AdminArgs, Cli, Command, ConfigCommand, KeyArgs, KeyCommand, LinkArgs, MigrateArgs,
        RestoreArgs, ServeArgs,
    },
    config::{self, LinkSettings, Settings},
    identity::{
        self,
        key_file::{self, Imported, Overwrite},
    },
    migrate,
    run::{self, Failure, LogControl},
    store::embedded::backup,
};
use std::{io::Write, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => serve(&cli.serve),
        Some(Command::Serve(args)) => serve(&args),
        Some(Command::Link(args)) => link(&args),
        Some(Command::Admin(args)) => admin(&args),
        Some(Command::Restore(args)) => restore(&args),
        Some(Command::Migrate(args)) => migrate(&args),
        Some(Command::Key(KeyCommand::Export(args))) => export_key(&args),
        Some(Command::Key(KeyCommand::Import(args))) => import_key(&args),
        Some(Command::Config(ConfigCommand::Check { file })) => {
            config::check(&file).map_err(Failure::from)
        }
        Some(Command::Config(ConfigCommand::Default)) => print(config::DEFAULT_FILE),
        #[cfg(windows)]
        Some(Command::Service(command)) => service(command),
        Some(Command::Completions { shell }) => completions(shell),
        Some(Command::Man { dir }) => man(&dir),
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
    let log = LogControl::start(&settings)?;
    run::serve(args.clone(), settings, log)
}

#[cfg(windows)]
fn service(command: ServiceCommand) -> Result<(), Failure> {
    match command {
        ServiceCommand::Install(args) => {
            // Wrong options are told now, and not to the system's log.
            Settings::resolve(&args)?;
            let asked = std::env::args_os().skip_while(|word| word != "install").skip(1);
            run::install(["service", "run"].map(Into::into).into_iter().chain(asked).collect())?;
            print(&format!("registered; start it with: sc start {}\n", run::SERVICE_NAME))
        }
        ServiceCommand::Remove => {
            run::remove()?;
            print("removed; its data is still there\n")
        }
        ServiceCommand::Run(_) => run::become_service(|| {
            // The system calls this without a word: the words are those of the process.
            let Some(Command::Service(ServiceCommand::Run(args))) = Cli::parse().command else {
                return 1;
            };
            serve(&args).map_or_else(
                |failure| {
                    tracing::error!("{failure}");
                    failure.exit_code()
                },
                |()| 0,
            )
        }),
    }
}

/// Asks a running server and shows the answer.
fn admin(args: &AdminArgs) -> Result<(), Failure> {
    let socket = match &args.socket {
        Some(socket) => socket.clone(),
        None => find_socket(&config::data_directory(args.data.as_deref(), args.dev)?),
    };
    let request = args.command.request();
    let mut answer = client::ask(&socket, &request)?;
    if args.json {
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("v".into(), 1.into());
        }
        return print(&format!("{answer}\n"));
    }
    let text = show::text(&request, answer).map_err(|error| {
        let invalid = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
        Failure::from(AskError::Lost(invalid))
    })?;
    print(&text)
}

fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    backup::restore(&args.file, &args.data)?;
    print(&format!(
        "restored to {}; start the server, and its clients put right what the backup did not know\n",
        args.data.display()
    ))
}

fn migrate(args: &MigrateArgs) -> Result<(), Failure> {
    if let Some(place) = &args.reopen {
        let moved = migrate::reopen(place)?;
        return print(&migrate::report::reopened(place, moved.as_deref(), args.json));
    }
    let (Some(from), Some(to)) = (&args.from, &args.to) else {
        unreachable!("the command line asks for both, or for --reopen")
    };
    let text = if args.check {
        migrate::report::compared(&migrate::compare(from, to)?, args.json)
    } else {
        migrate::report::moved(&migrate::migrate(from, to)?, to, args.json)
    };
    print(&text)
}

fn export_key(args: &KeyArgs) -> Result<(), Failure> {
    let data = config::data_directory(args.data.as_deref(), args.dev)?;
    let key = key_file::export(&data, &args.file, Overwrite::if_wanted(args.yes))?;
    print(&format!(
        "the key of the server that clients know as {key} is in {}\n\
         Whoever has this file can pose as the server. Bring it to the other nodes over a safe way, import \
         it there with `pychat-server key import`, then delete it; a copy belongs where your backups are.\n",
        args.file.display()
    ))
}

fn import_key(args: &KeyArgs) -> Result<(), Failure> {
    let data = config::data_directory(args.data.as_deref(), args.dev)?;
    let imported = key_file::import(&data, &args.file, Overwrite::if_wanted(args.yes))?;
    let text = match imported {
        Imported::Written(key) => format!(
            "{} has the key of the server that clients know as {key}; the file is not needed any more\n",
            data.display()
        ),
        Imported::Same(key) => format!("{} has this key already: {key}\n", data.display()),
    };
    print(&text)
}

fn link(args: &LinkArgs) -> Result<(), Failure> {
    let settings = LinkSettings::resolve(args)?;
    let secrets = identity::read(&settings.data)?;
    let (host, nodes) = (settings.host.as_deref(), settings.nodes.for_link());
    let link = run::join_link(host, nodes, settings.address, &secrets);
    print(&format!("{link}\n"))
}

fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pychat-server", &mut script);
    print(&String::from_utf8_lossy(&script))
}

fn man(dir: &Path) -> Result<(), Failure> {
    let written = std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), dir));
    written.map_err(|source| Failure::System { doing: "writing the manual pages", source })
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
