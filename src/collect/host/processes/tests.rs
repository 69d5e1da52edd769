//! The processes of this machine.

use super::*;
use crate::{
    collect::clock::Hand,
    model::{MetricId, Raw},
};

struct Bench {
    processes: Processes,
    watchlist: Watchlist,
    hand: Hand,
}

fn bench() -> Bench {
    let (clock, hand) = Clock::by_hand();
    let watchlist = Watchlist::default();
    let processes = Processes::with(Path::new("/"), watchlist.clone(), clock).unwrap();
    Bench { processes, watchlist, hand }
}

impl Bench {
    fn after(&mut self, seconds: u64) -> Findings {
        self.hand.advance(Duration::from_secs(seconds));
        self.processes.collect(Time::from_millis(0))
    }
}

fn get(findings: &Findings, metric: MetricId) -> Raw {
    findings.readings.iter().find(|r| r.metric == metric).expect("it was read").raw
}

#[test]
fn looks_are_seconds_apart() {
    let mut bench = bench();
    assert!(bench.after(0).processes.is_some());
    assert!(bench.after(1).processes.is_some(), "the second comes early");
    assert!(bench.after(4).processes.is_none());
    assert!(bench.after(60).processes.is_some());
}

#[test]
fn this_very_process_is_found() {
    let mut bench = bench();
    let pid = std::process::id();
    bench.watchlist.set([pid]);
    let first = bench.after(0);
    assert!(get(&first, node::PROCS).value(1.0).unwrap() >= 1.0);
    let own = |findings: Findings| findings.processes.unwrap().into_iter().find(|p| p.pid == pid).unwrap();
    let own_first = own(first);
    assert_eq!(own_first.cpu, None, "nothing to compare with");
    assert!(own_first.mem.unwrap() > 0 && !own_first.user.is_empty() && own_first.state.is_some());
    let age = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    let age = age - own_first.started.unwrap().as_millis();
    assert!((-2000..3_600_000).contains(&age), "started {age} ms ago");
    let program = std::env::current_exe().unwrap();
    assert_eq!(Some(&*own_first.name), program.file_name().and_then(|name| name.to_str()));

    let before = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).tv_nsec;
    while rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).tv_nsec.abs_diff(before) < 50_000_000 {}
    let cpu = own(bench.after(1)).cpu.unwrap();
    assert!(cpu >= 1.0, "{cpu} % of the second that the clock told");
}

#[test]
fn a_process_that_comes_and_goes_is_told_while_it_is_there() {
    let mut bench = bench();
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let pid = child.id();
    bench.watchlist.set([pid]);
    let sees = |findings: &Findings| findings.processes.as_ref().unwrap().iter().any(|p| p.pid == pid);
    assert!(sees(&bench.after(0)));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!sees(&bench.after(60)));
}

#[test]
fn threads_are_no_processes() {
    let (stop, wait) = std::sync::mpsc::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        tell.send(rustix::thread::gettid().as_raw_nonzero().get() as u32).unwrap();
        let _ = wait.recv();
    });
    let thread_id = told.recv().unwrap();
    let mut bench = bench();
    bench.watchlist.set([std::process::id(), thread_id]);
    let list = bench.after(0).processes.unwrap();
    drop(stop);
    thread.join().unwrap();
    let watched: Vec<u32> =
        list.iter().map(|process| process.pid).filter(|pid| [std::process::id(), thread_id].contains(pid)).collect();
    assert_eq!(watched, [std::process::id()]);
}

#[test]
fn a_process_belongs_to_the_job_of_its_cgroup_or_else_of_its_environment() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let pid = child.id();
    // What sysinfo knows comes from this machine; the rest from a tree of our own.
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join(format!("proc/{pid}"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("environ"), "PATH=/bin\0SLURM_JOB_ID=4711\0").unwrap();
    let (clock, hand) = Clock::by_hand();
    let watchlist = Watchlist::default();
    watchlist.set([pid]);
    let mut processes = Processes::with(root.path(), watchlist, clock).unwrap();
    let mut workload = |cgroup: &str| {
        std::fs::write(folder.join("cgroup"), cgroup).unwrap();
        hand.advance(Duration::from_mins(2));
        let list = processes.collect(Time::from_millis(0)).processes.unwrap();
        list.into_iter().find(|process| process.pid == pid).unwrap().workload
    };
    let first = workload("0::/user.slice");
    let moved = workload("0::/system.slice/slurmstepd.scope/job_12/step_batch/user/task_0");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(first.job, "4711");
    assert_eq!((&*moved.job, &*moved.step), ("12", "batch"), "a cgroup is not the process's to choose, and may change");
}

/// A system's tree of `/proc` and of cgroups, under `tests/cgroups`, with one process in it. Recorded were batch and step
/// of jobs of Slurm 22.05 (cgroup v1, and v2 as of `slurmd -N gpu001`), containers of Docker 20.10 and Podman 4.3 (v1 and
/// v2), and a container that containerd 1.6 made for a pod as a kubelet asks for it (v1). The others are as the kernel and the
/// runtimes are documented to write them.
struct Recorded {
    folder: PathBuf,
    pid: String,
}

impl Recorded {
    fn of(system: &str) -> Recorded {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cgroups").join(system);
        let mut pids = std::fs::read_dir(folder.join("proc")).expect(system).flatten();
        let pid = pids.next().expect("a process").file_name().into_string().unwrap();
        Recorded { folder, pid }
    }

    fn cgroup(&self) -> String {
        std::fs::read_to_string(self.folder.join("proc").join(&self.pid).join("cgroup")).unwrap()
    }

