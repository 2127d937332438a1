//! Who may come in: the account check, the claim of a name, and the older session that goes.

use super::{
    FromShard, Now, Shard,
    goodbye::RESTARTING,
    jobs::Purpose,
    mailbox::USUAL_FIRST,
    ownership::Standing,
    session::{Claim, Delivery, Hot, Session, Step},
};
use crate::{
    committer::{Outcome, Work, home},
    person::Person,
    store::{Account, Answer, Ban, Claimed, Command, InviteCode, StoreError},
};
use pychat_proto::{
    CloseCode, Cursor, DisplayName, Incoming, Instant, PublicKey, Seq, SessionId, StreamId,
    Urgency, UserName, Welcome, chat::Presence,
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tracing::debug;

/// Logins that may wait for the store on one shard; further ones are told to come back.
pub const LOGINS_WAITING_MAX: usize = 1024;

/// No mailbox gets this far: a login that claims it would spoil the numbers of its mailbox.
pub const CURSOR_MAX: Cursor = Cursor(1 << 48);

/// No outbox gets this far.
pub const SKIP_MAX: Seq = Seq(1 << 48);

/// How long an accepted login may stay unconfirmed here: longer than the endpoint keeps it, which
/// lets it go without a word.
const APPLICANT_TIMEOUT: Duration = Duration::from_secs(60);

/// When one who found the store failing is to come back.
const RETRY_AFTER_FAULT: Duration = Duration::from_secs(5);

/// When one who found too many others is to come back.
const RETRY_AFTER_BUSY: Duration = Duration::from_secs(2);

/// Who may claim a new name. Those who have one come in always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Everybody.
    Open,
    /// Those who show one of these codes, or an invite that the operator made.
    Invite(Vec<String>),
    /// Nobody.
    Closed,
}

/// How a newcomer comes in.
enum Admitted {
    /// As anybody would.
    Freely,
    /// With one use of an invite that the store keeps.
    ByInvite,
}

impl Registration {
    fn check(&self, shown: Option<&str>, is_invited: bool) -> Result<Admitted, &'static str> {
        match self {
            Self::Open => Ok(Admitted::Freely),
            Self::Invite(codes) if shown.is_some_and(|it| codes.iter().any(|code| code == it)) => {
                Ok(Admitted::Freely)
            }
            Self::Invite(_) if is_invited => Ok(Admitted::ByInvite),
            Self::Invite(_) if shown.is_some() => Err(NOT_INVITED),
            Self::Invite(_) => {
                Err("this server asks newcomers for an invite code; ask its operator for one")
            }
            Self::Closed => Err("this server takes no new users; ask its operator"),
        }
    }
}

/// Logins that were let in and have not yet proved that they are live, and those that wait for the
/// store.
#[derive(Default)]
pub(super) struct Applicants {
    waiting: usize,
    accepted: BTreeMap<SessionId, Applicant>,
    /// In the order of their coming, the first of them still among the accepted.
    deadlines: VecDeque<(Instant, SessionId)>,
}

struct Applicant {
    user: UserName,
    name: DisplayName,
    stream: StreamId,
    cursor: Cursor,
    committed: Seq,
    /// The key, if the name is not this device's yet or its display name changes.
    claim: Option<PublicKey>,
    /// What the claim takes one use of.
    invite: Option<InviteCode>,
}

impl Applicants {
    /// Counts one more who waits for the store, if there is room for one more.
    fn wait(&mut self) -> bool {
        let room = self.waiting < LOGINS_WAITING_MAX;
        self.waiting += usize::from(room);
        room
    }

    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes one who has proved to be live, or who left again.
    fn take(&mut self, session: SessionId) -> Option<Applicant> {
        let applicant = self.accepted.remove(&session);
        while let Some((_, first)) = self.deadlines.front()
            && !self.accepted.contains_key(first)
        {
            self.deadlines.pop_front();
        }
        applicant
    }

    /// Forgets those who never came.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((deadline, session)) = self.deadlines.front().copied() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_front();
            self.accepted.remove(&session);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    /// Those let in and not yet confirmed.
    #[cfg(test)]
    pub(super) fn accepted(&self) -> usize {
        self.accepted.len()
    }
}

