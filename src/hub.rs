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
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::{mpsc, watch},
    task::{LocalSet, spawn_local},
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    fleet::{Fleet, Settings as FleetSettings},
    link::{Listener, Stream},
    model::time::Time,
};
use state::{Entry, State};

/// How often a changed roster is written.
const ROSTER_EVERY: Duration = Duration::from_mins(1);
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
}

type Shared = Rc<RefCell<Core>>;

/// The wall clock.
pub fn wall_clock() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A hub that has read its state and can start to serve.
pub struct Hub {
    shared: Shared,
}

impl Hub {
    /// Opens the state folder and restores the roster and the events from it.
    pub fn open(settings: Settings) -> Result<Hub, state::Error> {
        let mut fleet = Fleet::new(settings.fleet);
        let mut kept = None;
        if let Some(dir) = &settings.state {
            let (state, restored) = State::open(dir)?;
            for warning in &restored.warnings {
                tracing::warn!("{warning}");
            }
            if let Some(roster) = restored.roster {
                fleet.restore(&roster);
            }
            for Entry { node, event } in restored.events {
                // Events of nodes that are no longer on the roster stay in the journal only.
                if let Some(id) = fleet.find(&node) {
                    let time = event.time;
                    fleet.event(id, event, time);
                }
            }
            kept = Some(state);
        }
        Ok(Hub { shared: Rc::new(RefCell::new(Core { fleet, state: kept })) })
    }

    /// Serves until `stop` turns true, then saves the roster.
    pub async fn serve(self, doors: Doors, mut stop: watch::Receiver<bool>) {
        let tasks = LocalSet::new();
        let shared = self.shared.clone();
        tasks
            .run_until(async move {
                for listener in doors.listeners {
                    spawn_local(accept(listener, shared.clone()));
                }
                if let Some(streams) = doors.local {
                    spawn_local(accept_local(streams, shared.clone()));
                }
                spawn_local(keep_time(shared.clone()));
                spawn_local(keep_roster(shared));
                // A sender that is gone can no longer stop the hub; it is stopped with its process.
                if stop.wait_for(|stop| *stop).await.is_err() {
                    std::future::pending::<()>().await;
                }
            })
            .await;
        drop(tasks);
        save_roster(&self.shared);
    }
}

async fn keep_time(shared: Shared) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        shared.borrow_mut().fleet.tick(wall_clock());
    }
}

async fn keep_roster(shared: Shared) {
    loop {
        sleep(ROSTER_EVERY).await;
        save_roster(&shared);
    }
}

fn save_roster(shared: &Shared) {
    let core = shared.borrow();
    let Some(state) = &core.state else { return };
    if let Err(error) = state.save_roster(&core.fleet.roster()) {
        tracing::error!("cannot save the roster: {error}");
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
