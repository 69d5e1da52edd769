//! Answers that viewers share: who asks what another has just asked gets the same answer.
//! What was dear to make is kept for longer, so that no question takes more than a small part of the hub's thread;
//! what was cheap is made anew each time.

use std::{
    cell::Cell,
    collections::{HashMap, VecDeque},
    rc::{Rc, Weak},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use tokio::{sync::Mutex, task::yield_now, time::Instant};

use super::Shared;
use crate::{
    fleet::Fleet,
    model::question::{Answer, Complaint},
    query::{self, Access},
};

/// How long an answer is shared at most: nobody would call older ones live.
const MOST: Duration = Duration::from_secs(3);
/// An answer is shared for so many times what it took to make: a question takes 2.5 % of a core at most, unless it is
/// so dear that [`MOST`] comes first.
const WORTH: u32 = 40;
/// And for so many times that for each answer that is kept, so that all questions together take a fifth of a core at
/// most, however many viewers there are.
const WORTH_EACH: u32 = 5;
/// How long an answer that is too old by now is still there for those who waited for it: how long others had the thread
/// meanwhile is no reason to make it again, and once more for the next who waited.
const AWAITED: Duration = Duration::from_millis(250);
/// An answer that took less is not worth sharing.
const CHEAP: Duration = Duration::from_millis(1);
/// An answer that took more is told in the log of whoever looks for what keeps a hub busy.
const DEAR: Duration = Duration::from_millis(10);
/// How many answers are kept, and rows of one and of all: screens have hundreds, and whole fleets are asked for once.
const KEPT: usize = 1024;
const ROWS: usize = 4096;
const ALL_ROWS: usize = 128 * ROWS;
/// How long a long question keeps the thread before others have a turn.
const STRETCH: Duration = Duration::from_millis(2);
/// How many turns they have then at most: in each, a few dozen connections of agents are read, and with fewer their
/// samples would pile up while a long question is answered.
const TURNS: usize = 16;
/// A turn that took less was not needed by many.
const QUIET: Duration = Duration::from_micros(100);

/// The latest answers, oldest first, and the questions that are being answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    kept: VecDeque<Kept>,
    /// Whoever asks what is being answered waits for its turn, and then mostly finds the answer.
    turns: HashMap<String, Weak<Mutex<()>>>,
    /// Held by the long question that lets others have their turns. Other long questions wait in line: together they
    /// take no more of the thread than one.
    line: Rc<Mutex<()>>,
}

#[derive(Debug)]
struct Kept {
    query: String,
    answer: Answer,
    /// When it was finished.
    made: Instant,
    until: Instant,
}

/// The answer to `query`, made now unless one is fresh enough. Complaints are cheap and are made anew.
pub(super) async fn answer(shared: &Shared, query: &str) -> Result<Answer, Complaint> {
    let asked = Instant::now();
    let turn = {
        let answers = &mut shared.borrow_mut().answers;
        if let Some(answer) = answers.fresh(query, None) {
            return Ok(answer);
        }
        answers.turn(query)
    };
    let _mine = turn.lock().await;
    if let Some(answer) = shared.borrow_mut().answers.fresh(query, Some(asked)) {
        return Ok(answer);
    }
    let (now, began, stretches) = (shared.borrow().now(), Instant::now(), Stretches::new(shared));
    let answer = query::answer_in_parts(&stretches, &query::parse(query)?, now).await?;
    let cost = stretches.cost();
    if cost >= DEAR {
        tracing::debug!("{} ms of work, {} ms in all: {query}", cost.as_millis(), began.elapsed().as_millis());
    }
    shared.borrow_mut().answers.keep(query, &answer, began, cost);
    Ok(answer)
}

/// A question's looks at the fleet, between which others have their turns.
pub(super) struct Stretches<'a> {
    shared: &'a Shared,
    line: Rc<Mutex<()>>,
    /// When this stretch began, by the wall and by the CPU.
    began: Cell<(Instant, Duration)>,
    /// What the stretches before it took.
    before: Cell<Duration>,
}

impl<'a> Stretches<'a> {
    pub(super) fn new(shared: &'a Shared) -> Self {
        let line = shared.borrow().answers.line.clone();
        Stretches { shared, line, began: Cell::new((Instant::now(), cpu_time())), before: Cell::default() }
    }

    /// What all stretches took: how long others had the thread does not make an answer dear.
    fn cost(&self) -> Duration {
        self.before.get() + cpu_time().saturating_sub(self.began.get().1)
    }
}

impl Access for Stretches<'_> {
    fn look<R>(&self, with: impl FnOnce(&Fleet) -> R) -> R {
        with(&self.shared.borrow().fleet)
    }

    async fn pause(&self) {
        if self.began.get().0.elapsed() >= STRETCH {
            self.before.set(self.cost());
            let _next = self.line.lock().await;
            rest().await;
            self.began.set((Instant::now(), cpu_time()));
        }
    }
}

