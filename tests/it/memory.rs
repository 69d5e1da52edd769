//! A cluster in this process: a hub, scripted agents and viewers over streams in memory, on paused time.
//! Cables between them can fall silent, and be cut.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use supertop::{
    agent::{
        Source,
        session::{self, Pace},
    },
    client::Client,
    hub::{Doors, Hub, Settings},
    link::{Address, DialError, Stream, memory},
    model::{
        metric::gpu,
        question::Answer,
        raw::Raw,
        report::{Event, EventKind, Gpu, Introduction, Inventory, Processes, Sample, Subject, Values},
        table::{Cell as TableCell, Table},
        time::Time,
    },
};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, LocalSet, spawn_local},
    time::{Instant, sleep, timeout},
};

/// When every test begins, by the hub's clock.
pub(crate) const START: Time = Time::from_millis(1_800_000_000_000);
/// How long, by the paused clock, anything may take before a test says that it never happened.
const PATIENCE: Duration = Duration::from_mins(10);

/// Runs a test on time that stands still while anything is to be done, and leaps when nothing is.
pub(crate) fn on_paused_time(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// Waits for something that is to come.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("never happened")
}

/// A clock that begins at [`START`].
pub(crate) fn clock() -> impl Fn() -> Time {
    let began = Instant::now();
    move || START + began.elapsed()
}

/// A hub, and how to reach it.
pub(crate) struct Cluster {
    door: Rc<RefCell<mpsc::UnboundedSender<Stream>>>,
    stop: watch::Sender<bool>,
    hub: JoinHandle<()>,
    clock: Rc<dyn Fn() -> Time>,
}

impl Cluster {
    pub(crate) fn start() -> Cluster {
        Cluster::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Cluster {
        let clock: Rc<dyn Fn() -> Time> = Rc::new(clock());
        let (door, stop, hub) = open(settings, clock.clone());
        Cluster { door: Rc::new(RefCell::new(door)), stop, hub, clock }
    }

    /// Stops the hub as by SIGTERM, and starts another. Agents find that one where the first was.
    pub(crate) async fn restart(self, settings: Settings) -> Cluster {
        self.stop.send_replace(true);
        self.hub.await.unwrap();
        let (door, stop, hub) = open(settings, self.clock.clone());
        self.door.replace(door);
        Cluster { stop, hub, ..self }
    }

    /// A stream to the hub.
    pub(crate) fn dial(&self) -> Stream {
        let (near, far) = memory();
        self.let_in(far);
        near
    }

    /// Gives the hub the far end of a stream.
    pub(crate) fn let_in(&self, far: Stream) {
        self.door.borrow().send(far).expect("the hub runs");
    }

    /// The answer to a query, from a viewer that leaves again.
    pub(crate) async fn ask(&self, query: &str) -> Table {
        let mut viewer = soon(Client::attach(self.dial())).await.unwrap();
        ask(&mut viewer, query).await
    }

    /// Asks until the answer is as it should be.
    pub(crate) async fn until(&self, query: &str, is_so: impl Fn(&Table) -> bool) -> Table {
        let asking = async {
            loop {
                let table = self.ask(query).await;
                if is_so(&table) {
                    return table;
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never as it should be: {query}"))
    }

    /// How many things were dropped for this reason.
    pub(crate) async fn drops(&self, reason: &str) -> u64 {
        let drops = self.ask("nodes").await.census.drops;
        drops.iter().find(|(found, _)| found == reason).map_or(0, |(_, n)| *n)
    }

    /// Starts an agent with the hub's time.
    pub(crate) fn agent(&self, node: &Node) -> Agent {
        self.agent_off_by(node, 0)
    }

    /// Starts an agent whose clock is off by so many milliseconds.
    pub(crate) fn agent_off_by(&self, node: &Node, skew_ms: i64) -> Agent {
        self.reports(node.clone(), skew_ms)
    }

    /// Starts an agent of any source, whose clock is off by so many milliseconds.
    pub(crate) fn reports(&self, mut source: impl Source + 'static, skew_ms: i64) -> Agent {
        let right = self.clock.clone();
        let clock = move || Time::from_millis(right().as_millis() + skew_ms);
        let (cable, plugged) = watch::channel(Cable::Whole);
        let door = self.door.clone();
        let dial = async move || {
            if *plugged.borrow() != Cable::Whole {
                sleep(Duration::from_secs(5)).await;
                return Err(DialError::TimedOut(Address::parse("head").unwrap()));
            }
            let ((near, mid), (other, far)) = (memory(), memory());
            // Without a hub the far end is dropped, and the near one reads as closed.
            let _ = door.borrow().send(far);
            spawn_local(carry(mid, other, plugged.clone()));
            Ok(near)
        };
        let (stop, stopped) = watch::channel(false);
        let task = spawn_local(async move {
            let pace = Pace::new(&clock, stopped);
            session::keep(&mut source, dial, pace).await;
        });
        Agent { cable, stop, task }
    }
}

fn open(
    settings: Settings,
    clock: Rc<dyn Fn() -> Time>,
) -> (mpsc::UnboundedSender<Stream>, watch::Sender<bool>, JoinHandle<()>) {
    let (door, local) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    let hub = Hub::open(settings).unwrap().with_clock(move || clock());
    let hub = spawn_local(hub.serve(Doors { listeners: Vec::new(), local: Some(local) }, stopped));
    (door, stop, hub)
}

/// The answer to a query.
pub(crate) async fn ask(viewer: &mut Client, query: &str) -> Table {
    match soon(viewer.ask(query)).await.unwrap().answer {
        Ok(Answer::Table(table)) => table,
        other => panic!("{query}: {other:?}"),
    }
}

/// A number in the first row.
pub(crate) fn number(table: &Table, key: &str) -> Option<f64> {
    match table.cell(0, key) {
        Some(TableCell::Number(number)) => Some(*number),
        _ => None,
    }
}

/// A running agent, and the cable between it and the hub.
pub(crate) struct Agent {
    pub cable: watch::Sender<Cable>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Agent {
    /// Stops it as by SIGTERM.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        soon(self.task).await.unwrap();
    }
}

/// How a cable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cable {
    /// What goes in comes out.
    Whole,
    /// What goes in is lost, and neither end knows.
    Silent,
    /// Both ends know.
    Cut,
}

async fn carry(mut one: Stream, mut other: Stream, mut cable: watch::Receiver<Cable>) {
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut one, &mut other) => return,
        _ = cable.wait_for(|cable| *cable != Cable::Whole) => {}
    }
    let _ = cable.wait_for(|cable| *cable == Cable::Cut).await;
}

/// A node with one GPU that does what a test says. Its clones are one node.
#[derive(Clone)]
pub(crate) struct Node {
    pub introduction: Introduction,
    util: f64,
    /// Whether it hangs: its agent is connected and says nothing.
    pub hangs: Rc<Cell<bool>>,
    /// How often it was looked at.
    pub looks: Rc<Cell<u32>>,
    events: Rc<RefCell<Vec<Event>>>,
    sample: Sample,
}

impl Node {
    pub(crate) fn new(name: &str) -> Node {
        Node {
            introduction: Introduction {
                node: name.into(),
                boot_id: "boot-1".into(),
                agent: "0.1.0".into(),
                started: START,
                interval_ms: 1000,
            },
            util: 50.0,
            hangs: Rc::default(),
            looks: Rc::default(),
            events: Rc::default(),
            sample: Sample { time: START, generation: 1, values: Values::new(1, 0) },
        }
    }

