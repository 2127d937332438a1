//! The server's end of a client's stage: whatever the table wants to be answered, and what the client
//! sent, by name.

use super::stage::{Peer, RESET_TOKEN, SERVER_ID, Stage, server_key};
use crate::{
    CloseCode, ConnectionId, SecretKey, ServerKey,
    chat::{self, LoginReply},
    client::attempt::retry_key,
    crypto::{self, Forged, PacketKey, Rng},
    hybrid,
    noise::{self, Handshake, Identity, Pattern},
    states::{self, End, Ends},
    wire::{
        frame::Frame,
        packet::{self, DataHeader, Fin, Init, Resp, Retry, TOKEN_BYTES},
    },
};

impl Stage {
    /// A packet with `frames` in the session that was begun last, or in none.
    pub(super) fn data(&mut self, frames: &[Frame<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.encode(&mut bytes));
        self.sealed(&bytes)
    }

    pub(super) fn sealed(&mut self, frames: &[u8]) -> Vec<u8> {
        if let Some(peer) = &mut self.peer {
            peer.number += 1;
            let header = DataHeader { phase: 0, to: peer.client, number: peer.number - 1 };
            return peer.ends.seal(header, frames);
        }
        let mut packet = DataHeader { phase: 0, to: ConnectionId(9), number: 0 }.encode().to_vec();
        packet.extend_from_slice(frames);
        PacketKey::new([9; 32]).seal(0, &mut packet);
        packet
    }

    /// Answers the client's key and enters the hybrid epoch.
    pub(super) fn agree(&mut self) -> Vec<String> {
        let (answer, secret) = hybrid::answer(&self.peer.as_ref().unwrap().ends.pieces).unwrap();
        let packet = self.data(&[Frame::Hybrid { index: 0, bytes: &answer }]);
        self.peer.as_mut().unwrap().ends.enter(&secret);
        let said = self.take(packet);
        let packet = self.data(&[Frame::Padding]);
        assert_eq!(self.take(packet), [""; 0]);
        said
    }

    pub(super) fn retry(&self) -> Vec<u8> {
        let Some(init) = &self.init else { return Vec::new() };
        let init = Init::decode(init).unwrap();
        let mut retry = Retry { client: init.client, token: [6; TOKEN_BYTES] }.encode();
        let tag = crypto::mac(&retry_key(init.noise), &[&retry]);
        retry.extend_from_slice(&tag);
        retry
    }

    /// The RESP to the last login's INIT; at a first contact it carries no reply.
    pub(super) fn resp(&mut self, reply: &[u8]) -> Vec<u8> {
        let Some(init) = self.init.clone() else { return Vec::new() };
        let init = Init::decode(&init).unwrap();
        let (mut handshake, pattern) = answering(&server_key(), &init);
        let payload = match pattern {
            Pattern::Ik => reply,
            Pattern::Xx => &SERVER_ID.0.to_be_bytes()[reply.is_empty().into()..],
        };
        let noise = handshake.write(payload).unwrap();
        match pattern {
            Pattern::Ik => {
                let ends = Ends::new(End::Server, handshake.keys().unwrap());
                self.peer = Some(Peer { client: init.client, ends, number: 0 });
            }
            Pattern::Xx => self.contact = Some((init.client, handshake)),
        }
        Resp { client: init.client, noise: &noise }.encode()
    }

    /// The RESP of a server with another key to the key probe.
    pub(super) fn probe_resp(&self) -> Vec<u8> {
        let Some(init) = &self.probe else { return Vec::new() };
        let init = Init::decode(init).unwrap();
        let (mut handshake, _) = answering(&SecretKey::from_bytes([8; 32]), &init);
        let noise = handshake.write(&SERVER_ID.0.to_be_bytes()).unwrap();
        Resp { client: init.client, noise: &noise }.encode()
    }

    /// VERSION for the last login.
    pub(super) fn versions(&self, spoken: u8) -> Vec<u8> {
        let Some(init) = &self.init else { return Vec::new() };
        let mut datagram = packet::encode_versions(Init::decode(init).unwrap().client);
        *datagram.last_mut().unwrap() = spoken;
        datagram
    }

    /// What kind of datagram left, and what it means for this end.
    pub(super) fn datagram_name(&mut self, datagram: &[u8]) -> String {
        match datagram[0] {
            packet::TYPE_INIT => {
                let init = Init::decode(datagram).unwrap();
                let meeting = init.server_key_id == noise::key_id(None);
                let token = if init.token.is_some() { " with token" } else { "" };
                let probing = meeting && self.client.config.server != ServerKey::Unknown;
                let place = if probing { &mut self.probe } else { &mut self.init };
                *place = Some(datagram.to_vec());
                format!("INIT {}{token}", if meeting { "XX" } else { "IK" })
            }
            packet::TYPE_FIN => {
                if let Some((client, mut handshake)) = self.contact.take() {
                    handshake.read(Fin::decode(datagram).unwrap().noise).unwrap();
                    let ends = Ends::new(End::Server, handshake.keys().unwrap());
                    self.peer = Some(Peer { client, ends, number: 0 });
                }
                "FIN".into()
            }
            kind if kind & !1 == packet::TYPE_DATA => {
                match self.peer.as_mut().unwrap().ends.open(datagram) {
                    Ok(frames) => states::names(&frames),
                    Err(Forged) => "a packet under keys that this end lacks".into(),
                }
            }
            kind => panic!("a client sends nothing of type {kind:#x}"),
        }
    }
}

/// A server's handshake that has read the INIT's message.
fn answering(key: &SecretKey, init: &Init<'_>) -> (Handshake, Pattern) {
    let meeting = init.server_key_id == noise::key_id(None);
    let pattern = if meeting { Pattern::Xx } else { Pattern::Ik };
    let mut rng = Rng::new([5; 32]);
    let mut handshake = Handshake::server(&Identity::new(key), pattern, init.client, &mut rng);
    handshake.read(init.noise).unwrap();
    (handshake, pattern)
}

pub(super) fn welcome() -> Vec<u8> {
    chat::encode(&LoginReply::Welcome {
        connection_id: SERVER_ID.0,
        reset_token: RESET_TOKEN,
        committed: 0,
        server_time: 0,
    })
}

pub(super) fn refused(code: CloseCode) -> Vec<u8> {
    let reason = String::new();
    chat::encode(&LoginReply::Refused { code: code.code(), retry_after_ms: 0, reason })
}