/// Lets others have turns until few of them wait for one.
async fn rest() {
    for _ in 0..TURNS {
        let began = Instant::now();
        yield_now().await;
        if began.elapsed() < QUIET {
            break;
        }
    }
}

impl Answers {
    /// An answer that is fresh enough, or was made for whoever waits since then.
    fn fresh(&mut self, query: &str, waits_since: Option<Instant>) -> Option<Answer> {
        let now = Instant::now();
        self.kept.retain(|kept| kept.until.max(kept.made + AWAITED) > now);
        let is_for = |kept: &&Kept| kept.until > now || waits_since.is_some_and(|since| kept.made > since);
        self.kept.iter().rev().filter(|kept| kept.query == query).find(is_for).map(|kept| kept.answer.clone())
    }

    /// Whose turn it is to answer this.
    fn turn(&mut self, query: &str) -> Rc<Mutex<()>> {
        if let Some(turn) = self.turns.get(query).and_then(Weak::upgrade) {
            return turn;
        }
        self.turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Rc::default();
        self.turns.insert(query.to_owned(), Rc::downgrade(&turn));
        turn
    }

    /// Keeps an answer that was begun at this time and took so long to make.
    fn keep(&mut self, query: &str, answer: &Answer, began: Instant, cost: Duration) {
        let rows = rows(answer);
        if cost < CHEAP || rows > ROWS {
            return;
        }
        let mut room = ALL_ROWS - rows;
        let fits = |kept: &&Kept| room.checked_sub(self::rows(&kept.answer)).inspect(|left| room = *left).is_some();
        let stay = self.kept.iter().rev().take(KEPT - 1).take_while(fits).count();
        self.kept.drain(..self.kept.len() - stay);
        let worth = WORTH.max(WORTH_EACH * self.kept.len() as u32);
        let (made, until) = (Instant::now(), began + (cost * worth).min(MOST));
        self.kept.push_back(Kept { query: query.to_owned(), answer: answer.clone(), made, until });
    }
}

/// What this thread has worked: how long others kept it waiting does not make an answer dear.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

