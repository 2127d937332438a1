//! Several nodes on one cluster: whose a mailbox is, and what becomes of whoever is late.

use super::{JetStream, Nats, OnNats};
use crate::store::{
    Answer,
    Appended::{Elsewhere, Stored},
    MailboxStore, Node,
    contract::words::{
        ALL, LAPTOP, ROOMY, append, bodies, claim, entries, page, placed, position, raise, receipt,
        reserve, safe_text, store_one, take, text, trim, user,
    },
    jetstream::LiveNodes,
};
use pychat_proto::Cursor;
use pychat_testkit::harness::nats::{NatsCluster, Sync};

struct Nodes {
    // Before the cluster, which is to outlive what speaks to it.
    ann: JetStream<Nats>,
    bob: JetStream<Nats>,
    _cluster: NatsCluster,
}

impl Nodes {
    /// Two nodes that know of each other; bob's mailbox is bob's node's.
    fn new() -> Self {
        let cluster = NatsCluster::start(1, Sync::Sometimes);
        let live = LiveNodes::default();
        let open = || OnNats::open(&cluster, ROOMY).with_live(live.clone());
        let (ann, mut bob) = (open(), open());
        for node in [ann.node, bob.node] {
            live.set(Node(node), true);
        }
        bob.commit(&[claim("ann"), claim("bob"), take("bob", 0)]).unwrap();
        Self { ann, bob, _cluster: cluster }
    }
}

#[test]
fn an_entry_for_a_mailbox_of_another_node_is_that_ones_to_write() {
    let mut nodes = Nodes::new();
    let Nodes { ann, bob, .. } = &mut nodes;
    let owner = Elsewhere(Node(bob.node));
    assert_eq!(append(ann, &[text("ann", 1, "bob", b"1"), receipt("bob", b"r")]), [owner; 2]);
    store_one(bob, text("ann", 1, "bob", b"1"));
    assert_eq!(entries(ann, "bob").len(), 1);
    assert_eq!(position(ann, "ann", LAPTOP), 1);
}

#[test]
fn who_takes_a_mailbox_has_it_and_whoever_had_it_is_told_so() {
    let mut nodes = Nodes::new();
    let Nodes { ann, bob, .. } = &mut nodes;
    let first = store_one(bob, text("ann", 1, "bob", b"1"));
    let answers = bob.commit(&[reserve("bob", first + 50)]).unwrap();
    let [Answer::Reserved(Cursor(reserved))] = answers[..] else { panic!("{answers:?}") };

    let taken = |answers: Vec<Answer>| match answers[..] {
        [Answer::Taken(number)] => number,
        _ => panic!("{answers:?}"),
    };
    let before = taken(bob.commit(&[take("bob", 0)]).unwrap());
    assert!(taken(ann.commit(&[take("bob", 0)]).unwrap()) > before);
    // What the first handed out is never handed out again, and it may write none of it any more.
    let late = [placed("ann", 2, "bob", first + 1, b"2"), receipt("bob", b"r")];
    assert_eq!(append(bob, &late), [Elsewhere(Node(ann.node)); 2]);
    assert!(store_one(ann, text("ann", 2, "bob", b"2")) > reserved);
    bob.commit(&[raise("bob", u64::MAX), trim("bob", u64::MAX)]).unwrap();
    let answers = bob.commit(&[reserve("bob", u64::MAX >> 2)]).unwrap();
    assert_eq!(answers, [Answer::Reserved(Cursor::NONE)]);
    assert_eq!(bodies(&page(ann, "bob", 0, ALL)), [b"1", b"2"]);
    assert_eq!(bodies(&page(bob, "bob", 0, ALL)), [b"1", b"2"]);
}

#[test]
fn a_mailbox_of_a_node_that_is_gone_is_taken_over_by_whoever_writes() {
    let mut nodes = Nodes::new();
    let Nodes { ann, bob, .. } = &mut nodes;
    let first = store_one(bob, text("ann", 1, "bob", b"1"));
    ann.live.set(Node(bob.node), false);
    let second = store_one(ann, text("ann", 2, "bob", b"2"));
    assert!(second > first);
    // The other one was only slow; it is told where the mailbox is now.
    let late = text("ann", 3, "bob", b"3");
    assert_eq!(append(bob, std::slice::from_ref(&late)), [Elsewhere(Node(ann.node))]);
    // Nobody takes back what its user did not come for.
    assert!(matches!(append(ann, &[late])[..], [Stored { .. }]));
    assert_eq!(bodies(&page(ann, "bob", 0, ALL)), [b"1", b"2", b"3"]);
}

#[test]
fn names_keys_and_bans_are_the_same_everywhere() {
    use crate::store::{Account, Claimed, Command, contract::words::account};
    let mut nodes = Nodes::new();
    let Nodes { ann, bob, .. } = &mut nodes;
    let mine = account("zoe", 1, "Zoë", 1);
    let theirs = Account { key: pychat_proto::PublicKey([2; 32]), ..mine.clone() };
    assert_eq!(ann.commit(&[Command::Claim(mine)]).unwrap(), [Answer::Claim(Claimed::New)]);
    assert_eq!(bob.commit(&[Command::Claim(theirs)]).unwrap(), [Answer::Claim(Claimed::Taken)]);
    assert_eq!(bob.account(&user("zoe")).unwrap().unwrap().name.as_str(), "Zoë");
    // One whose name was not known here a moment ago gets mail.
    assert_eq!(append(bob, &[text("ann", 1, "new", b"")]), [crate::store::Appended::NoSuchUser]);
    ann.commit(&[claim("new")]).unwrap();
    store_one(bob, text("ann", 1, "new", b""));
}

#[test]
fn positions_of_one_sender_meet_wherever_they_are_written() {
    let mut nodes = Nodes::new();
    let Nodes { ann, bob, .. } = &mut nodes;
    // The sender's own node knows what is safe, and says so with each text.
    for round in 0..5 {
        let safe = 2 * round;
        store_one(bob, safe_text("ann", safe, safe + 1, "bob", b"there"));
        store_one(ann, safe_text("ann", safe + 1, safe + 2, "ann", b"here"));
    }
    assert_eq!(position(bob, "ann", LAPTOP), 10);
    assert_eq!(position(ann, "ann", LAPTOP), 10);
}

#[test]
fn who_takes_a_mailbox_back_knows_that_it_was_gone() {
    let mut nodes = Nodes::new();
    let Nodes { ann, bob, .. } = &mut nodes;
    ann.commit(&[take("bob", 0)]).unwrap();
    let last = store_one(ann, text("ann", 1, "bob", b"meanwhile"));
    // Bob's node has heard of nothing.
    bob.commit(&[take("bob", 0)]).unwrap();
    assert_eq!(bodies(&page(bob, "bob", 0, ALL)), [b"meanwhile"]);
    assert!(store_one(bob, text("ann", 2, "bob", b"after")) > last);
    assert_eq!(append(ann, &[receipt("bob", b"late")]), [Elsewhere(Node(bob.node))]);
}
