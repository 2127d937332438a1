//! Parcels for mailboxes that are other nodes'.
//!
//! The shard where a user's mailbox would live here hands what comes for it to the node that has it, and
//! keeps it until it hears what became of it.
//!
//! ```text
//!            known --> under way --- answered --> its sender is told
//! parcel --<                     '--- sent back, lost, or the user is elsewhere --> anew
//!            unknown --> asked for --> ours, or under way
//! ```
//! In which order texts are taken is not decided here: whoever has the mailbox takes none before its turn
//! ([`super::turns`]). What is lost on the way, or with a node, is handed over anew: then its recipient may get it
//! twice, and knows it by its id.

use super::{
    Now, Shard,
    jobs::Purpose,
    mail::{
        FromNodes, NodeAsker, NodeFate, NodeMail, NodeParcel, Seated, ToNodes, number, word_back,
    },
    ownership::LONG_AGO,
    parcel::{Asker, Fate, FromShard, Hop, Hopped, Parcel, Place, Record},
    unsettled::Owed,
};
use crate::{
    committer::{Outcome, Work},
    store::{Node, StoreError},
};
use pychat_proto::{CloseCode, Fill, Instant, SessionId, Urgency, UserName, chat::Presence};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::Duration,
};

/// Mailboxes of which a shard remembers whose they are: 34 MB at most. Beyond it those are forgotten that nobody here
/// has written to, as all nodes tell of all who are there; if too few of them are, all are, and are proven again.
const ROUTES_MAX: usize = 262_144;

/// How long what another node's store did not take waits until it is handed over anew.
const PAUSE: Duration = Duration::from_millis(200);

/// The same for what is another node's: mostly the user has just moved. But the one that says so may itself wait for a
/// node that is silent, and say so until that one counts as gone.
const BOUNCE_PAUSE: Duration = Duration::from_millis(10);

/// What a shard of a node knows of other nodes. What is under way to them is bounded by the windows of the sessions
/// that it comes from.
#[derive(Default)]
pub(super) struct Forwards {
    /// What waits for the store to say whose these mailboxes are.
    asked_for: BTreeMap<UserName, Vec<Parcel>>,
    /// What other nodes were handed, by its number.
    sent: BTreeMap<u64, Sent>,
    /// The numbers of what was not answered, by mailbox.
    unanswered: BTreeSet<(UserName, u64)>,
    count: u64,
    routes: HashMap<UserName, Route>,
    /// What is handed over anew, and when, in its order.
    again: BTreeMap<(Instant, u64), Again>,
    to_nodes: VecDeque<ToNodes>,
}

/// Whose a mailbox is, as far as is known. Wrong knowledge costs a way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Route {
    whose: Whose,
    /// When its node was last asked to prove it; or, if it is this one, when the others were told of it.
    proven_at: Instant,
}

/// See [`Route`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Here,
    At(Node),
}

/// A parcel that another node was handed.
struct Sent {
    to: Node,
    state: SentState,
}

#[allow(clippy::large_enum_variant)] // Nearly all of them are unanswered.
enum SentState {
    Unanswered(Parcel),
    /// The recipient has it, and no disk of ours does: it is done with when its receipt is safe.
    Delivered(Record),
}

/// What is to be handed over anew.
#[allow(clippy::large_enum_variant)] // There are few.
enum Again {
    /// By its sender's shard, as all texts are.
    Text(Record),
    /// By this one: a receipt.
    Receipt(Parcel),
}

impl Again {
    fn of(parcel: Parcel) -> Self {
        match parcel.asker {
            Asker::Stream(record, _) => Self::Text(record),
            Asker::Receipt(_) => Self::Receipt(parcel),
            Asker::Hop(_) => unreachable!("what another node hands over is never handed on"),
        }
    }
}

impl Forwards {
    pub(super) fn learn(&mut self, mailbox: UserName, whose: Whose) {
        if self.routes.get(&mailbox).is_some_and(|route| route.whose == whose) {
            return;
        }
        if self.routes.len() >= ROUTES_MAX {
            self.routes.retain(|_, route| route.proven_at != LONG_AGO);
            if self.routes.len() > ROUTES_MAX / 2 {
                self.routes.clear();
            }
        }
        self.routes.insert(mailbox, Route { whose, proven_at: LONG_AGO });
    }

