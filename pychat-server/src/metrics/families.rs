//! What is told: each metric with its name, what it counts, and its samples. docs/METRICS.md explains them.

use super::exposition::{Exposition, Kind};
use crate::{
    admin::stats::{Collected, goodbye, refusal},
    committer::{CommitStats, SECONDS},
    shard::ShardStats,
    store::StoreSize,
};
use pychat_proto::{EndpointStats, Fill, chat::UnixMillis};
use std::collections::BTreeMap;

/// Above all codes that we know.
const CODES_END: u16 = 64;

/// All that was collected, of a server that began at `started_at`, as text.
pub(super) fn render(collected: &Collected, started_at: UnixMillis) -> String {
    let mut out = Exposition::default();
    build(&mut out);
    people(&mut out, collected);
    messages(&mut out, &collected.relay);
    commits(&mut out, &collected.commits);
    store(&mut out, collected);
    network(&mut out, &collected.wire, collected);
    tables(&mut out, collected);
    process(&mut out, collected, started_at);
    out.into_text()
}

fn build(out: &mut Exposition) {
    let help = "Always 1; the label is the server's version.";
    let mut family = out.family(Kind::Gauge, "pychat_build_info", help);
    family.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
}

fn people(out: &mut Exposition, collected: &Collected) {
    let relay = &collected.relay;
    let help =
        "Sessions of clients that have shown that they are there, by the thread that serves them.";
    let mut family = out.family(Kind::Gauge, "pychat_sessions", help);
    for (shard, sessions) in collected.sessions.iter().enumerate() {
        family.sample(&[("shard", &shard.to_string())], sessions);
    }
    let help =
        "1 while the operator keeps everybody away (drain), or the server is stopping; else 0.";
    out.gauge("pychat_drained", help, u8::from(collected.drained));
    let help = "Logins that ended in a session of their user's, those of clients that came back among them.";
    out.counter("pychat_logins_total", help, relay.logins);
    let help = "Logins that were refused before there was a session, by the reason that the client was told.";
    by_reason(out, "pychat_logins_refused_total", help, &relay.refused_logins, goodbye);
    let help = "Sessions that ended, by the reason that was told, by the client or to it.";
    by_reason(out, "pychat_sessions_ended_total", help, &relay.ended_sessions, goodbye);
    let help = "Questions of clients: for users, and for end-to-end keys.";
    out.counter("pychat_calls_total", help, relay.calls);
}

fn messages(out: &mut Exposition, relay: &ShardStats) {
    let help = "Texts whose senders were told that they are safe: on the server's disk or on their recipient's.";
    out.counter("pychat_messages_accepted_total", help, relay.accepted);
    let help = "Texts that their recipient's daemon has on its disk.";
    out.counter("pychat_messages_delivered_total", help, relay.delivered);
    let help = "Texts that were written to the server's disk; the others were safe with their recipient before.";
    out.counter("pychat_messages_written_total", help, relay.written);
    let help = "Texts that were refused, by the reason that the sender was told.";
    by_reason(out, "pychat_messages_refused_total", help, &relay.refused_messages, refusal);
}

fn commits(out: &mut Exposition, commits: &CommitStats) {
    let help = "How long a transaction of the store took, the sync of the disk included; failed ones are not in it.";
    let classes = (SECONDS.as_slice(), commits.by_duration.as_slice());
    out.histogram("pychat_commit_duration_seconds", help, classes, commits.seconds);
    let help = "Commands in those transactions: texts, receipts, accounts, keys, positions, trims.";
    out.counter("pychat_commit_commands_total", help, commits.commands);
    let help = "Transactions that failed. Nothing in them was acknowledged; clients send it again.";
    out.counter("pychat_commits_failed_total", help, commits.failed);
}

fn store(out: &mut Exposition, collected: &Collected) {
    let fails = collected.commits.is_failing || collected.store.is_none();
    let help = "1 while the store fails: its last transaction did, or it cannot be read; else 0.";
    out.gauge("pychat_store_failing", help, u8::from(fails));
    let StoreSize { accounts, recent, bytes } = collected.store.unwrap_or_default();
    if collected.store.is_some() {
        out.gauge("pychat_accounts", "Names that somebody has claimed.", accounts);
        let help = "Size of the store's database in bytes, what is still in its log included.";
        out.gauge("pychat_store_bytes", help, bytes);
        let help = "Entries of mailboxes that came lately and are held by the server's memory, too: \
            texts and receipts that wait for their users.";
        out.gauge("pychat_store_recent_entries", help, recent);
    }
    let help = "What sessions asked of the store and wait for.";
    out.gauge("pychat_store_jobs", help, collected.jobs_under_way);
}

