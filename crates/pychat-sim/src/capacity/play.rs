//! The simulation: texts go their way through queues, in seconds in which all is well and in those after a node's death.

#[cfg(test)]
mod tests;
mod texts;

use super::{
    cluster::{Cluster, Cost},
    death::Death,
    errand::{Errand, Event, Kind, Step},
    figures::{
        AWAY_SHARE, GONE, LIVE_AT_NATS, LOGIN, SECOND, SESSION_SECONDS, TEXTS_AN_HOUR,
        WRITTEN_AT_RECIPIENT,
    },
    model::Deployment,
    people::{People, unit, until_next},
    phase::Phase,
    proofs::Proofs,
    traffic::{Text, Traffic},
};
use pychat_testkit::dice::Dice;
use std::{cmp::Reverse, collections::BinaryHeap};

/// Seconds in which talks begin and no text is played, so that there are as many under way as ever.
const WARM_UP_SECONDS: u64 = 240;

/// Texts that wait for one who comes back, on average: as many are collected as are written for those who are away.
const COLLECTED: f64 = TEXTS_AN_HOUR / 3_600.0 * AWAY_SHARE * SESSION_SECONDS;

/// What is played.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Decides everything.
    pub seed: u64,
    /// Registered.
    pub users: u32,
    /// Seconds in which all is well, and then from a node's death on.
    pub seconds: [u64; 2],
}

/// What came of it.
pub struct Outcome {
    pub(super) here: u32,
    pub(super) sessions_of_nodes: Vec<u32>,
    pub(super) sessions_of_shards: Vec<u32>,
    pub(super) users_of_streams: Vec<u32>,
    pub(super) users_of_servers: Vec<u32>,
    pub(super) well: Phase,
    pub(super) death: Phase,
    /// Who was at the node that died.
    pub(super) bereft: usize,
    /// Texts that people wrote, those that their recipients have, and those that wait for theirs.
    pub generated: u64,
    /// See [`Outcome::generated`].
    pub delivered: u64,
    /// See [`Outcome::generated`].
    pub waiting: u64,
}

/// Plays it.
#[must_use]
pub fn play(plan: Plan) -> Outcome {
    let mut play = Play::new(plan);
    let [well, after] = plan.seconds;
    for second in 0..WARM_UP_SECONDS + well + after {
        let texts = play.traffic.next_second(&play.people);
        if second == WARM_UP_SECONDS + well {
            play.kill(second * SECOND);
        }
        if second >= WARM_UP_SECONDS {
            play.play_second(second, &texts);
        } else {
            play.warm_up(&texts);
        }
    }
    // What is still under way comes to its end.
    while let Some(Reverse(event)) = play.under_way.pop() {
        play.step(event);
    }
    play.outcome
}

struct Play {
    people: People,
    cluster: Cluster,
    traffic: Traffic,
    proofs: Proofs,
    dice: Dice,
    under_way: BinaryHeap<Reverse<Event>>,
    count: u64,
    death: Option<Death>,
    outcome: Outcome,
}

impl Play {
    fn new(plan: Plan) -> Self {
        let Plan { seed, users, .. } = plan;
        let deployment = Deployment::of(users);
        let mut dice = Dice::new(seed);
        let people = People::new(seed, users, deployment);
        let began_at = WARM_UP_SECONDS * SECOND;
        let cluster = Cluster::new(dice.below(u64::MAX), &people, deployment, began_at);
        let sessions_of_nodes = cluster.sessions_of_nodes();
        let here = sessions_of_nodes.iter().sum();
        let outcome = Outcome {
            here,
            sessions_of_shards: cluster.sessions_of_shards(),
            users_of_streams: cluster.users_of_streams().to_vec(),
            users_of_servers: cluster.users_of_servers(),
            sessions_of_nodes,
            well: Phase::new(deployment),
            death: Phase::new(deployment),
            bereft: 0,
            generated: 0,
            delivered: 0,
            waiting: 0,
        };
        let traffic = Traffic::new(dice.below(u64::MAX), here);
        let (proofs, under_way, count) = (Proofs::default(), BinaryHeap::new(), 0);
        Self { people, cluster, traffic, proofs, dice, under_way, count, death: None, outcome }
    }

    fn phase(&mut self) -> &mut Phase {
        if self.death.is_some() { &mut self.outcome.death } else { &mut self.outcome.well }
    }

    /// The node with most people dies.
    fn kill(&mut self, at: u64) {
        let sessions = self.cluster.sessions_of_nodes();
        let fullest = (0..sessions.len()).max_by_key(|node| sessions[*node]).unwrap_or_default();
        let death = Death::of(fullest as u16, at, &self.people);
        self.outcome.bereft = death.bereft();
        self.cluster.kill(fullest as u16);
        self.proofs.doubt(at + GONE);
        self.death = Some(death);
    }

    /// Texts before the played seconds give proof for those of the same talks after them.
    fn warm_up(&mut self, texts: &[Text]) {
        for Text { at, from, to, talks } in texts.iter().copied() {
            if self.people.is_here(to) {
                self.proof(at, Errand { talks, from, to, kind: Kind::Text, waited: 0 });
            }
        }
    }

