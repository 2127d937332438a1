//! Killed at any moment, a migration goes on and comes to the same.

use super::{USERS_PER_PAGE, course, embedded, filled, node, town};
use crate::{
    migrate::{MigrateError, course::Course},
    store::{
        Command, Decision, MailboxStore, ReadLimit,
        contract::words::{publish_device, text, user},
        embedded::whole::WholeFile,
        jetstream::{
            Broker, Kind, Message, Model, Publish, PublishError, Subject, Trouble, whole::WholeLog,
        },
        whole::{Begun, Whole},
    },
};
use pychat_proto::UserName;
use std::path::Path;
use tempfile::TempDir;

/// A connection that dies after so many messages: of the batch in which that happens the rest is not published.
struct Dying {
    model: Model,
    messages: usize,
}

impl Broker for Dying {
    fn stream(&self, subject: &Subject) -> Option<u8> {
        self.model.stream(subject)
    }

    fn publish(&mut self, batch: &[Publish]) -> Vec<Result<u64, PublishError>> {
        let lives = batch.len().min(self.messages);
        self.messages -= lives;
        let mut results = self.model.publish(&batch[..lives]);
        if lives < batch.len() && lives > 0 {
            // Nobody hears of the last one either.
            results.pop();
        }
        let dead = || Err(Trouble::Unknown("dead".into()).into());
        results.resize_with(batch.len(), dead);
        results
    }
    fn last(&mut self, subjects: &[Subject]) -> Result<Vec<Option<Message>>, Trouble> {
        self.model.last(subjects)
    }
    fn read(
        &mut self,
        subject: &Subject,
        from: u64,
        until: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Message>, Trouble> {
        self.model.read(subject, from, until, limit)
    }
    fn rules(&mut self, after: u64, freshly: bool) -> Result<Vec<(Subject, Message)>, Trouble> {
        self.model.rules(after, freshly)
    }
    fn purge(&mut self, subject: &Subject, up_to: u64) {
        self.model.purge(subject, up_to);
    }
    fn remove(&mut self, subject: &Subject, up_to: u64) -> Result<(), Trouble> {
        self.model.remove(subject, up_to)
    }
    fn names(&mut self, kind: Kind) -> Result<Vec<UserName>, Trouble> {
        self.model.names(kind)
    }
    fn bytes(&mut self) -> Result<u64, Trouble> {
        self.model.bytes()
    }
}

fn town(path: &Path) -> town::Seen {
    town::build(&mut embedded(path));
    town::seen(&mut embedded(path))
}

#[test]
fn killed_behind_any_message_it_goes_on_and_nothing_is_doubled() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("mail.db");
    let before = town(&path);
    let mut file = WholeFile::open(&path).unwrap();
    let model = Model::default();
    let all = course(&mut file, &mut WholeLog::new(model.connect(), Begun::Now), Begun::Now);
    let all = all.unwrap();
    for messages in 0.. {
        let model = Model::default();
        let dying = Dying { model: model.connect(), messages };
        let mut log = WholeLog::new(dying, Begun::Now).impatient();
        match course(&mut file, &mut log, Begun::Now) {
            Ok(_) => {
                assert!(messages > 40, "only {messages} messages for a whole town");
                return;
            }
            Err(MigrateError::Engine { .. }) => {}
            Err(error) => panic!("{messages}: {error}"),
        }
        // And once more on the way.
        let dying = Dying { model: model.connect(), messages: messages / 2 };
        let mut log = WholeLog::new(dying, Begun::Before).impatient();
        let _ = course(&mut file, &mut log, Begun::Before);
        let mut log = WholeLog::new(model.connect(), Begun::Before);
        assert_eq!(course(&mut file, &mut log, Begun::Before).unwrap(), all, "{messages}");
        assert_eq!(town::seen(&mut node(&model)), before, "{messages}");
    }
}

