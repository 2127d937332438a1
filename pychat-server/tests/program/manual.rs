//! What lies beside the program once it is installed.

use crate::server::{program, run};

#[test]
fn each_command_has_a_manual_page_and_each_shell_its_completions() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    let ended = run(program(&["man", pages.to_str().unwrap()]));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    for (page, says) in [
        ("pychat-server", "relays and keeps messages"),
        ("pychat-server-serve", "UDP port"),
        ("pychat-server-admin-users-ban", "reason"),
        ("pychat-server-restore", "backup"),
        ("pychat-server-migrate", "cluster"),
    ] {
        let text = std::fs::read_to_string(pages.join(format!("{page}.1"))).unwrap();
        assert!(text.starts_with(".ie") && text.contains(says), "{page}: {text}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let ended = run(program(&["completions", shell]));
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{shell}");
        assert!(ended.stdout.contains("mailboxes"), "{shell}");
    }
}
