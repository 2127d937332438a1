//! When each member is due: one entry a member, however often its moment changes.

use pychat_proto::Instant;
use std::collections::BTreeSet;

/// Deadlines of members. An entry may be earlier than its member's deadline, never later.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    entries: BTreeSet<(Instant, u32)>,
    armed: Vec<Option<Instant>>,
}

impl Timers {
    /// Adds a member, the next in number.
    pub(crate) fn add(&mut self) {
        self.armed.push(None);
    }

    /// The member is due at `at`. A later moment than the last one named waits until that has come:
    /// most deadlines are put off many times before they are met.
    pub(crate) fn arm(&mut self, member: u32, at: Option<Instant>) {
        let armed = &mut self.armed[member as usize];
        let Some(at) = at.filter(|at| armed.is_none_or(|armed| *at < armed)) else { return };
        if let Some(before) = armed.replace(at) {
            self.entries.remove(&(before, member));
        }
        self.entries.insert((at, member));
    }

    /// The earliest moment at which a member may be due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.entries.first().map(|(at, _)| *at)
    }

    /// A member whose moment has come; it is not armed any more.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<u32> {
        let (at, member) = *self.entries.first().filter(|(at, _)| *at <= now)?;
        self.entries.remove(&(at, member));
        self.armed[member as usize] = None;
        Some(member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_has_one_entry_at_the_earliest_moment_named() {
        let at = |micros| Some(Instant::from_micros(micros));
        let mut timers = Timers::default();
        (0..2).for_each(|_| timers.add());
        timers.arm(0, at(50));
        timers.arm(1, at(30));
        for later in (10..100).rev() {
            timers.arm(0, at(later));
        }
        timers.arm(0, None);
        assert_eq!(timers.entries.len(), 2);
        assert_eq!(timers.next(), at(10));
        assert_eq!(timers.pop(Instant::from_micros(9)), None);
        assert_eq!(timers.pop(Instant::from_micros(30)), Some(0));
        assert_eq!(timers.pop(Instant::from_micros(30)), Some(1));
        assert_eq!(timers.next(), None);
    }
}
