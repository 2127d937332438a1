//! Answers the operator's questions: asks the threads, and has them do things.

use super::{
    api::{
        AccountChange, BackedUp, Banned, Changed, Invite, LIST_LEN_MAX, List, Log, Mailbox, Page,
        Refused, Reloaded, Request, Session, Stats, User,
    },
    stats,
    words::{self, duration, time},
};
use crate::{
    committer::Committer,
    random,
    run::{LogControl, NoAnswer, Reins, Reloads, Visited},
    shard,
    store::{
        self, Account, Answer, Ban, Command, Decided, Decision, InviteCode, Note, StoreError,
        embedded::backup,
    },
};
use pychat_proto::{
    CloseCode, DisplayName, PublicKey, UserName,
    chat::{self, UnixMillis},
};
use serde::Serialize;
use std::{path::PathBuf, time::Duration};
use tracing::info;

/// When somebody whose session was ended comes back.
const KICK_PAUSE: Duration = Duration::from_secs(5);

/// Longest reason that a user is told, in characters: with the words around it and the longest name it fits a
/// refusal, which has 200. docs/OPERATIONS.md, "Limits".
const REASON_CHARS_MAX: usize = 120;

/// Random characters of an invite code that is made up: 80 bits.
const CODE_LEN: usize = 16;

/// What invite codes are made of: 32 characters, none of which looks like another.
const CODE_ALPHABET: &[u8; 32] = b"23456789abcdefghijkmnpqrstuvwxyz";

/// Everything that answers take.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) reins: Reins,
    pub(crate) log: LogControl,
    pub(crate) reloads: Reloads,
    /// The data directory.
    pub(crate) data: PathBuf,
    /// Whether mailboxes are kept elsewhere.
    pub(crate) is_clustered: bool,
    /// Under which the server is joined.
    pub(crate) link: String,
    pub(crate) started_at: UnixMillis,
}

type Result<T> = std::result::Result<T, Refused>;

impl Desk {
    /// Answers.
    pub(crate) async fn answer(&self, request: Request) -> Result<serde_json::Value> {
        match request {
            Request::Stats {} => value(&self.stats().await?),
            Request::Users(page) => value(&self.users(&page).await?),
            Request::User { user } => value(&self.user(&user).await?),
            Request::Account { user, change } => value(&self.change(&user, change).await?),
            Request::Bans(page) => value(&self.bans(&page).await?),
            Request::Sessions {} => value(&self.sessions().await?),
            Request::Kick { user, reason } => value(&self.kick(&user, &reason).await?),
            Request::Mailboxes(page) => value(&self.mailboxes(&page).await?),
            Request::Purge { user } => {
                let user = name(&user)?;
                self.decide(Decision::Purge { mailbox: user }).await?;
                value(&changed(format!("the mailbox of {user} is empty")))
            }
            Request::Invites {} => value(&self.invites().await?),
            Request::Invite { code, uses, lasts_s, note } => {
                value(&self.invite(code, uses, lasts_s, &note).await?)
            }
            Request::Revoke { code } => {
                let parsed = InviteCode::parse(&code).map_err(|_| no_such_invite())?;
                self.decide(Decision::Revoke { code: parsed }).await?;
                value(&changed("the invite lets nobody in any more"))
            }
            Request::Drain { spread_s } => value(&self.drain(spread_s).await?),
            Request::Resume {} => {
                self.each_shard(|visited| visited.shard.resume()).await?;
                info!("the operator lets clients in again");
                value(&changed("clients are let in again"))
            }
            Request::Broadcast { text } => value(&self.broadcast(&text).await?),
            Request::Log { filter } => value(&self.log(filter)?),
            Request::Reload {} => value(&self.reload().await?),
            Request::Backup { file } => value(&self.backup(file).await?),
        }
    }

    async fn stats(&self) -> Result<Stats> {
        let mut stats = stats::collect(&self.reins).await.map_err(no_answer)?.told();
        stats.started_at = time(self.started_at);
        stats.link.clone_from(&self.link);
        Ok(stats)
    }

    async fn users(&self, page: &Page) -> Result<List<User>> {
        let (after, limit) = bounds(page)?;
        let users = self.store(move |committer| {
            let accounts = committer.store().accounts(after.as_ref(), limit)?;
            accounts.iter().map(|account| user_of(committer, account)).collect()
        });
        let users: Vec<User> = users.await?;
        Ok(list(users, limit, |user| &user.user))
    }

