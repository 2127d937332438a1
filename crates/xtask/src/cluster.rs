//! `cargo xtask cluster`: three servers on three NATS servers, people who chat across them, and any of the six
//! killed meanwhile.

use crate::{nats, workspace};
use anyhow::Result;

/// Fetches what it needs, builds the programs, and plays.
pub(crate) fn run() -> Result<()> {
    nats::fetch(&workspace::target_directory()?)?;
    let mut build = workspace::cargo();
    workspace::run(build.args(["build", "--locked", "--workspace"]))?;
    let mut play = workspace::cargo();
    play.args(["test", "--locked", "--package", "pychat-testkit", "--test", "programs"]);
    workspace::run(play.args(["--", "cluster", "nats", "--nocapture", "--test-threads", "1"]))?;
    println!("three servers and three NATS servers: all is well");
    Ok(())
}
