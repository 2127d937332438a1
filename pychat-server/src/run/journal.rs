//! Where the clients were, so that a server that was killed can tell idle ones that it is back. Without
//! it they would notice at their next keep-alive. Best effort: what it does not know costs only time.

use crate::shard::Shard;
use pychat_proto::{ConnectionId, Instant};
use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufWriter, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// The file is at most this much behind, and for each client this much more: so that writing it takes a
/// hundredth of the time, however many there are.
const WRITE_AFTER: Duration = Duration::from_secs(1);
const WRITE_AFTER_EACH: Duration = Duration::from_micros(50);
/// Clients that are told in one go, and the pause after it: 3,200 logins a second at most.
const POKES_PER_TURN: usize = 32;
const POKE_PAUSE: Duration = Duration::from_millis(10);
/// Clients that were told and are not back; so many, and no more are told until some are. So logins come as
/// fast as this machine takes them: where they wait for longer than a client does before it asks again, each
/// costs several times as much.
const POKED_MAX: usize = 128;
/// Who is not back by then is taken for gone.
const POKED_PATIENCE: Duration = Duration::from_secs(1);
/// So long after the start everybody has noticed: the pause between two signs of life, and some time.
const POKE_FOR: Duration = Duration::from_secs(30);
/// Clients that are read from the files; the rest notices by itself.
const CLIENTS_MAX: usize = 1_000_000;

/// One shard's file, and those who are still to be told.
pub(super) struct Journal {
    path: PathBuf,
    write_at: Option<Instant>,
    /// Of the clients that the file names.
    version: u64,
    to_poke: VecDeque<(ConnectionId, SocketAddr)>,
    poke_at: Instant,
    /// Once the first was told: when nobody is told any more.
    poke_until: Option<Instant>,
    pace: Pace,
}

/// How many may be told now.
#[derive(Debug)]
struct Pace {
    /// Told since `sessions` stood, at `since`.
    told: usize,
    sessions: usize,
    since: Instant,
}

impl Journal {
    /// Reads what a former server left; the first shard also reads the files of shards that are no
    /// more.
    pub(super) fn open(data: &Path, shard: u8, shards: u8) -> Self {
        let mut to_poke = VecDeque::new();
        let orphans = (shards..=u8::MAX).filter(|_| shard == 0);
        for number in std::iter::once(shard).chain(orphans) {
            let text = fs::read_to_string(file(data, number)).unwrap_or_default();
            let known = text.lines().filter_map(parse).take(CLIENTS_MAX - to_poke.len());
            to_poke.extend(known);
            if number != shard {
                // Those in it are remembered here until they are told.
                let _ = fs::remove_file(file(data, number));
            }
        }
        Self {
            path: file(data, shard),
            write_at: None,
            version: 0,
            to_poke,
            poke_at: Instant::ZERO,
            poke_until: None,
            pace: Pace::new(Instant::ZERO, 0),
        }
    }

    /// Tells the next ones, and writes the file if that is due.
    pub(super) fn work(&mut self, now: Instant, shard: &mut Shard) {
        if !self.to_poke.is_empty() && self.poke_at <= now {
            self.poke_at = now + POKE_PAUSE;
            if *self.poke_until.get_or_insert(now + POKE_FOR) <= now {
                self.to_poke.clear();
            }
            for _ in 0..self.pace.room(now, shard.sessions()) {
                let Some((connection, client)) = self.to_poke.pop_front() else { break };
                if !shard.poke(connection, client) {
                    self.to_poke.push_front((connection, client));
                    break;
                }
                self.pace.told += 1;
            }
        }
        let version = shard.clients_version();
        if version != self.version && self.write_at.is_none() {
            let clients = u32::try_from(shard.sessions()).unwrap_or(u32::MAX);
            self.write_at = Some(now + WRITE_AFTER + WRITE_AFTER_EACH * clients);
        }
        if self.write_at.is_some_and(|at| at <= now) {
            self.write_at = None;
            let untold = self.to_poke.iter().copied();
            match replace(&self.path, untold.chain(shard.clients()).map(line)) {
                Ok(()) => self.version = version,
                Err(error) => {
                    tracing::debug!(%error, path = %self.path.display(), "no journal");
                }
            }
        }
    }