    async fn user(&self, user: &str) -> Result<User> {
        let user = name(user)?;
        let found = self.store(move |committer| {
            let account = committer.store().account(&user)?;
            account.map(|account| user_of(committer, &account)).transpose()
        });
        found.await?.ok_or_else(|| no_such_user(&user))
    }

    async fn change(&self, user: &str, change: AccountChange) -> Result<Changed> {
        let user = name(user)?;
        let (decision, done, follows) = plan(user, change)?;
        self.decide(decision).await?;
        info!(%user, done, "the operator decided");
        match follows {
            Follows::Nothing => {}
            Follows::Goodbye(code, reason) => {
                self.end_session(user, code, Duration::ZERO, reason).await?;
            }
            Follows::Name(name) => {
                let shown = self.reins.shard_of(&user, move |visited| {
                    visited.shard.rename(visited.now, &user, &name);
                });
                shown.await.map_err(no_answer)?;
            }
        }
        Ok(changed(done))
    }

    async fn end_session(
        &self,
        user: UserName,
        code: CloseCode,
        retry_after: Duration,
        reason: String,
    ) -> Result<bool> {
        let ended = self.reins.shard_of(&user, move |visited| {
            visited.shard.kick(visited.now, &user, code, retry_after, &reason)
        });
        ended.await.map_err(no_answer)
    }

    async fn bans(&self, page: &Page) -> Result<List<Banned>> {
        let (after, limit) = bounds(page)?;
        let bans = self.store(move |committer| committer.store().bans(after.as_ref(), limit));
        let bans = bans.await?.into_iter().map(|(user, ban)| Banned {
            user: user.to_string(),
            reason: ban.reason.as_str().into(),
            since: time(ban.since),
        });
        Ok(list(bans.collect(), limit, |ban: &Banned| &ban.user))
    }

    async fn sessions(&self) -> Result<List<Session>> {
        let seats = self.each_shard(|visited| visited.shard.seats(LIST_LEN_MAX)).await?;
        let sessions = seats.into_iter().flatten().map(|seat| Session {
            user: seat.user.to_string(),
            status: words::presence(seat.presence).into(),
            address: seat.address.map(|address| address.to_string()),
        });
        let mut items: Vec<Session> = sessions.collect();
        items.sort_by(|a, b| a.user.cmp(&b.user));
        items.truncate(LIST_LEN_MAX);
        Ok(List { items, next: None })
    }

    async fn kick(&self, user: &str, reason: &str) -> Result<Changed> {
        let user = name(user)?;
        let reason = match told_reason(reason)?.as_str() {
            "" => "this server's operator has ended the session".to_owned(),
            reason => format!("this server's operator has ended the session: {reason}"),
        };
        if !self.end_session(user, CloseCode::Busy, KICK_PAUSE, reason).await? {
            return Err(Refused::new(
                format!("{user} has no session"),
                "who is there: pychat-server admin sessions",
            ));
        }
        info!(%user, "the operator ended a session");
        let back = "; its client comes back by itself (to keep it away: users ban)";
        Ok(changed(format!("the session of {user} is ended{back}")))
    }

    async fn mailboxes(&self, page: &Page) -> Result<List<Mailbox>> {
        let (after, limit) = bounds(page)?;
        let sizes = self.store(move |committer| committer.store().mailboxes(after.as_ref(), limit));
        let sizes = sizes.await?;
        let next = (sizes.len() == limit).then(|| sizes.last().map(|it| it.user.to_string()));
        let filled = sizes.into_iter().filter(|size| size.entries > 0).map(|size| Mailbox {
            user: size.user.to_string(),
            messages: size.entries,
            bytes: size.bytes,
        });
        Ok(List { items: filled.collect(), next: next.flatten() })
    }

    async fn invites(&self) -> Result<List<Invite>> {
        let invites = self.store(|committer| committer.store().invites()).await?;
        let now = pychat_udp::unix_ms();
        let items = invites.into_iter().map(|invite| told(&invite, now)).collect();
        Ok(List { items, next: None })
    }

    async fn invite(
        &self,
        code: Option<String>,
        uses: Option<u32>,
        lasts_s: Option<u64>,
        text: &str,
    ) -> Result<Invite> {
        let code = code.map_or_else(fresh_code, Ok)?;
        let code = InviteCode::parse(&code).map_err(|error| Refused::plain(error.to_string()))?;
        let now = pychat_udp::unix_ms();
        let expires_at = lasts_s.map(|lasts| now.saturating_add(lasts.saturating_mul(1000)));
        let invite = store::Invite { code, uses, expires_at, note: note(text)?, made_at: now };
        self.decide(Decision::Invite(invite.clone())).await?;
        info!("the operator made an invite");
        Ok(told(&invite, now))
    }

