//! Packet keys of both directions and their ratchet. docs/PROTOCOL.md, "Key ratchet".

use crate::{
    Instant,
    crypto::{Forged, KeyBytes, PacketKey},
    hybrid::{self, Secret},
    wire::packet::DataHeader,
};
use std::time::Duration;

/// Packets sealed under one key at most.
const PHASE_PACKETS_MAX: u64 = 1 << 20;
/// Longest time that one key is used for sending.
const PHASE_AGE_MAX: Duration = Duration::from_secs(60 * 60);

/// Which keys a packet is under. docs/PROTOCOL.md, "Hybrid keys".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Epoch {
    /// Those of the handshake.
    First,
    /// Those with the secret of the exchange in them, and all that follow.
    Hybrid,
}

/// Keys of a session.
pub(crate) struct SessionKeys {
    send: PacketKey,
    send_epoch: Epoch,
    send_phase: u8,
    /// The phase's first packet number and when it began.
    send_since: (u64, Instant),
    /// Whether the peer has acknowledged a packet of this phase: only then may the next one begin.
    send_confirmed: bool,
    receive: PacketKey,
    receive_epoch: Epoch,
    receive_phase: u8,
    /// The smallest number seen in this phase.
    receive_since: u64,
    /// The key before, for packets that come late.
    receive_before: Option<(PacketKey, Epoch)>,
    /// What the hybrid epoch begins with, until both directions are in it.
    agreed: Option<Box<Agreed>>,
}

struct Agreed {
    send: PacketKey,
    receive: PacketKey,
}

/// The keys of a session where nothing is under way, in the hybrid epoch. What is left out: the key before,
/// as no packet comes that late, and with it the number that says which packets it opens.
pub(crate) struct DormantKeys {
    send: KeyBytes,
    receive: KeyBytes,
    /// Packets that were sent in this phase.
    send_packets: u32,
    /// When it began, in whole seconds: it may end one second early.
    send_since_secs: u32,
    send_phase: u8,
    receive_phase: u8,
    send_confirmed: bool,
}

impl SessionKeys {
    /// None if the numbers do not fit.
    pub(crate) fn dormant(&self, next_number: u64) -> Option<DormantKeys> {
        let (since, began) = self.send_since;
        Some(DormantKeys {
            send: self.send.bytes().clone(),
            receive: self.receive.bytes().clone(),
            send_packets: u32::try_from(next_number - since).ok()?,
            send_since_secs: u32::try_from(began.as_micros() / 1_000_000).ok()?,
            send_phase: self.send_phase,
            receive_phase: self.receive_phase,
            send_confirmed: self.send_confirmed,
        })
    }

    /// `newest` is the largest packet number that was received.
    pub(crate) fn awake(dormant: &DormantKeys, next_number: u64, newest: u64) -> Self {
        let began = Instant::ZERO + Duration::from_secs(dormant.send_since_secs.into());
        Self {
            send: PacketKey::from(&dormant.send),
            send_epoch: Epoch::Hybrid,
            send_phase: dormant.send_phase,
            send_since: (next_number - u64::from(dormant.send_packets), began),
            send_confirmed: dormant.send_confirmed,
            receive: PacketKey::from(&dormant.receive),
            receive_epoch: Epoch::Hybrid,
            receive_phase: dormant.receive_phase,
            receive_since: newest,
            receive_before: None,
            agreed: None,
        }
    }

    pub(crate) fn new(send: PacketKey, receive: PacketKey, now: Instant) -> Self {
        Self {
            send,
            send_epoch: Epoch::First,
            send_phase: 0,
            send_since: (0, now),
            send_confirmed: false,
            receive,
            receive_epoch: Epoch::First,
            receive_phase: 0,
            receive_since: 0,
            receive_before: None,
            agreed: None,
        }
    }

    pub(crate) fn send_epoch(&self) -> Epoch {
        self.send_epoch
    }

    /// The secret is known: from now on the peer's packets of the hybrid epoch open.
    pub(crate) fn agree(&mut self, secret: &Secret, handshake: &[u8; 32]) {
        let send = hybrid::mix(&self.send, secret, handshake);
        let receive = hybrid::mix(&self.receive, secret, handshake);
        self.agreed = Some(Box::new(Agreed { send, receive }));
    }

    /// The peer knows the secret too: what we send from now on is of the hybrid epoch.
    pub(crate) fn enter_hybrid(&mut self, now: Instant, next_number: u64) {
        if let Some(agreed) = self.agreed.as_ref().filter(|_| self.send_epoch == Epoch::First) {
            self.send = agreed.send.clone();
            self.send_epoch = Epoch::Hybrid;
            self.send_phase ^= 1;
            self.send_since = (next_number, now);
            self.send_confirmed = false;
        }
    }