    /// Has something told to other nodes.
    pub(super) fn tell(&mut self, news: ToNodes) {
        self.to_nodes.push_back(news);
    }

    fn hand_over_at(&mut self, at: Instant, again: Again) {
        self.count += 1;
        self.again.insert((at, self.count), again);
    }

    /// Shows each table with its bound.
    pub(super) fn fills(&self, each: &mut impl FnMut(Fill)) {
        let routes = self.routes.len();
        each(Fill::new("mailboxes of which it is known whose they are", routes, ROUTES_MAX));
    }
}

impl Shard {
    /// The next thing for other nodes.
    pub fn poll_to_nodes(&mut self) -> Option<ToNodes> {
        self.forwards.to_nodes.pop_front()
    }

    /// Takes what is heard of other nodes.
    pub fn handle_nodes(&mut self, now: Now, heard: FromNodes) {
        match heard {
            FromNodes::Mail(node, NodeMail::Parcel(parcel)) => self.take_hop(now, node, parcel),
            FromNodes::Mail(node, NodeMail::Fate { number, fate }) => {
                self.on_node_fate(now, node, number, fate);
            }
            FromNodes::Presence(node, seated) => self.on_seated(now, node, &seated),
            FromNodes::Lost(node) => self.on_lost(now, node),
            FromNodes::Check => self.check_all(),
            FromNodes::Took(mailbox) => {
                self.check_user(&mailbox);
            }
            FromNodes::CutOff => self.send_all_away(now),
        }
        self.handle_events(now);
    }

    /// Hands a parcel to the node that has its mailbox; comes back if that is this one.
    pub(super) fn route(&mut self, now: Now, parcel: Parcel) -> Option<Parcel> {
        if self.config.member.is_none() || matches!(parcel.asker, Asker::Hop(_)) {
            return Some(parcel);
        }
        let mailbox = parcel.mailbox;
        if let Some(parked) = self.forwards.asked_for.get_mut(&mailbox) {
            parked.push(parcel);
            return None;
        }
        if self.reader(&mailbox).is_some() {
            return Some(parcel);
        }
        match self.forwards.routes.get(&mailbox).map(|route| route.whose) {
            Some(Whose::Here) => Some(parcel),
            Some(Whose::At(to)) => {
                self.send_on(now, to, parcel);
                None
            }
            None if self.reads.is_pausing() => {
                self.answer(parcel.asker, Fate::Failed);
                None
            }
            None => {
                self.forwards.asked_for.insert(mailbox, vec![parcel]);
                self.jobs.push(Purpose::Owner(mailbox), Work::Owner { mailbox });
                None
            }
        }
    }

    /// The store says whose a mailbox is.
    pub(super) fn on_owner(
        &mut self,
        now: Now,
        mailbox: UserName,
        outcome: &Result<Outcome, StoreError>,
    ) {
        let parked = self.forwards.asked_for.remove(&mailbox).unwrap_or_default();
        match outcome {
            Ok(Outcome::Owner(owner)) => {
                self.forwards.learn(mailbox, owner.map_or(Whose::Here, Whose::At));
                parked.into_iter().for_each(|parcel| self.take_in(now, parcel));
            }
            Ok(_) | Err(_) => {
                parked.into_iter().for_each(|parcel| self.answer(parcel.asker, Fate::Failed));
            }
        }
    }

    /// Whether a node is to prove that a mailbox is its own, for an entry that has to know since then.
    fn has_to_prove(&mut self, now: Now, parcel: &Parcel) -> bool {
        if parcel.since == LONG_AGO {
            return false;
        }
        let Some(route) = self.forwards.routes.get_mut(&parcel.mailbox) else { return true };
        if route.proven_at > parcel.since {
            return false;
        }
        route.proven_at = now.mono;
        true
    }

