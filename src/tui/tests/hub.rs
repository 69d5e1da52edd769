//! A small hub that makes its answers up: the same fleet every time, with a few sick parts.
//! It knows enough of the query language for the questions that screens ask.

mod catalogue;
mod events;
mod facts;
mod incidents;
mod jobs;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use crate::{
    model::{
        MetricId, State, Time,
        hostlist::Hostlist,
        identity::Field,
        metric::{Direction, Kind, Scope},
        question::{Answer, Complaint, Question, Reply},
        raw::Gap,
        series::{Line, Series},
        state::{Census, Scheduler},
        syntax::{Comparison, Expr, Operand, Query, Show},
        table::{Cell, Column, Row, Table},
    },
    query,
};
use facts::{Thing, chance, rolled_up, text};

/// The hub.
pub(super) struct Hub {
    /// How many nodes it has.
    pub(super) nodes: usize,
    /// How many GPUs each of them has.
    pub(super) gpus: usize,
    /// Its clock, by which its values move.
    pub(super) now: Time,
    /// Whether it asks a scheduler.
    pub(super) has_scheduler: bool,
    /// Why its scheduler does not answer, if it does not.
    pub(super) scheduler_problem: String,
    /// Whether there is much that speaks for its incidents, and much to do.
    pub(super) is_wordy: bool,
    /// How many events have just come at once, besides those that are always there.
    pub(super) burst: usize,
}

impl Hub {
    pub(super) fn new(nodes: usize, gpus: usize) -> Hub {
        let now = Time::from_millis(1_795_442_671_000);
        let (has_scheduler, scheduler_problem) = (nodes > 1, String::new());
        Hub { nodes, gpus, now, has_scheduler, scheduler_problem, is_wordy: false, burst: 0 }
    }

    pub(super) fn answer(&self, question: &Question) -> Reply {
        let answer = query::parse(&question.query).and_then(|query| self.run(&question.query, &query));
        Reply { slot: question.slot, query: question.query.clone(), answer }
    }

    fn things(&self, view: &str, asked: &str) -> Result<Arc<Vec<Thing>>, Complaint> {
        type Made = HashMap<(usize, usize, Time, String), Arc<Vec<Thing>>>;
        /// What was made up once is the same for every test.
        static MADE: LazyLock<Mutex<Made>> = LazyLock::new(Mutex::default);
        // Of a question about one node, only that node is made up.
        let is_of_one = asked.matches("node = 'gpu").count() == 1;
        let named = asked.split_once("node = 'gpu").filter(|_| is_of_one);
        let only = named.and_then(|(_, rest)| rest.get(..3)?.parse::<usize>().ok());
        let kind = format!("{view} {only:?} {} {} {}", self.has_scheduler, self.is_wordy, self.burst);
        let key = (self.nodes, self.gpus, self.now, kind);
        let made = MADE.lock().unwrap().get(&key).cloned();
        if let Some(things) = made {
            return Ok(things);
        }
        let things = Arc::new(self.make(view, only)?);
        MADE.lock().unwrap().insert(key, Arc::clone(&things));
        Ok(things)
    }

