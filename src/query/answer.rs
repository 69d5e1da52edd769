//! Answers: the cells of the rows in the window, or their values along time.

use std::collections::HashSet;

use crate::{
    fleet::{Fleet, Job, NodeId},
    model::{
        job::Phase,
        metric::{Kind as Reading, MetricId, Scope},
        question::{Answer, Complaint},
        raw::Gap,
        series::{Line, Series},
        syntax::{Query, Spot, When},
        table::{self, Cell, Table},
        text::clean,
    },
};

use super::{
    Asked,
    items::Items,
    lexer::complain,
    order::{order, order_by, sort_keys},
    parts::{Access, sum_up},
    past::Window,
    plan::{Plan, is_line},
    row::{Group, Item, Row},
    scan::{self, Matches},
    snapshot::{Seen, Snapshot},
    text::{flags, id, words},
    value::{Condition, Leaf, Number, Numeric, Shown, Text, Value},
    view::Kind,
};

/// Longest text of a cell, in characters.
const LONGEST: usize = 1024;
/// Most lines of one answer along time.
const MOST_LINES: usize = 10_000;
/// Most GPUs, times metrics, whose past is read for an answer whose lines are jobs.
const MOST_READ: usize = 500_000;
/// The same where it is read of one moment.
const MOST_READ_ONCE: usize = 4_000_000;

/// Runs a plan. What it looks for is of these few nodes, if any are given.
pub(super) async fn run(
    access: &impl Access,
    Asked { query, seen, plan }: &Asked<'_>,
    few: Option<Vec<NodeId>>,
) -> Result<Answer, Complaint> {
    let kind = plan.view.kind;
    if plan.is_grouped() {
        let groups = scan::groups(access, seen, plan).await;
        return of_groups(access, seen, query, plan, groups).await;
    }
    if let (Some(past), Kind::Job) = (&plan.past, kind) {
        return of_jobs_past(access, seen, query, plan, past).await;
    }
    if let (Some(then), Kind::Job) = (seen.then(), kind) {
        return of_jobs_then(access, seen, query, plan, then).await;
    }
    let items = if plan.looks_back() { Some(scan::items_in_parts(access, seen, plan).await) } else { None };
    let items = match items {
        Some(items) if seen.is_then() && kind.is_of_nodes() => return of_then(access, seen, query, plan, items).await,
        items => items,
    };
    access.look(|fleet| {
        let snapshot = seen.view(fleet, kind);
        let nodes = few.as_deref().unwrap_or_else(|| fleet.by_name());
        let matches = Matches::Items(kind, items.unwrap_or_else(|| scan::items(&snapshot, plan, nodes)));
        let window = plan.window(matches.len());
        let rows = order(&snapshot, &matches, &plan.sort, window.clone());
        let rows = rows.into_iter().filter_map(|at| matches.row(at));
        let frame = Frame { total: matches.len() as u64, stale: matches.stale(&snapshot), offset: window.start as u64 };
        if let Some(past) = &plan.past {
            check_lines(query, plan, window.len())?;
            let lines = rows.flat_map(|row| lines(&snapshot, plan, past, row)).collect();
            return Ok(frame.series(&snapshot, query, past, lines));
        }
        let rows = rows.map(|row| cells(&snapshot, row, &plan.columns)).collect();
        Ok(frame.table(&snapshot, query, plan, rows))
    })
}

/// Runs the rest of a plan about another time than now: what rows are sorted by is read from the past in parts, first of
/// all rows, and then what is shown of the window's.
async fn of_then(
    access: &impl Access,
    seen: &Seen,
    query: &Query,
    plan: &Plan,
    items: Items,
) -> Result<Answer, Complaint> {
    let kind = plan.view.kind;
    let keys = sort_keys(access, seen, kind, &items, &plan.sort).await;
    let matches = Matches::Items(kind, items);
    let window = plan.window(matches.len());
    let rows = order_by(&keys, window.clone());
    let mut shown = Vec::with_capacity(rows.len());
    for at in rows {
        let Some(row) = matches.row(at) else { continue };
        shown.push(access.look(|fleet| cells(&seen.of(fleet), row, &plan.columns)));
        access.pause().await;
    }
    Ok(access.look(|fleet| {
        let snapshot = seen.of(fleet);
        let frame = Frame { total: matches.len() as u64, stale: matches.stale(&snapshot), offset: window.start as u64 };
        frame.table(&snapshot, query, plan, shown)
    }))
}

