//! What a healthy machine is said to have.

use std::{collections::BTreeSet, fs, time::Duration};

use supertop::model::{
    Gap, MetricId, Scope,
    metric::{gpu, node},
    report::Gpu,
};

use super::mock::Bench;

fn every_gpu_metric() -> impl Iterator<Item = MetricId> {
    let all = (0..Scope::Gpu.metrics().len()).map(|row| MetricId { scope: Scope::Gpu, row: row as u16 });
    all.filter(|metric| !gpu::OF_THE_HUB.contains(metric) && !gpu::RISES.contains(metric))
}

/// Has the kernel count so many PCIe errors of a GPU.
fn pcie_errors(bench: &Bench, bus: &str, kind: &str, count: u32) {
    let device = bench.sys().join(format!("bus/pci/devices/0000:{bus}:00.0"));
    fs::create_dir_all(&device).unwrap();
    let total = kind.to_uppercase();
    fs::write(device.join(format!("aer_dev_{kind}")), format!("DLP {count}\nTOTAL_ERR_{total} {count}\n")).unwrap();
}

#[test]
fn pcie_errors_are_told_of_each_gpu() {
    let mut bench = Bench::new("");
    pcie_errors(&bench, "52", "fatal", 1);
    pcie_errors(&bench, "52", "nonfatal", 3);
    pcie_errors(&bench, "61", "fatal", 0);
    bench.settle();
    assert_eq!((bench.value(gpu::PCIE_FATAL, 2) as u32, bench.value(gpu::PCIE_NONFATAL, 2) as u32), (1, 3));
    assert_eq!(bench.value(gpu::PCIE_FATAL, 3) as u32, 0);
    assert_eq!(bench.gap(gpu::PCIE_NONFATAL, 3), Some(Gap::Unsupported), "this kernel does not count them");
    pcie_errors(&bench, "61", "fatal", 2);
    bench.until("another error", |bench| bench.value(gpu::PCIE_FATAL, 3) as u32 == 2);
}

#[test]
fn retired_pages_are_those_of_both_kinds() {
    let mut bench = Bench::new("gpu 1 set field:29 40\n gpu 1 set field:30 23\n gpu 1 set field:31 1\n log");
    bench.settle();
    assert_eq!((bench.value(gpu::RETIRED, 1) as u32, bench.value(gpu::RETIRED_PENDING, 1) as u32), (63, 1));
    assert_eq!(bench.gap(gpu::RETIRED, 0), Some(Gap::Unsupported));
    assert_eq!(bench.reason(gpu::RETIRED, 0), None);
}

#[test]
fn the_slowest_nvlink_tells_the_speed() {
    let mut bench = Bench::new("gpu 2 set nvlink.speed 12500\n gpu 3 set nvlink.speed 0\n gpu 4 lacks field:164");
    bench.settle();
    assert!((bench.value(gpu::NVLINK_SPEED, 0) - 26.562e9).abs() < 1e6);
    assert!((bench.value(gpu::NVLINK_SPEED, 2) - 12.5e9).abs() < 1e6);
    assert_eq!(bench.gap(gpu::NVLINK_SPEED, 3), Some(Gap::Absent), "all are down");
    assert_eq!(bench.gap(gpu::NVLINK_SPEED, 4), Some(Gap::Unsupported));
}

#[test]
fn every_metric_is_a_value_or_unsupported() {
    let mut bench = Bench::new("");
    for bus in ["1b", "43", "52", "61", "9d", "c3", "d1", "df"] {
        pcie_errors(&bench, bus, "fatal", 0);
        pcie_errors(&bench, bus, "nonfatal", 0);
    }
    bench.settle();
    let mut unsupported = BTreeSet::new();
    for metric in every_gpu_metric() {
        for slot in 0..8 {
            match bench.gap(metric, slot) {
                None => {}
                Some(Gap::Unsupported) => drop(unsupported.insert(format!("{metric:?}"))),
                Some(Gap::Absent) if metric == gpu::XID || metric == gpu::XID_AGE => {}
                gap => panic!("{metric:?} of slot {slot} is {gap:?}"),
            }
        }
    }
    // An SXM board has no fans, and an H100 remaps rows instead of retiring pages. All else must have a value: a metric that fell silent would pass as unsupported.
    assert_eq!(unsupported.into_iter().collect::<Vec<_>>(), ["gpu.fan", "gpu.retired.pages", "gpu.retired.pending"]);
    assert_eq!(bench.faults(), []);
    assert_eq!(bench.last.notes, Some(vec![]));
}

