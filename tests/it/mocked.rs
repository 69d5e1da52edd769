//! A hub and an agent as processes, with the NVML mock in the driver's place: what a person asks, and is told, when GPUs
//! are hot, lost, hung, released or divided.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    nvml::mock::Library,
    process::{Hub, Running, supertop},
};

/// What an H100 has no value for: fans, pages as older GPUs retire them, and an XID that never was. Nor are there PCIe
/// devices for these GPUs, whose errors the kernel would count.
const WITHOUT: [&str; 8] = [
    "gpu.fan",
    "gpu.xid",
    "gpu.xid.age",
    "gpu.pcie.fatal",
    "gpu.pcie.nonfatal",
    "gpu.pcie.nonfatal.hour",
    "gpu.retired.pages",
    "gpu.retired.pending",
];

/// A hub, and an agent of the node `gpu017` whose GPUs are the mock's.
struct Site {
    agent: Running,
    hub: Hub,
    mock: Library,
    control: PathBuf,
    dir: tempfile::TempDir,
}

impl Site {
    fn start(control: &str) -> Site {
        let (dir, mock) = (tempfile::tempdir().unwrap(), Library::new(control));
        let config = dir.path().join("config.toml");
        std::fs::write(&config, "[server]\nlevels = [\"domain\"]").unwrap();
        let hub = Hub::start_with(dir.path(), "127.0.0.1:0", |hub| {
            hub.arg("--config").arg(&config);
        });
        let control = dir.path().join("agent.sock");
        let mut agent = supertop();
        agent.args(["agent", "--hub", &hub.agents, "--name", "gpu017", "--interval", "200ms", "--nvml-library"]);
        agent.arg(mock.path()).arg("--control").arg(&control);
        Site { agent: Running::start(&mut agent), hub, mock, control, dir }
    }

    /// As [`Site::start`], once every GPU has told its temperature.
    fn with_gpus(control: &str) -> Site {
        let site = Site::start(control);
        site.hub.await_answer("gpus where temp > 0", "all GPUs there", |a| a["total"] == 8);
        site
    }

    /// The rows of an answer, once it is as it should be.
    fn rows(&self, query: &str, what: &str, good: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let answer = self.hub.await_answer(query, what, |answer| good(rows(answer)));
        rows(&answer).to_vec()
    }

    /// Waits until the host's side has told a later time than it had.
    fn host_goes_on(&self) {
        let query = "nodes show uptime, state, cpu";
        let before = self.hub.get(query)["rows"][0]["node.uptime"].as_f64().expect("an uptime");
        let after = self.rows(query, "a later uptime", |rows| rows[0]["node.uptime"].as_f64() > Some(before));
        assert_eq!(after[0]["state"], "up");
        assert!(after[0]["node.cpu"].is_number(), "{after:?}");
    }

    /// Gives the agent an order by its socket.
    fn order(&self, order: &str) {
        let output = supertop().args(["agent", order, "--control"]).arg(&self.control).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*said), (Some(0), ""));
    }
}

fn rows(answer: &Value) -> &[Value] {
    answer["rows"].as_array().expect("rows")
}

/// The GPUs' faults, in order.
fn faults(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["fault"].as_str().unwrap_or("")).collect()
}

#[test]
fn eight_gpus_have_every_metric_that_their_model_has() {
    let site = Site::start("");
    let metrics = site.hub.get("metrics");
    let keys: Vec<&str> = rows(&metrics).iter().filter_map(|row| row["metric.key"].as_str()).collect();
    let keys: Vec<&str> = keys.into_iter().filter(|key| key.starts_with("gpu.")).collect();
    assert!(keys.len() > 40, "{keys:?}");
    let known = |row: &Value| keys.iter().all(|key| row[key].is_null() == WITHOUT.contains(key));
    let gpus = site.rows("gpus show *", "every metric", |rows| rows.len() == 8 && rows.iter().all(known));
    for (n, gpu) in gpus.iter().enumerate() {
        let object = gpu.as_object().expect("an object");
        assert!(keys.iter().all(|key| object.contains_key(*key)), "unknown is null, and there: {gpu}");
        assert_eq!((&gpu["node"], gpu["index"].as_str()), (&Value::from("gpu017"), Some(&*n.to_string())));
        assert_eq!(gpu["gpu.throttle"], Value::Array(vec![]));
        assert_eq!(gpu["fault"], Value::Null);
    }
    assert_eq!(gpus[3]["bus"], "0000:61:00.0");
    assert_eq!(gpus[3]["model"], "NVIDIA H100 80GB HBM3");
    let node = &site.hub.get("nodes show driver, cuda, node.gpus, gpu.power, notes")["rows"][0];
    assert_eq!((&node["driver"], &node["cuda"]), (&"570.124.06".into(), &"12.8".into()));
    assert_eq!(node["node.gpus"], 8);
    let watts: f64 = gpus.iter().filter_map(|gpu| gpu["gpu.power"].as_f64()).sum();
    assert!((500.0..5600.0).contains(&watts) && node["gpu.power"].as_f64() > Some(500.0), "{node}");
}

