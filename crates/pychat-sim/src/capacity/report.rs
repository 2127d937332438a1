//! The model and the simulation beside each other.

use super::{
    figures::{AWAY_SHARE, LOGIN, QUORUM, SECOND, SIGN_EVERY, USER_BYTES, WRITTEN_AT_NATS},
    model::{Deployment, Model, counted},
    phase::Phase,
    play::Outcome,
    queues::Load,
};
use hdrhistogram::Histogram;
use std::fmt::Write as _;

/// One row: what, the model's figure and the simulation's, both as numbers.
struct Row(&'static str, f64, f64);

/// As a table, with what the model is off by.
#[must_use]
pub fn report(model: &Model, outcome: &Outcome) -> String {
    let Deployment { nodes, shards, streams, servers } = model.deployment;
    let Outcome { here, well, death, generated, delivered, waiting, .. } = outcome;
    let mut text = format!(
        "{} million users, {here} connected and all played, {} s: {nodes} nodes of {shards} shards, \
         {streams} streams, {servers} NATS servers\n\n",
        f64::from(model.users) / 1e6,
        well.seconds
    );
    let _ = writeln!(text, "{:<52} {:>10} {:>10}  the model is", "", "model", "simulated");
    for Row(what, model, simulated) in rows(model, outcome) {
        let _ = writeln!(
            text,
            "{what:<52} {:>10} {:>10}  {}",
            figure(model),
            figure(simulated),
            off(model, simulated)
        );
    }
    let _ = writeln!(
        text,
        "\n{:<52} {:>10} {:>10} {:>10}",
        "waits in queues, ms", "p50", "p99", "p99.9"
    );
    let waits = [
        ("texts that are never written", &well.live_waits),
        ("texts that are written (the write itself is 0.67)", &well.written_waits),
        ("logins", &well.login_waits),
        ("after a node's death: never written", &death.live_waits),
        ("after a node's death: written", &death.written_waits),
        ("after a node's death: logins", &death.login_waits),
    ];
    for (what, waits) in waits {
        let [p50, p99, p999] = [50.0, 99.0, 99.9].map(|share| millis(waits, share));
        let _ = writeln!(text, "{what:<52} {p50:>10} {p99:>10} {p999:>10}");
    }
    let _ = writeln!(
        text,
        "\n{generated} texts: {delivered} delivered, {waiting} in mailboxes of people who are away"
    );
    text
}

fn rows(model: &Model, outcome: &Outcome) -> Vec<Row> {
    let Outcome { here, well, death, .. } = outcome;
    let Deployment { nodes, streams, servers, .. } = model.deployment;
    let [nodes, streams, servers] = [nodes.into(), f64::from(streams), f64::from(servers)];
    let shards = model.deployment.shards() as f64;
    let texts = well.a_second(well.texts.total);
    let sign_cores = well.a_second(well.sign_time) / SECOND as f64;
    let login_cores = well.a_second(well.login_time) / SECOND as f64;
    let all_cores = well.nodes.in_cores().mean * nodes;
    let text_cores = all_cores - sign_cores - login_cores;
    let [node, shard] = [&well.nodes, &well.shards].map(super::queues::Loads::in_cores);
    let [stream, server] = [&well.streams, &well.servers].map(super::queues::Loads::in_cores);
    let writes = well.writes.a_second();
    let model_cores = model.texts_alone + model.signs + model.logins * LOGIN as f64 / SECOND as f64;
    let model_writes = model.written() + model.logins;
    let share = |part: u64| part as f64 / well.texts.total.max(1) as f64 * 100.0;
    let fullest = outcome.users_of_servers.iter().copied().max().unwrap_or_default();
    let users_each = f64::from(model.users) / f64::from((*here).max(1));
    let mut rows = vec![
        Row("connected", model.connected, f64::from(*here)),
        Row("texts a second", model.texts, texts),
        Row("  in the busiest second", model.texts, well.texts.busiest_second as f64),
        Row(
            "texts for somebody at another node, of 100",
            (1.0 - AWAY_SHARE) * (nodes - 1.0) / nodes * 100.0,
            share(well.others_node),
        ),
        Row(
            "  that go there without being written, of 100",
            model.crossing / model.texts * 100.0,
            share(well.across),
        ),
        Row("texts for somebody away, a second", model.away, well.a_second(well.away)),
        Row(
            "texts that are the first since a login, a second",
            model.first,
            well.a_second(well.first),
        ),
        Row("logins a second", model.logins, well.a_second(well.logins.total)),
        Row("writes by a quorum, a second", model_writes, well.a_second(well.written.total)),
        Row("  in the busiest second", model_writes, well.written.busiest_second as f64),
        Row("processor of all nodes for texts, cores", model.texts_alone, text_cores),
        Row("  if all came in batches", model.texts_among_many, text_cores),
        Row("processor of all nodes for signs of life, cores", model.signs, sign_cores),
        Row("processor of NATS for texts and logins, cores", model.at_nats, server.mean * servers),
    ];
    rows.extend(spread("node, cores", model_cores / nodes, node));
    rows.extend(spread("shard, cores", model_cores / shards, shard));
    rows.extend(spread("stream, writes a second", model_writes / streams, writes));
    rows.push(Row(
        "  of its time with a write under way, of 100",
        model_writes / streams * QUORUM as f64 / SECOND as f64 * 100.0,
        stream.busiest * 100.0,
    ));
    rows.extend(spread("NATS server, cores", model.at_nats / servers, server));
    rows.push(Row(
        "  memory of the fullest, GB",
        model.server_bytes() / 1e9,
        f64::from(fullest) * users_each * USER_BYTES / 1e9,
    ));
    for (what, users) in [
        ("users of the fullest node, of the mean", &outcome.sessions_of_nodes),
        ("users of the fullest shard, of the mean", &outcome.sessions_of_shards),
        ("users of the fullest stream, of the mean", &outcome.users_of_streams),
    ] {
        rows.push(Row(what, 1.0, evenness(users)));
    }
    rows.extend(after_death(model, outcome, death));
    rows
}

/// Busiest, busiest in a second.
fn spread(what: &'static str, model: f64, load: Load) -> [Row; 2] {
    let names = match what {
        "node, cores" => ["busiest node, cores", "  in its busiest second"],
        "shard, cores" => ["busiest shard, cores", "  in its busiest second"],
        "NATS server, cores" => ["busiest NATS server, cores", "  in its busiest second"],
        _ => ["busiest stream, writes a second", "  in its busiest second"],
    };
    [Row(names[0], model, load.busiest), Row(names[1], model, load.busiest_second)]
}

/// What a node's death costs.
fn after_death(model: &Model, outcome: &Outcome, death: &Phase) -> Vec<Row> {
    let Deployment { nodes, shards, streams, servers } = model.deployment;
    let logins = model.of_a_node() * SECOND as f64 / SIGN_EVERY as f64;
    let others = f64::from(nodes - 1) * f64::from(shards);
    let cores = |count: f64, cost: u64| count * cost as f64 / SECOND as f64;
    let shard = (cores(logins + model.logins, LOGIN) + model.texts_alone + model.signs) / others;
    let writes = model.writes_after_death();
    vec![
        Row("a node dies: people who were there", model.of_a_node(), outcome.bereft as f64),
        Row("  logins in the busiest second", logins, death.logins.busiest_second as f64),
        Row(
            "  busiest shard in its busiest second, cores",
            shard,
            death.shards.in_cores().busiest_second,
        ),
        Row("  writes in the busiest second", writes, death.written.busiest_second as f64),
        Row(
            "  busiest stream in its busiest second, writes",
            writes / f64::from(streams),
            death.writes.a_second().busiest_second,
        ),
        Row(
            "  busiest NATS server in its busiest second, cores",
            cores(writes, WRITTEN_AT_NATS) / f64::from(servers),
            death.servers.in_cores().busiest_second,
        ),
        Row("  texts that waited for a node", model.held(), death.held as f64),
    ]
}

/// What the fullest has, of the mean.
fn evenness(users: &[u32]) -> f64 {
    let all: f64 = users.iter().copied().map(f64::from).sum();
    let most = users.iter().copied().max().unwrap_or_default();
    f64::from(most) * users.len() as f64 / all.max(1.0)
}

fn off(model: f64, simulated: f64) -> String {
    let ratio = simulated / model;
    match ratio {
        _ if model == 0.0 && simulated == 0.0 => String::from("right"),
        _ if model == 0.0 => String::from("silent of it"),
        0.98..=1.02 => String::from("right"),
        2.0.. => format!("{ratio:.1} times too low"),
        1.0.. => format!("{:.0}% too low", (1.0 - 1.0 / ratio) * 100.0),
        0.5.. => format!("{:.0}% too high", (1.0 / ratio - 1.0) * 100.0),
        _ => format!("{:.1} times too high", 1.0 / ratio),
    }
}

fn figure(value: f64) -> String {
    match value {
        1e3.. => counted(value),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn millis(waits: &Histogram<u64>, percent: f64) -> String {
    format!("{:.3}", waits.value_at_percentile(percent) as f64 / 1e6)
}
