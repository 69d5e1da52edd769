//! What becomes of findings on the board.

use super::*;
use crate::{
    collect::{Driver, kubernetes::Device},
    model::{
        Gap,
        metric::{gpu, nic},
        report::{EventKind, GpuUse, Subject},
    },
};

fn board() -> Board {
    Board::new(Path::new("/nonexistent"), Watchlist::default())
}

fn a_gpu(n: u32) -> Gpu {
    Gpu { index: n.to_string(), uuid: format!("GPU-{n}"), bus: format!("0000:0{n}:00.0"), ..Gpu::default() }
}

fn a_nic(name: &str) -> Nic {
    Nic { name: name.into(), kind: "ethernet".into(), ..Nic::default() }
}

fn with_gpus(gpus: Vec<Gpu>) -> Findings {
    let mut findings = Findings::default();
    for slot in 0..gpus.len() {
        findings.read(gpu::UTIL, slot, 50.0 + slot as f64);
        findings.gap(gpu::FAN, slot, Gap::Unsupported);
    }
    findings.gpus = Some(gpus);
    findings
}

fn silent() -> Failure {
    Failure::Silent { since: Time::from_millis(0) }
}

const NOW: Time = Time::from_millis(1000);

#[test]
fn a_failure_costs_the_collectors_own_metrics_only() {
    let mut board = board();
    let mut host = Findings::default();
    host.read(node::LOAD1, 0, 1.5);
    board.apply("host", Ok(host));
    board.apply("nvml", Ok(with_gpus(vec![a_gpu(0), a_gpu(1)])));
    board.take_change();
    board.apply("nvml", Err(silent()));

    let values = board.sample(NOW).values;
    assert_eq!(values.row(gpu::UTIL), [Raw::FAILED, Raw::FAILED]);
    assert_eq!(values.row(gpu::FAN), [Raw::UNSUPPORTED, Raw::UNSUPPORTED], "what is not there cannot fail");
    assert_eq!(values.row(gpu::TEMP), [Raw::UNKNOWN, Raw::UNKNOWN], "nobody ever gave it");
    assert_eq!(values.get(node::LOAD1, 0), Raw::new(1.5, 0.01));
    let inventory = board.inventory(&[]);
    assert_eq!(inventory.gpus.len(), 2, "GPUs keep their places");
    assert_eq!(inventory.faults.len(), 1);
    assert!(inventory.faults[0].reason.starts_with("nvml collector has not answered"), "{:?}", inventory.faults);
    assert!(board.take_change());

    let mut again = Findings::default();
    again.read(gpu::UTIL, 0, 7.0);
    board.apply("nvml", Ok(again));
    assert_eq!(board.sample(NOW).values.row(gpu::UTIL), [Raw::new(7.0, 1.0), Raw::FAILED], "the rest is old");
    assert!(board.inventory(&[]).faults.is_empty());
    assert!(board.take_change());
}

#[test]
fn a_failed_collectors_lists_are_not_shown_as_fresh() {
    let mut board = board();
    let list = vec![Process { pid: 7, ..Process::default() }];
    board.apply("processes", Ok(Findings { processes: Some(list), cores: Some(vec![5]), ..Findings::default() }));
    assert_eq!(board.processes(NOW).list.len(), 1);
    board.apply("processes", Err(Failure::Panicked("oh".into())));
    let after = board.processes(NOW);
    assert!(after.list.is_empty() && after.cores.is_empty());
}

#[test]
fn a_reading_stands_until_it_is_given_again() {
    let mut board = board();
    board.apply("nvml", Ok(with_gpus(vec![a_gpu(0)])));
    let mut next = Findings::default();
    next.read(gpu::TEMP, 0, 60.0);
    board.apply("nvml", Ok(next));
    let values = board.sample(NOW).values;
    assert_eq!((values.get(gpu::UTIL, 0), values.get(gpu::TEMP, 0)), (Raw::new(50.0, 1.0), Raw::new(60.0, 1.0)));
}