    /// Both directions are in the hybrid epoch.
    pub(crate) fn forget_agreed(&mut self) {
        self.agreed = None;
    }

    /// As after an exchange in which no key was changed: for tests of what comes later.
    #[cfg(test)]
    pub(crate) fn pretend_hybrid(&mut self) {
        self.send_epoch = Epoch::Hybrid;
        self.receive_epoch = Epoch::Hybrid;
    }

    /// Moves the sending key on if it is due. The first move is to the hybrid epoch, and not made here: the
    /// phase bit alone could not tell the peer which of two moves it was.
    pub(crate) fn ratchet_if_due(&mut self, now: Instant, next_number: u64) {
        let (since, began) = self.send_since;
        let due = next_number - since >= PHASE_PACKETS_MAX || now.since(began) >= PHASE_AGE_MAX;
        if due && self.send_confirmed && self.send_epoch == Epoch::Hybrid {
            self.send = self.send.ratchet();
            self.send_phase ^= 1;
            self.send_since = (next_number, now);
            self.send_confirmed = false;
        }
    }

    pub(crate) fn send_phase(&self) -> u8 {
        self.send_phase
    }

    /// The peer has acknowledged packet `number`.
    pub(crate) fn acknowledged(&mut self, number: u64) {
        if number >= self.send_since.0 {
            self.send_confirmed = true;
        }
    }

    pub(crate) fn seal(&self, number: u64, packet: &mut Vec<u8>) {
        self.send.seal(number, packet);
    }

