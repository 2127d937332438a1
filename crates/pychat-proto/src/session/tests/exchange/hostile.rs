//! Against a peer that holds the keys and does not keep the rules of the exchange.

use super::{End, FROM_SERVER, Fate, Pair, Way, each_frame, first_epoch, in_order, opened};
use crate::{
    CloseCode, ConnectionId,
    hybrid::{self, CIPHERTEXT_BYTES, KEY_BYTES, Offer},
    session::{SessionEvent, exchange::PIECE_BYTES},
    wire::{
        frame::{Frame, Part},
        packet::DataHeader,
    },
};
use std::collections::BTreeSet;

impl End {
    fn is_found_out(&self) -> bool {
        let closed = |event: &SessionEvent| {
            matches!(event, SessionEvent::Closed { code: CloseCode::Protocol, .. })
        };
        self.events.iter().any(closed) && !self.session.is_open()
    }
}

impl Pair {
    /// Seals them under the client's present key.
    fn lie_in_hybrid(&mut self, number: u64, frames: &[Frame<'_>]) -> bool {
        let keys = &self.client.session.keys;
        let header = DataHeader { phase: keys.send_phase(), to: ConnectionId(1), number };
        let mut packet = header.encode().to_vec();
        frames.iter().for_each(|frame| frame.encode(&mut packet));
        keys.seal(number, &mut packet);
        self.deliver(Way::Up, &packet)
    }
}

#[test]
fn pieces_that_come_again_have_no_second_effect() {
    let offer = Offer::new();
    let pieces: Vec<&[u8]> = offer.public().chunks(PIECE_BYTES).collect();
    let piece = |index: usize| [Frame::Hybrid { index: index as u64, bytes: pieces[index] }];
    let mut pair = Pair::new();
    for (number, index) in (0..).zip([1, 1, 0, 0, 1]) {
        assert!(pair.lie(number, &piece(index)));
    }
    assert!(pair.server.session.is_open());
    pair.send(&mut in_order);
    let mut answers = BTreeSet::new();
    for (way, packet) in &pair.recorded {
        each_frame(&opened(*way, packet).unwrap(), |frame| {
            if let Frame::Hybrid { bytes, .. } = frame {
                answers.insert(bytes.to_vec());
            }
        });
    }
    assert_eq!(answers.len(), 1);
    // A second key, in part or whole.
    let other = Offer::new();
    assert!(pair.lie(9, &[Frame::Hybrid { index: 0, bytes: &other.public()[..PIECE_BYTES] }]));
    assert!(pair.server.is_found_out());
}

#[test]
fn what_waits_for_the_hybrid_epoch_closes_the_session_before_it() {
    let held: [Frame<'_>; 4] = [
        Frame::Record { lane: 0, seq: 1, part: Part::Last, bytes: b"text" },
        Frame::Commit { lane: 0, up_to: 0 },
        Frame::Skip { lane: 0, first: 1, last: 1 },
        Frame::Call { id: 0, bytes: b"?" },
    ];
    for frame in held {
        let mut pair = Pair::new();
        assert!(pair.lie(0, std::slice::from_ref(&frame)));
        assert!(pair.server.is_found_out(), "{frame:?}");
    }
    let held: [Frame<'_>; 5] = [
        Frame::Record { lane: 0, seq: 1, part: Part::Last, bytes: b"text" },
        Frame::Commit { lane: 0, up_to: 0 },
        Frame::Refuse { lane: 0, seq: 1, code: 1 },
        Frame::Reply { id: 0, index: 0, part: Part::Last, bytes: b"!" },
        Frame::Note { bytes: b"note" },
    ];
    for frame in held {
        let mut pair = Pair::new();
        pair.client.session.offer_key();
        let packet = first_epoch(&FROM_SERVER, 0, std::slice::from_ref(&frame));
        assert!(pair.deliver(Way::Down, &packet));
        assert!(pair.client.is_found_out(), "{frame:?}");
        assert_eq!(pair.client.events.len(), 1, "nothing of it is told");
    }
    // Also late: the epoch is what counts.
    let mut pair = Pair::new();
    pair.write();
    let mut sent = 0;
    let mut first_lost = |_| {
        sent += 1;
        if sent == 1 { Fate::Lost } else { Fate::Arrives }
    };
    pair.run_until(&mut first_lost, Pair::is_through);
    assert!(pair.lie(0, &[Frame::Record { lane: 0, seq: 2, part: Part::Last, bytes: b"text" }]));
    assert!(pair.server.is_found_out());
}

#[test]
fn every_lie_about_a_key_closes_the_session() {
    let key = Offer::new();
    let key = key.public();
    let piece = |index, bytes| Frame::Hybrid { index, bytes };
    let lies: [Vec<Frame<'_>>; 8] = [
        vec![piece(0, &key[..PIECE_BYTES - 1])],
        vec![piece(0, &[0; PIECE_BYTES + 1])],
        vec![piece(0, b"")],
        vec![piece(1, &key[PIECE_BYTES..KEY_BYTES - 1])],
        vec![piece(2, &key[..PIECE_BYTES])],
        vec![piece(u64::from(u32::MAX), &key[..PIECE_BYTES])],
        vec![piece(0, &key[..PIECE_BYTES]), piece(0, &[0; PIECE_BYTES])],
        // No coefficient is as large as that.
        vec![piece(0, &[0xff; PIECE_BYTES]), piece(1, &[0xff; KEY_BYTES - PIECE_BYTES])],
    ];
    for lie in lies {
        let mut pair = Pair::new();
        assert!(pair.lie(0, &lie));
        assert!(pair.server.is_found_out(), "{lie:?}");
    }
    let answer = [Frame::Hybrid { index: 0, bytes: &[0; CIPHERTEXT_BYTES] }];
    let mut pair = Pair::new();
    pair.deliver(Way::Down, &first_epoch(&FROM_SERVER, 0, &answer));
    assert!(pair.client.is_found_out(), "an answer before the key");
    let mut pair = Pair::new();
    pair.client.session.offer_key();
    let short = [Frame::Hybrid { index: 0, bytes: &[0; CIPHERTEXT_BYTES - 1] }];
    pair.deliver(Way::Down, &first_epoch(&FROM_SERVER, 0, &short));
    assert!(pair.client.is_found_out());
    // In the hybrid epoch there is nothing to lead to.
    let mut pair = Pair::new();
    pair.write();
    pair.run_until(&mut in_order, Pair::is_through);
    assert!(pair.lie_in_hybrid(50, &[piece(1, &key[PIECE_BYTES..])]));
    assert!(pair.server.is_found_out());
}

#[test]
fn an_answer_to_another_key_leads_to_keys_that_the_server_does_not_have() {
    let mut pair = Pair::new();
    pair.write();
    let (answer, _) = hybrid::answer(Offer::new().public()).unwrap();
    let frames = [Frame::Hybrid { index: 0, bytes: &answer }];
    assert!(pair.deliver(Way::Down, &first_epoch(&FROM_SERVER, 0, &frames)));
    pair.send(&mut in_order);
    let packets = std::mem::take(&mut pair.flights);
    assert!(!packets.is_empty());
    assert!(packets.iter().all(|(_, way, packet)| !pair.deliver(*way, packet)));
    assert!(!pair.server.got(b"up"));
}
