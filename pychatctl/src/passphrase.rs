//! A passphrase: from a file, from a pipe, or typed at the terminal, which does not show it. It is never
//! among the arguments or in the environment, where other programs could see it.

use pychat_control::{ErrorCode, Failure};
use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::Path,
};
use zeroize::Zeroizing;

/// Longest passphrase.
pub(crate) const BYTES_MAX: usize = 1024;

/// A passphrase; wiped when dropped.
pub(crate) type Passphrase = Zeroizing<Vec<u8>>;

/// Where it comes from, if no file is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stdin {
    /// It may come from there.
    Free,
    /// Something else does.
    Taken,
}

/// How often it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// It is known.
    Once,
    /// It is new, and a slip would be noticed too late.
    Twice,
}

/// The first line of `file`; else of standard input, if that is a pipe; else what is typed.
pub(crate) fn get(file: Option<&Path>, stdin: Stdin, typed: Typed) -> Result<Passphrase, Failure> {
    let passphrase = match file {
        Some(path) => {
            let read = File::open(path).and_then(|mut file| first_line(&mut file));
            read.map_err(|error| {
                let shown = path.display();
                let message = format!("the passphrase file {shown} cannot be read: {error}");
                failure(ErrorCode::Other, message, None)
            })?
        }
        None if stdin == Stdin::Free && !io::stdin().is_terminal() => {
            let read = unbuffered().and_then(|mut stdin| first_line(&mut stdin));
            read.map_err(|error| {
                let message = format!("the passphrase cannot be read: {error}");
                failure(ErrorCode::Other, message, None)
            })?
        }
        None => at_terminal(typed)?,
    };
    match passphrase.len() {
        0 => Err(usage("the passphrase is empty")),
        1..=BYTES_MAX => Ok(passphrase),
        _ => Err(usage(&format!("the passphrase has more than {BYTES_MAX} bytes"))),
    }
}

fn at_terminal(typed: Typed) -> Result<Passphrase, Failure> {
    let asked = |question| {
        terminal::ask(question).map_err(|_| Failure {
            hint: Some("name a file with it: --passphrase-file FILE".into()),
            ..usage("there is no terminal where a passphrase could be typed")
        })
    };
    let first = asked("Passphrase: ")?;
    if typed == Typed::Twice && !first.is_empty() && asked("The same again: ")? != first {
        return Err(usage("these were two different passphrases"));
    }
    Ok(first)
}

