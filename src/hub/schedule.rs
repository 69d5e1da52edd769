//! Asks the scheduler for its jobs and nodes again and again, beside the hub's thread; what it says goes into the fleet
//! piece by piece.

use std::{sync::Arc, thread, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
    time::{Instant, sleep},
};

use super::Shared;
use crate::model::job::{Job, Scheduler, Standing};

/// Pieces that wait to be taken at most; the scheduler's answer is read no faster.
const WAITING: usize = 256;
/// How long pieces are taken before others have their turns.
const STRETCH: Duration = Duration::from_millis(2);
/// An answer that took long is asked for less often: after so many times what it took.
const PAUSE: u32 = 4;
/// And none sooner than after so long.
const LEAST: Duration = Duration::from_secs(1);

/// Never ends.
pub(super) async fn keep_asking(shared: Shared, scheduler: Arc<dyn Scheduler>, every: Duration) {
    loop {
        let began = Instant::now();
        let answers = ask(&shared, scheduler.clone()).await;
        // One that does not answer has no work with it, and may be back soon.
        let worked = if answers { began.elapsed() } else { Duration::ZERO };
        sleep(every.max(worked * PAUSE).max(LEAST)).await;
    }
}

/// What a scheduler says.
enum News {
    Job(Box<Job>),
    Node(Standing),
}

/// Asks once, and says whether it answers.
async fn ask(shared: &Shared, scheduler: Arc<dyn Scheduler>) -> bool {
    let (sender, mut news) = mpsc::channel(WAITING);
    let (done, ends) = oneshot::channel();
    shared.borrow_mut().fleet.begin_schedule(scheduler.name());
    // A thread of its own, for which a hub that stops does not wait.
    let reader = thread::Builder::new().spawn(move || {
        let jobs = scheduler.jobs(&mut |job| drop(sender.blocking_send(News::Job(job.into()))));
        // Who does not answer the one would not answer the other, and take its time for it.
        let nodes = match &jobs {
            Ok(()) => scheduler.nodes(&mut |node| drop(sender.blocking_send(News::Node(node)))),
            Err(problem) => Err(problem.clone()),
        };
        drop(sender);
        let _ = done.send((jobs, nodes));
    });
    let mut began = Instant::now();
    while let Some(news) = news.recv().await {
        let now = shared.borrow().now();
        match news {
            News::Job(job) => shared.borrow_mut().fleet.schedule(&job, now),
            News::Node(node) => shared.borrow_mut().fleet.stand(&node),
        }
        if began.elapsed() >= STRETCH {
            yield_now().await;
            began = Instant::now();
        }
    }
    let none = |problem: String| (Err(problem.clone()), Err(problem));
    let (jobs, nodes) = match reader {
        Ok(_) => ends.await.unwrap_or_else(|_| none("the thread that asks has died".into())),
        Err(error) => none(format!("no thread can be started to ask: {error}")),
    };
    let mut core = shared.borrow_mut();
    let before = core.fleet.scheduler().map(|scheduler| scheduler.problem.clone()).unwrap_or_default();
    let now = core.now();
    core.fleet.end_schedule(jobs, nodes, now);
    let problem = core.fleet.scheduler().map_or("", |scheduler| &scheduler.problem);
    if !problem.is_empty() && problem != before {
        tracing::warn!("the scheduler does not answer: {problem}");
    }
    problem.is_empty()
}
