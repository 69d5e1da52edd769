//! The hub: takes reports in, keeps the fleet, answers viewers, and remembers what a restart must not lose.
//! One thread owns the fleet, so nothing here locks; every connection is a task on that thread, in one of three lanes:
//! when tens of thousands of agents come back at once, viewers and the clock go before them.

mod agents;
mod answers;
mod connection;
mod health;
mod keep;
pub mod pages;
mod resident;
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
    time::{MissedTickBehavior, interval},
};

use crate::{
    fleet::{Fleet, Settings as FleetSettings},
    health::{Health, Rules},
    link::{Address, Listener, Stream},
    model::{incident::Remark, job::Scheduler, time::Time},
};
use answers::Answers;
use resident::{Ceiling, resident};
use spread::Spread;
use state::State;

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
    /// The health rules.
    pub rules: Rules,
    /// Whether short holds are ignored, because nobody will wait for them.
    pub is_impatient: bool,
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
    /// What was said of incidents and the health engine has not taken yet.
    remarks: Vec<Remark>,
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
    health: Health,
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
        let had = fleet.take_kept_incidents();
        let core =
            Core { fleet, answers: Answers::default(), remarks: Vec::new(), state: kept, clock: Box::new(wall_clock) };
        let health = Health::new(settings.rules);
        let mut health = if settings.is_impatient { health.impatient() } else { health };
        health.restore(had, wall_clock());
        Ok(Hub { core, scheduler: settings.scheduler, health })
    }

    /// Another clock than the wall's, by which nodes age and answers are dated.
    pub fn with_clock(mut self, clock: impl Fn() -> Time + 'static) -> Hub {
        self.core.clock = Box::new(clock);
        self
    }

    /// Serves until `stop` turns true, then saves what is kept. A sender that is gone never stops it.
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
            spawn_local(health::keep_watch(shared.clone(), self.health));
            spawn_local(keep::keep_changes(shared.clone()));
            spawn_local(keep::keep_energy(shared.clone()));
            if let Some((scheduler, every)) = self.scheduler {
                spawn_local(schedule::keep_asking(shared.clone(), scheduler, every));
            }
            if stop.wait_for(|stop| *stop).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        lanes.run_until(main).await;
        drop(lanes);
        keep::keep_last(&shared).await;
    }
}

async fn keep_time(shared: Shared) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut ceiling = Ceiling::default();
    loop {
        ticks.tick().await;
        let now = shared.borrow().now();
        pages::allow_huge_for(shared.borrow().fleet.nodes().len());
        {
            let mut core = shared.borrow_mut();
            let history = core.fleet.full_history();
            let given = ceiling.look(history.and_then(|_| resident()), core.fleet.nodes().len(), history);
            core.fleet.give(given);
        }
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
