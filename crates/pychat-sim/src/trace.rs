//! The readable trace of a run: who did what when.

use pychat_proto::Instant;
use pychat_testkit::sim::Tapped;
use std::{cell::RefCell, collections::BTreeMap, net::SocketAddr, rc::Rc};

/// Takes lines, or takes nothing. Copies write to the same place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace(Option<Rc<RefCell<Lines>>>);

#[derive(Debug)]
struct Lines {
    now: Instant,
    names: BTreeMap<SocketAddr, String>,
}

impl Trace {
    /// A trace that goes to standard output.
    pub(crate) fn printing() -> Self {
        let lines = Lines { now: Instant::ZERO, names: BTreeMap::new() };
        Self(Some(Rc::new(RefCell::new(lines))))
    }

    /// What an address is called from now on.
    pub(crate) fn name(&self, address: SocketAddr, name: &str) {
        if let Some(lines) = &self.0 {
            lines.borrow_mut().names.insert(address, name.to_owned());
        }
    }

    /// It is this late.
    pub(crate) fn set_time(&self, now: Instant) {
        if let Some(lines) = &self.0 {
            lines.borrow_mut().now = now;
        }
    }

    /// Writes a line, if anybody reads it.
    pub(crate) fn note(&self, who: &str, what: impl FnOnce() -> String) {
        if let Some(lines) = &self.0 {
            lines.borrow().print(who, &what());
        }
    }

    /// Writes down a datagram at sending and at arrival.
    pub(crate) fn datagram(&self, now: Instant, tapped: Tapped<'_>) {
        let Some(lines) = &self.0 else { return };
        lines.borrow_mut().now = now;
        let lines = lines.borrow();
        let (datagram, way) = match tapped {
            Tapped::Sent(datagram) => (datagram, "sends"),
            Tapped::Delivered { datagram, .. } => (datagram, "gets"),
        };
        let (from, to) = (lines.called(datagram.from), lines.called(datagram.to));
        let what = describe(&datagram.bytes);
        match tapped {
            Tapped::Sent(_) => lines.print(&from, &format!("{way} {what} to {to}")),
            Tapped::Delivered { .. } => lines.print(&to, &format!("{way} {what} from {from}")),
        }
    }
}

impl Lines {
    fn called(&self, address: SocketAddr) -> String {
        self.names.get(&address).cloned().unwrap_or_else(|| address.to_string())
    }

    fn print(&self, who: &str, what: &str) {
        let micros = self.now.as_micros();
        println!("{:>6}.{:06} {who:<8} {what}", micros / 1_000_000, micros % 1_000_000);
    }
}

/// What an eavesdropper can say of a datagram.
fn describe(bytes: &[u8]) -> String {
    let kind = match bytes.first() {
        Some(0x01) => "INIT".to_owned(),
        Some(0x02) => "RETRY".to_owned(),
        Some(0x03) => "RESP".to_owned(),
        Some(0x04) => "FIN".to_owned(),
        Some(0x05) => "RESET".to_owned(),
        Some(0x06) => "VERSION".to_owned(),
        Some(0x40 | 0x41) if bytes.len() >= 16 => {
            let number = bytes[9..16].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
            format!("DATA #{number}")
        }
        _ => "rubbish".to_owned(),
    };
    format!("{kind} ({} bytes)", bytes.len())
}
