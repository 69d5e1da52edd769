//! Where the findings of all collectors come together and become one node's reports.
//! A collector that fails loses its own metrics; what the others said stands.

mod said;

use std::{collections::BTreeMap, path::Path, time::Duration};

use crate::{
    collect::{Failure, Findings, Host, Watchlist, kubernetes::Pod, outage::Outages, rise::Rises, topology::Topology},
    model::{
        MetricId, Raw, Scope, Time,
        metric::node,
        place::Label,
        report::{Container, ELSEWHERE, Event, Fault, Gpu, Grant, Inventory, Nic, Process, Processes, Sample, Values},
    },
};
use said::Said;

/// How many processes without a GPU are reported.
const BUSIEST: usize = 20;
/// The label that says in which NVLink domain the node is.
const DOMAIN: &str = "domain";
/// How many events wait to be taken; more are dropped, and a note says how many.
const EVENTS: usize = 4096;

/// What is known of this node.
#[derive(Debug)]
pub struct Board {
    collectors: BTreeMap<&'static str, Said>,
    topology: Topology,
    watchlist: Watchlist,
    generation: u32,
    gpus: Vec<Gpu>,
    nics: Vec<Nic>,
    rises: Rises,
    outages: Outages,
    events: Vec<Event>,
    dropped: u64,
    changed: bool,
}

impl Board {
    /// An empty board of the machine whose filesystem is at `root`. It writes the pids of GPU processes to
    /// `watchlist`.
    pub fn new(root: &Path, watchlist: Watchlist) -> Board {
        Board {
            collectors: BTreeMap::new(),
            topology: Topology::new(root),
            watchlist,
            generation: 1,
            gpus: Vec::new(),
            nics: Vec::new(),
            rises: Rises::default(),
            outages: Outages::default(),
            events: Vec::new(),
            dropped: 0,
            changed: true,
        }
    }

    /// Takes in what the collector `name` found, or why it found nothing.
    pub fn apply(&mut self, name: &'static str, outcome: Result<Findings, Failure>) {
        let said = self.collectors.entry(name).or_default();
        match outcome {
            Ok(mut findings) => {
                let events = std::mem::take(&mut findings.events);
                self.changed |= said.take(findings);
                self.queue(events);
            }
            Err(failure) => {
                said.fail(format!("{name} collector {failure}"));
                self.changed = true;
            }
        }
        self.arrange();
        self.watch();
    }

    /// Whether the inventory has changed since this was last asked.
    pub fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What the machine is; nothing before the host collector has spoken.
    pub fn host(&self) -> Option<&Host> {
        self.collectors.values().find_map(|said| said.host.as_ref())
    }

    /// What this node is and has, with these labels.
    pub fn inventory(&self, labels: &[Label]) -> Inventory {
        let host = self.host().cloned().unwrap_or_default();
        let driver = self.collectors.values().find_map(|said| said.driver.clone()).unwrap_or_default();
        let mut notes: Vec<String> = self.collectors.values().flat_map(|said| said.notes.iter().cloned()).collect();
        if self.dropped > 0 {
            notes.push(format!("{} events were dropped: nobody took them", self.dropped));
        }
        Inventory {
            generation: self.generation,
            os: host.os,
            kernel: host.kernel,
            cpu_model: host.cpu_model,
            driver: driver.driver,
            cuda: driver.cuda,
            labels: self.labelled(labels),
            gpus_on_bus: self.gpus_on_bus(),
            gpus: self.gpus.clone(),
            nics: self.nics.clone(),
            notes,
            faults: self.faults(),
        }
    }

    /// What the node is called, with its NVLink domain where nobody calls that otherwise.
    fn labelled(&self, labels: &[Label]) -> Vec<Label> {
        let domain = self.collectors.values().find_map(|said| said.domain.clone());
        let domain = domain.filter(|domain| !domain.is_empty() && labels.iter().all(|label| label.key != DOMAIN));
        labels.iter().cloned().chain(domain.map(|value| Label { key: DOMAIN.into(), value })).collect()
    }

    /// The values as they are known at `now`. Metrics that no collector has spoken of are unknown.
    pub fn sample(&mut self, now: Time) -> Sample {
        let mut values = Values::new(self.gpus.len(), self.nics.len());
        for said in self.collectors.values() {
            for ((metric, slot), raw) in &said.readings {
                values.set(*metric, usize::from(*slot), *raw);
            }
        }
        if let Some(expected) = self.expected() {
            values.set(node::GPUS_EXPECTED, 0, Raw::new(f64::from(expected), 1.0));
        }
        self.rises.add(self.generation, now, &mut values);
        self.outages.add(self.generation, now, &mut values);
        Sample { time: now, generation: self.generation, values }
    }