    /// Whether the process is in each cgroup that `/proc` says.
    fn is_whole(&self) -> bool {
        let lines = self.cgroup();
        let is_alone = lines.lines().count() == 1;
        lines.lines().filter_map(|line| line.split_once(':')).all(|(_, rest)| {
            let (controllers, path) = rest.split_once(':').unwrap();
            let hierarchy = match controllers.trim_start_matches("name=") {
                "" if is_alone => "",
                "" => "unified",
                other => other,
            };
            let cgroup = self.folder.join("sys/fs/cgroup").join(hierarchy).join(path.trim_start_matches('/'));
            let members = std::fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
            path == "/" || members.lines().any(|pid| pid == self.pid)
        })
    }
}

#[test]
fn a_process_is_known_by_the_cgroup_of_every_system() {
    const ID: &str = "3f4e1c2b5a69788796a5b4c3d2e1f0ffeeddccbbaa998877665544332211000a";
    const UID: &str = "7d5c9c0a-2f0f-4a51-9a5e-0c8f2f3f7c11";
    // Job, step, pod and container.
    let systems = [
        ("slurm-v1-batch", ["3", "batch", "", ""]),
        ("slurm-v1-step", ["3", "0", "", ""]),
        ("slurm-v1-controllers", ["4711", "batch", "", ""]),
        ("slurm-v2-batch", ["1", "batch", "", ""]),
        ("slurm-v2-step", ["1", "0", "", ""]),
        ("slurm-v2", ["4711", "0", "", ""]),
        ("slurm-v2-extern", ["4711", "extern", "", ""]),
        ("kubernetes-containerd-v1", ["", "", UID, "aec1f55d7ae34c5632e8b7a15681d331bcf5b9f08104785b88e330f75b162aca"]),
        ("kubernetes-containerd", ["", "", UID, ID]),
        ("kubernetes-crio", ["", "", UID, ID]),
        ("docker-v1", ["", "", "", "6d419ec15d0fc2f3ef4571a15ca6777ef7b4751e6d804fcacd23b9d4162a2c85"]),
        ("docker-v2-cgroupfs", ["", "", "", "c41c9250f142eab146e8c3cca255453d3f164888e5a778c1af2b274b487cfab2"]),
        ("docker-v2", ["", "", "", ID]),
        ("podman-v1", ["", "", "", "d9020d55c004fa0ef0c5f53e4db03d7b927090503e2171bc6ff95bb81f48ce46"]),
        ("podman-v2", ["", "", "", "69c7043bd0f851c07f6a42f27a31d64e3f5245715d0cd6a115a0118c64976b2f"]),
        ("podman-rootless", ["", "", "", ID]),
        ("login", ["", "", "", ""]),
    ];
    let folders = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cgroups")).unwrap();
    assert_eq!(folders.count(), systems.len(), "every tree is looked at");
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let pid = child.id();
    // The process that is there stands for the recorded one: sysinfo looks at this machine.
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join(format!("proc/{pid}"));
    std::fs::create_dir_all(&folder).unwrap();
    let (clock, hand) = Clock::by_hand();
    let watchlist = Watchlist::default();
    watchlist.set([pid]);
    let mut processes = Processes::with(root.path(), watchlist, clock).unwrap();
    let told = systems.map(|(system, expected)| {
        let recorded = Recorded::of(system);
        assert!(recorded.is_whole(), "{system}");
        std::fs::write(folder.join("cgroup"), recorded.cgroup()).unwrap();
        hand.advance(Duration::from_mins(2));
        let list = processes.collect(Time::from_millis(0)).processes.unwrap();
        (system, expected, list.into_iter().find(|process| process.pid == pid).unwrap().workload)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    for (system, expected, workload) in told {
        let got = [&workload.job, &workload.step, &workload.pod, &workload.container].map(String::as_str);
        assert_eq!(got, expected, "{system}");
    }
}

#[test]
fn a_pid_namespace_of_its_own_is_said() {
    let notes = |space: &str| {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("proc/self/ns");
        std::fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink(space, folder.join("pid")).unwrap();
        Processes::with(root.path(), Watchlist::default(), Clock::by_hand().0).unwrap().notes().len()
    };
    assert_eq!((notes("pid:[4026531836]"), notes("pid:[4026532198]")), (0, 1));
}

#[test]
fn numbers_of_another_namespace_are_not_taken_for_processes_here() {
    let names = |space: &str, holds: &str| -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        let [own, me] = ["proc/self/ns".to_owned(), format!("proc/{}/fd", std::process::id())];
        for folder in [&own, &me] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        std::os::unix::fs::symlink(space, root.path().join(own).join("pid")).unwrap();
        std::os::unix::fs::symlink(holds, root.path().join(me).join("3")).unwrap();
        let watchlist = Watchlist::default();
        watchlist.set([std::process::id(), u32::MAX]);
        let mut processes = Processes::with(root.path(), watchlist, Clock::by_hand().0).unwrap();
        let list = processes.collect(Time::from_millis(0)).processes.unwrap();
        let watched = list.into_iter().filter(|process| [std::process::id(), u32::MAX].contains(&process.pid));
        watched.map(|process| process.name).collect()
    };
    let (machine, apart) = ("pid:[4026531836]", "pid:[4026532198]");
    assert!(matches!(&names(machine, "/dev/null")[..], [me] if me != ELSEWHERE));
    assert_eq!(names(apart, "/dev/null"), [ELSEWHERE, ELSEWHERE], "the machine's process of that number has the GPU");
    assert!(matches!(&names(apart, "/dev/nvidia3")[..], [me, other] if me != ELSEWHERE && other == ELSEWHERE));
}
