//! What the daemon says: the shapes of answers, and its failures in words. A failure says what failed,
//! why, what was kept, and what to do next.

use super::change::Reached;
use crate::db::{self, Account, DatabaseError, Direction, MessageRow, RowId};
use pychat_control::{
    Contact, ContactState, ErrorCode, Failure, LINE_BYTES_MAX, Message, Presence, Sent, State, User,
};
use pychat_proto::{CloseCode, MessageId, PublicKey, Refusal, RefuseCode, UserName, chat};
use serde::Serialize;

/// Bytes of a list's items: a line, without what surrounds them.
pub(super) const LIST_BYTES_MAX: usize = LINE_BYTES_MAX - 4096;

/// A time as the control protocol writes it; beyond its calendar, the calendar's end.
pub(super) fn time(unix_ms: u64) -> String {
    let time = i64::try_from(unix_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .unwrap_or(jiff::Timestamp::MAX);
    format!("{time:.3}")
}

/// Bytes that an item takes in a list.
pub(super) fn bytes_in_list(item: &impl Serialize) -> usize {
    serde_json::to_vec(item).map_or(0, |text| text.len() + 1)
}

pub(super) fn message(row: &MessageRow) -> Message {
    Message {
        id: row.id.to_string(),
        from: row.sender.to_string(),
        to: row.recipient.to_string(),
        name: row.sender_name.clone(),
        body: row.body.clone(),
        sent_at: time(row.sent_at),
        received_at: match row.direction {
            Direction::In => row.received_at.map(time),
            Direction::Out => None,
        },
        state: row.state,
        reason: row.reason.clone(),
        trust: row.trust,
        place: Some(place(row.row)),
    }
}

/// A message's place, as the control protocol tells it.
pub(super) fn place(row: RowId) -> u64 {
    u64::try_from(row.0).unwrap_or(0)
}

pub(super) fn unknown_reader(reader: &str) -> Failure {
    failure(
        ErrorCode::Usage,
        format!("there is no reader called {reader}"),
        "see them with: pychatctl readers",
    )
}

pub(super) fn too_many_readers(most: usize) -> Failure {
    failure(
        ErrorCode::LimitReached,
        format!("this profile has {most} readers, and that is the most"),
        "see them with: pychatctl readers; remove one with: pychatctl readers rm NAME",
    )
}

pub(super) fn sent(id: MessageId, state: State) -> Sent {
    Sent { id: id.to_string(), state, first_contact: None }
}

pub(super) fn contact(contact: &db::Contact, held: u64) -> Contact {
    let (state, since) = match (contact.offered, contact.verified_at) {
        (Some(_), _) => (ContactState::Changed, contact.changed_at.unwrap_or(contact.pinned_at)),
        (None, Some(at)) => (ContactState::Verified, at),
        (None, None) => (ContactState::Pinned, contact.pinned_at),
    };
    Contact {
        user: contact.user.to_string(),
        state,
        fingerprint: contact.login.fingerprint(),
        since: time(since),
        offered: contact.offered.map(|key| key.fingerprint()),
        held,
    }
}

/// A message to somebody whose key is not the one that we know.
pub(super) fn held(contact: &db::Contact, sent: Sent) -> Failure {
    let db::Contact { user, login, offered, .. } = contact;
    let now = offered.map(|key| key.fingerprint()).unwrap_or_default();
    Failure {
        sent: Some(sent),
        ..failure(
            ErrorCode::KeyChanged,
            format!(
                "the key of {user} changed. Known so far: {}. Now: {now}. Somebody may be posing as \
                 {user}; the message is kept and held",
                login.fingerprint()
            ),
            format!(
                "ask {user} in another way; compare with `pychatctl verify {user}`, and if the new key is \
                 right, take it with `pychatctl trust {user}`"
            ),
        )
    }
}

pub(super) fn no_such_user(user: &UserName) -> Failure {
    failure(
        ErrorCode::NoSuchUser,
        format!("nobody at this server has the user name {user}"),
        "see `pychatctl users --all`",
    )
}

pub(super) fn unknown_contact(user: &UserName) -> Failure {
    failure(
        ErrorCode::Usage,
        format!("no key of {user} is known here yet, so there is none to trust"),
        format!("the first message pins it; compare it with `pychatctl verify {user}`"),
    )
}

pub(super) fn another_key(user: &UserName, offered: &str) -> Failure {
    failure(
        ErrorCode::KeyChanged,
        format!("the key of {user} changed once more, to {offered}; nothing was trusted"),
        format!("compare again: pychatctl verify {user}"),
    )
}

pub(super) fn unusable_keys(user: &UserName, why: &str) -> Failure {
    failure(
        ErrorCode::KeyChanged,
        format!("the keys of {user} cannot be used: {why}"),
        "try again later; if it stays, the server or somebody before it cannot be trusted",
    )
}

pub(super) fn user(state: &chat::UserState) -> User {
    User {
        user: state.user.to_string(),
        name: state.name.to_string(),
        status: match state.presence {
            chat::Presence::Online => Presence::Online,
            chat::Presence::Away => Presence::Away,
            chat::Presence::Offline => Presence::Offline,
        },
        since: time(state.since),
    }
}

fn failure(code: ErrorCode, message: impl Into<String>, hint: impl Into<String>) -> Failure {
    let hint = Some(hint.into()).filter(|hint: &String| !hint.is_empty());
    Failure { code, message: message.into(), hint, sent: None }
}

pub(super) fn usage(message: impl Into<String>) -> Failure {
    failure(ErrorCode::Usage, message, "")
}

pub(super) fn misdirected() -> Failure {
    failure(ErrorCode::Other, "this request is answered by the control socket itself", "")
}

pub(super) fn unreadable(error: &DatabaseError) -> Failure {
    let hint = match error {
        DatabaseError::Damaged(_) => DAMAGED_HINT,
        DatabaseError::Full(_) | DatabaseError::Failed(_) => {
            "see `pychatctl status` and the daemon's log"
        }
    };
    failure(ErrorCode::Other, format!("nothing could be looked up: {error}"), hint)
}

/// Damage that was not there, or not noticed, when the daemon started.
const DAMAGED_HINT: &str = "run: pychatctl daemon restart (a damaged database is set aside then, and a new one begun); if it \
     is said again afterwards, stop the daemon and put a backup of the database in its place";

/// A change that did not reach the disk; `kept` says what is as it was.
pub(super) fn unwritten(error: &DatabaseError, kept: &str) -> Failure {
    // After a failed write or fsync nobody knows what the disk holds. The transaction is undone and the
    // next one overwrites it, but a crash in between may find it whole, and then it counts.
    let surely = if error.is_uncertain() { "most likely " } else { "" };
    let (code, hint) = match error {
        DatabaseError::Full(_) => (
            ErrorCode::LimitReached,
            "free some space on the disk of the state directory, then try again",
        ),
        DatabaseError::Damaged(_) => (ErrorCode::Other, DAMAGED_HINT),
        DatabaseError::Failed(_) => {
            (ErrorCode::Other, "check the disk of the state directory, then try again")
        }
    };
    failure(code, format!("{error}; {surely}{kept}"), hint)
}

/// While a server cannot write; what it did not take stays here.
pub(super) const SERVER_STUCK: &str = "the server cannot store messages at the moment (its disk may be \
                                       full); what it has not taken is kept here";

/// For the first command of somebody new.
pub(super) fn no_account() -> Failure {
    failure(
        ErrorCode::NotConnected,
        "not connected: this profile has no user name and no server yet",
        "run: pychatctl connect USER \"YOUR NAME\" --server LINK (ask the server's operator for the link)",
    )
}

pub(super) fn not_connected(reason: &str) -> Failure {
    failure(ErrorCode::NotConnected, reason, "run: pychatctl connect; see `pychatctl status`")
}

/// While it is tried to connect.
pub(super) fn not_connected_yet(reason: &str) -> Failure {
    failure(
        ErrorCode::NotConnected,
        reason,
        "it is tried again by itself; to find out what stands in the way: pychatctl doctor",
    )
}

pub(super) fn no_server_answer() -> Failure {
    failure(
        ErrorCode::TimedOut,
        "the server did not answer in time",
        "try again; see `pychatctl status`",
    )
}

pub(super) fn unreadable_reply() -> Failure {
    failure(
        ErrorCode::VersionMismatch,
        "the server's answer cannot be read; it may be of a newer version",
        "update pychat",
    )
}

pub(super) fn too_many_questions() -> Failure {
    failure(
        ErrorCode::LimitReached,
        "too many questions to the server are under way",
        "try again later",
    )
}

pub(super) fn outbox_full(bound: u64) -> Failure {
    failure(
        ErrorCode::LimitReached,
        format!("the outbox is full: {bound} messages wait for the server; this one was not kept"),
        "connect to the server so that they can go out, or cancel some",
    )
}

pub(super) fn key_used() -> Failure {
    failure(
        ErrorCode::Usage,
        "another message was sent with this key; this one was not kept",
        "use a new key for each message, and the same one only to send the same message again",
    )
}

pub(super) fn timed_out(sent: Sent, reason: &str) -> Failure {
    let hint = format!("it goes on by itself; see: pychatctl trace {}", sent.id);
    let state = state_word(&sent);
    Failure {
        sent: Some(sent),
        ..failure(ErrorCode::TimedOut, format!("timed out, the message is {state}: {reason}"), hint)
    }
}

pub(super) fn too_many_waiting(sent: Sent) -> Failure {
    let state = state_word(&sent);
    Failure {
        sent: Some(sent),
        ..failure(
            ErrorCode::LimitReached,
            format!("too many requests wait; the message is {state} and goes on by itself"),
            "send with `--wait queued`",
        )
    }
}

/// A message that ended without being refused; `how` completes "the message".
pub(super) fn ended(sent: Sent, how: &str, code: ErrorCode) -> Failure {
    Failure { sent: Some(sent), ..failure(code, format!("the message {how}"), "") }
}

pub(super) fn refused(at: &Reached, sent: Sent) -> Failure {
    let (code, hint) = match at.refused_code.map(RefuseCode::from_code) {
        Some(RefuseCode::NoSuchUser) => {
            (ErrorCode::NoSuchUser, "see `pychatctl users --all`; the message was not delivered")
        }
        Some(RefuseCode::MailboxFull) => {
            (ErrorCode::LimitReached, "send it again when the recipient has read older messages")
        }
        Some(RefuseCode::NotPermitted) => (ErrorCode::Refused, "ask the server's operator"),
        Some(RefuseCode::Malformed | RefuseCode::Unknown(_)) | None => (
            ErrorCode::Other,
            "the versions of daemon and server may not fit; update the older one",
        ),
    };
    let reason = at.reason.as_deref().unwrap_or("no reason was given");
    let message = format!("the server refused the message: {reason}");
    Failure { sent: Some(sent), ..failure(code, message, hint) }
}

pub(super) fn unknown_message(id: &str) -> Failure {
    failure(
        ErrorCode::Usage,
        format!("there is no message with the id or key {id:?}"),
        "`pychatctl history --json` shows the ids",
    )
}

pub(super) fn not_cancellable(sent: Sent) -> Failure {
    let state = state_word(&sent);
    Failure {
        sent: Some(sent),
        ..failure(
            ErrorCode::Other,
            format!("too late: the message is {state} and was handed to the network"),
            "",
        )
    }
}

pub(super) fn events_gone(first: u64) -> Failure {
    failure(
        ErrorCode::LimitReached,
        format!("the events before {first} are no longer kept"),
        format!(
            "subscribe after {}; `pychatctl history` still has the messages",
            first.saturating_sub(1)
        ),
    )
}

pub(super) fn ending() -> Failure {
    failure(ErrorCode::Other, "the daemon ends now", "start it again: pychatctl daemon start")
}

pub(super) fn replaced_connect() -> Failure {
    failure(ErrorCode::Other, "another `connect` took the place of this one", "")
}

pub(super) fn disconnected_meanwhile() -> Failure {
    failure(ErrorCode::NotConnected, "a `disconnect` took the place of this `connect`", "")
}

pub(super) fn no_server() -> Failure {
    failure(
        ErrorCode::Usage,
        "no server is known yet",
        "name one: --server LINK. The server's operator has the link: `pychat-server link` prints it",
    )
}

pub(super) fn unresolved(host: &str, reason: &str) -> Failure {
    failure(ErrorCode::TimedOut, format!("the address of {host} cannot be found: {reason}"), "")
}

pub(super) fn versions(versions: &[u8]) -> Failure {
    let list: Vec<String> = versions.iter().map(ToString::to_string).collect();
    failure(
        ErrorCode::VersionMismatch,
        format!("the server speaks only the protocol versions {}", list.join(", ")),
        "update the older one of pychatd and pychat-server",
    )
}

pub(super) fn link_lost(code: CloseCode, reason: &str) -> Failure {
    let message = match reason {
        "" => format!("the connection ended: {code}"),
        _ => format!("the connection ended: {code} ({reason})"),
    };
    failure(ErrorCode::NotConnected, message, "")
}

/// `key` is what this device logs in with.
pub(super) fn login_refused(account: &Account, key: &PublicKey, refusal: &Refusal) -> Failure {
    let Account { user, name, server, .. } = account;
    let host = &server.hosts();
    let (code, message, hint) = match refusal.code {
        CloseCode::NameTaken => {
            return failure(
                ErrorCode::Refused,
                format!("the user name {user} belongs to another device's key at {host}"),
                format!(
                    "choose another user name; if it was yours, ask the server's operator to bind it \
                     to this device: pychat-server admin users rebind {user} {key}"
                ),
            );
        }
        CloseCode::NotPermitted => (
            ErrorCode::Refused,
            format!("{host} does not let {user} in: {}", refusal.reason),
            "ask the server's operator; an invite code is given with: pychatctl connect --invite CODE",
        ),
        CloseCode::Replaced => {
            return failure(
                ErrorCode::Refused,
                format!(
                    "another machine with the identity of {user} logged in at {host}, so this one was \
                     logged out. What arrives from now on is on that machine, and may be only there"
                ),
                format!(
                    "use an identity on one machine at a time. To take the place back: pychatctl \
                     connect {user} {}; what arrived there in between stays there, too",
                    quoted(name.as_str())
                ),
            );
        }
        other => (
            ErrorCode::Refused,
            format!("{host} refused the login of {user}: {other} {}", refusal.reason),
            "see the server's log",
        ),
    };
    failure(code, message.trim_end().to_owned(), hint)
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The server's key is another than the pinned one.
pub(super) fn key_changed(host: &str, pinned: &PublicKey, found: &PublicKey) -> Failure {
    failure(
        ErrorCode::KeyChanged,
        format!(
            "the key of {host} changed. Known so far: {}. Now: {}. Somebody may be posing as this \
             server; nothing was changed",
            pinned.fingerprint(),
            found.fingerprint()
        ),
        format!(
            "ask the server's operator for its fingerprint; if the new one is right, connect with \
             --trust-key {found}"
        ),
    )
}

pub(super) fn still_queued(queued: u64, account: &Account) -> Failure {
    failure(
        ErrorCode::Other,
        format!(
            "{queued} messages of {} still wait for {}; nothing was changed",
            account.user,
            account.server.hosts()
        ),
        "connect there once more so that they go out, or cancel them; or use another --profile",
    )
}

pub(super) fn no_login(account: &Account, waited_ms: u64, because: Option<&Failure>) -> Failure {
    let places: Vec<String> = account.server.places().map(ToString::to_string).collect();
    let place = places.join(", ");
    let seconds = waited_ms.div_ceil(1000);
    let message = match because {
        Some(because) => format!("no connection to {place} within {seconds} s: {because}"),
        None => format!("no answer from {place} within {seconds} s"),
    };
    let code = match because.map(|because| because.code) {
        Some(code @ (ErrorCode::VersionMismatch | ErrorCode::KeyChanged)) => code,
        _ => ErrorCode::TimedOut,
    };
    let mut hint = String::from(
        "it goes on in the background. Is the link right, does the server run, is its UDP port open? \
         This looks: pychatctl doctor",
    );
    if account.server.key.is_some() {
        hint.push_str("; if the server was set up anew, its key changed: use its new link");
    }
    failure(code, message, hint)
}

fn state_word(sent: &Sent) -> String {
    format!("{:?}", sent.state).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_an_end() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(1_769_860_800_001), "2026-01-31T12:00:00.001Z");
        assert!(time(u64::MAX).starts_with("9999-12-30"));
    }
}