#[test]
fn values_are_in_the_units_of_the_catalogue() {
    let mut bench = Bench::new(
        "gpu 2 set power 650\n gpu 2 set energy 5000000\n gpu 2 set temp 71\n gpu 2 set util 93\n gpu 2 set mem.used 42949672960
         gpu 2 set throttle 68\n gpu 2 set remap.uncorr 2\n gpu 2 set remap.pending 1\n gpu 2 set ecc.dbe 3\n gpu 2 set ecc.sram 1
         gpu 2 set recovery 4\n gpu 2 set remap.spent 5\n gpu 2 set nvlink.links 17\n gpu 2 set nvlink.errors 4\n gpu 2 set sm.active 81.5",
    );
    bench.settle();
    let check = |metric, expected: f64| {
        assert!((bench.value(metric, 2) - expected).abs() < 0.6, "{metric:?}: {}", bench.value(metric, 2));
    };
    check(gpu::POWER, 650.0);
    check(gpu::POWER_LIMIT, 700.0);
    check(gpu::ENERGY, 5_000_000.0);
    check(gpu::TEMP, 71.0);
    check(gpu::TEMP_MEM, 80.0);
    check(gpu::TEMP_LIMIT, 87.0);
    check(gpu::TEMP_MARGIN, 16.0);
    check(gpu::UTIL, 93.0);
    check(gpu::MEM_USED, 40.0 * 1_073_741_824.0);
    check(gpu::THROTTLE, 68.0); // power_cap (bit 2) and hw_thermal (bit 6)
    check(gpu::REMAP_UNCORR, 2.0);
    check(gpu::REMAP_PENDING, 1.0);
    check(gpu::REMAP_SPENT, 5.0);
    check(gpu::RECOVERY, 4.0);
    check(gpu::ECC_DBE, 3.0);
    check(gpu::ECC_SRAM, 1.0);
    check(gpu::NVLINK_LINKS, 17.0);
    check(gpu::NVLINK_ERRORS, 3.0 * 18.0 * 4.0); // three counters on each of 18 links
    check(gpu::NVLINK_REPLAY, 2.0 * 18.0 * 4.0); // two of them
    check(gpu::SM_ACTIVE, 81.5);
    check(gpu::FABRIC, 3.0);
    check(gpu::PCIE_GEN, 5.0);
    check(gpu::PCIE_WIDTH_MAX, 16.0);
    let share = 100.0 * 40.0 / 79.647;
    check(gpu::MEM_UTIL, share);
    // Traffic is what the mock moves by its own clock, which differs from the collector's by what scheduling costs.
    for (metric, most) in [(gpu::PCIE_RX, 6e9), (gpu::PCIE_TX, 3e9), (gpu::NVLINK_RX, 90e9), (gpu::NVLINK_TX, 90e9)] {
        let rate = bench.value(metric, 2);
        assert!((0.05 * most..=4.0 * most).contains(&rate), "{metric:?} is {rate}");
    }
}

#[test]
fn the_inventory_says_what_each_gpu_is() {
    let mut bench = Bench::new("driver 580.95.05");
    let numa = bench.sys().join("bus/pci/devices/0000:1b:00.0");
    fs::create_dir_all(&numa).unwrap();
    fs::write(numa.join("numa_node"), "1\n").unwrap();
    bench.round(0);
    let driver = bench.last.driver.clone().unwrap();
    assert_eq!((driver.driver.as_str(), driver.cuda.as_str()), ("580.95.05", "12.8"));
    assert_eq!(bench.gpus.len(), 8);
    let expected = Gpu {
        index: "0".into(),
        uuid: "GPU-5e6f7a10-0000-4000-8000-000000000000".into(),
        bus: "0000:1b:00.0".into(),
        model: "NVIDIA H100 80GB HBM3".into(),
        serial: "1652123000000".into(),
        vbios: "96.00.A5.00.01".into(),
        numa: Some(1),
        mig: "off".into(),
        gsp: "on".into(),
        parent: None,
    };
    assert_eq!(bench.gpus[0], expected);
    assert_eq!(bench.gpus[7].bus, "0000:df:00.0");
    bench.round(1);
    assert_eq!(bench.last.gpus, None, "what has not changed is not told again");
    assert_eq!(bench.value(node::GPUS, 0) as u32, 8);
    assert_eq!(bench.value(node::GPUS_EXPECTED, 0) as u32, 8);
}

