//! The whole system under load: a hub, simulated agents over real sockets, and viewers, at several sizes.
//! `tests/load/run` builds and starts it; it prints a table, and asserts nothing but that things come to pass.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // What must be there and is not ends the run, and it prints.

#[path = "../it/pty.rs"]
mod pty;
mod screen;
mod system;
mod viewers;

use std::{path::PathBuf, thread::sleep, time::Duration};

use clap::Parser;

use system::System;

/// Viewers at once.
const VIEWERS: usize = 50;
/// Where the hub's thread is full, what more takes of it cannot be seen: their cost is also seen with half the samples.
const HALF: [&str; 2] = ["--interval", "2s"];
/// How often the hub is seen without viewers and with them, in turn.
const ROUNDS: usize = 3;

/// What to run.
#[derive(Parser)]
struct Args {
    /// The binary
    #[arg(long)]
    binary: PathBuf,
    /// Nodes of 8 GPUs, one run for each
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,62500")]
    nodes: Vec<u32>,
    /// Connections at most; nodes share them where there are fewer
    #[arg(long, default_value_t = 15_000)]
    connections: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Minutes to go on in the last run once history is full, to see whether memory grows
    #[arg(long, default_value_t = 0)]
    soak: u64,
    /// Have as many numbers change from sample to sample as on real machines, rather than 60 % of all
    #[arg(long)]
    calm: bool,
}

/// What was measured, in the table's order: what it is, and the figure.
type Figures = Vec<(&'static str, String)>;

fn main() {
    let args = Args::parse();
    let last = args.nodes.last().copied();
    let runs: Vec<_> = args.nodes.iter().map(|nodes| run(&args, *nodes, last == Some(*nodes))).collect();
    let line = |cells: Vec<&str>| println!("| {} |", cells.join(" | "));
    let counts: Vec<_> = args.nodes.iter().map(|nodes| format!("{nodes} nodes")).collect();
    line(std::iter::once("").chain(counts.iter().map(String::as_str)).collect());
    line(std::iter::once("---").chain(runs.iter().map(|_| "--:")).collect());
    for (at, (what, _)) in runs.first().into_iter().flatten().enumerate() {
        line(std::iter::once(*what).chain(runs.iter().map(|run| &*run[at].1)).collect());
    }
}

/// One size.
fn run(args: &Args, nodes: u32, is_last: bool) -> Figures {
    let span = Duration::from_secs(args.seconds);
    let connections = nodes.min(args.connections);
    eprintln!("{nodes} nodes over {connections} connections");
    let mut figures = Figures::new();
    let how: &[&str] = if args.calm { &[] } else { &["--restless"] };
    let mut system = System::start(&args.binary, nodes, connections, how);
    figures.push(("connections", connections.to_string()));
    let (all_up, slowest) = system.await_all();
    figures.push(("all nodes up after", seconds(all_up)));
    figures.push(("a viewer's slowest answer until then", millis(slowest)));
    sleep(system::CALM);

    let alone = system.watch(span);
    figures.push(("samples received per second", format!("{:.0}", alone.samples)));
    figures.push(("hub, no viewer", percent(alone.hub)));
    figures.push(("simulator", percent(alone.sim)));
    let way = |ways: [Duration; 2]| ways.map(|it| format!("{:.0}", it.as_secs_f64() * 1e3)).join(" / ") + " ms";
    figures.push(("a sample's way into the hub, p99 / p99 of the worst second", way(system.ways(sleep))));

    let (mut viewer, attached) = screen::Viewer::attach(&args.binary, &system.socket());
    figures.push(("viewer: start to full screen, 200×50", millis(attached)));
    let (cpu, bytes) = (system::ticks(viewer.pid()), viewer.bytes());
    let watched = system.watch_while(span, || viewer.look(span));
    figures.push(("hub, one viewer", percent(watched.hub)));
    figures.push(("viewer", percent(system::share(system::ticks(viewer.pid()) - cpu, watched.span))));
    figures.push(("viewer's memory", megabytes(system::resident(viewer.pid()))));
    let per_second = (viewer.bytes() - bytes) as f64 / watched.span.as_secs_f64();
    figures.push(("terminal output", format!("{:.1} kB/s", per_second / 1e3)));
    figures.push(("a sample's way with a viewer, the same", way(system.ways(|span| viewer.look(span)))));
    figures.extend(viewer.keys(nodes));
    viewer.quit();

    let (on_top, answers) = crowd(&system, nodes, span);
    figures.push(("50 viewers, on top", on_top));
    figures.push(("their answers per second", answers));
    sleep(system::CALM);
    figures.push(("hub's memory", megabytes(system::resident(system.hub_pid()))));
    let soaks = is_last && args.soak > 0;
    let held = soaks.then(|| system.soak(Duration::from_secs(60 * args.soak)));
    let held = held.map(|[before, after]| format!("{} → {}", megabytes(before), megabytes(after)));
    figures.push(("hub's memory with history full, before and after", held.unwrap_or_else(|| "–".to_owned())));
    figures.extend(system.end());
    drop(system);
    let system = System::start(&args.binary, nodes, connections, &[how, &HALF].concat());
    system.await_all();
    sleep(system::CALM);
    let (on_top, answers) = crowd(&system, nodes, span);
    figures.push(("50 viewers of nodes that report every 2 s, on top", on_top));
    figures.push(("their answers per second, the same", answers));
    drop(system);
    figures.extend(restart(args, nodes, connections, how));
    figures
}

/// What many viewers cost the hub, and how many answers they get per second.
fn crowd(system: &System, nodes: u32, span: Duration) -> (String, String) {
    let (mut on_top, mut answers) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        let before = system.watch(span / 2);
        let crowd = viewers::Crowd::enter(&system.socket(), VIEWERS, nodes);
        let crowded = system.watch(span);
        answers += crowd.leave() / crowded.span.as_secs_f64();
        let after = system.watch(span / 2);
        on_top += crowded.hub - before.hub.midpoint(after.hub);
    }
    let rounds = ROUNDS as f64;
    (percent((on_top / rounds).max(0.0)), format!("{:.0}", answers / rounds))
}

/// A hub that is stopped and started again while all its agents are there.
fn restart(args: &Args, nodes: u32, connections: u32, how: &[&str]) -> Figures {
    let mut system = System::start(&args.binary, nodes, connections, how);
    system.await_all();
    sleep(system::CALM);
    let away = system.restart_hub();
    let (all_up, slowest) = system.await_all();
    vec![
        ("a hub started again: ready after its stop", seconds(away)),
        ("all nodes up again after its stop", seconds(away + all_up)),
        ("a viewer's slowest answer while they come back", millis(slowest)),
    ]
}

fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

fn millis(span: Duration) -> String {
    format!("{:.0} ms", span.as_secs_f64() * 1e3)
}

/// A share of a core.
fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn megabytes(bytes: f64) -> String {
    format!("{:.0} MB", bytes / 1e6)
}
