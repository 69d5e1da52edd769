//! Hub and simulator as processes, what the hub says of itself, and what the kernel says that they take.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use supertop::{
    client::Client,
    link::{Address, dial},
    model::{
        question::Answer,
        table::{Cell, Table},
    },
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long the nodes may take to come up.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long things may take to calm down after that.
pub(crate) const CALM: Duration = Duration::from_secs(15);
/// When history is full: at half a million GPUs a GiB holds what came in a quarter of an hour, and roll-ups need less of
/// it than they may take.
const FULL: Duration = Duration::from_mins(18);
/// How often samples' ways into the hub are looked at, and how long after each other: each look sees the last second's.
const LOOKS: usize = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(1700);
/// Nodes that the simulator keeps silent as a fault are never up.
const ENOUGH: f64 = 0.995;

/// The hub's socket in its folder.
const SOCKET: &str = "hub.sock";

/// A hub and a simulator that reports to it.
pub(crate) struct System {
    binary: PathBuf,
    /// Where the hub listens to agents.
    agents: String,
    hub: Child,
    sim: Child,
    nodes: u32,
    runtime: Runtime,
    began: Instant,
    dir: TempDir,
}

/// What was seen over a while: shares of a core, and samples per second.
pub(crate) struct Seen {
    pub(crate) span: Duration,
    pub(crate) hub: f64,
    pub(crate) sim: f64,
    pub(crate) samples: f64,
}

impl System {
    pub(crate) fn start(binary: &Path, nodes: u32, connections: u32, how: &[&str]) -> System {
        let dir = tempfile::tempdir().unwrap();
        let (hub, agents) = hub(binary, "127.0.0.1:0", dir.path());
        let counts = ["--nodes", &nodes.to_string(), "--connections", &connections.to_string()];
        let mut sim = Command::new(binary);
        let sim = sim.args(["sim", "--hub", &agents]).args(counts).args(how).stdout(Stdio::piped()).spawn().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        System { binary: binary.to_owned(), agents, hub, sim, nodes, runtime, began: Instant::now(), dir }
    }

    /// Stops the hub and starts it again where it was, with what it has kept: how long that took until it was ready.
    pub(crate) fn restart_hub(&mut self) -> Duration {
        let began = Instant::now();
        end(&self.hub);
        self.hub.wait().unwrap();
        (self.hub, _) = hub(&self.binary, &self.agents, self.dir.path());
        began.elapsed()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join(SOCKET)
    }

    pub(crate) fn hub_pid(&self) -> i32 {
        self.hub.id() as i32
    }

    /// Waits until all nodes are up: how long that took, and the slowest answer on the way.
    pub(crate) fn await_all(&self) -> (Duration, Duration) {
        let (began, mut slowest) = (Instant::now(), Duration::ZERO);
        loop {
            let asked = Instant::now();
            let up = self.number("fleet show up", "up");
            slowest = slowest.max(asked.elapsed());
            if up >= ENOUGH * f64::from(self.nodes) {
                return (began.elapsed(), slowest);
            }
            assert!(began.elapsed() < PATIENCE, "{up} of {} nodes are up", self.nodes);
            sleep(Duration::from_millis(250));
        }
    }

    /// Lets it run for a while.
    pub(crate) fn watch(&self, span: Duration) -> Seen {
        self.watch_while(span, || sleep(span))
    }

    /// Sees what runs while `act` does, which takes about that long.
    pub(crate) fn watch_while(&self, _span: Duration, act: impl FnOnce()) -> Seen {
        let pids = [self.hub_pid(), self.sim.id() as i32];
        let samples = self.samples();
        let (began, before) = (Instant::now(), pids.map(ticks));
        act();
        let (span, after) = (began.elapsed(), pids.map(ticks));
        let received = self.samples() - samples;
        let [hub, sim] = [0, 1].map(|at| share(after[at] - before[at], span));
        Seen { span, hub, sim, samples: received / span.as_secs_f64() }
    }

    /// How long 99 of 100 samples were on their way into the hub at most, in all of some seconds and in the worst of them.
    /// `pass` has the time between two looks go by.
    pub(crate) fn ways(&self, mut pass: impl FnMut(Duration)) -> [Duration; 2] {
        let tenth = self.nodes.div_ceil(10) as usize;
        let (mut slow, mut worst) = (Vec::new(), 0.0_f64);
        for _ in 0..LOOKS {
            pass(BETWEEN_LOOKS);
            // In the order of one moment: what comes while it is answered is not among them. The slowest come first.
            let table = self.ask(&format!("nodes sort clock.skew show clock.skew limit {tenth}"));
            let column = table.column("node.clock.skew").unwrap();
            let number = |cell: &Cell| if let Cell::Number(number) = cell { Some(-number) } else { None };
            let mut ways: Vec<f64> = table.rows.iter().filter_map(|row| number(&row.cells[column])).collect();
            ways.sort_by(|a, b| b.total_cmp(a));
            worst = worst.max(ways[tenth / 10]);
            slow.extend(ways);
        }
        slow.sort_by(|a, b| b.total_cmp(a));
        [slow[slow.len() / 10], worst].map(|seconds| Duration::from_secs_f64(seconds.max(0.0)))
    }

