//! Whom a verb is about: somebody else, whose name may be mistyped.

use super::Context;
use crate::{names, screen::clean_line, session::Session};
use pychat_control::{ErrorCode, Failure, KnownName, List, NamesParams, Request, Status};

/// Checks that `peer` is not ourselves, and tells our own name, if there is one.
pub(super) fn check_other(session: &mut Session, peer: &str) -> Result<Option<String>, Failure> {
    let status: Status = session.call(&Request::Status {})?;
    if status.user.as_deref() == Some(peer) {
        let hint = "name somebody else; see whom you know: pychatctl contacts";
        return Err(names::usage(format!("{peer} is yourself"), Some(hint.into())));
    }
    Ok(status.user)
}

/// Where nobody is called `peer`: says who is called nearly so.
pub(super) fn suggest(context: &Context, failure: Failure, peer: &str) -> Failure {
    if failure.code != ErrorCode::NoSuchUser {
        return failure;
    }
    let Some(meant) = known(context).and_then(|names| nearest(peer, &names)) else {
        return failure;
    };
    let more = failure.hint.as_deref().unwrap_or("see who is there: pychatctl users --all");
    Failure { hint: Some(format!("did you mean {meant}? {more}")), ..failure }
}

/// Who is called nearly so, if nobody that is known here is called `peer`.
pub(super) fn meant(context: &Context, peer: &str) -> Option<String> {
    let names = known(context)?;
    if names.iter().any(|name| name == peer) { None } else { nearest(peer, &names) }
}

/// Who is known here. It is asked after something else failed, and fails silently.
fn known(context: &Context) -> Option<Vec<String>> {
    let mut session = Session::open_running(&context.settings).ok()??;
    let params = NamesParams { prefix: String::new(), limit: NAMES_MAX };
    let names: List<KnownName> = session.call(&Request::Names(params)).ok()?;
    Some(names.items.iter().map(|name| clean_line(&name.user)).collect())
}

/// The one with the fewest slips, if no more than a third of it is wrong.
fn nearest(typed: &str, names: &[String]) -> Option<String> {
    let slips = |name: &str| strsim::osa_distance(typed, name);
    let nearest = names.iter().filter(|name| *name != typed).min_by_key(|name| slips(name))?;
    let slips_max = (typed.chars().count().max(nearest.chars().count()) / 3).max(1);
    Some(nearest.clone()).filter(|nearest| slips(nearest) <= slips_max)
}

/// The most that one answer holds.
const NAMES_MAX: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognized_and_another_name_is_not() {
        let names = ["bob", "carol", "dave-the-second"].map(str::to_owned);
        let nearest = |typed| nearest(typed, &names);
        assert_eq!(nearest("bbo").as_deref(), Some("bob"));
        assert_eq!(nearest("carl").as_deref(), Some("carol"));
        assert_eq!(nearest("dave-the-socnd").as_deref(), Some("dave-the-second"));
        assert_eq!(nearest("mallory"), None);
        assert_eq!(nearest("bob"), None);
    }
}