#[test]
fn a_generation_counts_what_slots_mean() {
    let mut board = board();
    board.apply("nvml", Ok(with_gpus(vec![a_gpu(0), a_gpu(1)])));
    let first = board.inventory(&[]).generation;
    let mut renamed = a_gpu(0);
    renamed.vbios = "97.00".into();
    board.apply("nvml", Ok(Findings { gpus: Some(vec![renamed, a_gpu(1)]), ..Findings::default() }));
    assert_eq!(board.inventory(&[]).generation, first, "the same GPUs in the same slots");
    assert_eq!(board.inventory(&[]).gpus[0].vbios, "97.00");
    assert_eq!(board.sample(NOW).values.get(gpu::UTIL, 1), Raw::new(51.0, 1.0), "their values stand");

    board.apply("nvml", Ok(Findings { gpus: Some(vec![a_gpu(1), a_gpu(0)]), ..Findings::default() }));
    assert_eq!(board.inventory(&[]).generation, first + 1);
    assert_eq!(board.sample(NOW).generation, first + 1);
    assert_eq!(board.sample(NOW).values.row(gpu::UTIL), [Raw::UNKNOWN; 2], "a value never moves to another GPU");

    let mut host = Findings { nics: Some(vec![a_nic("eth0")]), ..Findings::default() };
    host.read(nic::RX, 0, 5000.0);
    board.apply("host", Ok(host));
    assert_eq!(board.inventory(&[]).generation, first + 2);
    assert_eq!(board.sample(NOW).values.row(nic::RX), [Raw::new(5000.0, 1000.0)]);
    board.apply("host", Ok(Findings { nics: Some(vec![a_nic("eth0")]), ..Findings::default() }));
    assert_eq!(board.inventory(&[]).generation, first + 2);
    assert_eq!(board.sample(NOW).values.row(nic::RX), [Raw::new(5000.0, 1000.0)]);
}

#[test]
fn ports_find_their_gpu_when_the_gpus_come_later() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("sys/bus/pci/devices");
    std::fs::create_dir_all(&folder).unwrap();
    for (bus, bridge) in [("0000:00:00.0", "a"), ("0000:01:00.0", "b"), ("0000:77:00.0", "b")] {
        std::os::unix::fs::symlink(format!("../../../devices/pci0000:00/{bridge}/{bus}"), folder.join(bus)).unwrap();
    }
    let mut board = Board::new(dir.path(), Watchlist::default());
    let port = Nic { bus: "0000:77:00.0".into(), ..a_nic("mlx5_0") };
    board.apply("host", Ok(Findings { nics: Some(vec![port]), ..Findings::default() }));
    assert_eq!(board.inventory(&[]).nics[0].gpu, None);
    board.apply("nvml", Ok(with_gpus(vec![a_gpu(0), a_gpu(1)])));
    assert_eq!(board.inventory(&[]).nics[0].gpu, Some(1));
}

#[test]
fn expected_gpus_are_those_on_the_bus_or_more() {
    let check = |on_bus, listed: Option<u32>, expected: Option<f64>| {
        let mut board = board();
        board.apply("host", Ok(Findings { gpus_on_bus: on_bus, ..Findings::default() }));
        let instance = Gpu { parent: Some(0), index: "0.0".into(), ..a_gpu(0) };
        let gpus = listed.map(|n| (0..n).map(a_gpu).chain([instance]).collect());
        board.apply("nvml", Ok(Findings { gpus, ..Findings::default() }));
        let raw = board.sample(NOW).values.get(node::GPUS_EXPECTED, 0);
        assert_eq!(raw.value(1.0), expected, "{on_bus:?} {listed:?}");
    };
    check(Some(8), Some(7), Some(8.0));
    check(Some(8), None, Some(8.0));
    check(None, Some(4), Some(4.0));
    check(Some(0), None, Some(0.0));
    check(None, None, None);
}

