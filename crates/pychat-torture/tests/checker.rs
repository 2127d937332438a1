//! The checker as a program: what it is told, what it says, how it ends.

use serde_json::{Value, json};
use std::{
    fs,
    process::{Command, Output},
};

/// Runs it on what was sent and what arrived, as numbers from alice to bob.
fn check(sent: &[u32], arrived: &[u32], more: &[&str]) -> Output {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let text = |number: &u32| format!("text {number}");
    let sent = sent.iter().map(|number| {
        let key = format!("key {number}");
        json!({"at_ms": number, "from": "alice", "to": "bob", "key": key, "id": "A", "text": text(number)})
    });
    let arrived = arrived
        .iter()
        .map(|number| json!({"from": "alice", "to": "bob", "id": "A", "text": text(number)}));
    let lines = |records: Vec<Value>| -> String {
        records.into_iter().map(|record| format!("{record}\n")).collect()
    };
    let files = ["sent.jsonl", "arrived.jsonl"].map(|name| directory.path().join(name));
    fs::write(&files[0], lines(sent.collect())).expect("a file can be written");
    fs::write(&files[1], lines(arrived.collect())).expect("a file can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pychat-torture-check"));
    command.args(&files).args(more).output().expect("the checker can be started")
}

fn verdict(sent: &[u32], arrived: &[u32]) -> (Option<i32>, String) {
    let output = check(sent, arrived, &[]);
    (output.status.code(), String::from_utf8(output.stdout).expect("it writes text"))
}

#[test]
fn it_ends_with_0_where_all_is_well() {
    let (code, text) = verdict(&[1, 2, 3], &[1, 2, 3]);
    assert_eq!(code, Some(0));
    assert_eq!(text, "sent 3, delivered 3, lost 0, doubled 0, out of order 0, invented 0\n");
}

#[test]
fn it_ends_with_1_and_names_the_text_for_each_kind_of_fault() {
    let faults: [(&[u32], &str, &str); 4] = [
        (&[1, 3], "lost 1,", "lost: alice to bob, id A, key key 2: \"text 2\""),
        (&[1, 2, 2, 3], "doubled 1,", "doubled: alice to bob, id A, key key 2: \"text 2\""),
        (&[1, 3, 2], "out of order 1,", "out of order: alice to bob, id A, key key 2: \"text 2\""),
        (&[1, 2, 3, 4], "invented 1", "invented: alice to bob, id A, key : \"text 4\""),
    ];
    for (arrived, figure, line) in faults {
        let (code, text) = verdict(&[1, 2, 3], arrived);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(figure) && text.contains(line), "{text}");
    }
}

#[test]
fn it_ends_with_2_where_it_cannot_tell() {
    assert_eq!(verdict(&[1, 1], &[1]).0, Some(2));
    let output = check(&[1], &[1], &["--nonsense"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn it_says_the_same_as_json() {
    let output = check(&[1, 2], &[2], &["--json"]);
    let verdict: Value = serde_json::from_slice(&output.stdout).expect("it writes JSON");
    assert_eq!((&verdict["sent"], &verdict["delivered"]), (&json!(2), &json!(1)));
    assert_eq!(verdict["lost"][0]["begins"], "text 1");
}
