//! A small fleet whose every value a test can know: five nodes, two racks, one node silent and one missing.

use crate::{
    fleet::{Fleet, Known, Roster, Session, Settings},
    model::{
        metric::{MetricId, Scope, gpu, nic, node},
        place::Label,
        raw::Raw,
        report::{
            Event, EventKind, Fault, Gpu, GpuUse, Introduction, Inventory, Mount, Nic, Process, Processes, Sample,
            Subject, Values, Workload,
        },
        time::Time,
    },
};

/// 2026-11-23T14:04:30Z.
const START: i64 = 1_795_442_670_000;

/// So many seconds after the start.
pub(crate) fn at(seconds: i64) -> Time {
    Time::from_millis(START + seconds * 1000)
}

/// When the tests ask.
pub(crate) const NOW: i64 = 100;

pub(crate) fn join(fleet: &mut Fleet, name: &str, inventory: &Inventory, now: Time) -> Session {
    let introduction = Introduction {
        node: name.into(),
        boot_id: "boot-1".into(),
        agent: "0.1.0".into(),
        started: at(-100),
        interval_ms: 1000,
    };
    let declared = Scope::SAMPLED
        .into_iter()
        .flat_map(|scope| scope.metrics().iter().map(move |metric| (scope, &*metric.key, metric.unit, metric.quantum)));
    let session = fleet.join(&introduction, declared, now).expect("room");
    assert!(fleet.inventory(session, inventory, now));
    session
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Vec<Label> {
    pairs.iter().map(|(key, value)| Label { key: (*key).into(), value: (*value).into() }).collect()
}

pub(crate) fn inventory(name: &str, gpus: usize, model: &str, pairs: &[(&str, &str)]) -> Inventory {
    let gpus = (0..gpus).map(|index| Gpu {
        index: index.to_string(),
        uuid: format!("GPU-{name}-{index}"),
        bus: format!("0000:{index:02x}:00.0"),
        model: model.into(),
        serial: format!("1652{index}"),
        numa: Some(index as u32 / 2),
        mig: "off".into(),
        gsp: "on".into(),
        ..Gpu::default()
    });
    Inventory {
        generation: 1,
        os: "Debian 13".into(),
        driver: "580.95.05".into(),
        labels: labels(pairs),
        gpus: gpus.collect(),
        nics: vec![
            Nic { name: "mlx5_0".into(), kind: "infiniband".into(), gpu: Some(0), ..Nic::default() },
            Nic { name: "eth0".into(), kind: "ethernet".into(), ..Nic::default() },
        ],
        ..Inventory::default()
    }
}

pub(crate) type Set<'a> = &'a [(MetricId, &'a [f64])];

pub(crate) fn send(fleet: &mut Fleet, session: Session, values: Set<'_>, gaps: &[(MetricId, usize, Raw)], now: Time) {
    let slots = |scope| fleet.slots(session.node, scope);
    let mut sample = Sample { time: now, generation: 1, values: Values::new(slots(Scope::Gpu), slots(Scope::Nic)) };
    for (metric, values) in values {
        let quantum = metric.builtin().expect("built in").quantum;
        for (slot, value) in values.iter().enumerate() {
            sample.values.set(*metric, slot, Raw::new(*value, quantum));
        }
    }
    for (metric, slot, raw) in gaps {
        sample.values.set(*metric, *slot, *raw);
    }
    assert!(fleet.sample(session, &sample, now));
}

/// gpu001 and gpu002 in rack r1, gpu010 (with a domain) in r2, all up; gpu003 in r2 silent since second 90; cpu1 up,
/// without GPUs and without a rack; gpu099 on the roster only.
pub(crate) fn fleet() -> Fleet {
    let mut fleet = Fleet::new(Settings::default());
    let now = at(NOW);
    let [h100, b200] = ["NVIDIA H100 80GB HBM3", "NVIDIA B200"];
    let one = inventory("gpu001", 4, h100, &[("rack", "r1"), ("region", "eu"), ("tier", "gold")]);
    let one = join(&mut fleet, "gpu001", &one, at(0));
    let mut two = inventory("gpu002", 4, h100, &[("rack", "r1"), ("region", "eu")]);
    two.faults = vec![Fault { gpu: Some(3), metric: String::new(), reason: "lost".into() }];
    two.driver = "550.54.14".into();
    let two = join(&mut fleet, "gpu002", &two, at(0));
    let ten = inventory("gpu010", 2, b200, &[("rack", "r2"), ("region", "eu")]);
    let ten = join(&mut fleet, "gpu010.site.example", &ten, at(0));
    let three = inventory("gpu003", 2, h100, &[("rack", "r2"), ("region", "us")]);
    let three = join(&mut fleet, "gpu003", &three, at(0));
    let cpu = join(&mut fleet, "cpu1", &inventory("cpu1", 0, "", &[]), at(0));
    let known = Known { name: "gpu099".into(), gpus: vec![Gpu::default()], gpus_expected: 1, ..Known::default() };
    fleet.restore(&Roster { nodes: vec![known] });
    along(&mut fleet, one, two);

    send(&mut fleet, three, &[(gpu::UTIL, &[50.0, 50.0])], &[], at(90));
    let hot = f64::from(1 << 6);
    let values: Set<'_> = &[
        (gpu::UTIL, &[90.0, 80.0, 70.0, 10.0]),
        (gpu::POWER, &[600.0, 500.0, 400.0, 100.0]),
        (gpu::POWER_LIMIT, &[700.0; 4]),
        (gpu::MEM_USED, &[68719476736.0, 34359738368.0, 0.0, 0.0]),
        (gpu::MEM_TOTAL, &[85899345920.0; 4]),
        (gpu::TEMP, &[60.0, 88.0, 70.0, 40.0]),
        (gpu::CLOCK_SM, &[1980.0, 1980.0, 1980.0, 345.0]),
        (gpu::THROTTLE, &[0.0, hot + 4.0, 0.0, 1.0]),
        (gpu::XID, &[0.0, 79.0]),
        (node::CPU, &[25.0]),
        (node::LOAD1, &[3.5]),
        (nic::STATE, &[3.0, 0.0]),
        (nic::RX, &[5e9, 1e6]),
    ];
    let none = Raw::ABSENT;
    send(&mut fleet, one, values, &[(gpu::XID, 0, none), (gpu::XID, 2, none), (gpu::XID, 3, none)], now);
    let values: Set<'_> = &[
        (gpu::UTIL, &[20.0, 30.0, 40.0]),
        (gpu::POWER, &[200.0, 300.0, 400.0]),
        (gpu::TEMP, &[50.0, 51.0, 52.0]),
        (node::CPU, &[75.0]),
        (nic::STATE, &[3.0, 3.0]),
    ];
    send(&mut fleet, two, values, &[(gpu::UTIL, 3, Raw::FAILED), (gpu::TEMP, 3, Raw::UNSUPPORTED)], now);
    send(
        &mut fleet,
        ten,
        &[(gpu::UTIL, &[100.0, 0.0]), (gpu::POWER, &[1000.0, 200.0]), (gpu::TEMP, &[75.0, 30.0])],
        &[],
        now,
    );
    send(&mut fleet, cpu, &[(node::CPU, &[5.0])], &[], now);
    fleet.processes(one, &processes(), at(NOW));
    for (number, kind) in [EventKind::Boot, EventKind::Xid(79), EventKind::Link { up: false }].into_iter().enumerate() {
        let subject = match number {
            0 => Subject::Node,
            1 => Subject::Gpu { bus: "0000:01:00.0".into() },
            _ => Subject::Nic { name: "eth0".into() },
        };
        let text = format!("it happened \u{1b}[31m{number}");
        let event = Event { id: format!("e{number}"), time: at(number as i64 * 10), subject, kind, text };
        assert!(fleet.event(one.node, event, at(number as i64 * 10)));
    }
    fleet
}

/// A minute and a half of past: gpu001's utilisation climbs from 0 by one a second, on all of its GPUs; gpu002's GPU 0
/// jumps between 0 and 100 every 20 s.
fn along(fleet: &mut Fleet, one: Session, two: Session) {
    for second in 0..NOW {
        let util = second as f64;
        send(
            fleet,
            one,
            &[(gpu::UTIL, &[util; 4]), (gpu::POWER, &[100.0; 4]), (gpu::PCIE_REPLAY, &[util * 2.0; 4])],
            &[],
            at(second),
        );
        let jump = if second / 20 % 2 == 0 { 0.0 } else { 100.0 };
        send(fleet, two, &[(gpu::UTIL, &[jump, 100.0, 100.0, 100.0])], &[], at(second));
        fleet.tick(at(second));
    }
}

fn processes() -> Processes {
    let process = |pid, user: &str, name: &str, cpu, gpus: &[u16]| Process {
        pid,
        user: user.into(),
        name: name.into(),
        state: Some('R'),
        cpu: Some(cpu),
        mem: Some(1 << 30),
        started: Some(at(0)),
        gpus: gpus.iter().map(|slot| GpuUse { slot: *slot, mem: Some(1 << 30), sm: Some(40) }).collect(),
        // Who uses a GPU does so for a job of his own.
        workload: Workload {
            job: if gpus.is_empty() { String::new() } else { format!("1{pid}") },
            ..Workload::default()
        },
    };
    let mount = |path: &str, state: &str, used| Mount {
        path: path.into(),
        kind: "ext4".into(),
        state: state.into(),
        used,
        ..Mount::default()
    };
    Processes {
        time: at(NOW),
        list: vec![
            process(4711, "alice", "python3", 99.0, &[0, 1]),
            process(17, "root", "kthread", 0.5, &[]),
            process(4712, "bob", "vllm", 50.0, &[2]),
        ],
        cores: vec![10, 90],
        mounts: vec![mount("/scratch", "hung", None), mount("/", "ok", Some(40.0))],
        grants: None,
    }
}