impl Shard {
    /// A login arrived here: it goes to the shard of its user, where the older session's writes
    /// went the same way before it.
    pub(super) fn on_incoming(&mut self, now: Now, incoming: Box<Incoming>) {
        let home = home(&incoming.login.user, self.config.shards);
        if home == self.config.shard {
            self.begin_login(now, incoming);
        } else {
            self.to_shards.push_back((home, FromShard::Login(incoming)));
        }
    }

    pub(super) fn begin_login(&mut self, now: Now, incoming: Box<Incoming>) {
        if let Some(spread) = self.stopping {
            let share = self.share_of(spread);
            return self.refuse(now, incoming, CloseCode::Restarting, share, RESTARTING);
        }
        if incoming.login.cursor > CURSOR_MAX {
            let reason = "the mailbox cursor makes no sense";
            return self.refuse(now, incoming, CloseCode::BadLogin, Duration::ZERO, reason);
        }
        if !self.applicants.wait() {
            let reason = "too many logins at once";
            return self.refuse(now, incoming, CloseCode::Busy, RETRY_AFTER_BUSY, reason);
        }
        let user = incoming.login.user;
        let stream = StreamId(incoming.login.stream);
        // What cannot be a code is nobody's.
        let shown = incoming.login.invite.as_deref();
        let invite = shown.and_then(|code| InviteCode::parse(code).ok());
        let work = Work::Login { user, stream, invite, at: now.unix_ms };
        self.jobs.push(Purpose::Login(incoming), work);
    }

    /// The store says what it knows of one who logs in.
    pub(super) fn on_login_known(
        &mut self,
        now: Now,
        incoming: Box<Incoming>,
        outcome: Result<Outcome, StoreError>,
    ) {
        self.applicants.waiting -= 1;
        let Ok(Outcome::Login { account, position, ban, is_invited }) = outcome else {
            let reason = "the server cannot read its accounts now";
            return self.refuse(now, incoming, CloseCode::ServerFault, RETRY_AFTER_FAULT, reason);
        };
        if self.stopping.is_some() {
            return self.begin_login(now, incoming);
        }
        let login = &incoming.login;
        if let Some(ban) = ban {
            let reason = banned(&login.user, &ban);
            let code = CloseCode::NotPermitted;
            return self.refuse(now, incoming, code, Duration::ZERO, &reason);
        }
        // What an older session of this outbox has settled may be on no disk yet.
        let older = self.sessions.of_user(&login.user).and_then(|id| self.sessions.get(&id));
        let older = older.filter(|older| older.stream.0 == login.stream);
        let position = older.map_or(position, |older| older.settled.max(position));
        let mut invite = None;
        let claim = match &account {
            Some(account) if account.key != incoming.key => {
                let reason = name_taken(&login.user, &incoming.key);
                return self.refuse(now, incoming, CloseCode::NameTaken, Duration::ZERO, &reason);
            }
            Some(account) if account.name_is_set => None,
            Some(account) => (account.name != login.name).then_some(incoming.key),
            None => {
                let shown = login.invite.as_deref();
                match self.config.registration.check(shown, is_invited) {
                    Ok(Admitted::Freely) => {}
                    Ok(Admitted::ByInvite) => {
                        invite = shown.and_then(|code| InviteCode::parse(code).ok());
                    }
                    Err(reason) => {
                        let code = CloseCode::NotPermitted;
                        return self.refuse(now, incoming, code, Duration::ZERO, reason);
                    }
                }
                Some(incoming.key)
            }
        };
        let applicant = Applicant {
            user: login.user,
            name: match account {
                Some(account) if account.name_is_set => account.name,
                Some(_) | None => login.name.clone(),
            },
            stream: StreamId(login.stream),
            cursor: login.cursor,
            committed: position,
            claim,
            invite,
        };
        let welcome = Welcome { committed: position, server_time: now.unix_ms };
        if let Some(session) = self.endpoint.accept(now.mono, incoming, welcome) {
            self.applicants.accepted.insert(session, applicant);
            self.applicants.deadlines.push_back((now.mono + APPLICANT_TIMEOUT, session));
        }
    }

