//! SRV records: `_pychat._udp.NAME` names the nodes of a server that people know by one name. RFC 2782.
//!
//! The system's resolver is asked for addresses only, so this asks the name servers that it would ask. Whatever
//! goes wrong here, the name's own addresses are left; nothing that is told is believed beyond where to try, since
//! a server proves by its key who it is.

use pychat_proto::Place;
use simple_dns::{
    CLASS, Name, Packet, PacketFlag, Question, TYPE,
    rdata::{OPT, RData, SRV},
};
use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use tokio::{net::UdpSocket, time::timeout};

/// What stands before a name that has SRV records.
const SERVICE: &str = "_pychat._udp";

/// Name servers that are asked; the system's resolver asks no more either.
const NAME_SERVERS_MAX: usize = 3;

/// How long one of them may take before the next is asked.
const ANSWER_WITHIN: Duration = Duration::from_millis(700);

/// Longest answer that is asked for: it fits every path. DNS flag day 2020.
const ANSWER_BYTES_MAX: u16 = 1232;

/// Whether a name can have such records: a host of some domain, neither an address nor a name of this network.
pub(crate) fn may_have(host: &str) -> bool {
    let name = host.trim_end_matches('.');
    let local = [".local", ".localhost", ".internal", ".invalid", ".test"];
    name.contains('.')
        && host.parse::<IpAddr>().is_err()
        && !local.iter().any(|suffix| name.to_ascii_lowercase().ends_with(suffix))
}

/// The places that the records of `host` name, the preferred ones first; none if it has no such records or nobody
/// tells.
pub(crate) async fn look_up(host: &str) -> Vec<Place> {
    ask_all(&name_servers(), host).await
}

async fn ask_all(name_servers: &[SocketAddr], host: &str) -> Vec<Place> {
    for server in name_servers.iter().take(NAME_SERVERS_MAX) {
        if let Ok(Some(places)) = timeout(ANSWER_WITHIN, ask(*server, host)).await {
            return places;
        }
    }
    Vec::new()
}

/// What one name server answers; `None` if it cannot be asked.
async fn ask(server: SocketAddr, host: &str) -> Option<Vec<Place>> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // The port is drawn by the system, and nobody but the name server is heard.
    let socket = UdpSocket::bind(any).await.ok()?;
    socket.connect(server).await.ok()?;
    let id = RandomState::new().hash_one(host) as u16;
    let name = format!("{SERVICE}.{}", host.trim_end_matches('.'));
    socket.send(&question(id, &name)?).await.ok()?;
    let mut buffer = [0; ANSWER_BYTES_MAX as usize];
    loop {
        let length = socket.recv(&mut buffer).await.ok()?;
        if let Some(places) = answered(&buffer[..length], id, &name) {
            return Some(places);
        }
    }
}

fn question(id: u16, name: &str) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).ok()?;
    packet.questions.push(Question::new(name, TYPE::SRV.into(), CLASS::IN.into(), false));
    *packet.opt_mut() =
        Some(OPT { opt_codes: Vec::new(), udp_packet_size: ANSWER_BYTES_MAX, version: 0 });
    packet.build_bytes_vec().ok()
}

/// The places that an answer names; `None` if it is none to our question.
fn answered(answer: &[u8], id: u16, name: &str) -> Option<Vec<Place>> {
    let packet = Packet::parse(answer).ok()?;
    let is_ours = |question: &Question<'_>| question.qname.to_string().eq_ignore_ascii_case(name);
    if packet.id() != id
        || !packet.has_flags(PacketFlag::RESPONSE)
        || !packet.questions.iter().all(is_ours)
    {
        return None;
    }
    let mut records: Vec<&SRV<'_>> = packet
        .answers
        .iter()
        .filter_map(|record| if let RData::SRV(srv) = &record.rdata { Some(srv) } else { None })
        .collect();
    // Clients spread by themselves: priority and weight only tell who is left out where there are too many.
    records.sort_by_key(|srv| (srv.priority, u16::MAX - srv.weight));
    let places =
        records.into_iter().filter_map(|srv| Place::new(&srv.target.to_string(), srv.port).ok());
    Some(places.take(super::resolve::NODES_MAX).collect())
}

/// Whom the system's resolver asks. Where that is written down otherwise (Windows), nobody is.
fn name_servers() -> Vec<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    named_in(&text)
}