    async fn drain(&self, spread_s: u64) -> Result<Changed> {
        let spread = Duration::from_secs(spread_s);
        self.each_shard(move |visited| visited.shard.begin_shutdown(visited.now, spread)).await?;
        info!("the operator had all clients go");
        let how = "nobody is let in until: pychat-server admin resume, or a restart";
        Ok(changed(format!("all clients come back within {}; {how}", duration(spread))))
    }

    async fn broadcast(&self, text: &str) -> Result<Changed> {
        let text = note(text)?.as_str().to_owned();
        if text.is_empty() {
            return Err(Refused::plain("there is nothing to tell"));
        }
        let notice = chat::Note::Notice { text };
        let told = self.each_shard(move |visited| visited.shard.tell_all(visited.now, &notice));
        let told: usize = told.await?.into_iter().sum();
        info!(told, "the operator told all who are here something");
        let how = "who is not there, or on a bad link, may miss it";
        Ok(changed(format!("told {told} sessions; {how}")))
    }

    fn log(&self, filter: Option<String>) -> Result<Log> {
        if let Some(filter) = filter {
            let set = self.log.set(&filter);
            set.map_err(|error| Refused::plain(format!("{filter:?} is no log filter: {error}")))?;
            info!(filter, "the operator changed what is logged");
        }
        Ok(Log { filter: self.log.filter() })
    }

    async fn reload(&self) -> Result<Reloaded> {
        let reloaded = self.reloads.reload().await;
        reloaded.map_err(|error| {
            Refused::new(error, "nothing was changed; mend the file and reload again")
        })
    }

    async fn backup(&self, file: PathBuf) -> Result<BackedUp> {
        if self.is_clustered {
            return Err(Refused::new(
                "mailboxes are kept in NATS, and not in a file of this server",
                "back the cluster up with `nats account backup`, and this server's keys with `pychat-server key \
                 export`",
            ));
        }
        let data = self.data.clone();
        let to = file.clone();
        let made = tokio::task::spawn_blocking(move || backup::make(&data, &to)).await;
        let made = made.map_err(|_| Refused::plain("the backup ended unexpectedly"))?;
        let bytes = made.map_err(|error| Refused::new(error.to_string(), error.hint()))?;
        info!(bytes, "the operator made a backup");
        Ok(BackedUp { file, bytes })
    }

    async fn decide(&self, decision: Decision) -> Result<()> {
        let decided =
            self.store(move |committer| committer.store().commit(&[Command::Decide(decision)]));
        match decided.await?.first() {
            Some(Answer::Decided(Decided::Done)) => Ok(()),
            Some(Answer::Decided(Decided::NoSuchUser)) => {
                Err(Refused::new("there is no such user, or no such ban", WHO_IS_THERE))
            }
            Some(Answer::Decided(Decided::NoSuchInvite)) => Err(no_such_invite()),
            Some(Answer::Decided(Decided::InviteExists)) => Err(Refused::new(
                "there is an invite of that code already",
                "choose another code, or revoke that one first",
            )),
            Some(Answer::Decided(Decided::Full)) => Err(Refused::new(
                "there are too many already",
                "lift bans or revoke invites that are not needed",
            )),
            other => unreachable!("the store answered a decision with {other:?}"),
        }
    }

    async fn store<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Committer) -> std::result::Result<T, StoreError> + Send + 'static,
    ) -> Result<T> {
        let answer = self.reins.committer(question).await.map_err(no_answer)?;
        answer.map_err(|error| {
            Refused::new(format!("the mailbox store fails: {error}"), "see the log; then try again")
        })
    }

    async fn each_shard<T: Send + 'static>(
        &self,
        question: impl Fn(&mut Visited<'_>) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>> {
        self.reins.each_shard(question).await.map_err(no_answer)
    }
}

/// What a decision means for the user's session, if there is one.
enum Follows {
    Nothing,
    /// It ends.
    Goodbye(CloseCode, String),
    /// It is shown under this name.
    Name(DisplayName),
}