fn network(out: &mut Exposition, wire: &EndpointStats, collected: &Collected) {
    let EndpointStats {
        datagrams_in,
        datagrams_out,
        dropped,
        opened,
        retries,
        lost,
        retransmitted,
        resets,
    } = wire;
    for (name, help, value) in [
        (
            "pychat_datagrams_received_total",
            "Datagrams that the sessions' threads looked at.",
            *datagrams_in,
        ),
        ("pychat_datagrams_sent_total", "Datagrams that were sent.", *datagrams_out),
        (
            "pychat_datagrams_dropped_total",
            "Datagrams that were of no use: unreadable, forged, repeated, or of strangers beyond the limits.",
            *dropped,
        ),
        (
            "pychat_packets_opened_total",
            "Packets of sessions that were authentic and new.",
            *opened,
        ),
        (
            "pychat_packets_lost_total",
            "Packets to clients that were not acknowledged in time and taken for lost.",
            *lost,
        ),
        (
            "pychat_records_retransmitted_total",
            "Records (texts, their parts, receipts) that were sent to a client again, lost ones and \
                those that ride along early.",
            *retransmitted,
        ),
        (
            "pychat_retries_sent_total",
            "Logins that had to prove their address first (RETRY).",
            *retries,
        ),
        (
            "pychat_resets_sent_total",
            "Answers to clients whose session the server does not know (RESET), those after a restart among them.",
            *resets,
        ),
        (
            "pychat_datagrams_not_handed_over_total",
            "Datagrams and logins that came to another thread than their own, whose queue was full.",
            collected.not_handed_over,
        ),
        (
            "pychat_strangers_forgotten_total",
            "Datagrams without a session that were forgotten: pushed out by later ones, or of a \
                size that none of ours has.",
            collected.strangers_forgotten,
        ),
    ] {
        out.counter(name, help, value);
    }
}

fn tables(out: &mut Exposition, collected: &Collected) {
    let all = || {
        let shards = collected.tables.iter().enumerate();
        shards.flat_map(|(shard, fills)| fills.iter().map(move |fill| (shard.to_string(), fill)))
    };
    let mut of_all = |name, help, value: fn(&Fill) -> usize| {
        let mut family = out.family(Kind::Gauge, name, help);
        for (shard, fill) in all() {
            let labels = [("shard", shard.as_str()), ("table", &label(fill.table))];
            family.sample(&labels, value(fill));
        }
    };
    let help = "Places that are taken in a table that has a bound, by thread.";
    of_all("pychat_table_used", help, |fill| fill.used);
    let help = "The bound: whoever comes when all places are taken is sent away or forgotten, and tries again.";
    of_all("pychat_table_limit", help, |fill| fill.bound);
    let mut of_sessions = |name, help, value: fn(&Fill) -> usize| {
        let mut family = out.family(Kind::Gauge, name, help);
        for fill in collected.session_tables.values() {
            family.sample(&[("table", &label(fill.table))], value(fill));
        }
    };
    let help = "The same of the tables that each session has: of the session with the most. A full \
        one slows that session down and nobody else.";
    of_sessions("pychat_session_table_used_max", help, |fill| fill.used);
    let help = "The bound of each of those tables. Absent while all sessions rest.";
    of_sessions("pychat_session_table_limit", help, |fill| fill.bound);
}

fn process(out: &mut Exposition, collected: &Collected, started_at: UnixMillis) {
    // These have the names that the processes of all programs have at Prometheus.
    let help = "When the server began to serve, in seconds since 1970.";
    out.gauge("process_start_time_seconds", help, started_at as f64 / 1e3);
    let help = "Time that the server took of the processors, in the kernel too.";
    out.counter("process_cpu_seconds_total", help, collected.cpu_seconds);
    for (name, help, value) in [
        (
            "process_resident_memory_bytes",
            "Memory that the server has, in bytes.",
            collected.memory_bytes,
        ),
        ("process_open_fds", "Files and sockets that the server has open.", collected.open_files),
        ("process_max_fds", "How many it may have open.", collected.open_files_max),
    ] {
        if let Some(value) = value {
            out.gauge(name, help, value);
        }
    }
}

/// One sample for each reason that there is, so that each can be seen to begin at 0.
fn by_reason(
    out: &mut Exposition,
    name: &'static str,
    help: &str,
    counts: &BTreeMap<u16, u64>,
    word: fn(u16) -> &'static str,
) {
    let known = (0..CODES_END).chain([u16::MAX]).map(|code| (word(code), 0));
    let mut sums: BTreeMap<&str, u64> = known.collect();
    for (code, count) in counts {
        *sums.entry(word(*code)).or_default() += count;
    }
    let mut family = out.family(Kind::Counter, name, help);
    for (reason, count) in sums {
        family.sample(&[("reason", reason)], count);
    }
}

/// A table's name as a label is usually written.
fn label(table: &str) -> String {
    table.replace(' ', "_")
}
