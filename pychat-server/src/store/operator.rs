//! What the operator decides about names, mailboxes and newcomers, as the store keeps it.

use pychat_proto::{DisplayName, PublicKey, UserName, chat::UnixMillis};
use std::fmt;

/// Names that may be banned at once. docs/OPERATIONS.md, "Limits".
pub const BANS_MAX: usize = 10_000;

/// Invites that may be kept at once, those that are used up or over too. docs/OPERATIONS.md, "Limits".
pub const INVITES_MAX: usize = 10_000;

/// Longest reason of a ban and note of an invite, in characters.
pub const NOTE_CHARS_MAX: usize = pychat_proto::chat::NOTICE_CHARS_MAX;

/// Longest invite code, in characters.
pub const CODE_CHARS_MAX: usize = 64;

/// A decision of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The name belongs to nobody; its mailbox and its end-to-end keys are gone.
    Free {
        /// Which name.
        user: UserName,
    },
    /// The name belongs to another device. Its mailbox stays; its end-to-end keys are gone, as the
    /// former device signed them.
    Rebind {
        /// Which name.
        user: UserName,
        /// The device's key.
        key: PublicKey,
    },
    /// Sets a display name that logins do not change, or lets them change it again.
    Rename {
        /// Whose.
        user: UserName,
        /// The name; `None` to let its user choose again.
        name: Option<DisplayName>,
    },
    /// Nobody logs in under this name, whoever it belongs to. A ban that is there gets the new reason.
    Ban {
        /// Which name; it need not be claimed.
        user: UserName,
        /// What the user is told, and when it was decided.
        ban: Ban,
    },
    /// Lifts a ban.
    Unban {
        /// Which name.
        user: UserName,
    },
    /// Removes all that is in a mailbox, and no crash brings it back. Senders are not told.
    Purge {
        /// Whose mailbox.
        mailbox: UserName,
    },
    /// Lets newcomers in who show a code.
    Invite(Invite),
    /// Ends an invite.
    Revoke {
        /// Which.
        code: InviteCode,
    },
}

/// What a decision came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It holds.
    Done,
    /// Nobody has claimed the name, or it is not banned; nothing changed.
    NoSuchUser,
    /// There is no such invite; nothing changed.
    NoSuchInvite,
    /// There is such an invite already; nothing changed.
    InviteExists,
    /// [`BANS_MAX`] or [`INVITES_MAX`] are there; nothing changed.
    Full,
}

/// Why and since when a name is banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// What the user is told. May be empty.
    pub reason: Note,
    /// When it was decided.
    pub since: UnixMillis,
}

/// A way in for newcomers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// What they show.
    pub code: InviteCode,
    /// How many more may use it; `None` for any number.
    pub uses: Option<u32>,
    /// When it ends by itself.
    pub expires_at: Option<UnixMillis>,
    /// For the operator.
    pub note: Note,
    /// When it was made.
    pub made_at: UnixMillis,
}

impl Invite {
    /// Whether it lets anybody in at that time.
    #[must_use]
    pub fn is_open(&self, now: UnixMillis) -> bool {
        self.uses != Some(0) && self.expires_at.is_none_or(|end| now < end)
    }
}

/// Text of an operator: one line of at most [`NOTE_CHARS_MAX`] characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note(String);

/// Why a text is no [`Note`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reason or a note is one line of at most {NOTE_CHARS_MAX} characters")]
pub struct InvalidNote;

impl Note {
    /// Checks a text.
    ///
    /// # Errors
    /// It is too long, or not one line of text.
    pub fn parse(text: &str) -> Result<Self, InvalidNote> {
        let fits = text.chars().count() <= NOTE_CHARS_MAX && !text.chars().any(char::is_control);
        fits.then(|| Self(text.to_owned())).ok_or(InvalidNote)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What newcomers show: 1 to [`CODE_CHARS_MAX`] visible ASCII characters. It is a secret, so it is not
/// shown where values are printed for people who debug.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InviteCode(String);

/// Why a text is no [`InviteCode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an invite code has 1 to {CODE_CHARS_MAX} letters, digits and signs, without spaces")]
pub struct InvalidCode;

impl InviteCode {
    /// Checks a text.
    ///
    /// # Errors
    /// It is empty, too long, or has other characters.
    pub fn parse(text: &str) -> Result<Self, InvalidCode> {
        let fits = (1..=CODE_CHARS_MAX).contains(&text.len());
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        (fits && visible).then(|| Self(text.to_owned())).ok_or(InvalidCode)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteCode(..)")
    }
}

/// How much is in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxSize {
    /// Whose.
    pub user: UserName,
    /// Texts in it, as the quota counts them.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How much a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreSize {
    /// Names that are claimed.
    pub accounts: u64,
    /// Entries that came lately and wait in mailboxes; a large backlog is not counted entry by entry.
    pub recent: u64,
    /// On disk, its log included.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_visible_ascii_of_bounded_length_and_not_printed() {
        assert!(InviteCode::parse(&"x".repeat(CODE_CHARS_MAX)).is_ok());
        for bad in ["", "a b", "é", "a\n", &"x".repeat(CODE_CHARS_MAX + 1)] {
            assert_eq!(InviteCode::parse(bad), Err(InvalidCode), "{bad:?}");
        }
        let code = InviteCode::parse("sesame").unwrap();
        assert!(!format!("{code:?}").contains("sesame"));
    }

    #[test]
    fn a_note_is_one_line() {
        assert!(Note::parse(&"é".repeat(NOTE_CHARS_MAX)).is_ok());
        assert!(Note::parse("").is_ok());
        for bad in ["a\nb", "\u{1b}[31m", &"é".repeat(NOTE_CHARS_MAX + 1)] {
            assert_eq!(Note::parse(bad), Err(InvalidNote), "{bad:?}");
        }
    }

    #[test]
    fn an_invite_is_open_until_it_is_used_up_or_over() {
        let invite = |uses, expires_at| Invite {
            code: InviteCode::parse("sesame").unwrap(),
            uses,
            expires_at,
            note: Note::default(),
            made_at: 0,
        };
        assert!(invite(None, None).is_open(u64::MAX));
        assert!(invite(Some(1), Some(10)).is_open(9));
        assert!(!invite(Some(1), Some(10)).is_open(10));
        assert!(!invite(Some(0), None).is_open(0));
    }
}
