//! The terminal interface in tmux, as most people have it on a head node: 80×24 cells and 256 colours.

use std::{
    process::{Command, Output},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long any one thing may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A tmux server of the test's own.
struct Tmux {
    name: String,
    state: tempfile::TempDir,
}

impl Tmux {
    fn start(args: &str) -> Tmux {
        let state = tempfile::tempdir().expect("a folder");
        let tmux = Tmux { name: format!("supertop-test-{}", std::process::id()), state };
        let program = format!("{} {args}", env!("CARGO_BIN_EXE_supertop"));
        let state = format!("XDG_STATE_HOME={}", tmux.state.path().display());
        tmux.run(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-e", &state, &program]);
        tmux
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new("tmux").env_remove("TMUX").args(["-u", "-L", &self.name]).args(args).output().expect("tmux")
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.run(&["capture-pane", "-p"]).stdout).into_owned()
    }

    fn press(&self, keys: &[&str]) {
        self.run(&[&["send-keys"], keys].concat());
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
    let tmux = Tmux::start("demo --nodes 64 --seed 7");
    tmux.await_screen(&["64 up", "PROBLEMS", "XID"]);
    // To the problems, into the worst one, and its command.
    tmux.press(&["p"]);
    tmux.press(&["Enter"]);
    tmux.await_screen(&["WHY", "DO", "scontrol update nodename="]);
    tmux.press(&["y"]);
    tmux.await_screen(&["copied scontrol update"]);
    let buffer = || String::from_utf8_lossy(&tmux.run(&["show-buffer"]).stdout).into_owned();
    tmux.await_that("the command in tmux's buffer", || buffer().starts_with("scontrol update nodename=gpu"));
    assert!(buffer().contains("state=drain"), "{}", buffer());
}