#[test]
fn processes_are_told_with_what_they_use() {
    let mut bench = Bench::new("gpu * set util 60\n gpu 5 set procs 0");
    bench.settle();
    let [found] = &bench.uses(40_301)[..] else { panic!("{:?}", bench.last.gpu_uses) };
    assert_eq!((found.slot, found.mem, found.sm), (3, Some(20 << 30), Some(30)));
    assert_eq!(bench.value(gpu::PROCS, 3) as u32, 2);
    assert_eq!(bench.value(gpu::PROCS, 5) as u32, 0);
    assert_eq!(bench.uses(40_500), []);
}

#[test]
fn what_is_unsupported_is_not_asked_again() {
    let lacks =
        "gpu * lacks nvmlDeviceGetPowerUsage\n gpu * lacks nvmlDeviceGetRowRemapperHistogram\n gpu * lacks field:82
         gpu * lacks nvmlDeviceGetComputeRunningProcesses_v3\n gpu * lacks nvmlDeviceRegisterEvents\n log";
    let mut bench = Bench::new(lacks);
    bench.settle();
    for metric in [gpu::POWER, gpu::REMAP_SPENT, gpu::TEMP_MEM, gpu::PROCS] {
        assert_eq!(bench.gap(metric, 4), Some(Gap::Unsupported), "{metric:?}");
    }
    assert_eq!(bench.reason(gpu::POWER, 4), None, "what a GPU lacks is no fault");
    bench.calls();
    bench.round(400);
    bench.round(400);
    let calls = bench.calls();
    let asked = |call: &str| calls.iter().any(|line| line.starts_with(call));
    assert!(asked("nvmlDeviceGetTemperature ") && asked("nvmlDeviceGetMaxClockInfo"), "the rest is asked");
    for call in ["Power", "RowRemapper", "ComputeRunning", "GraphicsRunning", "NumFans", "FanSpeed", "PcieThroughput"] {
        assert!(!asked(&format!("nvmlDeviceGet{call}")), "{call} was asked again");
    }
    assert!(!asked("nvmlDeviceRegisterEvents"));
}

#[test]
fn slow_things_are_read_seldom() {
    let mut bench = Bench::new("log");
    bench.settle();
    bench.calls();
    let count = |bench: &mut Bench, seconds, call: &str| {
        bench.round(seconds);
        bench.calls().iter().filter(|line| line.starts_with(call)).count()
    };
    assert_eq!(count(&mut bench, 5, "nvmlDeviceGetTotalEccErrors"), 16, "both kinds of each GPU");
    assert_eq!(count(&mut bench, 1, "nvmlDeviceGetTotalEccErrors"), 0);
    assert_eq!(count(&mut bench, 1, "nvmlDeviceGetPowerUsage"), 8);
    assert_eq!(count(&mut bench, 1, "nvmlDeviceGetComputeRunningProcesses_v3"), 0);
    assert_eq!(count(&mut bench, 1, "nvmlDeviceGetMaxClockInfo"), 0);
    assert_eq!(count(&mut bench, 300, "nvmlDeviceGetMaxClockInfo"), 8);
}

#[test]
fn a_counter_that_is_reset_yields_no_rate() {
    let mut bench = Bench::new("");
    bench.settle();
    let tell = |bench: &Bench, bytes: u64| bench.tell(&format!("gpu 1 set field:198 {bytes}"));
    tell(&bench, 9_000_000_000_000);
    bench.round(5);
    tell(&bench, 500);
    bench.round(5);
    assert_eq!(bench.gap(gpu::PCIE_RX, 1), Some(Gap::Unknown), "it went back");
    tell(&bench, 1500);
    bench.round(5);
    assert!(bench.value(gpu::PCIE_RX, 1) >= 0.0);
    tell(&bench, 9_000_000_000_000_000_000);
    bench.round(5);
    assert_eq!(bench.gap(gpu::PCIE_RX, 1), Some(Gap::Unknown), "nothing is that fast");
}

