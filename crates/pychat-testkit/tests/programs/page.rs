//! Blocks of code of our pages, run as they stand there.

use pychat_testkit::harness::{Output, Profile, Programs};
use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

/// A block of code of a page.
pub(crate) struct Block {
    /// What it stands below.
    pub(crate) heading: String,
    /// What it is written in.
    pub(crate) language: String,
    /// Its lines.
    pub(crate) code: String,
}

/// All blocks of a page in `docs`.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../docs", page].iter().collect();
    let page = fs::read_to_string(path).expect("the page is there");
    let (mut blocks, mut heading): (Vec<Block>, _) = (Vec::new(), String::new());
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(next) = line.strip_prefix("## ") {
            heading = next.to_owned();
        } else if let Some(language) = line.strip_prefix("```") {
            let code = lines.by_ref().take_while(|line| *line != "```");
            let code = code.flat_map(|line| [line, "\n"]).collect();
            blocks.push(Block { heading: heading.clone(), language: language.into(), code });
        }
    }
    blocks
}

/// A command that finds the programs, with `profile`'s directories, in a directory of its own.
pub(crate) fn command(profile: &Profile, program: &str, arguments: &[&str]) -> Command {
    let programs = Programs::find().path("pychatctl");
    let programs = programs.parent().expect("a program is in a directory");
    let desk = desk(profile);
    let theirs = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    for (name, value) in profile.command(&[]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .args(arguments)
        .env("PATH", format!("{}:{}:{theirs}", desk.display(), programs.display()))
        .current_dir(desk)
        .stdin(Stdio::null());
    command
}

/// Where code is run.
pub(crate) fn desk(profile: &Profile) -> PathBuf {
    let desk = profile.root().join("desk");
    fs::create_dir_all(&desk).expect("a directory can be made in our own");
    desk
}

/// Runs a command to its end.
pub(crate) fn done(command: &mut Command) -> Output {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