    fn play_second(&mut self, second: u64, texts: &[Text]) {
        let (begin, end) = (second * SECOND, (second + 1) * SECOND);
        self.log_in(begin, end);
        for text in texts {
            self.play_until(text.at);
            self.outcome.generated += 1;
            self.phase().texts.note();
            let Text { at, from, to, talks } = *text;
            let errand = Errand { kind: Kind::Text, from, to, talks, waited: 0 };
            self.count += 1;
            self.step(Event { at, number: self.count, step: Step::Begins, errand });
        }
        self.play_until(end);
        let is_dying = self.death.is_some();
        let Outcome { well, death, .. } = &mut self.outcome;
        let phase = if is_dying { death } else { well };
        self.cluster.end_second(end, phase);
        phase.next_second();
    }

    /// Who logs in within a second: as a session ended, or as their node has died.
    fn log_in(&mut self, begin: u64, end: u64) {
        let a_second = f64::from(self.outcome.here) / SESSION_SECONDS;
        let mut at = begin + until_next(a_second, &mut self.dice);
        while at < end {
            let user = loop {
                let user = self.dice.below(u64::from(self.people.users)) as u32;
                if self.people.is_here(user) {
                    break user;
                }
            };
            self.push(at, Step::Begins, Errand::login(user));
            at += until_next(a_second, &mut self.dice);
        }
        let come = self.death.as_mut().map(|death| death.come_in(&self.people, begin));
        let come = come.unwrap_or_default();
        come.into_iter().for_each(|(user, at)| self.push(at, Step::Begins, Errand::login(user)));
    }

    fn play_until(&mut self, until: u64) {
        while self.under_way.peek().is_some_and(|Reverse(event)| event.at < until) {
            if let Some(Reverse(event)) = self.under_way.pop() {
                self.step(event);
            }
        }
    }

    fn push(&mut self, at: u64, step: Step, errand: Errand) {
        self.count += 1;
        self.under_way.push(Reverse(Event { at, number: self.count, step, errand }));
    }

    /// Where somebody is at some time; nowhere between a node's death and coming back.
    fn node(&self, user: u32, at: u64) -> Option<u16> {
        let node = self.people.node(user);
        match &self.death {
            Some(death) if death.struck(node, at) => death.seat(&self.people, user, at),
            Some(_) | None => Some(node),
        }
    }

    fn step(&mut self, event: Event) {
        let Event { at, step, mut errand, .. } = event;
        let Some(node) = self.node(errand.from, at) else { return self.hurry(at, errand) };
        let is_dying = self.death.is_some();
        let Outcome { well, death, .. } = &mut self.outcome;
        let phase = if is_dying { death } else { well };
        match step {
            Step::Begins if errand.kind == Kind::Login => {
                let shard = self.cluster.shard(node, self.people.place(errand.from).0);
                let home = self.people.node(errand.from);
                let has_moved = self.death.as_ref().is_some_and(|it| it.struck(home, at));
                let mut cost = LOGIN;
                if has_moved {
                    self.cluster.seat(shard);
                } else {
                    // Who was away collects what came meanwhile.
                    let collected = -unit(&mut self.dice).ln() * COLLECTED;
                    cost += collected as u64 * WRITTEN_AT_RECIPIENT;
                }
                let cost = Cost { among_many: cost, alone: cost };
                let served = self.cluster.serve(shard, at, cost, phase);
                phase.login_time += LOGIN;
                phase.logins.note();
                errand.waited += served.waited;
                self.push(served.done_at, Step::Gathers, errand);
            }
            Step::Begins => self.begin(at, node, errand),
            Step::LeavesBy => {
                let served = self.cluster.carry(node, at, LIVE_AT_NATS / 2, phase);
                errand.waited += served.waited;
                self.push(served.done_at, Step::ComesBy, errand);
            }
            Step::ComesBy => {
                let to = self.people.node(errand.to);
                let served = self.cluster.carry(to, at, LIVE_AT_NATS / 2, phase);
                errand.waited += served.waited;
                self.push(served.done_at, Step::Arrives, errand);
            }
            Step::Arrives => self.arrive(at, errand),
            Step::Gathers => {
                let begun = self.cluster.gather(node, at);
                errand.waited += begun - at;
                self.push(begun, Step::IsWritten, errand);
            }
            Step::IsWritten => {
                let begun = self.cluster.write(self.people.place(errand.mailbox()).1, at, phase);
                phase.written.note();
                errand.waited += begun - at;
                self.push(begun, Step::IsReplicated, errand);
            }
            Step::IsReplicated => {
                let served =
                    self.cluster.replicate(self.people.place(errand.mailbox()).1, at, phase);
                errand.waited += served.waited;
                match errand.kind {
                    Kind::Login => phase.login_waits.saturating_record(errand.waited),
                    Kind::Written | Kind::Text => self.push(served.done_at, Step::Arrives, errand),
                }
            }
        }
    }
}