    /// A session is live: its name is claimed if need be, and then it takes its place.
    pub(super) fn on_confirmed(&mut self, now: Now, id: SessionId) {
        let Some(applicant) = self.applicants.take(id) else {
            let reason = "the login took too long";
            return self.close(now, id, CloseCode::Busy, Duration::ZERO, reason);
        };
        if let Some(spread) = self.stopping {
            let share = self.share_of(spread);
            return self.close(now, id, CloseCode::Restarting, share, RESTARTING);
        }
        let Applicant { user, name, stream, cursor, committed, claim, invite } = applicant;
        let person = Person::new(&user, &name);
        let (delivery, claim) = match claim {
            Some(key) => {
                let since = now.unix_ms;
                let account = Account { user, key, name, since, name_is_set: false };
                (Delivery::Claiming(Step::Waiting), Some(Box::new(Claim { account, invite })))
            }
            None => (Delivery::Raising(Step::Waiting), None),
        };
        let session = Session {
            person,
            stream,
            committed,
            settled: committed,
            sent: Cursor::NONE,
            reserved: Cursor::NONE,
            usual_micros: USUAL_FIRST.as_micros() as u32,
            delivery,
            presence: Presence::Online,
            hot: Some(Box::new(Hot { claim, floor: cursor, ..Hot::default() })),
        };
        let claimed = session.is_claimed();
        self.sessions.insert(id, session);
        self.note_login(now, id);
        if claimed {
            self.take_place(now, id);
        }
        self.pump(now, id);
    }

    /// Submits the claim and then the client's cursor, unless they are submitted or done.
    pub(super) fn pump_claim(&mut self, id: SessionId) {
        let is_holding_back = self.is_holding_back();
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(hot) = session.hot.as_deref() else { return };
        let (submitted, purpose, command) = match (session.delivery, &hot.claim) {
            (Delivery::Claiming(Step::Waiting), Some(claim)) => {
                let submitted = Delivery::Claiming(Step::Submitted);
                (submitted, Purpose::Claim(id), claim.command())
            }
            (Delivery::Raising(Step::Waiting), _) if self.config.member.is_some() => {
                let (mailbox, above) = (session.user(), hot.floor.max(session.sent));
                let submitted = Delivery::Raising(Step::Submitted);
                (submitted, Purpose::Raise(id), Command::Take { mailbox, above })
            }
            (Delivery::Raising(Step::Waiting), _) if hot.floor == Cursor::NONE => {
                session.delivery = Delivery::Behind;
                return;
            }
            (Delivery::Raising(Step::Waiting), _) => {
                let (mailbox, above) = (session.user(), hot.floor);
                let submitted = Delivery::Raising(Step::Submitted);
                (submitted, Purpose::Raise(id), Command::Raise { mailbox, above })
            }
            (
                Delivery::Claiming(_)
                | Delivery::Raising(_)
                | Delivery::Behind
                | Delivery::Reading
                | Delivery::Blocked
                | Delivery::CaughtUp,
                _,
            ) => return,
        };
        if is_holding_back {
            self.stalled.insert(id);
            return;
        }
        session.delivery = submitted;
        self.write(purpose, command);
    }

    pub(super) fn on_claimed(
        &mut self,
        now: Now,
        id: SessionId,
        outcome: &Result<Outcome, StoreError>,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !matches!(session.delivery, Delivery::Claiming(_)) {
            return;
        }
        match outcome {
            Ok(Outcome::Committed(Answer::Claim(Claimed::New | Claimed::Ours))) => {
                session.delivery = Delivery::Raising(Step::Waiting);
                session.hot().claim = None;
                self.take_place(now, id);
            }
            Ok(Outcome::Committed(Answer::Claim(Claimed::Taken))) => {
                let key = session.hot.as_deref().and_then(|hot| hot.claim.as_deref());
                let key = key.map_or(PublicKey([0; 32]), |claim| claim.account.key);
                let reason = name_taken(&session.user(), &key);
                self.close(now, id, CloseCode::NameTaken, Duration::ZERO, &reason);
            }
            Ok(Outcome::Committed(Answer::Claim(Claimed::NotInvited))) => {
                // Somebody else took its last use meanwhile.
                self.close(now, id, CloseCode::NotPermitted, Duration::ZERO, NOT_INVITED);
            }
            Ok(_) | Err(_) => session.delivery = Delivery::Claiming(Step::Waiting),
        }
        self.pump(now, id);
    }

