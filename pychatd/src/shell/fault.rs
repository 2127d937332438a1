//! Why the daemon does not run: what failed, why, what to do next, and the exit code.

use pychat_control::{ErrorCode, NoPlace};
use std::{fmt, process::ExitCode};

/// A reason to end, for a person. Its text form is the lines for standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    code: ErrorCode,
    message: String,
    hint: Option<String>,
}

impl Fault {
    /// A reason of this kind.
    pub(super) fn of(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Something failed.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::of(ErrorCode::Other, message)
    }

    /// The command line makes no sense.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::of(ErrorCode::Usage, message)
    }

    /// It is not for us to run here.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::of(ErrorCode::Refused, message)
    }

    /// There is no home directory.
    pub(super) fn no_place(error: &NoPlace) -> Self {
        Self::failed(error.to_string()).hint("name a directory: pychatd --state-dir DIR")
    }

    /// What to do next.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What failed and why.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The exit code: the number of the control protocol's error.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code.number())
    }

    /// For the pipe to the process that waits: the code, then the lines.
    pub(super) fn encode(&self) -> String {
        let hint = self.hint.as_deref().unwrap_or_default();
        format!("{}\0{}\0{hint}", self.code.number(), self.message)
    }

    /// What [`Self::encode`] wrote.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '\0');
        let code = ErrorCode::from_number(parts.next()?.parse().ok()?);
        let message = parts.next()?.to_owned();
        let hint = Some(parts.next()?.to_owned()).filter(|hint| !hint.is_empty());
        Some(Self { code, message, hint })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => writeln!(f, "hint: {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_survives_the_pipe() {
        for fault in
            [Fault::failed("a: b\nc"), Fault::refused("x").hint("do"), Fault::usage(String::new())]
        {
            assert_eq!(Fault::decode(&fault.encode()), Some(fault));
        }
        assert_eq!(Fault::decode("ready"), None);
    }

    #[test]
    fn its_text_is_what_failed_and_what_to_do() {
        let text = Fault::failed("it broke").hint("mend it").to_string();
        assert_eq!(text, "error: it broke\nhint: mend it\n");
    }
}
