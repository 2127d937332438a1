//! Printed messages that somebody else than their sender may have written: the command that printed
//! them ends with code 7, so that a script does not take them for the sender's.

use crate::{output::Failed, screen::clean_line};
use pychat_control::{ErrorCode, Failure, Message, Trust};
use std::collections::BTreeSet;

/// Whose key was another one.
#[derive(Debug, Default)]
pub(super) struct Doubts(BTreeSet<String>);

impl Doubts {
    /// Takes note of messages that are printed.
    pub(super) fn note<'a>(&mut self, messages: impl IntoIterator<Item = &'a Message>) {
        let doubtful =
            messages.into_iter().filter(|message| message.trust == Some(Trust::KeyChanged));
        self.0.extend(doubtful.map(|message| message.from.clone()));
    }

    /// Ends the command: well, if there was nothing to doubt.
    pub(super) fn end(&self) -> Result<(), Failed> {
        let Some(first) = self.0.first() else { return Ok(()) };
        let users = self.0.iter().map(|user| clean_line(user)).collect::<Vec<_>>().join(", ");
        let whom = if self.0.len() == 1 { clean_line(first) } else { "USER".into() };
        Err(Failed::from(Failure {
            code: ErrorCode::KeyChanged,
            message: format!("a key changed, and others may have written as: {users}"),
            hint: Some(format!(
                "ask whether they wrote them, and compare: pychatctl verify {whom}; then accept \
                 the new key: pychatctl trust {whom}"
            )),
            sent: None,
        }))
    }
}
