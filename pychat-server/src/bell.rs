//! Wakes a shard's thread that waits for datagrams, when something came for it over a channel.

use mio::{Registry, Token, Waker};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// The shard's end and the others'. Who sends rings afterwards; the shard mutes the bell *before* it
/// looks into its channels for the last time, so that nothing is overlooked.
#[derive(Clone, Debug)]
pub struct Bell(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    waker: Waker,
    rung: AtomicBool,
}

impl Bell {
    /// A bell that wakes whoever waits at this registry's poll.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let waker = Waker::new(registry, token)?;
        Ok(Self(Arc::new(Inner { waker, rung: AtomicBool::new(false) })))
    }

    /// Wakes the shard, unless somebody has already.
    pub fn ring(&self) {
        if !self.0.rung.swap(true, Ordering::SeqCst) {
            // It fails only with its poll, which has ended then.
            let _ = self.0.waker.wake();
        }
    }

    /// From here on a ring wakes anew; whether anybody rang before.
    pub fn mute(&self) -> bool {
        self.0.rung.swap(false, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::time::Duration;

    #[test]
    fn a_ring_wakes_once_until_the_bell_is_muted() {
        let mut poll = Poll::new().unwrap();
        let bell = Bell::new(poll.registry(), Token(7)).unwrap();
        let mut events = Events::with_capacity(4);
        let mut wakes = |timeout| {
            poll.poll(&mut events, Some(timeout)).unwrap();
            !events.is_empty()
        };
        bell.ring();
        assert!(wakes(Duration::from_secs(10)));
        bell.ring();
        assert!(!wakes(Duration::ZERO), "it is awake");
        assert!(bell.mute());
        assert!(!bell.mute());
        bell.ring();
        assert!(wakes(Duration::from_secs(10)));
    }
}
