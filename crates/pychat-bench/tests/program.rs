//! The program against the real server, briefly: each scenario has its figures, and a run that failed
//! has none.

use pychat_testkit::harness::Programs;
use serde_json::Value;
use std::process::{Command, Output};

fn bench(arguments: &str) -> Output {
    let server = Programs::find().path("pychat-server");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pychat-bench"));
    command.args(arguments.split(' ')).arg("--json").arg("--server-program").arg(server);
    command.output().expect("the program starts")
}

/// The figures of a run, which has these at least.
fn figures(arguments: &str, names: &[&str]) -> Value {
    let output = bench(arguments);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let record: Value = serde_json::from_str(&text).expect("one line of JSON");
    assert_eq!((record["server"].as_str(), record["reps"].as_u64()), (Some("pychat"), Some(1)));
    let mut names = names.to_vec();
    if cfg!(not(target_os = "linux")) {
        names.retain(|name| !name.contains("cpu") && !name.contains("kib"));
    }
    for name in names {
        // A server may hold less memory than before.
        assert!(record["metrics"][name].as_f64().is_some_and(f64::is_finite), "{name}: {text}");
    }
    record["metrics"].clone()
}

#[test]
fn throughput_has_its_figures() {
    let names =
        ["delivered_per_s", "server_cpu_s_per_m", "client_cpu_s_per_m", "p50_us", "p999_us"];
    let found = figures("throughput --pairs 3 --window 4 --seconds 0.3 --warmup 0.1", &names);
    assert!(found["delivered_per_s"].as_f64() > Some(0.0), "{found}");
}

#[test]
fn latency_delivers_at_its_rate() {
    let found = figures("latency --pairs 4 --rate 20 --seconds 1 --warmup 0.1", &["p99_us"]);
    let rate = found["delivered_per_s"].as_f64().expect("a rate");
    // 80, give or take what a busy machine holds back at either end.
    assert!((20.0..140.0).contains(&rate), "{found}");
}

#[test]
fn idle_sessions_have_their_memory() {
    let names = ["rss_kib_each_1k", "pss_kib_each_all", "logins_per_s", "login_cpu_ms_each"];
    figures("idle --sessions 20", &names);
}

#[test]
fn logins_are_counted_twice() {
    figures("logins --sessions 20", &["logins_per_s", "returns_per_s", "return_cpu_ms_each"]);
}

/// An upgrade is an orderly end and a start. The run itself fails unless everybody comes back.
#[cfg(unix)]
#[test]
fn a_thousand_sessions_are_back_after_an_upgrade() {
    /// How long a server of a thousand sessions asks them to stay away, at most.
    const AWAY_MAX_S: f64 = 1.0;
    /// What a busy machine may take for it; docs/PERFORMANCE.md has what a quiet one takes.
    const BACK_WITHIN_S: f64 = 30.0;
    let names = ["gone_s", "all_back_since_ready_s", "asked_away_max_s"];
    let found = figures("storm --sessions 1000 --sockets 32 --parallel 32", &names);
    println!("{found:#}");
    let seconds = |name: &str| found[name].as_f64().expect("a figure");
    let away = seconds("asked_away_max_s");
    assert!(0.0 < away && away <= AWAY_MAX_S, "{found}");
    assert!(seconds("all_back_since_ready_s") < BACK_WITHIN_S, "{found}");
}

#[test]
fn a_mailbox_is_filled_and_collected() {
    let found = figures("mailbox --messages 200", &["stored_per_s", "collect_s"]);
    assert_eq!(found["missing"].as_f64(), Some(0.0));
}

#[test]
fn texts_arrive_across_a_bad_link() {
    let found =
        figures("lossy --pairs 2 --seconds 2 --loss 0.2 --delay-ms 5", &["p90_ms", "max_ms"]);
    assert_eq!(found["arrived"], found["sent"]);
    assert_eq!(found["sent"].as_f64(), Some(8.0));
}

#[test]
fn a_run_that_failed_has_no_figures_and_says_why() {
    // A mailbox holds 10000 texts: the server refuses the next one.
    let output = bench("mailbox --messages 10001 --window 256");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the server refused a text"), "{said}");
}