#[test]
fn a_gpu_that_is_hot_and_throttled_is_found() {
    let site = Site::with_gpus("");
    assert_eq!(site.hub.get("gpus where temp > 90")["total"], 0);
    site.mock.tell("gpu 3 set temp 93\n gpu 3 set throttle 72");
    let hot = site.rows("gpus where temp > 90", "the hot GPU", |rows| rows.len() == 1);
    assert_eq!((&hot[0]["node"], &hot[0]["index"], &hot[0]["gpu.temp"]), (&"gpu017".into(), &"3".into(), &93.into()));
    let throttled = site.rows("gpus where throttle = hw_thermal", "why it is slow", |rows| rows.len() == 1);
    assert_eq!(throttled[0]["gpu.throttle"], serde_json::json!(["hw_slowdown", "hw_thermal"]));
    assert_eq!(site.hub.get("nodes where any(gpu.temp > 90)")["total"], 1);
}

#[test]
fn an_nvlink_domain_is_a_place() {
    let site = Site::with_gpus("gpu * set fabric.cluster 7\n gpu * set fabric.clique 2");
    let place = "00000000-0000-0000-0000-000000000007.2";
    let query = "domains show domain, nodes, node.gpus";
    let domains = site.rows(query, "the domain", |rows| rows.iter().any(|row| row["domain"] == place));
    assert_eq!((domains.len(), &domains[0]["nodes"], &domains[0]["node.gpus"]), (1, &1.into(), &8.into()));
    let gpus = format!("gpus where domain = '{place}'");
    site.rows(&gpus, "its GPUs", |rows| rows.len() == 8);
}

#[test]
fn a_lost_gpu_keeps_its_place_and_the_node_misses_it() {
    let site = Site::with_gpus("");
    site.mock.tell("gpu 3 lost");
    let gpus = site.rows("gpus show fault, temp", "the loss", |rows| faults(rows)[3] == "lost");
    let temps: Vec<bool> = gpus.iter().map(|gpu| gpu["gpu.temp"].is_number()).collect();
    assert_eq!(temps, [true, true, true, false, true, true, true, true]);
    let node = "nodes where node.gpus < node.gpus.expected show node.gpus, node.gpus.expected";
    let node = site.rows(node, "the node that misses a GPU", |rows| rows.len() == 1);
    assert_eq!((&node[0]["node.gpus"], &node[0]["node.gpus.expected"]), (&7.into(), &8.into()));
    site.mock.tell("");
    site.rows("gpus where fault = none and temp > 0", "the GPU", |rows| rows.len() == 8);
    site.rows("nodes where node.gpus = 8", "the node", |rows| rows.len() == 1);
}

#[test]
fn an_xid_is_told_once_and_outlives_the_hub() {
    let site = Site::with_gpus("");
    site.mock.tell("gpu 3 xid 79 1");
    let xids = "events where kind = xid sort time";
    let told = site.rows(xids, "the XID", |rows| !rows.is_empty());
    assert_eq!((&told[0]["node"], &told[0]["event.subject"]), (&"gpu017".into(), &"gpu017:3".into()));
    assert_eq!(told[0]["event.xid"], 79);
    // Whatever would tell the first again has done so when the second is here.
    site.mock.tell("gpu 3 xid 79 1\n gpu 5 xid 31 1");
    let second = |rows: &[Value]| rows.iter().any(|row| row["event.xid"] == 31);
    assert_eq!(site.rows(xids, "the second XID", second).len(), 2);
    let gpus = site.rows("gpus where xid != none show xid, xid.age", "their GPUs", |rows| rows.len() == 2);
    assert_eq!((&gpus[0]["gpu.xid"], &gpus[1]["gpu.xid"]), (&79.into(), &31.into()));
    assert!(gpus[0]["gpu.xid.age"].as_f64() >= gpus[1]["gpu.xid.age"].as_f64(), "{gpus:?}");

    let Site { agent: _agent, hub, mock: _mock, dir, .. } = site;
    let address = hub.agents.clone();
    hub.process.signal(rustix::process::Signal::TERM);
    assert_eq!(hub.process.wait(), Some(0));
    let hub = Hub::start(dir.path(), &address);
    hub.await_answer("gpus where xid != none", "the agent back", |a| a["total"] == 2);
    assert_eq!(hub.get(xids)["total"], 2);
}

