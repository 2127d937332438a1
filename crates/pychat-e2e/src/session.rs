//! A session between two devices: Olm's double ratchet.

use crate::{CONFIG, Content, Damaged, Device, DeviceKey, Envelope, Vault};
use vodozemac::olm::{self, OlmMessage, PreKeyMessage, SessionPickle};
use zeroize::Zeroizing;

/// A session between two devices. Each seal and each opening moves it on: it is written to disk before
/// what it sealed leaves, and with what it opened.
pub struct Session(olm::Session);

/// What was opened, and by which session.
#[derive(Debug)]
pub struct Opened<S> {
    /// The session, moved on.
    pub session: S,
    /// What it said.
    pub content: Content,
}

/// Why nothing was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unopenable {
    /// No session here goes with it, or its key was used: a session that one side lost, or a repetition.
    #[error("no session here opens it")]
    NoSession,
    /// It opened, and what it holds is nothing of this version.
    #[error("what it holds is of another version")]
    Content,
}

impl Session {
    pub(crate) fn from_olm(session: olm::Session) -> Self {
        Self(session)
    }

    /// The same on both sides, and of no other session.
    #[must_use]
    pub fn id(&self) -> String {
        self.0.session_id()
    }

    /// Seals a content for the other side. Until the other side has answered once, everything bears what
    /// it needs to take the session up, and `device`, which says who we are.
    ///
    /// # Errors
    /// [`Damaged`]: the session holds no chain to seal with.
    pub fn seal(&mut self, device: &DeviceKey, content: &Content) -> Result<Envelope, Damaged> {
        let plain = Zeroizing::new(content.encode());
        match self.0.encrypt(plain.as_slice()).map_err(|_| Damaged)? {
            OlmMessage::Normal(message) => Ok(Envelope::Later(Box::new(message))),
            OlmMessage::PreKey(message) => {
                Ok(Envelope::First { device: device.encode(), message: Box::new(message) })
            }
        }
    }

    /// Opens what the other side sealed in this session. On an error the session stays as it was.
    ///
    /// # Errors
    /// See [`Unopenable`].
    pub fn open(&mut self, envelope: &Envelope) -> Result<Content, Unopenable> {
        let message = match envelope {
            Envelope::First { message, .. } if message.session_id() == self.0.session_id() => {
                OlmMessage::PreKey((**message).clone())
            }
            Envelope::Later(message) => OlmMessage::Normal((**message).clone()),
            Envelope::First { .. } | Envelope::Own(_) => return Err(Unopenable::NoSession),
        };
        let plain = self.0.decrypt(&message).map_err(|_| Unopenable::NoSession)?;
        content_of(&Zeroizing::new(plain))
    }

    /// Takes up a session that `from` began with us.
    ///
    /// # Errors
    /// See [`Unopenable`]; then `device` is as it was.
    pub fn take_up(
        device: &mut Device,
        from: &DeviceKey,
        message: &PreKeyMessage,
    ) -> Result<Opened<Self>, Unopenable> {
        device.take_up(from, message)
    }

    /// Seals it for the disk.
    ///
    /// # Panics
    /// Never: a session is plain data.
    #[must_use]
    pub fn to_disk(&self, vault: &Vault) -> Vec<u8> {
        vault.seal_plain(PLACE, &self.0.pickle())
    }

    /// Opens what was sealed for the disk.
    ///
    /// # Errors
    /// It is damaged.
    pub fn from_disk(vault: &Vault, sealed: &[u8]) -> Result<Self, Damaged> {
        let pickle: SessionPickle = vault.open_plain(PLACE, sealed)?;
        let session = olm::Session::from_pickle(pickle);
        if session.session_config() != CONFIG {
            return Err(Damaged);
        }
        Ok(Self(session))
    }
}

const PLACE: &[u8] = b"session";

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Session").field(&self.id()).finish()
    }
}

pub(crate) fn content_of(plain: &Zeroizing<Vec<u8>>) -> Result<Content, Unopenable> {
    Content::decode(plain).map_err(|_| Unopenable::Content)
}