#[test]
fn gpu_processes_are_joined_by_pid_and_come_first() {
    let watchlist = Watchlist::default();
    let mut board = Board::new(Path::new("/nonexistent"), watchlist.clone());
    let host = |pid: u32, cpu| Process { pid, name: format!("p{pid}"), cpu: Some(cpu), ..Process::default() };
    let list = (100..130).map(|pid| host(pid, f64::from(pid))).chain([host(7, 0.0)]).collect();
    board.apply("processes", Ok(Findings { processes: Some(list), ..Findings::default() }));
    let used = |slot, mem| GpuUse { slot, mem: Some(mem), sm: None };
    let uses = vec![(7, used(1, 20)), (7, used(0, 10)), (9999, used(1, 5))];
    board.apply("nvml", Ok(Findings { gpu_uses: Some(uses), ..Findings::default() }));

    let list = board.processes(NOW).list;
    assert_eq!((list[0].pid, &*list[0].name, &list[0].gpus[..]), (7, "p7", &[used(0, 10), used(1, 20)][..]));
    assert_eq!((list[1].pid, &*list[1].name), (9999, ""), "known to the driver only, and shown all the same");
    assert_eq!(list[2..].iter().map(|p| p.pid).collect::<Vec<_>>(), (110..130).rev().collect::<Vec<_>>());
    assert_eq!(watchlist.pids().into_iter().collect::<Vec<_>>(), [7, 9999]);
}

#[test]
fn events_are_handed_out_once_and_drops_are_said() {
    let mut board = board();
    let event = |n: usize| Event {
        id: n.to_string(),
        time: NOW,
        subject: Subject::Node,
        kind: EventKind::Boot,
        text: String::new(),
    };
    board.apply("kmsg", Ok(Findings { events: vec![event(1), event(2)], ..Findings::default() }));
    assert_eq!(board.take_events().iter().map(|e| &*e.id).collect::<Vec<_>>(), ["1", "2"]);
    assert!(board.take_events().is_empty());
    board.take_change();
    board.apply("kmsg", Ok(Findings { events: (0..EVENTS + 3).map(event).collect(), ..Findings::default() }));
    assert_eq!(board.take_events().len(), EVENTS);
    assert_eq!(board.inventory(&[]).notes, ["3 events were dropped: nobody took them"]);
    assert!(board.take_change());
}

#[test]
fn a_change_is_said_once_and_only_when_the_inventory_changed() {
    let mut board = board();
    assert!(board.take_change(), "nothing was ever told");
    let driver =
        || Findings { driver: Some(Driver { driver: "580".into(), cuda: "13.0".into() }), ..Findings::default() };
    board.apply("nvml", Ok(driver()));
    assert!(board.take_change());
    let mut same = driver();
    same.read(node::GPUS, 0, 1.0);
    same.costs.push(("fast", Duration::from_micros(3)));
    board.apply("nvml", Ok(same));
    assert!(!board.take_change());
    assert_eq!(board.costs(), [("nvml", "fast", Duration::from_micros(3))]);
    assert_eq!(board.inventory(&[]).driver, "580");
}

#[test]
fn the_nvlink_domain_is_a_label_unless_somebody_gave_another() {
    let mut board = board();
    let domain = |domain: &str| Ok(Findings { domain: Some(domain.into()), ..Findings::default() });
    let label = |key: &str, value: &str| Label { key: key.into(), value: value.into() };
    board.apply("nvml", domain(""));
    board.take_change();
    assert_eq!(board.inventory(&[]).labels, []);
    board.apply("nvml", domain("u.1"));
    assert!(board.take_change(), "another inventory");
    let rack = label("rack", "r1");
    assert_eq!(board.inventory(std::slice::from_ref(&rack)).labels, [rack, label("domain", "u.1")]);
    let own = label("domain", "nvl72-3");
    assert_eq!(board.inventory(std::slice::from_ref(&own)).labels, [own]);
}

