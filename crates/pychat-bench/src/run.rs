//! From the command line to a record.

use crate::{
    chart,
    cli::Scenario,
    crowd::CrowdConfig,
    driver::Driver,
    record::{Metrics, Record, medians},
    scenario::{self, Load, Lossy, Mailbox, Storm},
    server::{Choice, Ending, Private, Server},
};
use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use pychat_testkit::{faults::Faults, proxy::Proxy};
use std::{
    env,
    ffi::OsString,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// What was measured.
#[derive(Debug)]
pub struct Measured {
    /// One record, or one for each step of a sweep.
    pub records: Vec<Record>,
    /// A picture of it, if there is one.
    pub picture: Option<String>,
}

/// Measures as often as asked.
///
/// # Errors
/// One of the runs failed.
pub fn run(asked: &Scenario) -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let choice = choose(asked)?;
    let (mut records, mut points, mut latency) = (Vec::new(), Vec::new(), None);
    for step in asked.steps() {
        let mut runs = Vec::new();
        for number in 1..=asked.common().reps {
            let run = runtime.block_on(once(&step, &choice));
            let of = || format!("{}, run {number} of {}", step.label(), asked.common().reps);
            runs.push(run.with_context(of)?);
        }
        let record = record(&step, &runs);
        points.extend(point(&step, &record.metrics));
        records.push(record);
        latency = runs.into_iter().map(|run| run.latency).reduce(|mut all, run| {
            // Histograms of the same bounds: nothing of one is out of the other's.
            let _added = all.add(run);
            all
        });
    }
    let title = format!("PyChat: {}", asked.label());
    let picture = match asked {
        _ if asked.crowded().is_some() => chart::sweep(&title, CPU_LABEL, &points),
        Scenario::Throughput(asked) => {
            chart::sweep(&format!("PyChat: throughput W={}", asked.window), RATE_LABEL, &points)
        }
        Scenario::Latency(_) | Scenario::Lossy(_) => {
            latency.and_then(|latency| chart::latencies(&title, &latency))
        }
        Scenario::Idle(_) | Scenario::Logins(_) | Scenario::Storm(_) | Scenario::Mailbox(_) => None,
    };
    Ok(Measured { records, picture })
}

/// What the figures of a sweep are.
const RATE_LABEL: &str = "texts delivered a second";
const CPU_LABEL: &str = "server CPU, s per million texts, without the crowd's own";

/// Where a step stands in a picture of the sweep: by how many sessions there are.
fn point(step: &Scenario, metrics: &Metrics) -> Option<(u32, f64)> {
    if let Some(pairs) = step.crowded() {
        let sessions = 2 * pairs.pairs + pairs.crowd.iter().sum::<u32>();
        return Some((sessions, *metrics.get("server_cpu_s_per_m_less_crowd")?));
    }
    let Scenario::Throughput(asked) = step else { return None };
    Some((2 * asked.pairs.pairs, *metrics.get("delivered_per_s")?))
}

/// What one run found.
struct Run {
    metrics: Metrics,
    version: String,
    latency: Histogram<u64>,
}

fn record(step: &Scenario, runs: &[Run]) -> Record {
    let always = step.common().always_write;
    let metrics: Vec<Metrics> = runs.iter().map(|run| run.metrics.clone()).collect();
    Record {
        server: "pychat",
        version: runs.first().map(|run| run.version.clone()).unwrap_or_default(),
        scenario: step.label(),
        confirm: "server_ack",
        durability: match (always, step.common().server.is_some()) {
            (_, true) => "as that server is run",
            (true, false) => "synced",
            (false, false) => "synced unless delivered",
        },
        reps: runs.len(),
        metrics: medians(&metrics),
    }
}

