//! Ports from recorded trees of `/sys`.

use super::*;
use crate::{
    collect::{Findings, host::tree::Tree},
    model::{MetricId, Raw},
};

const NOW: Time = Time::from_millis(1_700_000_000_000);

/// An Ethernet interface as sysfs shows it; `device` is where it hangs, virtual ones hang nowhere.
fn interface(tree: &Tree, name: &str, device: Option<&str>) {
    let folder = format!("sys/class/net/{name}");
    for (file, content) in [
        ("type", "1"),
        ("flags", "0x1003"),
        ("operstate", "up"),
        ("speed", "25000"),
        ("carrier_down_count", "1"),
        ("statistics/rx_bytes", "0"),
        ("statistics/tx_bytes", "0"),
        ("statistics/rx_errors", "2"),
        ("statistics/tx_errors", "3"),
    ] {
        tree.file(&format!("{folder}/{file}"), &format!("{content}\n"));
    }
    if let Some(device) = device {
        tree.file(&format!("sys/devices/{device}/uevent"), "");
        tree.link(&format!("{folder}/device"), &format!("../../../devices/{device}"));
    }
}

/// One port of an RDMA device.
fn rdma(tree: &Tree, name: &str, port: u8, layer: &str, device: &str) {
    let folder = format!("sys/class/infiniband/{name}/ports/{port}");
    for (file, content) in [
        ("link_layer", layer),
        ("state", "4: ACTIVE"),
        ("rate", "400 Gb/sec (4X NDR)"),
        ("counters/port_rcv_data", "0"),
        ("counters/port_xmit_data", "0"),
        ("counters/port_rcv_errors", "1"),
        ("counters/symbol_error", "2"),
        ("counters/local_link_integrity_errors", "4"),
        ("counters/link_downed", "5"),
    ] {
        tree.file(&format!("{folder}/{file}"), &format!("{content}\n"));
    }
    if port == 1 {
        tree.file(&format!("sys/devices/{device}/uevent"), "");
        tree.link(&format!("sys/class/infiniband/{name}/device"), &format!("../../../devices/{device}"));
    }
}

struct Bench {
    tree: Tree,
    network: Network,
    ledger: Ledger,
    at: Duration,
}

fn bench(tree: Tree) -> Bench {
    tree.file("proc/sys/kernel/random/boot_id", "b00t");
    let network = Network::new(tree.path());
    Bench { tree, network, ledger: Ledger::default(), at: Duration::ZERO }
}

impl Bench {
    /// All that is read in a round, 2 s after the last.
    fn round(&mut self) -> Findings {
        self.at += Duration::from_secs(2);
        self.network.survey(NOW, &mut self.ledger);
        self.network.inspect(NOW, &mut self.ledger);
        self.network.read(self.at, &mut self.ledger);
        self.ledger.take()
    }

    fn names(&mut self) -> Vec<String> {
        self.round().nics.expect("the first round tells").iter().map(|nic| nic.name.clone()).collect()
    }
}

fn get(findings: &Findings, metric: MetricId, slot: u16) -> Raw {
    findings.readings.iter().find(|r| (r.metric, r.slot) == (metric, slot)).expect("it was read").raw
}

