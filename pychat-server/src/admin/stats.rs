//! How the server is: what all threads count, put together.

use super::api::Stats;
use crate::{
    committer::CommitStats,
    run::{NoAnswer, Reins, Visited},
    shard::ShardStats,
    store::StoreSize,
};
use pychat_proto::{CloseCode, EndpointStats, Fill, Holder, RefuseCode};
use std::collections::BTreeMap;

/// What was collected.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Collected {
    /// Confirmed sessions of each shard.
    pub(crate) sessions: Vec<u64>,
    pub(crate) drained: bool,
    pub(crate) relay: ShardStats,
    pub(crate) wire: EndpointStats,
    /// Datagrams that were handed from shard to shard and found no room.
    pub(crate) not_handed_over: u64,
    /// Strangers' datagrams that found no room.
    pub(crate) strangers_forgotten: u64,
    /// Tables of each shard.
    pub(crate) tables: Vec<Vec<Fill>>,
    /// Of each table that every session has, the fullest one.
    pub(crate) session_tables: BTreeMap<&'static str, Fill>,
    /// Jobs that the committer has not answered.
    pub(crate) jobs_under_way: u64,
    pub(crate) commits: CommitStats,
    /// `None` while the store cannot tell.
    pub(crate) store: Option<StoreSize>,
    /// Resident, where that is known.
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) open_files: Option<u64>,
    /// How many the system lets it open.
    pub(crate) open_files_max: Option<u64>,
    /// What it took of the processors.
    pub(crate) cpu_seconds: f64,
}

/// What one shard says.
struct OfShard {
    sessions: u64,
    drained: bool,
    relay: ShardStats,
    wire: EndpointStats,
    not_handed_over: u64,
    strangers_forgotten: u64,
    tables: Vec<Fill>,
    session_tables: BTreeMap<&'static str, Fill>,
    jobs_under_way: u64,
}

impl OfShard {
    fn of(visited: &Visited<'_>) -> Self {
        let (mut tables, mut session_tables) = (visited.strangers.to_vec(), BTreeMap::new());
        visited.shard.fills(|fill| match fill.holder {
            Holder::Everybody => tables.push(fill),
            Holder::Session => keep_fullest(&mut session_tables, fill),
            Holder::Follower => {}
        });
        Self {
            sessions: visited.shard.sessions() as u64,
            drained: visited.shard.is_drained(),
            relay: visited.shard.counters().clone(),
            wire: visited.shard.stats(),
            not_handed_over: visited.not_handed_over,
            strangers_forgotten: visited.strangers_forgotten,
            tables,
            session_tables,
            jobs_under_way: visited.shard.jobs_under_way() as u64,
        }
    }
}

/// Asks all threads.
pub(crate) async fn collect(reins: &Reins) -> Result<Collected, NoAnswer> {
    let shards = reins.each_shard(|visited| OfShard::of(visited));
    let mut all = Collected::default();
    for shard in shards.await? {
        all.sessions.push(shard.sessions);
        all.drained |= shard.drained;
        all.relay.add(&shard.relay);
        add(&mut all.wire, &shard.wire);
        all.not_handed_over += shard.not_handed_over;
        all.strangers_forgotten += shard.strangers_forgotten;
        all.tables.push(shard.tables);
        for fill in shard.session_tables.into_values() {
            keep_fullest(&mut all.session_tables, fill);
        }
        all.jobs_under_way += shard.jobs_under_way;
    }
    let asked = reins.committer(|it| (it.stats().clone(), it.store().size().ok()));
    (all.commits, all.store) = asked.await?;
    all.memory_bytes = memory_bytes();
    all.open_files = open_files();
    all.open_files_max = open_files_max();
    all.cpu_seconds = cpu_seconds();
    Ok(all)
}

