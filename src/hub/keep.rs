//! Has written, again and again and once more at the end, what is to outlive the hub, where a folder is kept.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{Shared, spread::Spread, state::Saved};
use crate::{
    fleet::{EndedJob, Fleet, Known},
    model::energy::hour,
};

/// How often what has changed on the roster is written, and which jobs ended.
const CHANGES_EVERY: Duration = Duration::from_secs(5);
/// Nodes whose roster lines or meters, and jobs whose lines are copied at once: a few milliseconds' work.
const ROSTER_AT_ONCE: usize = 512;
const JOBS_AT_ONCE: usize = 128;
const METERS_AT_ONCE: usize = 128;
/// The same of hours when nobody waits any more: each time costs the disk a sync.
const HOURS_AT_LAST: usize = 4096;
/// How often it is written what energy was spent on.
const ENERGY_EVERY: Duration = Duration::from_mins(1);
/// How long to wait with what the disk would not take.
const RETRY_AFTER: Duration = Duration::from_mins(1);

/// Lines that are to be written together.
#[derive(Clone)]
enum Changes {
    Roster(Arc<Vec<Known>>),
    Ended(Arc<Vec<EndedJob>>),
}

/// Never ends.
pub(super) async fn keep_changes(shared: Shared) {
    loop {
        sleep(CHANGES_EVERY).await;
        while let Some(changes) = changes(&shared, Duration::ZERO) {
            while !write(&shared, changes.clone()).await {
                sleep(RETRY_AFTER).await;
            }
        }
    }
}

/// Never ends.
pub(super) async fn keep_energy(shared: Shared) {
    let mut last = None;
    loop {
        sleep(ENERGY_EVERY).await;
        save_energy(&shared, false).await;
        // What each GPU spent by the hour is much, and is written once the hour is over.
        let now = hour(shared.borrow().now());
        if last.replace(now).is_some_and(|last| last != now) {
            save_hours(&shared, false).await;
        }
    }
}

/// What has changed since the last time. What the disk does not take now is lost.
pub(super) async fn keep_last(shared: &Shared) {
    // Nothing more will be said of those that have just ended.
    while let Some(changes) = changes(shared, Fleet::COMPLETE) {
        if !write(shared, changes).await {
            break;
        }
    }
    save_energy(shared, true).await;
    save_hours(shared, true).await;
}

/// Writes what energy was spent on. What the disk does not take is written the next time.
/// Others have their turns meanwhile, unless it `is_at_once`: there are none.
async fn save_energy(shared: &Shared, is_at_once: bool) {
    if shared.borrow().state.is_none() {
        return;
    }
    let mut saved = Saved { book: shared.borrow().fleet.book(), nodes: Vec::new() };
    let nodes = shared.borrow().fleet.nodes().len();
    let spread = if is_at_once { Spread::none() } else { Spread::over(nodes) };
    for next in (0..nodes).step_by(METERS_AT_ONCE) {
        saved.nodes.extend(shared.borrow().fleet.metered(next, METERS_AT_ONCE));
        spread.rest(next + METERS_AT_ONCE).await;
    }
    let written = shared.borrow().state.as_ref().map(|state| state.save_energy(saved));
    is_done(written).await;
}

/// Writes what each GPU spent by the hour, some nodes at a time.
async fn save_hours(shared: &Shared, is_at_once: bool) {
    let nodes = shared.borrow().fleet.nodes().len();
    let some = if is_at_once { HOURS_AT_LAST } else { METERS_AT_ONCE };
    for next in (0..nodes).step_by(some) {
        let began = Instant::now();
        let hours = shared.borrow().fleet.spent_by_hour(next, some);
        let written = shared.borrow().state.as_ref().map(|state| state.save_hours(hours));
        if !is_done(written).await {
            return;
        }
        if !is_at_once {
            // So that it takes a tenth of a disk's time, and of a thread's.
            sleep(began.elapsed() * 9).await;
        }
    }
}

/// Some of what has changed, as of so long from now; nothing when nothing has, or none is kept.
fn changes(shared: &Shared, later: Duration) -> Option<Changes> {
    let mut core = shared.borrow_mut();
    core.state.as_ref()?;
    let now = core.now() + later;
    let roster = core.fleet.take_roster_changes(ROSTER_AT_ONCE);
    if !roster.is_empty() {
        return Some(Changes::Roster(roster.into()));
    }
    let ended = core.fleet.take_ended(JOBS_AT_ONCE, now);
    (!ended.is_empty()).then(|| Changes::Ended(ended.into()))
}

/// Has changes written, and says whether they were.
async fn write(shared: &Shared, changes: Changes) -> bool {
    match changes {
        Changes::Roster(known) => {
            let written = shared.borrow().state.as_ref().map(|state| state.remember(known));
            is_done(written).await
        }
        Changes::Ended(jobs) => {
            let written = shared.borrow().state.as_ref().map(|state| state.remember_ended(jobs));
            is_done(written).await
        }
    }
}

async fn is_done(written: Option<impl Future<Output = bool>>) -> bool {
    match written {
        Some(written) => written.await,
        None => false,
    }
}