#[test]
fn who_does_not_name_his_job_has_that_of_his_gpus() {
    let mut board = board();
    board.apply("nvml", Ok(with_gpus(vec![a_gpu(0), a_gpu(1)])));
    let noted = |all: &[(&str, &[&str])]| {
        let jobs =
            all.iter().map(|(gpu, jobs)| ((*gpu).to_owned(), jobs.iter().map(|job| (*job).to_owned()).collect()));
        Findings { gpu_jobs: Some(jobs.collect()), ..Findings::default() }
    };
    board.apply("job map", Ok(noted(&[("0", &["4711"]), ("1", &["4712"])])));
    let mut named = Process { pid: 3, ..Process::default() };
    named.workload.job = "9".into();
    let processes = vec![Process { pid: 1, ..Process::default() }, Process { pid: 2, ..Process::default() }, named];
    board.apply("processes", Ok(Findings { processes: Some(processes), ..Findings::default() }));
    let used = |pid, slot| (pid, GpuUse { slot, mem: None, sm: None });
    let uses = vec![used(1, 0), used(2, 0), used(2, 1), used(3, 1)];
    board.apply("nvml", Ok(Findings { gpu_uses: Some(uses), ..Findings::default() }));
    let list = board.processes(Time::from_millis(0)).list;
    let jobs: Vec<_> = list.iter().map(|process| (process.pid, &*process.workload.job)).collect();
    assert_eq!(jobs, [(1, "4711"), (2, ""), (3, "9")], "nobody knows whose two GPUs of two jobs are");

    // Two jobs share one GPU, and one has a part of the other.
    let mut instance = a_gpu(2);
    (instance.uuid, instance.parent) = ("MIG-7".into(), Some(1));
    let parts = [("MIG-7".to_owned(), "1.9".to_owned())].into();
    let gpus = with_gpus(vec![a_gpu(0), a_gpu(1), instance]);
    board.apply("nvml", Ok(Findings { gpu_parts: Some(parts), ..gpus }));
    board.apply("job map", Ok(noted(&[("0", &["4711", "4712"]), ("1.9", &["4713"]), ("7", &["4714"])])));
    let uses = vec![used(1, 0), used(2, 2)];
    board.apply("nvml", Ok(Findings { gpu_uses: Some(uses), ..Findings::default() }));
    let told = board.processes(Time::from_millis(0));
    let jobs: Vec<_> = told.list.iter().map(|process| (process.pid, &*process.workload.job)).collect();
    assert_eq!(jobs[..2], [(1, ""), (2, "4713")]);
    let grants: Vec<_> = told.grants.iter().flatten().map(|grant| (&*grant.id, &grant.slots[..])).collect();
    assert_eq!(grants, [("4711", &[0][..]), ("4712", &[0]), ("4713", &[2])], "what was given");
}

