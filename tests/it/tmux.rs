//! The terminal interface in tmux, as most people have it on a head node: 80×24 cells and 256 colours.

use std::{
    cell::Cell,
    path::PathBuf,
    process::{Command, Output},
    thread::sleep,
    time::{Duration, Instant},
};

use supertop::{
    collect::sim::{Plan, Sim, Subject, scenario},
    hub::wall_clock,
};

/// How long any one thing may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A tmux server of the test's own.
struct Tmux {
    state: tempfile::TempDir,
    /// Keys that were pressed.
    pressed: Cell<usize>,
}

impl Tmux {
    /// The program in a tmux with these settings, and a file of its own configuration if there is one.
    fn start(args: &str, settings: &str, config: &str) -> Tmux {
        let tmux = Tmux { state: tempfile::tempdir().expect("a folder"), pressed: Cell::new(0) };
        let [settings, config] = [("tmux.conf", settings), ("config.toml", config)].map(|(name, text)| {
            std::fs::write(tmux.file(name), text).expect("a file");
            tmux.file(name).display().to_string()
        });
        let program = format!("{} {args} --config {config}", env!("CARGO_BIN_EXE_supertop"));
        let state = format!("XDG_STATE_HOME={}", tmux.state.path().display());
        tmux.run(&["-f", &settings, "new-session", "-d", "-x", "80", "-y", "24", "-e", &state, &program]);
        tmux
    }

    fn file(&self, name: &str) -> PathBuf {
        self.state.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut tmux = Command::new("tmux");
        tmux.env_remove("TMUX").env_remove("COLORTERM").env("LC_ALL", "C.UTF-8");
        tmux.arg("-u").arg("-S").arg(self.file("socket")).args(args).output().expect("tmux")
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.run(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// All of the screen in one line.
    fn words(&self) -> String {
        self.screen().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn press(&self, keys: &[&str]) {
        self.pressed.set(self.pressed.get() + keys.len());
        self.run(&[&["send-keys"], keys].concat());
    }

    fn buffer(&self) -> String {
        String::from_utf8_lossy(&self.run(&["show-buffer"]).stdout).into_owned()
    }

    fn await_that(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "never seen: {what}; the screen was:\n{}", self.screen());
            sleep(Duration::from_millis(50));
        }
    }

    fn await_screen(&self, words: &[&str]) {
        self.await_that(&format!("{words:?}"), || {
            let screen = self.screen();
            words.iter().all(|word| screen.contains(word))
        });
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

#[test]
fn from_the_start_to_the_command_on_the_clipboard_in_few_keys() {
    let tmux = Tmux::start("demo --nodes 64 --seed 7", "", "");
    tmux.await_screen(&["64 up", "PROBLEMS", "XID"]);
    // To the problems, into the worst one, and its command.
    tmux.press(&["p"]);
    tmux.press(&["Enter"]);
    tmux.await_screen(&["WHY", "DO", "scontrol update nodename="]);
    tmux.press(&["y"]);
    tmux.await_screen(&["copied scontrol update"]);
    tmux.await_that("the command in tmux's buffer", || tmux.buffer().starts_with("scontrol update nodename=gpu"));
    assert!(tmux.buffer().contains("state=drain"), "{}", tmux.buffer());
}

/// Stragglers are told of after seconds, not after four minutes.
const SOON: &str = "[[rule]]\nid = 'gpu.straggler'\nhold = '10s'\nevery = '2s'\n";

/// The name and the node of the GPU that the scenario slows down in a demo of 64 nodes.
fn planted() -> (String, String) {
    let faults = scenario::named("straggler").expect("it is a scenario");
    let sim = Sim::new(Plan { nodes: 64, faults, start: wall_clock(), ..Plan::default() });
    let Subject::Gpu(n, slot) = sim.faults()[0].subject else { panic!("{:?}", sim.faults()) };
    (format!("{}:{slot}", sim.name(n)), sim.name(n))
}

#[test]
fn a_new_user_drains_the_straggler_of_a_job_in_under_ten_keys() {
    let tmux = Tmux::start("demo --nodes 64 --scenario straggler", "set -g default-terminal tmux-256color", SOON);
    let (gpu, node) = planted();
    tmux.await_screen(&["64 up", "PROBLEMS", &gpu, "among GPUs of job"]);
    let drawn = String::from_utf8_lossy(&tmux.run(&["capture-pane", "-p", "-e"]).stdout).into_owned();
    assert!(drawn.contains("38;5;") && !drawn.contains("38;2;"), "of 256 colours: {}", drawn.escape_debug());
    // To the problems, into the only one, and its command.
    tmux.press(&["p"]);
    tmux.press(&["Enter"]);
    tmux.await_that("why, and what to do", || {
        let words = tmux.words();
        ["WHY", ": the others wait for it", "DO", "scontrol update nodename="].iter().all(|it| words.contains(it))
    });
    let screen = tmux.screen();
    let subject =
        screen.lines().find(|line| line.contains("gpu.straggler")).and_then(|line| line.split_whitespace().nth(1));
    assert_eq!(subject, Some(&*gpu), "{screen}");
    tmux.press(&["y"]);
    tmux.await_screen(&["copied scontrol update"]);
    let begin = format!("scontrol update nodename={node} state=drain reason=\"");
    tmux.await_that("the command in tmux's buffer", || tmux.buffer().starts_with(&begin));
    let buffer = tmux.buffer();
    assert!(
        buffer.trim_end().ends_with(": the others wait for it\"") && buffer.trim_end().lines().count() == 1,
        "{buffer}"
    );
    assert!(tmux.pressed.get() < 10, "{} keys", tmux.pressed.get());
}
