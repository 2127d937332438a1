//! A server that runs.

use crate::server::{Server, program, run};
use std::net::{SocketAddr, UdpSocket};

#[test]
fn it_says_where_it_really_listens_and_how_to_join() {
    let data = tempfile::tempdir().unwrap();
    for shards in ["1", "3"] {
        let server = Server::start(data.path(), &["--shards", shards]);
        let (address, link) = server.address_and_link();
        let address: SocketAddr = address.parse().unwrap();
        assert_ne!(address.port(), 0);
        assert!(link.starts_with(&format!("pychat://{address}#")), "{link}");
        let taken = UdpSocket::bind(address).unwrap_err();
        assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    }
}

#[test]
fn several_addresses_are_listened_on() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--listen", "127.0.0.2:0", "--shards", "2"]);
    let (addresses, _) = server.address_and_link();
    let addresses: Vec<SocketAddr> =
        addresses.split(" and ").map(|address| address.parse().unwrap()).collect();
    assert_eq!(addresses.len(), 2);
    for address in addresses {
        assert!(UdpSocket::bind(address).is_err(), "{address} is free");
    }
}

#[cfg(unix)]
#[test]
fn whoever_is_told_that_it_is_ready_may_ask_it_at_once() {
    for _ in 0..3 {
        let data = tempfile::tempdir().unwrap();
        let server = Server::start(data.path(), &[]);
        assert!(data.path().join("admin.sock").exists(), "{:#?}", server.said);
        let ended = run(program(&["admin", "--data", data.path().to_str().unwrap(), "stats"]));
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    }
}

#[test]
fn the_link_is_the_same_after_a_restart_and_as_a_command() {
    let data = tempfile::tempdir().unwrap();
    let key = |link: &str| link.split_once('#').unwrap().1.to_owned();
    let server = Server::start(data.path(), &[]);
    let (_, first) = server.address_and_link();
    let directory = data.path().to_str().unwrap();
    let arguments = ["link", "--data", directory, "--host", "chat.example.org", "--port", "9"];
    let ended = run(program(&arguments));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_eq!(ended.stdout, format!("pychat://chat.example.org:9#{}\n", key(&first)));
    drop(server);
    let (_, second) = Server::start(data.path(), &[]).address_and_link();
    assert_eq!(key(&first), key(&second));
}

#[test]
fn a_variable_works_as_its_flag_does() {
    let data = tempfile::tempdir().unwrap();
    Server::start(data.path(), &[]);
    let mut command = program(&["link"]);
    command.env("PYCHAT_SERVER_DATA", data.path()).env("PYCHAT_SERVER_HOST", "here");
    let ended = run(command);
    assert!(ended.stdout.starts_with("pychat://here:7420#"), "{}{}", ended.stdout, ended.stderr);
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_in_good_order_and_its_data_serve_again() {
    use rustix::process::Signal;
    let data = tempfile::tempdir().unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        for shards in ["1", "2"] {
            let server = Server::start(data.path(), &["--shards", shards]);
            server.signal(signal);
            let (status, said) = server.wait();
            assert_eq!(status.code(), Some(0), "{said:#?}");
            assert!(said.last().unwrap().contains("stopped"), "{said:#?}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_it_at_once() {
    use rustix::process::Signal;
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::start(data.path(), &[]);
    server.signal(Signal::TERM);
    server.wait_for("stopping");
    server.signal(Signal::TERM);
    let (status, said) = server.wait();
    assert_eq!(status.code(), Some(130), "{said:#?}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_service_manager_is_told_of_start_life_and_end() {
    use std::{os::unix::net::UnixDatagram, time::Duration};
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("notify");
    let notified = UnixDatagram::bind(&socket).unwrap();
    notified.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let data = directory.path().join("data");
    let arguments = ["--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    let mut command = program(&arguments);
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "40000");
    let mut child = command.spawn().unwrap();
    let next = || {
        let mut buffer = [0; 1024];
        let count = notified.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    };
    let ready = next();
    assert!(ready.contains("READY=1") && ready.contains("127.0.0.1:"), "{ready}");
    assert_eq!(next().trim(), "WATCHDOG=1");
    assert_eq!(next().trim(), "WATCHDOG=1");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut said = next();
    while said.trim() == "WATCHDOG=1" {
        said = next();
    }
    assert_eq!(said.trim(), "STOPPING=1");
    assert!(child.wait().unwrap().success());
}