    /// Goes on until history is full, and then for so long: the bytes of memory that the hub holds before and after.
    pub(crate) fn soak(&self, span: Duration) -> [f64; 2] {
        sleep(FULL.saturating_sub(self.began.elapsed()));
        let before = self.least_of_a_minute();
        let minutes = span.as_secs().div_ceil(60).max(1);
        let after = (1..=minutes).map(|minute| {
            let now = self.least_of_a_minute();
            eprintln!("minute {minute} with history full: {:.0} MB, {:.0} before", now / 1e6, before / 1e6);
            now
        });
        [before, after.last().unwrap_or(before)]
    }

    /// The hub's memory without what an answer or a roll-up takes for a moment.
    fn least_of_a_minute(&self) -> f64 {
        let looks = (0..60).map(|_| {
            sleep(Duration::from_secs(1));
            resident(self.hub_pid())
        });
        looks.fold(f64::INFINITY, f64::min)
    }

    /// Stops the simulator: what it sent, and what the hub had.
    pub(crate) fn end(&mut self) -> super::Figures {
        end(&self.sim);
        let mut sent = String::new();
        self.sim.stdout.as_mut().unwrap().read_to_string(&mut sent).unwrap();
        self.sim.wait().unwrap();
        // What is still in the sockets has to come in, and answers may be some seconds old.
        let mut received = 0;
        for _ in 0..10 {
            sleep(Duration::from_secs(4));
            if received == std::mem::replace(&mut received, self.samples() as u64) {
                break;
            }
        }
        let drops = self.ask("fleet").census.drops;
        let word = |at: usize| sent.split_whitespace().nth(at).unwrap_or("?").to_owned();
        let changed = sent.trim().split("; ").nth(2).unwrap_or("?").replace(" changed from sample to sample", "");
        vec![
            ("samples sent", word(1)),
            ("samples received", received.to_string()),
            ("samples skipped, as the link still held the last", word(12).replace(';', "")),
            ("dropped or refused", format!("{drops:?}").replace("[]", "none")),
            ("bytes per sample, frame included", word(4)),
            ("keyframes among them", word(7)),
            ("values that change from sample to sample", changed),
        ]
    }

    fn samples(&self) -> f64 {
        self.number("fleet show samples", "node.samples")
    }

    fn number(&self, query: &str, key: &str) -> f64 {
        match self.ask(query).cell(0, key) {
            Some(Cell::Number(number)) => *number,
            _ => 0.0,
        }
    }

    fn ask(&self, query: &str) -> Table {
        let reply = self.runtime.block_on(async {
            let stream = dial(&Address::Path(self.socket())).await.unwrap();
            Client::attach(stream).await.unwrap().ask(query).await.unwrap()
        });
        match reply.answer {
            Ok(Answer::Table(table)) => table,
            other => panic!("{query}: {other:?}"),
        }
    }
}

impl Drop for System {
    fn drop(&mut self) {
        for child in [&mut self.sim, &mut self.hub] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a hub that keeps what it has to in a folder, and waits until it is ready: the hub, and where it listens to agents.
fn hub(binary: &Path, listen: &str, dir: &Path) -> (Child, String) {
    let mut hub = Command::new(binary);
    hub.args(["hub", "--listen", listen, "--socket"]).arg(dir.join(SOCKET));
    let mut hub = hub.arg("--state").arg(dir.join("state")).stderr(Stdio::piped()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(hub.stderr.as_mut().unwrap()).read_line(&mut ready).unwrap();
    let agents = ready.split("agents=").nth(1).and_then(|rest| rest.split(' ').next());
    let agents = agents.unwrap_or_else(|| panic!("the hub is not ready: {ready}")).to_owned();
    (hub, agents)
}

fn end(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

/// Ticks of CPU time that a process has had.
pub(crate) fn ticks(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Ticks over a span as a share of a core.
pub(crate) fn share(ticks: u64, span: Duration) -> f64 {
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64 / span.as_secs_f64()
}

/// Bytes of memory that a process holds.
pub(crate) fn resident(pid: i32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
}