    /// All GPU processes, the 20 busiest others, cores and mounts as they are known at `now`.
    pub fn processes(&self, now: Time) -> Processes {
        let mut list: BTreeMap<u32, Process> = BTreeMap::new();
        for process in self.collectors.values().flat_map(|said| said.processes.iter().flatten()) {
            list.insert(process.pid, process.clone());
        }
        for (pid, used) in self.collectors.values().flat_map(|said| said.gpu_uses.iter().flatten()) {
            let process = list.entry(*pid).or_insert_with(|| Process { pid: *pid, ..Process::default() });
            process.gpus.push(used.clone());
        }
        let (mut gpu, mut others): (Vec<_>, Vec<_>) = list.into_values().partition(|p| !p.gpus.is_empty());
        let grants = self.grants();
        for process in &mut gpu {
            process.gpus.sort_by_key(|used| used.slot);
            if process.workload.job.is_empty()
                && let Some(job) = self.job_of(process, grants.as_deref())
            {
                process.workload.job = job;
            }
        }
        gpu.sort_by_key(|p| (p.gpus[0].slot, p.pid));
        others.sort_by(|a, b| busyness(b).total_cmp(&busyness(a)).then(b.mem.cmp(&a.mem)));
        others.truncate(BUSIEST);
        gpu.append(&mut others);
        Processes {
            time: now,
            list: gpu,
            cores: self.collectors.values().find_map(|said| said.cores.clone()).unwrap_or_default(),
            mounts: self.collectors.values().find_map(|said| said.mounts.clone()).unwrap_or_default(),
            grants,
        }
    }

    /// The job of a process that does not name it: that of its pod, or else the one that has its GPUs, where one and the
    /// same is known of all of them.
    fn job_of(&self, process: &Process, grants: Option<&[Grant]>) -> Option<String> {
        let pod = self.pods().find(|pod| pod.uids.contains(&process.workload.pod));
        if let Some(pod) = pod {
            return Some(job_of(pod));
        }
        let noted = self.noted_job(process);
        // Who is of a pod of which no more is known has GPUs that were given to one; and so has a process that cannot be
        // seen from here, which one of the host's own can.
        let may_be_a_pods = !process.workload.pod.is_empty() || process.name.is_empty() || process.name == ELSEWHERE;
        if noted.is_some() || !may_be_a_pods {
            return noted;
        }
        let mut having =
            grants?.iter().filter(|grant| process.gpus.iter().any(|used| grant.slots.contains(&used.slot)));
        let only = having.next().filter(|grant| process.gpus.iter().all(|used| grant.slots.contains(&used.slot)))?;
        having.next().is_none().then(|| only.id.clone())
    }

    /// The job that was noted of a process's GPUs.
    fn noted_job(&self, process: &Process) -> Option<String> {
        let noted = self.collectors.values().find_map(|said| said.gpu_jobs.as_ref())?;
        // Who has a GPU together with others is not told by this.
        let only = |slot: u16| match noted.get(self.noted_as(usize::from(slot))?)?.as_slice() {
            [job] => Some(job),
            _ => None,
        };
        let mut jobs = process.gpus.iter().map(|used| only(used.slot));
        let first = jobs.next()??;
        jobs.all(|job| job == Some(first)).then(|| first.clone())
    }

    /// How a GPU is called where jobs are noted.
    fn noted_as(&self, slot: usize) -> Option<&str> {
        let gpu = self.gpus.get(slot)?;
        if gpu.parent.is_none() {
            return Some(&gpu.index);
        }
        let parts = self.collectors.values().find_map(|said| said.gpu_parts.as_ref())?;
        parts.get(&gpu.uuid).map(String::as_str)
    }

    fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.collectors.values().flat_map(|said| said.pods.iter().flatten())
    }

    /// What pods were given, and what jobs by the notes of a prolog, job by job; nothing where nobody says.
    fn grants(&self) -> Option<Vec<Grant>> {
        let pods = self.collectors.values().find_map(|said| said.pods.as_ref());
        let noted = self.collectors.values().find_map(|said| said.gpu_jobs.as_ref());
        if pods.is_none() && noted.is_none() {
            return None;
        }
        let mut grants: BTreeMap<String, Grant> = BTreeMap::new();
        for (slot, name) in (0..self.gpus.len()).filter_map(|slot| Some((slot, self.noted_as(slot)?))) {
            for job in noted.and_then(|noted| noted.get(name)).into_iter().flatten() {
                let grant = || Grant { id: job.clone(), ..Grant::default() };
                grants.entry(job.clone()).or_insert_with(grant).slots.push(slot as u16);
            }
        }
        for pod in pods.into_iter().flatten() {
            for (device, slot) in pod.devices.iter().filter_map(|device| Some((device, self.slot_of(&device.id)?))) {
                let grant = grants.entry(job_of(pod)).or_insert_with(|| Grant {
                    id: job_of(pod),
                    name: pod.job.clone(),
                    user: pod.owner.clone(),
                    account: pod.namespace.clone(),
                    partition: pod.queue.clone(),
                    ..Grant::default()
                });
                grant.slots.push(slot);
                let name = format!("{}/{}", pod.name, device.container);
                match grant.containers.iter_mut().find(|container| container.name == name) {
                    Some(container) => container.slots.push(slot),
                    None => grant.containers.push(Container { name, slots: vec![slot] }),
                }
            }
        }
        for grant in grants.values_mut() {
            let all = grant.containers.iter_mut().map(|container| &mut container.slots);
            for slots in all.chain([&mut grant.slots]) {
                slots.sort_unstable();
                slots.dedup();
            }
        }
        Some(grants.into_values().collect())
    }

    /// The slot of a device, by what its plugin calls it: a UUID, an index, or as the file in `/dev`; and behind that which
    /// of several shares of the GPU it is.
    fn slot_of(&self, device: &str) -> Option<u16> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        // `GPU-…::2`, `3::2` (NVIDIA's), `nvidia3/vgpu2` (Google's), `GPU-…-2` (HAMi's).
        let device = device.split_once("::").or(device.split_once("/vgpu")).map_or(device, |(gpu, _)| gpu);
        let device = device.strip_prefix("nvidia").filter(|number| is_number(number)).unwrap_or(device);
        let is_it = |gpu: &Gpu| {
            let share = device.strip_prefix(&*gpu.uuid).filter(|_| !gpu.uuid.is_empty());
            let by_uuid = share.is_some_and(|share| share.is_empty() || share.strip_prefix('-').is_some_and(is_number));
            by_uuid || (gpu.parent.is_none() && gpu.index == device)
        };
        (0..).zip(&self.gpus).filter(|(_, gpu)| is_it(gpu)).map(|(slot, _)| slot).next()
    }

    /// The events since this was last called, oldest first.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What each collector's parts took when they last ran: collector, part, time.
    pub fn costs(&self) -> Vec<(&'static str, &'static str, Duration)> {
        let parts = |(name, said): (&&'static str, &Said)| {
            let name = *name;
            said.costs.iter().map(move |(part, cost)| (name, *part, *cost)).collect::<Vec<_>>()
        };
        self.collectors.iter().flat_map(parts).collect()
    }

    fn queue(&mut self, events: Vec<Event>) {
        let room = EVENTS - self.events.len();
        let lost = events.len().saturating_sub(room);
        self.events.extend(events.into_iter().take(room));
        self.dropped += lost as u64;
        self.changed |= lost > 0;
    }

    /// Finds each port's GPU, and counts a new generation when slots now mean other things than before.
    fn arrange(&mut self) {
        let gpus = self.collectors.values().find_map(|said| said.gpus.as_ref());
        let nics = self.collectors.values().find_map(|said| said.nics.as_ref());
        let same_gpus = gpus.is_none_or(|gpus| *gpus == self.gpus);
        let same_nics = nics.is_none_or(|nics| nics.iter().map(said::nic).eq(self.nics.iter().map(said::nic)));
        if same_gpus && same_nics {
            return;
        }
        let (gpus, mut nics) = (gpus.cloned().unwrap_or_default(), nics.cloned().unwrap_or_default());
        let moved = !gpus.iter().map(said::gpu).eq(self.gpus.iter().map(said::gpu)) || !same_nics;
        let whole: Vec<_> = gpus.iter().take_while(|g| g.parent.is_none()).map(|g| g.bus.as_str()).collect();
        let nearest = self.topology.nearest(&nics.iter().map(|n| n.bus.as_str()).collect::<Vec<_>>(), &whole);
        for (nic, gpu) in nics.iter_mut().zip(nearest) {
            nic.gpu = gpu;
        }
        (self.gpus, self.nics) = (gpus, nics);
        self.generation = self.generation.wrapping_add(u32::from(moved));
        self.changed = true;
    }

    fn watch(&self) {
        let uses = self.collectors.values().flat_map(|said| said.gpu_uses.iter().flatten());
        self.watchlist.set(uses.map(|(pid, _)| *pid));
    }

    fn gpus_on_bus(&self) -> Option<u32> {
        self.collectors.values().filter_map(|said| said.gpus_on_bus).max()
    }

    /// GPUs that this node should have: those on its bus, and those that the driver lists.
    fn expected(&self) -> Option<u32> {
        let whole = self.gpus.iter().filter(|gpu| gpu.parent.is_none()).count() as u32;
        let listed = self.collectors.values().any(|said| said.gpus.is_some()).then_some(whole);
        self.gpus_on_bus().max(listed)
    }

    fn faults(&self) -> Vec<Fault> {
        let whole = |said: &Said| {
            let failure = said.failure.clone()?;
            Some(Fault { gpu: None, metric: String::new(), reason: failure })
        };
        let said = self.collectors.values();
        said.flat_map(|said| whole(said).into_iter().chain(said.faults.iter().cloned())).collect()
    }
}

/// The id of a pod's job: `namespace/name`.
fn job_of(pod: &Pod) -> String {
    format!("{}/{}", pod.namespace, pod.job)
}

fn busyness(process: &Process) -> f64 {
    process.cpu.unwrap_or(-1.0)
}

#[cfg(test)]
mod tests;
