//! Cuts a byte stream into lines, bounded, without doing any input or output itself.

use crate::LINE_BYTES_MAX;

/// Collects bytes as they come and gives them back as lines of at most [`LINE_BYTES_MAX`] bytes.
/// Drive it: `push` what was read, then take lines until there is none.
#[derive(Debug, Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// Where the first line that was not taken begins.
    start: usize,
    /// Up to here there is no line feed, counted from `start`.
    searched: usize,
}

/// A line that is longer than either side may send. What follows cannot be told apart any more: the
/// connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {LINE_BYTES_MAX} bytes")]
pub struct LineTooLong;

impl LineBuffer {
    /// Takes bytes that were read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line without its end; blank lines are skipped.
    ///
    /// # Errors
    /// The line is over-long, whole or not.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        loop {
            let rest = &self.bytes[self.start..];
            let Some(end) = rest[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = rest.len();
                return if rest.len() > LINE_BYTES_MAX { Err(LineTooLong) } else { Ok(None) };
            };
            let from = self.start;
            let to = from + self.searched + end;
            self.start = to + 1;
            self.searched = 0;
            if to - from > LINE_BYTES_MAX {
                return Err(LineTooLong);
            }
            if !self.bytes[from..to].iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(&self.bytes[from..to]));
            }
        }
    }

    /// Whether nothing waits, not even the beginning of a line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(buffer: &mut LineBuffer) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        while let Some(line) = buffer.next_line().expect("short lines") {
            lines.push(line.to_vec());
        }
        lines
    }

    #[test]
    fn a_line_of_exactly_the_bound_passes_and_one_more_byte_does_not() {
        let mut buffer = LineBuffer::default();
        buffer.push(&vec![b'x'; LINE_BYTES_MAX]);
        assert_eq!(buffer.next_line(), Ok(None));
        buffer.push(b"\n");
        assert_eq!(buffer.next_line().map(|line| line.map(<[u8]>::len)), Ok(Some(LINE_BYTES_MAX)));

        buffer.push(&vec![b'x'; LINE_BYTES_MAX + 1]);
        assert_eq!(buffer.next_line(), Err(LineTooLong));
        let mut whole = LineBuffer::default();
        whole.push(&[&vec![b'x'; LINE_BYTES_MAX + 1], &b"\n"[..]].concat());
        assert_eq!(whole.next_line(), Err(LineTooLong));
    }

    #[test]
    fn blank_lines_are_skipped() {
        let mut buffer = LineBuffer::default();
        buffer.push(b"\n \r\n{}\r\n\n");
        assert_eq!(lines(&mut buffer), [b"{}\r".to_vec()]);
        assert!(buffer.is_empty());
    }

    proptest! {
        #[test]
        fn lines_come_out_whole_however_they_are_cut(
            sent in prop::collection::vec("[a-z]{1,20}", 0..20),
            cuts in prop::collection::vec(1_usize..30, 1..20),
        ) {
            let stream: Vec<u8> = sent.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
            let mut buffer = LineBuffer::default();
            let mut got = Vec::new();
            let mut rest = &stream[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, later) = rest.split_at((*cut).min(rest.len()));
                buffer.push(piece);
                got.extend(lines(&mut buffer));
                rest = later;
            }
            let sent: Vec<Vec<u8>> = sent.into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(got, sent);
        }
    }
}
