//! Has the health engine look at the fleet again and again, and puts the incidents where queries find them.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::{Shared, answers::Stretches};
use crate::{
    fleet::Trouble,
    health::Health,
    model::incident::{Remark, Stage},
};

/// How often.
const EVERY: Duration = Duration::from_secs(1);
/// Changes of incidents that wait for a disk at most.
const MOST_UNSAVED: usize = 10_000;
/// Remarks that wait for the next look at most.
const MOST_REMARKS: usize = 1000;

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
        let mut is_news = health.look(&stretches, now).await;
        for remark in std::mem::take(&mut shared.borrow_mut().remarks) {
            is_news |= health.remark(&remark, now);
        }
        {
            let mut core = shared.borrow_mut();
            if is_news {
                core.fleet.set_incidents(health.incidents());
                core.fleet.set_verdicts(health.verdicts());
            }
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

/// Takes what somebody says of an incident.
///
/// # Errors
/// Why not, in a line for that person.
pub(super) fn take(shared: &Shared, remark: Remark, may_say: bool) -> Result<(), String> {
    if !may_say {
        return Err("what is said of incidents is taken from this machine only: use the hub's socket".into());
    }
    let mut core = shared.borrow_mut();
    let is_its = |trouble: &&Trouble| trouble.incident.id == remark.incident;
    match core.fleet.troubles().iter().find(is_its).map(|trouble| trouble.incident.stage) {
        None => Err(format!("there is no incident {}", remark.incident)),
        Some(Stage::Cleared) => Err(format!("incident {} is over", remark.incident)),
        Some(_) if core.remarks.len() >= MOST_REMARKS => Err("too much was said at once; say it again".into()),
        Some(_) => {
            core.remarks.push(remark);
            Ok(())
        }
    }
}
