//! Parcels for mailboxes that are other nodes'.
//!
//! The shard where a user's mailbox would live here hands what comes for it to the node that has it, and
//! keeps it until it hears what became of it. A text is never handed to two nodes at once, and nothing passes
//! what came back: while anything of a mailbox comes back, all that follows waits here; then all of it is
//! handed over anew, in its order. Each such time is a *run*, and a node that has sent back a parcel of a run
//! sends back all that follow of it.
//!
//! ```text
//!            known --> Going --- all answered --> (nothing)
//! parcel --<                '--- some came back, all others answered --> (Pausing, a moment) --> anew
//!            unknown --> Asking --- the store says --> Going, or it is ours
//!            ours, says the store not --> Back --- all others answered --> anew
//! ```
//! What is lost on the way, or with a node, is handed over anew: then its recipient may get it twice, and
//! knows it by its id.

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

/// Mailboxes of which a shard remembers whose they are. Beyond it all are forgotten and asked for again.
const ROUTES_MAX: usize = 65_536;

/// Runs of which a parcel was sent back. Beyond it the older half is forgotten: a mailbox's run is over when its
/// next one begins, and each has begun after fewer others than that.
const BOUNCED_MAX: usize = 65_536;

/// How long what another node's store did not take waits until it is handed over anew.
const PAUSE: Duration = Duration::from_millis(200);

/// The same for what that node says is another's: mostly the user has just moved. But it may itself wait for a node that is
/// silent, and say so until that one counts as gone.
const BOUNCE_PAUSE: Duration = Duration::from_millis(10);

/// What a shard of a node knows of other nodes.
#[derive(Default)]
pub(super) struct Forwards {
    ways: BTreeMap<UserName, Way>,
    sent: BTreeMap<u64, Sent>,
    count: u64,
    runs: u32,
    routes: HashMap<UserName, Route>,
    bounced: BTreeMap<(Node, UserName), u32>,
    /// How many entries of each mailbox the store was given.
    writing: BTreeMap<UserName, u32>,
    /// When what other nodes did not take is handed over anew.
    pauses: BTreeSet<(Instant, UserName)>,
    /// Texts that arrived and whose receipts did not, and when they are sent again, in that order.
    again: VecDeque<(Instant, Record)>,
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

/// What is under way for a mailbox.
enum Way {
    /// The store is asked whose it is.
    Asking { parked: Vec<Parcel> },
    /// The store has sent some back, as it is another node's, and has not answered all that it was given.
    Back { parked: Vec<Parcel> },
    /// The node that has it did not take some, and they are handed over anew after a while.
    Pausing { parked: Vec<Parcel> },
    /// Parcels of this run are with that node; by their numbers, in their order.
    Going {
        to: Node,
        run: u32,
        under_way: VecDeque<u64>,
        came_back: bool,
        /// How long what came back waits.
        pause: Duration,
        parked: Vec<Parcel>,
    },
}

/// A parcel that another node was handed.
struct Sent {
    to: Node,
    mailbox: UserName,
    state: SentState,
}

#[allow(clippy::large_enum_variant)] // Nearly all of them are waiting.
enum SentState {
    Waiting(Parcel),
    CameBack(Parcel),
    /// The recipient has it, and no disk of ours does: it is done with when its receipt is safe.
    Delivered(Record),
}

impl Forwards {
    /// A parcel that no answer is waited for any more is to be handed over anew.
    fn bring_back(&mut self, number: u64) {
        let Some(Sent { to, mailbox, state }) = self.sent.remove(&number) else { return };
        let state = match state {
            SentState::Waiting(parcel) => SentState::CameBack(parcel),
            other => other,
        };
        self.sent.insert(number, Sent { to, mailbox, state });
    }

    fn note_bounced(&mut self, whose: (Node, UserName), run: u32) {
        if self.bounced.len() >= BOUNCED_MAX && !self.bounced.contains_key(&whose) {
            let mut runs: Vec<u32> = self.bounced.values().copied().collect();
            let middle = runs.len() / 2;
            let (_, middle, _) = runs.select_nth_unstable(middle);
            self.bounced.retain(|_, run| *run > *middle);
        }
        self.bounced.insert(whose, run);
    }

