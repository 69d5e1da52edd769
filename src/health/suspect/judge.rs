//! Who holds a job up: gives each of its GPUs a verdict, by what tells it from its peers of the same job and model.
//! What is not known speaks against nobody, and neither does a tensor share, a bandwidth or a power cap.

use super::peers::Peers;
use crate::model::{metric::gpu::THROTTLE_REASONS, unit::grouped, verdict::Verdict};

/// What is known of one GPU of a job.
#[derive(Clone, Debug, Default)]
pub(super) struct Rank {
    /// Which of the job's hosts it is in, and in which slot there.
    pub(super) host: usize,
    pub(super) slot: u16,
    /// A number for its model: those of another one are no peers of its.
    pub(super) model: usize,
    pub(super) util: Option<f64>,
    pub(super) tensor: Option<f64>,
    pub(super) power: Option<f64>,
    pub(super) limit: Option<f64>,
    pub(super) clock: Option<f64>,
    /// Bits of [`THROTTLE_REASONS`].
    pub(super) throttle: Option<f64>,
    pub(super) nvlink: Option<f64>,
    pub(super) links: Option<f64>,
    /// NVLink errors of the last minute.
    pub(super) errors: Option<f64>,
    pub(super) width: Option<f64>,
    pub(super) width_max: Option<f64>,
    pub(super) generation: Option<f64>,
    pub(super) generation_max: Option<f64>,
    pub(super) procs: Option<f64>,
    /// One that matters and came while the job ran.
    pub(super) xid: Option<u32>,
    /// Why it does not answer.
    pub(super) fault: Option<String>,
}

/// What is known of a node that a job has GPUs of.
#[derive(Clone, Debug, Default)]
pub(super) struct Host {
    /// Whether it has been silent for a minute.
    pub(super) is_down: bool,
    /// Processes in uninterruptible sleep.
    pub(super) blocked: Option<f64>,
    pub(super) swap: Option<f64>,
    /// Percent of the time in which something waits for a CPU, and for memory.
    pub(super) psi_cpu: Option<f64>,
    pub(super) psi_mem: Option<f64>,
    /// How often its CPUs slowed down for their heat in a minute.
    pub(super) throttled: Option<f64>,
    /// What is wrong with its RDMA ports: the slot of the nearest GPU, where that is known, and in words.
    pub(super) ports: Vec<(Option<u16>, String)>,
}

/// What a job suffers from, which says what to look for first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    Hang,
    Slow,
}

/// What speaks against a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// It is not there, or its process, or it does nothing where all others spin.
    Absence,
    Xid,
    /// A low clock, with the reason that it gives.
    Heat,
    Link,
    /// Processes of its host hang in the kernel.
    Stuck,
    /// Its host is short of something.
    Shortage,
    /// A low clock without a reason.
    Clock,
    /// It works on while others wait.
    Work,
}

/// A verdict on a GPU, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    /// Nothing where nothing speaks against it.
    pub(super) ground: Option<Ground>,
    pub(super) cause: String,
}

/// Percent of the time: a kernel runs all the time, the GPU is under load, does next to nothing.
pub(super) const SPINS: f64 = 95.0;
pub(super) const LOADED: f64 = 50.0;
pub(super) const IDLE: f64 = 5.0;
/// Of its power limit, a GPU that waits draws less. What it may still do with its tensor cores, in percent; and where
/// these are not known, what it may send over NVLink, in bytes per second.
const LITTLE: f64 = 0.4;
const TENSOR: f64 = 10.0;
const TRAFFIC: f64 = 1e9;
/// A low clock: of its peers' middle, and in median distances from it.
const LOW: f64 = 0.908;
const FAR: f64 = 5.0;
/// NVLink errors of a minute that are too many.
const ERRORS: f64 = 10.0;
/// How much more a host lacks than the job's others do: percent of the time, bytes, and times in a minute.
const PRESSURE: f64 = 20.0;
const SWAP: f64 = 1024.0 * 1024.0 * 1024.0;
const THROTTLED: f64 = 10.0;
/// Who works draws so many times what its peers do.
const MORE: f64 = 1.5;

