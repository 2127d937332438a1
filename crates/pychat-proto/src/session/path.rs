//! The peer's address, and whether it was proved. Only clients move. docs/PROTOCOL.md, "Migration".

use crate::Instant;
use std::{net::SocketAddr, time::Duration};

/// The way to the peer.
#[derive(Debug)]
pub(crate) struct Path {
    remote: SocketAddr,
    /// Whether an authentic packet has come at all. Until then `remote` is where the handshake came
    /// from, which proves nothing.
    heard: bool,
    unproved: Option<Box<Unproved>>,
}

/// An address that has not answered yet.
#[derive(Debug)]
struct Unproved {
    /// Bytes that may still be sent there: what came from there less what was sent there.
    budget: usize,
    challenge: [u8; 8],
    challenge_wanted: bool,
    /// Where to go back to, and when.
    previous: Option<SocketAddr>,
    deadline: Instant,
}

/// Without an address to go back to, the challenge is repeated this often.
const CHALLENGE_AGAIN: Duration = Duration::from_secs(1);

impl Path {
    /// The way to a peer whose address is proved.
    pub(crate) fn proved(remote: SocketAddr) -> Self {
        Self { remote, heard: true, unproved: None }
    }

    pub(crate) fn is_proved(&self) -> bool {
        self.heard && self.unproved.is_none()
    }

    pub(crate) fn new(remote: SocketAddr) -> Self {
        Self { remote, heard: false, unproved: None }
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Bytes that may be sent now.
    pub(crate) fn budget(&self) -> usize {
        self.unproved.as_ref().map_or(usize::MAX, |unproved| unproved.budget)
    }

    /// An authentic packet came from `from`; `newest` if its number is the largest so far.
    pub(crate) fn received(
        &mut self,
        from: SocketAddr,
        bytes: usize,
        newest: bool,
        deadline: Instant,
        challenge: impl FnOnce() -> [u8; 8],
    ) {
        let heard = std::mem::replace(&mut self.heard, true);
        if from == self.remote {
            if let Some(unproved) = &mut self.unproved {
                unproved.budget += bytes;
            }
            return;
        }
        if !newest {
            return;
        }
        let previous = match self.unproved.take() {
            // Back where it was: that address is proved already.
            Some(unproved) if unproved.previous == Some(from) => {
                self.remote = from;
                return;
            }
            Some(unproved) => unproved.previous,
            None => heard.then_some(self.remote),
        };
        self.remote = from;
        self.unproved = Some(Box::new(Unproved {
            budget: bytes,
            challenge: challenge(),
            challenge_wanted: true,
            previous,
            deadline,
        }));
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        if let Some(unproved) = &mut self.unproved {
            unproved.budget = unproved.budget.saturating_sub(bytes);
        }
    }

    /// The challenge to put into the next packet.
    pub(crate) fn challenge(&self) -> Option<[u8; 8]> {
        let unproved = self.unproved.as_ref()?;
        unproved.challenge_wanted.then_some(unproved.challenge)
    }

    pub(crate) fn challenge_sent(&mut self) {
        if let Some(unproved) = &mut self.unproved {
            unproved.challenge_wanted = false;
        }
    }

    pub(crate) fn challenge_lost(&mut self) {
        if let Some(unproved) = &mut self.unproved {
            unproved.challenge_wanted = true;
        }
    }

    /// The peer answered a challenge; a wrong answer means nothing.
    pub(crate) fn answered(&mut self, answer: [u8; 8]) {
        if self.unproved.as_ref().is_some_and(|unproved| unproved.challenge == answer) {
            self.unproved = None;
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.unproved.as_ref().map(|unproved| unproved.deadline)
    }

    /// Goes back to the address before if the new one did not answer in time.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.deadline().is_some_and(|deadline| deadline <= now)
            && let Some(unproved) = &mut self.unproved
        {
            if let Some(previous) = unproved.previous {
                self.remote = previous;
                self.unproved = None;
            } else {
                unproved.challenge_wanted = true;
                unproved.deadline = now + CHALLENGE_AGAIN;
            }
        }
    }
}

/// How long a new address has to answer: three probe timeouts, and at least this long, since going
/// back to an address that a NAT has forgotten helps nobody.
const PROOF_TIME_MIN: Duration = Duration::from_secs(1);

pub(crate) fn proof_time(probe_timeout: Duration) -> Duration {
    (probe_timeout * 3).max(PROOF_TIME_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        ([10, 0, 0, 1], port).into()
    }

    fn received(path: &mut Path, port: u16, bytes: usize) {
        path.received(at(port), bytes, true, Instant::from_micros(100), || [7; 8]);
    }

    #[test]
    fn a_new_address_gets_no_more_than_it_sent_until_it_answers() {
        let mut path = Path::new(at(1));
        received(&mut path, 1, 100);
        assert_eq!(path.budget(), usize::MAX);
        received(&mut path, 2, 100);
        assert_eq!((path.remote(), path.budget()), (at(2), 100));
        path.sent(60);
        received(&mut path, 2, 10);
        assert_eq!(path.budget(), 50);
        path.answered([8; 8]);
        assert_eq!(path.budget(), 50);
        path.answered([7; 8]);
        assert_eq!((path.remote(), path.budget()), (at(2), usize::MAX));
    }

    #[test]
    fn an_address_that_only_the_handshake_came_from_is_never_gone_back_to() {
        let mut path = Path::new(at(1));
        received(&mut path, 2, 100);
        path.sent(60);
        path.challenge_sent();
        path.handle_timeout(Instant::from_micros(100));
        assert_eq!((path.remote(), path.budget()), (at(2), 40));
        assert_eq!(path.challenge(), Some([7; 8]), "asked again");
        path.answered([7; 8]);
        assert_eq!(path.budget(), usize::MAX);
    }

    #[test]
    fn it_goes_back_exactly_at_the_deadline() {
        let mut path = Path::new(at(1));
        received(&mut path, 1, 100);
        received(&mut path, 2, 100);
        received(&mut path, 3, 100);
        path.handle_timeout(Instant::from_micros(99));
        assert_eq!(path.remote(), at(3));
        path.handle_timeout(Instant::from_micros(100));
        assert_eq!((path.remote(), path.budget()), (at(1), usize::MAX));
    }

    #[test]
    fn a_late_packet_moves_nothing_and_the_way_back_needs_no_proof() {
        let mut path = Path::new(at(1));
        received(&mut path, 1, 100);
        path.received(at(2), 100, false, Instant::ZERO, || [7; 8]);
        assert_eq!(path.remote(), at(1));
        received(&mut path, 2, 100);
        received(&mut path, 1, 100);
        assert_eq!((path.remote(), path.budget()), (at(1), usize::MAX));
    }
}