#[test]
fn a_gpu_that_hangs_stops_neither_its_neighbours_nor_the_host() {
    let site = Site::with_gpus("");
    site.mock.tell("gpu 3 hang nvmlDeviceGetPowerUsage\n gpu 4 set temp 77");
    let hung = |rows: &[Value]| faults(rows)[3].starts_with("hung: nvmlDeviceGetPowerUsage");
    site.rows("gpus show fault", "the hang", hung);
    site.host_goes_on();
    site.rows("gpus where temp = 77", "its neighbour", |rows| rows.len() == 1);
    site.rows("nodes where node.gpus = 7", "the count", |rows| rows.len() == 1);

    site.mock.tell("gpu 3 hang nvmlDeviceGetPowerUsage\n gpu 5 hang");
    site.rows("gpus show fault", "the driver's hang", |rows| faults(rows) == ["driver hung"; 8]);
    site.host_goes_on();
    assert_eq!(site.hub.get("gpus where temp is unknown")["total"], 8);
    site.mock.tell("");
    site.rows("gpus where temp > 0", "the other GPUs", |rows| rows.len() >= 6);
}

#[test]
fn a_metric_that_fails_says_why_and_one_that_lacks_says_nothing() {
    let site = Site::with_gpus("gpu 4 lacks nvmlDeviceGetPowerUsage\n gpu 5 fail nvmlDeviceGetPowerUsage 999");
    let why = "gpu.power: nvmlDeviceGetPowerUsage: Unknown Error";
    let gpus = site.rows("gpus show fault, power, temp", "the reason", |rows| faults(rows)[5] == why);
    let of = |n: usize| (gpus[n]["gpu.power"].is_number(), gpus[n]["gpu.temp"].is_number(), faults(&gpus)[n]);
    assert_eq!((of(3), of(4), of(5)), ((true, true, ""), (false, true, ""), (false, true, why)));
    assert_eq!(site.hub.get("gpus where power is unknown")["total"], 2);
    site.mock.tell("gpu 6 slow 200");
    site.rows("gpus show fault", "the slow GPU", |rows| faults(rows)[6].starts_with("slow: nvml"));
}

#[test]
fn released_gpus_say_so_and_come_back() {
    let site = Site::with_gpus("log");
    site.order("release");
    assert_eq!(site.mock.calls().last().map(String::as_str), Some("nvmlShutdown"), "nothing holds the driver");
    let released = site.rows("gpus show fault, temp", "the release", |rows| faults(rows) == ["released"; 8]);
    assert!(released.iter().all(|gpu| gpu["gpu.temp"].is_null()), "{released:?}");
    site.host_goes_on();
    assert_eq!(site.mock.calls(), Vec::<String>::new(), "the driver is left alone");
    site.order("resume");
    site.rows("gpus where fault = none and temp > 0", "the GPUs", |rows| rows.len() == 8);
}

#[test]
fn an_order_to_an_agent_that_is_not_there_names_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    let output = supertop().args(["agent", "release", "--control"]).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(path.to_str().unwrap()) && said.trim_end().lines().count() == 1, "{said}");
    assert_eq!(said.matches("os error").count(), 1, "{said}");
}

#[test]
fn mig_instances_are_shown_when_asked_for_and_never_counted() {
    let site = Site::with_gpus("gpu 1 mig 1g.10gb 2g.20gb");
    let columns = "gpus show mig, util, sm.active, mem.total, procs";
    let of_instances = |rows: &[Value]| rows.len() == 10 && rows.iter().all(|row| row["gpu.sm.active"].is_number());
    let all = site.rows(columns, "the instances", of_instances);
    let named: Vec<_> = all.iter().map(|row| (row["index"].as_str(), row["mig"].as_str())).collect();
    assert_eq!(named[..3], [(Some("0"), Some("off")), (Some("1"), Some("on")), (Some("2"), Some("off"))]);
    assert_eq!(named[8..], [(Some("1.0"), Some("1g.10gb")), (Some("1.1"), Some("2g.20gb"))]);
    assert!(all[1]["gpu.util"].is_null() && all[9]["gpu.util"].is_null(), "a divided GPU has no utilisation");
    let (whole, part) = (all[1]["gpu.mem.total"].as_f64().unwrap(), all[9]["gpu.mem.total"].as_f64().unwrap());
    assert!((part / whole - 0.25).abs() < 0.01, "{part} of {whole}");

    assert_eq!(site.hub.get("gpus")["total"], 8);
    let node = &site.hub.get("nodes show node.gpus, gpu.mem.total")["rows"][0];
    assert_eq!(node["node.gpus"], 8);
    let total = node["gpu.mem.total"].as_f64().unwrap();
    assert!((total / whole - 8.0).abs() < 0.01, "{total} is not eight times {whole}");
}

