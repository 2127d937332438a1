//! What somebody else put where the daemon keeps its state, while that was open to them.

use pychat_testkit::harness::Profile;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
};

/// Nobody's user id.
const NOBODY: u32 = 65_534;

/// Where a daemon would write, if it were not careful.
const FILES: [&str; 8] = [
    ".writable",
    "lock",
    "daemon.json",
    "control.sock",
    "identity",
    "pychat.db",
    "log",
    "anything",
];

/// A state directory that was open to all.
fn open_state(profile: &Profile) {
    fs::create_dir_all(profile.state()).expect("a directory can be made");
    fs::set_permissions(profile.state(), fs::Permissions::from_mode(0o777)).expect("it is ours");
}

/// Starts the daemon, which must refuse: what it says.
fn refusal(profile: &Profile) -> String {
    let output = profile.daemon_command(&["--foreground"]).output().expect("it can be run");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(10), "{text}");
    assert!(text.starts_with("error: ") && text.contains("hint: "), "{text}");
    text
}

#[test]
fn a_planted_link_is_refused_and_what_it_leads_to_is_untouched() {
    for name in FILES {
        let alice = Profile::new("alice");
        open_state(&alice);
        let precious = alice.root().join("precious");
        fs::write(&precious, "only copy").expect("a file can be written");
        symlink(&precious, alice.state().join(name)).expect("a link can be made");
        let text = refusal(&alice);
        assert!(text.contains("symbolic link"), "{name}: {text}");
        assert_eq!(fs::read_to_string(&precious).expect("it is there"), "only copy", "{name}");
    }
}

#[test]
fn a_file_of_somebody_else_is_refused() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: only root can give files to somebody else");
        return;
    }
    for name in FILES {
        let alice = Profile::new("alice");
        open_state(&alice);
        let planted = alice.state().join(name);
        fs::write(&planted, "theirs").expect("a file can be written");
        chown(&planted, Some(NOBODY), None).expect("root can give it away");
        let text = refusal(&alice);
        assert!(text.contains("65534"), "{name}: {text}");
        assert_eq!(fs::read_to_string(&planted).expect("it is there"), "theirs", "{name}");
    }
}

#[test]
fn a_state_directory_that_is_a_link_is_refused() {
    let alice = Profile::new("alice");
    let elsewhere = alice.root().join("elsewhere");
    fs::create_dir(&elsewhere).expect("a directory can be made");
    fs::create_dir_all(alice.state().parent().expect("it lies in one")).expect("one can be made");
    symlink(&elsewhere, alice.state()).expect("a link can be made");
    let text = refusal(&alice);
    assert!(text.contains("symbolic link"), "{text}");
    assert_eq!(fs::read_dir(&elsewhere).expect("it is there").count(), 0);
}
