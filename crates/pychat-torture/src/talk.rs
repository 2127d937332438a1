//! What people do: write to each other and read, and write down what the programs tell them.

use crate::{
    gate::Gate,
    person::Person,
    record::{Arrived, Records, Sent},
    said::Said,
    timeline::{Timeline, unix_ms},
};
use anyhow::{Context, Result, bail};
use pychat_testkit::dice::{Chance, Dice};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// The longest pause between two sentences.
const PAUSE_MAX: Duration = Duration::from_millis(60);

/// The longest pause between two looks into the inbox.
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(2_000);

/// The longest pause before a sentence that was not taken is typed again.
const AGAIN_MAX: Duration = Duration::from_millis(300);

/// A sentence is taken within this time, whatever happens.
const TAKEN_DEADLINE: Duration = Duration::from_secs(180);

/// A surprise ends the notes of its kind after so many.
const SURPRISES_MAX: usize = 100;

/// Everybody's talk. Shared by all threads.
pub(crate) struct Talk<'a> {
    pub(crate) people: &'a [Person],
    pub(crate) gate: &'a Gate,
    pub(crate) timeline: &'a Timeline,
    /// What was taken.
    pub(crate) sent: Records,
    /// What inboxes showed.
    pub(crate) shown: Records,
    heard: Mutex<Heard>,
}

/// What was heard so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// The key of the last text taken, by writer and reader.
    pub(crate) last_keys: BTreeMap<(usize, usize), String>,
    /// How many texts were taken.
    pub(crate) sent: usize,
    /// How often a sentence was typed again, by the exit code of the try before.
    pub(crate) again: BTreeMap<i32, u64>,
    /// How often a sentence that was taken was typed once more on purpose.
    pub(crate) repeated: u64,
    /// What must not happen.
    pub(crate) surprises: Vec<String>,
}

impl<'a> Talk<'a> {
    /// Nothing was said so far.
    pub(crate) fn new(
        people: &'a [Person],
        gate: &'a Gate,
        timeline: &'a Timeline,
        sent: Records,
        shown: Records,
    ) -> Self {
        Self { people, gate, timeline, sent, shown, heard: Mutex::default() }
    }

    /// What was heard so far.
    pub(crate) fn heard(&self) -> Heard {
        self.lock().clone()
    }

    /// Writes to the others, until it is time to leave.
    pub(crate) fn write(&self, writer: usize, mut dice: Dice) {
        let mut numbers = vec![0_u64; self.people.len()];
        while self.gate.pass() {
            let others = self.people.len() - 1;
            let drawn = usize::try_from(dice.below(others as u64)).expect("it is below a length");
            let reader = if drawn >= writer { drawn + 1 } else { drawn };
            numbers[reader] += 1;
            let (from, to) = (self.people[writer].name(), self.people[reader].name());
            let number = numbers[reader];
            let text = format!("{from} to {to} {number}{}", padding(&mut dice));
            let key = format!("{from}-{to}-{number}");
            if let Err(error) = self.say(writer, reader, &key, &text, &mut dice) {
                self.surprise(format!("{key} was not taken: {error:#}"));
                return;
            }
            thread::sleep(dice.up_to(PAUSE_MAX));
        }
    }

    /// Types one text until it is told that it was taken, and notes it.
    fn say(
        &self,
        writer: usize,
        reader: usize,
        key: &str,
        text: &str,
        dice: &mut Dice,
    ) -> Result<()> {
        let (from, to) = (&self.people[writer], self.people[reader].name());
        let end = Instant::now() + TAKEN_DEADLINE;
        let id = loop {
            // Most people do not wait.
            let wait = match dice.below(20) {
                0 => "delivered",
                1 | 2 => "accepted",
                _ => "queued",
            };
            let said = type_it(from, to, key, text, wait)?;
            match self.understand(key, &said) {
                Told::Taken(id) => break id,
                Told::Not => {}
            }
            if Instant::now() >= end {
                bail!("not within {TAKEN_DEADLINE:?}; the last try: {said:?}");
            }
            thread::sleep(dice.up_to(AGAIN_MAX));
        };
        self.sent.add(&Sent {
            at_ms: unix_ms(),
            from: from.name().into(),
            to: to.into(),
            key: key.into(),
            id: id.clone(),
            text: text.into(),
        });
        {
            let mut heard = self.lock();
            heard.sent += 1;
            heard.last_keys.insert((writer, reader), key.into());
        }
        // Some people hit the key twice: with the same key it is the same message.
        if dice.roll(Chance::percent(5.0)) {
            self.lock().repeated += 1;
            let said = type_it(from, to, key, text, "queued")?;
            if let Told::Taken(again) = self.understand(key, &said)
                && again != id
            {
                self.surprise(format!("{key} was taken twice, as {id} and as {again}"));
            }
        }
        Ok(())
    }