    /// Hands a parcel to another node.
    fn send_on(&mut self, now: Now, to: Node, parcel: Parcel) {
        let proves = self.has_to_prove(now, &parcel);
        self.forwards.count += 1;
        let number = number(self.config.shard, self.forwards.count);
        let what = match &parcel.asker {
            Asker::Stream(record, Place { user, stream, safe, first, after }) => NodeAsker::Text {
                user: *user,
                stream: *stream,
                safe: *safe,
                first: *first,
                last: record.last,
                after: *after,
                owed: parcel.owed.as_ref().map(|owed| owed.id),
            },
            Asker::Receipt(receipt) => {
                NodeAsker::Receipt { at_once: receipt.word_back == Urgency::Normal }
            }
            Asker::Hop(_) => unreachable!("what another node hands over is never handed on"),
        };
        let (mailbox, entry) = (parcel.mailbox, parcel.entry.to_vec());
        let mail = NodeMail::Parcel(NodeParcel { number, mailbox, entry, proves, what });
        self.forwards.tell(ToNodes::Mail(to, mail));
        self.forwards.unanswered.insert((mailbox, number));
        self.forwards.sent.insert(number, Sent { to, state: SentState::Unanswered(parcel) });
    }

    /// What another node says of a parcel.
    fn on_node_fate(&mut self, now: Now, node: Node, number: u64, fate: NodeFate) {
        let forwards = &mut self.forwards;
        if forwards.sent.get(&number).is_none_or(|sent| sent.to != node) {
            return;
        }
        let Some(Sent { to, state }) = forwards.sent.remove(&number) else { return };
        let parcel = match (state, fate) {
            (SentState::Delivered(record), NodeFate::Settled) => {
                return self.tell(record.shard, FromShard::Fate(record, Fate::Settled));
            }
            (SentState::Delivered(record), _) => {
                // A store fails, which it may do for a while.
                return forwards.hand_over_at(now.mono + PAUSE, Again::Text(record));
            }
            (SentState::Unanswered(parcel), _) => parcel,
        };
        forwards.unanswered.remove(&(parcel.mailbox, number));
        let (fate, pause) = match fate {
            NodeFate::Delivered => {
                if let Asker::Stream(record, _) = parcel.asker {
                    forwards.sent.insert(number, Sent { to, state: SentState::Delivered(record) });
                }
                (Fate::Delivered, None)
            }
            NodeFate::Settled => (Fate::Settled, None),
            NodeFate::Refused(code) => (Fate::Refused(code), None),
            NodeFate::OutOfTurn => (Fate::OutOfTurn, None),
            NodeFate::Failed => (Fate::Again, Some(PAUSE)),
            NodeFate::Bounced => (Fate::Again, Some(BOUNCE_PAUSE)),
        };
        let Some(pause) = pause else { return self.answer(parcel.asker, fate) };
        if self.forwards.routes.get(&parcel.mailbox).is_some_and(|it| it.whose == Whose::At(to)) {
            // Whose it is has to be asked anew.
            self.forwards.routes.remove(&parcel.mailbox);
        }
        self.forwards.hand_over_at(now.mono + pause, Again::of(parcel));
    }

    /// Takes a parcel that another node hands over.
    fn take_hop(&mut self, now: Now, node: Node, parcel: NodeParcel) {
        let NodeParcel { number, mailbox, entry, proves, what } = parcel;
        let (what, owed) = match what {
            NodeAsker::Text { user, stream, safe, first, last, after, owed } => {
                let owed = owed.map(|id| Owed { to: user, id, record: None });
                (Hopped::Text(Place { user, stream, safe, first, after }, last), owed)
            }
            NodeAsker::Receipt { at_once } => (Hopped::Receipt(word_back(at_once)), None),
        };
        if self.reader(&mailbox).is_none() && self.is_elsewhere(&mailbox) {
            return self.tell_node(node, number, NodeFate::Bounced);
        }
        let (entry, asker) = (entry.into(), Asker::Hop(Hop { node, number, what }));
        let since = if proves { now.mono } else { LONG_AGO };
        self.take_in(now, Parcel { mailbox, entry, owed, asker, since });
    }

    /// Whether a mailbox is another node's, as far as is known. Who hands something over for it may know better: next
    /// time the store decides.
    fn is_elsewhere(&mut self, mailbox: &UserName) -> bool {
        if self.forwards.asked_for.contains_key(mailbox) {
            return true;
        }
        let route = self.forwards.routes.get(mailbox).filter(|route| route.whose != Whose::Here);
        route.is_some() && self.forwards.routes.remove(mailbox).is_some()
    }

