//! Whose key a verb is about: somebody else's.

use crate::{names, session::Session};
use pychat_control::{Failure, Request, Status};

/// Checks that `peer` is not ourselves, and tells our own name, if there is one.
pub(super) fn check_other(session: &mut Session, peer: &str) -> Result<Option<String>, Failure> {
    let status: Status = session.call(&Request::Status {})?;
    if status.user.as_deref() == Some(peer) {
        let hint = "name somebody else; see whom you know: pychatctl contacts";
        return Err(names::usage(format!("{peer} is yourself"), Some(hint.into())));
    }
    Ok(status.user)
}
