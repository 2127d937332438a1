//! Which crate may know which: dependencies point one way, as docs/ARCHITECTURE.md draws it.
//!
//! Dev-dependencies are exempt; build dependencies and those of other platforms are not.

mod graph;
mod rules;

use graph::Graph;

#[test]
fn dependencies_of_the_workspace_point_one_way() {
    let graph = Graph::of_this_workspace();
    assert_eq!(rules::violations(&graph), Vec::<String>::new());
}

#[test]
fn every_crate_of_the_workspace_is_seen() {
    let graph = Graph::of_this_workspace();
    let ours: Vec<&str> = graph.ours().collect();
    for name in
        ["pychat-control", "pychat-proto", "pychat-server", "pychat-udp", "pychatctl", "pychatd"]
    {
        assert!(ours.contains(&name), "{name} is missing from {ours:?}");
    }
    assert!(
        graph.reaches("pychat-udp", "tokio"),
        "the graph knows the dependencies of others' crates"
    );
}