#[test]
fn pcie_traffic_has_three_sources() {
    let fields = "gpu * lacks field:197\n gpu * lacks field:198\n log\n";
    let mut bench = Bench::new(fields);
    bench.settle();
    assert!(bench.value(gpu::PCIE_RX, 0) > 1e8, "GPM tells it");
    assert!(!bench.calls().iter().any(|call| call.starts_with("nvmlDeviceGetPcieThroughput")));

    let mut bench = Bench::new(&format!("{fields} gpu * lacks nvmlGpmQueryDeviceSupport"));
    bench.settle();
    assert!(bench.value(gpu::PCIE_RX, 0) > 1e8, "the slow call tells it");
    assert_eq!(bench.gap(gpu::SM_ACTIVE, 0), Some(Gap::Unsupported));
    assert!(bench.value(gpu::NVLINK_RX, 0) > 1e8, "the links' own counters tell it");

    let nothing =
        "gpu * lacks nvmlGpmQueryDeviceSupport\n gpu * lacks nvmlDeviceGetPcieThroughput\n gpu * lacks field:138";
    let mut bench = Bench::new(&format!("{fields} {nothing}"));
    bench.settle();
    assert_eq!(bench.gap(gpu::PCIE_TX, 0), Some(Gap::Unsupported));
    assert_eq!(bench.gap(gpu::NVLINK_TX, 0), Some(Gap::Unsupported));
}

#[test]
fn nvlink_errors_are_found_where_the_generation_counts_them() {
    let none = "gpu * lacks field:161\n gpu * lacks field:162\n gpu * lacks field:163";
    let mut bench = Bench::new(none);
    bench.settle();
    assert_eq!(bench.gap(gpu::NVLINK_ERRORS, 0), Some(Gap::Unsupported));
    assert_eq!(bench.value(gpu::NVLINK_LINKS, 0) as u32, 18, "the links are there all the same");

    let mut bench = Bench::new(&format!("{none}\n gpu * set field:215 2"));
    bench.settle();
    assert_eq!(bench.value(gpu::NVLINK_ERRORS, 0) as u32, 36, "Blackwell's fields");
    assert_eq!(bench.value(gpu::NVLINK_REPLAY, 0) as u32, 36, "and these are recoveries");

    let mut bench = Bench::new("gpu * lacks nvmlDeviceGetNvLinkState");
    bench.settle();
    assert_eq!(bench.gap(gpu::NVLINK_LINKS, 0), Some(Gap::Unsupported));
    assert_eq!(bench.gap(gpu::NVLINK_SPEED, 0), Some(Gap::Unsupported), "of no links no speed is asked");
}

#[test]
fn the_fabric_is_told_by_old_drivers_and_new() {
    let mut bench = Bench::new(
        "gpu 1 set fabric.old 1\n gpu 2 set fabric 2\n gpu 3 set fabric.health 2\n gpu 4 set fabric.status 999\n gpu 5 set fabric 0",
    );
    bench.settle();
    for (slot, state) in [(0, 3), (1, 3), (2, 2), (3, 4), (4, 4)] {
        assert_eq!(bench.value(gpu::FABRIC, slot) as u32, state, "slot {slot}");
    }
    assert_eq!(bench.gap(gpu::FABRIC, 5), Some(Gap::Unsupported));
}

#[test]
fn the_nvlink_domain_is_told_once_a_gpu_is_registered() {
    let mut bench = Bench::new("gpu * set fabric 2");
    bench.settle();
    assert_eq!(bench.last.domain.as_deref(), Some(""), "not yet");
    bench.tell("gpu * set fabric.cluster 7\n gpu * set fabric.clique 32766");
    let told = "00000000-0000-0000-0000-000000000007.32766";
    bench.until("the domain", |bench| bench.last.domain.as_deref() == Some(told));
    bench.tell("gpu * set fabric.cluster 0");
    bench.until("a cluster without a UUID ends with the node", |bench| bench.last.domain.as_deref() == Some(""));
    bench.tell("gpu * lacks nvmlDeviceGetGpuFabricInfoV");
    bench.settle();
    assert_eq!(bench.last.domain.as_deref(), Some(""));
}

