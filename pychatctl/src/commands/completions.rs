//! `completions SHELL`: the script that makes a shell complete our command line.

use crate::{
    cli,
    output::{Failed, Form, Output},
    screen::{Paint, View},
};
use clap_complete::Shell;

/// Prints the script.
pub(super) fn run(shell: Shell) -> Result<(), Failed> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "pychatctl", &mut script);
    let mut out = Output::new(Form::Text, View::detect(false, Paint::PLAIN), false);
    out.text(&String::from_utf8_lossy(&script))?;
    Ok(out.flush()?)
}
