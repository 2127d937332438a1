//! `connect` and `disconnect`: whose daemon this is, and at which server.

use super::{Core, answer, users::Asking};
use crate::db::Account;
use pychat_control::{ConnectParams, Connected, Empty, EventKind, Failure, Link, check_invite};
use pychat_proto::{
    Client, ClientConfig, DisplayName, Instant, JoinLink, Login, PublicKey, ServerKey, UserName,
    chat::{self, Reply},
};
use std::time::Duration;

/// `connect` requests that may wait at once.
pub(super) const WAITERS_MAX: usize = 64;

/// Pause before the server is asked again whether it knows us.
const CONFIRM_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The link to the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkState {
    pub(super) state: Link,
    pub(super) since_unix_ms: u64,
}

/// A `connect` that waits for the login.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectWaiter {
    pub(super) token: u64,
    pub(super) deadline: Instant,
    timeout_ms: u64,
    /// The key was pinned during this wait, without a link that named it.
    pub(super) learned: bool,
}

/// What a `connect` asks for, checked against what is known.
struct Plan {
    user: UserName,
    name: DisplayName,
    server: JoinLink,
    continuity: Continuity,
}

/// What becomes of the outbox and of the mailbox's cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Continuity {
    /// The same user at the same server, and nothing else changed either.
    Unchanged,
    /// The same user at the same server, under another display name or address.
    Same,
    /// No login ever succeeded, so nothing was handed over: what is queued changes its sender.
    Unused,
    /// The server has a new key that the user trusts: what it never took goes there.
    Carried,
    /// Another user or server, or the first one.
    Anew,
}

impl LinkState {
    pub(super) fn new(now: super::Now) -> Self {
        Self { state: Link::Disconnected, since_unix_ms: now.unix_ms }
    }

    /// Whether there is a connection or one is on its way.
    pub(super) fn is_up(self) -> bool {
        match self.state {
            Link::Connecting | Link::Connected => true,
            Link::Disconnected | Link::Refused => false,
        }
    }
}

impl Core {
    pub(super) fn connect(&mut self, token: u64, params: &ConnectParams) {
        let plan = match self.plan(params) {
            Ok(plan) => plan,
            Err(failure) => return self.fail(token, failure),
        };
        if self.connects.len() >= WAITERS_MAX {
            return self.fail(token, answer::too_many_questions());
        }
        let waiter = ConnectWaiter {
            token,
            deadline: self.now.mono + Duration::from_millis(params.timeout_ms),
            timeout_ms: params.timeout_ms,
            learned: false,
        };
        let shows_more = params.invite.is_some() && self.link.state != Link::Connected;
        if plan.continuity == Continuity::Unchanged && self.link.is_up() && !shows_more {
            self.connects.push(waiter);
            return self.answer_or_hurry();
        }
        if let Err(failure) = self.store_account(plan) {
            return self.fail(token, failure);
        }
        self.fail_connects(&answer::replaced_connect());
        self.connects.push(waiter);
        self.invite.clone_from(&params.invite);
        self.start_client();
    }

    pub(super) fn disconnect(&mut self, token: u64) {
        let written = self.change(|change| {
            change.stored.settings.wants_link = false;
            Ok(())
        });
        if let Err(error) = written {
            return self.fail(token, answer::unwritten(&error, "the connection stays"));
        }
        self.save_rtt_hint();
        self.end_session();
        if let Some(client) = &mut self.client {
            client.close(self.now.mono);
        }
        self.stop_resolving();
        self.link_error = None;
        self.set_link(Link::Disconnected);
        self.fail_connects(&answer::disconnected_meanwhile());
        self.respond(token, &Empty {});
    }

    /// Makes a client of what is stored, in place of the one before, and connects it.
    pub(super) fn start_client(&mut self) {
        self.end_session();
        self.backlog.clear();
        let Some(account) = self.stored.settings.account.clone() else { return };
        if let Some(mut old) = self.client.take() {
            old.close(self.now.mono);
            self.closing = Some(old);
        }
        let config = ClientConfig {
            identity: self.config.identity.clone(),
            server: account.server.key.map_or(ServerKey::Unknown, ServerKey::Pinned),
            login: Login {
                user: account.user,
                name: account.name,
                stream: account.stream,
                cursor: self.stored.settings.cursor,
                invite: self.invite.clone(),
            },
            rtt_hint: self.stored.settings.rtt_hint,
        };
        let seed = self.fresh_seed();
        self.client = Some(Client::new(config, seed));
        self.link_error = None;
        self.set_link(Link::Connecting);
        self.resolve_anew();
    }

