//! One try to log in: INITs to the server's addresses until an answer checks.

use super::ADDRESSES_MAX;
use crate::{
    ConnectionId, Instant, PublicKey, SecretKey,
    crypto::{self, Rng},
    noise::{self, BadHandshake, Handshake},
    session::rtt::{AMBIGUOUS_RTT_MIN, INITIAL_RTT},
    wire::packet::{Init, Retry, SUITE, Token, VERSION},
};
use std::{collections::VecDeque, net::SocketAddr, time::Duration};

/// Between the first INIT to one address and that to the next; where there are several nodes, in each round.
pub(super) const RACE_STAGGER: Duration = Duration::from_millis(250);
/// Wait after the first round; it doubles up to the bound.
const ROUND_WAIT_MIN: Duration = Duration::from_millis(250);
const ROUND_WAIT_MAX: Duration = Duration::from_secs(8);
/// For this long the bound is lower: somebody waits, and the link may only be losing much.
const EAGER_FOR: Duration = Duration::from_secs(30);
const ROUND_WAIT_EAGER_MAX: Duration = Duration::from_secs(2);
/// From the second round on each INIT is sent twice, so far apart.
const PAIR_GAP: Duration = Duration::from_millis(40);
/// A handshake is begun anew after this long: the server forgets an unconfirmed session by then.
const FRESH_FOR: Duration = Duration::from_secs(10);
/// The client uses a token for a little less than the server accepts it.
const TOKEN_FRESH_FOR: Duration = Duration::from_secs(12);
/// RETRYs that one handshake answers; more come only from a troublemaker.
const RETRIES_MAX: u32 = 8;

/// The rhythm of the rounds; it goes on over fresh handshakes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rhythm {
    /// Rounds so far.
    pub(super) rounds: u32,
    wait: Duration,
    began: Option<Instant>,
}

impl Rhythm {
    pub(super) const START: Self = Self { rounds: 0, wait: ROUND_WAIT_MIN, began: None };
}

/// Whom a login is tried with.
#[derive(Debug, Clone)]
pub(super) struct Targets {
    /// In the order in which they are asked.
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) reach: Reach,
}

/// What the addresses lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// One node: after the first round all are asked at once.
    OneNode,
    /// Several: one is asked after the other in each round, so that a login costs few nodes anything.
    Nodes,
}

/// A handshake under way.
pub(super) struct Attempt {
    pub(super) client: ConnectionId,
    pub(super) rhythm: Rhythm,
    handshake: Handshake,
    server: Option<PublicKey>,
    first_message: Vec<u8>,
    began: Instant,
    targets: Targets,
    /// The place among the targets where the next round begins.
    turn: usize,
    due: VecDeque<(Instant, SocketAddr)>,
    next_round: Instant,
    /// When the latest round began.
    asked: Instant,
    /// Of each address that sent one the latest; at most `RETRIES_MAX`.
    tokens: Vec<(SocketAddr, Token, Instant)>,
    retries: u32,
}

impl Attempt {
    /// With `server` it logs in with IK and `payload`; without, it asks for the key with XX.
    pub(super) fn new(
        now: Instant,
        identity: &SecretKey,
        server: Option<PublicKey>,
        payload: &[u8],
        targets: Targets,
        rhythm: Rhythm,
        rng: &mut Rng,
    ) -> Result<Self, BadHandshake> {
        let client = ConnectionId(rng.u64());
        let mut handshake = Handshake::client(identity, server.as_ref(), client, rng);
        let first_message = handshake.write(if server.is_some() { payload } else { &[] })?;
        Ok(Self {
            client,
            rhythm,
            handshake,
            server,
            first_message,
            began: now,
            targets,
            turn: 0,
            due: VecDeque::new(),
            next_round: now,
            asked: now,
            tokens: Vec::new(),
            retries: 0,
        })
    }

    pub(super) fn is_first_contact(&self) -> bool {
        self.server.is_none()
    }

    pub(super) fn is_stale(&self, now: Instant) -> bool {
        now.since(self.began) >= FRESH_FOR
    }

    pub(super) fn set_targets(&mut self, targets: Targets) {
        self.due.retain(|(_, to)| targets.addresses.contains(to));
        self.targets = targets;
    }

    /// The network changed, or another node is to be found: begin the rounds anew at `start`.
    pub(super) fn hurry(&mut self, start: Instant) {
        self.rhythm.wait = ROUND_WAIT_MIN;
        self.rhythm.began = Some(start);
        self.next_round = start;
        if self.targets.reach == Reach::Nodes {
            self.due.clear();
        }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.due.iter().map(|(at, _)| *at).fold(self.next_round, Instant::min)
    }

