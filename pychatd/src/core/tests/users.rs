//! `users`: pages, patience and bounds.

use super::{server::PAGE_USERS, world::World};
use crate::core::users::{PAGES_MAX, QUERIES_MAX};
use pychat_control::{Empty, ErrorCode, List, Request, User, UsersParams};
use std::time::Duration;

fn users(world: &mut World) -> Result<Vec<String>, ErrorCode> {
    let params = UsersParams { all: true, timeout_ms: 10_000 };
    let list = world.request::<List<User>>(0, Request::Users(params));
    list.map(|list| list.items.into_iter().map(|user| user.user).collect()).map_err(|f| f.code)
}

#[test]
fn all_pages_are_put_together() {
    let mut world = World::connected(1);
    let key = world.server.key;
    let expected: Vec<String> = (0..PAGE_USERS * 3).map(|n| format!("user{n}")).collect();
    for user in &expected {
        world.server.accounts.insert(user.parse().unwrap(), key);
    }
    let found = users(&mut world).unwrap();
    assert_eq!(found[0], "alice");
    assert_eq!(found[1..], expected);
}

#[test]
fn a_busy_server_is_asked_again() {
    let mut world = World::connected(1);
    world.server.try_later = 2;
    let started = world.now.mono;
    assert_eq!(users(&mut world).unwrap(), ["alice"]);
    assert!(world.now.mono.since(started) >= Duration::from_secs(2));
}

#[test]
fn a_list_waits_for_a_connection_that_is_on_its_way() {
    let mut world = World::connected(1);
    world.restart(0);
    assert_eq!(users(&mut world).unwrap(), ["alice"]);
    world.online = false;
    world.restart(0);
    assert_eq!(users(&mut world), Err(ErrorCode::NotConnected));
    world.request::<Empty>(0, Request::Disconnect {}).unwrap();
    let started = world.now.mono;
    assert_eq!(users(&mut world), Err(ErrorCode::NotConnected));
    assert_eq!(world.now.mono, started, "nothing is on its way");
}

#[test]
fn lists_under_way_are_bounded() {
    let mut world = World::connected(1);
    world.online = false;
    world.pass(Duration::from_millis(1));
    let params = UsersParams { all: false, timeout_ms: 5_000 };
    let tokens: Vec<u64> =
        (0..=QUERIES_MAX).map(|_| world.ask(0, Request::Users(params.clone()))).collect();
    world.pass(Duration::from_secs(1));
    let refused = world.answer(0, *tokens.last().unwrap()).unwrap().unwrap_err();
    assert_eq!(refused.code, ErrorCode::LimitReached);
    assert!(world.answer(0, tokens[QUERIES_MAX - 1]).is_none(), "the one before is under way");
}

#[test]
fn a_list_that_is_too_long_says_where_it_ends() {
    let mut world = World::connected(1);
    let key = world.server.key;
    let fits = PAGE_USERS * PAGES_MAX as usize;
    // Alice is the first of them.
    for n in 1..fits {
        world.server.accounts.insert(format!("user{n:05}").parse().unwrap(), key);
    }
    let ask = |world: &mut World| {
        let params = UsersParams { all: true, timeout_ms: 60_000 };
        world.request::<List<User>>(0, Request::Users(params)).unwrap()
    };
    let list = ask(&mut world);
    assert_eq!((list.items.len(), list.next), (fits, None));
    world.server.accounts.insert("zoe".parse().unwrap(), key);
    let list = ask(&mut world);
    assert_eq!(list.items.len(), fits);
    assert_eq!(list.next.as_ref(), list.items.last().map(|user| &user.user));
}
