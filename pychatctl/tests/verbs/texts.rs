//! What verbs ask for and print, for people and for programs.

use crate::{
    daemon::{FakeDaemon, Reply, message},
    run::Home,
};
use serde_json::{Value, json};

#[test]
fn connect_names_the_server_of_flag_variable_and_file() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |_, _| {
        Reply::Result(json!({
            "user": "alice", "name": "Alice", "server": "pychat://h:7420#k",
            "fingerprint": "0123 4567", "first_contact": true,
        }))
    });
    let said = home.run(&["connect", "alice", "Alice"]);
    insta::assert_snapshot!(said.out, @r"
    connected to pychat://h:7420 as alice (Alice)
    server key fingerprint: 0123 4567
    This is the first contact with this server, and no link named its key. Compare the
    fingerprint with the operator's; from now on only this key is accepted.
    ");
    assert_eq!(daemon.next().1, json!({ "user": "alice", "name": "Alice", "timeout_ms": 10_000 }));
    home.write("config/pychat/config.toml", "server = 'file'");
    home.run(&["connect", "alice", "Alice"]);
    assert_eq!(daemon.next().1["server"], "file");
    let words = ["connect", "alice", "Alice", "--server", "flag", "--trust-key", "K"];
    let said = home.run(&[&words[..], &["--json"]].concat());
    let asked = daemon.next().1;
    assert_eq!((&asked["server"], &asked["trust_key"]), (&json!("flag"), &json!("K")));
    assert_eq!(
        serde_json::from_str::<Value>(&said.out).unwrap(),
        json!({
            "v": 1, "user": "alice", "name": "Alice", "server": "pychat://h:7420#k",
            "fingerprint": "0123 4567", "first_contact": true,
        })
    );
    assert_eq!(home.run(&["connect", "Al", "Alice"]).code, Some(2));
    assert_eq!(home.run(&["connect", "alice", "A\u{1b}"]).code, Some(2));
}

#[test]
fn a_changed_key_is_code_7_and_explained() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, _| {
        Reply::Error(json!({ "code": 7, "message": "the server's key changed" }))
    });
    let said = home.run(&["connect", "alice", "Alice"]);
    assert_eq!(said.code, Some(7));
    assert!(said.err.contains("--trust-key"), "{}", said.err);
}

#[test]
fn the_verbs_without_arguments_ask_for_what_they_say() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |method, _| match method {
        "unread" => Reply::Result(json!({ "total": 1, "items": [{ "user": "bob", "count": 1 }] })),
        "users" => Reply::Result(json!({ "items": [] })),
        "cancel" => Reply::Result(json!({ "id": "01A", "state": "cancelled" })),
        _ => Reply::Result(json!({})),
    });
    let said = home.run(&["unread"]);
    assert_eq!(said.out, "FROM  UNREAD\nbob   1\n");
    assert_eq!(said.err, "read them with: pychatctl inbox\n");
    assert_eq!(home.run(&["unread", "-q"]).out, "1\n");
    assert_eq!(home.run(&["users", "--all"]).err, "nobody is there\n");
    assert_eq!(home.run(&["cancel", "01A"]).out, "cancelled (01A)\n");
    assert_eq!(home.run(&["disconnect", "--json"]).out, "{\"v\":1}\n");
    let methods: Vec<String> = daemon.asked().into_iter().map(|(method, _)| method).collect();
    assert_eq!(methods, ["unread", "unread", "users", "cancel", "disconnect"]);
}

#[test]
fn history_puts_pages_together_oldest_first() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |_, params| match params["next"].as_str() {
        None => {
            let items = [message("m2", "two"), message("m3", "three")];
            Reply::Result(json!({ "items": items, "next": "older" }))
        }
        Some(_) => Reply::Result(json!({ "items": [message("m1", "one")], "next": "oldest" })),
    });
    let said = home.run(&["history", "bob", "-n", "3", "--json"]);
    let list: Value = serde_json::from_str(&said.out).unwrap();
    let ids: Vec<&Value> =
        list["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
    assert_eq!(ids, ["m1", "m2", "m3"]);
    assert_eq!(list["next"], "oldest");
    let asked: Vec<Value> = daemon.asked().into_iter().map(|(_, params)| params).collect();
    let expected = [
        json!({ "peer": "bob", "limit": 3 }),
        json!({ "peer": "bob", "limit": 1, "next": "older" }),
    ];
    assert_eq!(asked, expected);
}