/// Without the line feed. One byte more than may be, so that a longer one shows.
fn first_line(from: &mut impl Read) -> io::Result<Passphrase> {
    let mut line = Zeroizing::new(Vec::with_capacity(BYTES_MAX + 1));
    let mut byte = Zeroizing::new([0; 1]);
    while line.len() <= BYTES_MAX {
        match from.read(&mut *byte) {
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // As an editor on Windows ends a line.
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

/// The buffer of standard input would keep the passphrase.
fn unbuffered() -> io::Result<File> {
    #[cfg(unix)]
    let ours = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?;
    #[cfg(windows)]
    let ours = std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned()?;
    Ok(ours.into())
}

fn failure(code: ErrorCode, message: String, hint: Option<String>) -> Failure {
    Failure { code, message, hint, sent: None }
}

fn usage(message: &str) -> Failure {
    failure(ErrorCode::Usage, message.to_owned(), None)
}

#[cfg(unix)]
mod terminal {
    use super::{BYTES_MAX, Passphrase};
    use rustix::{
        process::{Signal, getpid, kill_process},
        termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr},
    };
    use std::{
        fs::File,
        io::{self, Read, Write},
    };
    use zeroize::Zeroizing;

    /// A terminal that shows nothing and hands out each key at once, as long as this lives.
    struct Silent<'a> {
        terminal: &'a File,
        before: Termios,
    }

    impl<'a> Silent<'a> {
        fn new(terminal: &'a File) -> io::Result<Self> {
            let before = tcgetattr(terminal)?;
            let mut silent = before.clone();
            // Not even signals: an interrupt would leave the terminal silent.
            silent.local_modes.remove(
                LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG,
            );
            silent.special_codes[SpecialCodeIndex::VMIN] = 1;
            silent.special_codes[SpecialCodeIndex::VTIME] = 0;
            tcsetattr(terminal, OptionalActions::Now, &silent)?;
            Ok(Self { terminal, before })
        }
    }

    impl Drop for Silent<'_> {
        fn drop(&mut self) {
            // A terminal that is gone shows nothing any more.
            let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
            let mut terminal = self.terminal;
            let _ = terminal.write_all(b"\n");
        }
    }

    /// What a key does.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Then {
        More,
        Done,
        Interrupt,
    }

    /// Asks at the terminal of this process, wherever its input comes from.
    pub(super) fn ask(question: &str) -> io::Result<Passphrase> {
        let terminal = File::options().read(true).write(true).open("/dev/tty")?;
        let mut typed = Zeroizing::new(Vec::with_capacity(BYTES_MAX + 1));
        let mut key = Zeroizing::new([0; 1]);
        let silent = Silent::new(&terminal)?;
        // Only now: whoever answers at once is not seen either.
        let mut keys = &terminal;
        keys.write_all(question.as_bytes())?;
        loop {
            let then = match keys.read(&mut *key) {
                Ok(0) => Then::Done,
                Ok(_) => press(&mut typed, key[0]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Then::More,
                Err(error) => return Err(error),
            };
            match then {
                Then::More => {}
                Then::Done => return Ok(typed),
                Then::Interrupt => {
                    drop(silent);
                    // Ends this process as the terminal would have done.
                    kill_process(getpid(), Signal::INT)?;
                    return Err(io::ErrorKind::Interrupted.into());
                }
            }
        }
    }

    /// A key is pressed; what is beyond the bound only counts as too long.
    pub(super) fn press(typed: &mut Vec<u8>, key: u8) -> Then {
        const INTERRUPT: u8 = 0x03;
        const END: u8 = 0x04;
        const ERASE: [u8; 2] = [0x08, 0x7f];
        const ERASE_ALL: u8 = 0x15;
        match key {
            b'\n' | b'\r' | END => return Then::Done,
            INTERRUPT => return Then::Interrupt,
            ERASE_ALL => typed.clear(),
            _ if ERASE.contains(&key) => {
                // A character may have several bytes.
                while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            0..=0x1f => {}
            _ if typed.len() <= BYTES_MAX => typed.push(key),
            _ => {}
        }
        Then::More
    }
}

/// Without a way to type unseen that needs no code of the system's, a file or a pipe it is.
#[cfg(not(unix))]
mod terminal {
    use super::Passphrase;
    use std::io;

    pub(super) fn ask(_: &str) -> io::Result<Passphrase> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(bytes: &[u8]) -> Vec<u8> {
        first_line(&mut &bytes[..]).unwrap().to_vec()
    }

    #[test]
    fn a_line_ends_where_systems_end_it() {
        assert_eq!(line_of(b"correct horse\nbattery"), b"correct horse");
        assert_eq!(line_of(b"correct horse\r\n"), b"correct horse");
        assert_eq!(line_of("sch\u{f6}n".as_bytes()), "sch\u{f6}n".as_bytes());
        assert_eq!(line_of(b""), b"");
        assert_eq!(line_of(&[b'x'; 3 * BYTES_MAX]).len(), BYTES_MAX + 1);
    }

    #[test]
    fn a_file_gives_its_first_line_within_the_bound() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("passphrase");
        let given = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            get(Some(&path), Stdin::Taken, Typed::Twice)
        };
        assert_eq!(*given(b"correct horse\n").unwrap(), b"correct horse");
        assert_eq!(given(&[b'x'; BYTES_MAX]).unwrap().len(), BYTES_MAX);
        let long = given(&[b'x'; BYTES_MAX + 1]).unwrap_err();
        assert_eq!(
            (long.code, long.message.as_str()),
            (ErrorCode::Usage, "the passphrase has more than 1024 bytes")
        );
        let empty = given(b"\nsecond line").unwrap_err();
        assert_eq!(
            (empty.code, empty.message.as_str()),
            (ErrorCode::Usage, "the passphrase is empty")
        );
        std::fs::remove_file(&path).unwrap();
        let missing = get(Some(&path), Stdin::Free, Typed::Once).unwrap_err();
        assert_eq!(missing.code, ErrorCode::Other);
    }

    #[cfg(unix)]
    #[test]
    fn keys_do_what_they_do_at_a_prompt() {
        use terminal::{Then, press};
        let typed = |keys: &[u8]| {
            let mut typed = Vec::new();
            let then = keys.iter().map(|key| press(&mut typed, *key)).last();
            (String::from_utf8(typed).unwrap(), then.unwrap())
        };
        assert_eq!(typed(b"horse\r"), ("horse".into(), Then::Done));
        assert_eq!(
            typed("h\u{f6}\u{7f}\u{7f}\u{7f}xy\u{8}\n".as_bytes()),
            ("x".into(), Then::Done)
        );
        assert_eq!(typed(b"wrong\x15right\x04"), ("right".into(), Then::Done));
        assert_eq!(typed(b"a\x1b\tb"), ("ab".into(), Then::More));
        assert_eq!(typed(b"ab\x03").1, Then::Interrupt);
        assert_eq!(typed(&[b'x'; 2 * BYTES_MAX]).0.len(), BYTES_MAX + 1);
    }
}
