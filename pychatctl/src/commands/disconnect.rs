//! `disconnect`: logs out until the next `connect`.

use super::Context;
use crate::output::{Failed, Form, Versioned};
use pychat_control::{Empty, Request};

/// Logs out.
pub(super) fn run(context: &mut Context) -> Result<(), Failed> {
    let done: Empty = context.ask(&Request::Disconnect {})?;
    match context.out.form {
        Form::Json => context.out.json(&Versioned::new(&done))?,
        Form::Quiet => {}
        Form::Text => context.out.line("disconnected; log in again with: pychatctl connect")?,
    }
    Ok(())
}
