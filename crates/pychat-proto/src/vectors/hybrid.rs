//! From the first epoch's keys to the hybrid one's.
//!
//! The library draws ML-KEM's randomness itself, so that the key pair and the answer to it are inputs that
//! were drawn once and stand in the file; the rest is made from them.

use super::Vectors;
use crate::{
    ConnectionId,
    crypto::PacketKey,
    hybrid::{self, Offer},
    session::PIECE_BYTES,
    wire::{frame::Frame, packet::DataHeader},
};

const TO: ConnectionId = ConnectionId(0x0102_0304_0506_0708);

/// The pieces of a key or an answer as frames.
fn put_frames(to: &mut Vectors, name: &str, bytes: &[u8]) {
    for (index, bytes) in (0..).zip(bytes.chunks(PIECE_BYTES)) {
        let mut frame = Vec::new();
        Frame::Hybrid { index, bytes }.encode(&mut frame);
        to.put(&format!("{name}_frame_{index}"), &frame);
    }
}

#[test]
fn hybrid_keys_have_their_exact_bytes() {
    let mut to = Vectors::new("hybrid.txt");
    let known = |name| Vectors::known("hybrid.txt", name);
    let drawn = Offer::new();
    let secret = known("decapsulation_key").unwrap_or_else(|| drawn.secret_bytes());
    let public = known("encapsulation_key").unwrap_or_else(|| drawn.public().to_vec());
    let answer = known("ciphertext");
    let answer = answer.unwrap_or_else(|| hybrid::answer(&public).unwrap().0.into_vec());

    to.comment("Inputs. The client's key pair, and the server's answer to it.");
    to.put("decapsulation_key", &secret);
    to.put("encapsulation_key", &public);
    to.put("ciphertext", &answer);
    to.comment("Inputs. The first epoch's keys, and Noise's handshake hash.");
    let (client, server, handshake) = ([0xc1; 32], [0x5e; 32], [0x4a; 32]);
    to.put("key_from_client", &client);
    to.put("key_from_server", &server);
    to.put("handshake_hash", &handshake);

    to.comment("The client's key in two frames, the server's answer in one.");
    put_frames(&mut to, "key", &public);
    put_frames(&mut to, "answer", &answer);

    to.comment("What both know, and the hybrid epoch's keys.");
    let secret = Offer::known(&secret, &public).open(&answer).unwrap();
    to.put("shared_secret", secret.bytes());
    let mixed = |key| hybrid::mix(&PacketKey::new(key), &secret, &handshake);
    let (client, server) = (mixed(client), mixed(server));
    to.put("hybrid_key_from_client", client.bytes().get());
    to.put("hybrid_key_from_server", server.bytes().get());

    to.comment("The client's first packet of the hybrid epoch: a PING, number 2.");
    let mut packet = DataHeader { phase: 1, to: TO, number: 2 }.encode().to_vec();
    packet.push(1);
    client.seal(2, &mut packet);
    to.put("packet", &packet);
    to.comment("The key after the first ratchet.");
    to.put("ratcheted_key_from_client", client.ratchet().bytes().get());
    to.check();
}