    pub(super) fn set_link(&mut self, state: Link) {
        if self.link.state != state {
            self.link = LinkState { state, since_unix_ms: self.now.unix_ms };
            self.tell_now(EventKind::Connection { state });
        }
    }

    /// The login is on disk here. Before people are told, the server is asked once: its answer means
    /// that the name is ours on its disk too, and that others see us.
    pub(super) fn confirm_login(&mut self) {
        let Some(account) =
            self.stored.settings.account.as_ref().filter(|_| !self.connects.is_empty())
        else {
            return;
        };
        let question = chat::encode(&chat::Call::User { name: account.user });
        let call = self.client.as_mut().and_then(|client| client.call(self.now.mono, &question));
        self.confirming = Some(match call {
            Some(id) => Asking::UnderWay(id),
            None => Asking::NotBefore(self.now.mono + CONFIRM_AGAIN_AFTER),
        });
    }

    /// The server knows us, or it does not yet: its disk may be full, or failing.
    pub(super) fn take_confirmation(&mut self, payload: &[u8]) {
        self.confirming = None;
        match chat::decode(payload) {
            Ok(Reply::User(Some(_))) => self.answer_connects(),
            Ok(
                Reply::User(None)
                | Reply::TryLater
                | Reply::Users { .. }
                | Reply::OwnKeys(_)
                | Reply::UserKeys(_),
            )
            | Err(_) => {
                self.confirming = Some(Asking::NotBefore(self.now.mono + CONFIRM_AGAIN_AFTER));
            }
        }
    }

    /// Asks again whether the server knows us, when it is time.
    pub(super) fn run_confirmation(&mut self) {
        if let Some(Asking::NotBefore(at)) = self.confirming
            && at <= self.now.mono
        {
            self.confirming = None;
            if self.is_live() {
                self.confirm_login();
            }
        }
    }

    /// Tells those who wait that we are logged in.
    pub(super) fn answer_connects(&mut self) {
        // The name is ours: no invite is needed any more.
        self.invite = None;
        let Some(account) = self.stored.settings.account.clone() else { return };
        let fingerprint = account.server.key.map(|key| key.fingerprint()).unwrap_or_default();
        for waiter in std::mem::take(&mut self.connects) {
            let connected = Connected {
                user: account.user.to_string(),
                name: account.name.to_string(),
                server: account.server.to_string(),
                fingerprint: fingerprint.clone(),
                first_contact: waiter.learned,
            };
            self.respond(waiter.token, &connected);
        }
    }

    pub(super) fn fail_connects(&mut self, failure: &Failure) {
        for waiter in std::mem::take(&mut self.connects) {
            self.fail(waiter.token, failure.clone());
        }
    }

    /// Those that waited long enough are told so; the connecting goes on.
    pub(super) fn expire_connects(&mut self) {
        let now = self.now.mono;
        let (late, connects) =
            std::mem::take(&mut self.connects).into_iter().partition(|w| w.deadline <= now);
        self.connects = connects;
        let late: Vec<ConnectWaiter> = late;
        for waiter in late {
            if let Some(account) = &self.stored.settings.account {
                let because = self.link_error.as_ref();
                let failure = answer::no_login(account, waiter.timeout_ms, because);
                self.fail(waiter.token, failure);
            }
        }
    }

    fn answer_or_hurry(&mut self) {
        if self.link.state == Link::Connected {
            if self.confirming.is_none() {
                self.confirm_login();
            }
            return;
        }
        self.resolver.hurry(self.now.mono);
        if let Some(client) = &mut self.client {
            client.handle_network_change(self.now.mono);
        }
    }