#[test]
fn killed_after_any_page_it_goes_on_in_the_same_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("mail.db");
    let before = town(&path);
    let mut source = WholeFile::open(&path).unwrap();
    for pages in 0..5 {
        let to = directory.path().join(format!("{pages}.db"));
        let (mut file, begun) = filled(&to, "here");
        assert_eq!(begun, Begun::Now);
        let mut left = pages;
        let mut killed = Course {
            from: &mut source,
            to: &mut file,
            users_per_page: USERS_PER_PAGE,
            watch: &mut |_| {
                left -= 1;
                if left < 0 { Err(MigrateError::Stopped) } else { Ok(()) }
            },
        };
        assert!(matches!(killed.copy(begun), Err(MigrateError::Stopped)));
        drop(file);
        let (mut file, begun) = filled(&to, "here");
        assert_eq!(begun, Begun::Before);
        course(&mut source, &mut file, begun).unwrap();
        file.finish().unwrap();
        assert_eq!(town::seen(&mut embedded(&to)), before, "{pages}");
    }
}

#[test]
fn what_changed_since_a_killed_try_is_put_right_by_the_next() {
    let directory = TempDir::new().unwrap();
    let [path, to] = ["mail.db", "to.db"].map(|name| directory.path().join(name));
    town(&path);
    let model = Model::default();
    let mut source = WholeFile::open(&path).unwrap();
    course(&mut source, &mut WholeLog::new(model.connect(), Begun::Now), Begun::Now).unwrap();
    let (mut file, begun) = filled(&to, "here");
    course(&mut source, &mut file, begun).unwrap();
    drop((source, file));

    // Somebody lost patience, and started the server again.
    let mut store = embedded(&path);
    let mut decisions = vec![
        Decision::Free { user: user("judy") },
        Decision::Unban { user: user("eve") },
        Decision::Rebind { user: user("ann"), key: pychat_proto::PublicKey([3; 32]) },
    ];
    let mut twice = store.invites().unwrap().into_iter().find(|it| it.uses == Some(2)).unwrap();
    twice.uses = Some(1);
    decisions.push(Decision::Revoke { code: twice.code.clone() });
    decisions.push(Decision::Invite(twice));
    let decisions: Vec<Command> = decisions.into_iter().map(Command::Decide).collect();
    store.commit(&decisions).unwrap();
    store.commit(&[publish_device("kim", 1, 1), text("bob", 2, "kim", b"new")]).unwrap();
    drop(store);
    let before = town::seen(&mut embedded(&path));

    let mut source = WholeFile::open(&path).unwrap();
    let mut log = WholeLog::new(model.connect(), Begun::Before);
    let there = course(&mut source, &mut log, Begun::Before).unwrap();
    assert_eq!(town::seen(&mut node(&model)), before);
    let (mut file, begun) = filled(&to, "here");
    assert_eq!(begun, Begun::Before);
    assert_eq!(course(&mut source, &mut file, begun).unwrap(), there);
    file.finish().unwrap();
    assert_eq!(town::seen(&mut embedded(&to)), before);
}

#[test]
fn a_difference_is_told_with_names() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("mail.db");
    town(&path);
    let model = Model::default();
    let mut source = WholeFile::open(&path).unwrap();
    let mut log = WholeLog::new(model.connect(), Begun::Now);
    course(&mut source, &mut log, Begun::Now).unwrap();
    node(&model).commit(&[text("ann", 77, "bob", b"later"), text("ann", 78, "eve", b"")]).unwrap();
    let mut log: Box<dyn Whole> = Box::new(log);
    let mut course = Course {
        from: &mut source,
        to: &mut *log,
        users_per_page: USERS_PER_PAGE,
        watch: &mut |_| Ok(()),
    };
    let error = course.compare().unwrap_err();
    assert!(matches!(error, MigrateError::Differ { count: 2, .. }), "{error}");
    let told = "both places were compared, and do not hold the same of 2 users: bob, eve";
    assert_eq!(error.to_string(), told);
}
