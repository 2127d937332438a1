//! Facts about one connection, over a pipe in memory and with a clock that jumps.

use super::*;
use crate::{
    control::{
        fake_core::{Asked, FakeCore, kept},
        outgoing::STALL_MAX,
        subscription::PAGE_LEN,
    },
    handle::EVENT_QUEUE_LEN,
};
use pychat_control::{Event, EventKind, LINE_BYTES_MAX, Link};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf},
    task::JoinHandle,
};

/// A client of a connection.
struct Peer {
    core: FakeCore,
    lines: BufReader<ReadHalf<DuplexStream>>,
    to_daemon: WriteHalf<DuplexStream>,
    connection: JoinHandle<()>,
    closing: watch::Sender<bool>,
}

impl Peer {
    fn strange() -> Self {
        Self::with_buffer(64 * 1024)
    }

    fn with_buffer(bytes: usize) -> Self {
        let core = FakeCore::start();
        let (ours, theirs) = tokio::io::duplex(bytes);
        let about = About { version: "1.2.3", pid: 42, profile: "default".into() };
        let (closing, closed) = watch::channel(false);
        let connection =
            tokio::spawn(converse(theirs, core.handle.clone(), Arc::new(about), closed));
        let (reader, to_daemon) = tokio::io::split(ours);
        Self { core, lines: BufReader::new(reader), to_daemon, connection, closing }
    }

    async fn greeted() -> Self {
        let mut peer = Self::strange();
        let answer = peer.ask("hello", hello(1, 1)).await;
        assert_eq!(answer["result"]["protocol"], 1);
        peer
    }

    async fn write(&mut self, line: &str) {
        self.to_daemon.write_all(line.as_bytes()).await.unwrap();
    }

    async fn call(&mut self, id: u64, method: &str, params: Value) {
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.write(&format!("{call}\n")).await;
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.call(0, method, params).await;
        self.line().await
    }

    async fn asked(&mut self) -> Asked {
        self.core.asked.recv().await.expect("the core runs")
    }

    async fn line(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).await.unwrap();
        assert!(!line.is_empty(), "the connection ended");
        serde_json::from_str(&line).unwrap()
    }

    async fn cursor_of_event(&mut self) -> u64 {
        let line = self.line().await;
        assert_eq!(line["method"], "event", "{line}");
        line["params"]["cursor"].as_u64().unwrap()
    }

    /// Everything that is left to read, once the connection ended.
    async fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).await.unwrap();
        rest
    }
}

fn hello(min: u32, max: u32) -> Value {
    json!({ "client": "test", "version": "0", "protocol_min": min, "protocol_max": max })
}

fn respond(asked: Asked, result: Value) -> Request {
    asked.1.send(Ok(result)).expect("the connection waits");
    asked.0
}

#[tokio::test(start_paused = true)]
async fn hello_says_who_answers() {
    let mut peer = Peer::strange();
    let answer = peer.ask("hello", hello(1, 7)).await;
    let expected = json!({ "version": "1.2.3", "protocol": 1, "pid": 42, "profile": "default" });
    assert_eq!(answer["result"], expected);
}