#[test]
fn what_pods_were_given_is_told_by_job() {
    let mut board = board();
    let mut instance = a_gpu(4);
    (instance.uuid, instance.parent) = ("MIG-7".into(), Some(3));
    let gpus: Vec<_> = (0..4).map(a_gpu).chain([instance]).collect();
    let uuid = |slot: usize| gpus[slot].uuid.clone();
    let pod = |uid: &str, job: &str, devices: &[String]| Pod {
        uids: vec![uid.into()],
        namespace: "ml".into(),
        job: job.into(),
        queue: "research".into(),
        name: format!("{job}-{uid}"),
        owner: "ann".into(),
        devices: devices.iter().map(|id| Device { id: id.clone(), container: "main".into() }).collect(),
    };
    let pods = vec![
        pod("u1", "llama", &[uuid(1)]),
        pod("u2", "llama", &[uuid(0), "GPU-elsewhere".into()]),
        // By index, and one of several shares.
        pod("u3", "serve", &["2::1".into()]),
        pod("u4", "notebook", &["2::0".into(), "MIG-7".into()]),
        pod("u5", "metrics", &[]),
    ];
    board.apply("nvml", Ok(with_gpus(gpus.clone())));
    board.apply("kubernetes", Ok(Findings { pods: Some(pods), ..Findings::default() }));
    let process = |pid, name: &str, pod: &str| {
        let mut process = Process { pid, name: name.into(), ..Process::default() };
        process.workload.pod = pod.into();
        process
    };
    let list = vec![
        process(1, "python", "u2"),
        process(2, "python", "u9"),
        process(3, "python", "u9"),
        process(4, "cuda-gdb", ""),
        process(5, "", ""),
        process(6, "dcgm", "u5"),
    ];
    board.apply("processes", Ok(Findings { processes: Some(list), ..Findings::default() }));
    let uses = [(1, 0), (2, 1), (3, 2), (4, 1), (5, 1), (6, 3)];
    let uses = uses.map(|(pid, slot)| (pid, GpuUse { slot, mem: None, sm: None })).into();
    board.apply("nvml", Ok(Findings { gpu_uses: Some(uses), ..Findings::default() }));
    let said = board.processes(Time::from_millis(0));
    let grants: Vec<_> =
        said.grants.iter().flatten().map(|grant| (&*grant.id, &*grant.partition, &*grant.slots)).collect();
    let expected: [(&str, &str, &[u16]); 3] =
        [("ml/llama", "research", &[0, 1]), ("ml/notebook", "research", &[2, 4]), ("ml/serve", "research", &[2])];
    assert_eq!(grants, expected);
    let llama = &said.grants.as_ref().expect("known")[0];
    let containers: Vec<_> = llama.containers.iter().map(|it| (&*it.name, &*it.slots)).collect();
    assert_eq!((&*llama.user, &containers[..]), ("ann", &[("llama-u1/main", &[1][..]), ("llama-u2/main", &[0])][..]));
    let mut jobs: Vec<_> = said.list.iter().map(|process| (process.pid, &*process.workload.job)).collect();
    jobs.sort_unstable();
    // By its pod; by its GPU; nobody knows whose a shared GPU's is; a process of the host; one that cannot be seen; a
    // pod that was given none.
    let expected = [(1, "ml/llama"), (2, "ml/llama"), (3, ""), (4, ""), (5, "ml/llama"), (6, "ml/metrics")];
    assert_eq!(jobs, expected);
}

#[test]
fn devices_are_found_by_whatever_their_plugin_calls_them() {
    let mut board = board();
    assert_eq!(board.processes(Time::from_millis(0)).grants, None, "nobody has said anything yet");
    board.apply("nvml", Ok(with_gpus((0..12).map(a_gpu).collect())));
    let slots = |board: &mut Board, device: &str| {
        let devices = vec![Device { id: device.into(), ..Device::default() }];
        let pod = Pod { devices, ..Pod::default() };
        board.apply("kubernetes", Ok(Findings { pods: Some(vec![pod]), ..Findings::default() }));
        let grants = board.processes(Time::from_millis(0)).grants.expect("they are known");
        grants.first().map(|grant| grant.slots.clone())
    };
    for (device, slot) in [
        ("GPU-3", Some(3)),
        ("GPU-3::1", Some(3)),
        ("GPU-3-1", Some(3)),
        ("GPU-1", Some(1)),
        ("GPU-11", Some(11)),
        ("5", Some(5)),
        ("5::0", Some(5)),
        ("nvidia7", Some(7)),
        ("nvidia7/vgpu1", Some(7)),
        ("nvidia7/gi2", None),
        ("nvidia", None),
        ("GPU-elsewhere", None),
        ("", None),
    ] {
        assert_eq!(slots(&mut board, device), slot.map(|slot| vec![slot]), "{device}");
    }
}
