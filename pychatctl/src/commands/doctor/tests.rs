//! What is found, in words.

use super::{Finding, Health, account, local, path, path::Probed, text};
use crate::screen::View;
use pychat_control::{Diagnosis, ErrorCode, HookStatus, Link, LinkError, Place, StateBase, Status};

fn status(link: Link) -> Status {
    Status {
        version: "0.1.0".into(),
        pid: 42,
        profile: "default".into(),
        started_at: String::new(),
        link,
        since: String::new(),
        user: Some("alice".into()),
        name: Some("Alice".into()),
        server: None,
        address: None,
        node: None,
        nodes: 0,
        fingerprint: None,
        rtt_ms: Some(24),
        loss_permille: 13,
        retransmitted: 0,
        packets_sent: 500,
        heard_at: None,
        queued: 0,
        unread: 0,
        unindexed: 0,
        last_error: None,
        changed_keys: Vec::new(),
        other_machine_at: None,
        server_notice: None,
        set_aside: None,
        hooks: Vec::new(),
    }
}

fn diagnosis(link: Link) -> Diagnosis {
    Diagnosis {
        link,
        host: Some("chat.example.org".into()),
        port: Some(7420),
        lookup_error: None,
        address: Some("192.0.2.1:7420".into()),
        node: None,
        nodes: 0,
        datagrams_sent: 12,
        datagrams_received: 0,
        heard_at: None,
        link_error: None,
        clock_ahead_ms: None,
        disk_error: None,
        server_stuck: false,
    }
}

fn failed(code: ErrorCode, message: &str) -> Diagnosis {
    let error = LinkError {
        code: code.number(),
        name: code.name().into(),
        message: message.into(),
        hint: None,
    };
    Diagnosis { link_error: Some(error), ..diagnosis(Link::Connecting) }
}

fn shown(findings: &[Finding]) -> String {
    text(findings, &View::at_noon())
}

/// What is said of the way where an address answers so.
fn way(probed: Probed) -> Finding {
    let (status, diagnosis) = (status(Link::Connecting), diagnosis(Link::Connecting));
    path::path(&status, &diagnosis, |_| probed).expect("a finding")
}