    fn run(&self, asked: &str, query: &Query) -> Result<Answer, Complaint> {
        let view = query.view.text.as_str();
        let made = self.things(view, asked)?;
        let mut things: Vec<&Thing> = made.iter().collect();
        if let Some(filter) = &query.filter {
            check_keys(view, filter)?;
            things.retain(|thing| holds(view, thing, filter) == Some(true));
        }
        query.sort.iter().try_for_each(|sort| check_key(view, &sort.operand))?;
        let counted: Vec<Thing> = query.by.first().map_or_else(Vec::new, |by| count(view, &things, &by.text));
        if !query.by.is_empty() {
            things = counted.iter().collect();
        }
        for sort in query.sort.iter().rev() {
            let key = full(view, &sort.operand.to_string());
            things.sort_by(|a, b| order(a, b, &key, sort.descending));
        }
        let keys = shown(view, query);
        let columns: Vec<Column> = keys.iter().map(|key| column(key)).collect();
        let total = things.len() as u64;
        let stale = things.iter().filter(|thing| thing.state != State::Up).count() as u64;
        let offset = query.offset.unwrap_or(0);
        let window = things.into_iter().skip(offset as usize).take(query.limit.map_or(usize::MAX, |n| n as usize));
        if let Some(over) = &query.over {
            let step = over.step.unwrap_or(Duration::from_secs(10));
            let lines = window
                .flat_map(|thing| columns.iter().map(|c| self.line(thing, c, over.span, step)).collect::<Vec<_>>());
            let lines = lines.collect();
            let (time, start) = (self.now, self.now - over.span);
            return Ok(Answer::Series(Series {
                query: asked.into(),
                time,
                start,
                step,
                total,
                lines,
                census: self.census(),
            }));
        }
        let cell = |thing: &Thing, key: &String| thing.facts.get(key).cloned().unwrap_or(Cell::Gap(Gap::Unknown));
        let rows = window.map(|thing| Row {
            cells: keys.iter().map(|key| cell(thing, key)).collect(),
            id: thing.id.clone(),
            state: thing.state,
        });
        let rows = rows.collect();
        let (query, time, census) = (asked.into(), self.now, self.census());
        Ok(Answer::Table(Table { query, time, total, stale, offset, columns, rows, census }))
    }

    fn line(&self, thing: &Thing, column: &Column, span: Duration, step: Duration) -> Line {
        let now = thing.facts.get(&column.key).and_then(Cell::number);
        let n = (span.as_millis() / step.as_millis()) as i64;
        let seed = thing.id.len() + column.key.len();
        let value = |at: i64| {
            let t = self.seconds() - (n - at) as f64 * step.as_secs_f64();
            let wobble = 1.0
                + 0.10 * (t / 37.0 + seed as f64).sin()
                + 0.05 * (t / 7.0).sin()
                + 0.04 * (chance(t as usize) - 0.5);
            now.filter(|_| at > n / 10).map(|now| now * wobble * 0.92)
        };
        Line { id: thing.id.clone(), column: column.clone(), values: (0..n).map(value).collect() }
    }

    fn census(&self) -> Census {
        let mut census = Census {
            gpus: (self.nodes * self.gpus) as u64,
            history: Some(self.now - std::time::Duration::from_mins(12)),
            scheduler: self.has_scheduler.then(|| Scheduler {
                name: "slurm".into(),
                heard: Some(self.now - Duration::from_secs(9)),
                problem: self.scheduler_problem.clone(),
                ..Scheduler::default()
            }),
            ..Census::default()
        };
        (1..=self.nodes).for_each(|node| census.count(Hub::state(node)));
        census
    }
}

/// How many things have each value, and what they are taken together.
fn count(view: &str, things: &[&Thing], by: &str) -> Vec<Thing> {
    let by = full(view, by);
    let mut groups: Vec<(&Cell, Vec<&Thing>)> = Vec::new();
    for thing in things {
        let Some(value) = thing.facts.get(&by) else { continue };
        match groups.iter_mut().find(|(of, _)| *of == value) {
            Some((_, group)) => group.push(thing),
            None => groups.push((value, vec![thing])),
        }
    }
    let group = |(value, things): (&Cell, Vec<&Thing>)| {
        let mut facts = rolled_up(things.iter().copied());
        facts.extend([(by.clone(), value.clone()), ("count".into(), Cell::Number(things.len() as f64))]);
        let id = format!("{by}={}", value.show(&column(&by)));
        Thing { id, state: State::Up, facts }
    };
    groups.into_iter().map(group).collect()
}

/// The full key that `key` is short for in this view.
fn full(view: &str, key: &str) -> String {
    let own = match view {
        "gpus" => ["gpu", "node"],
        "processes" => ["proc", "node"],
        "nics" => ["nic", "node"],
        "cores" => ["core", "node"],
        "mounts" => ["mount", "node"],
        "jobs" | "users" | "accounts" | "partitions" => ["job", "gpu"],
        "energy" => ["energy", "node"],
        "incidents" => ["incident", "node"],
        "rules" => ["rule", "node"],
        _ => ["node", "gpu"],
    };
    if key.contains('(') || MetricId::find(key).is_some() || Field::find(key).is_some() {
        return key.to_owned();
    }
    let candidates = own.iter().map(|scope| format!("{scope}.{key}"));
    let known = candidates.into_iter().find(|full| MetricId::find(full).is_some() || Field::find(full).is_some());
    known.unwrap_or_else(|| key.to_owned())
}

