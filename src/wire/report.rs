//! Inventories, processes and events to and from their messages.
//! Lists have limits, texts are made harmless, and slots stay within the inventory that they count by.

use bytes::Bytes;

use super::{DecodeError, limit, proto};
use crate::model::{
    Time,
    place::Label,
    report::{
        Container, Event, EventKind, Fault, Gpu, GpuUse, Grant, Inventory, Mount, Nic, Process, Processes, Subject,
        Workload,
    },
};

impl From<Inventory> for proto::Inventory {
    fn from(inventory: Inventory) -> Self {
        let label = |l: Label| proto::Label { key: l.key, value: l.value };
        proto::Inventory {
            generation: inventory.generation,
            os: inventory.os,
            kernel: inventory.kernel,
            cpu_model: inventory.cpu_model,
            driver: inventory.driver,
            cuda: inventory.cuda,
            labels: inventory.labels.into_iter().map(label).collect(),
            gpus_on_bus: inventory.gpus_on_bus,
            gpus: inventory.gpus.into_iter().map(proto::Gpu::from).collect(),
            nics: inventory.nics.into_iter().map(proto::Nic::from).collect(),
            notes: inventory.notes,
            faults: inventory.faults.into_iter().map(proto::Fault::from).collect(),
        }
    }
}

impl TryFrom<proto::Inventory> for Inventory {
    type Error = DecodeError;

    fn try_from(inventory: proto::Inventory) -> Result<Self, DecodeError> {
        let short = |text| limit::shown(text, limit::SHORT);
        let gpus = limit::counted(inventory.gpus, limit::GPUS + limit::INSTANCES, "GPUs and MIG instances")?;
        let nics = limit::counted(inventory.nics, limit::NICS, "NICs")?;
        let faults = limit::counted(inventory.faults, limit::FAULTS, "faults")?;
        let labels = limit::counted(inventory.labels, limit::LABELS, "labels")?;
        let notes = limit::counted(inventory.notes, limit::NOTES, "notes")?;
        let count = gpus.len();
        let gpus = gpus.into_iter().map(|g| gpu(g, count)).collect::<Result<Vec<_>, _>>()?;
        if gpus.iter().filter(|gpu| gpu.parent.is_none()).count() > limit::GPUS {
            return Err(DecodeError::TooMany { what: "GPUs", limit: limit::GPUS });
        }
        Ok(Inventory {
            generation: inventory.generation,
            os: short(inventory.os),
            kernel: short(inventory.kernel),
            cpu_model: short(inventory.cpu_model),
            driver: short(inventory.driver),
            cuda: short(inventory.cuda),
            labels: labels.into_iter().map(|l| Label { key: short(l.key), value: short(l.value) }).collect(),
            gpus_on_bus: inventory.gpus_on_bus,
            gpus,
            nics: nics.into_iter().map(|n| nic(n, count)).collect::<Result<_, _>>()?,
            notes: notes.into_iter().map(|note| limit::shown(note, limit::LINE)).collect(),
            faults: faults.into_iter().map(|f| fault(f, count)).collect::<Result<_, _>>()?,
        })
    }
}

impl From<Gpu> for proto::Gpu {
    fn from(gpu: Gpu) -> Self {
        let Gpu { index, uuid, bus, model, serial, vbios, numa, mig, gsp, parent } = gpu;
        proto::Gpu { index, uuid, bus, model, serial, vbios, numa, mig, gsp, parent: parent.map(u32::from) }
    }
}

/// A GPU of a node that has `count` of them.
fn gpu(gpu: proto::Gpu, count: usize) -> Result<Gpu, DecodeError> {
    let short = |text| limit::shown(text, limit::SHORT);
    Ok(Gpu {
        index: short(gpu.index),
        uuid: short(gpu.uuid),
        bus: short(gpu.bus),
        model: short(gpu.model),
        serial: short(gpu.serial),
        vbios: short(gpu.vbios),
        numa: gpu.numa,
        mig: short(gpu.mig),
        gsp: short(gpu.gsp),
        parent: gpu.parent.map(|slot| limit::slot(slot, count, "slot of an instance's GPU")).transpose()?,
    })
}

impl From<Nic> for proto::Nic {
    fn from(nic: Nic) -> Self {
        proto::Nic { name: nic.name, kind: nic.kind, bus: nic.bus, gpu: nic.gpu.map(u32::from) }
    }
}