#[test]
fn physical_interfaces_count_once() {
    let tree = Tree::new();
    let card = "pci0000:00/0000:00:01.0/0000:41:00.0";
    for virtual_one in ["lo", "bond0", "br0", "docker0", "veth12", "vlan7", "tun0"] {
        interface(&tree, virtual_one, None);
    }
    tree.file("sys/class/net/lo/type", "772\n");
    for (name, device) in [("ens2", "0000:42:00.0"), ("ens1", "0000:41:00.0")] {
        interface(&tree, name, Some(&format!("pci0000:00/0000:00:01.0/{device}")));
        tree.link(&format!("sys/class/net/{name}/master"), "../bond0");
    }
    // A virtual function, its representor, the uplink's own port name, an IPoIB interface, a port never switched on.
    interface(&tree, "ens1v0", Some(&format!("{card}.vf")));
    tree.link(&format!("sys/devices/{card}.vf/physfn"), "../0000:41:00.0");
    interface(&tree, "ens1_0", Some(card));
    tree.file("sys/class/net/ens1_0/phys_port_name", "c1pf0vf0\n");
    tree.file("sys/class/net/ens1/phys_port_name", "p0\n");
    interface(&tree, "ib0", Some("pci0000:00/0000:00:01.0/0000:43:00.0"));
    tree.file("sys/class/net/ib0/type", "32\n");
    interface(&tree, "eno9", Some("pci0000:00/0000:00:01.0/0000:44:00.0"));
    tree.file("sys/class/net/eno9/flags", "0x1002\n");
    // The accelerated member of a synthetic interface, which counts its traffic too.
    interface(&tree, "eth0", Some("vmbus/f8615163"));
    interface(&tree, "enP1s1", Some("pci0001:00/0001:00:02.0"));
    tree.link("sys/class/net/enP1s1/master", "../eth0");

    let mut bench = bench(tree);
    assert_eq!(bench.names(), ["ens1", "ens2", "eth0"]);
    for name in ["lo", "bond0", "br0", "veth12", "vlan7", "ens1", "ens2", "ens1v0", "ens1_0", "ib0", "enP1s1"] {
        bench.tree.file(&format!("sys/class/net/{name}/statistics/rx_bytes"), "20000\n");
        bench.tree.file(&format!("sys/class/net/{name}/statistics/tx_bytes"), "6000\n");
    }
    let findings = bench.round();
    assert_eq!(findings.nics, None, "nothing has changed");
    assert_eq!(get(&findings, nic::RX, 0), Raw::new(10_000.0, 1000.0));
    assert_eq!(get(&findings, node::NET_RX, 0), Raw::new(20_000.0, 1000.0), "two of 10 kB/s, and one idle");
    assert_eq!(get(&findings, node::NET_TX, 0), Raw::new(6000.0, 1000.0));
    assert_eq!(get(&findings, node::IB_RX, 0), Raw::UNSUPPORTED);
    assert_eq!(get(&findings, node::IB_PORTS, 0), Raw::new(0.0, 1.0));
    assert_eq!(get(&findings, nic::RATE, 0), Raw::new(25e9 / 8.0, 125_000.0));
    assert_eq!(get(&findings, nic::ERRORS, 0), Raw::new(5.0, 1.0));
    assert_eq!(get(&findings, nic::LINK_DOWNED, 0), Raw::new(1.0, 1.0));
    assert_eq!(get(&findings, nic::RECOVERY, 0), Raw::UNSUPPORTED);
}

#[test]
fn a_container_counts_the_interface_of_its_default_route() {
    let tree = Tree::new();
    for name in ["lo", "eth0", "net1"] {
        interface(&tree, name, None);
    }
    let mut none = bench(Tree::new());
    assert!(none.names().is_empty());
    assert_eq!(get(&none.round(), node::NET_RX, 0), Raw::UNSUPPORTED);

    let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
    let local = "eth0\t0000F40A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
    let worse = "net1\t00000000\t0100F40A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
    let best = "eth0\t00000000\t0100F40A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
    tree.file("proc/net/route", &[head, local, worse, best].concat());
    assert_eq!(bench(tree).names(), ["eth0"]);

    let tree = Tree::new();
    interface(&tree, "net1", None);
    let zero = "00000000000000000000000000000000";
    tree.file("proc/net/ipv6_route", &format!("{zero} 00 {zero} 00 {zero} 00000400 00000001 00000000 00000003 net1\n"));
    assert_eq!(bench(tree).names(), ["net1"], "an IPv6-only one too");
}

