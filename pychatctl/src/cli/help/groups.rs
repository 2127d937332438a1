//! The verbs as the first page of the help shows them: by what somebody wants.

use clap::Command;

/// What each group is for, and its verbs. A test finds each verb here once.
pub(super) const GROUPS: &[(&str, &[&str])] = &[
    ("Log in", &["connect", "disconnect", "users"]),
    ("Chat", &["chat", "send", "inbox", "unread", "history", "search"]),
    ("Follow a message", &["trace", "cancel"]),
    ("Know who it is", &["verify", "trust", "contacts"]),
    ("When something is wrong", &["status", "doctor"]),
    ("For scripts", &["watch", "readers"]),
    ("This machine", &["profile", "daemon", "completions", "man", "help"]),
];

/// The page, for clap to fill in.
pub(super) fn template(command: &Command) -> String {
    let mut text = String::from("{about-with-newline}\n{usage-heading} {usage}\n");
    for (purpose, verbs) in GROUPS {
        text.push_str(&format!("\n{purpose}:\n"));
        for verb in *verbs {
            let about = match command.find_subcommand(verb).and_then(Command::get_about) {
                Some(about) => about.to_string(),
                // Clap's own, which it adds later.
                None => "Show the help of a command, such as: pychatctl help send".into(),
            };
            text.push_str(&format!("  {verb:<11}  {about}\n"));
        }
    }
    text.push_str(
        "\nOptions (--help shows all, which each command takes, too):\n{options}{after-help}",
    );
    text
}
