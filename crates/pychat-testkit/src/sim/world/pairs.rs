//! Who writes to whom.

use pychat_proto::PublicKey;
use std::collections::BTreeMap;

/// A receipt, as long as the real server's for one message.
pub(super) const RECEIPT: [u8; 30] = [b'r'; 30];

/// Clients that write to another one.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    recipients: BTreeMap<PublicKey, PublicKey>,
    senders: BTreeMap<PublicKey, PublicKey>,
}

impl Pairs {
    pub(super) fn join(&mut self, sender: PublicKey, recipient: PublicKey) {
        self.recipients.insert(sender, recipient);
        self.senders.insert(recipient, sender);
    }

    /// Who gets what this client sends up.
    pub(super) fn recipient_from(&self, sender: PublicKey) -> Option<PublicKey> {
        self.recipients.get(&sender).copied()
    }

    /// Who is told what is safe with this client.
    pub(super) fn sender_to(&self, recipient: PublicKey) -> Option<PublicKey> {
        self.senders.get(&recipient).copied()
    }
}