    /// What `send` told: only what it says counts, not what it may have done.
    fn understand(&self, key: &str, said: &Said) -> Told {
        let sent = said.json();
        let field = |name: &str| sent.as_ref().and_then(|sent| sent[name].as_str());
        match said.code {
            Some(0 | 6) if field("id").is_some() => {
                let state = field("state").unwrap_or_default();
                if matches!(state, "refused" | "cancelled" | "expired") {
                    self.surprise(format!("{key} ended as {state}: {said:?}"));
                }
                return Told::Taken(field("id").unwrap_or_default().to_owned());
            }
            // The daemon failed, is out of reach, timed out, has no room; or a kill hit the command.
            Some(1 | 3 | 6 | 8 | 137) => {}
            Some(_) | None => self.surprise(format!("sending {key}: {said:?}")),
        }
        if said.code != Some(137) {
            self.timeline.note(
                "not taken",
                key,
                &format!("{:?} {}", said.code, said.stderr.trim()),
            );
        }
        *self.lock().again.entry(said.code.unwrap_or(-1)).or_default() += 1;
        Told::Not
    }

    /// Reads the inbox again and again, until it is time to leave.
    pub(crate) fn read(&self, reader: usize, mut dice: Dice) {
        while self.gate.pass() {
            if let Err(error) = self.look(reader) {
                self.surprise(format!("{error:#}"));
                return;
            }
            thread::sleep(dice.up_to(LOOK_PAUSE_MAX));
        }
    }

    /// Looks into the inbox once, and tells how many texts were there; `None` if the look failed.
    pub(crate) fn look(&self, reader: usize) -> Result<Option<usize>> {
        let person = &self.people[reader];
        let said = person.ctl(&["inbox", "-n", "1000"], None)?;
        let cut_off = said.code != Some(0);
        match said.code {
            Some(0 | 1 | 3 | 6 | 8 | 137) => {}
            Some(_) | None => self.surprise(format!("the inbox of {}: {said:?}", person.name())),
        }
        if cut_off && said.code != Some(137) {
            let detail = format!("{:?} {}", said.code, said.stderr.trim());
            self.timeline.note("not read", person.name(), &detail);
        }
        let Some(items) = said.json().and_then(|list| list["items"].as_array().cloned()) else {
            return Ok(None);
        };
        let shown = items.iter().map(|item| arrived(item, cut_off)).collect::<Result<Vec<_>>>()?;
        shown.iter().for_each(|one| self.shown.add(one));
        Ok((!cut_off).then_some(shown.len()))
    }

    /// Notes what must not happen.
    pub(crate) fn surprise(&self, text: String) {
        self.timeline.note("surprise", "", &text);
        let mut heard = self.lock();
        if heard.surprises.len() < SURPRISES_MAX {
            heard.surprises.push(text);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What `send` told.
enum Told {
    /// It has the text, as this id.
    Taken(String),
    /// It does not say that it has it.
    Not,
}

/// Texts of this length and above go through standard input.
const LONG_BYTES: usize = 4_096;

fn type_it(from: &Person, to: &str, key: &str, text: &str, wait: &str) -> Result<Said> {
    let send = ["send", to, "--id", key, "--wait", wait, "--timeout", "2s", "--"];
    if text.len() < LONG_BYTES {
        from.ctl(&[&send[..], &[text]].concat(), None)
    } else {
        from.ctl(&[&send[..], &["-"]].concat(), Some(text))
    }
}

/// What follows a text's number: mostly nothing or little, at times as much as many packets hold.
fn padding(dice: &mut Dice) -> String {
    let length = match dice.below(50) {
        // With characters outside ASCII still below a text's limit in bytes.
        0 => dice.below(27_000),
        1..=8 => dice.below(2_000),
        9..=24 => dice.below(100),
        _ => return String::new(),
    };
    let alphabet: Vec<char> = "abcdefghijklmnopqrstuvwxyz äß語".chars().collect();
    let draw = |dice: &mut Dice| {
        alphabet[usize::try_from(dice.below(alphabet.len() as u64)).expect("it is below a length")]
    };
    std::iter::once(' ').chain((0..length).map(|_| draw(dice))).chain(Some('.')).collect()
}

/// A message as `pychatctl --json` shows it.
pub(crate) fn arrived(item: &Value, cut_off: bool) -> Result<Arrived> {
    let field = |name: &str| {
        let text = item[name].as_str();
        text.map(str::to_owned).with_context(|| format!("a message without {name}: {item}"))
    };
    let (from, to, id, text) = (field("from")?, field("to")?, field("id")?, field("body")?);
    Ok(Arrived { from, to, id, text, cut_off })
}
