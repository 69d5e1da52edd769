//! A small fleet for the tests of this room: nodes that join, have GPUs, and send samples.
//! Agents list the built-in metrics, as those of this build do.

use super::{Fleet, Session, Settings};
use crate::model::{
    metric::{MetricId, Scope},
    place::Label,
    raw::Raw,
    report::{Gpu, Introduction, Inventory, Nic, Sample, Values},
    time::Time,
    unit::Unit,
};

/// 2026-11-23, on a whole ten seconds.
pub(super) const START: i64 = 1_795_442_670_000;

/// So many milliseconds after the start.
pub(super) fn at(ms: i64) -> Time {
    Time::from_millis(START + ms)
}

pub(super) fn fleet() -> Fleet {
    Fleet::new(Settings::default())
}

pub(super) fn builtin() -> impl Iterator<Item = (Scope, &'static str, Unit, f64)> {
    Scope::SAMPLED
        .into_iter()
        .flat_map(|scope| scope.metrics().iter().map(move |metric| (scope, &*metric.key, metric.unit, metric.quantum)))
}

pub(super) fn introduction(node: &str) -> Introduction {
    Introduction {
        node: node.into(),
        boot_id: "boot-1".into(),
        agent: "0.1.0".into(),
        started: at(-1000),
        interval_ms: 1000,
    }
}

pub(super) fn gpu(node: &str, index: usize) -> Gpu {
    Gpu {
        index: index.to_string(),
        uuid: format!("GPU-{node}-{index}"),
        bus: format!("0000:{index:02x}:00.0"),
        model: "NVIDIA H100 80GB HBM3".into(),
        serial: format!("16520{index}"),
        vbios: "96.00.74.00.01".into(),
        numa: Some(0),
        mig: "off".into(),
        gsp: "on".into(),
        parent: None,
    }
}

pub(super) fn inventory(node: &str, gpus: usize) -> Inventory {
    let nic = Nic { name: "mlx5_0".into(), kind: "infiniband".into(), bus: "0000:0c:00.0".into(), gpu: Some(0) };
    Inventory {
        generation: 1,
        os: "Debian 13".into(),
        labels: vec![Label { key: "rack".into(), value: "r1".into() }],
        gpus_on_bus: Some(gpus as u32),
        gpus: (0..gpus).map(|index| gpu(node, index)).collect(),
        nics: vec![nic],
        ..Inventory::default()
    }
}

/// A node that joins and says what it has.
pub(super) fn join(fleet: &mut Fleet, node: &str, gpus: usize, now: Time) -> Session {
    let session = fleet.join(&introduction(node), builtin(), now).expect("room");
    assert!(fleet.inventory(session, &inventory(node, gpus), now));
    session
}

/// A sample of the node in which one metric has these values, slot by slot.
pub(super) fn send(fleet: &mut Fleet, session: Session, metric: MetricId, values: &[f64], now: Time) -> bool {
    let (gpus, nics) = (fleet.slots(session.node, Scope::Gpu), fleet.slots(session.node, Scope::Nic));
    let mut sample = Sample { time: now, generation: 1, values: Values::new(gpus, nics) };
    let quantum = metric.builtin().map_or(1.0, |metric| metric.quantum);
    for (slot, value) in values.iter().enumerate() {
        sample.values.set(metric, slot, Raw::new(*value, quantum));
    }
    fleet.sample(session, &sample, now)
}