#[test]
fn rdma_ports_of_every_kind() {
    let tree = Tree::new();
    rdma(&tree, "mlx5_10", 1, "Ethernet", "pci0000:00/0000:1a:00.0");
    rdma(&tree, "mlx5_2", 1, "InfiniBand", "pci0000:00/0000:1b:00.0");
    rdma(&tree, "mlx4_0", 1, "InfiniBand", "pci0000:00/0000:1c:00.0");
    rdma(&tree, "mlx4_0", 2, "InfiniBand", "pci0000:00/0000:1c:00.0");
    rdma(&tree, "mlx5_3", 1, "InfiniBand", "pci0000:00/0000:1d:00.1");
    tree.link("sys/devices/pci0000:00/0000:1d:00.1/physfn", "../0000:1b:00.0");
    rdma(&tree, "rdmap79s0", 1, "Unspecified", "pci0000:00/0000:4f:00.0");
    tree.link("sys/devices/pci0000:00/0000:4f:00.0/driver", "../../../bus/pci/drivers/efa");
    tree.remove("sys/class/infiniband/rdmap79s0/ports/1/counters");
    tree.file("sys/class/infiniband/rdmap79s0/ports/1/hw_counters/rx_bytes", "0");
    tree.file("sys/class/infiniband/rdmap79s0/ports/1/hw_counters/tx_bytes", "0");
    tree.file("sys/class/infiniband/rdmap79s0/ports/1/hw_counters/rx_drops", "9");
    tree.file("sys/class/infiniband/rxe0/ports/1/link_layer", "Ethernet");

    let mut bench = bench(tree);
    let nics = bench.round().nics.unwrap();
    let seen: Vec<_> = nics.iter().map(|n| (&*n.name, &*n.kind, &*n.bus)).collect();
    let expected = [
        ("mlx4_0/1", "infiniband", "0000:1c:00.0"),
        ("mlx4_0/2", "infiniband", "0000:1c:00.0"),
        ("mlx5_2", "infiniband", "0000:1b:00.0"),
        ("mlx5_10", "roce", "0000:1a:00.0"),
        ("rdmap79s0", "efa", "0000:4f:00.0"),
    ];
    assert_eq!(seen, expected);

    bench.tree.file("sys/class/infiniband/mlx5_2/ports/1/counters/port_rcv_data", "5000\n");
    bench.tree.file("sys/class/infiniband/rdmap79s0/ports/1/hw_counters/rx_bytes", "8000\n");
    bench.tree.file("sys/class/infiniband/mlx4_0/ports/2/state", "1: DOWN\n");
    let findings = bench.round();
    assert_eq!(get(&findings, nic::RX, 2), Raw::new(10_000.0, 1000.0), "words of four bytes");
    assert_eq!(get(&findings, nic::RX, 4), Raw::new(4000.0, 1000.0));
    assert_eq!(get(&findings, nic::ERRORS, 4), Raw::new(9.0, 1.0));
    assert_eq!(get(&findings, nic::LINK_DOWNED, 4), Raw::UNSUPPORTED);
    assert_eq!(get(&findings, node::IB_RX, 0), Raw::new(14_000.0, 1000.0));
    assert_eq!(
        (get(&findings, node::IB_PORTS, 0), get(&findings, node::IB_PORTS_UP, 0)),
        (Raw::new(5.0, 1.0), Raw::new(4.0, 1.0))
    );
    assert_eq!((get(&findings, nic::STATE, 1), get(&findings, nic::RATE, 1)), (Raw::new(0.0, 1.0), Raw::ABSENT));
    assert_eq!(
        (get(&findings, nic::STATE, 2), get(&findings, nic::RATE, 2)),
        (Raw::new(3.0, 1.0), Raw::new(50e9, 125_000.0))
    );
    assert_eq!(get(&findings, nic::ERRORS, 2), Raw::new(7.0, 1.0));
    assert_eq!(get(&findings, node::NET_RX, 0), Raw::UNSUPPORTED, "no Ethernet here");
}