async fn once(asked: &Scenario, choice: &Choice) -> Result<Run> {
    let mut server = Server::start(choice).await?;
    let common = asked.common();
    let link = BadLink::before(&server, asked)?;
    let config = CrowdConfig {
        server: link.as_ref().map_or(server.address(), |link| link.0.address()),
        recipients: common.recipients,
        key: server.key(),
        sockets: usize::from(common.sockets),
        seed: common.seed,
        // The low half changes each millisecond: two runs do not share it.
        run: pychat_udp::unix_ms() as u32,
    };
    let mut driver = Driver::new(config)?;
    let measured = measure(asked, &mut driver, &mut server).await;
    let metrics = measured.map_err(|error| match server.log() {
        Some(log) if !log.is_empty() => {
            error.context(format!("the server's log ends with\n{log}\n"))
        }
        Some(_) | None => error,
    })?;
    let version = server.version().into();
    Ok(Run { metrics, version, latency: driver.tally().latency.clone() })
}

async fn measure(asked: &Scenario, driver: &mut Driver, server: &mut Server) -> Result<Metrics> {
    match asked {
        Scenario::Throughput(asked) => {
            let work = asked.pairs.relay(&asked.common, Load::Window(asked.window));
            scenario::relay(driver, server, &work).await
        }
        Scenario::Latency(asked) => {
            let work = asked.pairs.relay(&asked.common, Load::Rate(asked.rate));
            scenario::relay(driver, server, &work).await
        }
        Scenario::Idle(asked) => {
            scenario::idle(driver, server, asked.sessions, asked.common.parallel).await
        }
        Scenario::Logins(asked) => {
            scenario::logins(driver, server, asked.sessions, asked.common.parallel).await
        }
        Scenario::Storm(asked) => {
            let ending = if asked.kill { Ending::Killed } else { Ending::Orderly };
            let parallel = asked.common.parallel;
            let work = Storm { sessions: asked.sessions, ending, parallel };
            scenario::storm(driver, server, &work).await
        }
        Scenario::Mailbox(asked) => {
            let work = Mailbox { messages: asked.messages, window: asked.window };
            scenario::mailbox(driver, server, &work).await
        }
        Scenario::Lossy(asked) => {
            let work = Lossy {
                pairs: asked.pairs,
                rate: asked.rate,
                seconds: asked.seconds,
                parallel: asked.common.parallel,
            };
            scenario::lossy(driver, &work).await
        }
    }
}

/// A proxy that loses datagrams.
struct BadLink(Proxy);

impl BadLink {
    fn before(server: &Server, asked: &Scenario) -> Result<Option<Self>> {
        let Scenario::Lossy(asked) = asked else { return Ok(None) };
        if !asked.has_proxy() {
            return Ok(None);
        }
        let proxy = Proxy::start(server.address(), asked.common.seed).context("a proxy")?;
        let delay = Duration::from_millis(asked.delay_ms.into());
        proxy.set_all_faults(Faults::delayed(delay).losing(asked.loss * 100.0));
        Ok(Some(Self(proxy)))
    }
}

fn choose(asked: &Scenario) -> Result<Choice> {
    let common = asked.common();
    if let Some(link) = &common.server {
        return Ok(Choice::Running { link: link.clone(), pid: common.server_pid });
    }
    let program = match &common.server_program {
        Some(program) => program.clone(),
        None => beside_us()?,
    };
    let mut arguments: Vec<OsString> = common.server_arg.iter().map(OsString::from).collect();
    if common.always_write {
        arguments.push("--always-write".into());
    }
    let across = matches!(asked, Scenario::Lossy(asked) if asked.wire);
    let (listen, namespace) = if across {
        let address = env::var("WIRE_B_ADDR").context("WIRE_B_ADDR names no address")?;
        let address: IpAddr = address.parse().context("WIRE_B_ADDR is no address")?;
        let namespace = env::var_os("WIRE_B").context("WIRE_B names no namespace")?;
        (SocketAddr::new(address, 0), Some(namespace))
    } else {
        (SocketAddr::from(([127, 0, 0, 1], 0)), None)
    };
    Ok(Choice::Private(Private { program, listen, arguments, namespace }))
}

fn beside_us() -> Result<PathBuf> {
    let own = env::current_exe().context("finding this program")?;
    Ok(own.with_file_name(format!("pychat-server{}", env::consts::EXE_SUFFIX)))
}