/// Runs a plan of jobs about another time than now. What their GPUs came to then is worked out job by job: first of all
/// jobs what conditions and sorts need, and then what is shown of the window's.
async fn of_jobs_then(
    access: &impl Access,
    seen: &Seen,
    query: &Query,
    plan: &Plan,
    then: &Window,
) -> Result<Answer, Complaint> {
    let kind = plan.view.kind;
    let spot = if let When::At(_, spot) = query.when { spot } else { Spot::default() };
    let sorts = || plan.sort.iter().flat_map(|(key, _)| key.sums());
    let of_all = || plan.filter.iter().flat_map(Condition::sums).chain(sorts());
    // Only what ran then has read anything.
    let ran = |snapshot: &Snapshot<'_>, number: &u32| {
        let job = snapshot.fleet.job(*number as usize).zip(snapshot.then());
        job.is_some_and(|(job, then)| job.phase_at(then) == Some(Phase::Running))
    };
    let all: Vec<u32> = access.look(|fleet| {
        let snapshot = seen.of(fleet);
        scan::jobs(&snapshot).filter(|number| ran(&snapshot, number)).collect()
    });
    check_reads(access, &all, of_all(), (MOST_READ_ONCE, spot))?;
    follow(access, then, &all, of_all()).await;
    let (frame, jobs) = access.look(|fleet| {
        let snapshot = seen.of(fleet);
        let matches = Matches::Items(kind, scan::items(&snapshot, plan, &[]));
        let window = plan.window(matches.len());
        let rows = order(&snapshot, &matches, &plan.sort, window.clone());
        let jobs: Vec<Item> = rows.into_iter().filter_map(|at| matches.item(at)).collect();
        (Frame { total: matches.len() as u64, stale: 0, offset: window.start as u64 }, jobs)
    });
    let shown: Vec<u32> = access.look(|fleet| {
        let snapshot = seen.of(fleet);
        jobs.iter().map(|item| item.slot).filter(|number| ran(&snapshot, number)).collect()
    });
    let of_shown = || plan.columns.iter().flat_map(|shown| shown.value.sums());
    check_reads(access, &shown, of_shown(), (MOST_READ_ONCE, spot))?;
    follow(access, then, &shown, of_shown()).await;
    Ok(access.look(|fleet| {
        let mut snapshot = seen.of(fleet);
        let rows = jobs.iter().map(|item| cells(&snapshot, Row::Item(kind, *item), &plan.columns)).collect();
        // Ages are as of then, as those of events and incidents are.
        snapshot.now = then.to();
        frame.table(&snapshot, query, plan, rows)
    }))
}

/// Works out what some metrics of jobs' GPUs came to along a window.
async fn follow(access: &impl Access, window: &Window, jobs: &[u32], leaves: impl Iterator<Item = Leaf>) {
    let metrics = metrics(leaves);
    for number in jobs {
        for metric in &metrics {
            window.follow(access, *metric, *number).await;
        }
    }
}

/// Says no to what would read too much of the past of jobs' GPUs.
fn check_reads(
    access: &impl Access,
    jobs: &[u32],
    leaves: impl Iterator<Item = Leaf>,
    (most, spot): (usize, Spot),
) -> Result<(), Complaint> {
    let known = |fleet: &Fleet| jobs.iter().filter_map(|number| fleet.job(*number as usize)).map(Job::gpus).sum();
    let gpus: usize = access.look(known);
    let read = gpus.saturating_mul(metrics(leaves).len());
    if read <= most {
        return Ok(());
    }
    let message = format!("that would read the past of {read} metrics of GPUs, and {most} are the most; show fewer");
    Err(complain(message, spot))
}

