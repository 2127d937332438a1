//! Carries the schedule out.

use crate::{
    disk::SmallDisk,
    interrupt::Interrupt,
    person::Person,
    plan::{Mishap, Planned, Victim},
    process::{Process, Signal},
    server::Server,
    strace::{self, Strace},
    timeline::Timeline,
};
use anyhow::Result;
use pychat_testkit::{faults::Faults, proxy::Direction};
use serde::Serialize;
use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

/// A killer waits so long for a command to be under way.
const COMMAND_WAIT: Duration = Duration::from_millis(500);

/// Between two looks at whether it is time.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What was done, which is what was asked for less what could not be done at its moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// kill -9 of `pychat-server`.
    pub killed_servers: u64,
    /// kill -9 of a `pychatd`.
    pub killed_daemons: u64,
    /// kill -9 of a `pychatctl`.
    pub killed_commands: u64,
    /// SIGTERM of the server or a daemon.
    pub restarts: u64,
    /// SIGSTOP and SIGCONT.
    pub freezes: u64,
    /// Disks filled.
    pub full_disks: u64,
    /// Attempts at making calls fail.
    pub breakages: u64,
    /// Calls that failed through them.
    pub failed_calls: u64,
    /// Clocks set to another hour.
    pub clock_steps: u64,
    /// Networks changed.
    pub weathers: u64,
}

impl Done {
    /// Kills of any program.
    #[must_use]
    pub const fn kills(&self) -> u64 {
        self.killed_servers + self.killed_daemons + self.killed_commands
    }
}

/// Does what was planned.
pub(crate) struct Mishaps<'a> {
    pub(crate) server: &'a Server,
    pub(crate) people: &'a [Person],
    pub(crate) timeline: &'a Timeline,
    pub(crate) interrupt: &'a Interrupt,
    /// Where strace's logs go.
    pub(crate) place: PathBuf,
    /// Whether strace is here.
    pub(crate) can_break: bool,
    pub(crate) done: Done,
    pub(crate) ends: Vec<(Instant, End)>,
}

/// What ends a mishap that lasts.
pub(crate) enum End {
    Thaw(Process),
    MakeRoom(Victim),
    Detach(Strace, Victim),
}

