//! The daemon's loop with real files, real sockets and a server that only lets people in.

use pychat_control::{
    ConnectParams, Connected, Empty, EventKind, Failure, Link, NOTICE_FILE, Request, Status,
};
use pychat_proto::{
    DisplayName, Endpoint, EndpointConfig, EndpointEvent, SecretKey, Seq, ServerSecrets, Welcome,
    chat::{self, Call, Presence, Reply, UserState},
};
use pychatd::{
    handle::{Handle, REQUEST_QUEUE_LEN, ToCore},
    run::{self, Config, DATABASE_FILE, IDENTITY_FILE},
};
use serde::de::DeserializeOwned;
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);

struct Daemon {
    handle: Handle,
    ending: watch::Sender<bool>,
    task: JoinHandle<anyhow::Result<()>>,
}

fn start(directory: &Path) -> Daemon {
    let (requests, received) = mpsc::channel(REQUEST_QUEUE_LEN);
    let (ending, ended) = watch::channel(false);
    let config = Config {
        state_dir: directory.to_owned(),
        profile: "default".to_owned(),
        started_at_unix_ms: pychat_udp::unix_ms(),
        limits: pychatd::core::Limits::default(),
    };
    let task = tokio::spawn(run::run(config, received, ended));
    Daemon { handle: Handle(requests), ending, task }
}

async fn ask<T: DeserializeOwned>(daemon: &Daemon, request: Request) -> Result<T, Failure> {
    let (respond, answer) = oneshot::channel();
    daemon.handle.0.send(ToCore::Request { request, respond }).await.unwrap();
    let answer = tokio::time::timeout(DEADLINE, answer).await.unwrap().unwrap()?;
    Ok(serde_json::from_value(answer).unwrap())
}

async fn ends(daemon: Daemon) -> anyhow::Result<()> {
    tokio::time::timeout(DEADLINE, daemon.task).await.unwrap().unwrap()
}

/// Lets everybody in. Returns its address and its log of goodbyes.
fn serve() -> (SocketAddr, mpsc::UnboundedReceiver<()>) {
    let secrets = ServerSecrets {
        identity: SecretKey::from_bytes([1; 32]),
        reset: SecretKey::from_bytes([2; 32]),
    };
    let config = EndpointConfig { secrets: Arc::new(secrets), shard: 0, retry_beyond_per_s: 1000 };
    let mut endpoint = Endpoint::new(config, [3; 32]);
    let mut socket = pychat_udp::Socket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = socket.local_addr().unwrap();
    let (goodbye, goodbyes) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let pause = endpoint.poll_timeout().map(|at| at.since(pychat_udp::now()));
            let received = socket.recv(|from, datagram| {
                endpoint.handle_datagram(pychat_udp::now(), from, datagram);
            });
            let _ = tokio::time::timeout(pause.unwrap_or(DEADLINE), received).await;
            let now = pychat_udp::now();
            endpoint.handle_timeout(now);
            while let Some(event) = endpoint.poll_event() {
                match event {
                    EndpointEvent::Incoming(incoming) => {
                        let welcome = Welcome { committed: Seq(0), server_time: 0 };
                        endpoint.accept(now, incoming, welcome);
                    }
                    EndpointEvent::Call { session, id, payload } => {
                        let reply = chat::encode(&answer(&payload));
                        endpoint.reply(now, session, id, &reply);
                    }
                    EndpointEvent::Closed { .. } => drop(goodbye.send(())),
                    _ => {}
                }
            }
            let mut buffer = Vec::new();
            while let Some(transmit) = endpoint.poll_transmit(now, &mut buffer) {
                socket.try_send(&transmit, &buffer).unwrap();
            }
        }
    });
    (address, goodbyes)
}

/// This server knows everybody.
fn answer(question: &[u8]) -> Reply {
    match chat::decode(question) {
        Ok(Call::User { name }) => Reply::User(Some(UserState {
            user: name,
            name: DisplayName::parse("").unwrap(),
            presence: Presence::Online,
            since: 0,
        })),
        Ok(
            Call::Users { .. }
            | Call::OwnKeys
            | Call::PublishDevice { .. }
            | Call::PublishPrekeys { .. }
            | Call::UserKeys { .. },
        )
        | Err(_) => Reply::TryLater,
    }
}

#[tokio::test]
async fn it_connects_comes_back_after_a_restart_and_says_goodbye() {
    let (address, mut goodbyes) = serve();
    let directory = tempfile::tempdir().unwrap();
    let daemon = start(directory.path());
    let connect = ConnectParams {
        user: "alice".to_owned(),
        name: "Alice".to_owned(),
        server: Some(address.to_string()),
        trust_key: None,
        invite: None,
        timeout_ms: 30_000,
    };
    let connected: Connected = ask(&daemon, Request::Connect(connect)).await.unwrap();
    assert!(connected.first_contact);
    let status: Status = ask(&daemon, Request::Status {}).await.unwrap();
    assert_eq!((status.link, status.address), (Link::Connected, Some(address.to_string())));
    daemon.ending.send(true).unwrap();
    ends(daemon).await.unwrap();
    tokio::time::timeout(DEADLINE, goodbyes.recv()).await.unwrap().unwrap();

    let daemon = start(directory.path());
    let (respond, subscription) = oneshot::channel();
    daemon.handle.0.send(ToCore::Subscribe { respond }).await.unwrap();
    let mut live = subscription.await.unwrap().live;
    let status: Status = ask(&daemon, Request::Status {}).await.unwrap();
    if status.link != Link::Connected {
        let event = tokio::time::timeout(DEADLINE, live.recv()).await.unwrap().unwrap();
        assert_eq!(event.what, EventKind::Connection { state: Link::Connected });
    }
    ask::<Empty>(&daemon, Request::Shutdown {}).await.unwrap();
    ends(daemon).await.unwrap();
}

#[tokio::test]
async fn it_ends_when_nobody_is_left_to_ask() {
    let directory = tempfile::tempdir().unwrap();
    let Daemon { handle, ending: _ending, task } = start(directory.path());
    drop(handle);
    tokio::time::timeout(DEADLINE, task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_database_that_is_none_is_set_aside_and_that_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join(DATABASE_FILE);
    let content = "not a database, but somebody's only copy of something";
    std::fs::write(&database, content).unwrap();
    let daemon = start(directory.path());
    let status: Status = ask(&daemon, Request::Status {}).await.unwrap();
    let aside = status.set_aside.expect("status says where it is");
    assert_eq!(std::fs::read_to_string(&aside).unwrap(), content);
    let notice = std::fs::read_to_string(directory.path().join(NOTICE_FILE)).unwrap();
    assert!(notice.contains(&aside) && notice.contains("hint: "), "{notice}");
    daemon.ending.send(true).unwrap();
    ends(daemon).await.unwrap();
}

#[tokio::test]
async fn an_identity_that_cannot_be_used_is_an_error_and_stays() {
    let directory = tempfile::tempdir().unwrap();
    let identity = directory.path().join(IDENTITY_FILE);
    std::fs::write(&identity, "short").unwrap();
    let error = format!("{:#}", ends(start(directory.path())).await.unwrap_err());
    assert!(error.contains("identity key"), "{error}");
    assert_eq!(std::fs::read_to_string(identity).unwrap(), "short");
}
