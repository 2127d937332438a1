//! An attacker with a login of their own, who then keeps to no rule.

use crate::Target;
use pychat_proto::{
    DisplayName, SecretKey, UserName,
    chat::LoginPayload,
    hostile::{Answer, Frames, Heard, Knock, Peer},
};
use pychat_testkit::dice::Dice;
use std::{
    io,
    net::UdpSocket,
    time::{Duration, Instant},
};

/// A login takes no longer, whatever else goes on.
const LOGIN_DEADLINE: Duration = Duration::from_secs(30);

/// An INIT without an answer is sent again after this long.
const INIT_AGAIN: Duration = Duration::from_millis(100);

/// Room for the longest datagram.
const DATAGRAM_ROOM_BYTES: usize = 2_048;

/// Somebody who is logged in.
pub struct Insider {
    /// The raw session.
    pub peer: Peer,
    socket: UdpSocket,
    name: UserName,
    identity: SecretKey,
    target: Target,
    dice: Dice,
}

impl Insider {
    /// Logs in.
    ///
    /// # Panics
    /// The server does not let us in.
    #[must_use]
    pub fn log_in(name: &str, target: &Target, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let identity = SecretKey::from_bytes(dice.seed());
        let name = UserName::parse(name).expect("a plain name");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        let peer = knock(&socket, &name, &identity, target, &mut dice);
        let mut insider = Self { peer, socket, name, identity, target: *target, dice };
        insider.exchange_keys();
        insider
    }

    /// Logs in again; the session before is given up.
    ///
    /// # Panics
    /// The server does not let us in.
    pub fn log_in_again(&mut self) {
        let Self { socket, name, identity, target, dice, .. } = self;
        self.peer = knock(socket, name, identity, target, dice);
        self.exchange_keys();
    }

    /// Leads the session into its hybrid epoch: before that no frame but a few is allowed.
    fn exchange_keys(&mut self) {
        let end = Instant::now() + LOGIN_DEADLINE;
        while Instant::now() < end {
            for packet in self.peer.offer() {
                self.send_raw(&packet);
            }
            // The answer ends the wait; what cannot be sent is lost, as on any network.
            let _lost = self.wait_for(INIT_AGAIN, |heard| (*heard == Heard::Hybrid).then_some(()));
            if self.peer.is_hybrid() {
                self.send(&Frames::default().ping());
                return;
            }
        }
        panic!("{} gets no hybrid keys within {LOGIN_DEADLINE:?}", self.name);
    }

    /// Who it is.
    #[must_use]
    pub const fn name(&self) -> &UserName {
        &self.name
    }

    /// Seals and sends; whether the kernel took it.
    pub fn send(&mut self, frames: &Frames) -> bool {
        let packet = self.peer.packet(frames);
        self.send_raw(&packet)
    }

    /// Sends any bytes.
    pub fn send_raw(&self, datagram: &[u8]) -> bool {
        self.socket.send_to(datagram, self.target.address).is_ok()
    }

    /// What the server said meanwhile.
    pub fn hear(&mut self) -> Vec<Heard> {
        self.socket.set_nonblocking(true).expect("a socket need not block");
        let mut room = [0; DATAGRAM_ROOM_BYTES];
        let mut heard = Vec::new();
        loop {
            match self.socket.recv(&mut room) {
                Ok(length) => heard.extend(self.peer.open(&mut room[..length])),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return heard,
                // What a network reports of an earlier datagram.
                Err(_) => {}
            }
        }
    }

    /// Waits until the server says something that `find` finds.
    ///
    /// # Errors
    /// It does not say so in time: all that it said.
    pub fn wait_for<T>(
        &mut self,
        deadline: Duration,
        mut find: impl FnMut(&Heard) -> Option<T>,
    ) -> Result<T, Vec<Heard>> {
        let end = Instant::now() + deadline;
        let mut all = Vec::new();
        loop {
            let heard = self.hear();
            if let Some(found) = heard.iter().find_map(&mut find) {
                return Ok(found);
            }
            all.extend(heard);
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(all);
            }
            wait(&self.socket, left);
        }
    }
}

fn wait(socket: &UdpSocket, most: Duration) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let pause = Timespec::try_from(most).expect("a short time fits");
    poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&pause))
        .expect("a socket can be waited for");
}

/// What `name` says at a login.
pub(crate) fn login_payload(name: &UserName, dice: &mut Dice) -> LoginPayload {
    let mut stream = [0; 16];
    stream.copy_from_slice(&dice.seed()[..16]);
    let cursor = pychat_proto::Cursor::NONE;
    let display = DisplayName::parse("").expect("it may be empty");
    LoginPayload { user: *name, name: display, stream, cursor, invite: None }
}

fn knock(
    socket: &UdpSocket,
    name: &UserName,
    identity: &SecretKey,
    target: &Target,
    dice: &mut Dice,
) -> Peer {
    let payload = login_payload(name, dice);
    let mut knock = Knock::new(identity, target.key, &payload, dice.seed());
    let (end, mut token) = (Instant::now() + LOGIN_DEADLINE, None);
    let mut room = [0; DATAGRAM_ROOM_BYTES];
    socket.set_nonblocking(false).expect("a socket can block");
    socket.set_read_timeout(Some(INIT_AGAIN)).expect("a time that is not zero");
    while Instant::now() < end {
        // What cannot be sent is lost, as on any network.
        let _lost = socket.send_to(&knock.init(token), target.address);
        let again = Instant::now() + INIT_AGAIN;
        while Instant::now() < again
            && let Ok(length) = socket.recv(&mut room)
        {
            match knock.read(&room[..length]) {
                Answer::Retry(fresh) => {
                    token = Some(fresh);
                    break;
                }
                Answer::Welcome(peer) => return *peer,
                Answer::Refused(code) => panic!("{name} was refused: {code}"),
                Answer::Stray => {}
            }
        }
    }
    panic!("{name} cannot log in within {LOGIN_DEADLINE:?}");
}
