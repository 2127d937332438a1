//! What shards are told, and when.

use super::thread::ToCommitter;
use super::{
    Committer, CommitterHandle, Done, JOBS_PER_BATCH_MAX, JOBS_QUEUED_MAX, Job, Outcome,
    SubmitError, ToShard, Work, home, spawn,
};
use crate::bell::Bell;
use crate::person::Person;
use crate::store::{
    Account, Answer, Append, Ban, Claimed, Command, DeviceKey, Invite, InviteCode, MailboxSize,
    MailboxStore, Origin, Page, Prekey, Quota, ReadLimit, StoreError, StoreSize,
    embedded::Embedded,
    jetstream::{JetStream, Model, Weather},
};
use pychat_proto::{
    Cursor, DisplayName, PublicKey, Seq, StreamId, UserName,
    chat::{OwnKeys, Presence, USERS_PER_PAGE_MAX, UserKeys, UserState},
};
use std::sync::{Arc, Mutex, mpsc as std_mpsc};

const SHARDS: u8 = 3;
const ALL: ReadLimit = ReadLimit { entries: 100, bytes: 1 << 20 };

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn claim(name: &str) -> Work {
    let (key, display) = (PublicKey([1; 32]), DisplayName::parse("").unwrap());
    Work::Commit(Command::Claim(Account {
        user: user(name),
        key,
        name: display,
        since: 7,
        name_is_set: false,
    }))
}

fn receipt(to: &str, entry: &[u8]) -> Work {
    let (mailbox, origin) = (user(to), Origin::Server);
    Work::Commit(Command::Append(Append { mailbox, origin, place: None, entry: entry.into() }))
}

fn read(mailbox: &str) -> Work {
    Work::Read { mailbox: user(mailbox), after: Cursor::NONE, limit: ALL }
}

fn state(name: &str, presence: Presence) -> UserState {
    UserState { user: user(name), name: DisplayName::parse("").unwrap(), presence, since: 9 }
}

fn presence(name: &str, presence: Presence) -> Work {
    let UserState { user, name, presence, since } = state(name, presence);
    Work::Presence { person: Person::new(&user, &name), presence, since }
}

fn committer() -> Committer {
    Committer::new(Box::new(Embedded::in_memory(Quota::default()).unwrap()), SHARDS)
}

/// Executes work of shard 0 with tickets from 0.
fn step(committer: &mut Committer, work: Vec<Work>) -> Vec<(u8, Done)> {
    let job = |(ticket, work)| Job { shard: 0, ticket, generation: 0, work };
    let mut out = Vec::new();
    committer.step((0..).zip(work).map(job).collect(), &mut out);
    out
}

/// The outcome of one question.
fn ask(committer: &mut Committer, work: Work) -> Result<Outcome, StoreError> {
    match step(committer, vec![work]).pop() {
        Some((_, Done { outcome, .. })) => outcome,
        other => panic!("no outcome: {other:?}"),
    }
}

