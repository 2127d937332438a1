//! Flag, variable, profile's file, user's file, default, in this order.

use crate::{
    daemon::{FakeDaemon, Reply},
    run::Home,
};
use serde_json::json;

#[test]
fn the_first_of_flag_variable_profile_and_user_decides() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |_, _| Reply::Result(json!({ "items": [] })));
    let timeout = |variable: Option<&str>, words: &[&str]| {
        let mut command = home.command(words);
        if let Some(variable) = variable {
            command.env("PYCHAT_TIMEOUT", variable);
        }
        assert!(command.output().unwrap().status.success());
        daemon.next().1["timeout_ms"].as_u64().unwrap()
    };
    assert_eq!(timeout(None, &["users"]), 10_000);
    home.write("config/pychat/config.toml", "timeout = '4s'");
    assert_eq!(timeout(None, &["users"]), 4000);
    home.write("config/pychat/profiles/default/config.toml", "timeout = '3s'");
    assert_eq!(timeout(None, &["users"]), 3000);
    assert_eq!(timeout(Some("2s"), &["users"]), 2000);
    assert_eq!(timeout(Some("2s"), &["users", "--timeout", "1s"]), 1000);
    let other = home.write("other.toml", "timeout = '5s'").display().to_string();
    assert_eq!(timeout(None, &["users", "--config", &other]), 3000);
}

#[test]
fn a_switch_in_a_file_can_be_turned_off_by_a_variable_and_on_by_a_flag() {
    let home = Home::new();
    let _daemon =
        FakeDaemon::start(&home, |_, _| Reply::Result(json!({ "total": 0, "items": [] })));
    home.write("config/pychat/config.toml", "json = true");
    let json = "{\"v\":1,\"total\":0,\"items\":[]}\n";
    assert_eq!(home.run(&["unread"]).out, json);
    let off = home.command(&["unread"]).env("PYCHAT_JSON", "0").output().unwrap();
    assert_eq!(off.stdout, b"");
    let on = home.command(&["unread", "--json"]).env("PYCHAT_JSON", "0").output().unwrap();
    assert_eq!(on.stdout, json.as_bytes());
}

#[test]
fn an_error_in_a_file_says_where_it_is() {
    let home = Home::new();
    let path = home.write("config/pychat/config.toml", "# ours\ntimeout = 10\n");
    let said = home.run(&["users"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains(&format!("{}:2:11: invalid type", path.display())), "{}", said.err);
    let said = home.run(&["users", "--config", "/nonexistent/config.toml"]);
    assert_eq!(said.code, Some(2));
}

#[test]
fn the_profile_decides_about_the_daemon() {
    let home = Home::new();
    let path = |words: &[&str]| home.run(words).out;
    assert!(path(&["profile", "path"]).ends_with("/state/default\n"));
    home.write("config/pychat/config.toml", "profile = 'work'");
    assert!(path(&["profile", "path"]).ends_with("/state/work\n"));
    assert!(path(&["profile", "path", "--profile", "home"]).ends_with("/state/home\n"));
    assert_eq!(home.run(&["profile", "path", "--profile", "../x"]).code, Some(2));
}
