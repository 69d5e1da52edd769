//! The processes, cores and mounts of a simulated node: a rank for each GPU that a job uses, two where it serves models, and
//! the host's own daemons.

use super::{
    Ailment, Kind,
    chance::{Dice, Jitter, key},
    host,
    moment::Moment,
};
use crate::model::{
    Time,
    metric::gpu,
    report::{GpuUse, Mount, Process, Processes, Workload},
};

const MIB: f64 = 1_048_576.0;

/// Daemons of a GPU node: name, owner, percent of a core, MiB.
const DAEMONS: [(&str, &str, f64, f64); 14] = [
    ("systemd", "root", 0.1, 14.0),
    ("systemd-journal", "root", 0.3, 180.0),
    ("slurmd", "root", 0.2, 42.0),
    ("munged", "munge", 0.1, 9.0),
    ("nv-fabricmanager", "root", 0.2, 61.0),
    ("nvidia-persistenced", "nvidia-persistenced", 0.0, 3.0),
    ("nv-hostengine", "root", 1.4, 120.0),
    ("dcgm-exporter", "root", 0.9, 95.0),
    ("node_exporter", "node-exporter", 0.5, 38.0),
    ("chronyd", "chrony", 0.0, 4.0),
    ("sshd", "root", 0.0, 8.0),
    ("containerd", "root", 0.7, 76.0),
    ("ptlrpcd_00_00", "root", 2.1, 0.0),
    ("supertop", "supertop", 0.2, 9.0),
];

/// What runs on a node.
pub(super) fn processes(moment: &Moment) -> Processes {
    let mut list = ranks(moment);
    list.extend(daemons(moment));
    Processes { time: moment.now, list, cores: cores(moment), mounts: mounts(moment), grants: None }
}

fn ranks(moment: &Moment) -> Vec<Process> {
    let Moment { sim, n, now, machine, activity, load, .. } = moment;
    let (Some(run), Some(job)) = (activity.run(), activity.job()) else { return Vec::new() };
    let mut values = sim.values();
    sim.sample(*n, *now, &mut values);
    let profile = run.kind.profile();
    let ends = |ailment: Ailment| ailment == Ailment::OffBus || ailment.ends_ranks();
    let lost = |slot: u16| moment.cases.iter().any(|case| ends(case.ailment) && case.strikes(slot));
    let first = 20_000 + Dice::new(key(run.key, u64::from(*n))).below(900_000) as u32;
    let wobble = Jitter::<3>::new(moment.key(0x9a));
    let host = host::ram(machine, Some(profile), activity.loaded(), 0.0) - host::ram(machine, None, 0.0, 0.0);
    let sharers = run.kind.sharers();
    let share = 1.0 / f64::from(job.gpus.max(1)) / f64::from(sharers);
    let cpu = (host::cpu(Some(profile), load.now, 0.0) - host::cpu(None, 0.0, 0.0)) * f64::from(machine.cores);
    let booted = host::booted(sim, *n, *now);
    // A rank dies with its GPU.
    (0..job.gpus)
        .filter(|slot| !lost(*slot))
        .flat_map(|slot| (0..sharers).map(move |of| (slot, of)))
        .map(|(slot, of)| Process {
            pid: first + u32::from(slot) * 7 + u32::from(of),
            user: job.user.clone(),
            name: match run.kind {
                Kind::Serving => format!("{}_TP{slot}_{of}", profile.command),
                _ => profile.command.into(),
            },
            state: Some('R'),
            cpu: Some((cpu * share * (1.0 + 0.1 * wobble.get(usize::from(slot)))).max(0.0)),
            mem: Some((host.max(0.0) * share * MIB) as u64 + (900 << 20)),
            started: Some(job.started.max(booted)),
            gpus: vec![GpuUse {
                slot,
                mem: values
                    .get(gpu::MEM_USED, usize::from(slot))
                    .value(MIB)
                    .map(|bytes| bytes as u64 / u64::from(sharers)),
                sm: values.get(gpu::UTIL, usize::from(slot)).steps().map(|percent| percent as u8 / sharers),
            }],
            workload: Workload { job: job.id.to_string(), step: "0".into(), ..Workload::default() },
        })
        .collect()
}

fn daemons(moment: &Moment) -> impl Iterator<Item = Process> {
    let booted = host::booted(moment.sim, moment.n, moment.now);
    let wobble = Jitter::<3>::new(moment.key(0xdae));
    let mut pid = 1;
    DAEMONS.into_iter().enumerate().map(move |(i, (name, user, cpu, mem))| {
        let process = Process {
            pid,
            user: user.into(),
            name: name.into(),
            state: Some('S'),
            cpu: Some(cpu * (1.0 + 0.4 * wobble.get(i))),
            mem: Some((mem * MIB) as u64),
            started: Some(Time::from_millis(booted.as_millis() + 900 * i as i64)),
            gpus: Vec::new(),
            workload: Workload::default(),
        };
        pid += 190 + 37 * i as u32;
        process
    })
}

/// Percent of each core: a few per rank are busy with feeding its GPU, the others share the rest.
fn cores(moment: &Moment) -> Vec<u8> {
    let (cores, ranks) = (moment.machine.cores, moment.activity.gpus());
    let busy = host::cpu(moment.profile, moment.load.now, 0.0);
    let spacing = cores / ranks.max(1);
    let busy_cores = ranks.min(cores);
    let high = if ranks == 0 { 0.0 } else { (busy * f64::from(cores) / f64::from(busy_cores) * 0.5).min(94.0) };
    let low = (busy * f64::from(cores) - high * f64::from(busy_cores)) / f64::from(cores - busy_cores).max(1.0);
    let mut dice = Dice::new(moment.key(0xc03e));
    (0..cores)
        .map(|core| {
            let is_busy = ranks > 0 && core % spacing == 0 && core / spacing < ranks;
            let level = if is_busy { high } else { low };
            (level * dice.between(0.5, 1.5)).clamp(0.0, 100.0).round() as u8
        })
        .collect()
}

fn mounts(moment: &Moment) -> Vec<Mount> {
    let used = host::mounts_used(moment);
    let mounts = host::MOUNTS.into_iter().zip(used).enumerate();
    let mount = |(at, ((path, kind, size), used)): (usize, ((&str, &str, f64), f64))| {
        let (path, kind) = (path.into(), kind.into());
        if at == host::SHARED && moment.has(Ailment::MountHung) {
            return Mount { path, kind, state: "hung".into(), ..Mount::default() };
        }
        Mount {
            path,
            kind,
            state: if at == host::LOCAL && moment.has(Ailment::DiskReadOnly) { "read-only" } else { "ok" }.into(),
            size: Some(size as u64),
            free: Some((size * (1.0 - used / 100.0)) as u64),
            used: Some(used),
            inodes: Some(if at == host::LOCAL && moment.has(Ailment::InodesSpent) { 100.0 } else { used * 0.3 }),
        }
    };
    mounts.map(mount).collect()
}
