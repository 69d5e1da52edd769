//! Hub, simulated agents and `get` as separate processes over real sockets.

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Hub, run, supertop};

fn rows(answer: &Value) -> &Vec<Value> {
    answer["rows"].as_array().expect("rows")
}

#[test]
fn a_simulated_cluster_is_whole_sorted_and_true() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), "127.0.0.1:0");
    let _sim = hub.sim(256);
    hub.await_answer("nodes", "256 nodes up", |a| a["total"] == 256 && a["stale"] == 0);
    let answer =
        hub.await_answer("gpus where util > 50 sort -power show node,index,util,power limit 5", "busy GPUs", |a| {
            rows(a).len() == 5
        });
    let power: Vec<f64> = rows(&answer).iter().map(|r| r["gpu.power"].as_f64().expect("power")).collect();
    assert!(power.is_sorted_by(|a, b| a >= b), "{power:?}");
    assert!(rows(&answer).iter().all(|r| r["gpu.util"].as_f64() > Some(50.0)), "{answer}");
    let top = &rows(&answer)[0];
    let query = format!("gpus where power > {}", power[0] * 1.2);
    assert!(hub.get(&query)["total"].as_u64() < Some(200), "the first of the sort is among the highest: {top}");
}

#[test]
fn silence_turns_nodes_stale_and_speech_brings_them_back() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), "127.0.0.1:0");
    let sim = hub.sim(256);
    hub.await_answer("nodes", "256 nodes up", |a| a["total"] == 256 && a["stale"] == 0);
    sim.signal(Signal::STOP);
    let stale = hub.await_answer("nodes", "all stale", |a| a["stale"] == 256);
    assert_eq!(stale["total"], 256, "a silent node keeps its place");
    let of_one = hub.get("nodes where node = gpu001 show state,gpu.util,node.age");
    assert_eq!(rows(&of_one)[0]["state"], "stale");
    assert_eq!(rows(&of_one)[0]["gpu.util"], Value::Null, "a stale value is unknown");
    sim.signal(Signal::CONT);
    hub.await_answer("nodes", "all back", |a| a["total"] == 256 && a["stale"] == 0);
}

#[test]
fn agents_find_a_hub_that_was_restarted_and_its_roster_waits_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), "127.0.0.1:0");
    let sim = hub.sim(32);
    hub.await_answer("nodes", "32 nodes up", |a| a["total"] == 32 && a["stale"] == 0);
    let address = hub.agents.clone();
    hub.process.signal(Signal::TERM);
    assert_eq!(hub.process.wait(), Some(0), "a clean stop");
    sim.signal(Signal::STOP);
    let hub = Hub::start(dir.path(), &address);
    let missing = hub.get("nodes where state = missing");
    assert_eq!(missing["total"], 32, "the roster outlives the restart");
    sim.signal(Signal::CONT);
    hub.await_answer("nodes", "every agent back by itself", |a| a["total"] == 32 && a["stale"] == 0);
}

#[test]
fn a_killed_hub_leaves_a_socket_that_the_next_one_cleans_up() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), "127.0.0.1:0");
    hub.process.signal(Signal::KILL);
    hub.process.wait();
    assert!(dir.path().join("hub.sock").exists());
    let hub = Hub::start(dir.path(), "127.0.0.1:0");
    assert_eq!(hub.get("nodes")["total"], 0);
}

#[test]
fn a_second_hub_on_one_socket_says_so_and_exits() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), "127.0.0.1:0");
    let other = dir.path().join("other");
    let output = supertop()
        .args(["hub", "--listen", "127.0.0.1:0", "--socket"])
        .arg(&hub.socket)
        .arg("--state")
        .arg(&other)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_one_line(&output.stderr, "already");
    assert_eq!(hub.get("nodes")["total"], 0, "the first hub goes on");
}

#[test]
fn a_real_agent_reports_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), "127.0.0.1:0");
    let mut agent = supertop();
    agent.args(["agent", "--hub", &hub.agents, "--name", "here.site.example", "--label", "rack=r12"]);
    let _agent = crate::process::Running::start(&mut agent);
    let answer = hub.await_answer("nodes where node = here show *", "this machine's figures", |a| {
        rows(a).first().is_some_and(|r| r["node.cpu"].is_number() && r["node.mem.total"].is_number())
    });
    let row = &rows(&answer)[0];
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total: f64 = meminfo.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("MemTotal");
    let said = row["node.mem.total"].as_f64().expect("bytes") / 1024.0;
    assert!((said - total).abs() < 2048.0, "{said} KiB, /proc/meminfo says {total}");
    assert_eq!(row["rack"], "r12");
    let cores = std::thread::available_parallelism().unwrap().get() as u64;
    assert!(row["node.cpu.cores"].as_u64() >= Some(cores), "{row}");
}