    /// Begins a round if one is due; says whether.
    pub(super) fn handle_timeout(&mut self, now: Instant, rng: &mut Rng) -> bool {
        if self.next_round > now {
            return false;
        }
        self.asked = now;
        let races_nodes = self.targets.reach == Reach::Nodes;
        let is_staggered = self.rhythm.rounds == 0 || races_nodes;
        let stagger = if is_staggered { RACE_STAGGER } else { Duration::ZERO };
        let asked = self.take_turn();
        for (index, address) in asked.iter().enumerate() {
            let at = now + stagger * index as u32;
            self.due.push_back((at, *address));
            if self.rhythm.rounds > 0 {
                self.due.push_back((at + PAIR_GAP, *address));
            }
        }
        self.due.truncate(4 * asked.len());
        // The last node has as long to answer as the first.
        let pass = if races_nodes { RACE_STAGGER * asked.len() as u32 } else { Duration::ZERO };
        self.next_round = now + rng.jitter(self.rhythm.wait.max(pass), 20);
        // A server that sent a RETRY is there: where it is slow now, many others log in as well.
        let eager =
            now.since(*self.rhythm.began.get_or_insert(now)) < EAGER_FOR && self.retries == 0;
        let most = if eager { ROUND_WAIT_EAGER_MAX } else { ROUND_WAIT_MAX };
        self.rhythm.wait = (self.rhythm.wait * 2).min(most);
        self.rhythm.rounds = self.rhythm.rounds.saturating_add(1);
        true
    }

    /// Whom to ask in this round: those after the ones of the last.
    fn take_turn(&mut self) -> Vec<SocketAddr> {
        let addresses = &self.targets.addresses;
        let count = addresses.len().min(ADDRESSES_MAX);
        let asked = addresses.iter().copied().cycle().skip(self.turn).take(count).collect();
        if addresses.len() > ADDRESSES_MAX {
            self.turn = (self.turn + count) % addresses.len();
        }
        asked
    }

    /// Writes the next INIT that is due.
    pub(super) fn poll_init(&mut self, now: Instant, to: &mut Vec<u8>) -> Option<SocketAddr> {
        let index = self.due.iter().position(|(at, _)| *at <= now)?;
        let (_, address) = self.due.remove(index)?;
        let is_good = |(from, _, since): &&(SocketAddr, Token, Instant)| {
            *from == address && now.since(*since) < TOKEN_FRESH_FOR
        };
        let token = self.tokens.iter().find(is_good);
        let init = Init {
            version: VERSION,
            suite: SUITE,
            client: self.client,
            server_key_id: noise::key_id(self.server.as_ref()),
            token: token.map(|(_, token, _)| *token),
            noise: &self.first_message,
        };
        *to = init.encode();
        let mac1 = crypto::mac(&noise::mac1_key(self.server.as_ref()), &[to]);
        to.extend_from_slice(&mac1);
        Some(address)
    }

    /// The server wants a token first; whether that is so.
    pub(super) fn handle_retry(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        let Ok((covered, retry, tag)) = Retry::decode(datagram) else { return false };
        let expected = crypto::mac(&retry_key(&self.first_message), &[covered]);
        if retry.client != self.client
            || !crypto::equal(&tag, &expected)
            || self.retries >= RETRIES_MAX
        {
            return false;
        }
        self.retries += 1;
        self.tokens.retain(|(address, ..)| *address != from);
        self.tokens.push((from, retry.token, now));
        if self.targets.reach == Reach::Nodes {
            // This one is there and has much to do, as the others may have: they are left alone for now.
            self.due.clear();
            self.prefer(from);
        }
        self.due.push_front((now, from));
        self.asked = now;
        // Somebody is there: if this one is lost, the next follows soon. Only once, as one who is asked for a
        // token again and again waits with many others.
        if self.retries == 1 {
            self.rhythm.wait = ROUND_WAIT_MIN;
            self.next_round = now + ROUND_WAIT_MIN;
        }
        true
    }

    /// Asks this one first in the rounds that follow.
    fn prefer(&mut self, address: SocketAddr) {
        if let Some(place) = self.targets.addresses.iter().position(|it| *it == address) {
            self.targets.addresses[..=place].rotate_right(1);
            self.turn = 0;
        }
    }

    /// About how long the way there and back takes, as an answer that comes now shows.
    pub(super) fn round_trip(&self, now: Instant) -> Duration {
        let least = if self.is_repeated() { AMBIGUOUS_RTT_MIN } else { Duration::ZERO };
        now.since(self.asked).clamp(least, INITIAL_RTT)
    }

    /// Whether an INIT was sent again before an answer came.
    pub(super) fn is_repeated(&self) -> bool {
        self.rhythm.rounds > 1
    }

    pub(super) fn read(&mut self, noise: &[u8]) -> Result<Vec<u8>, BadHandshake> {
        self.handshake.read(noise)
    }

    pub(super) fn into_handshake(self) -> Handshake {
        self.handshake
    }
}

/// The key of a RETRY's tag: who saw the INIT can make it, nobody else.
pub(crate) fn retry_key(first_message: &[u8]) -> [u8; 32] {
    crypto::hash(b"pychat retry", &[first_message])
}
