use super::*;
use crate::{PollSocket, batch::TRAIN_BYTES_MAX};
use std::{collections::BTreeSet, future::Future, time::Duration};

const DEADLINE: Duration = Duration::from_secs(10);

fn loopback() -> Socket {
    Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap()
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("nothing happened within 10 seconds")
}

async fn send(socket: &Socket, to: SocketAddr, segment_bytes: usize, datagrams: &[u8]) {
    let transmit = Transmit { to, segment_bytes };
    in_time(async {
        loop {
            match socket.try_send(&transmit, datagrams) {
                Ok(()) => return,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    socket.writable().await.unwrap();
                }
                Err(error) => panic!("sending failed: {error}"),
            }
        }
    })
    .await;
}

async fn receive(socket: &mut Socket, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut received = Vec::new();
    while received.len() < count {
        in_time(socket.recv(|from, datagram| received.push((from, datagram.to_vec()))))
            .await
            .unwrap();
    }
    received
}

#[tokio::test]
async fn a_batch_arrives_whole() {
    let (sender, mut receiver) = (loopback(), loopback());
    let to = receiver.local_addr().unwrap();
    for number in 0..100_u8 {
        send(&sender, to, 1, &[number]).await;
    }
    let received = receive(&mut receiver, 100).await;
    assert_eq!(received.iter().map(|(_, bytes)| bytes[0]).collect::<BTreeSet<_>>().len(), 100);
    assert!(
        received
            .iter()
            .all(|(from, bytes)| { *from == sender.local_addr().unwrap() && bytes.len() == 1 })
    );
}

#[tokio::test]
async fn a_train_arrives_as_its_datagrams() {
    let (sender, mut receiver) = (loopback(), loopback());
    let to = receiver.local_addr().unwrap();
    let sizes =
        [(1200, 10 * 1200), (1200, 9 * 1200 + 7), (1200, 100 * 1200), (40, 200 * 40), (1200, 30)];
    for (segment_bytes, total) in sizes {
        let datagrams: Vec<u8> = (0..total).map(|i| (i / segment_bytes) as u8).collect();
        send(&sender, to, segment_bytes, &datagrams).await;
        let received = receive(&mut receiver, total.div_ceil(segment_bytes)).await;
        let joined: Vec<Vec<u8>> = received.into_iter().map(|(_, bytes)| bytes).collect();
        let expected: Vec<Vec<u8>> = datagrams.chunks(segment_bytes).map(<[u8]>::to_vec).collect();
        assert_eq!(joined, expected, "{total} bytes in datagrams of {segment_bytes}");
    }
}

#[tokio::test]
async fn a_dual_stack_socket_speaks_ipv4_and_ipv6() {
    let mut both = Socket::bind("[::]:0".parse().unwrap()).unwrap();
    let port = both.local_addr().unwrap().port();
    for place in ["127.0.0.1", "::1"] {
        let ip: std::net::IpAddr = place.parse().unwrap();
        let Ok(mut one) = Socket::bind(SocketAddr::new(ip, 0)) else {
            assert!(ip.is_ipv6(), "every machine has an IPv4 loopback");
            continue;
        };
        send(&one, SocketAddr::new(ip, port), 4, b"ping").await;
        let (from, bytes) = receive(&mut both, 1).await.remove(0);
        assert_eq!((from, bytes.as_slice()), (one.local_addr().unwrap(), b"ping".as_slice()));
        send(&both, from, 4, b"pong").await;
        let (from, bytes) = receive(&mut one, 1).await.remove(0);
        assert_eq!((from, bytes.as_slice()), (SocketAddr::new(ip, port), b"pong".as_slice()));
    }
}

#[tokio::test]
async fn a_closed_port_is_no_error() {
    let (sender, mut receiver) = (loopback(), loopback());
    let closed = loopback().local_addr().unwrap();
    for _ in 0..3 {
        send(&receiver, closed, 4, b"ping").await;
    }
    send(&sender, receiver.local_addr().unwrap(), 4, b"ping").await;
    assert_eq!(receive(&mut receiver, 1).await[0].1, b"ping");
}

#[tokio::test]
async fn what_cannot_be_sent_is_lost_and_the_socket_lives_on() {
    let (sender, mut receiver) = (loopback(), loopback());
    let to = receiver.local_addr().unwrap();
    let offload = sender.batches.max_gso_segments();
    send(&sender, "[::1]:9".parse().unwrap(), 4, b"ping").await;
    send(&sender, "127.0.0.1:0".parse().unwrap(), 4, b"ping").await;
    send(&sender, "0.0.0.0:9".parse().unwrap(), 4, b"ping").await;
    send(&sender, to, 2 * TRAIN_BYTES_MAX, &[0; TRAIN_BYTES_MAX + 1]).await;
    send(&sender, to, 4, b"ping").await;
    assert_eq!(receive(&mut receiver, 1).await[0].1, b"ping");
    assert_eq!(sender.batches.max_gso_segments(), offload);
}

#[tokio::test]
async fn an_empty_datagram_is_handed_out_and_those_behind_it_too() {
    let mut receiver = loopback();
    let to = receiver.local_addr().unwrap();
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send_to(b"", to).unwrap();
    sender.send_to(b"x", to).unwrap();
    let received = receive(&mut receiver, 2).await;
    assert_eq!(received.iter().map(|(_, bytes)| &bytes[..]).collect::<Vec<_>>(), [&b""[..], b"x"]);
}

#[tokio::test]
async fn an_abandoned_wait_loses_nothing() {
    let (sender, mut receiver) = (loopback(), loopback());
    let to = receiver.local_addr().unwrap();
    for number in 0..10_u8 {
        let waiting = receiver.recv(|_, _| panic!("nothing was sent yet"));
        tokio::select! {
            biased;
            _ = waiting => panic!("nothing was sent yet"),
            () = std::future::ready(()) => {}
        }
        send(&sender, to, 1, &[number]).await;
        assert_eq!(receive(&mut receiver, 1).await[0].1, [number]);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn shared_sockets_bind_to_one_port() {
    let first = PollSocket::bind_shared("[::]:0".parse().unwrap()).unwrap();
    let address = first.local_addr().unwrap();
    let _second = PollSocket::bind_shared(address).unwrap();
    assert!(Socket::bind(address).is_err());
}
