//! Against a real Slurm on this machine: a controller and four nodes, whose GPUs are plain files. Its ports and folders
//! are the test's own.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::process::{Hub, PATIENCE, Running};

const NODES: usize = 4;
const GPUS: usize = 4;

/// A running Slurm.
struct Cluster {
    dir: tempfile::TempDir,
    controller: Option<Running>,
    others: Vec<Running>,
}

/// A port that nobody listens on now.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Cluster {
    fn start() -> Cluster {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["controller", "spool", "munge"] {
            fs::create_dir(at(name)).unwrap();
        }
        (0..GPUS).for_each(|n| fs::write(at(&format!("gpu{n}")), "").unwrap());
        fs::write(at("munge/key"), [7u8; 128]).unwrap();
        Command::new("chmod").arg("600").arg(at("munge/key")).status().unwrap();
        let controller = port();
        let node = |n: usize| {
            format!(
                "NodeName=gpu00{n} NodeHostname=localhost NodeAddr=127.0.0.1 Port={} CPUs=8 RealMemory=1000 \
                 Gres=gpu:h100:{GPUS}\n",
                port()
            )
        };
        let nodes = (1..=NODES).map(node).collect::<Vec<_>>().concat();
        let home = dir.path().display();
        fs::write(
            at("slurm.conf"),
            format!(
                "ClusterName=test\nSlurmctldHost=localhost(127.0.0.1)\nSlurmUser=root\nSlurmdUser=root\n\
                 AuthType=auth/munge\nAuthInfo=socket={home}/munge/socket\nCredType=cred/munge\n\
                 SlurmctldPort={controller}\nStateSaveLocation={home}/controller\nSlurmdSpoolDir={home}/spool/%n\n\
                 SlurmctldPidFile={home}/slurmctld.pid\nSlurmdPidFile={home}/%n.pid\n\
                 ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSwitchType=switch/none\nMpiDefault=none\n\
                 SelectType=select/cons_tres\nSelectTypeParameters=CR_Core\nGresTypes=gpu\n\
                 SlurmdParameters=config_overrides\nReturnToService=2\nJobCompType=jobcomp/none\n\
                 AccountingStorageType=accounting_storage/none\nSchedulerParameters=sched_interval=1,sched_min_interval=0\n\
                 TopologyPlugin=topology/tree\n\
                 {nodes}PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO\n"
            ),
        )
        .unwrap();
        let files = GPUS - 1;
        fs::write(
            at("gres.conf"),
            format!("NodeName=gpu00[1-{NODES}] Name=gpu Type=h100 File={home}/gpu[0-{files}]\n"),
        )
        .unwrap();
        fs::write(
            at("topology.conf"),
            "SwitchName=leaf1 Nodes=gpu00[1-2]\nSwitchName=leaf2 Nodes=gpu00[3-4]\nSwitchName=spine Switches=leaf[1-2]\n",
        )
        .unwrap();
        fs::write(at("cgroup.conf"), "CgroupPlugin=cgroup/v1\n").unwrap();
        let mut cluster = Cluster { controller: None, others: Vec::new(), dir };
        let munge = cluster.daemon("munged", &["--foreground", "--force"], |command, at| {
            command
                .arg(format!("--key-file={}", at("munge/key").display()))
                .arg(format!("--socket={}", at("munge/socket").display()))
                .arg(format!("--pid-file={}", at("munge/pid").display()))
                .arg(format!("--log-file={}", at("munge/log").display()))
                .arg(format!("--seed-file={}", at("munge/seed").display()));
        });
        cluster.others.push(munge);
        cluster.until("munge listens", |it| it.dir.path().join("munge/socket").exists());
        cluster.start_controller();
        for n in 1..=NODES {
            let name = format!("gpu00{n}");
            let node = cluster.daemon("slurmd", &["-D", "-N", &name], |_, _| {});
            cluster.others.push(node);
        }
        cluster.until("nodes are idle", |it| it.ask("sinfo", &["-h", "-o", "%D %t"]).trim() == format!("{NODES} idle"));
        cluster
    }

    fn start_controller(&mut self) {
        self.controller = Some(self.daemon("slurmctld", &["-D"], |_, _| {}));
    }

    /// It is asked to end, for it saves what it knows last: one that is killed comes back with the jobs of seconds ago.
    fn stop_controller(&mut self) {
        let controller = self.controller.take().expect("a controller runs");
        controller.signal(rustix::process::Signal::TERM);
        assert_eq!(controller.wait(), Some(0), "{}", self.logs());
    }

    fn daemon(&self, name: &str, args: &[&str], more: impl FnOnce(&mut Command, &dyn Fn(&str) -> PathBuf)) -> Running {
        let at = |name: &str| self.dir.path().join(name);
        let mut command = self.command(name);
        more(&mut command, &at);
        let log = fs::File::options().create(true).append(true).open(at(&format!("{name}.log"))).unwrap();
        Running::start(command.args(args).stderr(log))
    }

    fn command(&self, name: &str) -> Command {
        // Daemons are in places that only root's path has.
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new(name);
        command.env("PATH", path).env("SLURM_CONF", self.dir.path().join("slurm.conf")).stdin(Stdio::null());
        command
    }

    /// What a command of Slurm's prints.
    fn ask(&self, name: &str, args: &[&str]) -> String {
        let output = self.command(name).args(args).current_dir(self.dir.path()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Submits a job and says its id.
    fn submit(&self, args: &[&str]) -> String {
        let mut all = vec!["--parsable", "--output=/dev/null"];
        all.extend(args);
        let id = self.ask("sbatch", &all).trim().to_owned();
        assert!(!id.is_empty(), "no job; {}", self.logs());
        id
    }

    fn until(&self, what: &str, good: impl Fn(&Cluster) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !good(self) {
            assert!(Instant::now() < deadline, "never happened: {what}; {}", self.logs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The ends of what the daemons said.
    fn logs(&self) -> String {
        let end = |path: &Path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().rev().take(12).collect();
            format!("\n{}:\n{}", path.display(), lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
        };
        ["munged.log", "slurmctld.log", "slurmd.log", "slurmrestd.log"]
            .map(|name| end(&self.dir.path().join(name)))
            .concat()
    }
}

/// Jobs outlive the daemons that started them: all that has this Slurm in its environment ends with the test.
impl Drop for Cluster {
    fn drop(&mut self) {
        let mark = format!("SLURM_CONF={}", self.dir.path().join("slurm.conf").display());
        let ours = |pid: &i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
        };
        for _ in 0..50 {
            let all = fs::read_dir("/proc").into_iter().flatten().flatten();
            let pids: Vec<i32> =
                all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(ours).collect();
            if pids.is_empty() {
                break;
            }
            for pid in pids.into_iter().filter_map(rustix::process::Pid::from_raw) {
                // It may have ended meanwhile.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A hub that asks this Slurm each second, in this way.
fn hub(cluster: &Cluster, way: &str) -> Hub {
    let home = cluster.dir.path().join(if way.contains("rest") { "by-rest" } else { "by-commands" });
    fs::create_dir(&home).unwrap();
    let config = home.join("config.toml");
    fs::write(&config, format!("[server]\nlevels = [\"switch1\", \"switch\"]\n{way}\nslurm_interval = \"1s\"\n"))
        .unwrap();
    Hub::start_with(&home, "127.0.0.1:0", |command| {
        command.arg("--config").arg(&config).env("SLURM_CONF", cluster.dir.path().join("slurm.conf"));
    })
}

fn ids(answer: &Value) -> Vec<&str> {
    let rows = answer["rows"].as_array().unwrap().iter();
    rows.map(|row| row["job"].as_str().unwrap()).collect()
}

/// The same jobs run and wait as squeue has.
fn agrees_with_squeue(cluster: &Cluster, answer: &Value) {
    let told = cluster.ask("squeue", &["-h", "-S", "i", "-t", "running,pending", "-o", "%i|%u|%j|%T|%D|%P"]);
    let rows = answer["rows"].as_array().unwrap().iter().map(|row| {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let waits = row["job.phase"] == "waiting";
        // Of a job that waits, squeue says how many nodes it wants.
        let nodes = if waits { "4".to_owned() } else { row["job.nodes"].to_string() };
        let state = text("job.state").to_uppercase();
        [text("job"), text("job.user"), text("job.name"), state, nodes, "main".into()].join("|")
    });
    assert_eq!(rows.collect::<Vec<_>>(), told.lines().collect::<Vec<_>>());
}

/// Tasks of an array, one of which is requeued.
fn arrays_and_requeues(cluster: &Cluster, hub: &Hub) {
    let array = cluster.submit(&["-N1", "--gres=gpu:1", "--array=3-4", "--wrap=sleep 600"]);
    let tasks = format!("jobs where phase = running and job.array ~ '^{array}_' sort job show job,job.array");
    let answer = hub.await_answer(&tasks, "both run", |answer| answer["total"] == 2);
    let rows = answer["rows"].as_array().unwrap().iter();
    let got: Vec<String> =
        rows.map(|row| [&row["job"], &row["job.array"]].map(|it| it.as_str().unwrap()).join("|")).collect();
    let told = cluster.ask("squeue", &["-h", "-r", "-t", "running", "-o", "%A|%F_%K"]);
    let mut told: Vec<&str> = told.lines().collect();
    told.sort_unstable();
    assert_eq!(got, told);
    let first = got[0].split('|').next().unwrap();
    cluster.ask("scontrol", &["requeue", first]);
    let requeued = format!("jobs where job = {first} and restarts = 1 and phase = waiting");
    hub.await_answer(&requeued, "it waits again", |answer| answer["total"] == 1);
}

/// A node that an operator drains, with a reason, and gives back.
fn drained_and_given_back(cluster: &Cluster, [hub, by_rest]: [&Hub; 2], living: &str) {
    let words = "reason=XID \"79\" again";
    cluster.ask("scontrol", &["update", "nodename=gpu002", "state=drain", words]);
    let drained = "nodes where sched = drain show node,sched,sched.reason,sched.by,sched.since";
    let answer = hub.await_answer(drained, "a node is drained", |answer| answer["total"] == 1);
    let row = &answer["rows"][0];
    assert_eq!((&row["node"], &row["sched.reason"]), (&"gpu002".into(), &"XID \"79\" again".into()), "{answer}");
    assert!(row["sched.by"] == "root" && row["sched.since"].is_string(), "{answer}");
    assert_eq!(answer["scheduler"]["strangers"], "");
    let answer = by_rest.await_answer(drained, "a node is drained", |answer| answer["total"] == 1);
    assert_eq!(&answer["rows"][0], row);
    let told = cluster.ask("scontrol", &["show", "node", "gpu002"]);
    assert!(told.contains("Reason=XID \"79\" again [root@") && told.contains("+DRAIN"), "{told}");
    agrees_with_squeue(cluster, &hub.get(living));
    cluster.ask("scontrol", &["update", "nodename=gpu002", "state=resume"]);
    hub.await_answer(drained, "it has its node back", |answer| answer["total"] == 0);
}

#[test]
fn jobs_are_as_slurm_says() {
    let mut cluster = Cluster::start();
    let hub = hub(&cluster, "slurm = true");
    let _sim = hub.sim(NODES as u32);
    let scheduled = "jobs where partition = main and job != 1 sort job show job,job.user,job.name,job.state,job.nodes,job.gpus,\
                     job.phase,job.hosts,job.reason";
    hub.await_answer("nodes", "four nodes are up", |answer| answer["total"] == 4 && answer["stale"] == 0);

    // Slurm's switches are labels of its nodes.
    let places = "nodes where switch != none sort node show node,switch,switch1";
    let answer = hub.await_answer(places, "the topology is known", |answer| answer["total"] == 4);
    let of = |at: usize| (&answer["rows"][at]["switch"], &answer["rows"][at]["switch1"]);
    assert_eq!([of(0), of(3)], [(&"leaf1".into(), &"spine".into()), (&"leaf2".into(), &"spine".into())], "{answer}");

    // One that comes to its own end.
    let short = cluster.submit(&["-N1", "--gres=gpu:1", "--job-name=short", "--wrap=sleep 3"]);
    let of_short = format!("jobs where job = {short} show job,job.phase,job.state,job.gpus,job.ended");
    let answer = hub.await_answer(&of_short, "it has ended", |answer| answer["rows"][0]["job.phase"] == "ended");
    assert_eq!((&answer["rows"][0]["job.state"], &answer["rows"][0]["job.gpus"]), (&"completed".into(), &1.into()));
    let had = hub.get(&format!("gpus where ran = {short} show node,index"));
    assert_eq!(had["total"], 1, "{had}");

    // Over two nodes, with two GPUs of each.
    let wide = cluster.submit(&["-N2", "--gres=gpu:2", "--job-name=wide", "--wrap=sleep 600"]);
    let narrow = cluster.submit(&["-N1", "--gres=gpu:h100:1", "--job-name=narrow", "--wrap=sleep 600"]);
    let big = cluster.submit(&["-N4", "--gres=gpu:4", "--job-name=big", "--wrap=sleep 600"]);
    let answer = hub.await_answer(scheduled, "two jobs run and one waits", |answer| {
        let phases: Vec<_> =
            answer["rows"].as_array().unwrap().iter().map(|row| row["job.phase"].as_str().unwrap()).collect();
        phases == ["running", "running", "waiting"]
    });
    assert_eq!(ids(&answer), [&*wide, &*narrow, &*big]);
    let row = |n: usize| &answer["rows"][n];
    assert_eq!((&row(0)["job.gpus"], &row(0)["job.nodes"]), (&4.into(), &2.into()), "{answer}");
    assert_eq!((&row(0)["job.name"], &row(0)["job.user"]), (&"wide".into(), &"root".into()));
    assert_eq!((&row(1)["job.gpus"], &row(2)["job.gpus"]), (&1.into(), &0.into()));
    assert!(["Resources", "Priority"].contains(&row(2)["job.reason"].as_str().unwrap()), "{answer}");

    // The same nodes and the same numbers of GPUs as Slurm says.
    for id in [&wide, &narrow] {
        let told = cluster.ask("scontrol", &["show", "job", "-d", "-o", id]);
        let mut expected = Vec::new();
        for (_, part) in told.match_indices(" Nodes=").map(|(at, _)| told.split_at(at + 7)) {
            let mut words = part.split(' ');
            let nodes = words.next().unwrap();
            let gpus = words.find_map(|word| word.strip_prefix("GRES=")).unwrap();
            let hosts = cluster.ask("scontrol", &["show", "hostnames", nodes]);
            let list = gpus.split("IDX:").nth(1).unwrap().split(')').next().unwrap();
            for host in hosts.split_whitespace() {
                for range in list.split(',') {
                    let (first, last) = range.split_once('-').unwrap_or((range, range));
                    let all = first.parse::<u32>().unwrap()..=last.parse().unwrap();
                    expected.extend(all.map(|gpu| format!("{host}:{gpu}")));
                }
            }
        }
        let gpus = hub.get(&format!("gpus where job = {id} show node,index"));
        let rows = gpus["rows"].as_array().unwrap().iter();
        let got: Vec<String> =
            rows.map(|row| format!("{}:{}", row["node"].as_str().unwrap(), row["index"].as_str().unwrap())).collect();
        assert_eq!(got, expected, "{told}");
    }

    agrees_with_squeue(&cluster, &answer);
    let living = scheduled.replace("where", "where phase != ended and");

    // A job that is cancelled has ended, and says how; the one that waited follows.
    cluster.ask("scancel", &[&wide, &narrow]);
    let ended = format!("jobs where job = {wide} show job,job.phase,job.state,job.gpus,job.held");
    let answer = hub.await_answer(&ended, "the job has ended", |answer| answer["rows"][0]["job.phase"] == "ended");
    assert_eq!(answer["rows"][0]["job.state"], "cancelled");
    assert_eq!((&answer["rows"][0]["job.gpus"], &answer["rows"][0]["job.held"]), (&4.into(), &0.into()));
    let started = format!("gpus where job = {big}");
    hub.await_answer(&started, "the one that waited runs", |answer| answer["total"] == (NODES * GPUS) as u64);
    agrees_with_squeue(&cluster, &hub.get(&living));

    // The same by slurmrestd.
    let socket = cluster.dir.path().join("rest.sock");
    let address = format!("unix:{}", socket.display());
    // It will not run as root, and has to make its socket there.
    fs::set_permissions(cluster.dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let args = ["-u", "nobody", "-g", "nogroup", "-a", "rest_auth/local", "-s", "openapi/v0.0.38", &address];
    let rest = cluster.daemon("slurmrestd", &args, |_, _| {});
    cluster.others.push(rest);
    cluster.until("slurmrestd listens", |_| socket.exists());
    let by_rest = self::hub(&cluster, &format!("slurm_rest = \"{}\"", socket.display()));
    let _more = by_rest.sim(NODES as u32);
    by_rest.await_answer("nodes", "four nodes are up", |answer| answer["total"] == 4 && answer["stale"] == 0);
    // Of those that had ended before it asked, nobody says which GPUs they had.
    let rows = |hub: &Hub| hub.get(&scheduled.replace("where", "where phase = running and"))["rows"].clone();
    // It may have asked before the nodes were there.
    let all = Value::from(NODES * GPUS);
    let is_known = |answer: &Value| answer["total"] == 3 && answer["rows"][2]["job.gpus"] == all;
    by_rest.await_answer(scheduled, "the jobs are known", is_known);
    assert_eq!(rows(&by_rest), rows(&hub));
    assert!(by_rest.get(scheduled)["rows"][0]["job.gpus"].is_null(), "unknown is not 0");

    drained_and_given_back(&cluster, [&hub, &by_rest], &living);

    // A controller that does not answer takes nothing away, and is told of.
    cluster.stop_controller();
    let answer = hub.await_answer(&started, "the hub says that nobody answers", |answer| {
        !answer["scheduler"]["problem"].as_str().unwrap_or_default().is_empty()
    });
    assert_eq!(answer["total"], NODES * GPUS, "{answer:.1000}");
    assert!(answer["scheduler"]["heard"].is_string());
    cluster.start_controller();
    hub.await_answer(&started, "it answers again", |answer| answer["scheduler"]["problem"] == "");
    agrees_with_squeue(&cluster, &hub.get(&living));
    cluster.ask("scancel", &[&big]);
    hub.await_answer(&started, "nothing is held any more", |answer| answer["total"] == 0);

    arrays_and_requeues(&cluster, &hub);
}
