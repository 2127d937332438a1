//! What really went over the wire: `tcpdump` on the loopback interface, read back from its file.
//!
//! Nothing of the programs under test takes part in it.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Kept of each packet: all headers.
const KEPT_BYTES: &str = "64";

/// The kernel's memory for packets that tcpdump has not read, in KiB.
const BUFFER_KIB: &str = "131072";

/// Everything captured is in the file within this time.
const WRITTEN_DEADLINE: Duration = Duration::from_secs(20);

/// Between two looks at the file.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A capture under way.
pub struct Capture {
    child: Child,
    directory: TempDir,
    port: u16,
}

/// Why nothing can be captured here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoCapture(pub String);

/// What one address exchanged with the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Bytes of UDP payload to the server.
    pub bytes_in: u64,
    /// Bytes of UDP payload from the server.
    pub bytes_out: u64,
    /// Datagrams to the server.
    pub datagrams_in: u64,
    /// Datagrams from the server.
    pub datagrams_out: u64,
}

impl Capture {
    /// Begins to capture what goes to and from this port.
    ///
    /// # Errors
    /// There is no tcpdump, or it is not permitted.
    pub fn start(port: u16) -> Result<Self, NoCapture> {
        let failed = |error: std::io::Error| NoCapture(format!("tcpdump: {error}"));
        let directory = tempfile::Builder::new().prefix("pychat-capture-").tempdir();
        let directory = directory.map_err(failed)?;
        let mut command = Command::new("tcpdump");
        command
            .args(["-i", "lo", "-n", "-U", "-s", KEPT_BYTES, "-B", BUFFER_KIB, "-Z", "root", "-w"]);
        command.arg(directory.path().join("lo.pcap")).arg(format!("udp port {port}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut said = String::new();
        // It says so once it captures; before that, packets would be missed.
        while !said.contains("listening on") {
            if lines.read_line(&mut said).map_err(failed)? == 0 {
                let _ended = child.wait();
                return Err(NoCapture(said.trim().to_owned()));
            }
        }
        child.stderr = Some(lines.into_inner());
        Ok(Self { child, directory, port })
    }

    /// Ends the capture, and adds up what each address sent and got.
    ///
    /// # Errors
    /// Packets are missing from it, or it cannot be read.
    pub fn finish(mut self) -> Result<BTreeMap<SocketAddrV4, Flow>, NoCapture> {
        use rustix::process::{Pid, Signal, kill_process};
        let path = self.directory.path().join("lo.pcap");
        let marker = self.wait_until_all_is_written(&path)?;
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("a child takes signals");
        let mut said = String::new();
        let read = self.child.stderr.take().map(|mut errors| errors.read_to_string(&mut said));
        read.transpose().map_err(|error| NoCapture(error.to_string()))?;
        self.child.wait().map_err(|error| NoCapture(error.to_string()))?;
        if !said.contains("0 packets dropped by kernel") {
            return Err(NoCapture(said.trim().to_owned()));
        }
        let bytes = fs::read(&path).map_err(|error| NoCapture(error.to_string()))?;
        let flows = flows(&bytes, self.port);
        let mut flows = flows.ok_or_else(|| NoCapture("the capture is cut short".into()))?;
        flows.remove(&marker);
        Ok(flows)
    }

    /// Sends a last, empty datagram and waits until it is in the file, and so all before it; says where
    /// it came from.
    fn wait_until_all_is_written(&self, path: &Path) -> Result<SocketAddrV4, NoCapture> {
        let failed = |error: std::io::Error| NoCapture(format!("the last datagram: {error}"));
        let socket = UdpSocket::bind("127.0.0.1:0").map_err(failed)?;
        socket.send_to(b"", (Ipv4Addr::LOCALHOST, self.port)).map_err(failed)?;
        let SocketAddr::V4(marker) = socket.local_addr().map_err(failed)? else {
            return Err(NoCapture("the loopback address is IPv4".into()));
        };
        let end = Instant::now() + WRITTEN_DEADLINE;
        while Instant::now() < end {
            let bytes = fs::read(path).map_err(failed)?;
            if flows(&bytes, self.port).is_some_and(|flows| flows.contains_key(&marker)) {
                return Ok(marker);
            }
            thread::sleep(LOOK_EVERY);
        }
        Err(NoCapture(format!("tcpdump does not write all within {WRITTEN_DEADLINE:?}")))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // After `finish` it is gone already.
        let _gone = self.child.kill();
        let _code = self.child.wait();
    }
}

/// Reads a classic pcap file of Ethernet frames (which is what the loopback interface shows).
fn flows(file: &[u8], port: u16) -> Option<BTreeMap<SocketAddrV4, Flow>> {
    const HEADER: usize = 24;
    const RECORD_HEADER: usize = 16;
    let little = match file.get(..4)? {
        [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1] => true,
        [0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d] => false,
        _ => return None,
    };
    let mut flows: BTreeMap<SocketAddrV4, Flow> = BTreeMap::new();
    let mut rest = file.get(HEADER..)?;
    while !rest.is_empty() {
        let kept: [u8; 4] = rest.get(8..12)?.try_into().ok()?;
        let kept = if little { u32::from_le_bytes(kept) } else { u32::from_be_bytes(kept) };
        let frame = rest.get(RECORD_HEADER..RECORD_HEADER + kept as usize)?;
        rest = &rest[RECORD_HEADER + frame.len()..];
        let Some((from, to, bytes)) = udp(frame) else { continue };
        if to.port() == port {
            let flow = flows.entry(from).or_default();
            flow.bytes_in += bytes;
            flow.datagrams_in += 1;
        }
        if from.port() == port {
            let flow = flows.entry(to).or_default();
            flow.bytes_out += bytes;
            flow.datagrams_out += 1;
        }
    }
    Some(flows)
}

/// Source, destination and payload length of a frame that holds UDP over IPv4. A train of datagrams
/// that the kernel cuts apart later is one frame here, with the bytes of all.
fn udp(frame: &[u8]) -> Option<(SocketAddrV4, SocketAddrV4, u64)> {
    const ETHERNET: usize = 14;
    let ip = frame.get(ETHERNET..)?;
    if ip.first()? >> 4 != 4 || *ip.get(9)? != 17 {
        return None;
    }
    let head = usize::from(ip[0] & 15) * 4;
    let udp = ip.get(head..head + 8)?;
    let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(ip.get(at..at + 4)?).ok()?));
    let number = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
    let bytes = u64::from(number(4)).checked_sub(8)?;
    Some((
        SocketAddrV4::new(address(12)?, number(0)),
        SocketAddrV4::new(address(16)?, number(2)),
        bytes,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_counts_the_bytes_of_each_address_and_direction() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = server.local_addr().unwrap();
        let capture = match Capture::start(at.port()) {
            Ok(capture) => capture,
            Err(NoCapture(why)) => {
                println!("SKIPPED: {why}");
                return;
            }
        };
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(&[0; 1200], at).unwrap();
        client.send_to(&[], at).unwrap();
        let (_, from) = server.recv_from(&mut [0; 2000]).unwrap();
        server.send_to(&[0; 50], from).unwrap();
        client.recv(&mut [0; 100]).unwrap();
        let flows = capture.finish().unwrap();
        let SocketAddr::V4(from) = from else { panic!("IPv4") };
        let expected = Flow { bytes_in: 1200, bytes_out: 50, datagrams_in: 2, datagrams_out: 1 };
        assert_eq!(flows.into_iter().collect::<Vec<_>>(), [(from, expected)]);
    }

    #[test]
    fn a_cut_capture_is_told() {
        assert!(flows(b"", 1).is_none());
        let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1];
        file.resize(24, 0);
        assert!(flows(&file, 1).is_some_and(|flows| flows.is_empty()));
        file.extend([0; 10]);
        assert!(flows(&file, 1).is_none());
    }
}
