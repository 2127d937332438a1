//! Sealing and opening, within a transaction: what a ratchet did and the ratchet itself reach the disk
//! together, so that a crash at any point finds both or neither.

use super::change::Change;
use crate::db::{Contact, DatabaseError, DeviceRow, Outgoing, RowId, SessionRow, What as Happened};
use pychat_control::{State, Trust};
use pychat_e2e::{
    Content, Device, DeviceKey, Envelope, Identity, Prekey, PrekeyKind, Session, Vault, What,
};
use pychat_proto::{
    MessageId, PublicKey, RefuseCode, SecretKey, UserName,
    chat::{self, ToServer, UserKeys},
};

/// Texts that are sealed in one transaction once keys are there.
pub(super) const RELEASED_AT_ONCE: usize = 256;

/// How often one of our texts is sealed anew, because its recipient could not open it.
const RESEALS_MAX: u32 = 3;

/// How often a text that nothing here opens is asked for; the next time it is told to the person.
const UNOPENED_TRIES_MAX: u32 = 3;

/// What seals: our identity, and the vault for what lies on the disk.
pub(super) struct Keys {
    pub(super) identity: Identity,
    pub(super) vault: Vault,
}

/// What a text of ours came to.
#[derive(Debug)]
pub(super) enum Sealed {
    /// Sealed bytes, for the server.
    For(Vec<u8>),
    /// No session with the recipient: keys are to be asked for.
    NoSession,
    /// The recipient's key changed and is not trusted.
    Held,
}

/// What somebody's published keys came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    /// A session was begun, or only the key looked at where no prekey came.
    Known,
    /// The key is not the one that we know: what we send is held.
    Held,
    /// Nothing to begin with, for the reason given: asked again later.
    Unusable(&'static str),
}

impl Keys {
    pub(super) fn new(identity: &SecretKey) -> Self {
        let identity = Identity::new(identity);
        let vault = Vault::for_disk(&identity);
        Self { identity, vault }
    }
}