#[test]
fn pages_and_scripts_come_without_a_daemon_and_with_a_broken_configuration() {
    let home = Home::new();
    home.write("config/pychat/config.toml", "broken");
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let said = home.run(&["completions", shell]);
        assert!(said.out.contains("pychatctl") && said.code == Some(0), "{shell}");
    }
    assert!(home.run(&["man"]).out.contains(".TH pychatctl 1"));
    let said = home.run(&["man", "inbx"]);
    assert_eq!(said.code, Some(2));
    insta::assert_snapshot!(said.err, @r#"
    error: there is no command "inbx"
    hint: see the commands: pychatctl --help; to write all pages: pychatctl man --dir DIR
    "#);
    let flag = home.path().join("pages");
    assert_eq!(home.run(&["man", "--dir", flag.to_str().unwrap()]).code, Some(0));
    assert!(flag.join("pychatctl-history-export.1").exists());
    let dir = home.path().join("man");
    assert_eq!(home.run(&["man", dir.to_str().unwrap()]).code, Some(0));
    assert!(dir.join("pychatctl.1").exists() && dir.join("pychatctl-daemon-start.1").exists());
}

/// Every command's words, as the help lists them.
fn commands(home: &Home, path: &[&str]) -> Vec<Vec<String>> {
    let help = home.run(&[path, &["-h"]].concat()).out;
    // The first page has them in groups.
    let parts = help.split("\n\n").skip_while(|part| !part.starts_with("Usage:")).skip(1);
    let lists = parts.take_while(|part| !part.starts_with("Options"));
    let lists = lists.filter(|part| !part.starts_with("Arguments:"));
    let names = lists.flat_map(|list| list.lines().skip(1)).filter_map(|line| {
        let name = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '))?;
        name.split_whitespace().next()
    });
    let mut all = Vec::new();
    for name in names.filter(|name| *name != "help") {
        let path = [path, &[name]].concat();
        all.push(path.iter().map(|word| (*word).to_owned()).collect());
        all.extend(commands(home, &path));
    }
    all
}