/// The metrics of GPUs and nodes among these.
fn metrics(leaves: impl Iterator<Item = Leaf>) -> HashSet<MetricId> {
    leaves.map(|leaf| leaf.metric).filter(|metric| metric.scope != Scope::Job).collect()
}

/// Runs the rest of a plan that has its groups: what they sum up to is worked out first, so that they are sorted by
/// what is shown.
async fn of_groups(
    access: &impl Access,
    seen: &Seen,
    query: &Query,
    plan: &Plan,
    mut groups: Vec<Group>,
) -> Result<Answer, Complaint> {
    let kind = plan.view.kind;
    let sums = plan.sort.iter().flat_map(|(value, _)| value.sums()).collect::<Vec<_>>();
    sum_up(access, seen, kind, &mut groups, &sums).await;
    let window = plan.window(groups.len());
    let (frame, mut chosen) = access.look(|fleet| {
        let (snapshot, matches) = (seen.view(fleet, kind), Matches::Groups(kind, groups));
        let frame = Frame { total: matches.len() as u64, stale: matches.stale(&snapshot), offset: window.start as u64 };
        let rows = order(&snapshot, &matches, &plan.sort, window.clone());
        (frame, matches.into_groups(&rows))
    });
    if let Some(past) = &plan.past {
        let read: usize = chosen.iter().map(|group| if group.area.is_some() { 1 } else { group.members.len() }).sum();
        check_lines(query, plan, read)?;
        let mut all = Vec::new();
        for group in &chosen {
            all.extend(access.look(|fleet| lines(&seen.of(fleet), plan, past, Row::Group(kind, group))));
            access.pause().await;
        }
        return Ok(access.look(|fleet| frame.series(&seen.of(fleet), query, past, all)));
    }
    let sums = plan.columns.iter().flat_map(|shown| shown.value.sums()).collect::<Vec<_>>();
    sum_up(access, seen, kind, &mut chosen, &sums).await;
    let mut rows = Vec::with_capacity(chosen.len());
    for group in &chosen {
        let row = Row::Group(kind, group);
        rows.push(access.look(|fleet| cells(&seen.view(fleet, kind), row, &plan.columns)));
        access.pause().await;
    }
    Ok(access.look(|fleet| frame.table(&seen.of(fleet), query, plan, rows)))
}

/// Jobs along time: what their GPUs came to is worked out in parts, job by job.
async fn of_jobs_past(
    access: &impl Access,
    seen: &Seen,
    query: &Query,
    plan: &Plan,
    past: &Window,
) -> Result<Answer, Complaint> {
    let kind = plan.view.kind;
    let (frame, jobs) = access.look(|fleet| {
        let snapshot = seen.view(fleet, kind);
        let matches = Matches::Items(kind, scan::items(&snapshot, plan, &[]));
        let window = plan.window(matches.len());
        let rows = order(&snapshot, &matches, &plan.sort, window.clone());
        let jobs: Vec<Item> = rows.into_iter().filter_map(|at| matches.item(at)).collect();
        (Frame { total: matches.len() as u64, stale: 0, offset: window.start as u64 }, jobs)
    });
    check_lines(query, plan, jobs.len())?;
    let numbers: Vec<u32> = jobs.iter().map(|item| item.slot).collect();
    let leaves = || plan.columns.iter().flat_map(|shown| shown.value.sums());
    let spot = query.over.map_or_else(Spot::default, |over| over.spot);
    check_reads(access, &numbers, leaves(), (MOST_READ, spot))?;
    let mut all = Vec::new();
    for item in jobs {
        follow(access, past, &[item.slot], leaves()).await;
        all.extend(access.look(|fleet| lines(&seen.of(fleet), plan, past, Row::Item(kind, item))));
        access.pause().await;
    }
    Ok(access.look(|fleet| frame.series(&seen.of(fleet), query, past, all)))
}

