//! One text for a program and its arguments, as programs take it apart again: within quotes, where a
//! quote has a backslash before it and the backslashes before a quote are doubled.

use std::{ffi::OsString, path::Path};

/// The text; `None` if a part is no Unicode.
pub(crate) fn of(program: &Path, arguments: &[OsString]) -> Option<String> {
    // A file's name holds no quote, and no rule for backslashes holds for it.
    let mut line = format!("\"{}\"", program.to_str()?);
    for argument in arguments {
        line.push(' ');
        push_quoted(&mut line, argument.to_str()?);
    }
    Some(line)
}

fn push_quoted(line: &mut String, argument: &str) {
    line.push('"');
    let mut backslashes = 0;
    for character in argument.chars() {
        match character {
            '\\' => backslashes += 1,
            '"' => {
                line.extend(std::iter::repeat_n('\\', backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        line.push(character);
    }
    line.extend(std::iter::repeat_n('\\', backslashes));
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::of;
    use std::path::Path;

    #[test]
    fn quotes_and_the_backslashes_before_them_are_marked() {
        let line = |argument: &str| of(Path::new(r"C:\a b\c.exe"), &[argument.into()]).unwrap();
        for (argument, quoted) in [
            ("", r#""""#),
            ("a b", r#""a b""#),
            (r"C:\x y\", r#""C:\x y\\""#),
            (r#"say "hi""#, r#""say \"hi\"""#),
            (r#"\\"x"#, r#""\\\\\"x""#),
            (r"\\.\pipe\x", r#""\\.\pipe\x""#),
        ] {
            assert_eq!(line(argument), format!(r#""C:\a b\c.exe" {quoted}"#));
        }
    }
}
