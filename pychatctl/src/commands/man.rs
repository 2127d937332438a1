//! `man [DIR]`: the manual pages.

use crate::{
    cli,
    output::{Failed, Form, Output},
    screen::{Paint, View},
};
use pychat_control::{ErrorCode, Failure};
use std::path::Path;

/// Prints the main page, or writes every page into `dir`.
pub(super) fn run(dir: Option<&Path>) -> Result<(), Failed> {
    match dir {
        Some(dir) => write_all(dir),
        None => print_main(),
    }
}

fn print_main() -> Result<(), Failed> {
    let mut page = Vec::new();
    let written = clap_mangen::Man::new(cli::command()).render(&mut page);
    written.map_err(|error| failure(format!("the page cannot be written: {error}")))?;
    let mut out = Output::new(Form::Text, View::detect(false, Paint::PLAIN), false);
    out.text(&String::from_utf8_lossy(&page))?;
    Ok(out.flush()?)
}

fn write_all(dir: &Path) -> Result<(), Failed> {
    let written =
        std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(cli::command(), dir));
    written.map_err(|error| failure(format!("no pages in {}: {error}", dir.display())).into())
}

fn failure(message: String) -> Failure {
    Failure { code: ErrorCode::Other, message, hint: None, sent: None }
}