fn check_keys(view: &str, filter: &Expr) -> Result<(), Complaint> {
    match filter {
        Expr::And(all) | Expr::Or(all) => all.iter().try_for_each(|expr| check_keys(view, expr)),
        Expr::Not(expr) => check_keys(view, expr),
        Expr::Compare(operand, ..) | Expr::Match(operand, _) => check_key(view, operand),
        _ => Ok(()),
    }
}

fn check_key(view: &str, operand: &Operand) -> Result<(), Complaint> {
    let Operand::Key(key) = operand else { return Ok(()) };
    let full = full(view, &key.text);
    let is_known =
        MetricId::find(&full).is_some() || Field::find(&full).is_some() || ["rack", "pod", "region"].contains(&&*full);
    if is_known {
        return Ok(());
    }
    Err(Complaint { message: format!("no key is called {}", key.text), at: key.spot.at, len: key.spot.len })
}

fn holds(view: &str, thing: &Thing, expr: &Expr) -> Option<bool> {
    let cell = |operand: &Operand| match operand {
        // No pods are here.
        Operand::Key(key) if key.text == "given.to" => Some(Cell::Gap(Gap::Absent)),
        Operand::Key(key) => thing.facts.get(&full(view, &key.text)).cloned().or_else(|| Some(text(key.text.clone()))),
        Operand::Text(word) => Some(text(word.text.clone())),
        Operand::Number(n) => Some(Cell::Number(n.value)),
        Operand::Absent(_) => Some(Cell::Gap(Gap::Absent)),
        Operand::Peers(..) => thing.facts.get(&operand.to_string()).cloned(),
        _ => None,
    };
    match expr {
        Expr::And(all) => {
            let parts: Vec<_> = all.iter().map(|e| holds(view, thing, e)).collect();
            if parts.contains(&Some(false)) {
                Some(false)
            } else {
                parts.into_iter().collect::<Option<Vec<_>>>().map(|_| true)
            }
        }
        Expr::Or(all) => {
            let parts: Vec<_> = all.iter().map(|e| holds(view, thing, e)).collect();
            if parts.contains(&Some(true)) {
                Some(true)
            } else {
                parts.into_iter().collect::<Option<Vec<_>>>().map(|_| false)
            }
        }
        Expr::Not(expr) => holds(view, thing, expr).map(|held| !held),
        Expr::Word(word) => Some(thing.id.contains(&word.text)),
        Expr::Match(operand, pattern) => match cell(operand)? {
            Cell::Gap(Gap::Unknown) => None,
            Cell::Text(value) => Some(regex::Regex::new(&pattern.text).ok()?.is_match(&value)),
            _ => Some(false),
        },
        Expr::In(operand, list) => Some(Hostlist::parse(&list.text).ok()?.matches(cell(operand)?.text()?)),
        Expr::Compare(left, how, right) => compare(&cell(left)?, *how, &cell(right)?),
        _ => Some(true),
    }
}

