//! What the program refuses, with which words and exit code.

use crate::server::{Ended, Server, program, run};
use std::{fs, net::UdpSocket, path::Path};

fn serve(data: &Path, more: &[&str]) -> Ended {
    let data = data.to_str().unwrap();
    let mut arguments = vec!["--listen", "127.0.0.1:0", "--data", data];
    arguments.extend(more);
    run(program(&arguments))
}

fn assert_refused(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, code, "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    for words in words {
        assert!(ended.stderr.contains(words), "no {words:?} in:\n{}", ended.stderr);
    }
}

#[test]
fn a_bad_configuration_is_named_by_file_line_and_column() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("server.toml");
    fs::write(&config, "shards = 2\n\n[registration]\npolice = \"open\"\n").unwrap();
    let place = format!("{}:4:1: unknown field `police`", config.display());
    let config = config.to_str().unwrap();
    let data = directory.path().join("data");
    let words = [place.as_str(), "hint: `pychat-server config default`"];
    assert_refused(&serve(&data, &["--config", config]), 3, &words);
    assert_refused(&run(program(&["config", "check", config])), 3, &words);
    assert!(!data.exists(), "nothing is made before the configuration is good");
}

#[test]
fn the_default_configuration_passes_its_own_check() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("server.toml");
    let default = run(program(&["config", "default"]));
    assert_eq!(default.code, 0);
    fs::write(&config, &default.stdout).unwrap();
    let checked = run(program(&["config", "check", config.to_str().unwrap()]));
    assert_eq!((checked.code, checked.stdout.as_str(), checked.stderr.as_str()), (0, "", ""));
}

#[test]
fn a_configuration_that_is_not_there_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let ended = serve(directory.path(), &["--config", "/nowhere/server.toml"]);
    assert_refused(&ended, 3, &["/nowhere/server.toml: No such file"]);
}

#[test]
fn a_log_filter_that_makes_no_sense_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    assert_refused(&serve(directory.path(), &["--log", "pychat=loud"]), 3, &["pychat=loud"]);
}

#[test]
fn a_data_directory_serves_one_server() {
    let data = tempfile::tempdir().unwrap();
    let _first = Server::start(data.path(), &[]);
    let words = ["in use by another pychat-server", "hint: stop the other server"];
    assert_refused(&serve(data.path(), &[]), 5, &words);
}

#[test]
fn an_address_serves_one_server() {
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let data = tempfile::tempdir().unwrap();
    for shards in ["1", "2"] {
        let ended = serve(data.path(), &["--listen", &address, "--shards", shards]);
        let cannot = format!("cannot listen on {address}");
        assert_refused(&ended, 6, &[&cannot, "hint: another program listens there"]);
    }
    // Servers of this program share their sockets among their own shards only.
    let first = Server::start(data.path(), &["--shards", "2"]);
    let (address, _) = first.address_and_link();
    let data = tempfile::tempdir().unwrap();
    let ended = serve(data.path(), &["--listen", &address, "--shards", "2"]);
    assert_refused(&ended, 6, &["cannot listen on", "another pychat-server"]);
}

#[test]
fn an_address_of_another_machine_is_an_error() {
    let data = tempfile::tempdir().unwrap();
    let ended = serve(data.path(), &["--listen", "192.0.2.1:7420"]);
    assert_refused(&ended, 6, &["192.0.2.1:7420", "hint: this machine has no such address"]);
}

#[test]
fn a_data_directory_that_is_a_file_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let words = ["cannot be made", "hint: choose another one with --data"];
    assert_refused(&serve(&file, &[]), 4, &words);
    assert_refused(&serve(&file.join("below"), &[]), 4, &words);
}

#[cfg(unix)]
#[test]
fn a_data_directory_that_may_not_be_written_is_an_error() {
    use std::os::unix::fs::PermissionsExt;
    if rustix::process::geteuid().is_root() {
        // Permissions do not bind root; a read-only file system does.
        let ended = serve(Path::new("/proc/pychat"), &[]);
        return assert_refused(&ended, 4, &["/proc/pychat cannot be made"]);
    }
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o500)).unwrap();
    assert_refused(&serve(&data, &[]), 4, &["Permission denied", "hint: it must belong to"]);
}

