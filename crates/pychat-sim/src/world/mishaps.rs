//! What goes wrong, and the end of it.

use super::{Host, SERVER, World};
use crate::{disk::Crash, server::FLUSH_MAX};
use pychat_testkit::{
    dice::Chance,
    faults::{Faults, Loss},
};
use std::{net::SocketAddr, time::Duration};

/// How far a wall clock is set forward or back.
const CLOCK_STEP_MS: u64 = 3_600_000;

impl World {
    pub(super) fn make_trouble(&mut self) {
        self.next_trouble = self.network.now() + self.dice.up_to(Duration::from_secs(4));
        let index = self.dice.below(self.daemons.len() as u64) as usize;
        let (user, server) = (self.daemons[index].address, self.server.address);
        let host = self.dice.below(self.machines.len() as u64) as usize;
        match self.dice.below(18) {
            0..=3 => {
                let (there, back) = (self.draw_faults(), self.draw_faults());
                self.note(index + 1, || format!("has a new link: {:?} loss", there.loss));
                self.network.set_faults(user, server, there);
                self.network.set_faults(server, user, back);
            }
            4 => self.network.set_faults_between(user, server, Faults::BLACKOUT),
            5 => self.network.set_faults(user, server, Faults::BLACKOUT),
            6 => self.network.set_faults(server, user, Faults::BLACKOUT),
            7 | 8 => {
                self.rebinds += 1;
                let outside = SocketAddr::from(([10, 0, 2, index as u8], 1000 + self.rebinds));
                self.note(index + 1, || format!("looks like {outside} from now on"));
                self.trace.name(outside, self.name(index + 1));
                self.network.rebind(user, outside);
            }
            9 => {
                let nap = self.dice.up_to(Duration::from_secs(100));
                self.note(index + 1, || format!("sleeps for {nap:?}"));
                self.network.jump_clock(user, nap);
                let now = self.now(index + 1);
                self.daemons[index].handle_network_change(now);
            }
            10 => self.kill_if_running(host, Crash::Kill),
            11 => self.kill_if_running(host, Crash::PowerCut),
            12 => self.stop_server(),
            13 => self.stall(host),
            14 | 15 => self.spoil_disk(host),
            16 => {
                let step = self.dice.below(2 * CLOCK_STEP_MS + 1).cast_signed();
                let off = step - CLOCK_STEP_MS.cast_signed();
                self.note(host, || format!("has its clock off by {off} ms"));
                self.machines[host].clock_off_ms = off;
            }
            _ => self.check_prefixes(),
        }
    }

    fn kill_if_running(&mut self, host: Host, crash: Crash) {
        if self.is_running(host) {
            self.kill(host, crash);
        }
    }

    /// The server ends in good order, and comes back.
    fn stop_server(&mut self) {
        if !self.server.is_running() || self.machines[SERVER].stopped_until.is_some() {
            return;
        }
        self.note(SERVER, || "is asked to end".to_owned());
        let mut out = Vec::new();
        let now = self.server_now();
        self.server.stop(now, &mut out);
        for (to, bytes) in out {
            self.network.send(self.server.address, to, bytes);
        }
        self.server.disk.pull(Crash::Kill);
        self.crash(SERVER, "in good order");
    }

    /// A program does nothing for a while: it was stopped, or its disk takes that long.
    fn stall(&mut self, host: Host) {
        if !self.is_running(host) {
            return;
        }
        let pause = self.dice.up_to(Duration::from_secs(8));
        self.note(host, || format!("does nothing for {pause:?}"));
        self.machines[host].stopped_until = Some(self.network.now() + pause);
    }

    fn spoil_disk(&mut self, host: Host) {
        self.outcome.disk_faults += 1;
        let some = 1 + self.dice.below(3) as u32;
        match self.dice.below(5) {
            0 => {
                let room = self.dice.below(20_000) as usize;
                self.note(host, || format!("has room for {room} bytes more"));
                self.disk(host).set_room(Some(room));
            }
            1 => {
                self.note(host, || "has room again".to_owned());
                self.disk(host).set_room(None);
            }
            2 => {
                self.note(host, || format!("fails at the next {some} syncs"));
                self.disk(host).fail_syncs(some);
            }
            3 => {
                self.note(host, || format!("fails at the next {some} writes"));
                self.disk(host).fail_writes(some);
            }
            _ => {
                let flush_max = self.dice.up_to(Duration::from_secs(3));
                self.note(SERVER, || format!("takes up to {flush_max:?} for a flush"));
                self.server.flush_max = flush_max;
            }
        }
    }

    fn draw_faults(&mut self) -> Faults {
        let dice = &mut self.dice;
        let mut percent = |most: u64| Chance::percent(dice.below(most + 1) as f64);
        let random = Loss::Random(percent(40));
        let (reordering, duplication, corruption) = (percent(20), percent(10), percent(5));
        let loss = match dice.below(3) {
            0 => Loss::Bursts {
                worsen: Chance::percent(5.0),
                recover: Chance::percent(20.0),
                good: Chance::percent(2.0),
                bad: Chance::percent(80.0),
            },
            _ => random,
        };
        Faults {
            loss,
            delay: dice.up_to(Duration::from_millis(150)),
            jitter: dice.up_to(Duration::from_millis(60)),
            reordering,
            reordering_delay: Duration::from_millis(80),
            duplication,
            corruption,
            ..Faults::NONE
        }
    }

    /// From now on nothing goes wrong.
    pub(super) fn heal(&mut self) {
        self.note(SERVER, || "from now on nothing goes wrong".to_owned());
        self.healed = true;
        self.network.set_all_faults(Faults::delayed(Duration::from_millis(20)));
        self.server.flush_max = FLUSH_MAX;
        for host in 0..self.machines.len() {
            self.disk(host).set_room(None);
            self.disk(host).fail_syncs(0);
            self.disk(host).fail_writes(0);
            self.machines[host].stopped_until = None;
            // Machines whose plug would be pulled at some later write start once more.
            if self.is_running(host) {
                let cut = self.dice.below(2) == 0;
                self.kill(host, if cut { Crash::PowerCut } else { Crash::Kill });
            }
        }
    }
}
