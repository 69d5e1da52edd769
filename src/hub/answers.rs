//! Answers that viewers share: who asks what another has just asked gets the same answer.
//! What was dear to make is kept for longer, so that no question takes more than a small part of the hub's thread;
//! what was cheap is made anew each time.

use std::{collections::VecDeque, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use crate::{
    fleet::Fleet,
    model::{
        question::{Answer, Complaint},
        time::Time,
    },
    query,
};

/// How long an answer is shared at most: nobody would call older ones live.
const MOST: Duration = Duration::from_secs(3);
/// An answer is shared for so many times what it took to make: a question takes 2.5 % of a core at most, unless it is
/// so dear that [`MOST`] comes first.
const WORTH: u32 = 40;
/// An answer that took less is not worth sharing.
const CHEAP: Duration = Duration::from_millis(1);
/// How many answers are kept, and rows of one: screens have hundreds, and whole fleets are asked for once.
const KEPT: usize = 128;
const ROWS: usize = 4096;

/// The latest answers, oldest first.
#[derive(Debug, Default)]
pub(super) struct Answers {
    kept: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    query: String,
    answer: Answer,
    until: Instant,
}

impl Answers {
    /// The answer to `query`, made now unless one is fresh enough. Complaints are cheap and are made anew.
    pub(super) fn to(&mut self, query: &str, fleet: &Fleet, now: Time) -> Result<Answer, Complaint> {
        let began = Instant::now();
        self.kept.retain(|kept| kept.until > began);
        if let Some(kept) = self.kept.iter().find(|kept| kept.query == query) {
            return Ok(kept.answer.clone());
        }
        let before = cpu_time();
        let answer = query::parse(query).and_then(|query| query::answer(fleet, &query, now))?;
        self.keep(query, &answer, began, cpu_time().saturating_sub(before));
        Ok(answer)
    }

    /// Keeps an answer that was begun at this time and took so long to make.
    fn keep(&mut self, query: &str, answer: &Answer, began: Instant, cost: Duration) {
        if cost >= CHEAP && is_small(answer) {
            if self.kept.len() >= KEPT {
                self.kept.pop_front();
            }
            let until = began + (cost * WORTH).min(MOST);
            self.kept.push_back(Kept { query: query.to_owned(), answer: answer.clone(), until });
        }
    }
}

/// What this thread has worked: how long others kept it waiting does not make an answer dear.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

fn is_small(answer: &Answer) -> bool {
    match answer {
        Answer::Table(table) => table.rows.len() <= ROWS,
        Answer::Series(series) => series.lines.len() <= ROWS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fleet::Settings, model::report::Introduction};

    fn total(answer: Result<Answer, Complaint>) -> u64 {
        match answer {
            Ok(Answer::Table(table)) => table.total,
            other => panic!("not a table: {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_shared_for_as_long_as_it_was_dear() {
        let (mut answers, mut fleet) = (Answers::default(), Fleet::new(Settings::default()));
        let (now, began, cost) = (Time::from_millis(1_800_000_000_000), Instant::now(), Duration::from_millis(30));
        let empty = answers.to("nodes", &fleet, now);
        answers.keep("nodes", &empty.clone().unwrap(), began, cost);
        let hello = Introduction { node: "gpu001".into(), ..Introduction::default() };
        fleet.join(&hello, [], now);
        tokio::time::advance(cost * (WORTH - 1)).await;
        assert_eq!(total(answers.to("nodes", &fleet, now)), 0, "the same answer again");
        assert_eq!(total(answers.to("nodes limit 5", &fleet, now)), 1, "another question");
        tokio::time::advance(cost).await;
        assert_eq!(total(answers.to("nodes", &fleet, now)), 1);
        answers.keep("nodes", &empty.unwrap(), Instant::now(), MOST);
        tokio::time::advance(MOST).await;
        assert_eq!(total(answers.to("nodes", &fleet, now)), 1, "it would not be live");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_has_a_limit() {
        let (mut answers, fleet) = (Answers::default(), Fleet::new(Settings::default()));
        let answer = answers.to("nodes", &fleet, Time::default()).unwrap();
        for limit in 0..2 * KEPT {
            answers.keep(&format!("nodes limit {limit}"), &answer, Instant::now(), MOST);
            assert!(answers.kept.len() <= KEPT);
        }
        assert!(answers.to("nodes were x", &fleet, Time::default()).is_err());
        assert!(answers.kept.iter().all(|kept| kept.query != "nodes were x"), "a complaint is made anew");
    }
}
