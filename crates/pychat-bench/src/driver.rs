//! A crowd on real sockets, in turns.

use crate::{
    crowd::{Crowd, CrowdConfig},
    tally::Tally,
};
use anyhow::{Context, Result, bail, ensure};
use pychat_proto::{Instant, Transmit};
use pychat_udp::Socket;
use std::{
    cell::RefCell,
    future::{self, Future},
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::Range,
    pin::Pin,
    task::Poll,
    time::Duration,
};

/// Logins that make no headway for this long have failed.
const LOGIN_PATIENCE: Duration = Duration::from_secs(60);

/// A crowd and its sockets. Drive it: do something to the crowd, then take turns until the tally
/// shows what is waited for.
pub struct Driver {
    crowd: Crowd,
    sockets: Vec<Socket>,
    train: Vec<u8>,
}

impl Driver {
    /// Binds the sockets.
    ///
    /// # Errors
    /// A socket cannot be had.
    pub fn new(config: CrowdConfig) -> Result<Self> {
        let bind = |index| {
            let local = local_address(config.server, index);
            Socket::bind(local).with_context(|| format!("binding a socket to {local}"))
        };
        let sockets = (0..config.sockets).map(bind).collect::<Result<_>>()?;
        Ok(Self { crowd: Crowd::new(config), sockets, train: Vec::new() })
    }

    /// The crowd, to give it something to do.
    pub const fn crowd(&mut self) -> &mut Crowd {
        &mut self.crowd
    }

    /// What happened so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        self.crowd.tally()
    }

    /// Does what is to be done, sleeps until something happens (`until` at the latest) and does what
    /// follows from it.
    ///
    /// # Errors
    /// A socket broke, or the run is worth nothing any more.
    pub async fn turn(&mut self, until: Instant) -> Result<()> {
        self.flush().await?;
        let due = self.crowd.poll_timeout().map_or(until, |at| at.min(until));
        self.receive(due.since(pychat_udp::now())).await.context("receiving")?;
        self.flush().await?;
        match &self.tally().trouble {
            None => Ok(()),
            Some(trouble) => bail!("{trouble}"),
        }
    }

    /// Takes turns for this long.
    ///
    /// # Errors
    /// As for [`Self::turn`].
    pub async fn rest(&mut self, pause: Duration) -> Result<()> {
        let until = pychat_udp::now() + pause;
        while pychat_udp::now() < until {
            self.turn(until).await?;
        }
        Ok(())
    }

    /// Takes turns until what `count` counts has come to `goal`, or has stood still for `patience`;
    /// how far it came.
    ///
    /// # Errors
    /// As for [`Self::turn`].
    pub async fn wait_for(
        &mut self,
        patience: Duration,
        goal: u64,
        count: impl Fn(&Tally) -> u64,
    ) -> Result<u64> {
        let (mut seen, mut until) = (count(self.tally()), pychat_udp::now() + patience);
        loop {
            let (reached, now) = (count(self.tally()), pychat_udp::now());
            if reached != seen {
                (seen, until) = (reached, now + patience);
            }
            if reached >= goal || now >= until {
                return Ok(reached);
            }
            self.turn(until).await?;
        }
    }

    /// Logs these members in, `parallel` at a time.
    ///
    /// # Errors
    /// Logins make no headway, and as for [`Self::turn`].
    pub async fn log_in(&mut self, members: Range<u32>, parallel: u32) -> Result<()> {
        let (before, count) = (self.tally().logged_in, u64::from(members.end - members.start));
        let mut waiting = members;
        let (mut begun, mut seen) = (0, before);
        let mut patience = pychat_udp::now() + LOGIN_PATIENCE;
        loop {
            let logged_in = self.tally().logged_in;
            let done = logged_in.saturating_sub(before);
            if done >= count {
                return Ok(());
            }
            let now = pychat_udp::now();
            if logged_in != seen {
                (seen, patience) = (logged_in, now + LOGIN_PATIENCE);
            }
            if now >= patience {
                bail!("{done} of {count} are logged in and no more come");
            }
            while begun < done + u64::from(parallel)
                && let Some(member) = waiting.next()
            {
                self.crowd.log_in(now, member);
                begun += 1;
            }
            self.turn(patience).await?;
        }
    }

    /// Waits until the server knows the names of all members up to `count`, so that they can be
    /// written to.
    ///
    /// # Errors
    /// It does not, and as for [`Self::turn`].
    pub async fn introduce(&mut self, count: u32) -> Result<()> {
        let now = pychat_udp::now();
        (0..count).for_each(|member| self.crowd.ask(now, member));
        let known = self.wait_for(LOGIN_PATIENCE, count.into(), |tally| tally.known).await?;
        ensure!(known >= u64::from(count), "the server knows {known} of {count} names");
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let now = pychat_udp::now();
        self.crowd.handle_timeout(now);
        while let Some((socket, transmit)) = self.crowd.poll_transmit(now, &mut self.train) {
            send(&self.sockets[socket], &transmit, &self.train).await.context("sending")?;
        }
        Ok(())
    }

    /// Takes what has come to any socket, or sleeps.
    async fn receive(&mut self, pause: Duration) -> io::Result<()> {
        let Self { crowd, sockets, .. } = self;
        let crowd = RefCell::new(crowd);
        let mut receiving: Vec<Pin<Box<_>>> = sockets
            .iter_mut()
            .map(|socket| {
                Box::pin(socket.recv(|from, datagram| {
                    crowd.borrow_mut().handle_datagram(pychat_udp::now(), from, datagram);
                }))
            })
            .collect();
        let mut slept = std::pin::pin!(tokio::time::sleep(pause));
        let mut waited = false;
        future::poll_fn(|context| {
            let mut received = Ok(false);
            for socket in &mut receiving {
                match socket.as_mut().poll(context) {
                    Poll::Ready(Ok(())) if received.is_ok() => received = Ok(true),
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                    Poll::Ready(Err(error)) => received = Err(error),
                }
            }
            let over = pause.is_zero() || slept.as_mut().poll(context).is_ready();
            match received {
                Ok(false) if !over => {
                    waited = true;
                    Poll::Pending
                }
                done => Poll::Ready(done.map(|_| ())),
            }
        })
        .await?;
        if !waited {
            // The runtime looks for what came to the other sockets only when nothing is ready here.
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// Sends a train, when the kernel has room for it.
async fn send(socket: &Socket, transmit: &Transmit, train: &[u8]) -> io::Result<()> {
    loop {
        match socket.try_send(transmit, train) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.writable().await?,
            sent => return sent,
        }
    }
}

/// Where a socket is bound. On Linux all of 127.0.0.0/8 is this machine, and a server on it sees each
/// socket at an address of its own: it bounds how many logins come from one.
fn local_address(server: SocketAddr, index: usize) -> SocketAddr {
    let [high, low] = (index as u16 + 1).to_be_bytes();
    match server {
        SocketAddr::V4(v4) if v4.ip().is_loopback() && cfg!(target_os = "linux") => {
            SocketAddr::from(([127, 0, high + 1, low], 0))
        }
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    }
}