fn nic(nic: proto::Nic, gpus: usize) -> Result<Nic, DecodeError> {
    Ok(Nic {
        name: limit::shown(nic.name, limit::SHORT),
        kind: limit::shown(nic.kind, limit::SHORT),
        bus: limit::shown(nic.bus, limit::SHORT),
        gpu: nic.gpu.map(|slot| limit::slot(slot, gpus, "slot of a NIC's GPU")).transpose()?,
    })
}

impl From<Fault> for proto::Fault {
    fn from(fault: Fault) -> Self {
        proto::Fault { gpu: fault.gpu.map(u32::from), metric: fault.metric, reason: fault.reason }
    }
}

fn fault(fault: proto::Fault, gpus: usize) -> Result<Fault, DecodeError> {
    Ok(Fault {
        gpu: fault.gpu.map(|slot| limit::slot(slot, gpus, "slot of a fault's GPU")).transpose()?,
        metric: limit::shown(fault.metric, limit::SHORT),
        reason: limit::shown(fault.reason, limit::LINE),
    })
}

impl From<Processes> for proto::Processes {
    fn from(processes: Processes) -> Self {
        proto::Processes {
            time: processes.time.as_millis(),
            list: processes.list.into_iter().map(proto::Process::from).collect(),
            cores: Bytes::from(processes.cores),
            mounts: processes.mounts.into_iter().map(proto::Mount::from).collect(),
            grants_known: processes.grants.is_some(),
            grants: processes.grants.into_iter().flatten().map(proto::Grant::from).collect(),
        }
    }
}

impl TryFrom<proto::Processes> for Processes {
    type Error = DecodeError;

    fn try_from(processes: proto::Processes) -> Result<Self, DecodeError> {
        let list = limit::counted(processes.list, limit::PROCESSES, "processes")?;
        let mounts = limit::counted(processes.mounts, limit::MOUNTS, "mounts")?;
        let grants = limit::counted(processes.grants, limit::GRANTS, "jobs that were given GPUs")?;
        if processes.cores.len() > limit::CORES {
            return Err(DecodeError::TooMany { what: "cores", limit: limit::CORES });
        }
        Ok(Processes {
            time: Time::from_millis(processes.time),
            list: list.into_iter().map(process).collect::<Result<_, _>>()?,
            cores: processes.cores.to_vec(),
            mounts: mounts.into_iter().map(mount).collect(),
            grants: Some(grants.into_iter().map(grant).collect::<Result<_, _>>()?).filter(|_| processes.grants_known),
        })
    }
}

impl From<Grant> for proto::Grant {
    fn from(grant: Grant) -> Self {
        let Grant { id, name, user, account, partition, slots, containers } = grant;
        let numbers = |slots: Vec<u16>| slots.into_iter().map(u32::from).collect();
        let containers =
            containers.into_iter().map(|it| proto::Container { name: it.name, slots: numbers(it.slots) }).collect();
        proto::Grant { id, name, user, account, partition, slots: numbers(slots), containers }
    }
}

fn grant(grant: proto::Grant) -> Result<Grant, DecodeError> {
    let slots = |slots, of| {
        let slots = limit::counted(slots, limit::GPUS + limit::INSTANCES, of)?;
        let slot = |slot| limit::slot(slot, limit::GPUS + limit::INSTANCES, "GPU slot of a job");
        slots.into_iter().map(slot).collect::<Result<Vec<u16>, DecodeError>>()
    };
    let container = |it: proto::Container| {
        Ok(Container { name: limit::shown(it.name, limit::LINE), slots: slots(it.slots, "GPUs of a container")? })
    };
    let containers = limit::counted(grant.containers, limit::GRANTS, "containers of a job")?;
    Ok(Grant {
        id: limit::shown(grant.id, limit::SHORT),
        name: limit::shown(grant.name, limit::SHORT),
        account: limit::shown(grant.account, limit::SHORT),
        partition: limit::shown(grant.partition, limit::SHORT),
        user: limit::shown(grant.user, limit::SHORT),
        slots: slots(grant.slots, "GPUs of a job")?,
        containers: containers.into_iter().map(container).collect::<Result<_, DecodeError>>()?,
    })
}