    pub(super) fn on_raised(
        &mut self,
        now: Now,
        id: SessionId,
        outcome: &Result<Outcome, StoreError>,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Delivery::Raising(step) = &mut session.delivery {
            match outcome {
                Ok(outcome) => {
                    session.delivery = Delivery::Behind;
                    if let Outcome::Committed(Answer::Taken(number)) = outcome {
                        self.on_taken(now, id, *number);
                    }
                }
                Err(_) => *step = Step::Waiting,
            }
        }
        self.pump(now, id);
    }

    /// The session becomes its user's one session.
    fn take_place(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        debug!(user = %session.user(), "logged in");
        self.stats.logins += 1;
        if let Some(older) = self.sessions.take_place(&id) {
            let reason = "this name has logged in anew";
            self.close(now, older, CloseCode::Replaced, Duration::ZERO, reason);
        }
        self.tell_presence(now, id);
        self.tell_nodes(now, id);
    }

    pub(super) fn on_presence(&mut self, now: Now, id: SessionId, presence: Presence) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.presence = presence;
        if session.is_claimed() {
            self.tell_presence(now, id);
        }
    }

    pub(super) fn tell_presence(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (person, presence) = (session.person.clone(), session.presence);
        self.tell_nodes_of(now, id, Standing::Here);
        self.jobs.tell(Work::Presence { person, presence, since: now.unix_ms });
    }

    pub(super) fn on_closed(&mut self, now: Now, id: SessionId, code: CloseCode) {
        self.applicants.take(id);
        if let Some(session) = self.sessions.get(&id) {
            debug!(user = %session.user(), %code, "logged out");
            self.stats.ended_session(code);
        }
        self.forget(now, id);
    }

    /// Closes a session for a reason of ours.
    pub(super) fn close(
        &mut self,
        now: Now,
        id: SessionId,
        code: CloseCode,
        retry_after: Duration,
        reason: &str,
    ) {
        debug!(session = ?id, %code, reason, "closing");
        if self.sessions.contains(&id) {
            self.stats.ended_session(code);
        }
        self.endpoint.close(now.mono, id, code, retry_after, reason);
        self.forget(now, id);
    }

    /// Drops what is known of a session. What it owed the senders of its entries is still tried.
    fn forget(&mut self, now: Now, id: SessionId) {
        self.end_lease(id);
        if self.sessions.get(&id).is_some_and(|it| self.sessions.of_user(&it.user()) == Some(id)) {
            self.tell_nodes_of(now, id, Standing::Gone);
        }
        self.forget_taken(id);
        if self.unwritten.remove(&id) {
            self.write_position(id);
        }
        let Some((mut session, was_its_users)) = self.sessions.remove(&id) else { return };
        self.stalled.remove(&id);
        self.claims.forget(id);
        if let Some(hot) = session.hot.take() {
            for receipt in hot.receipts.into_remaining(&session.user(), now.unix_ms) {
                self.send_receipt(receipt, None, Urgency::Low);
            }
        }
        if was_its_users {
            let (presence, since) = (Presence::Offline, now.unix_ms);
            self.jobs.tell(Work::Presence { person: session.person, presence, since });
        }
    }

    fn refuse(
        &mut self,
        now: Now,
        incoming: Box<Incoming>,
        code: CloseCode,
        retry_after: Duration,
        reason: &str,
    ) {
        debug!(user = %incoming.login.user, %code, reason, "login refused");
        self.stats.refused_login(code);
        self.endpoint.refuse(now.mono, incoming, code, retry_after, reason);
    }
}

/// What the operator has a banned user told.
#[must_use]
pub fn banned(user: &UserName, ban: &Ban) -> String {
    match ban.reason.as_str() {
        "" => format!("this server's operator has banned {user}"),
        reason => format!("this server's operator has banned {user}: {reason}"),
    }
}

const NOT_INVITED: &str =
    "this server does not know that invite code, or it is used up; ask its operator for another";

fn name_taken(user: &UserName, key: &PublicKey) -> String {
    format!(
        "the name {user} belongs to another device; choose another name, or ask the server's \
         operator to bind it to this device's key: {key}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_wait_for_the_store_and_no_more() {
        let mut applicants = Applicants::default();
        assert!((0..LOGINS_WAITING_MAX).all(|_| applicants.wait()));
        assert!(!applicants.wait());
        applicants.waiting -= 1;
        assert!(applicants.wait());
    }
}
