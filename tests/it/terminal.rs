//! The terminal interface in a real pseudo-terminal: keys go in, the screen comes out.

use std::{
    io::{Read as _, Write},
    num::NonZero,
    sync::mpsc,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::process::PATIENCE;

/// A program in a terminal of its own.
pub(crate) struct Terminal {
    master: Box<dyn MasterPty>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: mpsc::Receiver<Vec<u8>>,
    screen: vt100::Parser,
}

impl Terminal {
    pub(crate) fn start(args: &[&str], rows: u16, cols: u16) -> Terminal {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_supertop"));
        command.args(args);
        for name in ["SUPERTOP_HUB", "SUPERTOP_NVML", "NO_COLOR", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env("LC_ALL", "C.UTF-8");
        let child = pair.slave.spawn_command(command).expect("the binary starts");
        let keys = pair.master.take_writer().expect("a writer");
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        Terminal { master: pair.master, child, keys, output, screen: vt100::Parser::new(cells(rows), cells(cols), 0) }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.keys.flush().expect("the terminal takes keys");
    }

    fn resize(&mut self, rows: u16, cols: u16) {
        self.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).expect("a size");
        self.screen.screen_mut().set_size(cells(rows), cells(cols));
    }

    /// Takes in what was drawn until the screen is as it should be.
    pub(crate) fn await_screen(&mut self, what: &str, good: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.screen.screen().contents();
            if good(&text) {
                return text;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => {
                    self.screen.process(&bytes);
                }
                Err(error) => panic!("never seen: {what} ({error}); the screen was:\n{text}"),
            }
        }
    }

    /// Takes in what is drawn for so long.
    pub(crate) fn watch_for(&mut self, span: Duration) {
        let deadline = Instant::now() + span;
        while let Ok(bytes) = self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.screen.process(&bytes);
        }
    }

    /// The screen as it is.
    pub(crate) fn screen(&self) -> &vt100::Screen {
        self.screen.screen()
    }

    /// Waits for the end; takes in the last output.
    fn finish(&mut self) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(20)) {
                self.screen.process(&bytes);
            }
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status.exit_code();
            }
            assert!(Instant::now() < deadline, "the program did not end");
        }
    }

    /// Whether the terminal is as it was before: main screen, cursor shown.
    fn is_restored(&self) -> bool {
        !self.screen.screen().alternate_screen() && !self.screen.screen().hide_cursor()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cells(n: u16) -> NonZero<u16> {
    NonZero::new(n).expect("a terminal has cells")
}

const UP: &str = "256 up";

#[test]
fn a_demo_is_moved_sorted_filtered_and_drilled_to_a_process_and_back() {
    let mut terminal = Terminal::start(&["demo", "--nodes", "256", "--seed", "7"], 40, 120);
    terminal.await_screen("all nodes up", |s| s.contains(UP) || s.contains("255 up"));
    terminal.press(":nodes\r");
    let nodes = terminal.await_screen("the nodes view", |s| s.contains("gpu001") && s.contains("of 256"));
    assert!(nodes.contains("NODE"), "{nodes}");
    terminal.press("G");
    terminal.await_screen("the last node", |s| s.contains("gpu256"));
    terminal.press("gg");
    terminal.await_screen("the first node", |s| s.contains("gpu001"));
    terminal.press("I");
    terminal.await_screen("the sort the other way round", |s| s.contains("STATE▴"));
    terminal.press("I");
    terminal.await_screen("the sort as it was", |s| s.contains("STATE▾"));
    terminal.press("/node = gpu042\r");
    terminal.await_screen("one node is left", |s| s.contains("gpu042") && !s.contains("gpu001"));
    terminal.press("\r");
    terminal.await_screen("the node's screen", |s| s.contains("gpu042") && s.contains("GPUS 8"));
    terminal.press(":processes where node = gpu042\r");
    terminal.await_screen("the node's processes", |s| s.contains("PROCESSES · where") && s.contains("root"));
    terminal.press("\r");
    terminal.await_screen("a process", |s| s.contains(" on gpu042"));
    terminal.press("\u{1b}");
    terminal.await_screen("the processes again", |s| s.contains("PID") && !s.contains(" on gpu042"));
    terminal.press("q");
    terminal.press("q");
    terminal.press("q");
    assert_eq!(terminal.finish(), 0);
    assert!(terminal.is_restored());
}

#[test]
fn a_typo_in_the_filter_is_named() {
    let mut terminal = Terminal::start(&["demo", "--nodes", "8"], 24, 80);
    // Keys that come before the terminal is raw are not what they were.
    terminal.await_screen("a screen", |s| s.contains("8 up"));
    terminal.press(":gpus\r");
    terminal.await_screen("GPUs", |s| s.contains("of 64"));
    terminal.press("/utl > 5\r");
    terminal.await_screen("the complaint", |s| s.contains("utl") && s.contains("util"));
}

#[test]
fn the_terminal_is_restored_at_sigterm() {
    let mut terminal = Terminal::start(&["demo", "--nodes", "8"], 24, 80);
    terminal.await_screen("a screen", |s| s.contains("8 up"));
    assert!(!terminal.is_restored());
    let pid = terminal.child.process_id().expect("a pid") as i32;
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the process is there");
    terminal.finish();
    assert!(terminal.is_restored());
}

#[test]
fn this_machine_is_shown_without_a_hub() {
    let mut terminal = Terminal::start(&["--hub", ""], 24, 80);
    // An empty address is a mistake, said in one line, before any screen is drawn.
    assert_ne!(terminal.finish(), 0);
    assert!(terminal.is_restored());
    let mut terminal = Terminal::start(&[], 40, 120);
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    terminal.await_screen("this machine", |s| s.contains(&host) && s.contains("CPU"));
    terminal.press("q");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn a_resize_redraws_the_whole_screen() {
    let mut terminal = Terminal::start(&["demo", "--nodes", "8"], 24, 80);
    terminal.await_screen("a screen", |s| s.contains("8 up"));
    for (rows, cols) in [(10, 40), (120, 400), (24, 80)] {
        terminal.resize(rows, cols);
        terminal.await_screen("the header", |s| s.starts_with(' ') && s.contains("overview"));
    }
}
