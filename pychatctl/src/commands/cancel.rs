//! `cancel ID`: takes back a message that was not handed to the network yet.

use super::Context;
use crate::{
    cli::IdArgs,
    output::{Failed, Form, Versioned},
    screen::clean_line,
};
use pychat_control::{Request, Sent};

/// Takes it back.
pub(super) fn run(context: &mut Context, args: IdArgs) -> Result<(), Failed> {
    let sent: Sent = context.ask(&Request::Cancel { id: args.id })?;
    match context.out.form {
        Form::Json => context.out.json(&Versioned::new(&sent))?,
        Form::Quiet => context.out.line(&clean_line(&sent.id))?,
        Form::Text => context.out.line(&format!("cancelled ({})", clean_line(&sent.id)))?,
    }
    Ok(())
}
