//! Asks the scheduler for its jobs again and again, beside the hub's thread; what it says goes into the fleet job by job.

use std::{sync::Arc, thread, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
    time::{Instant, sleep},
};

use super::Shared;
use crate::model::job::Scheduler;

/// Jobs that wait to be taken at most; the scheduler's answer is read no faster.
const WAITING: usize = 256;
/// How long jobs are taken before others have their turns.
const STRETCH: Duration = Duration::from_millis(2);
/// An answer that took long is asked for less often: after so many times what it took.
const PAUSE: u32 = 4;
/// And none sooner than after so long.
const LEAST: Duration = Duration::from_secs(1);

/// Never ends.
pub(super) async fn keep_asking(shared: Shared, scheduler: Arc<dyn Scheduler>, every: Duration) {
    loop {
        let began = Instant::now();
        ask(&shared, scheduler.clone()).await;
        sleep(every.max(began.elapsed() * PAUSE).max(LEAST)).await;
    }
}

/// Asks once.
async fn ask(shared: &Shared, scheduler: Arc<dyn Scheduler>) {
    let (sender, mut jobs) = mpsc::channel(WAITING);
    let (done, result) = oneshot::channel();
    shared.borrow_mut().fleet.begin_schedule(scheduler.name());
    // A thread of its own, for which a hub that stops does not wait.
    let reader = thread::Builder::new().spawn(move || {
        let result = scheduler.jobs(&mut |job| drop(sender.blocking_send(job)));
        drop(sender);
        let _ = done.send(result);
    });
    let mut began = Instant::now();
    while let Some(job) = jobs.recv().await {
        let now = shared.borrow().now();
        shared.borrow_mut().fleet.schedule(&job, now);
        if began.elapsed() >= STRETCH {
            yield_now().await;
            began = Instant::now();
        }
    }
    let result = match reader {
        Ok(_) => result.await.unwrap_or_else(|_| Err("the thread that asks has died".into())),
        Err(error) => Err(format!("no thread can be started to ask: {error}")),
    };
    let mut core = shared.borrow_mut();
    let before = core.fleet.scheduler().map(|scheduler| scheduler.problem.clone());
    if let Err(problem) = &result
        && before.as_ref() != Some(problem)
    {
        tracing::warn!("no jobs from the scheduler: {problem}");
    }
    let now = core.now();
    core.fleet.end_schedule(result, now);
}