fn compare(left: &Cell, how: Comparison, right: &Cell) -> Option<bool> {
    let ordering = match (left, right) {
        (Cell::Number(a), Cell::Number(b)) => a.partial_cmp(b)?,
        (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
        (Cell::Gap(Gap::Absent), Cell::Gap(Gap::Absent)) => std::cmp::Ordering::Equal,
        (Cell::Number(_) | Cell::Text(_), Cell::Gap(Gap::Absent)) => std::cmp::Ordering::Greater,
        (Cell::Gap(Gap::Absent), Cell::Text(_)) => std::cmp::Ordering::Less,
        (Cell::Number(a), Cell::Text(b)) => (*a as i64).to_string().cmp(b),
        (Cell::Flags(names), Cell::Text(name)) => {
            return Some(names.contains(name) == (how == Comparison::Equal));
        }
        _ => return None,
    };
    Some(match how {
        Comparison::Equal => ordering.is_eq(),
        Comparison::NotEqual => ordering.is_ne(),
        Comparison::Less => ordering.is_lt(),
        Comparison::LessOrEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterOrEqual => ordering.is_ge(),
    })
}

fn order(a: &Thing, b: &Thing, key: &str, descending: bool) -> std::cmp::Ordering {
    if key == "state" {
        let by_state = a.state.cmp(&b.state);
        return if descending { by_state.reverse() } else { by_state };
    }
    if key == "incident.severity" {
        let rank = |thing: &Thing| thing.facts.get(key).and_then(Cell::text) == Some("crit");
        return if descending { rank(b).cmp(&rank(a)) } else { rank(a).cmp(&rank(b)) };
    }
    let known = |thing: &Thing| thing.facts.get(key).filter(|cell| !matches!(cell, Cell::Gap(_))).cloned();
    let by_value = match (known(a), known(b)) {
        (Some(Cell::Number(a)), Some(Cell::Number(b))) => a.total_cmp(&b),
        (Some(Cell::Text(a)), Some(Cell::Text(b))) => a.cmp(&b),
        (Some(_), None) => return std::cmp::Ordering::Less,
        (None, Some(_)) => return std::cmp::Ordering::Greater,
        _ => std::cmp::Ordering::Equal,
    };
    if descending { by_value.reverse() } else { by_value }
}

fn shown(view: &str, query: &Query) -> Vec<String> {
    match &query.show {
        Show::All => {
            let scope = match view {
                "gpus" => Scope::Gpu,
                "processes" => Scope::Process,
                _ => Scope::Node,
            };
            let fields =
                crate::model::identity::FIELDS.iter().filter(|row| row.scope == scope).map(|row| row.key.to_owned());
            fields.chain(scope.metrics().iter().map(|metric| metric.key.to_string())).collect()
        }
        Show::Default if view == "energy" => {
            let keys = ["hour", "user", "account", "place", "used", "host", "idle", "gpu.time", "estimated"];
            keys.map(|key| format!("energy.{key}")).into()
        }
        Show::Default if view == "metrics" => {
            let keys = ["key", "title", "unit", "aggregate", "direction", "help", "source"];
            keys.map(|key| format!("metric.{key}")).into()
        }
        Show::Default if view == "cores" => ["node", "core.index", "core.util"].map(String::from).into(),
        Show::Default if view == "fleet" => {
            let keys = ["nodes", "up", "node.gpus", "gpu.util", "gpu.mem.util", "gpu.power", "gpu.temp", "node.cpu"];
            keys.map(String::from).into()
        }
        Show::Default => vec!["node".into(), "state".into()],
        Show::These(operands) => operands.iter().map(|operand| full(view, &operand.to_string())).collect(),
    }
}

fn column(key: &str) -> Column {
    let inner = key.split_once('(').map_or(key, |(_, inner)| inner.trim_end_matches(')'));
    let bare = inner.split_once(" by ").map_or(inner, |(bare, _)| bare);
    if let Some(metric) = MetricId::find(bare).and_then(MetricId::builtin) {
        let title = match key.split_once('(') {
            None => metric.title.to_string(),
            Some(("each", _)) => "GPUS".into(),
            Some((function, _)) => format!("{} {}", function.to_uppercase(), metric.title),
        };
        let kind = if key == bare { metric.kind } else { Kind::Gauge };
        return Column {
            key: key.into(),
            title,
            width: metric.width,
            unit: Some(metric.unit),
            kind: Some(kind),
            direction: metric.direction,
        };
    }
    let row = Field::find(key).map(Field::row);
    if matches!(key, "nodes" | "up" | "count") {
        let (unit, kind, direction) = (Some(crate::model::Unit::One), Some(Kind::Gauge), Direction::Neutral);
        return Column { key: key.into(), title: key.to_uppercase(), width: 5, unit, kind, direction };
    }
    Column {
        key: key.into(),
        title: row.map_or_else(|| catalogue::title(key).unwrap_or_else(|| key.to_uppercase()), |row| row.title.into()),
        width: row.map_or(10, |row| row.width),
        unit: None,
        kind: None,
        direction: Direction::Neutral,
    }
}