/// What a change comes to: for the store, for the operator, and for the user.
fn plan(user: UserName, change: AccountChange) -> Result<(Decision, String, Follows)> {
    let goodbye =
        |code, did: &str| Follows::Goodbye(code, format!("this server's operator has {did}"));
    Ok(match change {
        AccountChange::Free => (
            Decision::Free { user },
            format!("the name {user} is free; its mailbox and its keys are gone"),
            goodbye(CloseCode::NotPermitted, "freed your name"),
        ),
        AccountChange::Rebind { key } => {
            let key: PublicKey = key.parse().map_err(|_| bad_key())?;
            let done = format!("the name {user} belongs to the key {}", key.fingerprint());
            let follows = goodbye(CloseCode::NameTaken, "bound your name to another device");
            (Decision::Rebind { user, key }, done, follows)
        }
        AccountChange::Rename { name: None } => {
            let done = format!("{user} is shown under a name of their own from the next login on");
            (Decision::Rename { user, name: None }, done, Follows::Nothing)
        }
        AccountChange::Rename { name: Some(name) } => {
            let name = DisplayName::parse(&name);
            let name = name.map_err(|error| Refused::plain(error.to_string()))?;
            let done = format!("{user} is shown as {}", name.as_str());
            let decision = Decision::Rename { user, name: Some(name.clone()) };
            (decision, done, Follows::Name(name))
        }
        AccountChange::Ban { reason } => {
            let ban = Ban { reason: told_reason(&reason)?, since: pychat_udp::unix_ms() };
            let follows = Follows::Goodbye(CloseCode::NotPermitted, shard::banned(&user, &ban));
            (Decision::Ban { user, ban }, format!("{user} is banned"), follows)
        }
        AccountChange::Unban => {
            let done = format!("{user} may log in again, after another `pychatctl connect`");
            (Decision::Unban { user }, done, Follows::Nothing)
        }
    })
}

fn user_of(committer: &mut Committer, account: &Account) -> std::result::Result<User, StoreError> {
    let ban = committer.store().ban(&account.user)?;
    let here = committer.presence(&account.user);
    let (status, since) = here
        .map_or(("offline", account.since), |state| (words::presence(state.presence), state.since));
    Ok(User {
        user: account.user.to_string(),
        name: account.name.as_str().into(),
        name_is_set: account.name_is_set,
        key: account.key.to_string(),
        fingerprint: account.key.fingerprint(),
        status: status.into(),
        since: time(since),
        banned: ban.map(|ban| ban.reason.as_str().to_owned()),
    })
}

fn told(invite: &store::Invite, now: UnixMillis) -> Invite {
    Invite {
        code: invite.code.as_str().into(),
        uses: invite.uses,
        expires_at: invite.expires_at.map(time),
        note: invite.note.as_str().into(),
        made_at: time(invite.made_at),
        is_open: invite.is_open(now),
    }
}

fn fresh_code() -> Result<String> {
    let random = random::bytes().map_err(|error| Refused::plain(error.to_string()))?;
    let letter = |byte: &u8| char::from(CODE_ALPHABET[usize::from(*byte) % CODE_ALPHABET.len()]);
    Ok(random[..CODE_LEN].iter().map(letter).collect())
}

fn bounds(page: &Page) -> Result<(Option<UserName>, usize)> {
    let after = page.after.as_deref().map(name).transpose()?;
    Ok((after, page.limit.clamp(1, LIST_LEN_MAX)))
}

/// A full page may not be the last.
fn list<T>(items: Vec<T>, limit: usize, name: impl Fn(&T) -> &String) -> List<T> {
    let next = items.last().filter(|_| items.len() == limit).map(|last| name(last).clone());
    List { items, next }
}

fn name(text: &str) -> Result<UserName> {
    UserName::parse(text).map_err(|error| Refused::plain(error.to_string()))
}

fn note(text: &str) -> Result<Note> {
    Note::parse(text).map_err(|error| Refused::plain(error.to_string()))
}

/// A reason all of which reaches the user.
fn told_reason(text: &str) -> Result<Note> {
    if text.chars().count() > REASON_CHARS_MAX {
        let message =
            format!("a reason that a user is told has at most {REASON_CHARS_MAX} characters");
        return Err(Refused::plain(message));
    }
    note(text)
}

fn value(answer: &impl Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(answer).map_err(|error| Refused::plain(error.to_string()))
}

fn changed(done: impl Into<String>) -> Changed {
    Changed { done: done.into() }
}

fn no_answer(error: NoAnswer) -> Refused {
    Refused::new(error.to_string(), "try again; if that goes on, see the log and restart")
}

fn no_such_user(user: &UserName) -> Refused {
    Refused::new(format!("there is no user {user}"), WHO_IS_THERE)
}

fn no_such_invite() -> Refused {
    Refused::new("there is no such invite", "which there are: pychat-server admin invites list")
}

fn bad_key() -> Refused {
    Refused::new("this is no key", "a device is told its key when the name is refused to it")
}

const WHO_IS_THERE: &str = "which there are: pychat-server admin users list";
