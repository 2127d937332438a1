//! A text's way: how it begins, whether it is written, and where it ends.

use super::{
    super::{
        cluster::Cost,
        errand::{Errand, Kind, Step},
        figures::{LIVE_AT_RECIPIENT, LIVE_AT_SENDER, WRITTEN_AT_RECIPIENT, WRITTEN_AT_SENDER},
        proofs::{Pair, Proof},
    },
    Outcome, Play,
};

impl Play {
    /// A text begins its way at its sender's shard.
    pub(super) fn begin(&mut self, at: u64, node: u16, mut errand: Errand) {
        let Errand { from, to, .. } = errand;
        let is_here = self.people.is_here(to);
        let other = if is_here { self.node(to, at) } else { None };
        if let (true, None, Some(death)) = (is_here, other, &self.death)
            && at < death.known_at()
        {
            // Its mailbox is still a node's that does not answer.
            let again_at = death.back_at(&self.people, to).min(death.known_at());
            self.phase().held += 1;
            return self.push(again_at, Step::Begins, errand);
        }
        let proof = other.map(|_| self.proof(at, errand));
        let is_live = proof == Some(Proof::Given);
        let cost = if is_live { LIVE_AT_SENDER } else { WRITTEN_AT_SENDER };
        let shard = self.cluster.shard(node, self.people.place(from).0);
        let is_dying = self.death.is_some();
        let Outcome { well, death, .. } = &mut self.outcome;
        let phase = if is_dying { death } else { well };
        match proof {
            Some(Proof::Given) if other == Some(node) => phase.within += 1,
            Some(Proof::Given) => phase.across += 1,
            Some(Proof::First) => phase.first += 1,
            None => phase.away += 1,
        }
        phase.others_node += u64::from(other.is_some_and(|other| other != node));
        let served = self.cluster.serve(shard, at, Cost::of_text(cost), phase);
        errand.waited += served.waited;
        errand.kind = if is_live { Kind::Text } else { Kind::Written };
        let step = match other {
            Some(other) if is_live && other == node => Step::Arrives,
            Some(_) if is_live => Step::LeavesBy,
            Some(_) | None => Step::Gathers,
        };
        self.push(served.done_at, step, errand);
    }

    /// Whether a text between two who are here goes unwritten.
    pub(super) fn proof(&mut self, at: u64, errand: Errand) -> Proof {
        let Errand { from, to, talks, .. } = errand;
        let login_at = self.death.as_ref().and_then(|death| {
            let login = |user| death.login_at(&self.people, user, at);
            login(from).max(login(to))
        });
        let pair = Pair { from, to, talks: f64::from(talks), login_at };
        self.proofs.of(&self.people, &pair, at)
    }

    /// A text is at its recipient's shard, or in the mailbox of somebody who is away.
    pub(super) fn arrive(&mut self, at: u64, errand: Errand) {
        let Errand { to, kind, .. } = errand;
        let is_here = self.people.is_here(to);
        let node = if is_here { self.node(to, at) } else { None };
        let is_dying = self.death.is_some();
        let Outcome { well, death, delivered, waiting, .. } = &mut self.outcome;
        let phase = if is_dying { death } else { well };
        let mut waited = errand.waited;
        match node {
            Some(node) => {
                let written = kind == Kind::Written;
                let cost = if written { WRITTEN_AT_RECIPIENT } else { LIVE_AT_RECIPIENT };
                let shard = self.cluster.shard(node, self.people.place(to).0);
                waited += self.cluster.serve(shard, at, Cost::of_text(cost), phase).waited;
                *delivered += 1;
            }
            // It went with a node that has just died, and is handed over anew.
            None if is_here && kind == Kind::Text => {
                return self.push(at, Step::Begins, errand);
            }
            None => *waiting += 1,
        }
        let waits =
            if kind == Kind::Text { &mut phase.live_waits } else { &mut phase.written_waits };
        waits.saturating_record(waited);
    }

    /// Somebody whose node has died has something to send, and goes elsewhere at once. What was under way begins anew.
    pub(super) fn hurry(&mut self, at: u64, errand: Errand) {
        let Some(death) = &mut self.death else { return };
        let (back_at, is_sooner) = death.hurry(&self.people, errand.from, at);
        if is_sooner {
            self.push(back_at, Step::Begins, Errand::login(errand.from));
        }
        self.phase().held += u64::from(errand.kind != Kind::Login);
        if errand.kind != Kind::Login {
            self.push(back_at, Step::Begins, Errand { kind: Kind::Text, ..errand });
        }
    }
}
