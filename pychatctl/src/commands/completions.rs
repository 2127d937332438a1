//! `completions SHELL`: the script that makes a shell complete our command line.

use crate::{
    complete,
    output::{Failed, Form, Output},
    screen::{Paint, View},
};
use clap_complete::Shell;
use pychat_control::{ErrorCode, Failure};

/// Prints the script.
pub(super) fn run(shell: Shell) -> Result<(), Failed> {
    let script = complete::script(shell).map_err(|error| Failure {
        code: ErrorCode::Other,
        message: format!("there is no script for {shell}: {error}"),
        hint: None,
        sent: None,
    })?;
    let mut out = Output::new(Form::Text, View::detect(false, Paint::PLAIN), false);
    out.text(&String::from_utf8_lossy(&script))?;
    Ok(out.flush()?)
}