#[test]
fn fans_are_told_by_the_fastest() {
    let mut bench = Bench::new("gpu 0 set fan 60");
    bench.settle();
    assert_eq!(bench.value(gpu::FAN, 0) as u32, 60);
}

#[test]
fn mig_instances_stand_behind_the_gpus() {
    let mut bench = Bench::new("");
    bench.settle();
    bench.tell("gpu 3 mig 1g.10gb 2g.20gb\n gpu 6 mig 7g.80gb");
    bench.until("the instances", |bench| bench.gpus.len() == 11);
    let listed: Vec<_> = bench.gpus[8..].iter().map(|gpu| (gpu.index.as_str(), gpu.mig.as_str(), gpu.parent)).collect();
    assert_eq!(listed, [("3.0", "1g.10gb", Some(3)), ("3.1", "2g.20gb", Some(3)), ("6.0", "7g.80gb", Some(6))]);
    assert_eq!(bench.gpus[3].mig, "on");
    assert_eq!(bench.gpus[8].bus, bench.gpus[3].bus);
    assert!(bench.gpus[8].uuid.starts_with("MIG-"));

    bench.settle();
    assert_eq!(bench.gap(gpu::UTIL, 3), Some(Gap::Unsupported), "a divided GPU has no utilisation");
    assert!(bench.value(gpu::POWER, 3) > 0.0);
    for slot in [8, 9, 10] {
        assert!(bench.value(gpu::SM_ACTIVE, slot) > 0.0, "slot {slot}");
        assert!(bench.value(gpu::MEM_UTIL, slot) > 0.0);
        assert_eq!(bench.value(gpu::PROCS, slot) as u32, 1);
        assert_eq!(bench.gap(gpu::POWER, slot), Some(Gap::Unsupported));
        assert_eq!(bench.gap(gpu::XID, slot), Some(Gap::Unsupported));
    }
    let ratio = bench.value(gpu::MEM_TOTAL, 9) / bench.value(gpu::MEM_TOTAL, 8);
    assert!((ratio - 2.0).abs() < 0.01, "{ratio}");
    assert_eq!(bench.value(gpu::PROCS, 3) as u32, 2, "a GPU's processes are those of its instances");
    assert_eq!(bench.uses(40_301)[0].slot, 9);
    assert_eq!(bench.value(node::GPUS, 0) as u32, 8, "instances are no GPUs");

    bench.tell("gpu 6 mig 7g.80gb");
    bench.until("fewer instances", |bench| bench.gpus.len() == 9);
    assert_eq!(bench.gpus[8].index, "6.0");
    assert!(bench.value(gpu::SM_ACTIVE, 8) > 0.0, "what was known went along to the new slot");
    assert_eq!(bench.gpus[3].mig, "off");
    bench.settle();
    assert!(bench.value(gpu::UTIL, 3) > 0.0, "an undivided GPU has utilisation again");
}

#[test]
fn other_counts_of_gpus() {
    for count in [0, 1, 16] {
        let mut bench = Bench::new(&format!("gpus {count}"));
        bench.round(0);
        assert_eq!(bench.last.gpus.as_ref().map(Vec::len), Some(count), "told even when there are none");
        assert_eq!(bench.value(node::GPUS, 0) as usize, count);
        assert_eq!(bench.last.notes, Some(vec![]));
    }
}

#[test]
fn a_round_tells_what_it_cost() {
    let mut bench = Bench::new("");
    bench.round(0);
    let parts: Vec<&str> = bench.last.costs.iter().map(|(part, _)| *part).collect();
    assert_eq!(parts, ["nvml.fields", "nvml.gpm", "nvml.probes", "nvml.processes"]);
    assert!(bench.last.costs.iter().all(|(_, cost)| *cost > Duration::ZERO));
}
