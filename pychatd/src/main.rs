//! PyChat's per-user background daemon.

use pychatd::core::Limits;
use std::process::ExitCode;

fn main() -> ExitCode {
    pychatd::shell::main(|start, requests, shutdown| {
        let config = pychatd::run::Config {
            state_dir: start.state_dir,
            profile: start.profile,
            started_at_unix_ms: start.unix_ms,
            limits: Limits {
                history_for: start.config.history_keep,
                history_bytes: start.config.history_max,
                ..Limits::default()
            },
        };
        pychatd::run::run(config, requests, shutdown)
    })
}
