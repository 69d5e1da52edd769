//! Asks the scheduler for its jobs and nodes again and again, beside the hub's thread; what it says goes into the fleet
//! piece by piece.

use std::{sync::Arc, thread, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
    time::{Instant, sleep},
};

use super::Shared;
use crate::model::job::{Job, Location, Scheduler, Standing};

/// Pieces that wait to be taken at most; the scheduler's answer is read no faster.
const WAITING: usize = 256;
/// How long pieces are taken before others have their turns.
const STRETCH: Duration = Duration::from_millis(2);
/// An answer that took long is asked for less often: after so many times what it took.
const PAUSE: u32 = 4;
/// And none sooner than after so long.
const LEAST: Duration = Duration::from_secs(1);

/// How often it is asked where nodes are, which seldom changes but for new nodes.
const LOCATE_EVERY: Duration = Duration::from_mins(2);

/// Never ends.
pub(super) async fn keep_asking(shared: Shared, scheduler: Arc<dyn Scheduler>, every: Duration) {
    let mut located: Option<(Instant, usize)> = None;
    loop {
        let began = Instant::now();
        let answers = ask(&shared, scheduler.clone()).await;
        // One that does not answer has no work with it, and may be back soon.
        let worked = if answers { began.elapsed() } else { Duration::ZERO };
        let nodes = shared.borrow().fleet.nodes().len();
        if answers && located.is_none_or(|(last, of)| of != nodes || last.elapsed() >= LOCATE_EVERY) {
            locate(&shared, scheduler.clone()).await;
            located = Some((Instant::now(), nodes));
        }
        sleep(every.max(worked * PAUSE).max(LEAST)).await;
    }
}

/// What a scheduler says.
enum News {
    Job(Box<Job>),
    Node(Standing),
    Location(Location),
}

/// Asks once, and says whether it answers.
async fn ask(shared: &Shared, scheduler: Arc<dyn Scheduler>) -> bool {
    shared.borrow_mut().fleet.begin_schedule(scheduler.name());
    let asked = listen(shared, move |tell| {
        let jobs = scheduler.jobs(&mut |job| tell(News::Job(job.into())));
        // Who does not answer the one would not answer the other, and take its time for it.
        let nodes = match &jobs {
            Ok(()) => scheduler.nodes(&mut |node| tell(News::Node(node))),
            Err(problem) => Err(problem.clone()),
        };
        (jobs, nodes)
    });
    let (jobs, nodes) = asked.await.unwrap_or_else(|problem| (Err(problem.clone()), Err(problem)));
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

/// Asks once where nodes are.
async fn locate(shared: &Shared, scheduler: Arc<dyn Scheduler>) {
    shared.borrow_mut().fleet.begin_topology();
    let asked = listen(shared, move |tell| scheduler.topology(&mut |location| tell(News::Location(location))));
    let whole = asked.await.flatten();
    if let Err(problem) = &whole {
        // Many sites have none, and some schedulers call that an error.
        tracing::debug!("the scheduler does not say where nodes are: {problem}");
    }
    shared.borrow_mut().fleet.end_topology(&whole);
}

/// Asks on a thread of its own, for which a hub that stops does not wait. What is told goes into the fleet piece by piece.
async fn listen<T: Send + 'static>(
    shared: &Shared,
    ask: impl FnOnce(&dyn Fn(News)) -> T + Send + 'static,
) -> Result<T, String> {
    let (sender, mut news) = mpsc::channel(WAITING);
    let (done, ends) = oneshot::channel();
    let reader = thread::Builder::new().spawn(move || {
        let answer = ask(&|news| drop(sender.blocking_send(news)));
        drop(sender);
        let _ = done.send(answer);
    });
    let mut began = Instant::now();
    while let Some(news) = news.recv().await {
        let now = shared.borrow().now();
        match news {
            News::Job(job) => shared.borrow_mut().fleet.schedule(&job, now),
            News::Node(node) => shared.borrow_mut().fleet.stand(&node),
            News::Location(location) => shared.borrow_mut().fleet.place(&location),
        }
        if began.elapsed() >= STRETCH {
            yield_now().await;
            began = Instant::now();
        }
    }
    match reader {
        Ok(_) => ends.await.map_err(|_| "the thread that asks has died".into()),
        Err(error) => Err(format!("no thread can be started to ask: {error}")),
    }
}
