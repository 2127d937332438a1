//! Lets the golden vectors name a packet key's bytes.

use super::PacketKey;

impl PacketKey {
    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