#[test]
fn bad_peers_are_counted_and_disturb_nobody() {
    use std::io::{Read as _, Write as _};
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), "127.0.0.1:0");
    let _sim = hub.sim(8);
    hub.await_answer("nodes", "8 nodes up", |a| a["total"] == 8 && a["stale"] == 0);
    let garbage: Vec<u8> = (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let oversized = [&[0x7f, 0xff, 0xff, 0xff][..], &[0; 64]].concat();
    for bytes in [b"GET / HTTP/1.1\r\nHost: head\r\n\r\n".to_vec(), garbage, oversized] {
        let mut peer = std::net::TcpStream::connect(&hub.agents).unwrap();
        peer.set_read_timeout(Some(crate::process::PATIENCE)).unwrap();
        // The hub may close before all of it is written.
        let _ = peer.write_all(&bytes);
        let mut rest = Vec::new();
        let closed = peer.read_to_end(&mut rest);
        assert!(!matches!(&closed, Err(e) if e.kind() == std::io::ErrorKind::WouldBlock), "not closed: {closed:?}");
    }
    let answer = hub.await_answer("nodes", "still 8 nodes up", |a| a["total"] == 8 && a["stale"] == 0);
    let drops = answer["drops"].as_object().expect("what was refused is counted");
    assert_eq!(drops.values().filter_map(Value::as_u64).sum::<u64>(), 3, "{drops:?}");
    assert_eq!(drops["peer speaks HTTP"], 1, "{drops:?}");
}

#[test]
fn a_person_s_mistake_gets_one_line_and_a_code() {
    let check = |args: &[&str], code: i32, part: &str| {
        let output = run(args);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
    };
    check(&["--nonsense"], 2, "--nonsense");
    check(&["get", "gpus where utl > 5"], 2, "utl");
    check(&["get", "gpuss"], 2, "gpuss");
    check(&["get", "nodes", "--hub", "127.0.0.1:1"], 1, "127.0.0.1:1");
    check(&["get", "nodes", "--hub", "/nonexistent/hub.sock"], 1, "/nonexistent/hub.sock");
    check(&["--hub", "/nonexistent/hub.sock", "get", "nodes"], 1, "/nonexistent/hub.sock");
    check(&["--hub", "127.0.0.1:1", "sim", "--nodes", "1"], 1, "127.0.0.1:1");
    check(&["--hub", "/nonexistent/hub.sock"], 1, "/nonexistent/hub.sock");
    check(&["sim", "--hub", "127.0.0.1:1", "--nodes", "1"], 1, "127.0.0.1:1");
    check(&["agent", "--interval", "1"], 2, "interval");
    check(&["agent", "--label", "rack"], 2, "KEY=VALUE");
    check(&["get", "nodes", "--config", "/nonexistent.toml"], 2, "/nonexistent.toml");
}

#[test]
fn a_port_in_use_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = supertop()
        .args(["hub", "--listen", &address, "--socket"])
        .arg(dir.path().join("hub.sock"))
        .arg("--state")
        .arg(dir.path().join("state"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_one_line(&output.stderr, &address);
    assert!(!dir.path().join("hub.sock").exists(), "no socket is left behind");
}

#[test]
fn a_state_folder_that_cannot_be_used_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), "127.0.0.1:0");
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let check = |state: &std::path::Path, part: &str| {
        let socket = dir.path().join("other.sock");
        let mut other = supertop();
        other.args(["hub", "--listen", "127.0.0.1:0", "--socket"]).arg(&socket).arg("--state").arg(state);
        let output = other.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_one_line(&output.stderr, part);
        assert_one_line(&output.stderr, "--state");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.matches("os error").count() <= 1, "a cause is named once: {said}");
        assert!(!socket.exists(), "no socket is left behind");
    };
    check(&dir.path().join("state"), "another hub uses");
    check(&file, "cannot open");
    assert_eq!(hub.get("nodes")["total"], 0, "the first hub goes on");
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), "127.0.0.1:0");
    let _sim = hub.sim(256);
    hub.await_answer("nodes", "256 nodes up", |a| a["total"] == 256);
    for format in ["table", "json", "csv"] {
        let mut get = supertop();
        get.args(["get", "gpus", "-o", format, "--hub"]).arg(&hub.socket);
        let mut get = get.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        drop(get.stdout.take());
        let output = get.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{format}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{format}");
    }
}

#[test]
fn a_wrong_key_in_the_configuration_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    std::fs::write(&path, "theme = \"dark\"\nhubb = \"x\"\n").unwrap();
    let hub = Hub::start(dir.path(), "127.0.0.1:0");
    let output =
        supertop().args(["get", "nodes", "--hub"]).arg(&hub.socket).arg("--config").arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "the rest counts");
    assert_one_line(&output.stderr, "config.toml:2: unknown field `hubb`; did you mean `hub`?");
}

fn assert_one_line(stderr: &[u8], part: &str) {
    let stderr = String::from_utf8_lossy(stderr);
    assert!(stderr.contains(part), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
}
