//! Asks the scheduler for its jobs again and again, beside the hub's thread; what it says goes into the fleet job by job.

use std::{thread, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
    time::{Instant, sleep},
};

use super::Shared;
use crate::feed::slurm::Slurm;

/// Jobs that wait to be taken at most; the scheduler's answer is read no faster.
const WAITING: usize = 256;
/// Jobs that are taken before others have their turns.
const AT_ONCE: usize = 16;
/// An answer that took long is asked for less often: at most so much of the time.
const SHARE: u32 = 4;

/// Never ends.
pub(super) async fn keep_asking(shared: Shared, slurm: Slurm, every: Duration) {
    loop {
        let began = Instant::now();
        ask(&shared, slurm.clone()).await;
        sleep(every.max(began.elapsed() * SHARE)).await;
    }
}

/// Asks once.
async fn ask(shared: &Shared, slurm: Slurm) {
    let (sender, mut jobs) = mpsc::channel(WAITING);
    let (done, result) = oneshot::channel();
    // A thread of its own, for which a hub that stops does not wait.
    thread::spawn(move || {
        let result = slurm.jobs(|job| drop(sender.blocking_send(job)));
        drop(sender);
        let _ = done.send(result);
    });
    shared.borrow_mut().fleet.begin_schedule("slurm");
    let mut taken = 0;
    while let Some(job) = jobs.recv().await {
        let now = shared.borrow().now();
        shared.borrow_mut().fleet.schedule(&job, now);
        taken += 1;
        if taken % AT_ONCE == 0 {
            yield_now().await;
        }
    }
    let result = result.await.unwrap_or_else(|_| Err("the thread that asks has died".into()));
    let mut core = shared.borrow_mut();
    let now = core.now();
    let before = core.fleet.census(now).scheduler.map(|scheduler| scheduler.problem);
    if let Err(problem) = &result
        && before.as_ref() != Some(problem)
    {
        tracing::warn!("no jobs from the scheduler: {problem}");
    }
    core.fleet.end_schedule(result, now);
}
