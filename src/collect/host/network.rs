//! Network ports: which there are, how they do, and what passes through them.
//!
//! # What counts once
//! The node's Ethernet figures add up the ports that [`survey`] finds: hardware only, so nothing counts twice. A
//! machine without any, such as a container with one virtual interface, counts the interface of its default route.
//! InfiniBand, RoCE and EFA traffic bypasses the kernel, so a RoCE card shows as two ports, `mlx5_0` with its RDMA
//! traffic and `eth0` with the rest, and no byte is in both.

mod port;
mod survey;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    ledger::{Ledger, Value},
    machine,
};
use crate::model::{
    Scope, Time,
    metric::{nic, node},
    report::{Event, EventKind, Nic, Subject},
};
use port::{Link, Port};

#[derive(Debug)]
pub(super) struct Network {
    root: PathBuf,
    ports: Option<Vec<Port>>,
    herald: Herald,
}

impl Network {
    pub(super) fn new(root: &Path) -> Self {
        Network { root: root.to_owned(), ports: None, herald: Herald::new(root) }
    }

    /// Looks which ports there are. Those that were there keep what is known of them; one that is gone and was up
    /// is an event.
    pub(super) fn survey(&mut self, now: Time, ledger: &mut Ledger) {
        let known: Vec<&Nic> = self.ports.iter().flatten().map(|port| &port.nic).collect();
        let found = survey::ports(&self.root, &known);
        if self.ports.is_some() && found.iter().map(|port| &port.nic).eq(known) {
            return;
        }
        let mut before: BTreeMap<_, _> =
            self.ports.take().into_iter().flatten().map(|port| (port.nic.name.clone(), port)).collect();
        let mut ports = Vec::with_capacity(found.len());
        for port in found {
            match before.remove(&port.nic.name) {
                Some(old) if old.nic == port.nic => ports.push(old),
                _ => ports.push(port),
            }
        }
        for gone in before.into_values().filter(|port| port.link == Some(Link::Up)) {
            let text = format!("{} is gone", gone.nic.name);
            ledger.findings.events.push(self.herald.link(now, &gone.nic.name, false, text));
        }
        ledger.forget(Scope::Nic);
        ledger.findings.nics = Some(ports.iter().map(|port| port.nic.clone()).collect());
        self.ports = Some(ports);
    }

    /// Reads each port's state, speed and error counters; a change of state is an event.
    pub(super) fn inspect(&mut self, now: Time, ledger: &mut Ledger) {
        for (slot, port) in self.ports.iter_mut().flatten().enumerate() {
            let (link, downed) = (port.link, port.downed);
            port.inspect(slot, ledger);
            let name = &port.nic.name;
            let lost = downed.zip(port.downed).map_or(0, |(before, after)| after.saturating_sub(before));
            let told = match (link, port.link) {
                (Some(Link::Up), Some(Link::Down)) => Some((false, format!("{name} went down"))),
                (Some(Link::Down), Some(Link::Up)) => Some((true, format!("{name} came up"))),
                (Some(Link::Up), Some(Link::Up)) if lost > 0 => {
                    Some((true, format!("{name} lost its link and came back, times seen: {lost}")))
                }
                _ => None,
            };
            ledger.findings.events.extend(told.map(|(up, text)| self.herald.link(now, name, up, text)));
        }
        let rdma = || self.ports.iter().flatten().filter(|port| port.is_rdma());
        ledger.set(node::IB_PORTS, 0, rdma().count() as f64);
        ledger.set(node::IB_PORTS_UP, 0, rdma().filter(|port| port.link == Some(Link::Up)).count() as f64);
    }

    /// Reads what passed through each port, and adds it up.
    pub(super) fn read(&mut self, at: Duration, ledger: &mut Ledger) {
        let (mut ethernet, mut rdma) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for (slot, port) in self.ports.iter_mut().flatten().enumerate() {
            let sums = if port.is_rdma() { &mut rdma } else { &mut ethernet };
            for (metric, counter, sum) in [(nic::RX, &mut port.rx, &mut sums.0), (nic::TX, &mut port.tx, &mut sums.1)] {
                let rate = counter.rate(at);
                sum.push(rate.as_ref().map_or_else(|error| Value::Gap(error.gap()), |value| *value));
                ledger.put(metric, slot, rate);
            }
        }
        for (metric, values) in
            [(node::NET_RX, ethernet.0), (node::NET_TX, ethernet.1), (node::IB_RX, rdma.0), (node::IB_TX, rdma.1)]
        {
            ledger.set(metric, 0, Value::sum(values));
        }
    }
}

/// Numbers this agent's link events, so that each has an id of its own whenever the agent was started.
#[derive(Debug)]
struct Herald {
    boot_id: String,
    started: Option<Time>,
    told: u64,
}

impl Herald {
    fn new(root: &Path) -> Self {
        Herald { boot_id: machine::boot_id(root), started: None, told: 0 }
    }

    fn link(&mut self, now: Time, name: &str, up: bool, text: String) -> Event {
        let started = *self.started.get_or_insert(now);
        self.told += 1;
        Event {
            id: format!("{}/link/{}/{}", self.boot_id, started.as_millis(), self.told),
            time: now,
            subject: Subject::Nic { name: name.to_owned() },
            kind: EventKind::Link { up },
            text,
        }
    }
}

#[cfg(test)]
mod tests;
