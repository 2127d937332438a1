//! What a shard counts, since it began.

use pychat_proto::{CloseCode, RefuseCode};
use std::collections::BTreeMap;

/// Counters of a shard's relay. Texts that are told apart by no other counter: each is accepted once,
/// and delivered once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardStats {
    /// Sessions that became their user's.
    pub logins: u64,
    /// Logins that were refused, by the reason. As many kinds as there are codes.
    pub refused_logins: BTreeMap<u16, u64>,
    /// Sessions that ended, by the reason.
    pub ended_sessions: BTreeMap<u16, u64>,
    /// Texts that were safe, here or with their recipient, when their sender was told so.
    pub accepted: u64,
    /// Texts that their recipient's daemon has on its disk.
    pub delivered: u64,
    /// Texts that were written to our disk; the others were with their recipient before.
    pub written: u64,
    /// Messages that were refused, by the reason.
    pub refused_messages: BTreeMap<u16, u64>,
    /// Questions of users.
    pub calls: u64,
}

impl ShardStats {
    /// Adds another shard's.
    pub fn add(&mut self, other: &Self) {
        self.logins += other.logins;
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.written += other.written;
        self.calls += other.calls;
        for (ours, theirs) in [
            (&mut self.refused_logins, &other.refused_logins),
            (&mut self.ended_sessions, &other.ended_sessions),
            (&mut self.refused_messages, &other.refused_messages),
        ] {
            for (code, count) in theirs {
                *ours.entry(*code).or_default() += count;
            }
        }
    }

    pub(super) fn refused_login(&mut self, code: CloseCode) {
        *self.refused_logins.entry(known_close(code)).or_default() += 1;
    }

    pub(super) fn ended_session(&mut self, code: CloseCode) {
        *self.ended_sessions.entry(known_close(code)).or_default() += 1;
    }

    pub(super) fn refused_message(&mut self, code: RefuseCode) {
        *self.refused_messages.entry(code.code()).or_default() += 1;
    }
}

/// Under which all codes are counted that a client made up.
const UNKNOWN: u16 = u16::MAX;

/// Peers choose the code of their goodbye: those that we do not know are counted as one.
const fn known_close(code: CloseCode) -> u16 {
    match code {
        CloseCode::Unknown(_) => UNKNOWN,
        known => known.code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_up_and_made_up_codes_take_one_place() {
        let mut stats = ShardStats { logins: 1, ..ShardStats::default() };
        (100..200).for_each(|code| stats.ended_session(CloseCode::from_code(code)));
        stats.refused_login(CloseCode::NameTaken);
        stats.refused_message(RefuseCode::MailboxFull);
        let mut sum = stats.clone();
        sum.add(&stats);
        assert_eq!(sum.logins, 2);
        assert_eq!(sum.ended_sessions, BTreeMap::from([(UNKNOWN, 200)]));
        assert_eq!(sum.refused_logins, BTreeMap::from([(CloseCode::NameTaken.code(), 2)]));
        assert_eq!(sum.refused_messages, BTreeMap::from([(RefuseCode::MailboxFull.code(), 2)]));
    }
}
