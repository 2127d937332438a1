//! More logins than a server can answer.

use crate::stage::survives;

#[test]
fn a_flood_of_inits_from_everywhere_leaves_honest_people_alone() {
    survives("init-random", 60_000);
}

#[test]
fn a_flood_of_inits_from_one_address_leaves_honest_people_alone() {
    survives("init-one-source", 60_000);
}

#[test]
fn a_flood_of_inits_without_the_servers_key_leaves_honest_people_alone() {
    survives("init-bad-mac", 60_000);
}

#[test]
fn an_overheard_login_replayed_from_elsewhere_leaves_its_owners_session_alone() {
    survives("init-replay", 20_000);
}
