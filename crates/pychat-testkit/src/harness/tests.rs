//! The harness itself, with shell scripts in place of the programs.
#![cfg(unix)]

use super::*;
use std::{panic, path::Path, time::Duration};

const DEADLINE: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_millis(200);

fn fakes() -> Programs {
    Programs::inside(Path::new(env!("CARGO_MANIFEST_DIR")).join("fakes"))
}

fn profile() -> Profile {
    Profile::with_programs("fake", fakes())
}

fn server(mode: &str) -> Server {
    Server::start(&Options {
        programs: Some(fakes()),
        arguments: vec![mode.into()],
        environment: Vec::new(),
        key: None,
    })
}

fn panic_text(act: impl FnOnce() + panic::UnwindSafe) -> String {
    let payload = panic::catch_unwind(act).expect_err("this must panic");
    payload.downcast_ref::<String>().expect("a panic with a text").clone()
}

#[test]
fn ctl_runs_with_the_profiles_own_environment_and_input() {
    let profile = profile();
    let output = profile.ctl_with(&["echo"], b"typed text", DEADLINE);
    let home = profile.root().join("home");
    let daemon = fakes().path("pychatd");
    let expected = format!("{}|{}||\ntyped text", home.display(), daemon.display());
    assert_eq!((output.code, output.stdout), (5, expected));
    assert_eq!(output.stderr, "to stderr\n");
}

#[test]
fn ctl_reads_json() {
    assert_eq!(profile().ctl_json(&["json"])["v"], 1);
}

#[test]
fn ctl_that_hangs_is_killed_at_its_deadline_and_shows_what_it_said() {
    let text = panic_text(|| drop(profile().ctl_with(&["hang"], b"", SOON)));
    assert!(text.contains("is not done after 200ms") && text.contains("so far"), "{text}");
}

#[test]
fn ctl_that_leaks_its_output_is_told_from_one_that_hangs() {
    let text = panic_text(|| drop(profile().ctl_with(&["leak"], b"", SOON)));
    assert!(text.contains("keeps its output open"), "{text}");
}

#[test]
fn a_running_ctl_is_read_line_by_line() {
    let profile = profile();
    let mut running = profile.start_ctl(&["follow"]);
    for line in ["one", "two"] {
        running.write_line(line);
        assert_eq!(running.next_line(DEADLINE), Some(format!("got {line}")));
    }
    let pid = running.pid();
    assert!(is_running(pid));
    drop(running);
    assert!(!is_running(pid));
}

#[test]
fn the_daemon_is_found_and_killed() {
    let profile = profile();
    assert_eq!(profile.daemon_pid(), None);
    assert_eq!(profile.ctl(&["start"]).code, 0);
    let pid = profile.daemon_pid().expect("the daemon runs");
    assert!(profile.logs().contains("the daemon's last words"));
    profile.kill_daemon9();
    assert!(!is_running(pid));
    assert_eq!(profile.daemon_pid(), None);
}

#[test]
fn a_daemon_does_not_outlive_its_profile() {
    let profile = profile();
    assert_eq!(profile.ctl(&["start"]).code, 0);
    let pid = profile.daemon_pid().expect("the daemon runs");
    #[cfg(target_os = "linux")]
    assert_eq!(profile.processes(), [pid]);
    drop(profile);
    assert!(!is_running(pid));
}

#[test]
fn somebody_elses_process_is_not_taken_for_the_daemon() {
    let profile = profile();
    std::fs::create_dir_all(profile.state()).unwrap();
    let own = format!("{{\"pid\": {}}}", std::process::id());
    std::fs::write(profile.state().join("daemon.json"), own).unwrap();
    #[cfg(target_os = "linux")]
    assert_eq!(profile.daemon_pid(), None);
}

#[test]
fn a_server_is_ready_when_it_says_so_and_comes_back_on_the_same_port() {
    let mut server = server("normal");
    let address: SocketAddr = "127.0.0.1:7777".parse().unwrap();
    assert_eq!(server.address(), address);
    let key = "A".repeat(43);
    assert_eq!(server.link(), format!("pychat://127.0.0.1:7777#{key}"));
    assert_eq!(server.printed_link().first().host(), "chat.example.org");
    let proxy = "[::1]:9".parse().unwrap();
    assert_eq!(server.link_via(proxy), format!("pychat://[::1]:9#{key}"));

    let first = server.pid().expect("it runs");
    server.kill9();
    assert!(!is_running(first) && server.pid().is_none());
    server.restart();
    assert_eq!(server.address(), address);
    assert!(server.log().contains("listening on 127.0.0.1:7777"), "{}", server.log());
    assert_eq!(server.terminate(), 128 + 15);
    server.restart();
    let last = server.pid().expect("it runs");
    drop(server);
    assert!(!is_running(last));
}

#[test]
fn a_server_that_does_not_start_shows_its_log() {
    let text = panic_text(|| drop(server("broken")));
    assert!(text.contains("ended before it was ready"), "{text}");
    assert!(text.contains("the disk is on fire"), "{text}");
}

#[test]
fn programs_that_are_not_built_are_asked_for() {
    let text = panic_text(|| drop(Programs::inside("/nowhere").path("pychatd")));
    assert!(text.contains("cargo build --workspace"), "{text}");
}