#[tokio::test(start_paused = true)]
async fn only_status_and_shutdown_need_no_hello() {
    let mut peer = Peer::strange();
    assert_eq!(peer.ask("unread", json!({})).await["error"]["code"], 2);
    assert_eq!(peer.ask("subscribe", json!({})).await["error"]["code"], 2);
    for (method, request) in [("status", Request::Status {}), ("shutdown", Request::Shutdown {})] {
        peer.call(5, method, json!({})).await;
        let asked = peer.asked().await;
        assert_eq!(respond(asked, json!({ "x": 1 })), request);
        assert_eq!(peer.line().await, json!({ "jsonrpc": "2.0", "id": 5, "result": { "x": 1 } }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_of_another_version_is_told_so_and_can_still_end_the_daemon() {
    for (min, max) in [(2, 9), (0, 0)] {
        let mut peer = Peer::strange();
        let error = &peer.ask("hello", hello(min, max)).await["error"];
        assert_eq!(error["code"], 9);
        assert_eq!(error["data"]["name"], "version_mismatch");
        peer.call(1, "shutdown", json!({})).await;
        let asked = peer.asked().await;
        assert_eq!(respond(asked, json!({})), Request::Shutdown {});
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_dawdles_over_hello_is_cut_at_the_deadline() {
    let begin = Instant::now();
    let mut silent = Peer::strange();
    assert_eq!(silent.rest().await, "");
    assert_eq!(begin.elapsed().as_secs(), HELLO_TIMEOUT.as_secs());

    let begin = Instant::now();
    let mut slow = Peer::strange();
    let trickle = async {
        while slow.to_daemon.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = trickle => {}
        ended = slow.connection => ended.unwrap(),
    }
    assert_eq!(begin.elapsed().as_secs(), HELLO_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_greeted_client_may_be_silent_for_days() {
    let mut peer = Peer::greeted().await;
    tokio::time::sleep(Duration::from_secs(3 * 86_400)).await;
    peer.call(1, "unread", json!({})).await;
    let asked = peer.asked().await;
    respond(asked, json!({}));
    assert_eq!(peer.line().await["id"], 1);
}

#[tokio::test(start_paused = true)]
async fn lines_that_are_no_request_are_answered_and_the_connection_goes_on() {
    let mut peer = Peer::greeted().await;
    peer.write("{\n").await;
    assert_eq!(peer.line().await["error"]["code"], -32700);
    peer.write("{\"jsonrpc\":\"2.0\",\"method\":\"tea\"}\n").await;
    assert_eq!(peer.ask("tea", json!({})).await["error"]["code"], -32601);
}

#[tokio::test(start_paused = true)]
async fn an_endless_line_is_told_and_ends_the_connection() {
    let mut peer = Peer::greeted().await;
    let endless = "x".repeat(LINE_BYTES_MAX + 1);
    // The connection ends before it took every byte.
    let _ = peer.to_daemon.write_all(endless.as_bytes()).await;
    assert_eq!(peer.line().await["error"]["code"], -32600);
    assert_eq!(peer.rest().await, "");
}

#[tokio::test(start_paused = true)]
async fn requests_reach_the_core_in_order_and_answers_may_overtake() {
    let mut peer = Peer::greeted().await;
    for id in 1..=3 {
        peer.call(id, "trace", json!({ "id": id.to_string() })).await;
    }
    let mut asked = Vec::new();
    for id in 1..=3_u64 {
        let question = peer.asked().await;
        assert_eq!(question.0, Request::Trace { id: id.to_string() });
        asked.push(question);
    }
    for id in [3, 2, 1] {
        respond(asked.pop().unwrap(), json!({}));
        assert_eq!(peer.line().await["id"], id);
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_bound_of_requests_in_flight_no_more_are_read() {
    let mut peer = Peer::greeted().await;
    for id in 0..=IN_FLIGHT_MAX as u64 {
        peer.call(id, "unread", json!({})).await;
    }
    let mut asked = Vec::new();
    for _ in 0..IN_FLIGHT_MAX {
        asked.push(peer.asked().await);
    }
    // With a jumping clock, this waits until nothing else can happen.
    let beyond = tokio::time::timeout(Duration::from_secs(1), peer.core.asked.recv()).await;
    assert!(beyond.is_err(), "one more was read");
    respond(asked.pop().unwrap(), json!({}));
    peer.asked().await;
}

#[tokio::test(start_paused = true)]
async fn a_notification_is_obeyed_and_never_answered() {
    let mut peer = Peer::greeted().await;
    peer.write("{\"jsonrpc\":\"2.0\",\"method\":\"disconnect\"}\n").await;
    let asked = peer.asked().await;
    assert_eq!(respond(asked, json!({})), Request::Disconnect {});
    peer.call(9, "unread", json!({})).await;
    let asked = peer.asked().await;
    respond(asked, json!({}));
    assert_eq!(peer.line().await["id"], 9);
}

#[tokio::test(start_paused = true)]
async fn a_list_too_long_for_a_line_is_asked_for_again_at_half_the_length() {
    let mut peer = Peer::greeted().await;
    peer.call(1, "inbox", json!({ "limit": 5, "from": "bob" })).await;
    for limit in [5, 2] {
        let asked = peer.asked().await;
        let Request::Inbox(params) = respond(asked, json!("x".repeat(LINE_BYTES_MAX))) else {
            panic!("not the inbox");
        };
        assert_eq!((params.limit, params.from.as_deref()), (limit, Some("bob")));
    }
    let asked = peer.asked().await;
    respond(asked, json!("fits"));
    assert_eq!(peer.line().await["result"], "fits");

    peer.call(2, "history", json!({ "limit": 1 })).await;
    let asked = peer.asked().await;
    respond(asked, json!("x".repeat(LINE_BYTES_MAX)));
    assert_eq!(peer.line().await["error"]["code"], 8);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closed_its_side_still_gets_its_answers() {
    let mut peer = Peer::greeted().await;
    peer.call(1, "unread", json!({})).await;
    peer.to_daemon.shutdown().await.unwrap();
    let asked = peer.asked().await;
    respond(asked, json!({}));
    assert_eq!(peer.line().await["id"], 1);
    assert_eq!(peer.rest().await, "");
}

#[tokio::test(start_paused = true)]
async fn a_request_of_a_client_that_is_gone_holds_the_connection_for_a_bounded_time() {
    let mut peer = Peer::greeted().await;
    peer.call(1, "unread", json!({})).await;
    let _asked = peer.asked().await;
    let begin = Instant::now();
    peer.to_daemon.shutdown().await.unwrap();
    peer.connection.await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), END_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_closing_server_ends_the_connection_after_its_answers() {
    let mut peer = Peer::greeted().await;
    peer.call(1, "shutdown", json!({})).await;
    let asked = peer.asked().await;
    peer.closing.send_replace(true);
    respond(asked, json!({}));
    assert_eq!(peer.line().await["id"], 1);
    assert_eq!(peer.rest().await, "");
    peer.connection.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_core_that_ended_is_told() {
    let mut peer = Peer::greeted().await;
    peer.call(1, "unread", json!({})).await;
    drop(peer.asked().await);
    assert_eq!(peer.line().await["error"]["code"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_gets_what_is_kept_then_what_happens_each_once() {
    let mut peer = Peer::greeted().await;
    let backlog = 2 * PAGE_LEN as u64 + 3;
    peer.core.publish_kept(1..=backlog).await;
    let answer = peer.ask("subscribe", json!({ "after": 2 })).await;
    assert_eq!(answer["result"], json!({ "cursor": 2 }));
    for cursor in 3..=backlog {
        assert_eq!(peer.cursor_of_event().await, cursor);
    }
    peer.core.publish_kept(backlog + 1..=backlog + 1).await;
    assert_eq!(peer.cursor_of_event().await, backlog + 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_cursor_events_follow_from_now_on() {
    let mut peer = Peer::greeted().await;
    peer.core.publish_kept(1..=3).await;
    assert_eq!(peer.ask("subscribe", json!({})).await["result"]["cursor"], 3);
    let what = EventKind::Connection { state: Link::Connected };
    peer.core.publish(Event { cursor: None, what, ..kept(0) }).await;
    peer.core.publish_kept(4..=4).await;
    assert_eq!(peer.line().await["params"]["state"], "connected");
    assert_eq!(peer.cursor_of_event().await, 4);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_is_ahead_is_refused_and_a_second_subscription_too() {
    let mut peer = Peer::greeted().await;
    peer.core.publish_kept(1..=3).await;
    assert_eq!(peer.ask("subscribe", json!({ "after": 4 })).await["error"]["code"], 2);
    assert_eq!(peer.ask("subscribe", json!({ "after": 3 })).await["result"]["cursor"], 3);
    assert_eq!(peer.ask("subscribe", json!({})).await["error"]["code"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_from_before_what_is_kept_is_refused_and_zero_means_all_that_is() {
    let mut peer = Peer::greeted().await;
    peer.core.publish_kept(10..=12).await;
    assert_eq!(peer.ask("subscribe", json!({ "after": 3 })).await["error"]["code"], 8);
    assert_eq!(peer.ask("subscribe", json!({ "after": 0 })).await["result"]["cursor"], 0);
    for cursor in 10..=12 {
        assert_eq!(peer.cursor_of_event().await, cursor);
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_lags_is_cut_off_with_its_cursor_and_resumes_without_a_gap() {
    let mut peer = Peer::greeted().await;
    assert_eq!(peer.ask("subscribe", json!({})).await["result"]["cursor"], 0);
    // Enough that the pipe, the lines in the queue and the live events are full.
    let last = EVENT_QUEUE_LEN as u64 * 2;
    peer.core.publish_kept(1..=last).await;
    let mut cursor = 0;
    loop {
        let line = peer.line().await;
        if line["method"] == "cut_off" {
            assert_eq!(line["params"]["cursor"], cursor);
            break;
        }
        cursor += 1;
        assert_eq!(line["params"]["cursor"], cursor);
    }
    assert!(cursor < last);
    let answer = peer.ask("subscribe", json!({ "after": cursor })).await;
    assert_eq!(answer["result"]["cursor"], cursor);
    for cursor in cursor + 1..=last {
        assert_eq!(peer.cursor_of_event().await, cursor);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_cut_at_the_deadline() {
    let mut peer = Peer::with_buffer(64);
    let begin = Instant::now();
    peer.call(0, "hello", hello(1, 1)).await;
    peer.connection.await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), STALL_MAX.as_secs());
}
