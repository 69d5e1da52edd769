//! Starts the real binary, waits for what it says, and ends it by its pid.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// How long any one thing may take on a busy machine before a test says that it never happened.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The binary, with no environment of the person who runs the tests.
pub(crate) fn supertop() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_supertop"));
    for name in [
        "SUPERTOP_HUB",
        "SUPERTOP_NVML",
        "SUPERTOP_CONTROL",
        "SUPERTOP_LOG",
        "NODE_NAME",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
    ] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    supertop().args(args).output().expect("the binary starts")
}

/// A child that is killed when the test lets go of it.
pub(crate) struct Running(pub Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        Running(command.stdout(Stdio::null()).spawn().expect("the binary starts"))
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).expect("the process is there");
    }

    /// Waits for the end and says the exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().expect("a child can be waited for") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the process did not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A hub with a folder of its own.
pub(crate) struct Hub {
    pub process: Running,
    pub agents: String,
    pub socket: PathBuf,
    /// What it said before it was ready.
    pub warned: Vec<String>,
    _stderr: BufReader<ChildStderr>,
}

impl Hub {
    /// Starts a hub that keeps its socket and state in `dir`, on `listen`.
    pub(crate) fn start(dir: &Path, listen: &str) -> Hub {
        Hub::start_with(dir, listen, |_| {})
    }

    /// As [`Hub::start`], with more on its command line or in its environment.
    pub(crate) fn start_with(dir: &Path, listen: &str, more: impl FnOnce(&mut Command)) -> Hub {
        let socket = dir.join("hub.sock");
        let mut command = supertop();
        command.args(["hub", "--listen", listen, "--socket"]).arg(&socket).arg("--state").arg(dir.join("state"));
        more(&mut command);
        let mut process = Running::start(command.stderr(Stdio::piped()));
        let mut stderr = BufReader::new(process.0.stderr.take().expect("stderr is piped"));
        let (mut warned, mut line) = (Vec::new(), String::new());
        let agents = loop {
            line.clear();
            let n = stderr.read_line(&mut line).expect("the hub says something");
            assert!(n > 0, "it was never ready: {warned:?}");
            match line.strip_prefix("supertop hub: ready agents=").and_then(|rest| rest.split_once(' ')) {
                Some((agents, _)) => break agents.to_owned(),
                None => warned.push(line.trim_end().to_owned()),
            }
        };
        Hub { agents, process, socket, warned, _stderr: stderr }
    }

    /// The answer to a query as JSON.
    pub(crate) fn get(&self, query: &str) -> serde_json::Value {
        let output = supertop()
            .args(["get", query, "-o", "json", "--hub"])
            .arg(&self.socket)
            .output()
            .expect("the binary starts");
        assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("get -o json prints JSON")
    }

    /// Asks until the answer is as it should be.
    pub(crate) fn await_answer(
        &self,
        query: &str,
        what: &str,
        good: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(query);
            if good(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "never happened: {what}; last answer: {answer:.2000}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Starts a simulation that reports here.
    pub(crate) fn sim(&self, nodes: u32) -> Running {
        Running::start(supertop().args(["sim", "--hub", &self.agents, "--nodes", &nodes.to_string(), "--seed", "7"]))
    }
}