impl From<Process> for proto::Process {
    fn from(process: Process) -> Self {
        let gpus = &process.gpus;
        proto::Process {
            gpu_slots: gpus.iter().map(|g| g.slot.into()).collect(),
            gpu_mem: gpus.iter().map(|g| g.mem.map_or(0, |mem| mem.saturating_add(1))).collect(),
            gpu_sm: gpus.iter().map(|g| g.sm.map_or(0, |sm| u32::from(sm) + 1)).collect(),
            pid: process.pid,
            user: process.user,
            name: process.name,
            state: process.state.map_or(0, u32::from),
            cpu: process.cpu,
            mem: process.mem,
            started: process.started.map(Time::as_millis),
            job: process.workload.job,
            step: process.workload.step,
            pod: process.workload.pod,
            container: process.workload.container,
        }
    }
}

fn process(process: proto::Process) -> Result<Process, DecodeError> {
    let slots = limit::counted(process.gpu_slots, limit::GPUS + limit::INSTANCES, "GPUs of a process")?;
    if process.gpu_mem.len() != slots.len() || process.gpu_sm.len() != slots.len() {
        return Err(DecodeError::Value("GPUs of a process"));
    }
    let uses = slots.into_iter().zip(process.gpu_mem).zip(process.gpu_sm).map(|((slot, mem), sm)| {
        Ok(GpuUse {
            slot: limit::slot(slot, limit::GPUS + limit::INSTANCES, "GPU slot of a process")?,
            mem: mem.checked_sub(1),
            sm: sm.checked_sub(1).map(|sm| u8::try_from(sm).unwrap_or(u8::MAX)),
        })
    });
    Ok(Process {
        pid: process.pid,
        user: limit::shown(process.user, limit::SHORT),
        name: limit::shown(process.name, limit::SHORT),
        // `ps` prints ASCII letters only.
        state: char::from_u32(process.state).filter(char::is_ascii_alphabetic),
        cpu: finite(process.cpu),
        mem: process.mem,
        started: process.started.map(Time::from_millis),
        gpus: uses.collect::<Result<_, DecodeError>>()?,
        workload: Workload {
            job: limit::shown(process.job, limit::SHORT),
            step: limit::shown(process.step, limit::SHORT),
            pod: limit::shown(process.pod, limit::SHORT),
            container: limit::shown(process.container, limit::SHORT),
        },
    })
}

impl From<Mount> for proto::Mount {
    fn from(mount: Mount) -> Self {
        let Mount { path, kind, state, size, free, used, inodes } = mount;
        proto::Mount { path, kind, state, size, free, used, inodes }
    }
}

fn mount(mount: proto::Mount) -> Mount {
    Mount {
        path: limit::shown(mount.path, limit::LINE),
        kind: limit::shown(mount.kind, limit::SHORT),
        state: limit::shown(mount.state, limit::SHORT),
        size: mount.size,
        free: mount.free,
        used: finite(mount.used),
        inodes: finite(mount.inodes),
    }
}

/// What is not a number is unknown.
fn finite(number: Option<f64>) -> Option<f64> {
    number.filter(|n| n.is_finite())
}

impl From<Event> for proto::Event {
    fn from(event: Event) -> Self {
        let (subject, name) = match event.subject {
            Subject::Node => (1, String::new()),
            Subject::Gpu { bus } => (2, bus),
            Subject::Nic { name } => (3, name),
            Subject::Switch { bus } => (4, bus),
        };
        let (kind, code) = match event.kind {
            EventKind::Xid(code) => (1, code),
            EventKind::Sxid(code) => (2, code),
            EventKind::Link { up: true } => (3, 0),
            EventKind::Link { up: false } => (4, 0),
            EventKind::Boot => (5, 0),
        };
        proto::Event { id: event.id, time: event.time.as_millis(), subject, name, kind, code, text: event.text }
    }
}

/// The event; nothing when its kind or subject is one that only a newer build knows.
pub(super) fn event(event: proto::Event) -> Result<Option<Event>, DecodeError> {
    let id = limit::exact(event.id, limit::NAME, "event id")?;
    let name = limit::shown(event.name, limit::SHORT);
    let subject = match event.subject {
        1 => Subject::Node,
        2 => Subject::Gpu { bus: name },
        3 => Subject::Nic { name },
        4 => Subject::Switch { bus: name },
        _ => return Ok(None),
    };
    let kind = match event.kind {
        1 => EventKind::Xid(event.code),
        2 => EventKind::Sxid(event.code),
        3 => EventKind::Link { up: true },
        4 => EventKind::Link { up: false },
        5 => EventKind::Boot,
        _ => return Ok(None),
    };
    let text = limit::shown(event.text, limit::LINE);
    Ok(Some(Event { id, time: Time::from_millis(event.time), subject, kind, text }))
}
