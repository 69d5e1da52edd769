//! A real pseudo-terminal with a program in it: keys go in, what it draws is read as a screen.

use std::{
    io::{Read as _, Write},
    num::NonZero,
    path::Path,
    sync::mpsc,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long any one thing may take on a busy machine before it is said that it never happened.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a program ends its questions with, as every terminal has an answer to this one.
const QUESTION: &[u8] = b"\x1b[c";

/// A program in a terminal of its own.
pub(crate) struct Terminal {
    master: Box<dyn MasterPty>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: mpsc::Receiver<(Instant, Vec<u8>)>,
    screen: vt100::Parser,
    /// Bytes that were drawn, all told.
    pub(crate) bytes: usize,
    /// What is said once when the program asks what this terminal is: as most do, that it is a VT220 with colours.
    pub(crate) answer: &'static [u8],
    /// What was drawn first, up to the first question.
    begun: Vec<u8>,
    /// Whether it asked.
    pub(crate) is_asked: bool,
    /// Goes with it.
    state: Option<tempfile::TempDir>,
}

impl Terminal {
    /// Starts `program` in a terminal of this size, with no environment of the person who runs this. What it remembers
    /// of tables is gone with the terminal.
    pub(crate) fn start(program: &str, args: &[&str], rows: u16, cols: u16) -> Terminal {
        let state = tempfile::tempdir().expect("a folder");
        let mut terminal = Terminal::start_in(program, args, rows, cols, state.path());
        terminal.state = Some(state);
        terminal
    }

    /// As [`Terminal::start`], with this folder for what it remembers.
    pub(crate) fn start_in(program: &str, args: &[&str], rows: u16, cols: u16, state: &Path) -> Terminal {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(program);
        command.args(args);
        for name in ["SUPERTOP_HUB", "SUPERTOP_NVML", "NO_COLOR", "COLORFGBG", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        command.env("XDG_STATE_HOME", state);
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
                if sender.send((Instant::now(), buffer[..n].to_vec())).is_err() {
                    break;
                }
            }
        });
        let screen = vt100::Parser::new(cells(rows), cells(cols), 0);
        let (answer, begun) = (&b"\x1b[?62;22c"[..], Vec::new());
        Terminal {
            master: pair.master,
            child,
            keys,
            output,
            screen,
            bytes: 0,
            answer,
            begun,
            is_asked: false,
            state: None,
        }
    }

    /// Types.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.keys.flush().expect("the terminal takes keys");
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&mut self, rows: u16, cols: u16) {
        self.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).expect("a size");
        self.screen.screen_mut().set_size(cells(rows), cells(cols));
    }

    /// Takes in what was drawn until the screen is as it should be.
    pub(crate) fn await_screen(&mut self, what: &str, good: impl Fn(&str) -> bool) -> String {
        self.await_frame(what, good);
        self.screen.screen().contents()
    }

    /// As [`Terminal::await_screen`], and says when the last of it was drawn; now, if it was there already.
    pub(crate) fn await_frame(&mut self, what: &str, good: impl Fn(&str) -> bool) -> Instant {
        let deadline = Instant::now() + PATIENCE;
        let mut drawn = Instant::now();
        loop {
            let text = self.screen.screen().contents();
            if good(&text) {
                return drawn;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok((at, bytes)) => {
                    drawn = at;
                    self.take(&bytes);
                }
                Err(error) => panic!("never seen: {what} ({error}); the screen was:\n{text}"),
            }
        }
    }

    /// Takes in what is drawn for so long.
    pub(crate) fn watch_for(&mut self, span: Duration) {
        let deadline = Instant::now() + span;
        while let Ok((_, bytes)) = self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.take(&bytes);
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.screen.process(bytes);
        if !self.is_asked && self.begun.len() < 4096 {
            self.begun.extend(bytes);
            self.is_asked = self.begun.windows(QUESTION.len()).any(|part| part == QUESTION);
            if self.is_asked {
                // A program that has ended since wants no answer.
                let _ = self.keys.write_all(self.answer).and_then(|()| self.keys.flush());
            }
        }
    }

    /// The program's process id.
    pub(crate) fn pid(&self) -> i32 {
        self.child.process_id().expect("a pid") as i32
    }

    /// The screen as it is.
    pub(crate) fn screen(&self) -> &vt100::Screen {
        self.screen.screen()
    }

    /// Waits for the end; takes in the last output.
    pub(crate) fn finish(&mut self) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.watch_for(Duration::from_millis(20));
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status.exit_code();
            }
            assert!(Instant::now() < deadline, "the program did not end");
        }
    }

    /// Whether the terminal is as it was before: main screen, cursor shown.
    pub(crate) fn is_restored(&self) -> bool {
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