fn rows(answer: &Answer) -> usize {
    match answer {
        Answer::Table(table) => table.rows.len(),
        Answer::Series(series) => series.lines.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::task::LocalSet;

    use super::*;
    use crate::{
        fleet::{NodeId, Settings},
        hub::Core,
        model::{
            metric::Scope,
            report::{Introduction, Sample, Values},
            time::Time,
        },
    };

    const NOW: Time = Time::from_millis(1_800_000_000_000);

    fn hub() -> Shared {
        let (fleet, answers) = (Fleet::new(Settings::default()), Answers::default());
        Rc::new(RefCell::new(Core { fleet, answers, remarks: Vec::new(), state: None, clock: Box::new(|| NOW) }))
    }

    fn join(shared: &Shared, name: &str) -> NodeId {
        let hello = Introduction { node: name.into(), interval_ms: 1000, ..Introduction::default() };
        let declared = Scope::SAMPLED.into_iter().flat_map(|scope| {
            scope.metrics().iter().map(move |metric| (scope, &*metric.key, metric.unit, metric.quantum))
        });
        let fleet = &mut shared.borrow_mut().fleet;
        let session = fleet.join(&hello, declared, NOW).expect("room");
        fleet.sample(session, &Sample { time: NOW, generation: 0, values: Values::new(0, 0) }, NOW);
        session.node
    }

    async fn total(shared: &Shared, query: &str) -> u64 {
        match answer(shared, query).await {
            Ok(Answer::Table(table)) => table.total,
            other => panic!("not a table: {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_shared_for_as_long_as_it_was_dear() {
        let (shared, began, cost) = (hub(), Instant::now(), Duration::from_millis(30));
        let empty = answer(&shared, "nodes").await.expect("an answer");
        shared.borrow_mut().answers.keep("nodes", &empty, began, cost);
        join(&shared, "gpu001");
        tokio::time::advance(cost * (WORTH - 1)).await;
        assert_eq!(total(&shared, "nodes").await, 0, "the same answer again");
        assert_eq!(total(&shared, "nodes limit 5").await, 1, "another question");
        tokio::time::advance(cost).await;
        assert_eq!(total(&shared, "nodes").await, 1);
        shared.borrow_mut().answers.keep("nodes", &empty, Instant::now(), MOST);
        tokio::time::advance(MOST).await;
        assert_eq!(total(&shared, "nodes").await, 1, "it would not be live");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_for_an_answer_takes_it_however_long_it_took() {
        let (shared, began) = (hub(), Instant::now());
        let empty = answer(&shared, "nodes").await.expect("an answer");
        tokio::time::advance(MOST).await;
        shared.borrow_mut().answers.keep("nodes", &empty, began, CHEAP);
        let fresh = |waits_since| shared.borrow_mut().answers.fresh("nodes", waits_since);
        let finished = Instant::now();
        tokio::time::advance(AWAITED / 2).await;
        assert_eq!(fresh(None), None, "who asks now wants a new one");
        assert_eq!(fresh(Some(finished + CHEAP)), None, "and so does who asked after it was made");
        assert_eq!(fresh(Some(began)), Some(empty));
        tokio::time::advance(AWAITED).await;
        assert_eq!(fresh(Some(began)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_more_is_asked_the_longer_answers_are_shared() {
        let (shared, cost) = (hub(), Duration::from_millis(2));
        let empty = answer(&shared, "nodes").await.expect("an answer");
        let began = Instant::now();
        for limit in 0..100 {
            shared.borrow_mut().answers.keep(&format!("nodes limit {limit}"), &empty, began, cost);
        }
        let last = shared.borrow().answers.kept.len() as u32 - 1;
        let worth = |at: u32| shared.borrow().answers.kept[at as usize].until - began;
        assert_eq!((worth(last - 95), worth(last)), (cost * WORTH, cost * WORTH_EACH * last));
    }

    #[tokio::test(start_paused = true)]
    async fn all_rows_that_are_kept_have_a_limit() {
        let shared = hub();
        for n in 0..ROWS {
            join(&shared, &format!("gpu{n:04}"));
        }
        let whole = answer(&shared, "nodes show node").await.expect("an answer");
        let answers = &mut shared.borrow_mut().answers;
        for asked in 0..200 {
            answers.keep(&format!("nodes show node limit {asked}"), &whole, Instant::now(), MOST);
            assert!(answers.kept.iter().map(|kept| rows(&kept.answer)).sum::<usize>() <= ALL_ROWS);
        }
        assert_eq!(answers.kept.back().expect("some are kept").query, "nodes show node limit 199");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_has_a_limit() {
        let shared = hub();
        let empty = answer(&shared, "nodes").await.expect("an answer");
        for limit in 0..2 * KEPT {
            let answers = &mut shared.borrow_mut().answers;
            answers.keep(&format!("nodes limit {limit}"), &empty, Instant::now(), MOST);
            assert!(answers.kept.len() <= KEPT);
        }
        assert!(answer(&shared, "nodes were x").await.is_err());
        let answers = &mut shared.borrow_mut().answers;
        assert!(answers.kept.iter().all(|kept| kept.query != "nodes were x"), "a complaint is made anew");
        drop(answers.turn("nodes"));
        assert_eq!(answers.turns.len(), 1, "nor does who asked once stay");
    }

    #[tokio::test]
    async fn others_go_on_while_a_long_question_is_answered_and_share_it() {
        let shared = hub();
        for n in 0..2000 {
            join(&shared, &format!("gpu{n:04}"));
        }
        let (long, turns) = ("nodes by node limit 1", Cell::new(0));
        let others = async {
            for _ in 0..100_000 {
                turns.set(turns.get() + 1);
                yield_now().await;
            }
        };
        let asked = async {
            let (first, second) = tokio::join!(answer(&shared, long), answer(&shared, long));
            (first.expect("an answer"), second.expect("an answer"), turns.get())
        };
        let ((first, second, turns), ()) = tokio::join!(asked, others);
        assert!(turns > 1, "nobody had a turn");
        assert_eq!(first, second, "made once");
        assert!(matches!(first, Answer::Table(table) if table.total == 2000));
    }

    #[tokio::test]
    async fn long_questions_together_take_no_more_than_one() {
        const EACH: usize = 20;
        let (shared, stretches) = (hub(), Rc::new(Cell::new(0)));
        let work = |span: Duration| {
            let began = std::time::Instant::now();
            while began.elapsed() < span {}
        };
        let tasks = LocalSet::new();
        for _ in 0..3 {
            let (shared, stretches) = (shared.clone(), stretches.clone());
            tasks.spawn_local(async move {
                let question = Stretches::new(&shared);
                for _ in 0..EACH {
                    work(STRETCH);
                    stretches.set(stretches.get() + 1);
                    question.pause().await;
                }
            });
        }
        // Others have much to do, turn after turn.
        let mut turns = 0;
        let others = async {
            while stretches.get() < 3 * EACH {
                work(2 * QUIET);
                turns += 1;
                yield_now().await;
            }
        };
        tasks.run_until(others).await;
        assert!(turns >= TURNS * (3 * EACH - 3), "{turns} turns of others");
    }
}
