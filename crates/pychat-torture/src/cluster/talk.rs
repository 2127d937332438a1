//! What people write and are shown, and how long it takes.

use super::people::Person;
use crate::{
    record::{self, Records, Sent},
    talk::arrived,
    timeline::unix_ms,
};
use anyhow::{Context, Result};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    io::{BufRead as _, BufReader, Read},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Who writes, and to whom: places among the people.
pub(crate) type Stream = (usize, usize);

/// Everybody's talk. Shared by all threads.
pub(crate) struct Talk<'a> {
    pub(crate) people: &'a [Person],
    /// What was taken.
    pub(crate) sent: Records,
    /// What was shown.
    pub(crate) shown: Records,
    /// How many texts each stream has; locked while one is said, as its order is the order of saying.
    numbers: Mutex<BTreeMap<Stream, Arc<Mutex<u64>>>>,
    heard: Mutex<Heard>,
    /// Something was shown.
    showed: Condvar,
}

/// What was heard so far.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    texts: HashMap<String, Text>,
    taken: usize,
    shown: usize,
    /// Commands that gave up waiting for more than `queued`.
    pub(crate) only_queued: u64,
    /// What must not happen.
    pub(crate) surprises: Vec<String>,
}

/// When a text was taken and when it was first shown.
#[derive(Clone, Copy, Debug, Default)]
struct Text {
    taken: Option<Instant>,
    shown: Option<Instant>,
    /// Nobody was to read it at once.
    absent: bool,
}

/// A surprise ends the notes after so many.
const SURPRISES_MAX: usize = 100;

/// A text's way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// When it was taken.
    pub(crate) taken: Instant,
    /// How long until it was shown.
    pub(crate) took: Duration,
}

impl<'a> Talk<'a> {
    /// Nothing was said so far.
    pub(crate) fn new(people: &'a [Person], sent: Records, shown: Records) -> Self {
        let (numbers, heard) = (Mutex::default(), Mutex::default());
        Self { people, sent, shown, numbers, heard, showed: Condvar::new() }
    }

    /// Says one text and waits as it is asked to. `absent` if its reader is not there.
    pub(crate) fn say(&self, stream: Stream, wait: &str, timeout: &str, absent: bool) {
        let number = Arc::clone(lock(&self.numbers).entry(stream).or_default());
        let mut number = lock(&number);
        *number += 1;
        let (writer, reader) = stream;
        let (from, to) = (&self.people[writer], self.people[reader].name());
        let text = format!("{} to {to} {number}", from.name());
        let key = format!("{}-{to}-{number}", from.name());
        let said = from.ctl(&[
            "send",
            to,
            "--id",
            &key,
            "--wait",
            wait,
            "--timeout",
            timeout,
            "--",
            &text,
        ]);
        let id = said.and_then(|said| {
            let id = said.json().and_then(|json| json["id"].as_str().map(str::to_owned));
            match said.code {
                Some(0) => {}
                Some(6) => self.heard().only_queued += 1,
                _ => self.surprise(format!("sending {key}: {said:?}")),
            }
            id.with_context(|| format!("{key} was not taken: {said:?}"))
        });
        let id = match id {
            Ok(id) => id,
            Err(error) => return self.surprise(format!("{error:#}")),
        };
        self.sent.add(&Sent {
            at_ms: unix_ms(),
            from: from.name().into(),
            to: to.into(),
            key,
            id,
            text: text.clone(),
        });
        let mut heard = self.heard();
        heard.taken += 1;
        let entry = heard.texts.entry(text).or_default();
        entry.absent = absent;
        entry.taken = Some(Instant::now());
    }

    /// Notes what a follower shows, to its end.
    pub(crate) fn read(&self, shown: impl Read) {
        for line in BufReader::new(shown).lines() {
            // One that was killed in the middle of a line.
            let Ok(line) = line else { return };
            let item: Value = serde_json::from_str(&line).unwrap_or_default();
            match arrived(&item, false) {
                Ok(one) => {
                    self.shown.add(&one);
                    let mut heard = self.heard();
                    let text = heard.texts.entry(one.text).or_default();
                    if text.shown.is_none() {
                        text.shown = Some(Instant::now());
                        heard.shown += 1;
                        self.showed.notify_all();
                    }
                }
                Err(error) => self.surprise(format!("a follower shows {line:?}: {error:#}")),
            }
        }
    }

    /// Waits until everything taken was shown; else says how much was not. Nobody says anything meanwhile.
    pub(crate) fn wait_shown(&self, deadline: Duration) -> Result<(), usize> {
        let end = Instant::now() + deadline;
        let mut heard = self.heard();
        while heard.shown < heard.taken {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(heard.taken - heard.shown);
            }
            let waited = self.showed.wait_timeout(heard, left);
            heard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// What was taken and not shown so far.
    pub(crate) fn missing(&self) -> Result<Vec<Sent>> {
        let sent: Vec<Sent> = record::read(self.sent.path())?;
        let heard = self.heard();
        let missing = |one: &Sent| heard.texts.get(&one.text).is_none_or(|it| it.shown.is_none());
        Ok(sent.into_iter().filter(missing).collect())
    }

    /// How many texts were taken.
    pub(crate) fn taken(&self) -> usize {
        self.heard().taken
    }

    /// The ways of all texts to people who were there.
    pub(crate) fn ways(&self) -> Vec<Way> {
        let heard = self.heard();
        let there = heard.texts.values().filter(|text| !text.absent);
        let way = |text: &Text| {
            let (taken, shown) = (text.taken?, text.shown?);
            // It may be shown before its sender hears that it was taken.
            Some(Way { taken, took: shown.saturating_duration_since(taken) })
        };
        there.filter_map(way).collect()
    }

    /// Notes what must not happen.
    pub(crate) fn surprise(&self, text: String) {
        let mut heard = self.heard();
        if heard.surprises.len() < SURPRISES_MAX {
            heard.surprises.push(text);
        }
    }

    /// What was heard so far.
    pub(crate) fn heard(&self) -> MutexGuard<'_, Heard> {
        lock(&self.heard)
    }

    /// The streams in which something was said.
    pub(crate) fn streams(&self) -> Vec<Stream> {
        lock(&self.numbers).keys().copied().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
