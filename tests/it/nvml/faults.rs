//! What goes wrong with GPUs, with the driver and with the library, one fault a test.

use std::{fs, thread, time::Duration};

use supertop::{
    collect::nvml::check_library,
    model::{
        Gap, Raw, Scope,
        metric::{gpu, node},
    },
};

use super::mock::Bench;

#[test]
fn a_hot_gpu_is_hot() {
    let mut bench = Bench::new("");
    bench.settle();
    bench.tell("gpu 3 set temp 91");
    bench.round(1);
    assert_eq!(bench.value(gpu::TEMP, 3) as u32, 91);
    assert_eq!(bench.value(gpu::TEMP_MARGIN, 3) as i32, -4);
    assert!(bench.value(gpu::TEMP, 4) < 80.0);
}

#[test]
fn a_throttled_gpu_says_why() {
    let mut bench = Bench::new("");
    bench.settle();
    bench.tell("gpu 3 set throttle 72\n gpu 3 set clock.sm 345"); // 0x48
    bench.round(1);
    let bits = bench.raw(gpu::THROTTLE, 3).steps().unwrap();
    let names: Vec<&str> = gpu::THROTTLE_REASONS
        .iter()
        .enumerate()
        .filter(|(bit, _)| bits >> bit & 1 == 1)
        .map(|(_, name)| *name)
        .collect();
    assert_eq!(names, ["hw_slowdown", "hw_thermal"]);
    assert_eq!(bench.value(gpu::CLOCK_SM, 3) as u32, 345);
    assert_eq!(bench.raw(gpu::THROTTLE, 2).steps(), Some(0));
}

#[test]
fn a_lost_gpu_keeps_its_place() {
    let mut bench = Bench::new("");
    bench.settle();
    bench.tell("gpu 3 lost");
    bench.round(1);
    assert_eq!(bench.fault(3), Some("lost"));
    assert_eq!(bench.gap(gpu::TEMP, 3), Some(Gap::Failed));
    assert_eq!(bench.gap(gpu::FAN, 3), Some(Gap::Unsupported), "what it never had, it has not lost");
    assert!(bench.value(gpu::TEMP, 2) > 0.0 && bench.value(gpu::TEMP, 4) > 0.0, "its neighbours answer");
    assert_eq!(bench.gpus[3].bus, "0000:61:00.0");
    assert_eq!(bench.value(node::GPUS, 0) as u32, 7);
    assert_eq!(bench.value(node::GPUS_EXPECTED, 0) as u32, 8);
    assert_eq!(bench.uses(40_300), [], "nothing is known of its processes");

    bench.tell("");
    bench.until("the GPU", |bench| bench.fault(3).is_none());
    bench.settle();
    assert!(bench.value(gpu::TEMP, 3) > 0.0);
    assert_eq!(bench.value(node::GPUS, 0) as u32, 8);
}

#[test]
fn a_gpu_that_is_lost_from_the_start_has_its_place() {
    let mut bench = Bench::with("gpus 3\n gpu 1 lost", |settings| settings);
    for address in ["0000:1b:00.0", "0000:43:00.0", "0000:52:00.0"] {
        put_on_bus(&bench, address);
    }
    bench.round(0);
    assert_eq!(bench.gpus.len(), 3);
    assert_eq!((bench.gpus[1].index.as_str(), bench.gpus[1].bus.as_str()), ("1", "0000:43:00.0"));
    assert_eq!(bench.fault(1), Some("lost"));
    assert_eq!(bench.last.gpus_on_bus, Some(3));
    assert_eq!(bench.value(node::GPUS, 0) as u32, 2);
}

#[test]
fn a_call_that_errs_carries_its_reason() {
    let mut bench = Bench::new("gpu 3 fail nvmlDeviceGetPowerUsage 999\n gpu 4 fail field:82 999\n gpu 5 fail gpm:2 4");
    bench.settle();
    assert_eq!(bench.gap(gpu::POWER, 3), Some(Gap::Failed));
    assert_eq!(bench.reason(gpu::POWER, 3), Some("nvmlDeviceGetPowerUsage: Unknown Error"));
    assert_eq!(bench.reason(gpu::TEMP_MEM, 4), Some("nvmlDeviceGetFieldValues (field 82): Unknown Error"));
    assert_eq!(bench.reason(gpu::SM_ACTIVE, 5), Some("nvmlGpmMetricsGet (2): Insufficient Permissions"));
    assert_eq!(bench.fault(3), None, "the GPU as a whole answers");
    assert!(bench.value(gpu::TEMP, 3) > 0.0 && bench.value(gpu::POWER, 2) > 0.0);
    assert_eq!(bench.value(node::GPUS, 0) as u32, 8);
    bench.tell("");
    bench.until("the end of the faults", |bench| bench.faults().is_empty());
    assert!(bench.value(gpu::POWER, 3) > 0.0, "it is asked again");
}

