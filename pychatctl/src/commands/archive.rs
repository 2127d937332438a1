//! `profile export` and `profile import`: a backup, or a move to another machine. The daemon's program
//! does it; what it reads and writes is not for us to know.

mod draft;

use super::Context;
use crate::{
    output::{Failed, Form, Versioned, on_terminal},
    passphrase::{self, Passphrase, Stdin, Typed},
    screen::clean_line,
    settings::Settings,
    start,
};
use clap::Args;
use draft::Draft;
use pychat_control::{
    ARCHIVE_STDIO, Archived, EXPORT_JOB, ErrorCode, Failure, IMPORT_JOB, Profile,
};
use serde::Serialize;
use std::{
    ffi::OsStr,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

/// Arguments of `profile export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The file to write; `-` is standard output.
    file: PathBuf,
    /// Overwrite the file, if it is there.
    #[arg(long)]
    force: bool,
    /// Take the first line of this file as the passphrase [default: ask for it].
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Arguments of `profile import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file to read; `-` is standard input.
    file: PathBuf,
    /// Take the first line of this file as the passphrase [default: ask for it].
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// What was exported or imported, as JSON.
#[derive(Debug, Serialize)]
struct Told<'a> {
    profile: &'a str,
    file: &'a str,
    #[serde(flatten)]
    archived: &'a Archived,
    /// The command that connects an imported profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Writes the profile into a file.
pub(super) fn export(context: &mut Context, args: &ExportArgs) -> Result<(), Failed> {
    let to_stdout = is_stdio(&args.file);
    if to_stdout && on_terminal() {
        return Err(usage(
            "an encrypted file is nothing for a terminal",
            "name a file, or pipe it on",
        ));
    }
    let file = args.passphrase_file.as_deref();
    let passphrase = passphrase::get(file, Stdin::Free, Typed::Twice)?;
    let force = args.force.then_some("--force");
    let stdout = if to_stdout { Stdio::inherit() } else { Stdio::null() };
    let mut job = Job::start(&context.settings, EXPORT_JOB, force, &args.file, stdout)?;
    job.tell(&passphrase)?;
    let waiting = Draft::of_export(&args.file).watch(context, "exporting");
    let archived = job.report()?;
    drop(waiting);
    let text = format!("exported {}\n", text(&archived));
    match context.out.form {
        // Standard output is the file.
        _ if to_stdout => context.out.remark(text.trim_end())?,
        Form::Json => tell_json(context, &args.file, &archived, None)?,
        Form::Quiet => {}
        Form::Text => context.out.text(&text)?,
    }
    for remark in export_remarks(&archived) {
        context.out.remark(&remark)?;
    }
    Ok(())
}

/// Makes a profile of a file.
pub(super) fn import(context: &mut Context, args: &ImportArgs) -> Result<(), Failed> {
    let (stdin, from_stdin) = match is_stdio(&args.file) {
        true => (Stdin::Taken, true),
        false => (Stdin::Free, false),
    };
    let passphrase = passphrase::get(args.passphrase_file.as_deref(), stdin, Typed::Once)?;
    let mut job = Job::start(&context.settings, IMPORT_JOB, None, &args.file, Stdio::null())?;
    job.tell(&passphrase)?;
    if from_stdin {
        job.pass_on(&mut io::stdin().lock());
    }
    let waiting = Draft::of_import(&context.settings.place).watch(context, "importing");
    let archived = job.report()?;
    drop(waiting);
    let next = connect_command(context.settings.profile(), &archived);
    match context.out.form {
        Form::Json => tell_json(context, &args.file, &archived, Some(next))?,
        Form::Quiet => {}
        Form::Text => {
            let profile = context.settings.profile().clone();
            let made = context.out.view.clock.tell(&archived.exported_at);
            context.out.text(&format!("imported {}\n", text(&archived)))?;
            context.out.text(&format!("into the profile {profile}; exported {made}\n"))?;
            context.out.remark(&import_remark(&next))?;
        }
    }
    Ok(())
}

/// The daemon's program at such a job.
struct Job {
    child: Child,
    stdin: ChildStdin,
}

impl Job {
    fn start(
        settings: &Settings,
        job: &str,
        option: Option<&str>,
        file: &Path,
        stdout: Stdio,
    ) -> Result<Self, Failure> {
        let program = start::program();
        let mut command = Command::new(&program);
        command
            .arg("--profile")
            .arg(settings.profile().as_str())
            .arg("--state-dir")
            .arg(settings.base.path())
            .arg(job)
            .args(option)
            .arg("--")
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped());
        let spawned = command.spawn().and_then(|mut child| {
            let stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
            Ok(Self { child, stdin })
        });
        spawned.map_err(|error| start::not_spawned(&program, &error))
    }

    /// What cannot be told, the program ended before: it says why.
    fn tell(&mut self, passphrase: &Passphrase) -> Result<(), Failure> {
        let told = self.stdin.write_all(passphrase).and_then(|()| self.stdin.write_all(b"\n"));
        match told {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure {
                code: ErrorCode::Other,
                message: format!("the passphrase cannot be passed on: {error}"),
                hint: None,
                sent: None,
            }),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// What is cut off is noticed by the program.
    fn pass_on(&mut self, from: &mut impl Read) {
        let _ = io::copy(from, &mut self.stdin);
    }

    /// Waits for the end and what is said of it.
    fn report(self) -> Result<Archived, Failure> {
        let Self { mut child, stdin } = self;
        drop(stdin);
        let mut said = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            // A part of what it said is better than nothing.
            let _ = stderr.take(start::SAID_BYTES_MAX).read_to_end(&mut said);
        }
        let said = String::from_utf8_lossy(&said);
        let status = child.wait().map_err(|error| Failure {
            code: ErrorCode::Other,
            message: format!("the end of pychatd cannot be waited for: {error}"),
            hint: None,
            sent: None,
        })?;
        if status.success()
            && let Some(archived) = Archived::find_report(&said)
        {
            return Ok(archived);
        }
        let part = |prefix| said.lines().find_map(|line| line.strip_prefix(prefix));
        let code =
            status.code().map_or(ErrorCode::Other, |code| ErrorCode::from_number(code.into()));
        let why =
            part("error: ").map_or_else(|| format!("pychatd ended with {status}"), str::to_owned);
        Err(Failure { code, message: why, hint: part("hint: ").map(str::to_owned), sent: None })
    }
}

fn is_stdio(file: &Path) -> bool {
    file.as_os_str() == OsStr::new(ARCHIVE_STDIO)
}

fn usage(message: &str, hint: &str) -> Failed {
    let hint = Some(hint.to_owned());
    Failure { code: ErrorCode::Usage, message: message.into(), hint, sent: None }.into()
}

fn tell_json(
    context: &mut Context,
    file: &Path,
    archived: &Archived,
    next: Option<String>,
) -> Result<(), Failed> {
    let profile = context.settings.profile().to_string();
    let file = file.to_string_lossy();
    let told = Told { profile: &profile, file: &file, archived, next };
    Ok(context.out.json(&Versioned::new(told))?)
}

fn text(archived: &Archived) -> String {
    let Archived { user, server, contacts, messages, unread, waiting, .. } = archived;
    let server = server.split('#').next().unwrap_or_default();
    let server = server.strip_prefix("pychat://").unwrap_or(server);
    let (user, server) = (clean_line(user), clean_line(server));
    let (messages, contacts) = (counted(*messages, "message"), counted(*contacts, "contact"));
    let mut text = format!("{user} at {server}: {messages} ({unread} unread), {contacts}");
    if *waiting > 0 {
        text.push_str(&format!(", {waiting} to be sent"));
    }
    text
}

fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn export_remarks(archived: &Archived) -> Vec<String> {
    let mut remarks = vec![
        "Whoever has the file and its passphrase can be this user. Without the passphrase it is of\n\
         no use to anybody."
            .to_owned(),
    ];
    if archived.waiting > 0 {
        remarks.push(
            "What is to be sent goes out from each machine that connects, and arrives once.".into(),
        );
    }
    if archived.wants_link {
        remarks.push(
            "This profile stays connected: what arrives here from now on is not in the file. To move\n\
             to another machine, run `pychatctl disconnect` first, then export."
                .into(),
        );
    }
    remarks
}

fn import_remark(next: &str) -> String {
    format!(
        "It is not connected. A server serves an identity on one machine at a time: when the other\n\
         machine is done with it, run:\n  {next}"
    )
}

/// What connects the profile, as a shell takes it.
fn connect_command(profile: &Profile, archived: &Archived) -> String {
    let profile = match *profile == Profile::default() {
        true => String::new(),
        false => format!("--profile {profile} "),
    };
    let name = clean_line(&archived.name).replace('\'', r"'\''");
    format!("pychatctl {profile}connect {} '{name}'", clean_line(&archived.user))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archived() -> Archived {
        Archived {
            exported_at: "2026-01-31T11:55:00.000Z".into(),
            contacts: 12,
            messages: 1204,
            unread: 3,
            ..Archived::new(&"alice", &"Alice O'Hara", &"pychat://chat.example.org:7420#abc")
        }
    }

    #[test]
    fn what_went_is_counted() {
        insta::assert_snapshot!(text(&archived()), @"alice at chat.example.org:7420: 1204 messages (3 unread), 12 contacts");
        let waiting = Archived { messages: 1, contacts: 1, unread: 0, waiting: 1, ..archived() };
        insta::assert_snapshot!(text(&waiting), @"alice at chat.example.org:7420: 1 message (0 unread), 1 contact, 1 to be sent");
    }

    #[test]
    fn who_exports_is_told_what_the_file_is_and_what_is_not_in_it() {
        assert_eq!(export_remarks(&archived()).len(), 1);
        let all = Archived { waiting: 2, wants_link: true, ..archived() };
        insta::assert_snapshot!(export_remarks(&all).join("\n"), @r"
        Whoever has the file and its passphrase can be this user. Without the passphrase it is of
        no use to anybody.
        What is to be sent goes out from each machine that connects, and arrives once.
        This profile stays connected: what arrives here from now on is not in the file. To move
        to another machine, run `pychatctl disconnect` first, then export.
        ");
    }

    #[test]
    fn the_next_command_can_be_pasted_into_a_shell() {
        let next = connect_command(&Profile::default(), &archived());
        insta::assert_snapshot!(import_remark(&next), @r"
        It is not connected. A server serves an identity on one machine at a time: when the other
        machine is done with it, run:
          pychatctl connect alice 'Alice O'\''Hara'
        ");
        let work = "work".parse().unwrap();
        let next = connect_command(&work, &archived());
        assert_eq!(next, r"pychatctl --profile work connect alice 'Alice O'\''Hara'");
    }

    #[test]
    fn the_shape_of_the_json_stays() {
        let archived = archived();
        let next = Some(connect_command(&Profile::default(), &archived));
        let told = Told { profile: "default", file: "a.age", archived: &archived, next };
        let json = serde_json::to_string(&Versioned::new(told)).unwrap();
        insta::assert_snapshot!(json, @r#"{"v":1,"profile":"default","file":"a.age","user":"alice","name":"Alice O'Hara","server":"pychat://chat.example.org:7420#abc","exported_at":"2026-01-31T11:55:00.000Z","contacts":12,"messages":1204,"unread":3,"waiting":0,"wants_link":false,"next":"pychatctl connect alice 'Alice O'\\''Hara'"}"#);
    }
}
