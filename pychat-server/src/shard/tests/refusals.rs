//! Messages that the server does not take.

use super::{Options, World};
use crate::store::Quota;
use pychat_proto::{
    MessageId, RefuseCode, Seq, UserName,
    chat::{self, ToServer},
};

#[test]
fn a_text_to_nobody_is_refused_and_the_next_one_arrives() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    world.write(alice, "nobody", "hello?");
    world.write(alice, "bob", "hello");
    world.write(alice, "nobody", "hello??");
    world.write(alice, "bob", "again");
    world.settle();
    let refused = [(Seq(1), RefuseCode::NoSuchUser), (Seq(3), RefuseCode::NoSuchUser)];
    assert_eq!(world.person(alice).refused, refused);
    assert_eq!(world.person(bob).texts(), ["hello", "again"]);
    assert_eq!(world.person(alice).committed, Seq(4));
}

#[test]
fn a_full_mailbox_refuses_until_it_is_read() {
    let quota = Quota { entries: 3, ..Quota::default() };
    let options = Options { quota, ..Options::default() };
    let (mut world, [alice, bob]) = World::with_people(options, ["alice", "bob"]);
    world.leave(bob);
    world.write_all(alice, "bob", &["1", "2", "3", "4"]);
    world.settle();
    assert_eq!(world.person(alice).refused, [(Seq(4), RefuseCode::MailboxFull)]);
    world.come_back(bob);
    world.write(alice, "bob", "5");
    world.settle();
    assert_eq!(world.person(bob).texts(), ["1", "2", "3", "5"]);
    assert_eq!(world.person(alice).delivered().len(), 4);
}

#[test]
fn what_cannot_be_read_is_refused_in_its_turn() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    let now = world.now().mono;
    world.write(alice, "bob", "one");
    world.person(alice).push(now, b"\xff\xff\xff");
    world.person(alice).push(now, b"");
    world.write(alice, "bob", "two");
    world.settle();
    let malformed = [(Seq(2), RefuseCode::Malformed), (Seq(3), RefuseCode::Malformed)];
    assert_eq!(world.person(alice).refused, malformed);
    assert_eq!(world.person(bob).texts(), ["one", "two"]);
}

#[test]
fn a_read_receipt_for_nobody_is_passed_over() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    let to = UserName::parse("nobody").unwrap();
    let read = ToServer::Read { to, ids: vec![MessageId::from_bytes([1; 16])] };
    let now = world.now().mono;
    world.person(alice).push(now, &chat::encode(&read));
    world.write(alice, "bob", "after");
    world.settle();
    assert_eq!(world.person(alice).refused, []);
    assert_eq!(world.person(alice).committed, Seq(2));
    assert_eq!(world.person(bob).texts(), ["after"]);
}
