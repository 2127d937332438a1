//! The daemon's life with a core that does what the test says.

use super::{
    super::{lock, state_dir},
    *,
};
use anyhow::anyhow;
use pychat_control::{CallError, Client, ConnectError, Empty, ErrorCode, Profile, StateBase};
use serde_json::json;
use std::{path::Path, time::Duration};

const SOON: Duration = Duration::from_secs(20);

fn place_in(temp: &Path) -> Place {
    let place = Place::new(&StateBase::at(temp), Profile::default());
    state_dir::prepare(&place).unwrap();
    place
}

/// Answers everything with an empty object, until it is asked to end.
async fn obedient(
    _: Start,
    mut requests: mpsc::Receiver<ToCore>,
    mut shutdown: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    loop {
        let request = tokio::select! {
            request = requests.recv() => request,
            _ = shutdown.wait_for(|asked| *asked) => return Ok(()),
        };
        match request {
            Some(ToCore::Request { request, respond }) => {
                let _ = respond.send(Ok(json!({})));
                if request == (Request::Shutdown {}) {
                    return Ok(());
                }
            }
            Some(ToCore::Subscribe { .. } | ToCore::EventsAfter { .. } | ToCore::Hook(_)) => {}
            None => return Err(anyhow!("nobody can ask any more")),
        }
    }
}

/// Lives in a thread of its own, as each daemon has a process of its own.
fn start(place: &Place) -> (std::thread::JoinHandle<Result<(), Fault>>, watch::Sender<bool>) {
    let (shutdown, is_shutdown) = watch::channel(false);
    let place = place.clone();
    let (mut said, say) = std::io::pipe().unwrap();
    let daemon = std::thread::spawn(move || {
        let lock = lock::acquire(&place)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut readiness = Readiness::Waiting(say);
        runtime.block_on(live(
            &place,
            DaemonConfig::default(),
            lock,
            &mut readiness,
            obedient,
            is_shutdown,
        ))
    });
    let mut text = String::new();
    std::io::Read::read_to_string(&mut said, &mut text).unwrap();
    assert_eq!(text, "ready");
    (daemon, shutdown)
}

fn greet(place: &Place) -> Client {
    let mut client = Client::connect(&place.address()).unwrap();
    assert_eq!(client.hello("test", "0", SOON).unwrap().pid, std::process::id());
    client
}

#[test]
fn once_ready_the_socket_answers_and_the_end_leaves_nothing_behind() {
    let temp = tempfile::tempdir().unwrap();
    let place = place_in(temp.path());
    let (daemon, _shutdown) = start(&place);
    let mut client = greet(&place);
    let file = DaemonFile::read(&place.daemon_file()).unwrap();
    assert_eq!(file.address, place.address().to_string());
    assert!(file.started_at.ends_with('Z') && file.started_at.len() == 24, "{}", file.started_at);

    let _: Empty = client.call(&Request::Shutdown {}, SOON).unwrap();
    client.wait_closed(SOON).unwrap();
    // The end of the connection is the daemon's last act: what it held is free.
    assert!(!place.address().path().exists());
    assert!(!place.daemon_file().exists());
    lock::acquire(&place).unwrap();
    daemon.join().unwrap().unwrap();
}

#[test]
fn a_second_daemon_is_refused_while_the_first_answers() {
    let temp = tempfile::tempdir().unwrap();
    let place = place_in(temp.path());
    let (daemon, shutdown) = start(&place);
    let fault = lock::acquire(&place).unwrap_err();
    assert!(fault.message().contains("already runs"), "{fault}");
    assert_eq!(Fault::decode(&fault.encode()).unwrap(), fault);
    greet(&place);
    shutdown.send_replace(true);
    daemon.join().unwrap().unwrap();
}

#[test]
fn a_dead_daemons_socket_does_not_keep_the_next_one_from_starting() {
    let temp = tempfile::tempdir().unwrap();
    let place = place_in(temp.path());
    drop(std::os::unix::net::UnixListener::bind(place.address().path()).unwrap());
    assert!(matches!(Client::connect(&place.address()), Err(ConnectError::NotRunning)));
    let (daemon, shutdown) = start(&place);
    greet(&place);
    shutdown.send_replace(true);
    daemon.join().unwrap().unwrap();
}

#[test]
fn an_orderly_end_closes_connections_that_wait() {
    let temp = tempfile::tempdir().unwrap();
    let place = place_in(temp.path());
    let (daemon, shutdown) = start(&place);
    let mut client = greet(&place);
    shutdown.send_replace(true);
    assert!(matches!(client.next_event(), Err(CallError::Closed)));
    daemon.join().unwrap().unwrap();
}

#[test]
fn a_core_that_cannot_start_is_told_to_whoever_waits() {
    let temp = tempfile::tempdir().unwrap();
    let place = place_in(temp.path());
    let lock = lock::acquire(&place).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_shutdown, is_shutdown) = watch::channel(false);
    let mut readiness = Readiness::Foreground;
    let core = |_, _, _| async { Err(anyhow!("disk full").context("opening the database")) };
    let fault = runtime.block_on(live(
        &place,
        DaemonConfig::default(),
        lock,
        &mut readiness,
        core,
        is_shutdown,
    ));
    assert_eq!(fault.unwrap_err().message(), "opening the database: disk full");
    assert!(!place.address().path().exists());
}

#[test]
fn numbers_of_exit_codes_are_those_of_the_protocol() {
    assert_eq!(ErrorCode::Refused.number(), 10);
    assert_eq!(ErrorCode::Other.number(), 1);
}