    fn tell_node(&mut self, node: Node, number: u64, fate: NodeFate) {
        self.forwards.tell(ToNodes::Mail(node, NodeMail::Fate { number, fate }));
    }

    /// Tells the node that handed a parcel over what became of it.
    pub(super) fn answer_hop(&mut self, hop: &Hop, fate: Fate) {
        let fate = match fate {
            Fate::Delivered => NodeFate::Delivered,
            Fate::Settled => NodeFate::Settled,
            Fate::Refused(code) => NodeFate::Refused(code),
            Fate::Failed => NodeFate::Failed,
            Fate::Again => NodeFate::Bounced,
            Fate::OutOfTurn => NodeFate::OutOfTurn,
        };
        self.tell_node(hop.node, hop.number, fate);
    }

    /// A text that another node handed over, and that its recipient has, is done with; or it is not.
    pub(super) fn settle_hop(&mut self, node: Node, number: u64, fate: Fate) {
        let fate = match fate {
            Fate::Settled | Fate::Delivered | Fate::Refused(_) => NodeFate::Settled,
            Fate::Failed | Fate::Again | Fate::OutOfTurn => NodeFate::Failed,
        };
        self.tell_node(node, number, fate);
    }

    /// The store has written an entry for somebody who is not here. Its user may still be at a node that did not
    /// answer, and hears of it; once, as from then on that node asks.
    pub(super) fn tell_taken(&mut self, now: Now, mailbox: UserName) {
        if self.config.member.is_none() || self.reader(&mailbox).is_some() {
            return;
        }
        match self.forwards.routes.get_mut(&mailbox) {
            Some(Route { whose: Whose::Here, proven_at: told_at }) => {
                let was_told = std::mem::replace(told_at, now.mono) != LONG_AGO;
                if was_told {
                    return;
                }
            }
            // What it has proven was before this.
            Some(route) => route.proven_at = LONG_AGO,
            None => {}
        }
        self.forwards.tell(ToNodes::Took(mailbox));
    }

    /// The store was to write an entry, and the mailbox is another node's.
    pub(super) fn on_elsewhere(&mut self, now: Now, owner: Node, parcel: Parcel) {
        let mailbox = parcel.mailbox;
        self.forwards.learn(mailbox, Whose::At(owner));
        if let Some(id) = self.reader(&mailbox) {
            self.lose(now, id);
        }
        match parcel.asker {
            Asker::Hop(hop) => self.answer_hop(&hop, Fate::Again),
            Asker::Stream(..) | Asker::Receipt(_) => {
                self.forwards.hand_over_at(now.mono + BOUNCE_PAUSE, Again::of(parcel));
            }
        }
    }

    /// When something is handed over anew.
    pub(super) fn forwards_timeout(&self) -> Option<Instant> {
        self.forwards.again.first_key_value().map(|((at, _), _)| *at)
    }

    /// Hands over anew what has waited for that long enough.
    pub(super) fn expire_forwards(&mut self, now: Now) {
        while self.forwards_timeout().is_some_and(|at| at <= now.mono)
            && let Some((_, again)) = self.forwards.again.pop_first()
        {
            self.hand_over_anew(now, again);
        }
    }

    fn hand_over_anew(&mut self, now: Now, again: Again) {
        match again {
            Again::Text(record) => self.tell(record.shard, FromShard::Fate(record, Fate::Again)),
            Again::Receipt(parcel) => self.take_in(now, parcel),
        }
    }