#[test]
fn a_slow_gpu_does_not_hold_up_the_others() {
    let mut bench = Bench::new("");
    bench.settle();
    bench.tell("gpu 3 slow 200\n gpu 4 set temp 77\n log");
    bench.round(1);
    let calls = bench.calls();
    let about = |slot: &str| calls.iter().filter(|call| call.ends_with(slot)).count();
    assert!((1..=4).contains(&about(" 3")), "one round makes {} of its calls", about(" 3"));
    assert!(about(" 4") > 10, "and all of its neighbour's");
    assert_eq!(bench.value(gpu::TEMP, 4) as u32, 77);
    assert_eq!(bench.value(node::GPUS, 0) as u32, 8);
    bench.until("the fault", |bench| bench.fault(3).is_some_and(|fault| fault.starts_with("slow: nvml")));
    bench.tell("gpu 3 slow 200\n gpu 3 set temp 66");
    bench.until("a value of the slow GPU", |bench| bench.value(gpu::TEMP, 3) as u32 == 66);
    bench.tell("");
    bench.until("the end of the fault", |bench| bench.fault(3).is_none());
}

#[test]
fn a_call_that_hangs_costs_its_gpu_only() {
    let mut bench = Bench::new("");
    bench.settle();
    bench.tell("gpu 3 hang nvmlDeviceGetPowerUsage\n gpu 4 set temp 77");
    bench.round(1);
    let fault = "hung: nvmlDeviceGetPowerUsage has not answered for 1 s";
    assert_eq!(bench.fault(3), Some(fault));
    assert_eq!(bench.gap(gpu::TEMP, 3), Some(Gap::Failed));
    bench.round(1);
    assert_eq!(bench.value(gpu::TEMP, 4) as u32, 77, "a new thread goes on with the others");
    assert_eq!(bench.value(node::GPUS, 0) as u32, 7);
    for _ in 0..3 {
        bench.round(60);
        assert_eq!(bench.fault(3), Some(fault), "while the call is out, its GPU is not touched");
        assert_eq!(bench.faults().len(), 1);
    }
    bench.tell("gpu 3 set temp 55");
    bench.until("the GPU", |bench| bench.fault(3).is_none());
    bench.round(6);
    assert_eq!(bench.value(gpu::TEMP, 3) as u32, 55);
}

#[test]
fn a_second_hang_is_the_drivers() {
    let mut bench = Bench::new("");
    bench.settle();
    bench.tell("gpu 3 hang\n gpu 5 hang");
    bench.until("the second hang", |bench| bench.fault(0).is_some());
    for (metric, slot, raw) in bench.all(Scope::Gpu) {
        let known = [Raw::FAILED, Raw::UNSUPPORTED].contains(&raw) || metric == gpu::XID || metric == gpu::XID_AGE;
        assert!(known, "{metric:?} of slot {slot} is {raw:?}");
    }
    for slot in 0..8 {
        assert_eq!(bench.fault(slot), Some("driver hung"));
    }
    let node = bench.faults().iter().find(|fault| fault.gpu.is_none()).unwrap();
    assert!(node.reason.starts_with("driver hung: nvml"), "{}", node.reason);
    assert_eq!(bench.value(node::GPUS, 0) as u32, 0);
    bench.tell("gpu 3 hang\n gpu 5 hang\n log");
    bench.round(1);
    assert_eq!(bench.calls(), Vec::<String>::new(), "nothing is risked any more");

    bench.tell("gpu 3 hang");
    bench.until("the driver", |bench| bench.fault(0).is_none());
    bench.until("the fifth GPU", |bench| bench.fault(5).is_none());
    assert!(bench.fault(3).is_some_and(|fault| fault.starts_with("hung: ")), "{:?}", bench.fault(3));
    bench.tell("");
    bench.until("the third GPU", |bench| bench.faults().is_empty());
}

#[test]
fn a_driver_that_hangs_as_it_opens_fails_and_comes_back() {
    let mut bench = Bench::new("hang nvmlInit_v2");
    bench.round(0);
    bench.until("the hang", |bench| !bench.last.notes.as_ref().unwrap().is_empty());
    assert_eq!(bench.last.notes, Some(vec!["NVML: hung: nvmlInit_v2 has not answered for 2 s".into()]));
    bench.tell("");
    bench.until("the GPUs", |bench| bench.gpus.len() == 8);
    assert_eq!(bench.last.notes, Some(vec![]));
}

#[test]
fn release_closes_the_driver_and_resume_opens_it() {
    let mut bench = Bench::new("log");
    bench.settle();
    let gate = bench.nvml.gate();
    assert!(!gate.wait_closed(Duration::ZERO));
    gate.release();
    bench.round(1);
    assert!(gate.wait_closed(Duration::ZERO));
    let calls = bench.calls();
    assert_eq!(calls.last().map(String::as_str), Some("nvmlShutdown"));
    assert_eq!(calls.iter().filter(|call| *call == "nvmlEventSetFree").count(), 8);
    for slot in 0..8 {
        assert_eq!(bench.fault(slot), Some("released"));
        assert_eq!(bench.gap(gpu::TEMP, slot), Some(Gap::Unknown), "nothing failed");
    }
    assert_eq!(bench.gpus.len(), 8, "they keep their places");
    bench.round(60);
    assert_eq!(bench.calls(), Vec::<String>::new(), "the driver is left alone");
    assert_eq!(bench.uses(40_300), []);

    gate.resume();
    bench.settle();
    assert_eq!(bench.faults(), []);
    assert!(bench.value(gpu::TEMP, 3) > 0.0);
    assert!(!gate.wait_closed(Duration::ZERO));
}