/// Says no to what would read too many lines of history: so many for each column.
fn check_lines(query: &Query, plan: &Plan, of_each: usize) -> Result<(), Complaint> {
    let lines = of_each.saturating_mul(plan.columns.iter().filter(|shown| is_line(shown)).count());
    if lines <= MOST_LINES {
        return Ok(());
    }
    let message = format!("that would be {lines} lines along time, and {MOST_LINES} are the most; add a limit");
    Err(complain(message, query.over.map_or_else(Spot::default, |over| over.spot)))
}

/// What is said of an answer as a whole.
struct Frame {
    total: u64,
    stale: u64,
    offset: u64,
}

impl Frame {
    fn table(self, snapshot: &Snapshot<'_>, query: &Query, plan: &Plan, rows: Vec<table::Row>) -> Answer {
        let Frame { total, stale, offset } = self;
        let columns = plan.columns.iter().map(|shown| shown.column.clone()).collect();
        let (query, time, census) = (query.to_string(), snapshot.now, snapshot.fleet.census(snapshot.now));
        Answer::Table(Table { query, time, total, stale, offset, columns, rows, census })
    }

    fn series(self, snapshot: &Snapshot<'_>, query: &Query, past: &Window, lines: Vec<Line>) -> Answer {
        Answer::Series(Series {
            query: query.to_string(),
            time: snapshot.now,
            start: past.from,
            step: past.step,
            total: self.total,
            lines,
            census: snapshot.fleet.census(snapshot.now),
        })
    }
}

/// One row along time: a line for each column that has one.
fn lines(snapshot: &Snapshot<'_>, plan: &Plan, past: &Window, row: Row<'_>) -> Vec<Line> {
    let then = snapshot.at(past);
    let id = clean(&id(snapshot, row), LONGEST).into_owned();
    let line = |Shown { column, value }: &Shown| {
        let Value::Number(numeric) = value else { return None };
        let at = |step| {
            past.at.set(step);
            numeric.num.number(&then, row).ok()
        };
        let values = (0..past.steps).map(at).collect();
        Some(Line { id: id.clone(), column: column.clone(), values })
    };
    let lines = plan.columns.iter().filter_map(line).collect();
    past.forget();
    lines
}

/// One row of a table.
fn cells(snapshot: &Snapshot<'_>, row: Row<'_>, columns: &[Shown]) -> table::Row {
    table::Row {
        id: clean(&id(snapshot, row), LONGEST).into_owned(),
        state: row.state(snapshot),
        cells: columns.iter().map(|shown| cell(snapshot, row, &shown.value)).collect(),
    }
}

fn cell(snapshot: &Snapshot<'_>, row: Row<'_>, value: &Value) -> Cell {
    match value {
        Value::Number(Numeric { num, reading, .. }) => number_cell(num.number(snapshot, row), *reading),
        Value::Each(leaf) => each(snapshot, row, leaf),
        Value::Text(text) => match text.joined(snapshot, row) {
            Some(text) => Cell::Text(clean(&text, LONGEST).into_owned()),
            // A group that was grouped by a text which its rows don't have says so.
            None if matches!((text, row), (Text::Level(_), Row::Group(..))) => Cell::Text(crate::fleet::NOWHERE.into()),
            None if text.is_absent(snapshot, row) == Some(true) => Cell::Gap(Gap::Absent),
            None => Cell::Gap(Gap::Unknown),
        },
    }
}

fn number_cell(number: Number, reading: Reading) -> Cell {
    match (number, reading) {
        (Err(gap), _) => Cell::Gap(gap),
        (Ok(value), Reading::Flags(names)) => Cell::Flags(flags(value, names)),
        (Ok(value), Reading::Choice(_)) => Cell::Text(words(value, reading)),
        (Ok(value), _) => Cell::Number(value),
    }
}

/// The values of everything of the leaf's scope that the row reaches.
fn each(snapshot: &Snapshot<'_>, row: Row<'_>, leaf: &Leaf) -> Cell {
    let mut values = Vec::new();
    row.reach(snapshot, leaf.metric.scope, &mut |node, slots| {
        values.extend(slots.map(|slot| snapshot.number(leaf, Item { node, slot }).ok()));
    });
    Cell::List(values)
}