    fn plan(&self, params: &ConnectParams) -> Result<Plan, Failure> {
        let usage = |error: &dyn std::fmt::Display| answer::usage(error.to_string());
        let user = UserName::parse(&params.user).map_err(|error| usage(&error))?;
        let name = DisplayName::parse(&params.name).map_err(|error| usage(&error))?;
        if let Some(invite) = &params.invite {
            check_invite(invite).map_err(|error| usage(&error))?;
        }
        let old = self.stored.settings.account.as_ref();
        let link: Option<JoinLink> =
            params.server.as_deref().map(str::parse).transpose().map_err(|error| usage(&error))?;
        let trusted: Option<PublicKey> = params
            .trust_key
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|error| usage(&error))?;
        let mut server =
            link.or_else(|| old.map(|old| old.server.clone())).ok_or_else(answer::no_server)?;
        // A link that is not new says nothing new of the key.
        let named = trusted.or(server.key);
        if let (Some(trusted), Some(_), Some(key)) = (trusted, &params.server, server.key)
            && trusted != key
        {
            return Err(answer::usage("--trust-key and the link name two different keys"));
        }
        let same_place = old.filter(|old| old.server.shares_a_place(&server));
        let pinned = same_place.and_then(|old| old.server.key);
        server.key = match (named, pinned) {
            (Some(named), Some(pinned)) if named != pinned && trusted != Some(named) => {
                return Err(answer::key_changed(&server.hosts(), &pinned, &named));
            }
            (Some(named), _) => Some(named),
            (None, pinned) => pinned,
        };
        let continuity = match old {
            None => Continuity::Anew,
            Some(old) => self.continuity(old, &user, &name, &server)?,
        };
        Ok(Plan { user, name, server, continuity })
    }

    fn continuity(
        &self,
        old: &Account,
        user: &UserName,
        name: &DisplayName,
        server: &JoinLink,
    ) -> Result<Continuity, Failure> {
        let same_place = old.server.shares_a_place(server);
        let same_server = match (old.server.key, server.key) {
            (Some(old), Some(new)) => old == new,
            (None, _) | (_, None) => same_place,
        };
        let same_user = old.user == *user;
        if same_user && same_server {
            let unchanged = old.name == *name && old.server == *server;
            return Ok(if unchanged { Continuity::Unchanged } else { Continuity::Same });
        }
        if !old.logged_in {
            return Ok(Continuity::Unused);
        }
        if same_user && same_place {
            return Ok(Continuity::Carried);
        }
        match self.stored.queued {
            0 => Ok(Continuity::Anew),
            queued => Err(answer::still_queued(queued, old)),
        }
    }

    fn store_account(&mut self, plan: Plan) -> Result<(), Failure> {
        let stream = self.fresh_stream();
        let written = self.change(|change| {
            let Plan { user, name, server, continuity } = plan;
            let old = change.stored.settings.account.clone();
            match continuity {
                Continuity::Unchanged | Continuity::Same => {}
                Continuity::Unused => change.tx.rename_queued(&user, &name)?,
                Continuity::Carried => {
                    let former = old.as_ref().and_then(|old| old.server.key);
                    if let (Some(former), Some(now)) = (former, server.key) {
                        change.tx.move_contacts(&former, &now)?;
                    }
                    change.begin_stream(stream)?;
                    change.stored.settings.cursor = pychat_proto::Cursor::NONE;
                }
                Continuity::Anew => {
                    change.tx.clear_outbox()?;
                    change.begin_stream(stream)?;
                    change.stored.settings.cursor = pychat_proto::Cursor::NONE;
                    change.stored.settings.rtt_hint = None;
                }
            }
            // What another server told, or one with another key, says nothing of this one.
            let same_key = old.as_ref().is_some_and(|old| old.server.key == server.key);
            if !same_key {
                change.stored.settings.nodes.clear();
            }
            let (stream, logged_in) = match (old, continuity) {
                (Some(old), Continuity::Unchanged | Continuity::Same) => {
                    (old.stream, old.logged_in)
                }
                (Some(old), Continuity::Unused) => (old.stream, false),
                (Some(_), Continuity::Carried) => (stream, true),
                (Some(_), Continuity::Anew) | (None, _) => (stream, false),
            };
            change.stored.settings.account =
                Some(Account { user, name, server, stream, logged_in });
            change.stored.settings.wants_link = true;
            Ok(())
        });
        written.map_err(|error| answer::unwritten(&error, "nothing was changed"))
    }
}
