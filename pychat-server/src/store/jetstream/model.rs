//! A cluster in memory, as JetStream promises to be: for tests of what stands on it, and for the simulation.

use super::{
    broker::{Broker, Message, Publish, PublishError, Trouble},
    subject::{Kind, Subject},
};
use crate::store::ReadLimit;
use pychat_proto::UserName;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// One node's connection to a cluster that several share.
#[derive(Clone, Debug, Default)]
pub struct Model {
    log: Arc<Mutex<Log>>,
    weather: Arc<Mutex<Weather>>,
    waited: Arc<AtomicUsize>,
}

/// How a connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weather {
    /// It answers.
    #[default]
    Fair,
    /// It is cut: nothing is done.
    Cut,
    /// What is published is done, and nothing is heard of it.
    Deaf,
    /// No leader is elected: nothing is taken, which is told at once, and whoever asks for what is newest waits in
    /// vain.
    Leaderless,
}

#[derive(Debug, Default)]
struct Log {
    messages: BTreeMap<Subject, Vec<Message>>,
    newest: u64,
    newest_rule: u64,
}

impl Model {
    /// Another connection to the same cluster.
    #[must_use]
    pub fn connect(&self) -> Self {
        Self { log: Arc::clone(&self.log), ..Self::default() }
    }

    /// From now on the connection is like this, for all of its clones.
    pub fn set_weather(&self, weather: Weather) {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner) = weather;
    }

    /// How often somebody has waited in vain.
    #[cfg(test)]
    pub(super) fn waited(&self) -> usize {
        self.waited.load(Ordering::Relaxed)
    }

    fn weather(&self) -> Weather {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> Result<MutexGuard<'_, Log>, Trouble> {
        match self.weather() {
            Weather::Fair => Ok(self.log.lock().unwrap_or_else(PoisonError::into_inner)),
            Weather::Cut | Weather::Deaf | Weather::Leaderless => {
                Err(Trouble::NotDone("the connection is cut".into()))
            }
        }
    }
}

impl Log {
    fn publish(&mut self, publish: &Publish) -> Result<u64, PublishError> {
        let Publish { subject, expected, replaces, body } = publish;
        let is_rule = !matches!(subject, Subject::User(..));
        let messages = self.messages.entry(subject.clone()).or_default();
        let (newest, counter) = if is_rule {
            (self.newest_rule, &mut self.newest_rule)
        } else {
            (messages.last().map_or(0, |message| message.number), &mut self.newest)
        };
        if newest != *expected {
            return Err(PublishError::Conflict);
        }
        *counter += 1;
        if is_rule || *replaces {
            messages.clear();
        }
        messages.push(Message { number: *counter, body: body.clone() });
        Ok(*counter)
    }
}

impl Broker for Model {
    fn publish(&mut self, batch: &[Publish]) -> Vec<Result<u64, PublishError>> {
        let weather = self.weather();
        if matches!(weather, Weather::Cut | Weather::Leaderless) {
            let cut = || PublishError::Trouble(Trouble::NotDone("the connection is cut".into()));
            return batch.iter().map(|_| Err(cut())).collect();
        }
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let results = batch.iter().map(|publish| {
            let result = log.publish(publish);
            match weather {
                Weather::Fair | Weather::Cut | Weather::Leaderless => result,
                Weather::Deaf => Err(Trouble::Unknown("nothing was heard".into()).into()),
            }
        });
        results.collect()
    }

    fn last(&mut self, subjects: &[Subject]) -> Result<Vec<Option<Message>>, Trouble> {
        if self.weather() == Weather::Leaderless {
            self.waited.fetch_add(1, Ordering::Relaxed);
        }
        let log = self.log()?;
        let last = |subject| log.messages.get(subject).and_then(|it| it.last()).cloned();
        Ok(subjects.iter().map(last).collect())
    }

    fn read(
        &mut self,
        subject: &Subject,
        from: u64,
        _until: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Message>, Trouble> {
        let log = self.log()?;
        let Some(messages) = log.messages.get(subject) else { return Ok(Vec::new()) };
        let mut bytes = 0;
        let mut read = Vec::new();
        for message in messages.iter().filter(|message| message.number >= from) {
            bytes += message.body.len();
            let fits = read.len() < limit.entries && bytes <= limit.bytes;
            if !read.is_empty() && !fits {
                break;
            }
            read.push(message.clone());
        }
        Ok(read)
    }

    fn rules(&mut self, after: u64, _freshly: bool) -> Result<Vec<(Subject, Message)>, Trouble> {
        let log = self.log()?;
        let rules =
            log.messages.iter().filter(|(subject, _)| !matches!(subject, Subject::User(..)));
        let rules = rules.flat_map(|(subject, messages)| {
            messages.iter().map(|message| (subject.clone(), message.clone()))
        });
        let mut rules: Vec<_> = rules.filter(|(_, message)| message.number > after).collect();
        rules.sort_unstable_by_key(|(_, message)| message.number);
        Ok(rules)
    }

    fn purge(&mut self, subject: &Subject, up_to: u64) {
        // Who is cut off does it some other time.
        let _ = self.remove(subject, up_to);
    }

    fn remove(&mut self, subject: &Subject, up_to: u64) -> Result<(), Trouble> {
        let mut log = self.log()?;
        if let Some(messages) = log.messages.get_mut(subject) {
            messages.retain(|message| message.number > up_to);
            if messages.is_empty() {
                log.messages.remove(subject);
            }
        }
        Ok(())
    }

    fn names(&mut self, kind: Kind) -> Result<Vec<UserName>, Trouble> {
        let names = self.log()?;
        let names = names.messages.keys().filter_map(|subject| match subject {
            Subject::User(of, user) if *of == kind => Some(*user),
            Subject::User(..) | Subject::Ban(_) | Subject::Invite(_) => None,
        });
        Ok(names.collect())
    }

    fn bytes(&mut self) -> Result<u64, Trouble> {
        let log = self.log()?;
        let bytes = log.messages.values().flatten().map(|message| message.body.len() as u64);
        Ok(bytes.sum::<u64>() + 1)
    }
}
