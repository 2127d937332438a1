//! What follows the header: chunks, each sealed with its number and with whether it is the last one, so
//! that none can be changed, left out or put elsewhere, and the end cannot be cut off.

use super::header::FileKey;
use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use std::io::{self, BufRead, Read, Write};
use zeroize::Zeroizing;

/// Content of each chunk but the last one.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// What the seal adds to a chunk.
const TAG_BYTES: usize = 16;

/// Seals what is written to it. Without [`Sealer::finish`] the file has no end, and does not open whole.
pub struct Sealer<W> {
    out: W,
    key: LessSafeKey,
    counter: Counter,
    /// Wiped, as it holds secrets before they are sealed.
    chunk: Zeroizing<Vec<u8>>,
}

/// Gives what was sealed. Damage is an error of the kind [`io::ErrorKind::InvalidData`], a missing end one
/// of the kind [`io::ErrorKind::UnexpectedEof`].
pub struct Opener<R> {
    input: R,
    key: LessSafeKey,
    counter: Counter,
    chunk: Zeroizing<Vec<u8>>,
    /// What was read of the chunk.
    taken: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Another chunk follows.
    More,
    /// The chunk at hand is the last one.
    Last,
    /// It is damaged, and stays so.
    Damaged(io::ErrorKind),
}

/// The number of the next chunk.
struct Counter(u64);

impl Counter {
    fn next(&mut self, is_last: bool) -> Nonce {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&self.0.to_be_bytes());
        nonce[11] = u8::from(is_last);
        // 2^64 chunks are more than a disk holds.
        self.0 += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

impl<W: Write> Sealer<W> {
    pub(super) fn new(out: W, key: &FileKey, nonce: &[u8; 16]) -> Self {
        let chunk = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES + TAG_BYTES));
        Self { out, key: key.content(nonce), counter: Counter(0), chunk }
    }

    /// Writes the end.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn seal(&mut self, is_last: bool) -> io::Result<()> {
        let nonce = self.counter.next(is_last);
        let sealed = self.key.seal_in_place_append_tag(nonce, Aad::empty(), &mut *self.chunk);
        sealed.map_err(|_| io::Error::other("a chunk cannot be sealed"))?;
        let written = self.out.write_all(&self.chunk);
        self.chunk.clear();
        written
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Only now it is known that the full one is not the last.
        if self.chunk.len() == CHUNK_BYTES && !bytes.is_empty() {
            self.seal(false)?;
        }
        let taken = bytes.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// A part of a chunk cannot go out.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<R: BufRead> Opener<R> {
    pub(super) fn new(input: R, key: &FileKey, nonce: &[u8; 16]) -> Self {
        let chunk = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES + TAG_BYTES));
        let key = key.content(nonce);
        Self { input, key, counter: Counter(0), chunk, taken: 0, state: State::More }
    }

    /// Reads and opens the next chunk.
    fn open(&mut self) -> io::Result<()> {
        self.taken = 0;
        self.chunk.clear();
        let is_first = self.counter.0 == 0;
        let whole = (CHUNK_BYTES + TAG_BYTES) as u64;
        (&mut self.input).take(whole).read_to_end(&mut self.chunk)?;
        let is_last = self.input.fill_buf()?.is_empty();
        let nonce = self.counter.next(is_last);
        let opened = self.key.open_in_place(nonce, Aad::empty(), &mut self.chunk);
        let Ok(opened) = opened.map(|content| content.len()) else {
            self.chunk.clear();
            let kind =
                if is_last { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData };
            return Err(self.damaged(kind));
        };
        self.chunk.truncate(opened);
        if opened == 0 && !is_first {
            return Err(self.damaged(io::ErrorKind::InvalidData));
        }
        self.state = if is_last { State::Last } else { State::More };
        Ok(())
    }

    fn damaged(&mut self, kind: io::ErrorKind) -> io::Error {
        self.state = State::Damaged(kind);
        kind.into()
    }
}

impl<R: BufRead> BufRead for Opener<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken == self.chunk.len() {
            match self.state {
                State::More => self.open()?,
                State::Last => {}
                State::Damaged(kind) => return Err(kind.into()),
            }
        }
        Ok(&self.chunk[self.taken..])
    }

    fn consume(&mut self, count: usize) {
        self.taken = (self.taken + count).min(self.chunk.len());
    }
}

impl<R: BufRead> Read for Opener<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let from = self.fill_buf()?;
        let count = from.len().min(to.len());
        to[..count].copy_from_slice(&from[..count]);
        self.consume(count);
        Ok(count)
    }
}