#[test]
fn a_counter_at_its_end_is_saturated() {
    let check = |file: &str, count: u64, metric, expected: Raw| {
        let tree = Tree::new();
        rdma(&tree, "mlx5_0", 1, "InfiniBand", "pci0000:00/0000:1a:00.0");
        let mut bench = bench(tree);
        bench.round();
        bench.tree.file(&format!("sys/class/infiniband/mlx5_0/ports/1/counters/{file}"), &count.to_string());
        assert_eq!(get(&bench.round(), metric, 0), expected, "{file} {count}");
    };
    check("link_downed", 254, nic::LINK_DOWNED, Raw::new(254.0, 1.0));
    check("link_downed", 255, nic::LINK_DOWNED, Raw::SATURATED);
    check("link_downed", 256, nic::LINK_DOWNED, Raw::new(256.0, 1.0));
    check("link_error_recovery", 254, nic::RECOVERY, Raw::new(254.0, 1.0));
    check("link_error_recovery", 255, nic::RECOVERY, Raw::SATURATED);
    check("symbol_error", 65_535, nic::ERRORS, Raw::SATURATED);
    check("local_link_integrity_errors", 15, nic::ERRORS, Raw::SATURATED);
    check("port_rcv_data", u32::MAX.into(), nic::RX, Raw::SATURATED);
    check("port_rcv_data", u32::MAX.into(), node::IB_RX, Raw::SATURATED);
}

#[test]
fn links_that_change_are_events_with_ids_of_their_own() {
    let tree = Tree::new();
    rdma(&tree, "mlx5_0", 1, "InfiniBand", "pci0000:00/0000:1a:00.0");
    interface(&tree, "eth0", Some("pci0000:00/0000:1b:00.0"));
    let mut bench = bench(tree);
    let mut ids = Vec::new();
    let mut check = |bench: &mut Bench, expected: &[(&str, bool, &str)]| {
        let events = bench.round().events;
        let told: Vec<_> = events
            .iter()
            .map(|event| match (&event.subject, &event.kind) {
                (Subject::Nic { name }, EventKind::Link { up }) => (&**name, *up, &*event.text),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, expected);
        ids.extend(events.iter().map(|event| event.id.clone()));
    };
    let state = "sys/class/infiniband/mlx5_0/ports/1/state";
    check(&mut bench, &[]);
    bench.tree.file(state, "2: INIT");
    bench.tree.file("sys/class/net/eth0/operstate", "down");
    check(&mut bench, &[("mlx5_0", false, "mlx5_0 went down"), ("eth0", false, "eth0 went down")]);
    bench.tree.file(state, "1: DOWN");
    bench.tree.file("sys/class/net/eth0/flags", "0x1002");
    check(&mut bench, &[]);
    bench.tree.file(state, "4: ACTIVE");
    bench.tree.file("sys/class/infiniband/mlx5_0/ports/1/counters/link_downed", "6");
    check(&mut bench, &[("mlx5_0", true, "mlx5_0 came up")]);
    bench.tree.file("sys/class/infiniband/mlx5_0/ports/1/counters/link_downed", "8");
    check(&mut bench, &[("mlx5_0", true, "mlx5_0 lost its link and came back, times seen: 2")]);
    bench.tree.remove("sys/class/infiniband/mlx5_0");
    check(&mut bench, &[("mlx5_0", false, "mlx5_0 is gone")]);
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
    assert!(ids[0].starts_with("b00t/link/1700000000000/"), "{ids:?}");
}

#[test]
fn a_port_that_cannot_be_read_says_why() {
    let tree = Tree::new();
    interface(&tree, "eth0", Some("pci0000:00/0000:1b:00.0"));
    tree.file("sys/class/net/eth0/speed", "-1\n");
    tree.file("sys/class/net/eth0/operstate", "unknown\n");
    tree.file("sys/class/net/eth0/carrier", "1\n");
    tree.file("sys/class/net/eth0/statistics/rx_bytes", "?\n");
    let mut bench = bench(tree);
    let findings = bench.round();
    assert_eq!(get(&findings, nic::RATE, 0), Raw::UNSUPPORTED);
    assert_eq!(get(&findings, nic::STATE, 0), Raw::new(3.0, 1.0));
    assert_eq!((get(&findings, nic::RX, 0), get(&findings, node::NET_RX, 0)), (Raw::FAILED, Raw::FAILED));
    let faults = findings.faults.unwrap();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].metric == "nic.rx" && faults[0].reason.ends_with("eth0/statistics/rx_bytes: not understood"));
}
