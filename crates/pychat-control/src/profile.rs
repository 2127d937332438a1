//! A profile: one identity with its own daemon, state directory and socket.

use std::{fmt, str::FromStr};

/// A profile's name: 1 to 32 of `a-z 0-9 . _ -`, not beginning with a dot or a dash. It names a
/// directory and, on Windows, a pipe.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Profile(String);

/// Why a text is no [`Profile`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a profile's name has 1 to 32 of a-z, 0-9, '.', '_', '-' and begins with a letter or digit"
)]
pub struct InvalidProfile;

impl Profile {
    /// The most characters in a name.
    pub const CHARS_MAX: usize = 32;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self("default".into())
    }
}

impl FromStr for Profile {
    type Err = InvalidProfile;
    fn from_str(text: &str) -> Result<Self, InvalidProfile> {
        let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9');
        let allowed = |c: char| plain(c) || matches!(c, '.' | '_' | '-');
        let fits = text.len() <= Self::CHARS_MAX && text.starts_with(plain);
        if fits && text.chars().all(allowed) { Ok(Self(text.into())) } else { Err(InvalidProfile) }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_can_never_leave_its_directory() {
        for good in ["default", "work-2", "a", "9.x_y", &"x".repeat(32)] {
            assert_eq!(good.parse::<Profile>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "../x", "a/b", "A", "-x", "a b", "é", &"x".repeat(33)] {
            assert_eq!(bad.parse::<Profile>(), Err(InvalidProfile), "{bad:?}");
        }
    }
}
