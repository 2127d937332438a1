//! A conversation with an operator, over whatever he came.

use super::{
    api::{Answer, LINE_BYTES_MAX, Refused, Request},
    desk::Desk,
};
use std::{io, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    time::timeout,
};

/// Operators at a time; further ones wait.
pub(super) const CONNECTIONS_MAX: usize = 8;

/// After nobody could be let in: too many open files, most likely.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Whoever says nothing for so long has to connect anew.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Answers one operator until he leaves or says nothing more.
pub(super) async fn converse(stream: impl AsyncRead + AsyncWrite, desk: &Desk) -> io::Result<()> {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut reader = BufReader::new(reader.take(LINE_BYTES_MAX as u64));
    loop {
        let mut asked = Vec::new();
        match timeout(IDLE_MAX, reader.read_until(b'\n', &mut asked)).await {
            Ok(Ok(0)) | Err(_) => return Ok(()),
            Ok(read) => read.map(drop)?,
        }
        let answer = match serde_json::from_slice::<Request>(&asked) {
            Ok(request) => desk.answer(request).await.map_or_else(Answer::Error, Answer::Ok),
            Err(error) => Answer::Error(Refused::new(
                format!("the request cannot be read: {error}"),
                "use the pychat-server of the version that is running",
            )),
        };
        writer.write_all(&line(&answer)).await?;
    }
}

/// An answer as it is sent.
pub(super) fn line(answer: &Answer) -> Vec<u8> {
    // Texts and numbers are always JSON.
    let mut line = serde_json::to_vec(answer).unwrap_or_default();
    line.push(b'\n');
    line
}