    pub(super) fn learn(&mut self, mailbox: UserName, whose: Whose) {
        if self.routes.get(&mailbox).is_some_and(|route| route.whose == whose) {
            return;
        }
        if self.routes.len() >= ROUTES_MAX {
            self.routes.clear();
        }
        self.routes.insert(mailbox, Route { whose, proven_at: LONG_AGO });
    }

    /// Has something told to other nodes.
    pub(super) fn tell(&mut self, news: ToNodes) {
        self.to_nodes.push_back(news);
    }

    /// Shows each table with its bound. What is under way to other nodes is bounded by the windows of the sessions
    /// that it comes from.
    pub(super) fn fills(&self, each: &mut impl FnMut(Fill)) {
        let routes = self.routes.len();
        each(Fill::new("mailboxes of which it is known whose they are", routes, ROUTES_MAX));
        let bounced = self.bounced.len();
        each(Fill::new("mailboxes of which something was sent back", bounced, BOUNCED_MAX));
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

    /// The store is given an entry of this mailbox.
    pub(super) fn note_writing(&mut self, mailbox: UserName) {
        if self.config.member.is_some() {
            *self.forwards.writing.entry(mailbox).or_default() += 1;
        }
    }

    /// It has answered. With the last answer all that it sent back is handed over anew.
    pub(super) fn note_written(&mut self, now: Now, mailbox: UserName) {
        let Some(count) = self.forwards.writing.get_mut(&mailbox) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        self.forwards.writing.remove(&mailbox);
        if let Some(Way::Back { .. }) = self.forwards.ways.get(&mailbox)
            && let Some(Way::Back { parked }) = self.forwards.ways.remove(&mailbox)
        {
            self.take_again(now, parked);
        }
    }

    /// Hands a parcel to the node that has its mailbox; comes back if that is this one.
    pub(super) fn route(&mut self, now: Now, parcel: Parcel) -> Option<Parcel> {
        if self.config.member.is_none() {
            return Some(parcel);
        }
        if let Asker::Hop(_) = parcel.asker {
            return Some(parcel);
        }
        let mailbox = parcel.mailbox;
        match self.forwards.ways.get_mut(&mailbox) {
            Some(
                Way::Asking { parked }
                | Way::Back { parked }
                | Way::Pausing { parked }
                | Way::Going { parked, came_back: true, .. },
            ) => {
                parked.push(parcel);
                return None;
            }
            Some(Way::Going { .. }) => {
                self.send_on(now, parcel);
                return None;
            }
            None => {}
        }
        // What follows entries that are being written is written behind them, or comes back with them.
        if self.reader(&mailbox).is_some() || self.forwards.writing.contains_key(&mailbox) {
            return Some(parcel);
        }
        match self.forwards.routes.get(&mailbox).map(|route| route.whose) {
            Some(Whose::Here) => Some(parcel),
            Some(Whose::At(to)) => {
                self.forwards.runs = self.forwards.runs.wrapping_add(1);
                let run = self.forwards.runs;
                let (under_way, parked) = (VecDeque::new(), Vec::new());
                let way = Way::Going {
                    to,
                    run,
                    under_way,
                    came_back: false,
                    pause: Duration::ZERO,
                    parked,
                };
                self.forwards.ways.insert(mailbox, way);
                self.send_on(now, parcel);
                None
            }
            None if self.reads.is_pausing() => {
                let failed = self.failed();
                self.answer(parcel.asker, failed);
                None
            }
            None => {
                self.forwards.ways.insert(mailbox, Way::Asking { parked: vec![parcel] });
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
        let Some(Way::Asking { parked }) = self.forwards.ways.remove(&mailbox) else { return };
        match outcome {
            Ok(Outcome::Owner(owner)) => {
                self.forwards.learn(mailbox, owner.map_or(Whose::Here, Whose::At));
                self.take_again(now, parked);
            }
            Ok(_) | Err(_) => {
                for parcel in parked {
                    let failed = self.failed();
                    self.answer(parcel.asker, failed);
                }
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

    fn take_again(&mut self, now: Now, parcels: Vec<Parcel>) {
        for mut parcel in parcels {
            parcel.generation = self.jobs.generation();
            self.take_in(now, parcel);
        }
    }

    /// Hands a parcel to the node that its mailbox's others are with.
    fn send_on(&mut self, now: Now, parcel: Parcel) {
        let proves = self.has_to_prove(now, &parcel);
        let Some(Way::Going { to, run, under_way, .. }) =
            self.forwards.ways.get_mut(&parcel.mailbox)
        else {
            return;
        };
        let (to, run) = (*to, *run);
        self.forwards.count += 1;
        let number = number(self.config.shard, self.forwards.count);
        under_way.push_back(number);
        let what = match &parcel.asker {
            Asker::Stream(record, Place { user, stream, safe, first }) => NodeAsker::Text {
                user: *user,
                stream: *stream,
                safe: *safe,
                first: *first,
                last: record.last,
                owed: parcel.owed.as_ref().map(|owed| owed.id),
            },
            Asker::Receipt(receipt) => {
                NodeAsker::Receipt { at_once: receipt.word_back == Urgency::Normal }
            }
            Asker::Hop(_) => unreachable!("what another node hands over is never handed on"),
        };
        let (mailbox, entry) = (parcel.mailbox, parcel.entry.to_vec());
        let mail = NodeMail::Parcel(NodeParcel { number, run, mailbox, entry, proves, what });
        self.forwards.tell(ToNodes::Mail(to, mail));
        let state = SentState::Waiting(parcel);
        self.forwards.sent.insert(number, Sent { to, mailbox, state });
    }

    /// What another node says of a parcel.
    fn on_node_fate(&mut self, now: Now, node: Node, number: u64, fate: NodeFate) {
        let Some(sent) = self.forwards.sent.remove(&number) else { return };
        if sent.to != node {
            self.forwards.sent.insert(number, sent);
            return;
        }
        let Sent { to, mailbox, state } = sent;
        let fate = match (state, fate) {
            (SentState::Delivered(record), NodeFate::Settled) => {
                return self.tell(record.shard, FromShard::Fate(record, Fate::Settled));
            }
            (SentState::Delivered(record), _) => {
                // A store fails, which it may do for a while.
                return self.forwards.again.push_back((now.mono + PAUSE, record));
            }
            (SentState::CameBack(parcel), _) => {
                let state = SentState::CameBack(parcel);
                self.forwards.sent.insert(number, Sent { to, mailbox, state });
                return;
            }
            (SentState::Waiting(parcel), NodeFate::Delivered) => {
                if let Asker::Stream(record, _) = parcel.asker {
                    let state = SentState::Delivered(record);
                    self.forwards.sent.insert(number, Sent { to, mailbox, state });
                }
                Some((parcel, Fate::Delivered))
            }
            (SentState::Waiting(parcel), NodeFate::Settled) => Some((parcel, Fate::Settled)),
            (SentState::Waiting(parcel), NodeFate::Refused(code)) => {
                Some((parcel, Fate::Refused(code)))
            }
            (SentState::Waiting(parcel), NodeFate::Failed | NodeFate::Bounced) => {
                if let Some(Way::Going { pause, .. }) = self.forwards.ways.get_mut(&mailbox) {
                    let asked = if fate == NodeFate::Failed { PAUSE } else { BOUNCE_PAUSE };
                    *pause = asked.max(*pause);
                }
                let state = SentState::CameBack(parcel);
                self.forwards.sent.insert(number, Sent { to, mailbox, state });
                None
            }
        };
        if let Some(Way::Going { under_way, came_back, .. }) = self.forwards.ways.get_mut(&mailbox)
        {
            match &fate {
                Some(_) => under_way.retain(|other| *other != number),
                None => *came_back = true,
            }
        }
        if let Some((parcel, fate)) = fate {
            self.answer(parcel.asker, fate);
        }
        self.finish_way(now, mailbox);
    }

    /// Ends what is under way for a mailbox, if all is answered, and hands over anew what came back.
    fn finish_way(&mut self, now: Now, mailbox: UserName) {
        let forwards = &mut self.forwards;
        let Some(Way::Going { under_way, .. }) = forwards.ways.get(&mailbox) else { return };
        let came_back = |number: &u64| {
            matches!(
                forwards.sent.get(number),
                None | Some(Sent { state: SentState::CameBack(_), .. })
            )
        };
        if !under_way.iter().all(came_back) {
            return;
        }
        let Some(Way::Going { under_way, came_back, pause, parked, .. }) =
            forwards.ways.remove(&mailbox)
        else {
            return;
        };
        let mut again = Vec::new();
        for number in under_way {
            if let Some(Sent { state: SentState::CameBack(parcel), .. }) =
                forwards.sent.remove(&number)
            {
                again.push(parcel);
            }
        }
        again.extend(parked);
        if came_back {
            // Whose it is has to be asked anew.
            forwards.routes.remove(&mailbox);
        }
        if !pause.is_zero() {
            forwards.pauses.insert((now.mono + pause, mailbox));
            forwards.ways.insert(mailbox, Way::Pausing { parked: again });
            return;
        }
        self.take_again(now, again);
    }

    /// Takes a parcel that another node hands over.
    fn take_hop(&mut self, now: Now, node: Node, parcel: NodeParcel) {
        let NodeParcel { number, run, mailbox, entry, proves, what } = parcel;
        let (what, owed) = match what {
            NodeAsker::Text { user, stream, safe, first, last, owed } => {
                let owed = owed.map(|id| Owed { to: user, id, record: None });
                (Hopped::Text(Place { user, stream, safe, first }, last), owed)
            }
            NodeAsker::Receipt { at_once } => (Hopped::Receipt(word_back(at_once)), None),
        };
        let hop = Hop { node, mailbox, number, run, what };
        let is_sent_back = self.forwards.bounced.get(&(node, mailbox)) == Some(&run)
            || self.reader(&mailbox).is_none() && self.is_elsewhere(&mailbox);
        if is_sent_back {
            return self.bounce(&hop, NodeFate::Bounced);
        }
        let generation = self.jobs.generation();
        let (entry, asker) = (entry.into(), Asker::Hop(hop));
        let since = if proves { now.mono } else { LONG_AGO };
        self.take_in(now, Parcel { mailbox, entry, owed, asker, since, generation });
    }

    /// Whether a mailbox is another node's, as far as is known. Who hands something over for it may know better: next
    /// time the store decides.
    fn is_elsewhere(&mut self, mailbox: &UserName) -> bool {
        if self.forwards.ways.contains_key(mailbox) {
            return true;
        }
        let route = self.forwards.routes.get(mailbox).filter(|route| route.whose != Whose::Here);
        route.is_some() && self.forwards.routes.remove(mailbox).is_some()
    }

    fn bounce(&mut self, hop: &Hop, fate: NodeFate) {
        self.forwards.note_bounced((hop.node, hop.mailbox), hop.run);
        self.tell_node(hop.node, hop.number, fate);
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
            Fate::Failed(_) | Fate::Again => return self.bounce(hop, NodeFate::Failed),
        };
        self.tell_node(hop.node, hop.number, fate);
    }

    /// A text that another node handed over, and that its recipient has, is done with; or it is not.
    pub(super) fn settle_hop(&mut self, node: Node, number: u64, fate: Fate) {
        let fate = match fate {
            Fate::Settled | Fate::Delivered | Fate::Refused(_) => NodeFate::Settled,
            Fate::Failed(_) | Fate::Again => NodeFate::Failed,
        };
        self.tell_node(node, number, fate);
    }

    /// The store has written an entry for somebody who is not here. Its user may still be at a node that did not
    /// answer, and hears of it; once, as from then on that node asks.
    pub(super) fn tell_taken(&mut self, now: Now, mailbox: UserName) {
        if self.config.member.is_none() || self.reader(&mailbox).is_some() {
            return;
        }
        if let Some(route) = self.forwards.routes.get_mut(&mailbox)
            && std::mem::replace(&mut route.proven_at, now.mono) != LONG_AGO
        {
            return;
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
            Asker::Hop(hop) => self.bounce(&hop, NodeFate::Bounced),
            Asker::Stream(..) | Asker::Receipt(_) => {
                let back = Way::Back { parked: Vec::new() };
                match self.forwards.ways.entry(mailbox).or_insert(back) {
                    Way::Back { parked } => parked.push(parcel),
                    Way::Asking { .. } | Way::Going { .. } | Way::Pausing { .. } => {
                        self.take_again(now, vec![parcel]);
                    }
                }
            }
        }
    }

    /// When something is handed over or sent again.
    pub(super) fn forwards_timeout(&self) -> Option<Instant> {
        let pause = self.forwards.pauses.first().map(|(until, _)| *until);
        let again = self.forwards.again.front().map(|(until, _)| *until);
        pause.into_iter().chain(again).min()
    }

    /// Hands over and sends again what has waited for that long enough.
    pub(super) fn expire_forwards(&mut self, now: Now) {
        while self.forwards.again.front().is_some_and(|(until, _)| *until <= now.mono)
            && let Some((_, record)) = self.forwards.again.pop_front()
        {
            self.tell(record.shard, FromShard::Fate(record, Fate::Again));
        }
        while self.forwards.pauses.first().is_some_and(|(until, _)| *until <= now.mono)
            && let Some((_, mailbox)) = self.forwards.pauses.pop_first()
        {
            if let Some(Way::Pausing { .. }) = self.forwards.ways.get(&mailbox)
                && let Some(Way::Pausing { parked }) = self.forwards.ways.remove(&mailbox)
            {
                self.take_again(now, parked);
            }
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
        self.forwards.bounced.retain(|(other, _), _| *other != node);
        let numbers = self.forwards.sent.iter().filter(|(_, sent)| sent.to == node);
        let numbers: Vec<u64> = numbers.map(|(number, _)| *number).collect();
        let mut mailboxes = BTreeSet::new();
        for number in numbers {
            let Some(sent) = self.forwards.sent.get_mut(&number) else { continue };
            match &sent.state {
                SentState::Delivered(record) => {
                    let record = *record;
                    self.forwards.sent.remove(&number);
                    self.tell(record.shard, FromShard::Fate(record, Fate::Again));
                }
                SentState::CameBack(_) => {}
                SentState::Waiting(_) => {
                    mailboxes.insert(sent.mailbox);
                    self.forwards.bring_back(number);
                }
            }
        }
        for mailbox in mailboxes {
            if let Some(Way::Going { came_back, .. }) = self.forwards.ways.get_mut(&mailbox) {
                *came_back = true;
            }
            self.finish_way(now, mailbox);
        }
    }

    /// A user has moved: what is under way to where the user was is handed over anew, without waiting for a node that
    /// may be gone.
    pub(super) fn recall(&mut self, now: Now, mailbox: UserName, is: Whose) {
        let Some(Way::Going { to, under_way, came_back, .. }) =
            self.forwards.ways.get_mut(&mailbox)
        else {
            return;
        };
        if is == Whose::At(*to) {
            return;
        }
        *came_back = true;
        for number in under_way.clone() {
            self.forwards.bring_back(number);
        }
        self.finish_way(now, mailbox);
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
    fn of_so_many_mailboxes_it_is_known_whose_they_are_and_then_of_none() {
        let mut forwards = Forwards::default();
        (0..ROUTES_MAX).for_each(|it| forwards.learn(name(it), Whose::At(Node(1))));
        assert_eq!(forwards.routes.len(), ROUTES_MAX);
        // What is known already takes no more room.
        forwards.learn(name(0), Whose::At(Node(1)));
        assert_eq!(forwards.routes.len(), ROUTES_MAX);
        forwards.learn(name(ROUTES_MAX), Whose::Here);
        assert_eq!(forwards.routes.len(), 1);
    }

    #[test]
    fn of_too_many_runs_that_were_sent_back_the_older_half_is_forgotten() {
        let mut forwards = Forwards::default();
        let run = |number: usize| u32::try_from(number).expect("it is a small number");
        for number in 0..=BOUNCED_MAX {
            forwards.note_bounced((Node(1), name(number)), run(number));
        }
        assert!(forwards.bounced.len() <= BOUNCED_MAX / 2 + 1);
        assert!(!forwards.bounced.contains_key(&(Node(1), name(0))));
        for number in [BOUNCED_MAX - 1, BOUNCED_MAX] {
            assert_eq!(forwards.bounced.get(&(Node(1), name(number))), Some(&run(number)));
        }
    }
}
