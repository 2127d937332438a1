//! Asking the person at the terminal before something that cannot be undone.

use super::Context;
use crate::{names, output::Failed};
use std::io::{self, BufRead, IsTerminal, Write};

/// What a person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Clearly yes.
    Yes,
    /// Anything else.
    No,
}

/// Whether there is somebody to ask.
pub(super) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The question goes where remarks go, and it is asked however little is wanted on standard output.
pub(super) fn ask(context: &mut Context, question: &str) -> Result<Answer, Failed> {
    context.out.flush()?;
    answer(question, io::stdin().lock(), &mut io::stderr())
        .map_err(|error| names::usage(format!("the terminal cannot be read: {error}"), None).into())
}

/// Everything but a clear yes is a no, the end of the input too.
fn answer(question: &str, from: impl BufRead, to: &mut impl Write) -> io::Result<Answer> {
    to.write_all(question.as_bytes())?;
    to.flush()?;
    let mut line = String::new();
    if from.take(ANSWER_BYTES_MAX).read_line(&mut line)? == 0 {
        writeln!(to)?;
    }
    match line.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(Answer::Yes),
        _ => Ok(Answer::No),
    }
}

/// More than any answer.
const ANSWER_BYTES_MAX: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        let said = |input: &str| {
            let mut shown = Vec::new();
            let answer = answer("? ", input.as_bytes(), &mut shown).unwrap();
            (answer, String::from_utf8(shown).unwrap())
        };
        for yes in ["y\n", "Y\n", " yes \r\n", "YES"] {
            assert_eq!(said(yes), (Answer::Yes, "? ".into()), "{yes:?}");
        }
        for no in ["\n", "n\n", "no\n", "yep\n", "y y\n", &"y".repeat(5000)] {
            assert_eq!(said(no), (Answer::No, "? ".into()), "{no:?}");
        }
        assert_eq!(said(""), (Answer::No, "? \n".into()));
    }
}
