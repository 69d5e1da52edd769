//! One person at a terminal: how soon there is something to see, and how soon a key shows.

use std::{
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::pty::Terminal;

/// Keys of a kind that are pressed.
const PRESSES: usize = 60;
/// What all GPUs are sorted by in turn. Nobody asked for that order before, so no answer is there already.
const SORTS: [&str; 20] = [
    "util",
    "power",
    "temp",
    "mem.used",
    "mem.util",
    "clock.sm",
    "clock.mem",
    "sm.active",
    "tensor.active",
    "dram.active",
    "temp.mem",
    "energy",
    "throttle",
    "pcie.rx",
    "pcie.tx",
    "nvlink.rx",
    "nvlink.tx",
    "xid",
    "node",
    "model",
];

/// The same of all jobs.
const JOB_SORTS: [&str; 10] =
    ["gpus", "nodes", "idle", "outliers", "util", "power", "clock.sm", "energy", "age", "user"];

/// A viewer in a terminal of 200×50.
pub(crate) struct Viewer(Terminal);

impl Viewer {
    /// Starts one, and says how long it took until the overview was whole.
    pub(crate) fn attach(binary: &Path, socket: &Path) -> (Viewer, Duration) {
        let began = Instant::now();
        let args = ["--hub", socket.to_str().unwrap()];
        let mut terminal = Terminal::start(binary.to_str().unwrap(), &args, 50, 200);
        let parts = [" up ", " GPUs ", "PROBLEMS", "UTIL", "HOTTEST GPUS"];
        let drawn = terminal.await_frame("the overview", |screen| parts.iter().all(|part| screen.contains(part)));
        (Viewer(terminal), drawn - began)
    }

    pub(crate) fn pid(&self) -> i32 {
        self.0.pid()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes
    }

    /// Just looks.
    pub(crate) fn look(&mut self, span: Duration) {
        self.0.watch_for(span);
    }

    /// Presses keys among all GPUs, and says how soon each kind shows.
    pub(crate) fn keys(&mut self, nodes: u32) -> super::Figures {
        let width = nodes.to_string().len().max(3);
        self.0.press(":gpus sort node,index\r");
        self.0.await_screen("all GPUs", |screen| screen.contains(FIRST));
        self.look(Duration::from_secs(2));
        let mut cursor = Vec::new();
        for _ in 0..PRESSES {
            cursor.push(self.until_drawn_after(|terminal| terminal.press("j")));
        }
        // The caption counts the rows that are on screen, so it tells when others are.
        let (mut sorts, mut ends, mut pages) = (Vec::new(), Vec::new(), Vec::new());
        for key in SORTS {
            sorts.push(self.until(&format!(":gpus sort -{key}\r"), "the first rows", |screen| screen.contains(FIRST)));
            for _ in 0..3 {
                pages.push(self.until("\x1b[6~", "the next rows", |screen| !screen.contains(FIRST)));
                self.until("gg", "the first rows", |screen| screen.contains(FIRST));
            }
            ends.push(self.until("G", "the last rows", is_last));
        }
        let mut jobs = Vec::new();
        for key in JOB_SORTS {
            let keys = format!(":jobs sort -{key}\r");
            jobs.push(self.until(&keys, "the first jobs", |screen| screen.contains("JOBS") && screen.contains(FIRST)));
            self.until("G", "the last jobs", |screen| !screen.contains(FIRST) && screen.contains("JOBS"));
        }
        self.0.press(":gpus sort node,index\r");
        self.0.await_screen("all GPUs", |screen| screen.contains(FIRST));
        let middle = format!("gpu{:0width$}", nodes / 2);
        let filter = format!("/node = {middle}\r");
        let first = format!("gpu{:0width$}", 1);
        let filtered = self.until(&filter, "one node's GPUs", |s| s.contains(&middle) && !s.contains(&first));
        let resized = self.until_drawn_after(|terminal| terminal.resize(40, 160));
        let pair = |mut times: Vec<Duration>| {
            times.sort();
            // Of few times, 99 of 100 are all of them.
            let at = |share: usize| times[(times.len() * share).div_ceil(100) - 1].as_secs_f64() * 1e3;
            format!("{:.1} / {:.1} ms", at(50), at(99))
        };
        vec![
            ("key to frame: cursor, p50 / p99", pair(cursor)),
            ("key to frame: a page, p50 / p99", pair(pages)),
            ("key to frame: to the last of all GPUs, p50 / p99", pair(ends)),
            ("key to frame: another sort, p50 / p99", pair(sorts)),
            ("key to frame: all jobs in another order, p50 / p99", pair(jobs)),
            ("key to frame: a new filter", super::millis(filtered)),
            ("another size of the terminal to frame", super::millis(resized)),
        ]
    }

    /// Quits, and sees to it that the terminal is left as it was.
    pub(crate) fn quit(mut self) {
        self.0.press("q");
        let code = self.0.finish();
        assert!(code == 0 && self.0.is_restored(), "the viewer ended with {code}");
    }

    /// From what is done to the terminal to whatever is drawn next.
    fn until_drawn_after(&mut self, act: impl FnOnce(&mut Terminal)) -> Duration {
        // Between two refreshes, so that what is drawn is the key's doing.
        self.look(Duration::from_millis(130));
        let before = self.0.screen().state_formatted();
        let began = Instant::now();
        act(&mut self.0);
        let mut drawn = None;
        while drawn.is_none() && began.elapsed() < Duration::from_secs(5) {
            let bytes = self.0.bytes;
            self.look(Duration::from_millis(1));
            drawn = (self.0.bytes > bytes && self.0.screen().state_formatted() != before).then(|| began.elapsed());
        }
        drawn.expect("a key shows")
    }

    fn until(&mut self, keys: &str, what: &str, good: impl Fn(&str) -> bool) -> Duration {
        sleep(Duration::from_millis(130));
        self.look(Duration::from_millis(20));
        let began = Instant::now();
        self.0.press(keys);
        self.0.await_frame(what, good).saturating_duration_since(began)
    }
}

/// How the caption begins to count when the first rows are on screen.
const FIRST: &str = " 1–";

/// Whether the last rows are on screen: `499,951–500,000 of 500,000`. Nodes that are silent from the start have no GPUs,
/// so that there may be fewer.
fn is_last(screen: &str) -> bool {
    let mut counts = screen.lines().filter_map(|line| line.trim_end().rsplit_once('–')?.1.split_once(" of "));
    counts.any(|(last, total)| last == total)
}
