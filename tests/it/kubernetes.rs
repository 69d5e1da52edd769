//! Against gRPC servers in the place of a kubelet and a container runtime, which speak by the published interfaces: pods,
//! the jobs that they are of, and the GPUs that they were given.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    nvml::mock::Library,
    process::{Hub, PATIENCE, Running, supertop},
};

/// How often an agent reports processes, and what they were given.
const REPORTS: Duration = Duration::from_secs(10);

/// A node of a cluster: its agent, and what it asks.
struct Node {
    hub: Hub,
    said: PathBuf,
    _servers: Running,
    _agent: Running,
    _mock: Library,
    _dir: tempfile::TempDir,
}

impl Node {
    fn start(pods: &[Value]) -> Node {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let said = at("pods.json");
        say(&said, pods, &[]);
        let interfaces = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubernetes");
        let mut compile = Command::new("protoc");
        compile.arg("-I").arg(&interfaces).arg("--python_out").arg(dir.path());
        let compiled = compile.args(["podresources.proto", "runtime.proto"]).status().unwrap();
        assert!(compiled.success());
        let sockets = [at("kubelet.sock"), at("runtime.sock")];
        // Debian's own Python: the one that has Debian's gRPC.
        let mut serve = Command::new("/usr/bin/python3");
        serve.arg(interfaces.join("serve.py")).arg(dir.path()).arg(&said).args(&sockets).stdin(Stdio::null());
        let servers = Running::start(&mut serve);
        let deadline = Instant::now() + PATIENCE;
        while !sockets.iter().all(|socket| socket.exists()) {
            assert!(Instant::now() < deadline, "the servers did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        let mock = Library::new("gpu 5 set procs 0\n gpu 7 set procs 0");
        let hub = Hub::start(dir.path(), "127.0.0.1:0");
        let config = at("config.toml");
        let [kubelet, runtime] = sockets.each_ref().map(|socket| socket.display());
        fs::write(
            &config,
            format!(
                "[agent]\nkubelet = '{kubelet}'\ncontainer_runtime = '{runtime}'\n\
                 owner_labels = ['example.com/user']\n"
            ),
        )
        .unwrap();
        let mut agent = supertop();
        agent.arg("--config").arg(&config).args(["agent", "--hub", &hub.agents, "--name", "gpu017", "--nvml-library"]);
        agent.arg(mock.path()).arg("--control").arg(at("agent.sock"));
        let agent = Running::start(&mut agent);
        Node { hub, said, _servers: servers, _agent: agent, _mock: mock, _dir: dir }
    }
}

/// What both say from now on, but for those who answer with an error.
fn say(said: &Path, pods: &[Value], silent: &[&str]) {
    // In one step: it may be read at this moment.
    let next = said.with_extension("next");
    fs::write(&next, json!({ "pods": pods, "silent": silent }).to_string()).unwrap();
    fs::rename(next, said).unwrap();
}

fn gpu(n: u32) -> String {
    format!("GPU-5e6f7a10-0000-4000-8000-{n:08x}0000")
}

fn pod(name: &str, labels: &Value, devices: &Value) -> Value {
    let uid = format!("0f0e0d0c-0000-4000-8000-{name}");
    json!({ "name": name, "namespace": "ml", "uid": uid, "labels": labels, "ready": true, "devices": devices })
}

/// The rows' values of a key, as text.
fn column<'a>(answer: &'a Value, key: &str) -> Vec<&'a str> {
    answer["rows"].as_array().unwrap().iter().map(|row| row[key].as_str().unwrap_or("–")).collect()
}