impl Ground {
    /// Which counts first, by what the job suffers from.
    pub(super) fn order(self, trouble: Trouble) -> usize {
        use Ground::{Absence, Clock, Heat, Link, Shortage, Stuck, Work, Xid};
        let order = match trouble {
            Trouble::Hang => [Absence, Stuck, Xid, Link, Heat, Shortage, Clock, Work],
            Trouble::Slow => [Absence, Xid, Heat, Link, Stuck, Shortage, Clock, Work],
        };
        order.iter().position(|it| *it == self).unwrap_or(order.len())
    }

    /// Whether it says what is wrong, rather than just that something is.
    pub(super) fn is_clear(self) -> bool {
        !matches!(self, Ground::Clock | Ground::Work)
    }
}

impl Rank {
    /// Whether it does little but wait for others.
    pub(super) fn waits(&self) -> bool {
        let (Some(power), Some(limit)) = (self.power, self.limit) else {
            return self.util.is_some_and(|util| util <= IDLE);
        };
        let works = match self.tensor {
            Some(tensor) => tensor >= TENSOR,
            None => self.nvlink.is_some_and(|bytes| bytes >= TRAFFIC),
        };
        power < LITTLE * limit && !works
    }

    /// Whether it waits in a kernel that runs all the time.
    pub(super) fn spins(&self) -> bool {
        self.util.is_some_and(|util| util >= SPINS) && self.waits()
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.util.is_some_and(|util| util >= LOADED)
    }

    fn has(&self, reasons: &[&str]) -> bool {
        self.reasons().any(|reason| reasons.contains(&reason))
    }

    /// Why its clock is low, as it says itself.
    fn reasons(&self) -> impl Iterator<Item = &'static str> {
        let bits = self.throttle.unwrap_or(0.0) as u32;
        THROTTLE_REASONS.iter().enumerate().filter(move |(bit, _)| bits >> bit & 1 == 1).map(|(_, name)| *name)
    }
}

/// A verdict on each of a job's GPUs, in their order.
pub(super) fn judge(ranks: &[Rank], hosts: &[Host], trouble: Trouble) -> Vec<Judgement> {
    let peers = Peers::of(ranks, hosts);
    let verdict = |rank: &Rank| {
        let grounds = [absence(rank, hosts, &peers), xid(rank), clock(rank, &peers), link(rank, hosts, &peers)];
        let others = [host(rank, hosts, &peers), work(rank, &peers)];
        let all = grounds.into_iter().chain(others).flatten();
        let worst = all.min_by_key(|(_, ground, _)| ground.order(trouble));
        worst.map_or_else(
            || Judgement {
                verdict: if rank.waits() { Verdict::Waiting } else { Verdict::Fine },
                ..Judgement::default()
            },
            |(verdict, ground, cause)| Judgement { verdict, ground: Some(ground), cause },
        )
    };
    ranks.iter().map(verdict).collect()
}

/// What is said against a GPU.
type Charge = Option<(Verdict, Ground, String)>;

fn absence(rank: &Rank, hosts: &[Host], peers: &Peers) -> Charge {
    let gone = |cause: &str| Some((Verdict::Gone, Ground::Absence, cause.to_owned()));
    if hosts.get(rank.host).is_some_and(|host| host.is_down) {
        return gone("its node is silent");
    }
    if let Some(fault) = &rank.fault {
        return gone(&format!("does not answer: {fault}"));
    }
    if rank.procs == Some(0.0) && peers.most_have_processes() {
        return gone("no process, among GPUs that have one");
    }
    let is_idle = rank.util.is_some_and(|util| util <= 1.0);
    if is_idle && peers.most_spin() { gone("util 0 % among 100 %") } else { None }
}

fn xid(rank: &Rank) -> Charge {
    let number = rank.xid?;
    let verdict = if matches!(number, 74 | 144..=150) { Verdict::Link } else { Verdict::Gone };
    Some((verdict, Ground::Xid, format!("XID {number}")))
}

