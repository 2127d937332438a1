//! Reading a large history: what `pychatctl chat`, `history` and `search` ask of the daemon, without the socket.
//!
//! `cargo bench -p pychatd` with 100,000 messages and a million, of 40 people.

use divan::Bencher;
use pychat_control::{ConversationsParams, HistoryParams, Request, SearchParams, State};
use pychat_proto::{DisplayName, MessageId, SecretKey, UserName};
use pychatd::{
    core::{Core, CoreConfig, Limits, Now},
    db::{Database, Incoming, RowId},
};
use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock},
    time::Duration,
};

/// Messages in the history.
const SIZES: [usize; 2] = [100_000, 1_000_000];

const PEERS: usize = 40;

/// Texts of twelve words of these, so that each is in many.
const WORDS: [&str; 24] = [
    "harbour", "meet", "tomorrow", "the", "engine", "is", "running", "weather", "north", "wind",
    "please", "call", "when", "you", "arrive", "coffee", "ready", "report", "done", "signal",
    "lost", "again", "東京", "船",
];

fn main() {
    divan::main();
}

fn now() -> Now {
    Now { mono: pychat_proto::Instant::ZERO + Duration::from_secs(1), unix_ms: 1_800_000_000_000 }
}

/// A daemon's heart with so many messages, all in the index.
fn filled(size: usize) -> Core {
    // On a disk, as in life.
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("pychat.db");
    let mut database = Database::open(&path).expect("a new database");
    let us: UserName = "us".parse().expect("a name");
    let name = DisplayName::parse("Some Body").expect("a name");
    let mut dice: u64 = 42;
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % sides
    };
    for start in (0..size).step_by(10_000) {
        database
            .write(|tx| {
                for number in start..start + 10_000 {
                    let sender: UserName = format!("peer{}", roll(PEERS)).parse().expect("a name");
                    let words: Vec<&str> = (0..12).map(|_| WORDS[roll(WORDS.len())]).collect();
                    let mut body = words.join(" ");
                    if number % 20_000 == 7 {
                        body.push_str(" needle");
                    }
                    let mut id = [0; 16];
                    id[8..].copy_from_slice(&(number as u64).to_be_bytes());
                    tx.insert_incoming(&Incoming {
                        id: MessageId::from_bytes(id),
                        sender: &sender,
                        sender_name: &name,
                        recipient: &us,
                        body: &body,
                        sent_at: 1_700_000_000_000 + number as u64,
                        received_at: 1_700_000_000_000 + number as u64,
                        trust: None,
                    })?;
                }
                Ok(())
            })
            .expect("messages can be stored");
    }
    // All but the last ten thousand were shown.
    for place in 0..size.saturating_sub(10_000) {
        if place % 10_000 == 0 {
            let places = (place + 1)..=(place + 10_000);
            let shown = database.write(|tx| {
                for place in places {
                    tx.set_state(RowId(place as i64), State::Read)?;
                }
                Ok(())
            });
            shown.expect("messages can be read");
        }
    }
    let began = std::time::Instant::now();
    while database.write(|tx| tx.index_messages(500)).expect("an index") > 0 {}
    let each = began.elapsed().as_secs_f64() * 1e6 / size as f64;
    let bytes = database.read().bytes_used().expect("a size") >> 20;
    drop(database);
    let began = std::time::Instant::now();
    let database = Database::open(&path).expect("the database");
    let opening = began.elapsed().as_millis();
    eprintln!(
        "{size} messages: {each:.1} us each into the index; {bytes} MiB in all, opened in {opening} ms"
    );
    let config = CoreConfig {
        identity: SecretKey::from_bytes([7; 32]),
        profile: "bench".into(),
        pid: 1,
        started_at_unix_ms: 0,
        limits: Limits::default(),
    };
    // What is open stays readable, and nothing is left behind.
    directory.close().expect("our own directory");
    Core::new(database, config, [3; 32], now()).expect("a core")
}

/// The core with so many messages: made once.
fn ask(size: usize, request: &Request) -> serde_json::Value {
    static CORES: OnceLock<Mutex<HashMap<usize, Core>>> = OnceLock::new();
    let mut cores = CORES.get_or_init(Mutex::default).lock().expect("one thread");
    let core = cores.entry(size).or_insert_with(|| filled(size));
    core.handle_request(now(), 1, request.clone());
    let (_, answer) = core.poll_response().expect("an answer");
    answer.expect("a good answer")
}

fn measure(bencher: Bencher<'_, '_>, size: usize, request: &Request) {
    ask(size, request);
    bencher.bench_local(|| ask(size, request));
}

/// What `chat` asks first.
#[divan::bench(args = SIZES)]
fn conversations(bencher: Bencher<'_, '_>, size: usize) {
    let params = ConversationsParams { limit: 200, ..ConversationsParams::default() };
    measure(bencher, size, &Request::Conversations(params));
}

/// The latest hundred of one conversation.
#[divan::bench(args = SIZES)]
fn history_page(bencher: Bencher<'_, '_>, size: usize) {
    let peer = Some("peer7".to_owned());
    let params = HistoryParams { peer, limit: 100, ..HistoryParams::default() };
    measure(bencher, size, &Request::History(params));
}

fn search(bencher: Bencher<'_, '_>, size: usize, words: &str, peer: Option<&str>) {
    let params = SearchParams {
        words: words.into(),
        peer: peer.map(str::to_owned),
        limit: 50,
        ..SearchParams::default()
    };
    measure(bencher, size, &Request::Search(params));
}

/// A word that is in one of 20,000 messages.
#[divan::bench(args = SIZES)]
fn search_rare(bencher: Bencher<'_, '_>, size: usize) {
    search(bencher, size, "needle", None);
}

/// Two words that are in four of ten messages each.
#[divan::bench(args = SIZES)]
fn search_common(bencher: Bencher<'_, '_>, size: usize) {
    search(bencher, size, "harbour engine", None);
}

/// A rare word in one conversation.
#[divan::bench(args = SIZES)]
fn search_rare_of_peer(bencher: Bencher<'_, '_>, size: usize) {
    search(bencher, size, "needle", Some("peer7"));
}

/// Common words in one conversation.
#[divan::bench(args = SIZES)]
fn search_common_of_peer(bencher: Bencher<'_, '_>, size: usize) {
    search(bencher, size, "harbour engine", Some("peer7"));
}

/// A phrase of common words.
#[divan::bench(args = SIZES)]
fn search_phrase(bencher: Bencher<'_, '_>, size: usize) {
    search(bencher, size, "\"north wind please\"", None);
}

/// As somebody types.
#[divan::bench(args = SIZES)]
fn search_beginning(bencher: Bencher<'_, '_>, size: usize) {
    search(bencher, size, "h*", None);
}

/// Two characters of a script without spaces.
#[divan::bench(args = SIZES)]
fn search_unspaced(bencher: Bencher<'_, '_>, size: usize) {
    search(bencher, size, "東京", None);
}
