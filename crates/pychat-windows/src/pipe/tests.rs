use super::{
    ConnectError, Trust, connect, descriptor, descriptor_for_operators, listen, listen_for,
    listen_to_operators,
};
use crate::{Pipe, Sid};
use interprocess::local_socket::traits::tokio::Listener as _;
use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PATIENCE: Duration = Duration::from_secs(10);

fn name(of: &str) -> PathBuf {
    format!(r"\\.\pipe\pychat-test-{}-{of}", std::process::id()).into()
}

/// Wine 8 takes descriptors and the flag that says who is the first of a name, and heeds neither: there the
/// text of the descriptor is all that can be looked at.
fn under_wine() -> bool {
    std::path::Path::new(r"C:\windows\system32\winecfg.exe").exists()
}

#[test]
fn the_descriptor_names_the_owner_and_nobody_else() {
    let own = Sid::own().unwrap();
    assert_eq!(descriptor(&own), format!("O:{own}D:P(A;;GA;;;{own})"));
}

#[test]
fn administrators_may_talk_to_a_server() {
    let own = Sid::own().unwrap();
    let descriptor = descriptor_for_operators(&own);
    assert_eq!(descriptor, format!("O:{own}D:P(A;;GA;;;{own})(A;;GA;;;BA)"));
}

#[tokio::test]
async fn an_operator_reaches_a_server_of_our_own() {
    let name = name("operator");
    let _listener = listen_to_operators(&name).unwrap();
    assert!(connect(&name, Trust::OwnAndServices, PATIENCE).is_ok());
}

#[tokio::test]
async fn two_of_one_user_converse() {
    let name = name("converse");
    let listener = listen(&name).unwrap();
    // A pipe that is let go of ends once the runtime has looked at it: it must not be held up.
    let asking = tokio::task::spawn_blocking(move || {
        let mut pipe = Pipe::connect(&name, PATIENCE).unwrap();
        pipe.write_all(b"hello", PATIENCE).unwrap();
        let mut answer = [0; 5];
        let count = pipe.read(&mut answer, Some(PATIENCE)).unwrap();
        (answer[..count].to_vec(), pipe.read(&mut [0; 1], Some(PATIENCE)).unwrap())
    });
    let mut stream = listener.accept().await.unwrap();
    let mut asked = [0; 5];
    stream.read_exact(&mut asked).await.unwrap();
    stream.write_all(&asked).await.unwrap();
    stream.flush().await.unwrap();
    drop(stream);
    assert_eq!(asking.await.unwrap(), (b"hello".to_vec(), 0));
}

#[tokio::test]
async fn a_silent_one_is_waited_for_no_longer_than_asked() {
    let name = name("silent");
    let _listener = listen(&name).unwrap();
    let waited = tokio::task::spawn_blocking(move || {
        let mut pipe = Pipe::connect(&name, PATIENCE).unwrap();
        let begun = Instant::now();
        let read = pipe.read(&mut [0; 1], Some(Duration::from_millis(50)));
        (read.unwrap_err().kind(), begun.elapsed())
    });
    let (kind, waited) = waited.await.unwrap();
    assert_eq!(kind, io::ErrorKind::TimedOut);
    assert!(waited >= Duration::from_millis(50) && waited < PATIENCE, "{waited:?}");
}

#[tokio::test]
async fn a_name_has_one_who_listens() {
    let name = name("one");
    let first = listen(&name).unwrap();
    assert!(listen(&name).is_err() || under_wine());
    drop(first);
    assert!(listen(&name).is_ok());
}

#[tokio::test]
async fn where_nobody_listens_that_is_told() {
    let error = connect(&name("nobody"), Trust::Own, PATIENCE).unwrap_err();
    assert!(
        matches!(&error, ConnectError::Io(error) if error.kind() == io::ErrorKind::NotFound),
        "{error}"
    );
}

/// The same, had another user made the pipe: we are not in its descriptor.
#[tokio::test]
async fn a_pipe_for_another_user_does_not_let_us_in() {
    let name = name("theirs");
    let another: &str = "D:P(A;;GA;;;S-1-5-21-1-2-3-4711)";
    let _listener = listen_for(&name, another).unwrap();
    let refused = |error: &ConnectError| matches!(error, ConnectError::Io(error) if error.kind() == io::ErrorKind::PermissionDenied);
    let connected = connect(&name, Trust::Own, PATIENCE);
    assert!(connected.as_ref().is_err_and(refused) || under_wine(), "{connected:?}");
}
