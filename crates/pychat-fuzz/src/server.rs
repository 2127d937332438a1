//! Target `server`: datagrams of strangers, of listeners, and of one who has a login and keeps no
//! rules, beside an honest person's session.

use crate::{
    mutation::mutated,
    pair::client_address,
    source::Source,
    stage::{Epoch, Stage, insider_address},
};
use pychat_proto::{
    UserName,
    chat::{self, Call, Prekey},
    hostile::Frames,
};
use std::{net::SocketAddr, time::Duration};

/// Acts in one run.
const ACTS_MAX: usize = 128;

/// No panic; no table grows; an unproved address never gets more than it sent; and the honest
/// person's texts arrive once and in order, before and after.
pub fn server(data: &[u8]) {
    let mut source = Source::new(data);
    let mut stage = Stage::new();
    for _ in 0..ACTS_MAX {
        if source.is_empty() {
            break;
        }
        act(&mut stage, &mut source);
    }
    stage.say();
    stage.until_delivered();
}

fn act(stage: &mut Stage, source: &mut Source<'_>) {
    let act = source.u8();
    let bits = act >> 4;
    let stranger = SocketAddr::from(([192, 0, 2, bits], 9));
    match act & 0xf {
        0 | 1 => stage.strike(stranger, source.bytes(1500)),
        // The honest person's address can be forged.
        2 => stage.strike(client_address(), source.bytes(1500)),
        3 | 4 => {
            let bytes = overheard(stage, source);
            stage.strike(stranger, &mutated(&bytes, source));
        }
        5 => {
            let bytes = overheard(stage, source);
            stage.strike(client_address(), &mutated(&bytes, source));
        }
        6 => {
            let bytes = overheard(stage, source);
            stage.strike(stranger, &bytes);
        }
        7..=9 => insider(stage, insider_address(), None, source),
        // Who has a login can forge a source address, and have the answers sent there.
        10 => insider(stage, stranger, None, source),
        11 => {
            let number = u64::from(source.u32()) << (bits * 2);
            insider(stage, insider_address(), Some(number), source);
        }
        12 if bits < 4 => stage.log_insider_in(Epoch::Hybrid),
        12 if bits < 8 => stage.log_insider_in(Epoch::First),
        12 => question(stage, source),
        13 => {
            stage.say();
            stage.settle();
        }
        14 => stage.wait(Duration::from_millis(1 << bits)),
        _ => stage.wait(Duration::from_secs(u64::from(bits))),
    }
}

/// One of the datagrams that alice sent.
fn overheard(stage: &Stage, source: &mut Source<'_>) -> Vec<u8> {
    let at = source.below(stage.overheard.len());
    stage.overheard.get(at).cloned().unwrap_or_default()
}

/// A question, of those that say something about keys too.
fn question(stage: &mut Stage, source: &mut Source<'_>) {
    let id = u64::from(source.u8());
    let Some(peer) = &mut stage.insider else { return };
    let user = UserName::parse(["alice", "mallory"][source.below(2)]).expect("a name");
    let call = match source.below(5) {
        0 => Call::OwnKeys,
        1 => Call::PublishDevice { device: bytes(source), fallback: bytes(source) },
        2 => {
            let first = u64::from(source.u32()) << source.below(32);
            let keys = (0..source.below(9)).map(|_| Prekey(bytes(source))).collect();
            Call::PublishPrekeys { first, keys }
        }
        claim => Call::UserKeys { user, claim: claim == 3 },
    };
    let packet = peer.packet(&Frames::default().call(id, &chat::encode(&call)));
    stage.strike(insider_address(), &packet);
}

/// A key, perhaps one that is too long.
fn bytes(source: &mut Source<'_>) -> Vec<u8> {
    vec![source.u8(); usize::from(source.u8()) + 2 * source.below(3)]
}

/// Any frames, sealed with good keys.
fn insider(stage: &mut Stage, from: SocketAddr, number: Option<u64>, source: &mut Source<'_>) {
    /// Packet numbers have 56 bits.
    const NUMBER_MAX: u64 = (1 << 56) - 1;
    let frames = Frames::default().raw(source.bytes(1100));
    let Some(peer) = &mut stage.insider else { return };
    let packet = match number {
        None => peer.packet(&frames),
        Some(number) => peer.packet_numbered(number.min(NUMBER_MAX), &frames),
    };
    stage.strike(from, &packet);
}
