//! Whom we know by key: `contacts`, `verify`, `trust`.

use super::{Core, answer, users::Asking};
use crate::db::{Contact, DatabaseError};
use pychat_control::{
    Contact as Told, EventKind, Failure, Link, List, Trusted, Verification, VerifyParams,
};
use pychat_e2e::{SafetyNumber, safety_number};
use pychat_proto::{
    Instant, PublicKey, UserName,
    chat::{self, Call, Reply},
};
use std::time::Duration;

/// Questions of `verify` that may wait at once.
pub(super) const LOOKUPS_MAX: usize = 32;

/// Contacts in one answer; more than anybody has.
const CONTACTS_MAX: usize = 10_000;

/// Pause after a server said "try later".
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A `verify` that waits for a key.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) token: u64,
    peer: UserName,
    code: Option<String>,
    deadline: Instant,
    call: Asking,
}

impl Lookup {
    pub(super) fn next_deadline(&self) -> Instant {
        self.call.not_before().map_or(self.deadline, |at| at.min(self.deadline))
    }
}

impl Core {
    /// The pinned key of this server, which its users are known under.
    fn server_key(&self) -> Option<PublicKey> {
        self.stored.settings.account.as_ref().and_then(|account| account.server.key)
    }

    /// Whom we know by that name; `None` too where the disk cannot be read.
    pub(super) fn contact(&self, user: &UserName) -> Option<Contact> {
        let server = self.server_key()?;
        self.database.read().contact(&server, user).ok().flatten()
    }

    /// Those whose key changed, for `status`.
    pub(super) fn changed_keys(&self) -> Vec<String> {
        let Some(server) = self.server_key() else { return Vec::new() };
        let changed = self.database.read().changed_contacts(&server, CONTACTS_MAX);
        changed.unwrap_or_default().iter().map(|contact| contact.user.to_string()).collect()
    }

    pub(super) fn contacts(&self) -> Result<List<Told>, Failure> {
        let Some(server) = self.server_key() else {
            return Ok(List { items: Vec::new(), next: None });
        };
        let read = || {
            let contacts = self.database.read().contacts(&server, CONTACTS_MAX)?;
            contacts.iter().map(|contact| self.told_contact(contact)).collect()
        };
        let items: Result<Vec<Told>, DatabaseError> = read();
        let items = items.map_err(|error| answer::unreadable(&error))?;
        Ok(List { items, next: None })
    }

    fn told_contact(&self, contact: &Contact) -> Result<Told, DatabaseError> {
        let held = match contact.offered {
            Some(_) => self.database.read().count_waiting_for(&contact.user)?,
            None => 0,
        };
        Ok(answer::contact(contact, held))
    }

    /// Tells subscribers how somebody's key stands.
    pub(super) fn tell_contact(&mut self, contact: &Contact) {
        if let Ok(contact) = self.told_contact(contact) {
            self.tell_now(EventKind::Contact { contact });
        }
    }

    pub(super) fn verify(&mut self, token: u64, params: VerifyParams) {
        let (peer, own) = match self.people(&params.peer) {
            Ok(people) => people,
            Err(failure) => return self.fail(token, failure),
        };
        if let Some(contact) = self.contact(&peer) {
            let answer = self.compare(&own, &contact, params.code.as_deref());
            return self.settle_response(token, answer);
        }
        if self.lookups.len() >= LOOKUPS_MAX {
            return self.fail(token, answer::too_many_questions());
        }
        match self.link.state {
            Link::Disconnected => {
                return self.fail(token, answer::not_connected("not connected"));
            }
            Link::Refused => {
                let refused = answer::not_connected("the server refused the login");
                return self.fail(token, self.link_error.clone().unwrap_or(refused));
            }
            Link::Connecting | Link::Connected => {}
        }
        self.lookups.push(Lookup {
            token,
            peer,
            code: params.code,
            deadline: self.now.mono + Duration::from_millis(params.timeout_ms),
            call: Asking::NotBefore(Instant::ZERO),
        });
    }

    /// Asks for the keys that `verify` needs, and ends what has waited too long.
    pub(super) fn run_lookups(&mut self) {
        let now = self.now.mono;
        let (late, lookups) = std::mem::take(&mut self.lookups)
            .into_iter()
            .partition(|lookup: &Lookup| lookup.deadline <= now);
        self.lookups = lookups;
        let late: Vec<Lookup> = late;
        for lookup in late {
            let failure = match self.is_live() {
                true => answer::no_server_answer(),
                false => answer::not_connected_yet(&self.timeout_reason()),
            };
            self.fail(lookup.token, failure);
        }
        let live = self.is_live();
        let Some(client) = self.client.as_mut().filter(|_| live) else {
            let forgotten = Asking::NotBefore(Instant::ZERO);
            return self.lookups.iter_mut().for_each(|lookup| lookup.call = forgotten);
        };
        for lookup in &mut self.lookups {
            if matches!(lookup.call, Asking::NotBefore(at) if at <= now) {
                let call = Call::UserKeys { user: lookup.peer, claim: false };
                lookup.call = match client.call(now, &chat::encode(&call)) {
                    Some(id) => Asking::UnderWay(id),
                    None => Asking::NotBefore(now + RETRY_AFTER),
                };
            }
        }
    }

