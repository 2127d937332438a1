//! PyChat's per-user background daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    pychatd::shell::main(|start, requests, shutdown| {
        let config = pychatd::run::Config {
            state_dir: start.state_dir,
            profile: start.profile,
            started_at_unix_ms: start.unix_ms,
        };
        pychatd::run::run(config, requests, shutdown)
    })
}
