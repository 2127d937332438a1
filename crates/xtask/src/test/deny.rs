//! What others' crates are allowed to be: `deny.toml`.

use super::report::Outcome;
use crate::{tools, workspace};
use anyhow::Result;
use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How a person runs [`check`].
pub(super) const CHECK: &str = "cargo deny check bans licenses sources";
/// How a person runs [`advisories`].
pub(super) const ADVISORIES: &str = "cargo deny check advisories";

/// Fetching the advisories takes a second or two where it succeeds at all.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

/// Bans, licences and sources.
pub(super) fn check(target: &Path) -> Result<Outcome> {
    let mut deny = workspace::command(tools::DENY.program(target)?);
    workspace::run(deny.args(["check", "bans", "licenses", "sources"]))?;
    Ok(Outcome::Passed)
}

/// Advisories, where the database can be reached. Elsewhere it says that they were not checked.
pub(super) fn advisories(target: &Path) -> Result<Outcome> {
    let program = tools::DENY.program(target)?;
    let mut fetch = workspace::command(&program);
    fetch.args(["fetch", "db"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !succeeds_within(FETCH_TIMEOUT, &mut fetch)? {
        let why = "NOT CHECKED, the database of advisories is out of reach from here";
        return Ok(Outcome::Skipped(why.into()));
    }
    let mut deny = workspace::command(&program);
    workspace::run(deny.args(["check", "--disable-fetch", "advisories"]))?;
    Ok(Outcome::Told("the database was fetched just now".into()))
}

/// Whether it succeeds in time. What takes longer is killed.
fn succeeds_within(limit: Duration, command: &mut Command) -> Result<bool> {
    let mut child = command.env("GIT_TERMINAL_PROMPT", "0").spawn()?;
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::succeeds_within;
    use std::{process::Command, time::Duration};

    #[test]
    fn a_command_that_takes_too_long_is_killed_and_has_not_succeeded() {
        let mut forever = Command::new("sleep");
        forever.arg("1000");
        assert!(!succeeds_within(Duration::from_millis(1), &mut forever).unwrap());
    }

    #[test]
    fn a_command_in_time_tells_by_its_exit_code() {
        let ample = Duration::from_secs(60);
        assert!(succeeds_within(ample, &mut Command::new("true")).unwrap());
        assert!(!succeeds_within(ample, &mut Command::new("false")).unwrap());
    }
}
