//! Honest pairs that write to each other at a steady rate, whatever happens around them.
//!
//! Open loop: a question is due at its time whether or not the one before was answered, so that a
//! server that stands still for a second shows as a second for each text that was due in it, and not as
//! one slow text. A round trip is the time from when the question was due until its answer, a text
//! itself, was received.

use crate::{Happening, Member, Target};
use pychat_proto::{Instant, UserName};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Everybody is logged in, and at the end everything answered, within this time.
const DEADLINE: Duration = Duration::from_secs(60);

/// The longest sleep, so that an end is seen.
const SLEEP_MAX: Duration = Duration::from_millis(20);

/// A question, and when its answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Talk {
    /// When it was due.
    pub due: Instant,
    /// How long it took.
    pub took: Duration,
}

/// Honest pairs at work in a thread of their own.
#[derive(Debug)]
pub struct Chatter {
    answered: Arc<AtomicU64>,
    ending: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Talk>>,
}

impl Chatter {
    /// `pairs` pairs who ask `per_s` questions a second, all together. Returns once all are logged in.
    ///
    /// # Panics
    /// They do not get in.
    #[must_use]
    pub fn start(target: &Target, pairs: usize, per_s: u64, seed: u64) -> Self {
        let (answered, ending) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (ready, is_ready) = mpsc::channel();
        let thread = {
            let (answered, ending, target) = (answered.clone(), ending.clone(), *target);
            thread::spawn(move || {
                let mut table = Table::new(&target, pairs, per_s, seed);
                table.log_in();
                ready.send(()).expect("who started us waits");
                table.talk(&answered, &ending);
                table.talks
            })
        };
        if is_ready.recv().is_err() {
            panic!("honest people cannot log in");
        }
        Self { answered, ending, thread }
    }

    /// Questions that were answered so far.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Asks no more, waits for all answers that are due, and returns all talks.
    ///
    /// # Panics
    /// An answer does not come, or something came doubled or out of order.
    #[must_use]
    pub fn finish(self) -> Vec<Talk> {
        self.ending.store(true, Ordering::Relaxed);
        self.thread.join().expect("honest people are served in order and to the end")
    }
}

/// Who sits together.
struct Table {
    pairs: Vec<Pair>,
    every: Duration,
    asked: u64,
    talks: Vec<Talk>,
}

struct Pair {
    asking: Member,
    answering: Member,
    /// When the last question was due that the other side got, and that was answered.
    heard: u64,
    answered: u64,
}

impl Table {
    fn new(target: &Target, pairs: usize, per_s: u64, seed: u64) -> Self {
        let member = |name: &str, number: usize| {
            let seed = seed.wrapping_mul(1_000_003).wrapping_add(number as u64);
            Member::new(&format!("{name}{number}"), target, seed ^ (name.len() as u64) << 40)
        };
        let pair = |number| Pair {
            asking: member("ask", number),
            answering: member("answer", number),
            heard: 0,
            answered: 0,
        };
        let pairs = (0..pairs).map(pair).collect();
        let every = Duration::from_secs(1) / u32::try_from(per_s).expect("a modest rate");
        Self { pairs, every, asked: 0, talks: Vec::new() }
    }

    /// Everybody is logged in, and the server knows the names.
    fn log_in(&mut self) {
        let start = pychat_udp::now();
        let mut known = vec![[false; 2]; self.pairs.len()];
        while !known.iter().flatten().all(|known| *known) {
            assert!(pychat_udp::now().since(start) < DEADLINE, "not everybody is logged in");
            for (pair, known) in self.pairs.iter_mut().zip(&mut known) {
                for (member, known) in
                    [&mut pair.asking, &mut pair.answering].into_iter().zip(known)
                {
                    for happening in member.serve() {
                        match happening {
                            Happening::Connected => member.ask_for_name(),
                            Happening::Answered => *known = true,
                            Happening::Text { .. } | Happening::Refused(_) | Happening::Lost => {}
                        }
                    }
                    member.flush();
                }
            }
            self.sleep(SLEEP_MAX);
        }
    }

