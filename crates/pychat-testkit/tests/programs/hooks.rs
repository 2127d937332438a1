//! Programs that the daemon runs for messages, and desktop notifications on a real session bus.
#![cfg(target_os = "linux")]

use crate::stage::{DEADLINE, Stage, assert_refused, connect, run, send, until};
use pychat_testkit::harness::Profile;
use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
};
use zbus::OwnedVariant;

/// Writes the user's configuration.
fn configure(profile: &Profile, text: &str) {
    let directory = profile.root().join("config/pychat");
    fs::create_dir_all(&directory).expect("our own directory");
    fs::write(directory.join("config.toml"), text).expect("our own file");
}

/// Lines of a file that a hook writes, once there are `count`.
fn lines(profile: &Profile, count: usize) -> Vec<String> {
    until("the hook ran", DEADLINE, || {
        let text = fs::read_to_string(profile.root().join("said")).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        (lines.len() >= count).then_some(lines)
    })
}

fn hook(profile: &Profile) -> serde_json::Value {
    profile.ctl_json(&["status"])["hooks"][0].clone()
}

#[test]
fn each_message_runs_the_hook_once_in_order_over_a_restart_too() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice");
    let bob = Profile::new("bob");
    let said = bob.root().join("said");
    let script = format!("read -r line; echo \"$PYCHAT_FROM $line\" >> {}", said.display());
    configure(&bob, &format!("[daemon]\non-message = ['sh', '-c', '''{script}''']\n"));
    connect(&bob, "Bob", &stage.server.link());
    for number in 0..3 {
        send(&alice, "bob", &format!("text {number}"), "delivered");
    }
    lines(&bob, 3);
    run(&bob, &["daemon", "restart"]);
    send(&alice, "bob", "text 3", "delivered");
    let all = lines(&bob, 4);
    for (number, line) in all.iter().enumerate() {
        assert!(line.starts_with("alice {"), "{line}");
        assert!(line.contains(&format!("\"body\":\"text {number}\"")), "{all:?}");
    }
    assert_eq!(all.len(), 4);
    assert_eq!(bob.ctl_json(&["unread"])["total"], 4, "nobody has seen them");
    until("status says so", DEADLINE, || {
        let hook = hook(&bob);
        (hook["waiting"] == 0 && hook["failed"] == 0).then_some(())
    });
}

#[test]
fn a_hook_that_fails_is_told_in_status_and_loses_nothing() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice");
    let bob = Profile::new("bob");
    let said = bob.root().join("said");
    let script = format!("echo ran >> {}; echo no route >&2; exit 7", said.display());
    configure(&bob, &format!("[daemon]\non-message = ['sh', '-c', '''{script}''']\n"));
    connect(&bob, "Bob", &stage.server.link());
    send(&alice, "bob", "one", "delivered");
    send(&alice, "bob", "two", "delivered");
    let hook = until("both failed", DEADLINE, || {
        Some(hook(&bob)).filter(|hook| hook["failed"] == 2 && hook["waiting"] == 0)
    });
    assert_eq!(hook["last_error"], "it ended with exit status: 7: no route");
    assert_eq!(lines(&bob, 2).len(), 2);
    let status = bob.ctl(&["status"]).expect_ok();
    assert!(status.contains("no route"), "{status}");
    assert_eq!(bob.ctl_json(&["unread"])["total"], 2);
    assert!(!bob.logs().contains("no route"), "what it says may be a text");
}

#[test]
fn messages_wait_for_a_hook_that_cannot_be_started() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice");
    let bob = Profile::new("bob");
    let program = bob.root().join("beep");
    configure(&bob, &format!("[daemon]\non-message = '{}'\n", program.display()));
    connect(&bob, "Bob", &stage.server.link());
    send(&alice, "bob", "one", "delivered");
    send(&alice, "bob", "two", "delivered");
    let hook = until("it failed", DEADLINE, || Some(hook(&bob)).filter(|hook| hook["failed"] == 1));
    let error = hook["last_error"].as_str().expect("an error");
    assert!(error.contains("beep cannot be started"), "{error}");
    let said = bob.root().join("said");
    fs::write(&program, format!("#!/bin/sh\ncat >> {}\n", said.display())).expect("our own file");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&program, executable).expect("our own file");
    run(&bob, &["daemon", "restart"]);
    let all = lines(&bob, 2);
    assert!(all[0].contains("\"one\"") && all[1].contains("\"two\""), "{all:?}");
}