impl Change<'_> {
    /// The server's key, which tells whose users we speak of; none before the first contact with it.
    fn server(&self) -> Option<PublicKey> {
        self.stored.settings.account.as_ref().and_then(|account| account.server.key)
    }

    fn user(&self) -> Option<UserName> {
        self.stored.settings.account.as_ref().map(|account| account.user)
    }

    /// Whom we know by that name at this server.
    pub(super) fn contact(&self, user: &UserName) -> Result<Option<Contact>, DatabaseError> {
        match self.server() {
            Some(server) => self.tx.contact(&server, user),
            None => Ok(None),
        }
    }

    /// Whether what is sent to somebody is held, as their key changed.
    pub(super) fn is_held(&self, user: &UserName) -> Result<bool, DatabaseError> {
        Ok(self.contact(user)?.is_some_and(|contact| contact.offered.is_some()))
    }

    pub(super) fn save_contact(&mut self, contact: &Contact) -> Result<(), DatabaseError> {
        if let Some(server) = self.server() {
            self.tx.save_contact(&server, contact)?;
            self.told.contacts.push(contact.clone());
        }
        Ok(())
    }

    /// Seals for `to`, with the session used last.
    pub(super) fn seal(
        &mut self,
        to: &UserName,
        content: &Content,
    ) -> Result<Sealed, DatabaseError> {
        if self.user().as_ref() == Some(to) {
            let own = Envelope::to_oneself(&self.keys.identity, content);
            return Ok(Sealed::For(own.encode()));
        }
        let (Some(server), Some(contact)) = (self.server(), self.contact(to)?) else {
            return Ok(Sealed::NoSession);
        };
        if contact.offered.is_some() {
            return Ok(Sealed::Held);
        }
        let vault = &self.keys.vault;
        let session = self.tx.session_for(vault, &server, &contact)?;
        let (Some(mut session), Some(device)) = (session, self.own_key()) else {
            return Ok(Sealed::NoSession);
        };
        let Ok(envelope) = session.seal(&device, content) else { return Ok(Sealed::NoSession) };
        self.tx.update_session(vault, &server, to, &session)?;
        Ok(Sealed::For(envelope.encode()))
    }

    /// Opens what came from `from`: what it says, and what is to be known of its key. `None`: nothing here
    /// opens it.
    pub(super) fn open(
        &mut self,
        from: &UserName,
        body: &[u8],
    ) -> Result<Option<(Content, Option<Trust>)>, DatabaseError> {
        let (Ok(envelope), Some(server)) = (Envelope::decode(body), self.server()) else {
            return Ok(None);
        };
        if self.user().as_ref() == Some(from) {
            return Ok(envelope.open_own(&self.keys.identity).map(|content| (content, None)));
        }
        for mut row in self.tx.sessions(&self.keys.vault, &server, from)? {
            if let Ok(content) = row.session.open(&envelope) {
                self.tx.save_session(&self.keys.vault, &server, from, &row)?;
                let pinned = self.contact(from)?.is_some_and(|contact| contact.login == row.login);
                return Ok(Some((content, (!pinned).then_some(Trust::KeyChanged))));
            }
        }
        let Envelope::First { device, message } = &envelope else { return Ok(None) };
        let Ok(theirs) = DeviceKey::decode(device, from) else { return Ok(None) };
        let Some(mut own) = self.own_device()? else { return Ok(None) };
        let Ok(device) = &mut own.device else { return Ok(None) };
        let Ok(opened) = Session::take_up(device, &theirs, message) else { return Ok(None) };
        let vault = &self.keys.vault;
        self.tx.save_device(vault, &own)?;
        let row = SessionRow { session: opened.session, login: theirs.login };
        self.tx.save_session(vault, &server, from, &row)?;
        let trust = self.meet(from, &theirs)?;
        self.told.key_used = true;
        Ok(Some((opened.content, trust)))
    }

    /// Somebody presents a device key. The first login key that comes is pinned.
    fn meet(
        &mut self,
        user: &UserName,
        device: &DeviceKey,
    ) -> Result<Option<Trust>, DatabaseError> {
        let now = self.now.unix_ms;
        let Some(mut contact) = self.contact(user)? else {
            let (login, since) = (device.login, device.since);
            let (offered, changed_at, verified_at) = (None, None, None);
            self.save_contact(&Contact {
                user: *user,
                login,
                since,
                offered,
                changed_at,
                verified_at,
                pinned_at: now,
            })?;
            return Ok(Some(Trust::FirstContact));
        };
        if contact.login == device.login {
            if device.since > contact.since {
                contact.since = device.since;
                self.save_contact(&contact)?;
            }
            return Ok(None);
        }
        if contact.offered != Some(device.login) {
            contact.offered = Some(device.login);
            contact.changed_at = Some(now);
            self.save_contact(&contact)?;
        }
        self.told.changed.push(*user);
        Ok(Some(Trust::KeyChanged))
    }

    /// Takes what the server gave as somebody's keys: pins, begins a session where a prekey was claimed, or
    /// holds what waits.
    pub(super) fn admit(
        &mut self,
        user: &UserName,
        keys: &UserKeys,
        claimed: bool,
    ) -> Result<Admitted, DatabaseError> {
        if keys.device.is_empty() {
            return Ok(Admitted::Unusable("their daemon has not published its keys yet"));
        }
        let Ok(device) = DeviceKey::decode(&keys.device, user) else {
            return Ok(Admitted::Unusable("the server gave keys whose signature is wrong"));
        };
        let known = self.contact(user)?;
        if let Some(contact) = &known
            && contact.login == device.login
            && device.since < contact.since
        {
            return Ok(Admitted::Unusable("the server gave keys that were replaced since"));
        }
        let prekey = match claimed.then(|| Prekey::decode(&keys.prekey, &device)) {
            None => None,
            Some(Ok(prekey)) => Some(prekey),
            Some(Err(_)) => {
                return Ok(Admitted::Unusable(
                    "the server gave no prekey, or one that is not theirs",
                ));
            }
        };
        if self.meet(user, &device)? == Some(Trust::KeyChanged) {
            return Ok(Admitted::Held);
        }
        // The pinned key is there again: nobody else can read what we send.
        if let Some(mut contact) = known.filter(|contact| contact.offered.is_some()) {
            contact.offered = None;
            contact.changed_at = None;
            contact.since = device.since;
            self.save_contact(&contact)?;
        }
        let (Some(prekey), Some(server)) = (prekey, self.server()) else {
            return Ok(Admitted::Known);
        };
        let Some(DeviceRow { device: Ok(own), .. }) = self.own_device()? else {
            return Ok(Admitted::Unusable("our own keys are not there yet"));
        };
        let Ok(session) = own.begin(&device, &prekey) else {
            return Ok(Admitted::Unusable("the server gave a key that is degenerate"));
        };
        let row = SessionRow { session, login: device.login };
        self.tx.save_session(&self.keys.vault, &server, user, &row)?;
        Ok(Admitted::Known)
    }

    /// Puts a text of ours on its way: into the outbox if it can be sealed, else it waits. `true`: it is in
    /// the outbox.
    pub(super) fn dispatch(
        &mut self,
        message: RowId,
        text: &Outgoing<'_>,
        tried: impl FnOnce(usize) -> bool,
        expires_at: Option<u64>,
    ) -> Result<Dispatched, DatabaseError> {
        let to = text.recipient;
        let waits_already = self.tx.is_waited_for(to)?;
        let what = What::Text(text.body.to_owned());
        let content = Content { id: text.id, sent_at: text.sent_at, what };
        let sealed = if waits_already { Sealed::NoSession } else { self.seal(to, &content)? };
        match sealed {
            Sealed::For(body) => {
                let payload = chat::encode(&ToServer::Text { id: text.id, to: *to, body });
                let tried = tried(payload.len());
                if tried {
                    self.record(message, text.id, Happened::Sent, None)?;
                }
                self.enqueue(Some(message), payload, tried, expires_at)?;
                Ok(Dispatched::Sealed)
            }
            Sealed::NoSession | Sealed::Held => {
                self.tx.wait_for_keys(message, to, expires_at)?;
                self.stored.queued += 1;
                if self.is_held(to)? {
                    return Ok(Dispatched::Held);
                }
                self.told.wanted.push(*to);
                Ok(Dispatched::Waits)
            }
        }
    }

    /// Seals texts that wait for `to`, in their order, as many as one transaction takes. `true`: others
    /// wait still and can be sealed too.
    pub(super) fn release(&mut self, to: &UserName) -> Result<bool, DatabaseError> {
        let rows = self.tx.waiting_for(to, RELEASED_AT_ONCE)?;
        let more = rows.len() == RELEASED_AT_ONCE;
        for row in rows {
            let Some(message) = self.tx.message(row.message)? else {
                self.tx.stop_waiting(row.message)?;
                continue;
            };
            let what = What::Text(message.body.clone());
            let content = Content { id: message.id, sent_at: message.sent_at, what };
            let Sealed::For(body) = self.seal(to, &content)? else { return Ok(false) };
            let payload = chat::encode(&ToServer::Text { id: message.id, to: *to, body });
            self.tx.stop_waiting(row.message)?;
            self.stored.queued = self.stored.queued.saturating_sub(1);
            self.enqueue(Some(row.message), payload, false, row.expires_at)?;
            self.told.released.push((message.id, *to));
        }
        Ok(more)
    }

    /// Nobody of that name: what waits for the keys ends. `true`: others wait still.
    pub(super) fn refuse_waiting(&mut self, to: &UserName) -> Result<bool, DatabaseError> {
        let rows = self.tx.waiting_for(to, RELEASED_AT_ONCE)?;
        for row in &rows {
            self.end_waiting(row.message, Happened::Refused, Some(RefuseCode::NoSuchUser))?;
        }
        Ok(rows.len() == RELEASED_AT_ONCE)
    }

    /// A text that waits for keys ends: refused, cancelled or expired.
    pub(super) fn end_waiting(
        &mut self,
        message: RowId,
        how: Happened,
        refusal: Option<RefuseCode>,
    ) -> Result<(), DatabaseError> {
        self.tx.stop_waiting(message)?;
        self.stored.queued = self.stored.queued.saturating_sub(1);
        match self.tx.message(message)? {
            Some(message) => self.advance(&message, how, refusal),
            None => Ok(()),
        }
    }

    /// Asks `user`, in the session that was just begun, for the texts that nothing here opened.
    pub(super) fn ask_anew(&mut self, user: &UserName, id: MessageId) -> Result<(), DatabaseError> {
        let ids = self.tx.ask_unopened(user, chat::IDS_PER_RECEIPT_MAX)?;
        if ids.is_empty() {
            return Ok(());
        }
        let content = Content { id, sent_at: self.now.unix_ms, what: What::Unopened(ids) };
        if let Sealed::For(body) = self.seal(user, &content)? {
            let payload = chat::encode(&ToServer::Text { id, to: *user, body });
            self.enqueue(None, payload, true, None)?;
        }
        Ok(())
    }

    /// Nothing here opened a text of `from`'s. It is asked for, and in the end the person is told.
    /// `true`: it is given up.
    pub(super) fn miss(&mut self, from: &UserName, id: MessageId) -> Result<bool, DatabaseError> {
        let tries = self.tx.note_unopened(from, id, self.now.unix_ms)?;
        tracing::warn!(%id, tries, "a text cannot be opened here; its sender is asked to seal it anew");
        if tries > UNOPENED_TRIES_MAX || self.user().as_ref() == Some(from) {
            self.tx.forget_unopened(from, id)?;
            return Ok(true);
        }
        self.told.wanted.push(*from);
        Ok(false)
    }

    /// `by` could not open these texts of ours: they go out again.
    pub(super) fn reseal(&mut self, by: &UserName, ids: &[MessageId]) -> Result<(), DatabaseError> {
        for id in ids {
            let Some(message) = self.tx.outgoing(*id)? else {
                // No text of ours: most likely what we asked them ourselves.
                if self.tx.ask_unopened_again(by, UNOPENED_TRIES_MAX)? {
                    self.told.wanted.push(*by);
                }
                continue;
            };
            let was_taken = matches!(message.state, State::Accepted | State::Delivered);
            if message.recipient != *by
                || !was_taken
                || !self.tx.count_reseal(message.row, RESEALS_MAX)?
            {
                continue;
            }
            self.record(message.row, message.id, Happened::Resealed, None)?;
            let what = What::Text(message.body.clone());
            let content = Content { id: message.id, sent_at: message.sent_at, what };
            match self.seal(by, &content)? {
                Sealed::For(body) => {
                    let payload = chat::encode(&ToServer::Text { id: message.id, to: *by, body });
                    self.enqueue(Some(message.row), payload, false, None)?;
                }
                Sealed::NoSession | Sealed::Held => {
                    self.tx.wait_for_keys(message.row, by, None)?;
                    self.stored.queued += 1;
                    self.told.wanted.push(*by);
                }
            }
        }
        Ok(())
    }

    /// Our device key, signed for the user name that we have now.
    fn own_key(&self) -> Option<DeviceKey> {
        let user = self.user()?;
        self.stored.device.as_ref().filter(|(of, _)| *of == user).map(|(_, key)| *key)
    }

    /// Our device; made now if there is none, or none that opens, and signed anew for another user name.
    pub(super) fn own_device(&mut self) -> Result<Option<DeviceRow>, DatabaseError> {
        let Some(user) = self.user() else { return Ok(None) };
        let Keys { identity, vault } = self.keys;
        let now = self.now.unix_ms;
        let row = match self.tx.device(vault)? {
            Some(row) if row.device.is_ok() && row.user == user => return Ok(Some(row)),
            Some(DeviceRow { device: Ok(device), signed, fallback, fallback_at, .. }) => {
                let since = now.max(signed.since + 1);
                let signed = DeviceKey::sign(identity, &user, signed.olm, since);
                let (device, batch_first) = (Ok(device), 0);
                DeviceRow { device, user, signed, fallback, fallback_at, batch_first }
            }
            former => {
                if former.is_some() {
                    tracing::error!("our end-to-end keys are damaged; new ones take their place");
                }
                let mut device = Device::new();
                let key = device.make_fallback_key();
                device.mark_published();
                let least = former.map_or(0, |former| former.signed.since + 1);
                let signed = DeviceKey::sign(identity, &user, device.olm_key(), now.max(least));
                let fallback = Prekey::sign(identity, &signed.olm, PrekeyKind::Fallback, key);
                let (device, batch_first) = (Ok(device), 0);
                DeviceRow { device, user, signed, fallback, fallback_at: now, batch_first }
            }
        };
        self.save_own_device(&row)?;
        Ok(Some(row))
    }

    pub(super) fn save_own_device(&mut self, row: &DeviceRow) -> Result<(), DatabaseError> {
        self.tx.save_device(&self.keys.vault, row)?;
        self.stored.device = Some((row.user, row.signed));
        Ok(())
    }
}

/// Where a text of ours went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dispatched {
    /// Into the outbox.
    Sealed,
    /// It waits for the recipient's keys.
    Waits,
    /// It waits until the recipient's new key is trusted.
    Held,
}
