//! Reading: from bytes to what they say, line by line, within bounds.

use super::{
    FORMAT, FORMAT_VERSION, ReadError,
    line::{EndLine, HeaderLine, Kind, Line},
};
use crate::db::{Contact, Kept, UnopenedRow};
use data_encoding::BASE64URL_NOPAD;
use pychat_proto::{DisplayName, JoinLink, PublicKey, SecretKey, UserName};
use std::io::BufRead;
use zeroize::Zeroizing;

/// Longest line: a text of 32 KiB of which JSON makes six times as many, and what is said of it.
pub(super) const LINE_BYTES_MAX: usize = 256 * 1024;

/// Most lines; a person who writes a text a minute has as many after forty years.
const LINES_MAX: u64 = 20_000_000;

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most lines.
    pub lines: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { lines: LINES_MAX }
    }
}

/// Whose profile it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) user: UserName,
    pub(super) name: DisplayName,
    pub(super) server: JoinLink,
    pub(super) exported_at: String,
}

/// What a line says.
#[derive(Debug)]
pub enum Entry {
    /// Somebody at a server.
    Contact(PublicKey, Contact),
    /// A text of somebody's that could not be opened and is to be asked for.
    Unopened(UnopenedRow),
    /// A text.
    Message(Box<Kept>),
}

/// An archive's lines, opened: the header and the identity have been read.
pub struct Lines<R> {
    source: Source<R>,
    pub(super) header: Header,
    pub(super) identity: SecretKey,
    read: EndLine,
    is_over: bool,
}

struct Source<R> {
    input: R,
    limits: Limits,
    /// Wiped, and large enough for any line: it never moves, so that no copy stays behind.
    buffer: Zeroizing<Vec<u8>>,
    line: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads the first two lines.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn open(input: R, limits: Limits) -> Result<Self, ReadError> {
        let buffer = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX));
        let mut source = Source { input, limits, buffer, line: 0 };
        let header = source.header()?;
        let identity = source.identity()?;
        Ok(Self { source, header, identity, read: EndLine::default(), is_over: false })
    }

    /// What the next line says; `None` at the end, which was written as such.
    ///
    /// # Errors
    /// Says what is wrong with it, or with the whole.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        if self.is_over {
            return Ok(None);
        }
        let Self { source, read, .. } = self;
        let entry = match source.parse::<Line<'_>>()? {
            Line::Identity(_) => Err("holds a second identity"),
            Line::Contact(line) => {
                read.contacts += 1;
                line.parse().map(|(server, contact)| Some(Entry::Contact(server, contact)))
            }
            Line::Unopened(line) => {
                read.unopened += 1;
                line.parse().map(|row| Some(Entry::Unopened(row)))
            }
            Line::Message(line) => {
                read.messages += 1;
                line.parse().map(|kept| Some(Entry::Message(Box::new(kept))))
            }
            Line::End(end) if end == *read => Ok(None),
            Line::End(_) => Err("counts other lines than there are"),
        };
        let entry = entry.map_err(|what| source.wrong(what))?;
        if entry.is_none() {
            self.is_over = true;
            if self.source.next()?.is_some() {
                return Err(self.source.wrong("follows the end"));
            }
        }
        Ok(entry)
    }
}

impl<R: BufRead> Source<R> {
    /// The next line, without its line feed; `None` at the end of the file.
    fn next(&mut self) -> Result<Option<&[u8]>, ReadError> {
        if self.line > self.limits.lines {
            return Err(ReadError::TooLong(self.limits.lines));
        }
        self.line += 1;
        self.buffer.clear();
        loop {
            let there = self.input.fill_buf().map_err(ReadError::of)?;
            if there.is_empty() {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(self.wrong("has no end")),
                };
            }
            let end = there.iter().position(|byte| *byte == b'\n');
            let part = &there[..end.unwrap_or(there.len())];
            if self.buffer.len() + part.len() > LINE_BYTES_MAX {
                return Err(self.wrong("is too long"));
            }
            self.buffer.extend_from_slice(part);
            let taken = part.len() + usize::from(end.is_some());
            self.input.consume(taken);
            if end.is_some() {
                return Ok(Some(&self.buffer));
            }
        }
    }

    fn parse<'s, T: serde::Deserialize<'s>>(&'s mut self) -> Result<T, ReadError> {
        let line = self.line + 1;
        let wrong = |what| ReadError::Line { line, what };
        let bytes = self.next()?.ok_or(wrong("is missing"))?;
        // What serde says may quote the line.
        serde_json::from_slice(bytes).map_err(|_| wrong("cannot be read"))
    }

    fn header(&mut self) -> Result<Header, ReadError> {
        let bytes = self.next()?.ok_or(ReadError::OtherContent)?;
        let kind: Kind<'_> = serde_json::from_slice(bytes).map_err(|_| ReadError::OtherContent)?;
        if kind.format != FORMAT || kind.version == 0 {
            return Err(ReadError::OtherContent);
        }
        if kind.version > FORMAT_VERSION {
            return Err(ReadError::Newer { found: kind.version });
        }
        let wrong = |what| ReadError::Line { line: 1, what };
        let header: HeaderLine<'_> =
            serde_json::from_slice(bytes).map_err(|_| wrong("cannot be read"))?;
        let (user, name, server) = header.account().map_err(wrong)?;
        Ok(Header { user, name, server, exported_at: header.exported_at.into_owned() })
    }

    fn identity(&mut self) -> Result<SecretKey, ReadError> {
        const WRONG: &str = "holds no identity";
        let line = self.line + 1;
        let wrong = || ReadError::Line { line, what: WRONG };
        let Line::Identity(identity) = self.parse()? else { return Err(wrong()) };
        let mut key = Zeroizing::new([0; 32]);
        let text = identity.key.as_bytes();
        if BASE64URL_NOPAD.decode_len(text.len()) != Ok(key.len()) {
            return Err(wrong());
        }
        BASE64URL_NOPAD.decode_mut(text, &mut *key).map_err(|_| wrong())?;
        Ok(SecretKey::from_bytes(*key))
    }

    fn wrong(&self, what: &'static str) -> ReadError {
        ReadError::Line { line: self.line, what }
    }
}
