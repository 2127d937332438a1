//! Users, as Windows numbers them.

use crate::process::failed;
use std::{fmt, io};
use winsafe::{HACCESSTOKEN, HPROCESS, TokenInfo, co, guard::CloseHandleGuard};

/// A user's security identifier: `S-1-5-21-...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sid(String);

impl Sid {
    /// The user whom this process runs as.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn own() -> io::Result<Self> {
        Self::of(&HPROCESS::GetCurrentProcess())
    }

    /// The user whom that process runs as.
    ///
    /// # Errors
    /// It is gone, which is `NotFound`, or it is not for us to ask.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        match HPROCESS::OpenProcess(co::PROCESS::QUERY_LIMITED_INFORMATION, false, pid) {
            Ok(process) => Self::of(&process),
            // How the system says that there is no such process.
            Err(co::ERROR::INVALID_PARAMETER) => Err(io::ErrorKind::NotFound.into()),
            Err(error) => Err(failed(error)),
        }
    }

    fn of(process: &HPROCESS) -> io::Result<Self> {
        let token = process.OpenProcessToken(co::TOKEN::QUERY).map_err(failed)?;
        Self::in_token(&token)
    }

    fn in_token(token: &CloseHandleGuard<HACCESSTOKEN>) -> io::Result<Self> {
        let told = token.GetTokenInformation(co::TOKEN_INFORMATION_CLASS::User).map_err(failed)?;
        let user = match &told {
            TokenInfo::User(user) => user.User.Sid(),
            _ => None,
        };
        let sid = user.ok_or_else(|| io::Error::other("a process without a user"))?;
        winsafe::ConvertSidToStringSid(sid).map(Self).map_err(failed)
    }

    /// As a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Sid;

    #[test]
    fn we_are_who_our_process_says() {
        let own = Sid::own().unwrap();
        assert!(own.as_str().starts_with("S-1-5-"), "{own}");
        assert_eq!(Sid::of_process(std::process::id()).unwrap(), own);
    }

    #[test]
    fn a_process_that_is_not_there_is_nobodys() {
        let error = Sid::of_process(0x7fff_fffc).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
    }
}