#[test]
fn each_command_has_a_help_and_a_manual_page() {
    let home = Home::new();
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let all = commands(&home, &[]);
    assert!(all.len() > 30, "{all:?}");
    for path in all {
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        let mut command = home.command(&[&words[..], &["--help"]].concat());
        let help = command.env("COLUMNS", "80").output().unwrap().stdout;
        let help = String::from_utf8(help).unwrap();
        // What every command takes is the same everywhere.
        let (own, global) = help.split_once("Global options:").expect("there are some");
        let after = global.lines().skip_while(|line| line.is_empty() || line.starts_with("  "));
        let after: Vec<&str> = after.collect();
        let page = home.run(&[&["man"], &words[..]].concat()).out;
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "FILES", "ENVIRONMENT"] {
            assert!(
                page.contains(&format!(".SH {section}"))
                    || page.contains(&format!(".SH \"{section}\"")),
                "{path:?} {section}"
            );
        }
        if words != ["daemon"] && words != ["profile"] {
            assert!(page.contains(".SH EXAMPLES"), "{path:?}");
        }
        settings.bind(|| {
            let text = format!("{}\n---\n{}", own.trim_end(), after.join("\n"));
            insta::assert_snapshot!(path.join("-"), text);
        });
    }
    insta::assert_snapshot!(home.run(&["man", "readers", "rm"]).out, @r#"
    .ie \n(.g .ds Aq \(aq
    .el .ds Aq '
    .TH pychatctl-readers-rm 1  0.1.0 PyChat
    .ie \n(.g .ds Aq \(aq
    .el .ds Aq '
    .SH NAME
    pychatctl\-readers\-rm \- Forget a reader; a new one of that name begins with what is unread
    .ie \n(.g .ds Aq \(aq
    .el .ds Aq '
    .SH SYNOPSIS
    \fBpychatctl readers rm\fR [\fB\-\-profile\fR] [\fB\-\-json\fR] [\fB\-q\fR|\fB\-\-quiet\fR] [\fB\-v\fR|\fB\-\-verbose\fR] [\fB\-\-color\fR] [\fB\-\-timeout\fR] [\fB\-\-no\-autostart\fR] [\fB\-\-config\fR] [\fB\-h\fR|\fB\-\-help\fR] <\fINAME\fR> 
    .ie \n(.g .ds Aq \(aq
    .el .ds Aq '
    .SH DESCRIPTION
    Forget a reader; a new one of that name begins with what is unread
    .ie \n(.g .ds Aq \(aq
    .el .ds Aq '
    .SH OPTIONS
    .TP
    \fB\-h\fR, \fB\-\-help\fR
    Print help (see a summary with \*(Aq\-h\*(Aq)
    .TP
    <\fINAME\fR>
    Which
    .SH "GLOBAL OPTIONS"
    .TP
    \fB\-\-profile\fR \fI<NAME>\fR
    The identity to use: each profile has its own user, messages and daemon
    .TP
    \fB\-\-json\fR[=\fI<BOOL>\fR]
    Print JSON: one object, or one a line for streams; errors too, on standard error
    .TP
    \fB\-q\fR, \fB\-\-quiet\fR[=\fI<BOOL>\fR]
    Print only what a script needs, and no remarks
    .TP
    \fB\-v\fR, \fB\-\-verbose\fR
    Tell what is done on the way
    .TP
    \fB\-\-color\fR \fI<WHEN>\fR
    When to colour
    .br

    .br
    \fIPossible values:\fR
    .RS 14
    .IP \(bu 2
    auto: On a terminal that can
    .IP \(bu 2
    always: Also into a pipe
    .IP \(bu 2
    never: Not at all
    .RE
    .TP
    \fB\-\-timeout\fR \fI<TIME>\fR
    How long to wait: 500ms, 10s, 5m [default: 10s]
    .TP
    \fB\-\-no\-autostart\fR[=\fI<BOOL>\fR]
    Do not start the daemon if it does not run
    .TP
    \fB\-\-config\fR \fI<FILE>\fR
    Read this file in place of the user\*(Aqs configuration
    .ie \n(.g .ds Aq \(aq
    .el .ds Aq '
    .SH EXAMPLES
    .PP
    .RS 4
    .nf
    pychatctl readers rm bot
    .fi
    .RE
    .SH "EXIT STATUS"
    .nf
    0  done                          6  timed out (a message stays queued)
    1  failed                        7  a key changed or is not trusted
    2  wrong usage                   8  rate limited or full
    3  the daemon is out of reach    9  the daemon is of another version
    4  not connected                10  refused (name taken, not permitted)
    5  no such user                130  interrupted
    .fi
    .SH FILES
    .nf
    $XDG_CONFIG_HOME/pychat/config.toml                    configuration
    $XDG_CONFIG_HOME/pychat/profiles/PROFILE/config.toml   configuration of a profile
    $XDG_STATE_HOME/pychat/PROFILE/                        identity, messages, log, socket

    Keys of the configuration: profile, server, color, timeout, autostart, json, quiet, wait.
    A flag goes before a PYCHAT_* variable, before the profile\*(Aqs file, before the user\*(Aqs file.
    .fi
    .SH ENVIRONMENT
    .nf
    PYCHAT_PROFILE        the profile, in place of \-\-profile
    PYCHAT_SERVER         the server of connect, in place of \-\-server
    PYCHAT_WAIT           what send waits for, in place of \-\-wait
    PYCHAT_TIMEOUT        how long requests wait, in place of \-\-timeout
    PYCHAT_JSON           1 for \-\-json
    PYCHAT_QUIET          1 for \-\-quiet
    PYCHAT_COLOR          auto, always or never, in place of \-\-color
    PYCHAT_NO_AUTOSTART   1 for \-\-no\-autostart
    PYCHAT_CONFIG         the user\*(Aqs configuration, in place of \-\-config
    PYCHAT_STATE_DIR      where every profile\*(Aqs state is
    PYCHATD               the daemon\*(Aqs program
    NO_COLOR              no colours
    COLUMNS               how wide the terminal is
    .fi
    .SH "SEE ALSO"
    pychatctl(1)
    "#);
}