    /// When there is something to do by itself.
    pub(super) fn due(&self) -> Option<Instant> {
        let poke = (!self.to_poke.is_empty()).then_some(self.poke_at);
        poke.into_iter().chain(self.write_at).min()
    }

    /// Everybody was told.
    pub(super) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Pace {
    const fn new(now: Instant, sessions: usize) -> Self {
        Self { told: 0, sessions, since: now }
    }

    /// How many may be told in this turn. Who came back without being told makes room too: there will be
    /// one less to wait for.
    fn room(&mut self, now: Instant, sessions: usize) -> usize {
        let back = sessions.saturating_sub(self.sessions);
        if back >= self.told || now.since(self.since) >= POKED_PATIENCE {
            *self = Self::new(now, sessions);
        }
        let awaited = self.told.saturating_sub(sessions.saturating_sub(self.sessions));
        POKED_MAX.saturating_sub(awaited).min(POKES_PER_TURN)
    }
}

fn file(data: &Path, shard: u8) -> PathBuf {
    data.join(format!("clients.{shard}"))
}

fn line((connection, client): (ConnectionId, SocketAddr)) -> String {
    format!("{:016x} {client}\n", connection.0)
}

/// A line of the file; a damaged one is worth nothing.
fn parse(line: &str) -> Option<(ConnectionId, SocketAddr)> {
    let (connection, client) = line.split_once(' ')?;
    Some((ConnectionId(u64::from_str_radix(connection, 16).ok()?), client.parse().ok()?))
}

/// The old file or the new one, never half of one. Not synced: after a power cut it may be gone.
fn replace(path: &Path, lines: impl Iterator<Item = String>) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = BufWriter::new(File::create(Path::new(&new))?);
    for line in lines {
        file.write_all(line.as_bytes())?;
    }
    file.flush()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_told_than_come_back_and_those_who_do_not_are_not_waited_for() {
        let at = |ms: u64| Instant::from_micros(ms * 1000);
        let mut pace = Pace::new(at(0), 0);
        for turn in 0..4 {
            assert_eq!(pace.room(at(10 * turn), 0), POKES_PER_TURN);
            pace.told += POKES_PER_TURN;
        }
        assert_eq!(pace.room(at(50), 0), 0);
        assert_eq!(pace.room(at(60), 5), 5);
        pace.told += 5;
        assert_eq!(pace.room(at(70), 5), 0);
        assert_eq!(pace.room(at(80), 200), POKES_PER_TURN, "others came by themselves");
        pace.told += POKED_MAX;
        assert_eq!(pace.room(at(1079), 200), 0);
        assert_eq!(pace.room(at(1080), 200), POKES_PER_TURN);
    }

    #[test]
    fn what_one_server_wrote_the_next_one_reads_whatever_its_number_of_shards() {
        let data = tempfile::tempdir().unwrap();
        let a = (ConnectionId(1), "192.0.2.1:7".parse().unwrap());
        let b = (ConnectionId(0x0300_0000_0000_0002), "[2001:db8::1]:9".parse().unwrap());
        fs::write(file(data.path(), 0), line(a)).unwrap();
        fs::write(file(data.path(), 3), format!("damaged\n{}zz 1\n", line(b))).unwrap();
        assert_eq!(Journal::open(data.path(), 1, 2).to_poke, []);
        assert_eq!(Journal::open(data.path(), 0, 2).to_poke, [a, b]);
        assert_eq!(Journal::open(data.path(), 0, 2).to_poke, [a], "the orphan is taken over");
    }
}