    /// Another node says who is there.
    fn on_seated(&mut self, now: Now, node: Node, seated: &Seated) {
        let user = seated.user;
        if seated.presence == Presence::Offline {
            let known = self.forwards.routes.get(&user);
            if known.is_some_and(|route| route.whose == Whose::At(node)) {
                self.forwards.routes.remove(&user);
            }
            return;
        }
        if let Some(id) = self.sessions.of_user(&user) {
            if self.ownership.taken.get(&id).is_some_and(|ours| ours.number > seated.taken) {
                return;
            }
            // One that has not taken its mailbox yet will, and is the newer.
            let is_newer =
                !self.ownership.taken.contains_key(&id) && !self.ownership.losing.contains_key(&id);
            if is_newer {
                return;
            }
            self.ownership.taken.remove(&id);
            let reason = "this name has logged in anew";
            self.close(now, id, CloseCode::Replaced, Duration::ZERO, reason);
        }
        self.forwards.learn(user, Whose::At(node));
        self.recall(now, user, Whose::At(node));
    }

    /// What was under way to a node may be lost: it is handed over anew.
    fn on_lost(&mut self, now: Now, node: Node) {
        self.ownership.doubt(now.mono);
        self.forwards.routes.retain(|_, route| route.whose != Whose::At(node));
        let lost = self.forwards.sent.iter().filter(|(_, sent)| sent.to == node);
        let lost: Vec<u64> = lost.map(|(number, _)| *number).collect();
        self.bring_back(now, lost);
    }

    /// A user has moved: what is under way to where the user was is handed over anew, without waiting for a node that
    /// may be gone.
    pub(super) fn recall(&mut self, now: Now, mailbox: UserName, is: Whose) {
        let forwards = &self.forwards;
        let unanswered = forwards.unanswered.range((mailbox, 0)..=(mailbox, u64::MAX));
        let elsewhere = unanswered.map(|(_, number)| *number).filter(|number| {
            forwards.sent.get(number).is_some_and(|sent| is != Whose::At(sent.to))
        });
        let elsewhere: Vec<u64> = elsewhere.collect();
        self.bring_back(now, elsewhere);
    }

    /// No answer is waited for any more.
    fn bring_back(&mut self, now: Now, numbers: Vec<u64>) {
        let mut again = Vec::new();
        for number in numbers {
            match self.forwards.sent.remove(&number).map(|sent| sent.state) {
                Some(SentState::Delivered(record)) => again.push(Again::Text(record)),
                Some(SentState::Unanswered(parcel)) => {
                    self.forwards.unanswered.remove(&(parcel.mailbox, number));
                    again.push(Again::of(parcel));
                }
                None => {}
            }
        }
        again.into_iter().for_each(|again| self.hand_over_anew(now, again));
    }

    fn send_all_away(&mut self, now: Now) {
        let sessions: Vec<SessionId> = self.sessions.ids().collect();
        for session in sessions {
            let share = self.share_of(Duration::from_secs(1));
            self.close(now, session, CloseCode::Restarting, share, CUT_OFF);
        }
    }
}

/// What clients hear of a node that cannot reach the store.
const CUT_OFF: &str = "this server has lost its store; another one has it";

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> UserName {
        format!("user{number}").parse().expect("it is a name")
    }

    #[test]
    fn of_too_many_mailboxes_those_are_forgotten_that_nobody_has_written_to() {
        let mut forwards = Forwards::default();
        let proven_at = LONG_AGO + Duration::from_secs(1);
        let prove = |forwards: &mut Forwards, range: std::ops::Range<usize>| {
            for it in range {
                forwards.learn(name(it), Whose::At(Node(1)));
                forwards.routes.get_mut(&name(it)).expect("it is known").proven_at = proven_at;
            }
        };
        prove(&mut forwards, 0..10);
        (10..ROUTES_MAX).for_each(|it| forwards.learn(name(it), Whose::At(Node(1))));
        // What is known already takes no more room.
        forwards.learn(name(ROUTES_MAX - 1), Whose::At(Node(1)));
        assert_eq!(forwards.routes.len(), ROUTES_MAX);
        forwards.learn(name(ROUTES_MAX), Whose::Here);
        assert_eq!(forwards.routes.len(), 11);
        assert_eq!(forwards.routes[&name(9)].proven_at, proven_at);
        // Where there is proof of too many all are forgotten.
        prove(&mut forwards, 10..ROUTES_MAX - 1);
        assert_eq!(forwards.routes.len(), ROUTES_MAX);
        forwards.learn(name(ROUTES_MAX + 1), Whose::Here);
        assert_eq!(forwards.routes.len(), 1);
    }
}
