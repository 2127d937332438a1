//! A server with several nodes: where they are is kept, looked up, and told.

use super::world::{World, connect, server_address};
use crate::core::{Action, Sockets};
use pychat_control::{ConnectParams, Connected, Diagnosis, Empty, Link, Request};
use pychat_proto::{
    ClientEvent, Place, PublicKey,
    chat::{self, NODES_MAX, Note},
};

fn places(texts: &[&str]) -> Vec<Place> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Alice, who came by a link with the server's key and these hosts.
fn connected(hosts: &str) -> World {
    let mut world = World::new(1);
    let server = Some(format!("pychat://{hosts}:7420#{}", world.server.key));
    let params = ConnectParams { server, timeout_ms: 60_000, ..connect("alice") };
    world.request::<Connected>(0, Request::Connect(params)).unwrap();
    world
}

/// The server says where its nodes are.
fn tell(world: &mut World, nodes: Vec<Place>) {
    let payload = chat::encode(&Note::Nodes { nodes });
    world.daemons[0].core.take_client_event(ClientEvent::Note { payload });
    world.until("it is settled", |_| true);
}

#[test]
fn all_hosts_of_a_link_are_looked_up_and_the_one_that_answers_is_used() {
    let mut world = connected("gone,server,nowhere");
    let asked = world.daemons[0].looked_up[0].clone();
    assert_eq!(asked, places(&["gone", "server", "nowhere"]));
    let status = world.status(0);
    let key = world.server.key;
    assert_eq!(status.server, Some(format!("pychat://gone,server,nowhere:7420#{key}")));
    assert_eq!((status.node.as_deref(), status.nodes), (Some("server:7420"), 2));
    let diagnosis: Diagnosis = world.request(0, Request::Diagnose {}).unwrap();
    assert_eq!(diagnosis.host.as_deref(), Some("gone, server, nowhere"));
    assert_eq!((diagnosis.node.as_deref(), diagnosis.nodes), (Some("server:7420"), 2));
}

#[test]
fn with_one_host_nothing_is_told_of_nodes() {
    let mut world = World::connected(1);
    let status = world.status(0);
    assert_eq!((status.node, status.nodes), (None, 0));
}

#[test]
fn what_the_server_told_is_on_disk_and_is_looked_up_behind_the_links_hosts() {
    let mut world = connected("server");
    let before = world.daemons[0].resolves;
    tell(&mut world, places(&["server", "b", "c:7421"]));
    assert_eq!(world.daemons[0].resolves, before + 1);
    let all = places(&["server", "b", "c:7421"]);
    assert_eq!(world.daemons[0].looked_up.last(), Some(&all));
    assert_eq!(world.status(0).nodes, 3);
    tell(&mut world, all.clone());
    assert_eq!(world.daemons[0].resolves, before + 1, "no news");
    world.restart(0);
    world.link(0, Link::Connected);
    assert_eq!(world.daemons[0].looked_up[0], all);
    tell(&mut world, Vec::new());
    assert_eq!(world.daemons[0].looked_up.last(), Some(&places(&["server"])));
}

#[test]
fn a_session_keeps_its_sockets_when_nodes_are_told() {
    let mut world = connected("server");
    world.daemons[0].core.take_nodes(places(&["b"]));
    let action = world.daemons[0].core.poll_action();
    let kept = |action: Option<Action>| {
        matches!(action, Some(Action::Resolve { sockets: Sockets::Kept, .. }))
    };
    assert!(kept(action));
}

#[test]
fn so_many_nodes_are_kept_and_no_more() {
    let mut world = connected("server");
    let told = |count: usize| (0..count).map(|n| format!("n{n}").parse().unwrap()).collect();
    for count in [NODES_MAX, NODES_MAX + 1] {
        tell(&mut world, told(count));
        assert_eq!(world.daemons[0].core.stored.settings.nodes.len(), NODES_MAX);
    }
}

#[test]
fn what_a_server_told_says_nothing_of_one_with_another_key() {
    let mut world = connected("server");
    tell(&mut world, places(&["b", "c"]));
    world.request::<Empty>(0, Request::Disconnect {}).unwrap();
    let other = PublicKey([7; 32]);
    let server = Some(format!("pychat://elsewhere#{other}"));
    let params = ConnectParams { server, timeout_ms: 1_000, ..connect("alice") };
    world.request::<Connected>(0, Request::Connect(params)).unwrap_err();
    assert_eq!(world.daemons[0].core.stored.settings.nodes, []);
    assert_eq!(world.daemons[0].looked_up.last(), Some(&places(&["elsewhere"])));
}

#[test]
fn another_host_of_the_same_link_is_the_same_server() {
    let mut world = connected("gone,server");
    let first_contact = ConnectParams {
        server: Some("pychat://server,gone:7420".into()),
        timeout_ms: 60_000,
        ..connect("alice")
    };
    let connected = world.request::<Connected>(0, Request::Connect(first_contact)).unwrap();
    assert!(!connected.first_contact, "its key is known");
    let stranger = PublicKey([7; 32]);
    let server = Some(format!("pychat://other,gone:7420#{stranger}"));
    let params = ConnectParams { server, ..connect("alice") };
    let failure = world.request::<Connected>(0, Request::Connect(params)).unwrap_err();
    assert_eq!(failure.code, pychat_control::ErrorCode::KeyChanged, "{failure}");
}

#[test]
fn bad_links_say_what_is_wrong_and_what_to_do() {
    let mut world = World::new(1);
    let nine = (0..9).map(|n| format!("h{n}")).collect::<Vec<_>>().join(",");
    for (link, word) in [
        ("pychat://a,,b", "a host is missing beside a comma"),
        ("pychat://a,b,a", "names a:7420 twice; leave one out"),
        (nine.as_str(), "at most 8 can be named; leave some out"),
        ("pychat://a,b:99999", "\"99999\" is not a port"),
        ("pychat://a,b c", "\"b c\" is not a host name"),
    ] {
        let params = ConnectParams { server: Some(link.into()), ..connect("alice") };
        let failure = world.request::<Connected>(0, Request::Connect(params)).unwrap_err();
        assert!(failure.message.contains(word), "{link}: {failure}");
    }
}

#[test]
fn a_silent_node_is_asked_after_where_there_are_others() {
    let mut world = connected("server,gone");
    world.online = false;
    world.queue(0, "alice", "hello");
    world.until("the question", |world| !world.daemons[0].asked_refusal.is_empty());
    assert_eq!(world.daemons[0].asked_refusal[0], server_address());
    let now = world.now;
    world.daemons[0].core.handle_refused(now, server_address());
    world.online = true;
    world.until("the text", |world| world.stored_texts() == ["hello"]);
}
