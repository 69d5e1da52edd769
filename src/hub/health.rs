//! Has the health engine look at the fleet again and again, and puts the incidents where queries find them.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::{Shared, answers::Stretches};
use crate::health::Health;

/// How often.
const EVERY: Duration = Duration::from_secs(1);
/// Changes of incidents that wait for a disk at most.
const MOST_UNSAVED: usize = 10_000;

/// Never ends.
pub(super) async fn keep_watch(shared: Shared, mut health: Health) {
    shared.borrow_mut().fleet.set_rules(health.rules().to_vec());
    // What the disk did not take is written the next time.
    let mut unsaved = Vec::new();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = shared.borrow().now();
        let before = health.rules().to_vec();
        let stretches = Stretches::new(&shared);
        health.look(&stretches, now).await;
        {
            let mut core = shared.borrow_mut();
            core.fleet.set_incidents(health.incidents());
            if health.rules() != before {
                core.fleet.set_rules(health.rules().to_vec());
            }
        }
        unsaved.extend(health.take_unsaved());
        unsaved.drain(..unsaved.len().saturating_sub(MOST_UNSAVED));
        let written = match &shared.borrow().state {
            Some(state) if !unsaved.is_empty() => Some(state.remember_incidents(unsaved.clone())),
            _ => None,
        };
        if let Some(written) = written
            && written.await
        {
            unsaved.clear();
        }
    }
}