/// A clock that is lower than those of its peers under load. At a power cap clocks differ, and nothing is wrong.
fn clock(rank: &Rank, peers: &Peers) -> Charge {
    let (clock, (middle, distance)) = (rank.clock?, peers.clock(rank.model)?);
    rank.throttle?;
    if !rank.is_loaded() || clock >= LOW * middle || rank.has(&["idle"]) {
        return None;
    }
    let said: Vec<&str> = rank.reasons().filter(|reason| *reason != "power_cap").collect();
    let figures = format!("{} of {} MHz", grouped(clock as i64), grouped(middle as i64));
    if rank.has(&["hw_thermal", "sw_thermal", "power_brake", "hw_slowdown"]) {
        return Some((Verdict::Slow, Ground::Heat, format!("{figures}, {}", said.join(" "))));
    }
    if rank.has(&["power_cap"]) || middle - clock < FAR * distance {
        return None;
    }
    let said = if said.is_empty() { "and it does not say why".to_owned() } else { said.join(" ") };
    Some((Verdict::Slow, Ground::Clock, format!("{figures}, {said}")))
}

fn link(rank: &Rank, hosts: &[Host], peers: &Peers) -> Charge {
    let charge = |cause: String| Some((Verdict::Link, Ground::Link, cause));
    let short = |has: Option<f64>, wants: Option<f64>| Some((has?, wants?)).filter(|(has, wants)| has < wants);
    if let Some((links, all)) = short(rank.links, peers.links(rank.model)) {
        return charge(format!("{links} of {all} NVLinks"));
    }
    if let Some((width, all)) = short(rank.width, rank.width_max) {
        return charge(format!("PCIe on {width} of {all} lanes"));
    }
    let generation = short(rank.generation, rank.generation_max).filter(|_| rank.is_loaded());
    if let Some((generation, of_peers)) = generation.and_then(|_| short(rank.generation, peers.generation(rank.model)))
    {
        return charge(format!("PCIe at generation {generation}, its peers at {of_peers}"));
    }
    if let Some(errors) = rank.errors.filter(|errors| *errors >= ERRORS) {
        return charge(format!("{} NVLink errors in a minute", grouped(errors as i64)));
    }
    let of_host = hosts.get(rank.host).map(|host| &*host.ports).unwrap_or_default();
    let (_, port) = of_host.iter().find(|(slot, _)| slot.is_none_or(|slot| slot == rank.slot))?;
    charge(port.clone())
}

fn host(rank: &Rank, hosts: &[Host], peers: &Peers) -> Charge {
    let host = hosts.get(rank.host)?;
    if let Some(blocked) = host.blocked.filter(|blocked| *blocked > 0.0) {
        let words = if blocked > 1.0 { "processes hang" } else { "process hangs" };
        return Some((Verdict::Host, Ground::Stuck, format!("{blocked} {words} in the kernel")));
    }
    let more =
        |has: Option<f64>, middle: Option<f64>, much: f64| has.filter(|has| middle.is_some_and(|it| *has >= it + much));
    let charge = |cause: String| Some((Verdict::Host, Ground::Shortage, cause));
    if let Some(swap) = more(host.swap, peers.swap, SWAP) {
        return charge(format!("its host swaps: {:.0} GiB", swap / SWAP));
    }
    if let Some(percent) = more(host.psi_mem, peers.psi_mem, PRESSURE) {
        return charge(format!("its host waits for memory {percent:.0} % of the time"));
    }
    if let Some(percent) = more(host.psi_cpu, peers.psi_cpu, PRESSURE) {
        return charge(format!("its host waits for CPUs {percent:.0} % of the time"));
    }
    let times = more(host.throttled, peers.throttled, THROTTLED)?;
    charge(format!("its host's CPUs slowed down for their heat {times:.0} times in a minute"))
}

/// What works on while nearly all others wait holds them up.
fn work(rank: &Rank, peers: &Peers) -> Charge {
    let charge = |cause: String| Some((Verdict::Slow, Ground::Work, cause));
    if rank.util.is_some_and(|util| util >= SPINS) && peers.most_idle() {
        return charge("util 100 % among 0 %".to_owned());
    }
    let (power, middle) = (rank.power?, peers.power(rank.model)?);
    let works = rank.is_loaded() && !rank.waits() && power >= MORE * middle && peers.most_wait();
    if works { charge(format!("works on at {power:.0} W while others wait at {middle:.0} W")) } else { None }
}