#[test]
fn each_hindrance_on_the_way_has_its_own_words_and_next_step() {
    let all = [
        Probed::NobodyListens,
        Probed::Forbidden,
        Probed::NoRoute,
        Probed::UdpSilent,
        Probed::Silent,
    ];
    insta::assert_snapshot!(shown(&all.map(way)), @r"
    BAD   path      chat.example.org (192.0.2.1:7420) says that nothing listens at
                    UDP port 7420
                    -> is the server running, and is the port of the link right? on
                       it: systemctl status pychat-server
    BAD   path      blocked UDP: this machine does not let datagrams out to
                    192.0.2.1:7420
                    -> let UDP port 7420 out in this machine's firewall: nft list
                       ruleset
    BAD   path      no network: there is no way from here to 192.0.2.1:7420
                    -> is a network up? see: ip route; messages wait and go out when
                       there is one
    BAD   path      no reply from chat.example.org (192.0.2.1:7420) to 12 datagrams,
                    though the host is up: blocked UDP, or the link's key is wrong
                    -> a server is silent to a wrong key: compare the link with the
                       operator's (pychat-server link); else a firewall between
                       blocks UDP port 7420: try another network
    BAD   path      no reply from chat.example.org (192.0.2.1:7420) to 12 datagrams,
                    and the host answers nothing else either
                    -> is it up, and is the address right? try: ping
                       chat.example.org; then another network
    ");
    let lookup_error = Some("Name or service not known".into());
    let lost = Diagnosis { lookup_error, ..diagnosis(Link::Connecting) };
    let told =
        path::path(&status(Link::Connecting), &lost, |_| unreachable!("there is no address"));
    insta::assert_snapshot!(shown(&[told.unwrap()]), @r"
    BAD   path      no DNS: chat.example.org cannot be looked up: Name or service
                    not known
                    -> is this machine online, and is the name right? try: getent
                       hosts chat.example.org; if only names fail, connect with the
                       server's address in the link
    ");
}

#[test]
fn a_login_says_what_it_waits_for_or_why_it_was_refused() {
    let mut refused = failed(ErrorCode::Refused, "the name alice belongs to another key");
    refused.link = Link::Refused;
    let told = [
        account::login(&status(Link::Connected), &diagnosis(Link::Connected)),
        account::login(&status(Link::Connecting), &diagnosis(Link::Connecting)),
        account::login(&status(Link::Disconnected), &diagnosis(Link::Disconnected)),
        account::login(&status(Link::Refused), &refused),
        account::login(
            &status(Link::Connecting),
            &failed(ErrorCode::KeyChanged, "the key of the server is another one"),
        ),
        account::login(
            &status(Link::Connecting),
            &failed(ErrorCode::VersionMismatch, "the server speaks 2 to 3, we speak 1"),
        ),
        account::login(
            &Status { user: None, ..status(Link::Disconnected) },
            &diagnosis(Link::Disconnected),
        ),
    ];
    insta::assert_snapshot!(shown(&told), @r"
    ok    login     alice at chat.example.org
    note  login     on the way to chat.example.org
                    -> what you send meanwhile is queued and goes out by itself
    BAD   login     alice is logged out, by `pychatctl disconnect`
                    -> log in again: pychatctl connect alice NAME
    BAD   login     refused: the name alice belongs to another key
                    -> take another name, or ask the operator of chat.example.org
                       about alice
    BAD   login     wrong key: the key of the server is another one
                    -> ask the operator whether the server's key changed; if so:
                       pychatctl connect USER NAME --trust-key KEY; if not, somebody
                       stands between you and the server
    BAD   login     version mismatch: the server speaks 2 to 3, we speak 1
                    -> update pychatd and pychatctl, or ask the operator
    BAD   login     nobody has logged in with this profile
                    -> pychatctl connect USER NAME --server pychat://HOST:PORT#KEY
                       (the operator has the link)
    ");
}

#[test]
fn a_wrong_key_is_not_taken_for_silence() {
    let diagnosis = failed(ErrorCode::KeyChanged, "another key");
    assert_eq!(path::path(&status(Link::Connecting), &diagnosis, |_| Probed::Silent), None);
}

#[test]
fn disks_and_clocks_and_keys_and_hooks_are_told() {
    let off =
        |ms| path::clock(&Diagnosis { clock_ahead_ms: Some(ms), ..diagnosis(Link::Connected) });
    let full =
        Diagnosis { disk_error: Some("the disk is full".into()), ..diagnosis(Link::Connected) };
    let stuck = Diagnosis { server_stuck: true, ..diagnosis(Link::Connected) };
    let troubled = Status {
        changed_keys: vec!["bob".into(), "eve".into()],
        set_aside: Some("/x/pychat.db.damaged-1".into()),
        hooks: vec![HookStatus {
            hook: "on-message".into(),
            waiting: 2,
            failed: 3,
            last_error: Some("beep cannot be started: not found".into()),
        }],
        ..status(Link::Connected)
    };
    let mut told = vec![
        local::room(0, 9, "/home"),
        local::room(1 << 30, 0, "/home"),
        local::room(5 << 20, 9, "/home"),
        local::room(1 << 30, 9, "/home"),
        off(-1500).unwrap(),
        off(-180_000).unwrap(),
        off(90_000_000_000).unwrap(),
    ];
    told.extend(account::database(&troubled, &full));
    told.extend(account::server(&stuck));
    told.extend(account::keys(&troubled));
    told.extend(account::hooks(&troubled));
    insta::assert_snapshot!(shown(&told), @r"
    BAD   disk      the disk of /home is full
                    -> make room; see what takes it: du -xh /home | sort -h | tail
    BAD   disk      the disk of /home takes no more files (no inodes are left)
                    -> remove files that nobody needs; see: df -i /home
    note  disk      only 5 MB are free at /home
                    -> make room; see what takes it: du -xh /home | sort -h | tail
    ok    disk      1024 MB are free
    ok    clock     as the server's
    note  clock     3 min behind the server's: times mislead
                    -> set this machine's clock: timedatectl set-ntp true (or tell
                       the server's operator)
    BAD   clock     far off: 1041 days ahead of the server's
                    -> set this machine's clock: timedatectl set-ntp true (or tell
                       the server's operator)
    BAD   database  messages cannot be kept: the disk is full
                    -> make room on the disk, or look at it: dmesg | tail; the
                       daemon goes on by itself
    note  database  a damaged database was set aside: /x/pychat.db.damaged-1
                    -> what can be read of it: sqlite3 FILE .recover; when you need
                       it no more, remove it
    BAD   server    the server cannot store messages at the moment; yours wait here
                    -> tell its operator: its disk may be full
    note  keys      the key of bob, eve changed; what you send there is held
                    -> compare, then decide: pychatctl verify bob; pychatctl trust
                       bob
    note  hook      on-message failed 3 times, the last time: beep cannot be
                    started: not found
                    -> mend the program or the configuration, then: pychatctl daemon
                       restart
    ");
}

#[test]
fn a_bad_path_is_no_hindrance() {
    let lossy = Status { loss_permille: 231, ..status(Link::Connected) };
    let told = path::path(&lossy, &diagnosis(Link::Connected), |_| Probed::Silent).unwrap();
    assert_eq!(told.state, Health::Fair);
    let young = Status { packets_sent: 9, ..lossy };
    let told = path::path(&young, &diagnosis(Link::Connected), |_| Probed::Silent).unwrap();
    assert_eq!(
        (told.state, told.message.as_str()),
        (Health::Good, "24 ms round trip, 23.1 % lost")
    );
}

#[cfg(target_os = "linux")]
#[test]
fn whether_the_daemon_outlives_a_logout_is_seen_from_its_control_group() {
    let login = "0::/user.slice/user-1000.slice/session-3.scope\n";
    let manager = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/pychatd.service\n";
    let state = |cgroup, lingers, kill| {
        local::logout_of(cgroup, lingers, || kill).map(|finding| finding.state)
    };
    assert_eq!(state(login, false, Some(true)), Some(Health::Fair));
    assert_eq!(state(login, false, Some(false)), Some(Health::Good));
    assert_eq!(state(login, false, None), None, "no login manager");
    assert_eq!(state(manager, false, None), Some(Health::Fair));
    assert_eq!(state(manager, true, None), Some(Health::Good));
    assert_eq!(state("0::/system.slice/cron.service\n", false, None), None);
}

#[cfg(unix)]
#[test]
fn files_that_others_can_read_are_told_with_the_command_that_helps() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let temp = tempfile::tempdir().unwrap();
    let place = Place::new(&StateBase::at(temp.path()), "default".parse().unwrap());
    assert_eq!(local::files(&place).state, Health::Good, "nothing is there yet");
    fs::create_dir_all(place.state_dir()).unwrap();
    let key = place.state_dir().join("identity.key");
    fs::write(&key, "x").unwrap();
    let set = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    set(0o644);
    let open = local::files(&place);
    assert_eq!(
        (open.state, open.hint),
        (Health::Bad, Some(format!("chmod 600 {}", key.display())))
    );
    set(0o600);
    assert_eq!(local::files(&place).state, Health::Good);
}

#[test]
fn a_probe_tells_a_closed_port_from_a_silent_one() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    assert_eq!(path::probe(address), Probed::UdpSilent);
    drop(silent);
    assert_eq!(path::probe(address), Probed::NobodyListens);
}

#[test]
fn the_node_is_told_where_the_server_has_several() {
    assert!(path::node(&status(Link::Connected)).is_none());
    let several = |link, nodes| {
        let node = Some("b.example.org:7420".into());
        path::node(&Status { node, nodes, ..status(link) })
    };
    assert!(several(Link::Connecting, 3).is_none());
    let told = |nodes| several(Link::Connected, nodes).unwrap().message;
    assert_eq!(told(3), "b.example.org:7420; 2 others are known, if this one is gone");
    assert_eq!(told(2), "b.example.org:7420; 1 other is known, if this one is gone");
}
