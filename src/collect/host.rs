//! The machine itself: CPU, memory, network ports, disks, pressure, sensors, its clock.
//! What may block for long has a collector of its own: [`Mounts`], [`Power`] and [`Processes`].
//!
//! What the machine is, CPUs, load, memory, uptime and processes come from sysinfo. `/proc` and `/sys` tell what it
//! has not (pressure, InfiniBand, EDAC, GPU memory among the host's), or has only in a way that this agent cannot
//! use: its networks count bonds and bridges again, its disks are only those that are mounted and hang with them,
//! its sensors are those of disks and adapters too, which hang with their firmware. Every such path is taken below
//! a root, `/` on a live machine, so that tests read recorded trees. Files read every round are kept open; what
//! changes rarely, or is dear to read, is read every few seconds.

mod cpu;
mod disk;
mod edac;
mod ledger;
mod machine;
mod memory;
mod mounts;
mod network;
mod power;
mod processes;
mod psi;
mod rate;
mod sensor;
mod source;
mod throttle;
mod timekeeping;
#[cfg(test)]
mod tree;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    collect::{Collector, Findings, Watchlist, clock::Clock},
    model::Time,
};
use ledger::Ledger;

pub use machine::boot_id;
pub use mounts::Mounts;
pub use power::Power;
pub use processes::Processes;

/// Every collector of the host's side of the machine whose filesystem is at `root`. Processes of `watchlist` are
/// reported even when they are idle. Fails when sysinfo knows nothing of this kind of system.
pub fn collectors(root: &Path, watchlist: &Watchlist) -> Result<Vec<Box<dyn Collector>>, sysinfo::Error> {
    let processes = Processes::new(root, watchlist.clone())?;
    let (host, mounts, power) = (Host::new(root)?, Mounts::new(root), Power::new(root));
    Ok(vec![Box::new(host), Box::new(mounts), Box::new(power), Box::new(processes)])
}

/// Port states, error counters, sensors and the like.
const OFTEN: Duration = Duration::from_secs(5);
/// What there is to read: ports, disks, sensors, GPUs on the bus.
const RARELY: Duration = Duration::from_secs(30);

/// The collector `host`.
#[derive(Debug)]
pub struct Host {
    clock: Clock,
    ledger: Ledger,
    machine: machine::Machine,
    cpu: cpu::Cpu,
    memory: memory::Memory,
    network: network::Network,
    disk: disk::Disk,
    psi: psi::Psi,
    sensor: sensor::Sensor,
    edac: edac::Edac,
    throttle: throttle::Throttle,
    often: Due,
    rarely: Due,
}

impl Host {
    /// Reads the machine whose filesystem is at `root`: `/`, or a recorded tree.
    /// Fails when sysinfo knows nothing of this kind of system.
    pub fn new(root: &Path) -> Result<Host, sysinfo::Error> {
        Host::with(root, Clock::monotonic())
    }

    fn with(root: &Path, clock: Clock) -> Result<Host, sysinfo::Error> {
        Ok(Host {
            clock,
            ledger: Ledger::default(),
            machine: machine::Machine::new(root),
            cpu: cpu::Cpu::new(root)?,
            memory: memory::Memory::new(root)?,
            network: network::Network::new(root),
            disk: disk::Disk::new(root),
            psi: psi::Psi::new(root),
            sensor: sensor::Sensor::new(root),
            edac: edac::Edac::new(root),
            throttle: throttle::Throttle::new(root),
            often: Due::every(OFTEN),
            rarely: Due::every(RARELY),
        })
    }
}

impl Collector for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn collect(&mut self, now: Time) -> Findings {
        let at = self.clock.now();
        let ledger = &mut self.ledger;
        let began = Instant::now();
        let (often, rarely) = (self.often.is_due(at), self.rarely.is_due(at));
        if rarely {
            self.machine.survey(ledger);
            self.memory.survey();
            self.network.survey(now, ledger);
            self.disk.survey();
            self.sensor.survey();
        }
        ledger.cost("survey", rarely, began);

        let began = Instant::now();
        self.cpu.read(ledger);
        self.memory.read(ledger);
        self.disk.read(at, ledger);
        self.psi.read(ledger);
        timekeeping::read(ledger);
        ledger.cost("system", true, began);

        let began = Instant::now();
        if often {
            self.network.inspect(now, ledger);
        }
        self.network.read(at, ledger);
        ledger.cost("network", true, began);

        let began = Instant::now();
        if often {
            self.sensor.read(ledger);
            self.edac.read(ledger);
            self.throttle.read(ledger);
            self.memory.inspect(ledger);
            timekeeping::inspect(ledger);
        }
        ledger.cost("sensors", often, began);
        ledger.take()
    }
}

/// Something that is done every so often, and at once the first time.
#[derive(Debug)]
struct Due {
    every: Duration,
    next: Option<Duration>,
}

impl Due {
    fn every(every: Duration) -> Due {
        Due { every, next: None }
    }

    fn is_due(&mut self, at: Duration) -> bool {
        let due = self.next.is_none_or(|next| at >= next);
        if due {
            self.next = Some(at + self.every);
        }
        due
    }
}

#[cfg(test)]
mod tests;