/// Names and presence of a page.
fn users(committer: &mut Committer, after: Option<&str>, offline_too: bool) -> (Vec<String>, bool) {
    let after = after.map(user);
    match ask(committer, Work::Users { after, offline_too }) {
        Ok(Outcome::Users { users, more }) => {
            let text = |state: UserState| format!("{} {:?}", state.user, state.presence);
            (users.into_iter().map(text).collect(), more)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn commands_come_first_then_questions_which_see_them() {
    let out = step(&mut committer(), vec![read("bob"), claim("bob"), receipt("bob", b"1")]);
    let done: Vec<_> = out.iter().map(|(_, done)| done.ticket).collect();
    assert_eq!(done, [1, 2, 0]);
    let Some((_, Done { outcome: Ok(Outcome::Page(page)), .. })) = out.last() else {
        panic!("{out:?}")
    };
    assert_eq!(page.entries.len(), 1);
}

#[test]
fn nothing_passes_what_failed_until_its_shard_has_heard() {
    let error = StoreError::NotWritten("full".into());
    let fails = Arc::new(Mutex::new(Some(error.clone())));
    let store = Scripted { seen: Arc::default(), fails: Arc::clone(&fails), leave: None };
    let mut committer = Committer::new(Box::new(store), SHARDS);
    let mut ask = |shard, generation| {
        let mut out = Vec::new();
        let job = Job { shard, ticket: 0, generation, work: claim("ann") };
        committer.step(vec![job], &mut out);
        out.pop().unwrap().1.outcome.is_ok()
    };
    assert!(!ask(1, 4));
    *fails.lock().unwrap() = None;
    assert!(!ask(1, 4), "sent before the shard could know");
    assert!(ask(0, 0), "another shard's order is its own");
    assert!(ask(1, 5));
}

#[test]
fn a_part_of_the_store_that_fails_does_not_keep_the_others_from_writing() {
    let model = Model::default();
    let store = JetStream::new(model.clone(), 1, Quota::default());
    let part = |name| store.part(&Command::Take { mailbox: user(name), above: Cursor::NONE });
    let failing = part("ann");
    let other = ["bob", "carol", "dave"].into_iter().find(|name| part(name) != failing).unwrap();
    let mut committer = Committer::new(Box::new(store), SHARDS);
    step(&mut committer, vec![claim("ann"), claim(other)]);
    let mut write = |generation| {
        let jobs = [receipt("ann", b"1"), receipt(other, b"2"), receipt("ann", b"3")];
        let jobs = (0..).zip(jobs);
        let job = |(ticket, work)| Job { shard: 0, ticket, generation, work };
        let mut out = Vec::new();
        committer.step(jobs.map(job).collect(), &mut out);
        let mut done: Vec<_> = out.iter().map(|(_, it)| (it.ticket, it.outcome.is_ok())).collect();
        done.sort_unstable();
        (done.into_iter().map(|(_, done)| done).collect::<Vec<_>>(), committer.stats().is_failing)
    };
    model.set_weather(Weather::Leaderless(failing));
    for generation in 0..3 {
        assert_eq!(write(generation), (vec![false, true, false], true));
    }
    assert_eq!(write(2), (vec![false; 3], true), "sent before the shard could know");
    model.set_weather(Weather::Fair);
    assert_eq!(write(3), (vec![true; 3], false));
}

#[test]
fn a_login_learns_the_account_and_the_position() {
    let mut committer = committer();
    let stream = StreamId([5; 16]);
    let login = || Work::Login { user: user("ann"), stream, invite: None, at: 0 };
    let unknown =
        Ok(Outcome::Login { account: None, position: Seq(0), ban: None, is_invited: false });
    assert_eq!(ask(&mut committer, login()), unknown);
    let advance = Command::Advance { user: user("ann"), stream, up_to: Seq(4) };
    step(&mut committer, vec![claim("ann"), Work::Commit(advance)]);
    match ask(&mut committer, login()) {
        Ok(Outcome::Login { account: Some(account), position: Seq(4), .. }) => {
            assert_eq!(account.user, user("ann"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn users_are_those_present_and_the_others_if_asked() {
    let mut committer = committer();
    step(&mut committer, vec![claim("ann"), claim("cyd"), claim("dan"), claim("eve")]);
    let news = [("cyd", Presence::Online), ("bob", Presence::Away), ("eve", Presence::Online)];
    step(&mut committer, news.map(|(name, is)| presence(name, is)).into());
    step(&mut committer, vec![presence("eve", Presence::Offline)]);
    let present = (vec!["bob Away".into(), "cyd Online".into()], false);
    assert_eq!(users(&mut committer, None, false), present);
    let all =
        ["ann Offline", "bob Away", "cyd Online", "dan Offline", "eve Offline"].map(String::from);
    assert_eq!(users(&mut committer, None, true), (all.to_vec(), false));
    assert_eq!(users(&mut committer, Some("bob"), true), (all[2..].to_vec(), false));
}

#[test]
fn a_page_of_users_ends_at_its_limit() {
    let mut committer = committer();
    let names: Vec<_> = (0..=USERS_PER_PAGE_MAX).map(|n| format!("user{n:04}")).collect();
    step(&mut committer, names.iter().map(|name| claim(name)).collect());
    let online = |name: &String| presence(name, Presence::Online);
    step(&mut committer, names.iter().step_by(2).map(online).collect());
    let (page, more) = users(&mut committer, None, true);
    assert_eq!((page.len(), more), (USERS_PER_PAGE_MAX, true));
    let (rest, more) = users(&mut committer, Some(&names[USERS_PER_PAGE_MAX - 1]), true);
    assert_eq!((rest.len(), more), (1, false));
    let (page, more) = users(&mut committer, Some(&names[0]), true);
    assert_eq!((page.len(), more), (USERS_PER_PAGE_MAX, false));
}

#[test]
fn one_user_is_found_present_or_offline() {
    let mut committer = committer();
    step(&mut committer, vec![claim("ann"), presence("ann", Presence::Away)]);
    let find = |name| Work::User { name: user(name) };
    let away = state("ann", Presence::Away);
    assert_eq!(ask(&mut committer, find("ann")), Ok(Outcome::User(Some(away))));
    step(&mut committer, vec![presence("ann", Presence::Offline)]);
    let offline = UserState { since: 7, ..state("ann", Presence::Offline) };
    assert_eq!(ask(&mut committer, find("ann")), Ok(Outcome::User(Some(offline))));
    assert_eq!(ask(&mut committer, find("bob")), Ok(Outcome::User(None)));
}

#[test]
fn keys_are_published_claimed_and_asked_for() {
    let mut committer = committer();
    let (device, fallback) = (DeviceKey::parse([1]).unwrap(), Prekey::parse([2]).unwrap());
    let keys = vec![Prekey::parse([3]).unwrap()];
    let ann = user("ann");
    let publish = [
        Command::PublishDevice { user: ann, device, fallback },
        Command::PublishPrekeys { user: ann, first: 0, keys },
    ];
    step(&mut committer, [claim("ann")].into_iter().chain(publish.map(Work::Commit)).collect());
    let own = OwnKeys { device: vec![1], fallback: vec![2], unused: 1, next: 1 };
    let asked = ask(&mut committer, Work::OwnKeys { user: ann });
    assert_eq!(asked, Ok(Outcome::OwnKeys(Some(own.clone()))));
    // To look at them takes none.
    let seen = ask(&mut committer, Work::UserKeys { user: ann });
    let shown = |prekey: &[u8]| UserKeys { device: vec![1], prekey: prekey.into() };
    assert_eq!(seen, Ok(Outcome::UserKeys(Some(shown(b"")))));
    let claimed = ask(&mut committer, Work::Commit(Command::ClaimPrekey { user: ann }));
    assert_eq!(claimed, Ok(Outcome::Committed(Answer::Prekey(Some(shown(&[3]))))));
    let asked = ask(&mut committer, Work::OwnKeys { user: ann });
    assert_eq!(asked, Ok(Outcome::OwnKeys(Some(OwnKeys { unused: 0, ..own }))));
    let unknown = ask(&mut committer, Work::UserKeys { user: user("bob") });
    assert_eq!(unknown, Ok(Outcome::UserKeys(None)));
}

/// A shard's channel, and the shard's end of it.
fn channel(length: usize) -> (ToShard, std_mpsc::Receiver<Done>) {
    let (queue, told) = std_mpsc::sync_channel(length);
    // The bell outlives its poll: nobody sleeps there.
    let poll = mio::Poll::new().unwrap();
    let bell = Bell::new(poll.registry(), mio::Token(0)).unwrap();
    (ToShard { queue, bell }, told)
}

/// What a [`Scripted`] store saw.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Batch(usize),
    Flush,
}

/// A store that fails on demand, and waits for leave before each batch.
struct Scripted {
    seen: Arc<Mutex<Vec<Seen>>>,
    fails: Arc<Mutex<Option<StoreError>>>,
    leave: Option<std_mpsc::Receiver<()>>,
}

impl MailboxStore for Scripted {
    fn commit(&mut self, batch: &[Command]) -> Result<Vec<Answer>, StoreError> {
        if let Some(leave) = &self.leave {
            let _ = leave.recv();
        }
        self.seen.lock().unwrap().push(Seen::Batch(batch.len()));
        let answer = Answer::Claim(Claimed::New);
        self.fails.lock().unwrap().clone().map_or(Ok(vec![answer; batch.len()]), Err)
    }
    fn read(&mut self, _: &UserName, _: Cursor, _: ReadLimit) -> Result<Page, StoreError> {
        Ok(Page { entries: Vec::new(), more: false })
    }
    fn account(&mut self, _: &UserName) -> Result<Option<Account>, StoreError> {
        Ok(None)
    }
    fn accounts(&mut self, _: Option<&UserName>, _: usize) -> Result<Vec<Account>, StoreError> {
        Ok(Vec::new())
    }
    fn keys(&mut self, _: &UserName) -> Result<Option<OwnKeys>, StoreError> {
        Ok(None)
    }
    fn position(&mut self, _: &UserName, _: StreamId) -> Result<Seq, StoreError> {
        Ok(Seq::NONE)
    }
    fn ban(&mut self, _: &UserName) -> Result<Option<Ban>, StoreError> {
        Ok(None)
    }
    fn bans(&mut self, _: Option<&UserName>, _: usize) -> Result<Vec<(UserName, Ban)>, StoreError> {
        Ok(Vec::new())
    }
    fn invites(&mut self) -> Result<Vec<Invite>, StoreError> {
        Ok(Vec::new())
    }
    fn invite(&mut self, _: &InviteCode) -> Result<Option<Invite>, StoreError> {
        Ok(None)
    }
    fn mailboxes(
        &mut self,
        _: Option<&UserName>,
        _: usize,
    ) -> Result<Vec<MailboxSize>, StoreError> {
        Ok(Vec::new())
    }
    fn size(&mut self) -> Result<StoreSize, StoreError> {
        Ok(StoreSize::default())
    }
    fn set_quota(&mut self, _: Quota) {}
    fn flush(&mut self) -> Result<(), StoreError> {
        self.seen.lock().unwrap().push(Seen::Flush);
        Ok(())
    }
}

#[test]
fn a_failed_batch_is_told_to_each_of_it_and_questions_go_on() {
    let error = StoreError::NotWritten("full".into());
    let store = Scripted {
        seen: Arc::default(),
        fails: Arc::new(Mutex::new(Some(error.clone()))),
        leave: None,
    };
    let mut committer = Committer::new(Box::new(store), SHARDS);
    let out = step(&mut committer, vec![claim("ann"), read("ann"), receipt("ann", b"")]);
    let outcomes: Vec<_> = out
        .into_iter()
        .map(|(_, Done { ticket, outcome })| (ticket, outcome.map(|_| ())))
        .collect();
    assert_eq!(outcomes, [(0, Err(error.clone())), (2, Err(error)), (1, Ok(()))]);
}

#[allow(clippy::result_large_err)]
fn submit(handle: &CommitterHandle, ticket: u64) -> Result<(), SubmitError> {
    handle.submit(Job { shard: 0, ticket, generation: 0, work: claim("ann") })
}

#[test]
fn what_gathers_during_a_flush_is_one_batch_and_the_queue_is_bounded() {
    let (give_leave, leave) = std_mpsc::channel();
    let seen = Arc::default();
    let store = Scripted { seen: Arc::clone(&seen), fails: Arc::default(), leave: Some(leave) };
    let (to_shard, told) = channel(1);
    let (handle, thread) = spawn(Committer::new(Box::new(store), 1), vec![to_shard]).unwrap();

    // Fill the queue while no batch gets on: what is taken is at most one batch and a full queue.
    let mut taken = 0;
    let refused = loop {
        match submit(&handle, taken) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, SubmitError::Full(Job { ticket, .. }) if ticket == taken));
    assert!((JOBS_QUEUED_MAX..=JOBS_QUEUED_MAX + JOBS_PER_BATCH_MAX).contains(&(taken as usize)));

    // The queue drains though the shard's channel has one place only.
    drop((handle, give_leave));
    let mut tickets = Vec::new();
    while let Ok(message) = told.recv() {
        tickets.push(message.ticket);
    }
    assert_eq!(tickets, (0..taken).collect::<Vec<_>>());
    thread.join().unwrap().unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.last(), Some(&Seen::Flush));
    assert!(seen.contains(&Seen::Batch(JOBS_PER_BATCH_MAX)));
    assert!(!seen.iter().any(|seen| matches!(seen, Seen::Batch(n) if *n > JOBS_PER_BATCH_MAX)));
}

#[test]
fn a_batch_ends_at_its_bytes() {
    let (jobs, queue) = std_mpsc::sync_channel(10);
    let job =
        |bytes| Job { shard: 0, ticket: 0, generation: 0, work: receipt("ann", &vec![0; bytes]) };
    for bytes in [super::BATCH_BYTES_MAX - 1, 1, 5, 5] {
        jobs.send(ToCommitter::Job(job(bytes))).unwrap();
    }
    drop(jobs);
    let batches: Vec<_> =
        std::iter::from_fn(|| super::thread::gather(&queue)).map(|it| it.jobs.len()).collect();
    assert_eq!(batches, [2, 2]);
}

#[test]
fn a_change_of_keys_weighs_as_much_as_all_of_a_users_keys() {
    let (jobs, queue) = std_mpsc::sync_channel(10);
    let keys = Work::Commit(Command::ClaimPrekey { user: user("ann") });
    let weight = super::thread::KEYS_BYTES;
    for work in [receipt("ann", &vec![0; super::BATCH_BYTES_MAX - weight]), keys, claim("ann")] {
        let job = Job { shard: 0, ticket: 0, generation: 0, work };
        jobs.send(ToCommitter::Job(job)).unwrap();
    }
    drop(jobs);
    let batches: Vec<_> =
        std::iter::from_fn(|| super::thread::gather(&queue)).map(|it| it.jobs.len()).collect();
    assert_eq!(batches, [2, 1]);
}

#[test]
fn a_shard_that_is_gone_stops_nobody() {
    let store = Scripted { seen: Arc::default(), fails: Arc::default(), leave: None };
    let (to_shard, told) = channel(1);
    let (handle, thread) = spawn(Committer::new(Box::new(store), 1), vec![to_shard]).unwrap();
    drop(told);
    submit(&handle, 1).unwrap();
    submit(&handle, 2).unwrap();
    drop(handle);
    thread.join().unwrap().unwrap();
}

#[test]
fn a_visitor_sees_what_the_batch_before_did_and_is_counted_in_no_batch() {
    let store = Embedded::in_memory(Quota::default()).unwrap();
    let (to_shard, told) = channel(1);
    let (handle, thread) = spawn(Committer::new(Box::new(store), 1), vec![to_shard]).unwrap();
    submit(&handle, 1).unwrap();
    let asked = handle.ask(|committer| {
        let account = committer.store().account(&user("ann")).unwrap();
        (account.is_some(), committer.stats().commands)
    });
    assert_eq!(asked.unwrap().blocking_recv(), Ok((true, 1)));
    drop((handle, told));
    thread.join().unwrap().unwrap();
}

#[test]
fn names_that_differ_in_their_last_characters_only_are_spread_over_all_shards() {
    for shards in [2, 3, 4, 8] {
        let mut on_shard = vec![0; usize::from(shards)];
        for number in 0..1000 {
            let user = UserName::parse(&format!("user{number}")).unwrap();
            on_shard[usize::from(home(&user, shards))] += 1;
        }
        let fair = 1000 / usize::from(shards);
        assert!(on_shard.iter().all(|it| (fair / 2..fair * 2).contains(it)), "{on_shard:?}");
    }
}
