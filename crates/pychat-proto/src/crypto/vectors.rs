//! Lets the golden vectors name a packet key's bytes.

use super::KeyBytes;

impl KeyBytes {
    pub(crate) const fn get(&self) -> &[u8; 32] {
        &self.0
    }
}
