//! The way to the server: its name, its address, whether datagrams come back, and its clock.

use super::Finding;
use crate::screen::clean_line;
use pychat_control::{Diagnosis, ErrorCode, Link, Status};
use std::{
    io::ErrorKind,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

/// How long a host may take to say that nobody listens.
const PROBE_TIME: Duration = Duration::from_millis(1500);

/// A clock that is off by more tells times that mislead people.
const CLOCK_OFF_MS: u64 = 60_000;

/// One that is off by more hinders what relies on time, such as certificates and `--until`.
const CLOCK_FAR_OFF_MS: u64 = 3_600_000;

/// Loss beyond which a path is worth a word, in thousandths.
const LOSS_PERMILLE_HIGH: u32 = 100;

/// Packets before which a share means nothing.
const PACKETS_MIN: u64 = 100;

/// What an address answers to one that does not speak our protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probed {
    /// The host says that nobody listens at that UDP port.
    NobodyListens,
    /// This machine did not let the datagram out.
    Forbidden,
    /// There is no way there from here.
    NoRoute,
    /// Nothing came back by UDP, but the host answers TCP.
    UdpSilent,
    /// Nothing came back at all.
    Silent,
}

/// Looks whether the way is open; `probe` asks an address.
pub(super) fn path(
    status: &Status,
    diagnosis: &Diagnosis,
    probe: impl FnOnce(SocketAddr) -> Probed,
) -> Option<Finding> {
    match status.link {
        Link::Connected => Some(good(status)),
        Link::Disconnected | Link::Refused => None,
        Link::Connecting => hindered(diagnosis, probe),
    }
}

/// Which node of the server is in use, where it has several, and whether there is another to go to.
pub(super) fn node(status: &Status) -> Option<Finding> {
    if status.link != Link::Connected {
        return None;
    }
    let node = clean_line(status.node.as_deref()?);
    let others = match status.nodes.saturating_sub(1) {
        1 => "1 other is known".to_owned(),
        others => format!("{others} others are known"),
    };
    Some(Finding::good("node", format!("{node}; {others}, if this one is gone")))
}

fn good(status: &Status) -> Finding {
    let rtt = status.rtt_ms.map(|ms| format!("{ms} ms round trip, ")).unwrap_or_default();
    let loss = status.loss_permille;
    let told = format!("{rtt}{}.{} % lost", loss / 10, loss % 10);
    if loss > LOSS_PERMILLE_HIGH && status.packets_sent >= PACKETS_MIN {
        let hint = "nothing is lost for good: what does not arrive is sent again; it takes longer";
        return Finding::fair("path", format!("a bad path: {told}"), hint);
    }
    Finding::good("path", told)
}

fn hindered(diagnosis: &Diagnosis, probe: impl FnOnce(SocketAddr) -> Probed) -> Option<Finding> {
    let host = diagnosis.host.as_deref().map_or_else(|| "the server".into(), clean_line);
    let port = diagnosis.port.unwrap_or_default();
    if let Some(error) = &diagnosis.lookup_error {
        return Some(Finding::bad(
            "path",
            format!("no DNS: {host} cannot be looked up: {error}"),
            format!(
                "is this machine online, and is the name right? try: getent hosts {host}; if only names \
                 fail, connect with the server's address in the link"
            ),
        ));
    }
    // Somebody answers: what is wrong was told with the login.
    let told = |code| diagnosis.link_error.as_ref().is_some_and(|error| error.code == code);
    if told(ErrorCode::KeyChanged.number()) || told(ErrorCode::VersionMismatch.number()) {
        return None;
    }
    let address: SocketAddr = diagnosis.address.as_deref()?.parse().ok()?;
    let sent = diagnosis.datagrams_sent;
    let silence = format!("no reply from {host} ({address}) to {sent} datagrams");
    Some(match probe(address) {
        Probed::NobodyListens => Finding::bad(
            "path",
            format!("{host} ({address}) says that nothing listens at UDP port {port}"),
            "is the server running, and is the port of the link right? on it: systemctl status \
             pychat-server",
        ),
        Probed::Forbidden => Finding::bad(
            "path",
            format!("blocked UDP: this machine does not let datagrams out to {address}"),
            format!("let UDP port {port} out in this machine's firewall: nft list ruleset"),
        ),
        Probed::NoRoute => Finding::bad(
            "path",
            format!("no network: there is no way from here to {address}"),
            "is a network up? see: ip route; messages wait and go out when there is one",
        ),
        Probed::UdpSilent => Finding::bad(
            "path",
            format!("{silence}, though the host is up: blocked UDP, or the link's key is wrong"),
            format!(
                "a server is silent to a wrong key: compare the link with the operator's (pychat-server \
                 link); else a firewall between blocks UDP port {port}: try another network"
            ),
        ),
        Probed::Silent => Finding::bad(
            "path",
            format!("{silence}, and the host answers nothing else either"),
            format!("is it up, and is the address right? try: ping {host}; then another network"),
        ),
    })
}

/// Sends one byte, which no server answers, and listens to what the host says of it; then tries TCP, which any
/// host answers that is not behind a wall.
pub(super) fn probe(address: SocketAddr) -> Probed {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let asked = UdpSocket::bind(any).and_then(|socket| {
        socket.connect(address)?;
        socket.set_read_timeout(Some(PROBE_TIME))?;
        socket.send(&[0])?;
        let mut answer = [0; 1];
        socket.recv(&mut answer)
    });
    match asked.map_err(|error| error.kind()) {
        Err(ErrorKind::ConnectionRefused) => return Probed::NobodyListens,
        Err(ErrorKind::PermissionDenied) => return Probed::Forbidden,
        Err(ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable) => return Probed::NoRoute,
        Ok(_) | Err(_) => {}
    }
    match TcpStream::connect_timeout(&address, PROBE_TIME).map_err(|error| error.kind()) {
        Ok(_) | Err(ErrorKind::ConnectionRefused) => Probed::UdpSilent,
        Err(_) => Probed::Silent,
    }
}

/// Whether the two clocks agree.
pub(super) fn clock(diagnosis: &Diagnosis) -> Option<Finding> {
    let ahead = diagnosis.clock_ahead_ms?;
    let off = ahead.unsigned_abs();
    let (seconds, which) = (off / 1000, if ahead > 0 { "ahead of" } else { "behind" });
    let told = match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    };
    let hint = "set this machine's clock: timedatectl set-ntp true (or tell the server's operator)";
    Some(if off <= CLOCK_OFF_MS {
        Finding::good("clock", "as the server's")
    } else if off <= CLOCK_FAR_OFF_MS {
        Finding::fair("clock", format!("{told} {which} the server's: times mislead"), hint)
    } else {
        Finding::bad("clock", format!("far off: {told} {which} the server's"), hint)
    })
}
