//! What the log's subjects are called.

use crate::store::InviteCode;
use pychat_proto::UserName;
use std::fmt::Write as _;

/// Where something is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A user's own.
    User(Kind, UserName),
    /// The ban on a name.
    Ban(UserName),
    /// An invite.
    Invite(InviteCode),
}

/// What of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Whose the name is.
    Account,
    /// End-to-end keys.
    Keys,
    /// The mailbox: its entries, and how it stands.
    Mailbox,
    /// How far the user's outboxes have come.
    Positions,
}

impl Kind {
    /// Its token.
    pub(super) const fn token(self) -> &'static str {
        match self {
            Self::Account => "a",
            Self::Keys => "k",
            Self::Mailbox => "m",
            Self::Positions => "p",
        }
    }
}

impl Subject {
    /// The stream that it lies in, of so many, or the one of bans and invites.
    #[must_use]
    pub fn stream(&self, streams: u8) -> Option<u8> {
        match self {
            // Not the hash that names a shard's home: that one differs between servers of different size.
            Self::User(_, user) => Some(spread(user.as_str(), streams)),
            Self::Ban(_) | Self::Invite(_) => None,
        }
    }

    /// As the broker knows it.
    pub(super) fn render(&self, prefix: &str, streams: u8) -> String {
        match self {
            Self::User(kind, user) => {
                let stream = spread(user.as_str(), streams);
                format!("{prefix}.{stream:02x}.{}.{}", kind.token(), token(user))
            }
            Self::Ban(user) => format!("{prefix}.rules.b.{}", token(user)),
            Self::Invite(code) => {
                let mut subject = format!("{prefix}.rules.i.");
                for byte in code.as_str().bytes() {
                    // Writing into a string cannot fail.
                    let _ = write!(subject, "{byte:02x}");
                }
                subject
            }
        }
    }

    /// What a subject of bans and invites names.
    pub(super) fn parse_rule(prefix: &str, subject: &str) -> Option<Self> {
        let rest = subject.strip_prefix(prefix)?.strip_prefix(".rules.")?;
        let (kind, token) = rest.split_once('.')?;
        match kind {
            "b" => Some(Self::Ban(user(token)?)),
            "i" => {
                let byte = |pair: &[u8]| {
                    let pair = std::str::from_utf8(pair).ok()?;
                    u8::from_str_radix(pair, 16).ok()
                };
                let code = token.as_bytes().chunks(2).map(byte).collect::<Option<Vec<u8>>>()?;
                InviteCode::parse(&String::from_utf8(code).ok()?).ok().map(Self::Invite)
            }
            _ => None,
        }
    }
}

/// A user name has no `=`, and a subject's token no dot.
fn token(user: &UserName) -> String {
    user.as_str().replace('.', "=")
}

/// The user whom a token names.
pub(super) fn user(token: &str) -> Option<UserName> {
    UserName::parse(&token.replace('=', ".")).ok()
}

/// One of so many, the same on every server and for good: FNV-1a, mixed.
fn spread(name: &str, streams: u8) -> u8 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed >> 40) % u64::from(streams.max(1))) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> UserName {
        UserName::parse(text).unwrap()
    }

    #[test]
    fn a_name_is_one_token_and_comes_back() {
        let subject = Subject::User(Kind::Mailbox, name("ann.b-c_d")).render("pychat", 1);
        assert_eq!(subject, "pychat.00.m.ann=b-c_d");
        assert_eq!(user("ann=b-c_d"), Some(name("ann.b-c_d")));
    }

    #[test]
    fn rules_come_back_from_their_subjects() {
        let invite = InviteCode::parse("x.*>~").unwrap();
        for rule in [Subject::Ban(name("a.b")), Subject::Invite(invite)] {
            let told = rule.render("pychat", 4);
            assert_eq!(Subject::parse_rule("pychat", &told), Some(rule), "{told}");
        }
        assert_eq!(Subject::parse_rule("pychat", "pychat.rules.x.y"), None);
    }

    #[test]
    fn names_spread_over_the_streams_and_never_move() {
        let streams = |count: u8| (0..1000).map(move |at| spread(&format!("user{at}"), count));
        for count in [1_u8, 4, 16] {
            let mut filled = vec![0; usize::from(count)];
            streams(count).for_each(|at| filled[usize::from(at)] += 1);
            let fair = 1000 / usize::from(count);
            assert!(filled.iter().all(|it| (fair / 2..=fair * 2).contains(it)), "{filled:?}");
        }
        // What lies in a cluster lies there for good.
        assert_eq!(
            [spread("alice", 16), spread("bob", 16)],
            [spread("alice", 16), spread("bob", 16)]
        );
    }
}