fn named_in(resolv_conf: &str) -> Vec<SocketAddr> {
    let name = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next()? == "nameserver").then_some(())?;
        words.next()?.parse::<IpAddr>().ok()
    };
    let servers = resolv_conf.lines().filter_map(name).map(|ip| SocketAddr::new(ip, 53));
    servers.take(NAME_SERVERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use simple_dns::ResourceRecord;

    const NAME: &str = "_pychat._udp.chat.example.org";

    fn answer(id: u16, records: &[(u16, u16, &'static str, u16)]) -> Vec<u8> {
        let mut packet = Packet::new_reply(id);
        let question =
            Question::new(Name::new_unchecked(NAME), TYPE::SRV.into(), CLASS::IN.into(), false);
        packet.questions.push(question);
        for (priority, weight, target, port) in records {
            let target = Name::new_unchecked(target);
            let srv = SRV { priority: *priority, weight: *weight, port: *port, target };
            let name = Name::new_unchecked(NAME);
            packet.answers.push(ResourceRecord::new(name, CLASS::IN, 60, RData::SRV(srv)));
        }
        packet.build_bytes_vec_compressed().unwrap()
    }

    fn texts(places: Option<Vec<Place>>) -> Vec<String> {
        places.expect("it is an answer").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn records_come_in_the_order_of_priority_and_weight() {
        let records = [
            (20, 1, "c.example.org", 7422),
            (10, 1, "b.example.org", 7421),
            (10, 9, "a.example.org", 7420),
        ];
        let places = answered(&answer(7, &records), 7, NAME);
        assert_eq!(
            texts(places),
            ["a.example.org:7420", "b.example.org:7421", "c.example.org:7422"]
        );
    }

    #[test]
    fn a_service_that_is_decidedly_not_there_has_no_places() {
        assert_eq!(texts(answered(&answer(7, &[(0, 0, ".", 0)]), 7, NAME)), [""; 0]);
        assert_eq!(texts(answered(&answer(7, &[]), 7, NAME)), [""; 0]);
    }

    #[test]
    fn what_answers_another_question_is_passed_over() {
        let records = [(1, 1, "a.example.org", 7420)];
        assert_eq!(answered(&answer(8, &records), 7, NAME), None);
        assert_eq!(answered(&answer(7, &records), 7, "_pychat._udp.example.org"), None);
        assert_eq!(answered(&question(7, NAME).unwrap(), 7, NAME), None);
        assert_eq!(answered(b"", 7, NAME), None);
    }

    #[test]
    fn no_damage_to_an_answer_does_more_than_lose_it() {
        let whole = answer(7, &[(1, 1, "a.example.org", 7420), (1, 1, "b.example.org", 7420)]);
        for length in 0..whole.len() {
            drop(answered(&whole[..length], 7, NAME));
        }
        for place in 0..whole.len() {
            for byte in 0..=u8::MAX {
                let mut damaged = whole.clone();
                damaged[place] = byte;
                drop(answered(&damaged, 7, NAME));
            }
        }
    }

    #[test]
    fn so_many_records_are_taken_and_no_more() {
        for count in [super::super::resolve::NODES_MAX, super::super::resolve::NODES_MAX + 1] {
            let records: Vec<_> =
                (0..count).map(|n| (1, 1, "a.example.org", n as u16 + 1)).collect();
            let places = answered(&answer(7, &records), 7, NAME).unwrap();
            assert_eq!(places.len(), super::super::resolve::NODES_MAX);
        }
    }

    #[test]
    fn only_hosts_of_a_domain_can_have_records() {
        for host in ["chat.example.org", "example.org."] {
            assert!(may_have(host), "{host}");
        }
        for host in ["localhost", "nas", "nas.local", "127.0.0.1", "::1", "a.localhost", ""] {
            assert!(!may_have(host), "{host}");
        }
    }

    #[test]
    fn name_servers_are_those_of_the_system() {
        let text = "# mine\nsearch example.org\nnameserver 10.0.0.1\nnameserver  fe80::1%eth0\nnameserver 2001:db8::1 # two\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n";
        let expected = ["10.0.0.1:53", "[2001:db8::1]:53", "10.0.0.2:53"];
        assert_eq!(named_in(text).iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }

    #[tokio::test]
    async fn the_next_name_server_is_asked_where_one_does_not_answer() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let servers = [silent.local_addr().unwrap(), server.local_addr().unwrap()];
        let serving = tokio::spawn(async move {
            let mut buffer = [0; 512];
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            let id = Packet::parse(&buffer[..length]).unwrap().id();
            let forged = answer(id.wrapping_add(1), &[(1, 1, "evil.example.org", 1)]);
            server.send_to(&forged, from).await.unwrap();
            let right = answer(id, &[(1, 1, "a.example.org", 7420)]);
            server.send_to(&right, from).await.unwrap();
        });
        let places = ask_all(&servers, "chat.example.org").await;
        assert_eq!(texts(Some(places)), ["a.example.org:7420"]);
        serving.await.unwrap();
    }
}
