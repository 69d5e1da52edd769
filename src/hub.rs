//! The hub: takes reports in, keeps the fleet, answers viewers, and remembers what a restart must not lose.
//! One thread owns the fleet, so nothing here locks; every connection is a task on that thread.

mod agents;
mod connection;
pub mod state;
mod viewers;

use std::{
    cell::RefCell,
    path::PathBuf,
    rc::Rc,
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
    link::{Listener, Stream},
    model::time::Time,
};
use state::State;

/// How often what has changed on the roster is written.
const ROSTER_EVERY: Duration = Duration::from_secs(5);
/// Nodes whose roster lines are copied at once: a few milliseconds' work.
const ROSTER_AT_ONCE: usize = 512;
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
    state: Option<State>,
    clock: Box<dyn Fn() -> Time>,
}

impl Core {
    fn now(&self) -> Time {
        (self.clock)()
    }
}

type Shared = Rc<RefCell<Core>>;

/// The wall clock.
pub fn wall_clock() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A hub that has read its state and can start to serve.
pub struct Hub {
    core: Core,
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
        Ok(Hub { core: Core { fleet, state: kept, clock: Box::new(wall_clock) } })
    }

    /// Another clock than the wall's, by which nodes age and answers are dated.
    pub fn with_clock(mut self, clock: impl Fn() -> Time + 'static) -> Hub {
        self.core.clock = Box::new(clock);
        self
    }

    /// Serves until `stop` turns true, then saves the roster. A sender that is gone never stops it.
    pub async fn serve(self, doors: Doors, mut stop: watch::Receiver<bool>) {
        let tasks = LocalSet::new();
        let shared = Rc::new(RefCell::new(self.core));
        tasks
            .run_until(async {
                for listener in doors.listeners {
                    spawn_local(accept(listener, shared.clone()));
                }
                if let Some(streams) = doors.local {
                    spawn_local(accept_local(streams, shared.clone()));
                }
                spawn_local(keep_time(shared.clone()));
                spawn_local(keep_roster(shared.clone()));
                if stop.wait_for(|stop| *stop).await.is_err() {
                    std::future::pending::<()>().await;
                }
            })
            .await;
        drop(tasks);
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
        let mut core = shared.borrow_mut();
        let now = core.now();
        core.fleet.tick(now);
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

async fn accept(listener: Listener, shared: Shared) {
    loop {
        match listener.accept().await {
            Ok(stream) => drop(spawn_local(connection::serve(stream, shared.clone()))),
            Err(error) => {
                // As when files run out: the listener has paused, so that some can close.
                tracing::warn!("cannot accept a connection: {error}");
                shared.borrow_mut().fleet.drop("connection not accepted");
            }
        }
    }
}

async fn accept_local(mut streams: mpsc::UnboundedReceiver<Stream>, shared: Shared) {
    while let Some(stream) = streams.recv().await {
        spawn_local(connection::serve(stream, shared.clone()));
    }
}