    /// Takes the answer for a `verify`, if it is one.
    pub(super) fn take_lookup(&mut self, id: u64, payload: &[u8]) {
        let asked = Asking::UnderWay(id);
        let Some(index) = self.lookups.iter().position(|lookup| lookup.call == asked) else {
            return;
        };
        let peer = self.lookups[index].peer;
        let failure = match chat::decode(payload) {
            Ok(Reply::UserKeys(Some(keys))) => {
                match self.change(|change| change.admit(&peer, &keys, false)) {
                    Ok(super::sealing::Admitted::Unusable(why)) => {
                        Some(answer::unusable_keys(&peer, why))
                    }
                    Ok(_) => None,
                    Err(error) => Some(answer::unwritten(&error, "the key was not pinned")),
                }
            }
            Ok(Reply::UserKeys(None)) => Some(answer::no_such_user(&peer)),
            Ok(Reply::TryLater) => {
                self.lookups[index].call = Asking::NotBefore(self.now.mono + RETRY_AFTER);
                return;
            }
            Ok(Reply::Users { .. } | Reply::User(_) | Reply::OwnKeys(_)) | Err(_) => {
                Some(answer::unreadable_reply())
            }
        };
        let Lookup { token, code, .. } = self.lookups.swap_remove(index);
        let own = self.stored.settings.account.as_ref().map(|account| account.user);
        match (failure, own, self.contact(&peer)) {
            (Some(failure), _, _) => self.fail(token, failure),
            (None, Some(own), Some(contact)) => {
                let answer = self.compare(&own, &contact, code.as_deref());
                self.settle_response(token, answer);
            }
            (None, _, _) => self.fail(token, answer::no_account()),
        }
    }

    /// The number that stands for us and `contact`; with a code, whether it is the same, and if it is, it
    /// is written down.
    fn compare(
        &mut self,
        own: &UserName,
        contact: &Contact,
        code: Option<&str>,
    ) -> Result<Verification, Failure> {
        let key = contact.offered.unwrap_or(contact.login);
        let ours = self.keys.identity.public();
        let number = safety_number((own, &ours), (&contact.user, &key));
        let mut contact = contact.clone();
        let matches = match code {
            Some(code) => Some(is_number(&number, code)?),
            None => None,
        };
        if matches == Some(true) {
            contact = self.take_key(&contact, true)?;
        }
        let told = self.told_contact(&contact).map_err(|error| answer::unreadable(&error))?;
        Ok(Verification {
            contact: told,
            safety_number: number.to_string(),
            qr: format!("{QR_PREFIX}{}", number.digits()),
            matches,
        })
    }

    pub(super) fn trust(
        &mut self,
        peer: &str,
        fingerprint: Option<&str>,
    ) -> Result<Trusted, Failure> {
        let (peer, _) = self.people(peer)?;
        let contact = self.contact(&peer).ok_or_else(|| answer::unknown_contact(&peer))?;
        let offered = contact.offered.map(|key| key.fingerprint());
        if let (Some(shown), Some(offered)) = (fingerprint, &offered)
            && shown != offered
        {
            return Err(answer::another_key(&peer, offered));
        }
        let released = match contact.offered {
            Some(_) => self
                .database
                .read()
                .count_waiting_for(&peer)
                .map_err(|error| answer::unreadable(&error))?,
            None => 0,
        };
        let former = contact.offered.map(|_| contact.login.fingerprint());
        let now = match contact.offered {
            Some(_) => self.take_key(&contact, false)?,
            None => contact,
        };
        let fingerprint = now.login.fingerprint();
        Ok(Trusted { user: peer.to_string(), former, fingerprint, released })
    }

    /// Takes the key that presents itself, if there is another one; `verified`: it was compared. What was
    /// held goes out.
    fn take_key(&mut self, contact: &Contact, verified: bool) -> Result<Contact, Failure> {
        let mut contact = contact.clone();
        let server = self.server_key().ok_or_else(answer::no_account)?;
        let now = self.now.unix_ms;
        if let Some(offered) = contact.offered.take() {
            (contact.login, contact.since) = (offered, 0);
            (contact.verified_at, contact.changed_at) = (None, None);
            contact.pinned_at = now;
        }
        if verified {
            contact.verified_at = Some(now);
        }
        self.change(|change| {
            change.save_contact(&contact)?;
            change.tx.drop_other_sessions(&server, &contact.user, &contact.login)
        })
        .map_err(|error| answer::unwritten(&error, "nothing was changed"))?;
        self.wanted.want(contact.user);
        Ok(contact)
    }

    /// The other one and ourselves.
    fn people(&self, peer: &str) -> Result<(UserName, UserName), Failure> {
        let peer = UserName::parse(peer).map_err(|error| answer::usage(error.to_string()))?;
        let account = self.stored.settings.account.as_ref().ok_or_else(answer::no_account)?;
        if account.user == peer {
            return Err(answer::usage(format!("{peer} is you; name somebody else")));
        }
        Ok((peer, account.user))
    }
}

/// What the text of a QR code begins with, so that a camera's other finds are told apart.
const QR_PREFIX: &str = "pychat-safety-number:";

/// Whether a code, typed or scanned, is this number.
fn is_number(number: &SafetyNumber, code: &str) -> Result<bool, Failure> {
    let digits = code.trim().strip_prefix(QR_PREFIX).unwrap_or(code);
    let count = digits.chars().filter(|c| !c.is_whitespace()).count();
    let other = digits.chars().any(|c| !c.is_whitespace() && !c.is_ascii_digit());
    if other || count != pychat_e2e::SAFETY_DIGITS {
        return Err(answer::usage(format!(
            "a safety number has {} digits; this one has {count} characters{}",
            pychat_e2e::SAFETY_DIGITS,
            if other { ", and others than digits" } else { "" }
        )));
    }
    Ok(number.is(digits))
}