    fn talk(&mut self, answered: &AtomicU64, ending: &AtomicBool) {
        let start = pychat_udp::now();
        let mut end = None;
        loop {
            let now = pychat_udp::now();
            if ending.load(Ordering::Relaxed) {
                let since = now.since(*end.get_or_insert(now));
                let open = self.asked - self.talks.len() as u64;
                if open == 0 {
                    return;
                }
                let story = || self.pairs.iter().map(Pair::story).collect::<String>();
                assert!(
                    since < DEADLINE,
                    "{open} questions were not answered in {DEADLINE:?}\n{}",
                    story()
                );
            } else {
                self.ask(start, now);
            }
            for pair in &mut self.pairs {
                pair.serve(&mut self.talks);
            }
            answered.store(self.talks.len() as u64, Ordering::Relaxed);
            let next = start + self.every * u32::try_from(self.asked).expect("a run is short");
            self.sleep(next.since(pychat_udp::now()).clamp(Duration::from_micros(50), SLEEP_MAX));
        }
    }

    /// Asks all that is due.
    fn ask(&mut self, start: Instant, now: Instant) {
        loop {
            let due = start + self.every * u32::try_from(self.asked).expect("a run is short");
            if due > now {
                return;
            }
            let index = self.asked as usize % self.pairs.len();
            let Pair { asking, answering, .. } = &mut self.pairs[index];
            asking.write(answering.name(), due.as_micros().to_string().into_bytes());
            asking.flush();
            self.asked += 1;
        }
    }

    fn sleep(&self, most: Duration) {
        let now = pychat_udp::now();
        let members = || self.pairs.iter().flat_map(|pair| [&pair.asking, &pair.answering]);
        let due = members().filter_map(Member::poll_timeout).min();
        let pause = due.map_or(most, |due| due.since(now)).min(most);
        let pause = Timespec::try_from(pause).expect("a short time fits");
        let mut sockets: Vec<PollFd<'_>> =
            members().map(|member| PollFd::new(member.socket(), PollFlags::IN)).collect();
        poll(&mut sockets, Some(&pause)).expect("sockets can be waited for");
    }
}

impl Pair {
    /// How far both are, for a failing run's message.
    fn story(&self) -> String {
        let Self { asking, answering, heard, answered } = self;
        format!("{asking:?} -> {answering:?}: heard {heard}, answered {answered}\n")
    }

    fn serve(&mut self, talks: &mut Vec<Talk>) {
        for happening in self.answering.serve() {
            let Some((from, body)) = text(happening) else { continue };
            if from != *self.asking.name() {
                // An attacker writes to us; that is not our talk.
                continue;
            }
            let due = due(&body);
            assert!(due > self.heard, "a question came twice or out of order");
            self.heard = due;
            self.answering.write(&from, body);
        }
        self.answering.flush();
        for happening in self.asking.serve() {
            let Some((from, body)) = text(happening) else { continue };
            if from != *self.answering.name() {
                continue;
            }
            let micros = due(&body);
            assert!(micros > self.answered, "an answer came twice or out of order");
            self.answered = micros;
            let due = Instant::from_micros(micros);
            talks.push(Talk { due, took: pychat_udp::now().since(due) });
        }
    }
}

/// A text and who wrote it.
fn text(happening: Happening) -> Option<(UserName, Vec<u8>)> {
    match happening {
        Happening::Text { from, body } => Some((from, body)),
        Happening::Refused(code) => panic!("an honest text was refused: {code}"),
        Happening::Connected | Happening::Lost | Happening::Answered => None,
    }
}

fn due(body: &[u8]) -> u64 {
    std::str::from_utf8(body).ok().and_then(|text| text.parse().ok()).expect("a time")
}