#[test]
fn waiting_for_the_release_ends_with_it() {
    let mut bench = Bench::new("");
    bench.round(0);
    let gate = bench.nvml.gate();
    let waiter = thread::spawn(move || {
        gate.release();
        gate.wait_closed(Duration::from_secs(20))
    });
    bench.until("the release", |bench| bench.fault(0) == Some("released"));
    assert!(waiter.join().unwrap());
}

#[test]
fn a_gpu_that_is_gone_after_a_reset_keeps_its_place() {
    let mut bench = Bench::new("");
    bench.settle();
    bench.nvml.gate().release();
    bench.round(1);
    bench.tell("gpu 3 gone");
    bench.nvml.gate().resume();
    bench.settle();
    assert_eq!(bench.gpus.len(), 8);
    assert_eq!(bench.fault(3), Some("missing: the driver lists 7 GPUs, and not this one"));
    assert_eq!(bench.gpus[3].bus, "0000:61:00.0");
    assert_eq!((bench.gpus[4].index.as_str(), bench.gpus[4].bus.as_str()), ("3", "0000:9d:00.0"), "numbers shift");
    assert_eq!(bench.gpus[3].index, "0000:61:00.0", "so it is known by its address");
    assert_eq!(bench.value(node::GPUS, 0) as u32, 7);
}

#[test]
fn a_driver_that_goes_away_is_said_to() {
    let mut bench = Bench::new("");
    bench.settle();
    bench.tell("gpu * fail nvmlDeviceGetUtilizationRates 18");
    bench.round(1);
    assert_eq!(bench.fault(0), Some("nvmlDeviceGetUtilizationRates: Driver/library version mismatch"));
    assert_eq!(bench.last.notes.as_ref().map(Vec::len), Some(1));
    bench.tell("");
    bench.until("the driver", |bench| bench.faults().is_empty());
}

#[test]
fn a_missing_library_is_one_clear_line() {
    let missing = "/nonexistent/libnvidia-ml.so.1";
    let mut bench = Bench::with("", |mut settings| {
        settings.library = Some(missing.into());
        settings
    });
    bench.round(0);
    assert_eq!(bench.last.gpus, Some(vec![]));
    let notes = bench.last.notes.clone().unwrap();
    let [note] = &notes[..] else { panic!("{notes:?}") };
    assert!(note.starts_with(&format!("NVML: {missing}: ")) && !note.contains('\n'), "{note}");
    let error = check_library(missing.as_ref()).unwrap_err().to_string();
    assert!(error.contains(missing) && !error.contains('\n'), "{error}");
}

#[test]
fn a_library_that_is_none_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libnvidia-ml.so.1");
    fs::write(&path, "no library").unwrap();
    let error = check_library(&path).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()) && !error.contains('\n'), "{error}");
    let mut bench = Bench::with("", |mut settings| {
        settings.library = Some(path.clone());
        settings
    });
    bench.round(0);
    assert_eq!(bench.last.notes.as_ref().map(Vec::len), Some(1));
}

#[test]
fn no_driver_and_no_gpu_is_quiet() {
    let mut bench = Bench::new("fail nvmlInit_v2 9");
    bench.round(0);
    assert_eq!(bench.last.notes, Some(vec![]));
    assert_eq!(bench.faults(), []);
    assert_eq!(bench.last.gpus, Some(vec![]));
    assert_eq!(bench.value(node::GPUS, 0) as u32, 0);
}

#[test]
fn no_driver_beside_a_gpu_is_noted() {
    let mut bench = Bench::new("fail nvmlInit_v2 9");
    put_on_bus(&bench, "0000:1b:00.0");
    put_on_bus(&bench, "0000:43:00.0");
    bench.round(0);
    let note = "NVML: nvmlInit_v2: NVIDIA driver is not loaded, though there are 2 NVIDIA GPUs on the PCI bus";
    assert_eq!(bench.last.notes, Some(vec![note.into()]));
    assert_eq!(bench.last.gpus_on_bus, Some(2));
    assert_eq!(bench.value(node::GPUS_EXPECTED, 0) as u32, 2);
    assert_eq!(bench.value(node::GPUS, 0) as u32, 0);
}

fn put_on_bus(bench: &Bench, address: &str) {
    let device = bench.sys().join("bus/pci/devices").join(address);
    fs::create_dir_all(&device).unwrap();
    fs::write(device.join("vendor"), "0x10de\n").unwrap();
    fs::write(device.join("class"), "0x030200\n").unwrap();
}
