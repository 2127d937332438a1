//! What went over the wire, kept for a test to look at and to use against its owners.

use crate::sim::Datagram;
use pychat_proto::Instant;
use std::{cell::RefCell, net::SocketAddr, rc::Rc};

/// A datagram as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at: Instant,
    /// The sender, as the network shows it.
    pub from: SocketAddr,
    /// The receiver, as the sender wrote it.
    pub to: SocketAddr,
    /// The payload.
    pub bytes: Vec<u8>,
}

impl Sent {
    /// The packet's type: its first byte, without DATA's key phase.
    #[must_use]
    pub fn kind(&self) -> u8 {
        match self.bytes.first() {
            Some(kind) if kind & !1 == Wiretap::DATA => Wiretap::DATA,
            Some(kind) => *kind,
            None => 0,
        }
    }
}

/// Everything sent since it was made. Clones share what they keep.
#[derive(Clone, Debug, Default)]
pub struct Wiretap(Rc<RefCell<Vec<Sent>>>);

impl Wiretap {
    /// The type of an INIT. docs/PROTOCOL.md, "Packets".
    pub const INIT: u8 = 0x01;
    /// The type of a RETRY.
    pub const RETRY: u8 = 0x02;
    /// The type of a RESP.
    pub const RESP: u8 = 0x03;
    /// The type of a FIN.
    pub const FIN: u8 = 0x04;
    /// The type of a RESET.
    pub const RESET: u8 = 0x05;
    /// The type of a VERSION.
    pub const VERSION: u8 = 0x06;
    /// The type of a DATA, whatever its key phase.
    pub const DATA: u8 = 0x40;

    pub(super) fn keep(&self, at: Instant, datagram: &Datagram) {
        let Datagram { from, to, bytes } = datagram.clone();
        self.0.borrow_mut().push(Sent { at, from, to, bytes });
    }

    /// All of it, in order.
    #[must_use]
    pub fn all(&self) -> Vec<Sent> {
        self.0.borrow().clone()
    }

    /// All of one type, in order.
    #[must_use]
    pub fn of_kind(&self, kind: u8) -> Vec<Sent> {
        self.0.borrow().iter().filter(|sent| sent.kind() == kind).cloned().collect()
    }

    /// How many of one type.
    #[must_use]
    pub fn count(&self, kind: u8) -> usize {
        self.0.borrow().iter().filter(|sent| sent.kind() == kind).count()
    }

    /// Forgets what was kept so far.
    pub fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}