#[test]
fn a_slip_in_the_configuration_is_told_with_its_place() {
    let bob = Profile::new("bob");
    configure(&bob, "[daemon]\non-mesage = 'beep'\n");
    assert_refused(&bob.ctl(&["status"]), 2, &["config.toml:2:1", "on-mesage", "on-message"]);
    let daemon = bob.daemon_command(&["--foreground"]).output().expect("it can be started");
    assert_eq!(daemon.status.code(), Some(2));
    let said = String::from_utf8_lossy(&daemon.stderr);
    assert!(said.contains("config.toml:2:1"), "{said}");
}

/// A session bus of our own.
struct Bus {
    daemon: Child,
    address: String,
}

impl Bus {
    fn start() -> Self {
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon can be started");
        let mut address = String::new();
        let mut said = BufReader::new(daemon.stdout.take().expect("it is piped"));
        said.read_line(&mut address).expect("it says where it is");
        Self { daemon, address: address.trim().to_owned() }
    }
}

impl Bus {
    /// Somebody who shows notifications, until the test ends; and what is shown.
    fn put_up_desktop(&self) -> mpsc::Receiver<(String, String)> {
        let (shown, notifications) = mpsc::channel();
        let (ready, is_ready) = mpsc::channel();
        let address = self.address.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let desktop = zbus::connection::Builder::address(address.as_str())
                    .name("org.freedesktop.Notifications")
                    .serve_at("/org/freedesktop/Notifications", Desktop(shown));
                let _connection = desktop.build().await.expect("a desktop on the bus");
                ready.send(()).expect("the test waits");
                std::future::pending::<()>().await;
            });
        });
        is_ready.recv_timeout(DEADLINE).expect("a desktop");
        notifications
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ended = self.daemon.kill();
        let _code = self.daemon.wait();
    }
}

/// A desktop that writes down what it is to show.
struct Desktop(mpsc::Sender<(String, String)>);

#[allow(clippy::unused_self, reason = "an interface's functions are methods")]
#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Desktop {
    #[allow(clippy::too_many_arguments, reason = "as the desktop's interface has them")]
    fn notify(
        &self,
        _app: &str,
        _replaces: u32,
        _icon: &str,
        summary: &str,
        body: &str,
        _actions: Vec<String>,
        _hints: HashMap<String, OwnedVariant>,
        _expires: i32,
    ) -> u32 {
        let _gone = self.0.send((summary.to_owned(), body.to_owned()));
        1
    }

    #[zbus(out_args("name", "vendor", "version", "spec_version"))]
    fn get_server_information(&self) -> (String, String, String, String) {
        ("test".into(), "test".into(), "1".into(), "1.2".into())
    }

    fn get_capabilities(&self) -> Vec<String> {
        vec!["body".into()]
    }
}

#[test]
fn a_message_is_shown_on_the_desktop_where_there_is_one() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice");
    let bob = Profile::new("bob");
    configure(&bob, "[daemon]\nnotify = 'text'\n");
    let bus = Bus::start();
    let mut connecting = bob.command(&["connect", "bob", "Bob", "--server", &stage.server.link()]);
    connecting.env("DBUS_SESSION_BUS_ADDRESS", &bus.address);
    assert!(connecting.status().expect("it can be started").success());
    send(&alice, "bob", "nobody shows this", "delivered");
    until("nobody is there who shows it", DEADLINE, || {
        let hook = hook(&bob);
        let error = hook["last_error"].as_str().unwrap_or_default().to_owned();
        (hook["hook"] == "notify" && error.contains("no notification can be shown")).then_some(())
    });

    let notifications = bus.put_up_desktop();
    send(&alice, "bob", "<b>hello</b>", "delivered");
    let (summary, body) = notifications.recv_timeout(DEADLINE).expect("a notification");
    assert_eq!((summary.as_str(), body.as_str()), ("Alice (alice)", "&lt;b&gt;hello&lt;/b&gt;"));
    until("all is well again", DEADLINE, || {
        let hook = hook(&bob);
        (hook["failed"] == 1 && hook["last_error"].is_null()).then_some(())
    });
}
