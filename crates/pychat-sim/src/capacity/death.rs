//! A node's death: who was there comes back at another one when they miss it.

use super::{
    figures::{GONE, HURRY_MAX, SECOND},
    people::{People, What},
};
use std::collections::HashMap;

/// See the module.
pub(super) struct Death {
    node: u16,
    at: u64,
    /// Who comes back in each second, if they do not come before.
    bereft: Vec<Vec<u32>>,
    /// When those come back who had something to send.
    hurried: HashMap<u32, u64>,
}

impl Death {
    /// Of a node, now.
    pub(super) fn of(node: u16, at: u64, people: &People) -> Self {
        let mut bereft: Vec<Vec<u32>> = Vec::new();
        let users = (0..people.users).filter(|user| people.is_here(*user));
        for user in users.filter(|user| people.node(*user) == node) {
            let second = (people.misses_after(user) / SECOND) as usize;
            if bereft.len() <= second {
                bereft.resize_with(second + 1, Vec::new);
            }
            bereft[second].push(user);
        }
        Self { node, at, bereft, hurried: HashMap::new() }
    }

    /// How many were there.
    pub(super) fn bereft(&self) -> usize {
        self.bereft.iter().map(Vec::len).sum()
    }

    /// Who comes back in the second that begins now, and when; not who came before.
    pub(super) fn come_in(&mut self, people: &People, begin: u64) -> Vec<(u32, u64)> {
        let second = ((begin - self.at) / SECOND) as usize;
        let mut users = self.bereft.get_mut(second).map(std::mem::take).unwrap_or_default();
        users.retain(|user| !self.hurried.contains_key(user));
        users.into_iter().map(|user| (user, self.back_at(people, user))).collect()
    }

    /// Whether a node is dead at some time.
    pub(super) fn struck(&self, node: u16, at: u64) -> bool {
        node == self.node && at >= self.at
    }

    /// When others take the node's mailboxes over.
    pub(super) fn known_at(&self) -> u64 {
        self.at + GONE
    }

    /// When somebody who was there is elsewhere.
    pub(super) fn back_at(&self, people: &People, user: u32) -> u64 {
        let unhurried = || self.at + people.misses_after(user);
        self.hurried.get(&user).copied().unwrap_or_else(unhurried)
    }

    /// Where somebody is who was there, if it is anywhere.
    pub(super) fn seat(&self, people: &People, user: u32, at: u64) -> Option<u16> {
        (at >= self.back_at(people, user)).then(|| people.node_without(user, self.node))
    }

    /// When somebody has logged in since, if so.
    pub(super) fn login_at(&self, people: &People, user: u32, at: u64) -> Option<u64> {
        let back_at = (people.node(user) == self.node).then(|| self.back_at(people, user))?;
        (at >= back_at).then_some(back_at)
    }

    /// Somebody who was there has something to send: says when they are elsewhere, and whether that is sooner than they
    /// would have been.
    pub(super) fn hurry(&mut self, people: &People, user: u32, at: u64) -> (u64, bool) {
        let back_at = self.back_at(people, user);
        let hurry = people.share(u64::from(user), What::Hurry) * HURRY_MAX as f64;
        let sooner = at + hurry as u64;
        if self.hurried.contains_key(&user) || sooner >= back_at {
            return (back_at, false);
        }
        self.hurried.insert(user, sooner);
        (sooner, true)
    }
}
