//! The hub: takes reports in, keeps the fleet, answers viewers, and remembers what a restart must not lose.
//! One thread owns the fleet, so nothing here locks; every connection is a task on that thread, in one of three lanes:
//! when tens of thousands of agents come back at once, viewers and the clock go before them.

mod agents;
mod answers;
mod connection;
pub mod pages;
mod schedule;
mod spread;
pub mod state;
mod viewers;

use std::{
    cell::RefCell,
    path::PathBuf,
    rc::{Rc, Weak},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::{mpsc, watch},
    task::{LocalSet, spawn_local},
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    fleet::{Fleet, Known, Settings as FleetSettings},
    link::{Address, Listener, Stream},
    model::{job::Scheduler, time::Time},
};
use answers::Answers;
use spread::Spread;
use state::{Saved, State};

/// How often what has changed on the roster is written.
const ROSTER_EVERY: Duration = Duration::from_secs(5);
/// Nodes whose roster lines or meters are copied at once: a few milliseconds' work.
const ROSTER_AT_ONCE: usize = 512;
const METERS_AT_ONCE: usize = 128;
/// How often it is written what energy was spent on.
const ENERGY_EVERY: Duration = Duration::from_mins(1);
/// How long to wait with what the disk would not take.
const RETRY_AFTER: Duration = Duration::from_mins(1);
/// How often states and roll-ups move on.
const TICK: Duration = Duration::from_secs(1);
/// What an operator decides about a hub.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Place levels and the memory for history.
    pub fleet: FleetSettings,
    /// Folder for what outlives a restart; nothing keeps it in memory only.
    pub state: Option<PathBuf>,
    /// The scheduler whose jobs are shown, and how often it is asked.
    pub scheduler: Option<(Arc<dyn Scheduler>, Duration)>,
}

/// Where peers come in. Agents and viewers may use any of them.
#[derive(Debug, Default)]
pub struct Doors {
    /// Sockets.
    pub listeners: Vec<Listener>,
    /// Peers inside this process.
    pub local: Option<mpsc::UnboundedReceiver<Stream>>,
}

/// What all connections of a hub share.
struct Core {
    fleet: Fleet,
    answers: Answers,
    state: Option<State>,
    clock: Box<dyn Fn() -> Time>,
}

impl Core {
    fn now(&self) -> Time {
        (self.clock)()
    }
}

type Shared = Rc<RefCell<Core>>;

/// Where tasks run. Each time round, a few dozen tasks of each lane have a turn, whatever waits in the other lanes.
/// Tasks know their lanes weakly, so that these can end.
#[derive(Default)]
struct Lanes {
    /// Viewers and clocks.
    front: LocalSet,
    /// Peers from networks, until they have said who they are.
    door: LocalSet,
    /// Agents.
    agents: LocalSet,
}

impl Lanes {
    /// Runs all tasks until `main` ends, which is in the front lane.
    async fn run_until(&self, main: impl Future<Output = ()>) {
        self.agents.run_until(self.door.run_until(self.front.run_until(main))).await;
    }
}

/// The wall clock.
pub fn wall_clock() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A hub that has read its state and can start to serve.
pub struct Hub {
    core: Core,
    scheduler: Option<(Arc<dyn Scheduler>, Duration)>,
}

impl Hub {
    /// Opens the state folder and restores the roster and the events from it.
    pub fn open(settings: Settings) -> Result<Hub, state::Error> {
        let mut fleet = Fleet::new(settings.fleet);
        let mut kept = None;
        if let Some(dir) = &settings.state {
            let (state, warnings) = State::open(dir, &mut fleet)?;
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            kept = Some(state);
        }
        let core = Core { fleet, answers: Answers::default(), state: kept, clock: Box::new(wall_clock) };
        Ok(Hub { core, scheduler: settings.scheduler })
    }

    /// Another clock than the wall's, by which nodes age and answers are dated.
    pub fn with_clock(mut self, clock: impl Fn() -> Time + 'static) -> Hub {
        self.core.clock = Box::new(clock);
        self
    }