impl Collected {
    /// As the operator reads it; when it started and under which link is for the caller to say.
    pub(super) fn told(self) -> Stats {
        let Self { relay, wire, commits, .. } = &self;
        let count = |pairs: [(&str, u64); 3]| {
            pairs.into_iter().map(|(what, count)| (what.to_owned(), count)).collect()
        };
        let commit_ms = match commits.commits() {
            0 => 0.0,
            commits_so_far => commits.seconds * 1e3 / commits_so_far as f64,
        };
        Stats {
            version: env!("CARGO_PKG_VERSION").into(),
            sessions: self.sessions.iter().sum(),
            drained: self.drained,
            accounts: self.store.map_or(0, |store| store.accounts),
            messages: count([
                ("accepted", relay.accepted),
                ("delivered", relay.delivered),
                ("written", relay.written),
            ]),
            refused_messages: named(&relay.refused_messages, refusal),
            logins: relay.logins,
            refused_logins: named(&relay.refused_logins, goodbye),
            datagrams: count([
                ("in", wire.datagrams_in),
                ("out", wire.datagrams_out),
                ("dropped", wire.dropped),
            ]),
            packets_lost: wire.lost,
            records_retransmitted: wire.retransmitted,
            commits: commits.commits(),
            commit_ms,
            store_fails: commits.is_failing || self.store.is_none(),
            store_bytes: self.store.map_or(0, |store| store.bytes),
            memory_bytes: self.memory_bytes,
            ..Stats::default()
        }
    }
}

fn keep_fullest(tables: &mut BTreeMap<&'static str, Fill>, fill: Fill) {
    let kept = tables.entry(fill.table).or_insert(fill);
    kept.used = kept.used.max(fill.used);
}

fn named(counts: &BTreeMap<u16, u64>, name: fn(u16) -> &'static str) -> BTreeMap<String, u64> {
    counts.iter().map(|(code, count)| (name(*code).to_owned(), *count)).collect()
}

/// A word for why a session ended or a login was refused.
pub(crate) const fn goodbye(code: u16) -> &'static str {
    match CloseCode::from_code(code) {
        CloseCode::Bye => "bye",
        CloseCode::Restarting => "restarting",
        CloseCode::Idle => "idle",
        CloseCode::Replaced => "replaced",
        CloseCode::Protocol => "protocol",
        CloseCode::NameTaken => "name_taken",
        CloseCode::NotPermitted => "not_permitted",
        CloseCode::Busy => "busy",
        CloseCode::ServerFault => "server_fault",
        CloseCode::BadLogin => "bad_login",
        CloseCode::Unknown(_) => "unknown",
    }
}

/// A word for why a message was refused.
pub(crate) const fn refusal(code: u16) -> &'static str {
    match RefuseCode::from_code(code) {
        RefuseCode::NoSuchUser => "no_such_user",
        RefuseCode::MailboxFull => "mailbox_full",
        RefuseCode::Malformed => "malformed",
        RefuseCode::NotPermitted => "not_permitted",
        RefuseCode::Unknown(_) => "unknown",
    }
}

fn add(sum: &mut EndpointStats, shard: &EndpointStats) {
    let EndpointStats {
        datagrams_in,
        datagrams_out,
        dropped,
        opened,
        retries,
        lost,
        retransmitted,
        resets,
    } = shard;
    for (ours, theirs) in [
        (&mut sum.datagrams_in, datagrams_in),
        (&mut sum.datagrams_out, datagrams_out),
        (&mut sum.dropped, dropped),
        (&mut sum.opened, opened),
        (&mut sum.retries, retries),
        (&mut sum.lost, lost),
        (&mut sum.retransmitted, retransmitted),
        (&mut sum.resets, resets),
    ] {
        *ours += theirs;
    }
}

/// Resident memory as Linux tells it.
fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Open file descriptors as Linux tells it.
fn open_files() -> Option<u64> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

/// The system's limit to them, where it has one.
#[cfg(unix)]
fn open_files_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
const fn open_files_max() -> Option<u64> {
    None
}

/// Of all threads, in the program and in the kernel.
#[cfg(unix)]
fn cpu_seconds() -> f64 {
    let taken = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    taken.tv_sec as f64 + taken.tv_nsec as f64 / 1e9
}

#[cfg(windows)]
fn cpu_seconds() -> f64 {
    pychat_windows::Process::own_cpu_time().map_or(0.0, |taken| taken.as_secs_f64())
}
