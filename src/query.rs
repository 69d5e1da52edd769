//! The query language: reads it, plans it against a fleet's keys, and answers it with rows or lines along time.
//!
//! `text → parse → Query → plan → Plan → scan, order, cells → Table or Series`. Nothing but the scan and the sort looks
//! at every row; cells are made for the window only.

mod answer;
mod batch;
mod bench;
mod evaluate;
mod field;
mod items;
mod job;
mod key;
mod lexer;
mod measure;
mod order;
mod parse;
mod parts;
mod past;
mod peers;
mod plan;
mod pool;
mod row;
mod scan;
mod sift;
mod snapshot;
mod stored;
mod suggest;
mod text;
mod told;
mod usage;
mod value;
mod view;

use std::borrow::Cow;

use futures_util::FutureExt as _;
use regex::{Regex, RegexBuilder};

use self::{plan::Plan, snapshot::Seen};
use crate::{
    fleet::Fleet,
    model::{
        question::{Answer, Complaint},
        syntax::{Query, When},
        time::Time,
    },
};

pub use self::{
    key::{KeyInfo, keys},
    parse::{LONGEST, parse, parse_condition},
    parts::Access,
    peers::Round,
    view::plural,
};

/// Answers `query` with what `fleet` knows at `now`.
///
/// # Errors
/// A complaint that points at the word which means nothing here, does not fit what it stands beside, or asks for
/// what has no data yet.
pub fn answer(fleet: &Fleet, query: &Query, now: Time) -> Result<Answer, Complaint> {
    let answer = answer_in_parts(&fleet, query, now).now_or_never();
    answer.unwrap_or_else(|| unreachable!("nobody else waits for this fleet, so it never pauses"))
}

/// As [`answer`], for a fleet that others wait for. Windows of things are sorted and shown in one look at it; what has to
/// go over all of it to find a few things, for groups, for peers or for the past lets others go on in between. What it
/// finds then is some moments younger than what it found first; which nodes are up is seen once.
pub async fn answer_in_parts(access: &impl Access, query: &Query, now: Time) -> Result<Answer, Complaint> {
    let seen = access.look(|fleet| Seen::new(fleet, now)).with(access, query).await;
    let asked = Asked::new(access, query, seen, &mut Round::at(now)).await?;
    let few = scan::few_nodes(access, &[(&asked.seen, &asked.plan)]).await.pop().flatten();
    answer::run(access, &asked, few).await
}

/// As [`answer_in_parts`], of several questions that are asked at the same time: what each looks for among all nodes is
/// looked for in one walk over these, and what peers have in common is found once for all questions of that time.
pub async fn answer_together(
    access: &impl Access,
    queries: &[&Query],
    round: &mut Round,
) -> Vec<Result<Answer, Complaint>> {
    let seen = access.look(|fleet| Seen::new(fleet, round.now));
    let mut asked = Vec::with_capacity(queries.len());
    for query in queries {
        let seen = seen.with(access, query).await;
        asked.push(Asked::new(access, query, seen, round).await);
    }
    let sound: Vec<(&Seen, &Plan)> = asked.iter().flatten().map(|asked| (&asked.seen, &asked.plan)).collect();
    let mut few = scan::few_nodes(access, &sound).await.into_iter();
    let mut answers = Vec::with_capacity(asked.len());
    for asked in asked {
        answers.push(match asked {
            Ok(asked) => answer::run(access, &asked, few.next().flatten()).await,
            Err(complaint) => Err(complaint),
        });
        access.pause().await;
    }
    answers
}

/// A question that can be answered: what stands in it is known, and so is what its rows' peers have in common.
struct Asked<'a> {
    query: Cow<'a, Query>,
    seen: Seen,
    plan: Plan,
}

impl<'a> Asked<'a> {
    async fn new(
        access: &impl Access,
        query: &'a Query,
        seen: Seen,
        round: &mut Round,
    ) -> Result<Asked<'a>, Complaint> {
        let grouped = view::grouping(&query.view).filter(|_| query.by.is_empty());
        let query = match grouped {
            Some(key) => Cow::Owned(Query { by: vec![key.into()], ..query.clone() }),
            None => Cow::Borrowed(query),
        };
        let (plan, wanted) = access.look(|fleet| plan::plan(&seen.of(fleet), &query))?;
        let job = plan.filter.as_ref().and_then(|filter| filter.job(false));
        // What is asked about another time is its own.
        let mut of_then = Round::at(round.now);
        let round = if query.when == When::Now { round } else { &mut of_then };
        for peers in wanted {
            peers.find(access, &seen, job, round).await;
        }
        Ok(Asked { query, seen, plan })
    }
}

/// The regular expression of `~`: unanchored, and bounded in what it may cost.
fn pattern(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text).size_limit(1 << 18).dfa_size_limit(1 << 20).nest_limit(32).build();
    built.map_err(|error| {
        let reason = error.to_string();
        // A syntax error is drawn over several lines; its last one says what is wrong.
        let reason = reason.lines().last().unwrap_or("").trim_start_matches("error: ");
        format!("not a regular expression: {}", crate::model::text::clean(reason, 120))
    })
}

#[cfg(test)]
mod tests;
