//! Lines that are typed, read on a thread of their own.

use super::Said;
use std::{
    io::{self, BufRead, Read},
    sync::mpsc::SyncSender,
    thread,
};

/// Tells each line, and the end.
pub(super) fn read_lines(tell: SyncSender<Said>) {
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut bytes = Vec::new();
            let read = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
            let said = match read {
                Ok(0) | Err(_) => Said::End,
                Ok(_) if !bytes.ends_with(b"\n") && bytes.len() as u64 == LINE_BYTES_MAX => {
                    skip_line(&mut input);
                    Said::BadLine(
                        "not sent: a message holds 32768 bytes (32 KiB); send it in parts",
                    )
                }
                Ok(_) => match String::from_utf8(bytes) {
                    Ok(text) => Said::Line(text.trim_end_matches(['\r', '\n']).to_owned()),
                    Err(_) => Said::BadLine("not sent: this is no UTF-8"),
                },
            };
            let is_last = matches!(said, Said::End);
            if tell.send(said).is_err() || is_last {
                return;
            }
        }
    });
}

/// The rest of a line that is too long.
fn skip_line(input: &mut impl BufRead) {
    loop {
        let Ok(piece) = input.fill_buf() else { return };
        let (length, is_end) = match piece.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (piece.len(), piece.is_empty()),
        };
        input.consume(length);
        if is_end {
            return;
        }
    }
}

/// More than any text, with its line end.
const LINE_BYTES_MAX: u64 = 32 * 1024 + 3;