    /// Opens a packet in place and follows the peer to its next key. Tells which epoch it was of.
    pub(crate) fn open<'a>(
        &mut self,
        header: DataHeader,
        packet: &'a mut [u8],
    ) -> Result<(Epoch, &'a [u8]), Forged> {
        if header.phase == self.receive_phase {
            let frames = self.receive.open(header.number, packet)?;
            self.receive_since = self.receive_since.min(header.number);
            return Ok((self.receive_epoch, frames));
        }
        if header.number < self.receive_since {
            let (before, epoch) = self.receive_before.as_ref().ok_or(Forged)?;
            return Ok((*epoch, before.open(header.number, packet)?));
        }
        let next = match self.receive_epoch {
            Epoch::First => self.agreed.as_ref().ok_or(Forged)?.receive.clone(),
            Epoch::Hybrid => self.receive.ratchet(),
        };
        let frames = next.open(header.number, packet)?;
        let before = std::mem::replace(&mut self.receive, next);
        self.receive_before = Some((before, self.receive_epoch));
        self.receive_epoch = Epoch::Hybrid;
        self.receive_phase = header.phase;
        self.receive_since = header.number;
        Ok((Epoch::Hybrid, frames))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConnectionId;

    fn pair() -> (SessionKeys, SessionKeys) {
        let (a, b) = (PacketKey::new([1; 32]), PacketKey::new([2; 32]));
        let now = Instant::ZERO;
        (SessionKeys::new(a.clone(), b.clone(), now), SessionKeys::new(b, a, now))
    }

    /// As after the exchange.
    fn hybrid_pair() -> (SessionKeys, SessionKeys) {
        let (mut ours, mut theirs) = pair();
        ours.pretend_hybrid();
        theirs.pretend_hybrid();
        (ours, theirs)
    }

    fn packet(keys: &SessionKeys, number: u64) -> (DataHeader, Vec<u8>) {
        let header = DataHeader { phase: keys.send_phase(), to: ConnectionId(1), number };
        let mut packet = header.encode().to_vec();
        packet.extend_from_slice(b"frames");
        keys.seal(number, &mut packet);
        (header, packet)
    }

    #[test]
    fn the_receiver_follows_the_ratchet_and_still_opens_late_packets() {
        let (mut ours, mut theirs) = hybrid_pair();
        let (late_header, mut late) = packet(&ours, 3);
        for round in 1..5_u64 {
            ours.acknowledged(u64::MAX);
            let first = round * PHASE_PACKETS_MAX;
            ours.ratchet_if_due(Instant::ZERO, first);
            assert_eq!(u64::from(ours.send_phase()), round % 2);
            let (header, mut sealed) = packet(&ours, first);
            assert!(theirs.open(header, &mut sealed).is_ok(), "round {round}");
            if round == 1 {
                assert!(theirs.open(late_header, &mut late).is_ok());
            }
        }
    }

    #[test]
    fn no_second_ratchet_before_the_first_was_acknowledged() {
        let (mut ours, _) = hybrid_pair();
        ours.acknowledged(0);
        let later = Instant::ZERO + PHASE_AGE_MAX;
        ours.ratchet_if_due(later, 10);
        assert_eq!(ours.send_phase(), 1);
        ours.ratchet_if_due(later + PHASE_AGE_MAX, 11);
        assert_eq!(ours.send_phase(), 1);
        ours.acknowledged(9);
        ours.ratchet_if_due(later + PHASE_AGE_MAX, 11);
        assert_eq!(ours.send_phase(), 1, "an older packet proves nothing");
        ours.acknowledged(10);
        ours.ratchet_if_due(later + PHASE_AGE_MAX, 11);
        assert_eq!(ours.send_phase(), 0);
    }

    #[test]
    fn the_first_epoch_leads_to_the_hybrid_one_and_nowhere_else() {
        let (mut ours, mut theirs) = pair();
        ours.acknowledged(u64::MAX);
        ours.ratchet_if_due(Instant::ZERO + PHASE_AGE_MAX, PHASE_PACKETS_MAX);
        assert_eq!(ours.send_phase(), 0, "no ratchet");
        let old = packet(&ours, 1);
        let (late_header, mut late) = packet(&ours, 2);

        let offer = hybrid::Offer::new();
        let (answer, secret) = hybrid::answer(offer.public()).unwrap();
        ours.agree(&offer.open(&answer).unwrap(), &[3; 32]);
        assert_eq!(ours.send_epoch(), Epoch::First, "the peer may not know the secret yet");
        ours.enter_hybrid(Instant::ZERO, 4);
        let (header, sealed) = packet(&ours, 5);
        assert_eq!(theirs.open(header, &mut sealed.clone()), Err(Forged), "nor do they");
        let (old_header, mut old) = old;
        assert_eq!(theirs.open(old_header, &mut old), Ok((Epoch::First, &b"frames"[..])));

        theirs.agree(&secret, &[3; 32]);
        assert_eq!(theirs.open(header, &mut sealed.clone()), Ok((Epoch::Hybrid, &b"frames"[..])));
        // One that is older and of the hybrid epoch, and one of the epoch before.
        let (header, mut sealed) = packet(&ours, 4);
        assert_eq!(theirs.open(header, &mut sealed), Ok((Epoch::Hybrid, &b"frames"[..])));
        assert_eq!(theirs.open(late_header, &mut late), Ok((Epoch::First, &b"frames"[..])));

        // From then on it is the ratchet.
        theirs.enter_hybrid(Instant::ZERO, 1);
        theirs.forget_agreed();
        ours.acknowledged(5);
        ours.ratchet_if_due(Instant::ZERO + PHASE_AGE_MAX, 6);
        assert_eq!(ours.send_phase(), 0);
        let (header, mut sealed) = packet(&ours, 6);
        assert_eq!(theirs.open(header, &mut sealed), Ok((Epoch::Hybrid, &b"frames"[..])));
        let (header, mut sealed) = packet(&theirs, 1);
        assert!(ours.open(header, &mut sealed).is_ok());
    }

    #[test]
    fn who_knows_all_but_the_secret_opens_the_first_epoch_alone() {
        let (mut ours, mut listener) = pair();
        let (header, mut sealed) = packet(&ours, 0);
        assert!(listener.open(header, &mut sealed).is_ok());
        let offer = hybrid::Offer::new();
        let (answer, secret) = hybrid::answer(offer.public()).unwrap();
        ours.agree(&secret, &[3; 32]);
        ours.enter_hybrid(Instant::ZERO, 1);
        let (header, sealed) = packet(&ours, 1);
        // It has both packets of the exchange, the handshake's hash, and a secret of its own making.
        let (_, own) = hybrid::answer(offer.public()).unwrap();
        listener.agree(&own, &[3; 32]);
        assert_eq!(listener.open(header, &mut sealed.clone()), Err(Forged));
        let (first, _) = (PacketKey::new([1; 32]), answer);
        for guess in [first.clone(), first.ratchet(), first.mixed_with(&[0; 32], &[3; 32])] {
            assert_eq!(guess.open(1, &mut sealed.clone()), Err(Forged));
        }
        // With the secret it opens: nothing else was missing.
        listener.agree(&secret, &[3; 32]);
        assert!(listener.open(header, &mut sealed.clone()).is_ok());
    }

    #[test]
    fn a_forged_phase_moves_nothing() {
        let (ours, mut theirs) = pair();
        let (mut header, mut sealed) = packet(&ours, 5);
        header.phase = 1;
        sealed[0] ^= 1;
        assert!(theirs.open(header, &mut sealed).is_err());
        let (header, mut sealed) = packet(&ours, 6);
        assert!(theirs.open(header, &mut sealed).is_ok());
    }
}
