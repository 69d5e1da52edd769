//! The collector as a whole, on this machine.

use super::*;
use crate::model::{MetricId, Raw, Scope, metric::node};

/// The metrics of a node that other collectors and the board tell.
const OTHERS: [MetricId; 13] = [
    node::BLOCKED,
    node::ZOMBIES,
    node::FABRIC_MANAGER,
    node::OOM_HOUR,
    node::EDAC_CE_HOUR,
    node::CPU_THROTTLE_MINUTE,
    node::GPUS,
    node::GPUS_EXPECTED,
    node::PROCS,
    node::DISK_USED,
    node::MOUNTS_BAD,
    node::TOTAL_POWER,
    node::CPU_POWER,
];

#[test]
fn every_metric_of_the_host_has_a_value_or_is_unsupported() {
    let (clock, hand) = Clock::by_hand();
    let mut host = Host::with(Path::new("/"), clock).unwrap();
    host.collect(Time::from_millis(0));
    hand.advance(Duration::from_secs(6));
    let findings = host.collect(Time::from_millis(6000));
    for row in 0..Scope::Node.metrics().len() {
        let metric = MetricId { scope: Scope::Node, row: row as u16 };
        if OTHERS.contains(&metric) || node::OF_THE_HUB.contains(&metric) {
            continue;
        }
        let raw = findings.readings.iter().find(|r| r.metric == metric).map(|r| r.raw);
        // Two rounds at once are too near for a share of CPU time.
        let may_be_silent = metric == node::CPU || metric == node::CLOCK_OFFSET;
        assert!(may_be_silent || raw.is_some_and(|raw| raw != Raw::UNKNOWN), "{metric:?}: {raw:?}");
    }
}

#[test]
fn the_first_round_tells_what_the_machine_is() {
    let findings = Host::new(Path::new("/")).unwrap().collect(Time::from_millis(0));
    let host = findings.host.expect("the first round tells it");
    assert!(!host.kernel.is_empty() && !host.boot_id.is_empty() && !host.hostname.is_empty());
    assert!(findings.nics.is_some());
    assert_eq!(findings.events.len(), 1, "it was started once");
}

#[test]
fn an_empty_tree_has_nothing_and_says_so() {
    let tree = tree::Tree::new();
    let (clock, hand) = Clock::by_hand();
    let mut host = Host::with(tree.path(), clock).unwrap();
    host.collect(Time::from_millis(0));
    hand.advance(Duration::from_secs(6));
    let findings = host.collect(Time::from_millis(6000));
    // Told by the kernel itself and by sysinfo, whatever the tree.
    let live = [node::CPU, node::CORES, node::LOAD1, node::UPTIME, node::CLOCK_SYNCED, node::CLOCK_OFFSET];
    let memory = [node::MEM_USED, node::MEM_TOTAL, node::MEM_UTIL, node::SWAP_USED];
    let others = [&live[..], &memory, &[node::IB_PORTS, node::IB_PORTS_UP]].concat();
    for reading in findings.readings.iter().filter(|reading| !others.contains(&reading.metric)) {
        assert_eq!(reading.raw, Raw::UNSUPPORTED, "{:?}", reading.metric);
    }
    // A sandbox may refuse to tell of the clock.
    let faults = findings.faults.unwrap_or_default();
    assert!(faults.iter().all(|fault| fault.metric == "node.clock.synced"), "{faults:?}");
}