    /// Serves until `stop` turns true, then saves the roster. A sender that is gone never stops it.
    pub async fn serve(self, doors: Doors, mut stop: watch::Receiver<bool>) {
        let lanes = Rc::new(Lanes::default());
        let ways = Rc::downgrade(&lanes);
        let shared = Rc::new(RefCell::new(self.core));
        let main = async {
            for listener in doors.listeners {
                // Agents come through networks, and most viewers do not.
                let lane = if matches!(listener.address(), Address::Host { .. }) { &lanes.door } else { &lanes.front };
                lane.spawn_local(accept(listener, shared.clone(), ways.clone()));
            }
            if let Some(streams) = doors.local {
                spawn_local(accept_local(streams, shared.clone(), ways.clone()));
            }
            spawn_local(keep_time(shared.clone()));
            spawn_local(keep_roster(shared.clone()));
            spawn_local(keep_energy(shared.clone()));
            if let Some((scheduler, every)) = self.scheduler {
                spawn_local(schedule::keep_asking(shared.clone(), scheduler, every));
            }
            if stop.wait_for(|stop| *stop).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        lanes.run_until(main).await;
        drop(lanes);
        save_energy(&shared, true).await;
        while let Some(changes) = roster_changes(&shared) {
            if !remember(&shared, changes).await {
                return;
            }
        }
    }
}

async fn keep_time(shared: Shared) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let now = shared.borrow().now();
        pages::allow_huge_for(shared.borrow().fleet.nodes().len());
        let mut sweep = shared.borrow_mut().fleet.sweep(now);
        let spread = Spread::over(shared.borrow().fleet.nodes().len());
        while let Some(some) = sweep {
            sweep = shared.borrow_mut().fleet.go_on(some);
            if let Some(rest) = &sweep {
                spread.rest(rest.done()).await;
            }
        }
    }
}

async fn keep_roster(shared: Shared) {
    loop {
        sleep(ROSTER_EVERY).await;
        while let Some(changes) = roster_changes(&shared) {
            while !remember(&shared, changes.clone()).await {
                sleep(RETRY_AFTER).await;
            }
        }
    }
}

async fn keep_energy(shared: Shared) {
    loop {
        sleep(ENERGY_EVERY).await;
        save_energy(&shared, false).await;
    }
}

/// Writes what energy was spent on, where a folder is kept; what each GPU spent by the hour only when the hub stops, for it
/// is much. What the disk does not take is written the next time.
/// Others have their turns meanwhile, unless it `is_at_once`: there are none.
async fn save_energy(shared: &Shared, is_at_once: bool) {
    if shared.borrow().state.is_none() {
        return;
    }
    let mut saved = Saved { book: shared.borrow().fleet.book(), nodes: Vec::new() };
    let mut next = 0;
    let nodes = shared.borrow().fleet.nodes().len();
    let spread = if is_at_once { Spread::none() } else { Spread::over(nodes) };
    while next < nodes {
        saved.nodes.extend(shared.borrow().fleet.metered(next, METERS_AT_ONCE, is_at_once));
        next += METERS_AT_ONCE;
        spread.rest(next).await;
    }
    let written = shared.borrow().state.as_ref().map(|state| state.save_energy(saved));
    if let Some(written) = written {
        written.await;
    }
}

/// Some of what has changed on the roster; nothing when nothing has, or none is kept.
fn roster_changes(shared: &Shared) -> Option<Arc<Vec<Known>>> {
    let mut core = shared.borrow_mut();
    let changes = core.state.is_some().then(|| core.fleet.take_roster_changes(ROSTER_AT_ONCE))?;
    (!changes.is_empty()).then(|| Arc::new(changes))
}

/// Has changes of the roster written, and says whether they were.
async fn remember(shared: &Shared, changes: Arc<Vec<Known>>) -> bool {
    let written = shared.borrow().state.as_ref().map(|state| state.remember(changes));
    match written {
        Some(written) => written.await,
        None => false,
    }
}

async fn accept(listener: Listener, shared: Shared, lanes: Weak<Lanes>) {
    loop {
        match listener.accept().await {
            Ok(stream) => drop(spawn_local(connection::serve(stream, shared.clone(), lanes.clone()))),
            Err(error) => {
                // As when files run out: the listener has paused, so that some can close.
                tracing::warn!("cannot accept a connection: {error}");
                shared.borrow_mut().fleet.drop("connection not accepted");
            }
        }
    }
}

async fn accept_local(mut streams: mpsc::UnboundedReceiver<Stream>, shared: Shared, lanes: Weak<Lanes>) {
    while let Some(stream) = streams.recv().await {
        spawn_local(connection::serve(stream, shared.clone(), lanes.clone()));
    }
}