#[cfg(unix)]
#[test]
fn keys_that_others_may_read_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let data = tempfile::tempdir().unwrap();
    drop(Server::start(data.path(), &[]));
    let key = data.path().join("identity.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let hint = format!("hint: chmod 600 {}", key.display());
    assert_refused(&serve(data.path(), &[]), 4, &["open to other users (mode 0644)", &hint]);
}

#[test]
fn a_database_of_another_program_is_refused() {
    let data = tempfile::tempdir().unwrap();
    drop(Server::start(data.path(), &[]));
    fs::write(data.path().join("mailboxes.sqlite3"), "not a database, certainly not one").unwrap();
    for more in ["-wal", "-shm"] {
        let _ = fs::remove_file(data.path().join(format!("mailboxes.sqlite3{more}")));
    }
    assert_refused(&serve(data.path(), &[]), 4, &["the mailbox store cannot be opened"]);
}

#[test]
fn a_directory_without_a_server_has_no_link() {
    let data = tempfile::tempdir().unwrap();
    let ended = run(program(&["link", "--data", data.path().to_str().unwrap()]));
    assert_refused(&ended, 4, &["holds no server yet", "hint: start the server once"]);
}

#[test]
fn wrong_usage_is_told_from_failure() {
    assert_refused(&run(program(&["--shards", "0"])), 2, &["--shards"]);
    assert_refused(&run(program(&["--listen", "here"])), 2, &["--listen"]);
}

#[test]
fn nodes_without_a_name_of_its_own_are_refused() {
    let data = tempfile::tempdir().unwrap();
    let ended = serve(data.path(), &["--nodes", "a.example.org,b.example.org"]);
    let words = ["nodes are named, but not which of them this server is", "hint: ", "--advertise"];
    assert_refused(&ended, 3, &words);
    let ended = serve(data.path(), &["--advertise", "a b"]);
    assert_refused(&ended, 2, &["\"a b\" is not a host name"]);
    let ended = serve(data.path(), &["--host", "a b"]);
    assert_refused(&ended, 3, &["host: \"a b\" is not a host name"]);
}

#[test]
fn a_link_names_the_nodes() {
    let data = tempfile::tempdir().unwrap();
    let more =
        ["--advertise", "a.example.org:7421", "--nodes", "a.example.org:7421,b.example.org:7421"];
    let server = Server::start(data.path(), &more);
    let (_, link) = server.address_and_link();
    assert!(link.starts_with("pychat://a.example.org,b.example.org:7421#"), "{link}");
}

#[cfg(unix)]
#[test]
fn a_key_is_shared_by_a_file_and_never_overwritten_by_accident() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (first, second, file) = (path("first"), path("second"), path("server.key"));
    let ended = run(program(&["key", "export", &file, "--data", &first]));
    assert_refused(&ended, 4, &["holds no server yet", "hint: start the server once"]);
    let running = Server::start(Path::new(&first), &[]);
    let (_, link) = running.address_and_link();
    let key = link.split_once('#').unwrap().1.to_owned();
    let ended = run(program(&["key", "export", &file, "--data", &first]));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for word in [key.as_str(), &file, "can pose as the server", "delete it"] {
        assert!(ended.stdout.contains(word), "{}", ended.stdout);
    }
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let ended = run(program(&["key", "export", &file, "--data", &first]));
    assert_refused(&ended, 4, &["exists already", "--yes"]);
    let ended = run(program(&["key", "import", &file, "--data", &first]));
    assert_refused(&ended, 5, &["in use by another pychat-server"]);

    let ended = run(program(&["key", "import", &file, "--data", &second]));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains(&key), "{}", ended.stdout);
    let node = Server::start(Path::new(&second), &[]);
    assert!(node.address_and_link().1.ends_with(&key), "clients know it by the same key");
    drop(node);
    let other = path("other");
    drop(Server::start(Path::new(&other), &[]));
    let ended = run(program(&["key", "import", &file, "--data", &other]));
    assert_refused(&ended, 4, &["holds the key of another server", "hint: with --yes"]);
    let ended = run(program(&["key", "import", &file, "--data", &other, "--yes"]));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let ended = run(program(&["key", "import", &file, "--data", &second]));
    assert_refused(&ended, 4, &["open to other users (mode 0640)", &format!("chmod 600 {file}")]);
}