#[test]
fn pods_gpus_are_their_jobs() {
    let llama = json!({ "training.kubeflow.org/job-name": "llama", "kueue.x-k8s.io/queue-name": "research",
        "example.com/user": "ann" });
    let evaluation = json!({ "batch.kubernetes.io/job-name": "eval" });
    let shared = format!("{}::0", gpu(4));
    let not = |ready: Value, mut pod: Value| {
        pod["ready"] = ready;
        pod
    };
    let mut pods = vec![
        pod("llama-worker-0", &llama, &json!({ "nvidia.com/gpu": [gpu(0), gpu(1)] })),
        pod("llama-worker-1", &llama, &json!({ "nvidia.com/gpu": [gpu(2), gpu(3)] })),
        pod("notebook", &json!({}), &json!({ "nvidia.com/gpu.shared": [shared] })),
        pod("eval-x7k2p", &evaluation, &json!({ "nvidia.com/gpu": [gpu(5)] })),
        pod("compress", &json!({}), &json!({ "intel.com/qat": ["0000:6b:00.1"] })),
        // One that has no sandbox yet, and what is left of an older pod.
        not(Value::Null, pod("llama-worker-2", &llama, &json!({ "nvidia.com/gpu": [gpu(6)] }))),
        not(false.into(), pod("notebook", &json!({ "job-name": "long-gone" }), &json!({}))),
    ];
    let node = Node::start(&pods);
    let hub = &node.hub;
    let jobs =
        "jobs where state = running sort job show job, job.name, job.account, job.partition, job.gpus, job.unused";
    let is_whole = |answer: &Value| answer["total"] == 3 && answer["rows"][1]["job.unused"] == 0;
    let answer = hub.await_answer(jobs, "all jobs", is_whole);
    assert_eq!(column(&answer, "job"), ["ml/eval", "ml/llama", "ml/notebook"]);
    assert_eq!(column(&answer, "job.partition"), ["–", "research", "–"]);
    assert_eq!(column(&answer, "job.account"), ["ml"; 3]);
    let count = |row: &Value| [row["job.gpus"].as_u64(), row["job.unused"].as_u64()];
    let counts: Vec<_> = answer["rows"].as_array().unwrap().iter().map(count).collect();
    assert_eq!(counts, [[Some(1), Some(1)], [Some(4), Some(0)], [Some(1), Some(0)]]);
    assert_eq!(column(&hub.get("gpus where job = 'ml/llama'"), "index"), ["0", "1", "2", "3"]);
    assert_eq!(hub.get("jobs where job = 'ml/llama' show job.user")["rows"][0]["job.user"], "ann");
    let given = hub.get("gpus where given.to != none sort index show index,given.to");
    let workers = ["llama-worker-0/main", "llama-worker-1/main"];
    let expected = [workers[0], workers[0], workers[1], workers[1], "notebook/main", "eval-x7k2p/main"];
    assert_eq!(column(&given, "given.to"), expected);
    // What was given and what is used are two things.
    assert_eq!(column(&hub.get("gpus where use = unused"), "index"), ["5"]);
    assert_eq!(hub.get("nodes show notes")["rows"][0]["notes"], Value::Null);

    // Nobody answers any more, and what was said last stands: two reports long.
    say(&node.said, &[], &["kubelet", "runtime"]);
    let has_notes = |answer: &Value| !answer["rows"][0]["notes"].is_null();
    let notes = hub.await_answer("nodes show notes", "the notes", has_notes)["rows"][0]["notes"].to_string();
    assert!(notes.contains("kubelet.sock: gRPC status 14 shutting down") && notes.contains("runtime.sock"), "{notes}");
    std::thread::sleep(2 * REPORTS);
    assert_eq!(column(&hub.get(jobs), "job"), ["ml/eval", "ml/llama", "ml/notebook"]);

    // A job ends, and the kubelet cannot say so; another takes its GPUs.
    pods.retain(|pod| !pod["name"].as_str().unwrap().starts_with("llama"));
    say(&node.said, &pods, &["kubelet"]);
    let is_over = |answer: &Value| answer["rows"][0]["job.state"] == "ended";
    let ended = hub.await_answer("jobs where job = 'ml/llama'", "its end", is_over);
    assert_eq!(ended["rows"][0]["job.gpus"], 4, "what it had last");
    let next = json!({ "jobset.sigs.k8s.io/jobset-name": "llama2" });
    pods.push(pod("llama2-0", &next, &json!({ "nvidia.com/gpu": [gpu(0)] })));
    say(&node.said, &pods, &[]);
    hub.await_answer("gpus where job = 'ml/llama2'", "the next job", |answer| column(answer, "index") == ["0"]);
    hub.await_answer("nodes show notes", "no more notes", |answer| !has_notes(answer));
}