#[test]
fn a_gpus_process_is_the_hosts_process() {
    let idle = Running::start(Command::new("sleep").arg("600"));
    let site = Site::with_gpus(&format!("gpu 3 set pid {}", idle.0.id()));
    let query = format!("processes where pid = {} show *", idle.0.id());
    let joined = |rows: &[Value]| rows.iter().any(|row| row["proc.gpu"] == "3" && row["proc.cpu"].is_number());
    let process = &site.rows(&query, "both sides of the process", joined)[0];
    let name = process["proc.name"].as_str().unwrap();
    assert!(name.starts_with("sleep"), "{name}");
    assert_eq!(process["proc.user"], whoami());
    assert_eq!(process["proc.mem.gpu"], 20_u64 << 30);
    assert!(process["proc.sm"].is_number() && process["proc.mem"].as_f64() > Some(0.0), "{process}");
    let age = process["proc.age"].as_f64().expect("an age");
    assert!((0.0..600.0).contains(&age), "{age}");
    let gpu = &site.hub.get("gpus where index = 3 show proc.user, procs")["rows"][0];
    assert_eq!((&gpu["proc.user"], &gpu["gpu.procs"]), (&whoami().into(), &2.into()));
}

#[test]
fn a_gpu_has_the_job_and_the_user_of_its_process() {
    let rank = Running::start(Command::new("sleep").arg("600").env("SLURM_JOB_ID", "4711"));
    let site = Site::with_gpus(&format!("gpu 3 set pid {}", rank.0.id()));
    let gpus = site.rows("gpus where job = 4711 show index, job.user", "the job's GPU", |rows| rows.len() == 1);
    assert_eq!((&gpus[0]["index"], &gpus[0]["job.user"]), (&"3".into(), &whoami().into()));
    let job = &site.hub.get("jobs where job = 4711 show user, gpus, phase, idle")["rows"][0];
    assert_eq!((&job["job.user"], &job["job.gpus"]), (&whoami().into(), &1.into()));
    assert_eq!((&job["job.phase"], &job["job.idle"]), (&"running".into(), &0.into()));
    drop(rank);
    site.rows("jobs where job = 4711 and phase = ended", "the job's end", |rows| rows.len() == 1);
    let had = site.hub.get("gpus where ran = 4711 show index");
    assert_eq!(had["rows"][0]["index"], "3", "{had}");
}

/// The name of the user that runs the tests.
fn whoami() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn once_prints_one_report() {
    let once = |library: Option<&Library>| -> Value {
        let mut agent = supertop();
        agent.args(["agent", "--once", "--name", "gpu017"]);
        if let Some(library) = library {
            agent.arg("--nvml-library").arg(library.path());
        }
        let output = agent.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let library = Library::new("gpu 6 lost");
    for report in [once(None), once(Some(&library))] {
        assert_eq!(report["node"], "gpu017");
        let node = &report["sample"]["node"];
        assert!(node["node.cpu"].is_number() && node["node.mem.used"].is_number(), "{node}");
        assert!(report["cost_ms"]["host system"].is_number(), "{}", report["cost_ms"]);
    }
    let report = once(Some(&library));
    let gpus = report["sample"]["gpus"].as_array().expect("GPUs");
    assert_eq!(gpus.len(), 8);
    assert!(gpus[3]["gpu.temp"].is_number(), "{}", gpus[3]);
    assert_eq!(gpus[3]["gpu.fan"], "unsupported");
    assert!(gpus[6]["gpu.temp"].as_str().is_some_and(|why| why.starts_with("failed")), "{}", gpus[6]["gpu.temp"]);
}

#[test]
fn a_library_that_cannot_be_used_is_said_before_anything_starts() {
    let text = tempfile::NamedTempFile::new().unwrap();
    for library in [Path::new("/nonexistent"), text.path()] {
        for command in [&["agent"][..], &["agent", "--once"], &["get", "gpus"]] {
            let output = supertop().args(command).arg("--nvml-library").arg(library).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
            assert_eq!(said.trim_end().lines().count(), 1, "{said}");
            assert_eq!(said.matches(library.to_str().unwrap()).count(), 1, "{said}");
        }
    }
}

#[test]
fn a_node_name_that_no_hub_takes_is_said_before_anything_starts() {
    for name in ["gpu\u{1b}[2J", "gpu 1", "gpu:1", ""] {
        let output = supertop().args(["agent", "--once", "--name", name]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // An empty name is none, and the next in line is taken.
        assert_eq!(output.status.code(), Some(if name.is_empty() { 0 } else { 2 }), "{said}");
        assert!(!said.contains('\u{1b}') && said.trim_end().lines().count() <= 1, "{said:?}");
    }
}

#[test]
fn a_stopped_agent_takes_its_socket_with_it() {
    let site = Site::with_gpus("");
    assert!(site.control.exists());
    site.agent.signal(rustix::process::Signal::TERM);
    assert_eq!(site.agent.wait(), Some(0));
    assert!(!site.control.exists());
}