    /// The same, busy to so many percent.
    pub(crate) fn busy(mut self, util: f64) -> Node {
        self.util = util;
        self
    }

    /// Something happens on it.
    pub(crate) fn happens(&self, id: &str) {
        self.events.borrow_mut().push(event(id));
    }
}

/// An XID.
pub(crate) fn event(id: &str) -> Event {
    Event {
        id: id.into(),
        time: START,
        subject: Subject::Gpu { bus: "0000:01:00.0".into() },
        kind: EventKind::Xid(79),
        text: "GPU has fallen off the bus".into(),
    }
}

impl Source for Node {
    fn nodes(&self) -> usize {
        1
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(self.introduction.interval_ms.into())
    }

    fn introduction(&self, _node: usize) -> Introduction {
        self.introduction.clone()
    }

    fn look(&mut self, _node: usize, now: Time) -> bool {
        self.looks.set(self.looks.get() + 1);
        self.sample.time = now;
        self.sample.values.set(gpu::UTIL, 0, Raw::new(self.util, 1.0));
        !self.hangs.get()
    }

    fn sample(&mut self, _node: usize) -> &Sample {
        &self.sample
    }

    fn inventory(&mut self, _node: usize, _now: Time) -> Inventory {
        let bus = "0000:01:00.0".to_owned();
        let gpu = Gpu { index: "0".into(), uuid: format!("GPU-{}", self.introduction.node), bus, ..Gpu::default() };
        Inventory { generation: 1, gpus: vec![gpu], ..Inventory::default() }
    }

    fn revision(&self, _node: usize) -> u64 {
        0
    }

    fn processes(&mut self, _node: usize, now: Time) -> Processes {
        Processes { time: now, ..Processes::default() }
    }

    fn take_events(&mut self, _node: usize, _now: Time) -> Vec<Event> {
        self.events.take()
    }
}
