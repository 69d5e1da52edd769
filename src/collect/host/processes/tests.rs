//! Processes from a recorded tree, and those of this machine.

use super::*;
use crate::{
    collect::{clock::Hand, host::tree::Tree},
    model::{MetricId, Raw},
};

struct Bench {
    tree: Tree,
    processes: Processes,
    watchlist: Watchlist,
    hand: Hand,
}

fn bench() -> Bench {
    let tree = Tree::new();
    tree.file("proc/stat", "cpu 1 1 1 1\nbtime 1700000000\n");
    tree.file("proc/self/mountinfo", "");
    let (clock, hand) = Clock::by_hand();
    let watchlist = Watchlist::default();
    let processes = Processes::with(tree.path(), watchlist.clone(), clock);
    Bench { tree, processes, watchlist, hand }
}

impl Bench {
    fn process(&self, pid: u32, ticks: u64, started: u64, pages: u64) {
        let stat = format!("{pid} (p{pid}) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 {started} 9 {pages} 0 0\n");
        self.tree.file(&format!("proc/{pid}/stat"), &stat);
    }

    fn after(&mut self, seconds: u64) -> Findings {
        self.hand.advance(Duration::from_secs(seconds));
        self.processes.collect(Time::from_millis(0))
    }
}

fn get(findings: &Findings, metric: MetricId) -> Raw {
    findings.readings.iter().find(|r| r.metric == metric).expect("it was read").raw
}

#[test]
fn the_busiest_and_the_watched_are_told() {
    let mut bench = bench();
    bench.watchlist.set([7]);
    for pid in 100..150 {
        bench.process(pid, 1000, 5, u64::from(pid));
    }
    bench.process(7, 0, 500, 3);
    let first = bench.after(0);
    assert_eq!(get(&first, node::PROCS), Raw::new(51.0, 1.0));
    let list = first.processes.unwrap();
    assert_eq!(list.len(), 1 + BUSIEST);
    assert_eq!(list[0].pid, 7);
    assert_eq!(list[0].started, Some(Time::from_millis(1_700_000_005_000)));
    assert_eq!((list[1].pid, list[1].cpu), (149, None), "by memory, as long as nothing is known of its CPU time");

    bench.process(120, 1050, 5, 1);
    // This one was not there before, and this one's pid is another's now.
    bench.process(300, 30, 999, 1);
    bench.process(130, 20, 999, 1);
    let second = bench.after(1);
    let list = second.processes.unwrap();
    let busy: Vec<_> = list[1..4].iter().map(|p| (p.pid, p.cpu.unwrap().round())).collect();
    assert_eq!(busy, [(120, 50.0), (300, 30.0), (130, 20.0)]);
    assert_eq!((list[0].pid, list[0].cpu), (7, Some(0.0)));
    assert_eq!(list[0].mem, Some(3 * rustix::param::page_size() as u64));
    assert_eq!((&*list[1].name, list[1].state), ("p120", Some('S')));
}

#[test]
fn looks_are_seconds_apart() {
    let mut bench = bench();
    bench.process(1, 0, 5, 1);
    assert!(bench.after(0).processes.is_some());
    assert!(bench.after(1).processes.is_some(), "the second comes early");
    assert!(bench.after(4).processes.is_none());
    assert!(bench.after(60).processes.is_some());
}

#[test]
fn without_proc_the_count_failed_and_a_note_says_why() {
    let tree = Tree::new();
    let (clock, _hand) = Clock::by_hand();
    let findings = Processes::with(tree.path(), Watchlist::default(), clock).collect(Time::from_millis(0));
    assert_eq!(get(&findings, node::PROCS), Raw::FAILED);
    assert!(findings.notes.unwrap()[0].contains("/proc: No such file"));
}

#[test]
fn this_very_process_is_found() {
    let watchlist = Watchlist::default();
    watchlist.set([std::process::id()]);
    let mut processes = Processes::new(Path::new("/"), watchlist);
    let list = processes.collect(Time::from_millis(0)).processes.unwrap();
    let own = list.iter().find(|p| p.pid == std::process::id()).expect("it is on the watchlist");
    assert!(own.mem.unwrap() > 0 && own.started.is_some() && !own.user.is_empty());
    let program = std::env::current_exe().unwrap();
    assert_eq!(Some(&*own.name), program.file_name().and_then(|name| name.to_str()));
}
