//! Target `control`: what comes over the control socket, on either side of it.

use crate::source::Source;
use pychat_control::{
    Call, ErrorCode, Failure, FromDaemon, Id, LineBuffer, RpcError, call_line, error_line,
    parse_call, parse_from_daemon,
};
use pychatd::{
    control::{self, About},
    handle::{Handle, REQUEST_QUEUE_LEN, Subscription, ToCore},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{broadcast, mpsc, watch},
};

/// What an error says of a line is at most this much longer than the line.
const ERROR_BYTES_MAX: usize = 2048;

/// A conversation with nobody at the other end any more is over within this time.
const OVER_WITHIN: Duration = Duration::from_secs(60);

/// A line that is a request is so again when we write it; one that is none is answered with an error
/// that can be read and is no longer than it should be; and the daemon answers each line once and
/// ends the conversation.
pub fn control(data: &[u8]) {
    let mut source = Source::new(data);
    let piece = usize::from(source.u8()) + 1;
    let text = source.rest();
    let lines = lines(text, piece);
    for line in &lines {
        request(line);
        answer(line);
    }
    conversation(text, piece, lines.len());
}

/// The lines of a text that comes in pieces: the same as if it came at once.
fn lines(text: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let mut buffer = LineBuffer::default();
    let mut lines = Vec::new();
    for piece in text.chunks(piece) {
        buffer.push(piece);
        while let Ok(Some(line)) = buffer.next_line() {
            lines.push(line.to_vec());
        }
    }
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(&text[..0], |end| &text[..end]);
    let is_blank = |line: &&[u8]| line.iter().all(u8::is_ascii_whitespace);
    let expected: Vec<&[u8]> =
        whole.split(|byte| *byte == b'\n').filter(|line| !is_blank(line)).collect();
    assert_eq!(lines, expected);
    lines
}

fn request(line: &[u8]) {
    match parse_call(line) {
        Ok(Call { id, request }) => {
            let written = call_line(&id.unwrap_or(Id::Null), &request);
            let again = parse_call(written.trim_end().as_bytes()).expect("our own line");
            assert_eq!(again.request, request);
        }
        Err(rejected) => {
            let Some(id) = rejected.id else { return };
            let said = error_line(&id, &rejected.error);
            assert!(said.len() <= 2 * line.len() + ERROR_BYTES_MAX, "{} bytes", said.len());
            let read = parse_from_daemon(said.trim_end().as_bytes()).expect("our own line");
            assert!(matches!(read, FromDaemon::Answer { outcome: Err(_), .. }));
        }
    }
}

fn answer(line: &[u8]) {
    if let Ok(FromDaemon::Answer { outcome: Err(failure), .. }) = parse_from_daemon(line) {
        assert!(ErrorCode::from_number(failure.code.number().into()) == failure.code);
    }
}

fn conversation(text: &[u8], piece: usize, lines: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let said = runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (requests, to_core) = mpsc::channel(REQUEST_QUEUE_LEN);
        let core = tokio::spawn(core(to_core));
        let (_closing, is_closing) = watch::channel(false);
        let about = About { version: "0", pid: 1, profile: "fuzz".into() };
        let talk =
            tokio::spawn(control::converse(theirs, Handle(requests), Arc::new(about), is_closing));
        let (mut reader, mut writer) = tokio::io::split(ours);
        let text = text.to_vec();
        let writing = tokio::spawn(async move {
            for piece in text.chunks(piece) {
                if writer.write_all(piece).await.is_err() {
                    return;
                }
            }
            // The other side may have ended already.
            let _ = writer.shutdown().await;
        });
        let mut said = Vec::new();
        let read = tokio::time::timeout(OVER_WITHIN, reader.read_to_end(&mut said)).await;
        read.expect("the conversation ends").expect("a pipe in memory works");
        talk.await.expect("the conversation does not panic");
        writing.await.expect("nor do we");
        core.await.expect("nor does the core");
        said
    });
    let answers: Vec<&[u8]> = said.split(|byte| *byte == b'\n').collect();
    let (rest, answers) = answers.split_last().expect("there is one piece at least");
    assert!(rest.is_empty(), "each answer ends with a line feed");
    assert!(answers.len() <= lines + 1, "{} answers to {lines} lines", answers.len());
    for answer in answers {
        parse_from_daemon(answer).expect("an answer can be read");
    }
}

/// A core that knows nothing.
async fn core(mut requests: mpsc::Receiver<ToCore>) {
    let live = broadcast::Sender::new(1);
    let failure = || Failure {
        code: ErrorCode::Other,
        message: "the core of this test knows nothing".into(),
        hint: None,
        sent: None,
    };
    // Who asked may be gone.
    while let Some(asked) = requests.recv().await {
        match asked {
            ToCore::Request { respond, .. } => drop(respond.send(Err(failure()))),
            ToCore::Subscribe { respond } => {
                drop(respond.send(Subscription { cursor: 0, live: live.subscribe() }));
            }
            ToCore::Hook(_) => {}
            ToCore::EventsAfter { respond, .. } => drop(respond.send(Ok(Vec::new()))),
        }
    }
    // The error's text form is what a person sees.
    assert!(!RpcError::from(failure()).message.is_empty());
}