impl Mishaps<'_> {
    /// Carries out a round.
    pub(crate) fn round(&mut self, plan: Vec<Planned>, length: Duration) -> Result<()> {
        let start = Instant::now();
        for Planned { at, mishap } in plan {
            self.wait_until(start + at)?;
            if self.interrupt.is_noted() {
                return Ok(());
            }
            self.begin(mishap)?;
        }
        self.wait_until(start + length)
    }

    /// Ends all that lasts, and gives everybody a good network.
    pub(crate) fn heal(&mut self) -> Result<()> {
        for (_, end) in std::mem::take(&mut self.ends) {
            self.end(end)?;
        }
        self.people.iter().for_each(|person| person.proxy.set_all_faults(Faults::NONE));
        self.timeline.note("healed", "", "every fault is lifted");
        Ok(())
    }

    fn wait_until(&mut self, moment: Instant) -> Result<()> {
        loop {
            let now = Instant::now();
            while let Some(due) = self.ends.iter().position(|(at, _)| *at <= now) {
                let (_, end) = self.ends.swap_remove(due);
                self.end(end)?;
            }
            if now >= moment || self.interrupt.is_noted() {
                return Ok(());
            }
            thread::sleep(LOOK_EVERY.min(moment - now));
        }
    }

    fn begin(&mut self, mishap: Mishap) -> Result<()> {
        let text = format!("{mishap:?}");
        match mishap {
            Mishap::Kill(victim) => self.kill(victim),
            Mishap::Restart(victim) => {
                let Some(process) = self.find(victim) else { return Ok(()) };
                if victim == Victim::Server {
                    self.server.mark(|marks| marks.terminated = true);
                }
                if process.signal(Signal::TERM) {
                    self.done.restarts += 1;
                    self.note("terminated", victim, &process, &text);
                }
            }
            Mishap::Freeze(victim, length) => {
                let Some(process) = self.find(victim) else { return Ok(()) };
                if process.signal(Signal::STOP) {
                    self.done.freezes += 1;
                    self.note("frozen", victim, &process, &text);
                    self.ends.push((Instant::now() + length, End::Thaw(process)));
                }
            }
            Mishap::Fill(victim, length) => self.fill(victim, length, &text)?,
            Mishap::Break(victim, breakage, nth, length) => {
                let Some(process) = self.find(victim).filter(|_| self.can_break) else {
                    return Ok(());
                };
                let files = strace::database_files(&self.files_of(victim));
                if files.is_empty() {
                    return Ok(());
                }
                if victim == Victim::Server {
                    self.server.mark(|marks| marks.broken = true);
                }
                self.done.breakages += 1;
                let log = self.place.join(format!("strace-{}.log", self.done.breakages));
                let strace = Strace::attach(&process, &files, breakage, nth, log)?;
                self.note("strace", victim, &process, &text);
                self.ends.push((Instant::now() + length, End::Detach(strace, victim)));
            }
            Mishap::Step(victim, hours) => {
                let clock = match victim {
                    Victim::Server => self.server.clock(),
                    Victim::Daemon(person) | Victim::Command(person) => {
                        self.people[person].clock.as_ref()
                    }
                };
                if let Some(clock) = clock {
                    clock.step(hours)?;
                    self.done.clock_steps += 1;
                    self.timeline.note("clock", &self.name(victim), &text);
                }
            }
            Mishap::Weather(person, faults) => {
                let person = &self.people[person];
                let [to_server, to_client] = *faults;
                person.proxy.set_faults(Direction::ToServer, to_server);
                person.proxy.set_faults(Direction::ToClient, to_client);
                self.done.weathers += 1;
                self.timeline.note("weather", person.name(), &text);
            }
        }
        Ok(())
    }

    fn kill(&mut self, victim: Victim) {
        let Some(process) = self.find(victim) else { return };
        if victim == Victim::Server {
            self.server.mark(|marks| marks.killed = true);
        }
        if !process.signal(Signal::KILL) {
            return;
        }
        match victim {
            Victim::Server => self.done.killed_servers += 1,
            Victim::Daemon(_) => self.done.killed_daemons += 1,
            Victim::Command(_) => self.done.killed_commands += 1,
        }
        self.note("killed", victim, &process, "");
    }

    fn fill(&mut self, victim: Victim, length: Duration, text: &str) -> Result<()> {
        let disk = match victim {
            Victim::Server => &self.server.disk,
            Victim::Daemon(person) | Victim::Command(person) => &self.people[person].disk,
        };
        let Some(disk) = disk else { return Ok(()) };
        if victim == Victim::Server {
            self.server.set_full(true);
        }
        disk.fill()?;
        self.done.full_disks += 1;
        self.timeline.note("full", &self.name(victim), text);
        self.ends.push((Instant::now() + length, End::MakeRoom(victim)));
        Ok(())
    }

    fn end(&mut self, end: End) -> Result<()> {
        match end {
            End::Thaw(process) => {
                process.signal(Signal::CONT);
                self.timeline.note("thawed", "", &format!("process {}", process.pid()));
            }
            End::MakeRoom(victim) => {
                match victim {
                    Victim::Server => {
                        self.server.disk.iter().try_for_each(SmallDisk::make_room)?;
                        self.server.set_full(false);
                    }
                    Victim::Daemon(person) | Victim::Command(person) => {
                        self.people[person].disk.iter().try_for_each(SmallDisk::make_room)?;
                    }
                }
                self.timeline.note("room", &self.name(victim), "");
            }
            End::Detach(strace, victim) => {
                let failed = strace.detach();
                self.done.failed_calls += failed as u64;
                self.timeline.note("detached", &self.name(victim), &format!("{failed} failed"));
            }
        }
        Ok(())
    }

    fn find(&self, victim: Victim) -> Option<Process> {
        match victim {
            Victim::Server => self.server.process(),
            Victim::Daemon(person) => self.people[person].daemon(),
            Victim::Command(person) => {
                let end = Instant::now() + COMMAND_WAIT;
                loop {
                    let found = self.people[person].command();
                    if found.is_some() || Instant::now() >= end {
                        return found;
                    }
                    thread::sleep(LOOK_EVERY);
                }
            }
        }
    }

    fn files_of(&self, victim: Victim) -> PathBuf {
        match victim {
            Victim::Server => self.server.data().to_owned(),
            Victim::Daemon(person) | Victim::Command(person) => self.people[person].state(),
        }
    }

    fn name(&self, victim: Victim) -> String {
        match victim {
            Victim::Server => "server".into(),
            Victim::Daemon(person) => format!("daemon of {}", self.people[person].name()),
            Victim::Command(person) => format!("command of {}", self.people[person].name()),
        }
    }

    fn note(&self, what: &str, victim: Victim, process: &Process, detail: &str) {
        let detail = format!("process {} {detail}", process.pid());
        self.timeline.note(what, &self.name(victim), detail.trim());
    }
}
