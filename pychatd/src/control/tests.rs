//! Facts about the server, over real sockets.

use super::{fake_core::FakeCore, *};
use pychat_control::{Client, Place, Profile, StateBase};
use std::os::unix::fs::PermissionsExt;
use tokio::{io::AsyncReadExt, net::UnixStream, task::spawn_blocking, time::timeout};

const SOON: Duration = Duration::from_secs(20);

struct Started {
    _temp: tempfile::TempDir,
    address: Address,
    server: Server,
    core: FakeCore,
}

fn directory() -> (tempfile::TempDir, Address) {
    let temp = tempfile::tempdir().unwrap();
    let place = Place::new(&StateBase::at(temp.path()), Profile::default());
    std::fs::create_dir(place.state_dir()).unwrap();
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(place.state_dir(), private).unwrap();
    (temp, place.address())
}

fn start() -> Started {
    let (temp, address) = directory();
    let core = FakeCore::start();
    let about = About { version: "1.2.3", pid: 42, profile: "default".into() };
    let server = Server::start(bind(&address).unwrap(), core.handle.clone(), about);
    Started { _temp: temp, address, server, core }
}

async fn until_end(mut stream: UnixStream) -> String {
    let mut text = String::new();
    timeout(SOON, stream.read_to_string(&mut text)).await.expect("an end").unwrap();
    text
}

#[tokio::test]
async fn the_client_and_the_server_understand_each_other() {
    let started = start();
    let address = started.address.clone();
    let hello = spawn_blocking(move || {
        let mut client = Client::connect(&address).unwrap();
        client.hello("test", "0", SOON).unwrap()
    });
    assert_eq!(hello.await.unwrap().pid, 42);
}

#[tokio::test]
async fn one_connection_beyond_the_bound_is_told_so_and_a_place_is_free_again_after_one_ends() {
    let mut started = start();
    let mut connected = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = UnixStream::connect(started.address.path()).await.unwrap();
        stream.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n").await.unwrap();
        // Asked, so accepted.
        let asked = timeout(SOON, started.core.asked.recv()).await.unwrap().unwrap();
        connected.push((stream, asked));
    }
    let beyond = UnixStream::connect(started.address.path()).await.unwrap();
    let text = until_end(beyond).await;
    assert!(text.contains("\"code\":8") && text.contains("\"id\":null"), "{text}");

    let (stream, (_, respond)) = connected.pop().unwrap();
    respond.send(Ok(serde_json::json!({}))).unwrap();
    drop(stream);
    let permit = timeout(SOON, started.server.connections.acquire()).await.unwrap().unwrap();
    drop(permit);
    let mut stream = UnixStream::connect(started.address.path()).await.unwrap();
    stream.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n").await.unwrap();
    timeout(SOON, started.core.asked.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_dead_daemons_socket_is_replaced_and_anything_else_is_left_alone() {
    let (_temp, address) = directory();
    drop(std::os::unix::net::UnixListener::bind(address.path()).unwrap());
    drop(bind(&address).unwrap());
    assert!(address.path().exists());
    unbind(&address);
    assert!(!address.path().exists());

    std::fs::write(address.path(), "precious").unwrap();
    let refused = bind(&address).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    unbind(&address);
    assert_eq!(std::fs::read_to_string(address.path()).unwrap(), "precious");
}

#[tokio::test]
async fn a_stopped_server_takes_nobody_and_ends_the_connections_it_has() {
    let mut started = start();
    let stream = UnixStream::connect(started.address.path()).await.unwrap();
    let other = UnixStream::connect(started.address.path()).await.unwrap();
    drop(other);
    timeout(SOON, started.server.stop_accepting()).await.unwrap();
    assert!(UnixStream::connect(started.address.path()).await.is_err());
    timeout(SOON, started.server.close()).await.unwrap();
    assert_eq!(until_end(stream).await, "");
}

#[test]
fn limits_are_those_of_the_wire_protocol() {
    assert_eq!(pychat_control::TEXT_BYTES_MAX, pychat_proto::chat::TEXT_BYTES_MAX);
    assert_eq!(pychat_control::USER_NAME_CHARS_MAX, pychat_proto::UserName::CHARS_MAX);
    assert_eq!(pychat_control::DISPLAY_NAME_CHARS_MAX, pychat_proto::DisplayName::CHARS_MAX);
}
