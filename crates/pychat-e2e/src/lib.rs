//! End-to-end encryption, sans-IO: who somebody is, and what only two people read.
//!
//! An [`Identity`] is the key that logs in; it signs everything else. A [`Device`] is an Olm account and
//! signs itself in as a [`DeviceKey`], with [`Prekey`]s that strangers begin a [`Session`] with. What a
//! session seals or opens is a [`Content`], padded; on the wire it lies in an [`Envelope`]. A [`Vault`]
//! seals devices and sessions for the disk. [`safety_number`] is what two people compare.
//!
//! Nothing here knows a server, a database or a clock. `docs/PROTOCOL.md`, "End to end", specifies each
//! byte; `docs/adr/0007-olm-between-two-people.md` tells why it is so.
//!
//! Randomness is the one thing that does not come in from outside: vodozemac makes its keys of the
//! operating system's. Sizes and decisions never depend on it.

mod content;
mod device;
mod envelope;
mod identity;
mod safety;
mod session;
mod vault;

pub use content::{Content, InvalidContent, What, padded};
pub use device::{Device, DeviceKey, InvalidKeys, Prekey, PrekeyKind};
pub use envelope::{Envelope, InvalidEnvelope};
pub use identity::Identity;
pub use safety::{SAFETY_DIGITS, SafetyNumber, safety_number};
pub use session::{Opened, Session, Unopenable};
pub use vault::{Damaged, Vault};

use vodozemac::olm::SessionConfig;

/// Olm with its whole MAC of 32 bytes: there are no old peers that know only the shortened one.
const CONFIG: SessionConfig = SessionConfig::version_2();
