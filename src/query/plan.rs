//! Makes a plan of a query: every key resolved, every unit checked, every column known, before any row is looked at.

mod condition;
mod operand;

use std::{cell::RefCell, ops::Range, time::Duration};

use crate::{
    fleet::Fleet,
    model::{
        energy::Tariff,
        identity::Field,
        question::Complaint,
        state::State,
        syntax::{Expr, Moment, Operand, Query, Reduction, Show, Spot, When, Word},
        time::Time,
    },
};

use super::{
    key::{Key, Keys},
    lexer::complain,
    past::{Window, natural_step},
    peers::Wanted,
    snapshot::Snapshot,
    value::{Condition, Shown, Text, Value},
    view::{Kind, Rows, View, grouping},
};

/// The words of states, as a choice.
pub(super) static STATES: &[&str] = &[State::Up.word(), State::Stale.word(), State::Down.word(), State::Missing.word()];

/// A query, ready to be run.
pub(super) struct Plan {
    pub(super) view: View,
    /// Whether MIG instances are rows, too.
    pub(super) mig: bool,
    /// The position of the level of whose places energy is asked.
    pub(super) level: usize,
    /// Which things, or which places, are kept.
    pub(super) filter: Option<Condition>,
    /// The earliest event that is kept.
    pub(super) since: Option<Time>,
    /// The moment that is asked about, where it is not now.
    pub(super) then: Option<Time>,
    /// What rows are grouped by, with each key's name; empty for no grouping.
    pub(super) by: Vec<(String, Text)>,
    /// What to sort by; true for largest first.
    pub(super) sort: Vec<(Value, bool)>,
    pub(super) columns: Vec<Shown>,
    pub(super) limit: Option<u64>,
    pub(super) offset: u64,
    /// The steps along which the columns are looked at, for an answer along time.
    pub(super) past: Option<Window>,
}

impl Plan {
    /// Whether rows stand for several things.
    pub(super) fn is_grouped(&self) -> bool {
        self.view.rows != Rows::Each || !self.by.is_empty()
    }

    /// Whether each thing's history has to be looked at.
    pub(super) fn looks_back(&self) -> bool {
        self.then.is_some() || self.filter.as_ref().is_some_and(Condition::looks_back)
    }

    /// Whether it may be of things of a few nodes, which can be looked for before these are looked at.
    pub(super) fn is_of_few(&self) -> bool {
        self.filter.is_some() && self.view.kind.is_of_nodes() && !self.is_grouped() && !self.looks_back()
    }

    /// Which of so many rows are wanted.
    pub(super) fn window(&self, total: usize) -> Range<usize> {
        let start = usize::try_from(self.offset).unwrap_or(usize::MAX).min(total);
        let limit = self.limit.map_or(total, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        start..start.saturating_add(limit).min(total)
    }
}

/// What is known while a query is planned.
#[derive(Clone, Copy)]
struct Planner<'a> {
    snapshot: &'a Snapshot<'a>,
    keys: Keys<'a>,
    /// Whether what is planned will be evaluated in the past, where only some metrics are known.
    past: bool,
    /// Whether the rows are places, whose past is rolled up.
    placed: bool,
    /// What is to be looked up before the plan can be run.
    wanted: &'a RefCell<Vec<Wanted>>,
}

/// Longest span of the past that a query may ask for.
const LONGEST: Duration = Duration::from_hours(24 * 366);

/// Plans `query` against what the fleet knows. Also says what is to be looked up before the plan can be run.
pub(super) fn plan(snapshot: &Snapshot<'_>, query: &Query) -> Result<(Plan, Vec<Wanted>), Complaint> {
    let fleet = snapshot.fleet;
    let view = View::find(&query.view, fleet.levels())?;
    let placed = view.rows != Rows::Each;
    let grouped = placed || !query.by.is_empty();
    let keys = Keys {
        view: &query.view,
        kind: view.kind,
        grouped: placed,
        catalogue: fleet.catalogue(),
        levels: fleet.levels(),
        fleet: Some(fleet),
    };
    let (since, past) = times(snapshot, query, &view)?;
    let then = moment(snapshot, query, &view)?;
    let wanted = RefCell::new(Vec::new());
    let each = Planner { snapshot, keys, past: false, placed, wanted: &wanted };
    let filter = query.filter.as_ref().map(|expr| each.condition(expr)).transpose()?;
    let by = query.by.iter().map(|word| each.group_key(word)).collect::<Result<Vec<_>, _>>()?;
    let rows = Planner { keys: Keys { grouped, ..keys }, placed: placed && query.by.is_empty(), ..each };
    let sort = query.sort.iter().map(|key| Ok((rows.sortable(&key.operand)?, key.descending)));
    let mut sort = sort.collect::<Result<Vec<_>, Complaint>>()?;
    if view.rows == Rows::Each && query.by.is_empty() {
        leave_out_identity(&mut sort, view.kind, names_mig(query));
    }
    let columns = Planner { past: past.is_some(), ..rows }.columns(query, &view)?;
    let (limit, offset) = (query.limit, query.offset.unwrap_or(0));
    let level = if view.kind == Kind::Energy { energy_level(query, &keys)? } else { 0 };
    let plan = Plan { mig: names_mig(query), view, level, filter, since, then, by, sort, columns, limit, offset, past };
    Ok((plan, wanted.into_inner()))
}

/// What `since`, `at` and `over` ask for.
fn times(snapshot: &Snapshot<'_>, query: &Query, view: &View) -> Result<(Option<Time>, Option<Window>), Complaint> {
    let now = snapshot.now;
    let placed = view.rows != Rows::Each && query.by.is_empty();
    let window = |span: Duration, step: Option<Duration>, until: Time, spot: Spot| {
        let is_job = view.kind == Kind::Job && query.by.is_empty();
        if !view.kind.is_of_nodes() && !is_job {
            return Err(complain(format!("{} have no values along time", view.name), spot));
        }
        if span > LONGEST {
            return Err(complain("a query looks back at most a year", spot));
        }
        Ok(Window::new(span, step.unwrap_or_else(|| natural_step(snapshot.fleet, span, placed)), until))
    };
    match (query.when, query.over) {
        (When::Now | When::At(..), None) => Ok((None, None)),
        (When::At(Moment::Last, spot), Some(_)) => {
            Err(complain("`at last` is one moment; leave it out for values along time", spot))
        }
        (When::Since(Moment::Last, spot), _) => {
            Err(complain("`last` is a moment of each node's own; it stands only after `at`", spot))
        }
        (When::At(moment, _), Some(over)) => {
            window(over.span, over.step, resolve(moment, now), over.spot).map(|window| (None, Some(window)))
        }
        (When::Since(moment, _), None) if matches!(view.kind, Kind::Event | Kind::Energy) => {
            Ok((Some(resolve(moment, now)), None))
        }
        (When::Since(_, spot), Some(_)) => {
            Err(complain("`over` and `since` both say how far back; one is enough", spot))
        }
        (When::Since(moment, spot), None) => {
            let span = now.since(resolve(moment, now));
            if span.is_zero() {
                return Err(complain("that time is still to come", spot));
            }
            window(span, None, now, spot).map(|window| (None, Some(window)))
        }
        (When::Now, Some(over)) => window(over.span, over.step, now, over.spot).map(|window| (None, Some(window))),
    }
}

/// The moment that a query asks about, where it is not now and something is known of it.
fn moment(snapshot: &Snapshot<'_>, query: &Query, view: &View) -> Result<Option<Time>, Complaint> {
    let (When::At(moment, spot), None) = (query.when, query.over) else { return Ok(None) };
    if moment == Moment::Last {
        return Ok(None);
    }
    let then = resolve(moment, snapshot.now);
    if then > snapshot.now {
        return Err(complain("that time is still to come", spot));
    }
    if matches!(view.kind, Kind::Event | Kind::Incident) {
        return Ok(Some(then));
    }
    if view.kind == Kind::Job && query.by.is_empty() && grouping(&view.name).is_none() {
        return match snapshot.fleet.jobs_reach(snapshot.now) {
            reach if reach <= then => Ok(Some(then)),
            reach => Err(complain(format!("jobs are known back to {reach} only"), spot)),
        };
    }
    if !matches!(view.kind, Kind::Node | Kind::Gpu) {
        let known = "nodes, gpus, places, single jobs, events and incidents are";
        return Err(complain(format!("{} are not known `at` a time; {known}", view.name), spot));
    }
    match snapshot.fleet.reach() {
        Some(reach) if reach <= then => Ok(Some(then)),
        Some(reach) => Err(complain(format!("history reaches back to {reach} only"), spot)),
        None => Err(complain("there is no history yet", spot)),
    }
}

pub(super) fn resolve(moment: Moment, now: Time) -> Time {
    const DAY: i64 = 86_400_000;
    let midnight = Time::from_millis(now.as_millis().div_euclid(DAY) * DAY);
    match moment {
        Moment::Absolute(time) => time,
        Moment::Ago(span) => now - span,
        Moment::Clock(seconds) => midnight + Duration::from_secs(u64::from(seconds)),
        Moment::Today => midnight,
        // Refused by the planner: it is another time for every node.
        Moment::Last => now,
    }
}

impl Planner<'_> {
    /// A planner of what is asked of things of one kind, wherever the row itself stands.
    fn of_kind(&self, kind: Kind) -> Self {
        Planner { keys: Keys { kind, grouped: false, ..self.keys }, placed: false, ..*self }
    }

    /// A key to group by, and its full name.
    fn group_key(&self, word: &Word) -> Result<(String, Text), Complaint> {
        let key = self.keys.find(word)?;
        let name = self.keys.name(&key);
        Ok((name, self.text(&key, word)?))
    }

    /// A key as text: numbers by their digits.
    fn text(&self, key: &Key, word: &Word) -> Result<Text, Complaint> {
        match self.value(key, word.spot)? {
            Value::Text(text) => Ok(text),
            Value::Number(numeric) => Ok(Text::Of(Box::new(numeric))),
            Value::Each(_) => Err(complain("a list is no text", word.spot)),
        }
    }

    fn sortable(&self, operand: &Operand) -> Result<Value, Complaint> {
        match self.operand(operand)? {
            Value::Each(_) => Err(complain("`each` gives a list; it stands only after `show`", operand.spot())),
            value => Ok(value),
        }
    }

    fn columns(&self, query: &Query, view: &View) -> Result<Vec<Shown>, Complaint> {
        match &query.show {
            Show::These(operands) => {
                let columns = operands.iter().map(|operand| self.shown(operand)).collect::<Result<Vec<_>, _>>()?;
                if self.past && !columns.iter().any(is_line) {
                    let spot = operands.first().map_or(Spot::default(), Operand::spot);
                    return Err(complain("nothing shown has values along time", spot));
                }
                Ok(columns)
            }
            Show::All => {
                let keys = self.keys.own();
                let names = keys.iter().map(|key| Operand::Key(self.keys.name(key).into()));
                let columns = self.named(query, view).into_iter().chain(names);
                Ok(self.known(columns))
            }
            Show::Default => {
                let named = self.named(query, view);
                let tariff = self.keys.fleet.map(Fleet::tariff);
                let is_known = |name: &&&str| match **name {
                    "energy.host" => self.keys.fleet.is_some_and(Fleet::knows_hosts),
                    "energy.cost" => tariff.is_some_and(Tariff::has_price),
                    "energy.carbon" => tariff.is_some_and(Tariff::has_carbon),
                    _ => true,
                };
                let own = view.columns().iter().filter(is_known).map(|name| default(name));
                // What differs within a group says nothing of it, except for numbers.
                let says = |shown: &Shown| query.by.is_empty() || (is_line(shown) && shown.column.key != "state");
                let mut columns = self.known(named.into_iter());
                let new = |shown: &Shown| columns.iter().all(|other| other.column.key != shown.column.key);
                let own: Vec<Shown> = self.known(own).into_iter().filter(|shown| says(shown) && new(shown)).collect();
                columns.extend(own);
                Ok(columns)
            }
        }
    }

    /// The columns that name a group or a place.
    fn named(&self, query: &Query, view: &View) -> Vec<Operand> {
        let key = |name: &str| Operand::Key(name.into());
        if query.by.is_empty() {
            let level = match view.rows {
                Rows::Places(level) => self.keys.levels.names().get(level),
                _ => None,
            };
            return level.into_iter().map(|level| key(level)).collect();
        }
        let tallies: &[&str] = if view.kind.has_a_node() { &["count", "nodes"] } else { &["count"] };
        query.by.iter().cloned().map(Operand::Key).chain(tallies.iter().map(|name| key(name))).collect()
    }

    /// Those columns that the view has, once each.
    fn known(&self, operands: impl Iterator<Item = Operand>) -> Vec<Shown> {
        let mut columns: Vec<Shown> = Vec::new();
        for shown in operands.filter_map(|operand| self.shown(&operand).ok()) {
            if !columns.iter().any(|other| other.column.key == shown.column.key) {
                columns.push(shown);
            }
        }
        columns
    }
}

/// Leaves out keys at the end of a sort that say what ties go by anyway, so that no column of half a million names is
/// made. MIG instances stand after all whole GPUs, and not where their index would have them.
fn leave_out_identity(sort: &mut Vec<(Value, bool)>, kind: Kind, mig: bool) {
    let ends = |sort: &[(Value, bool)], field| matches!(sort.last(), Some((Value::Text(Text::Field(it, _)), false)) if *it == field);
    if kind == Kind::Job && ends(sort, Field::Job) {
        sort.pop();
        return;
    }
    let has_index = kind == Kind::Gpu && !mig && ends(sort, Field::Index);
    let before = &sort[..sort.len() - usize::from(has_index)];
    if ends(before, Field::Node) && (has_index || matches!(kind, Kind::Gpu | Kind::Node)) {
        sort.truncate(before.len() - 1);
    }
}

/// Whether the column has a value at each step of time.
pub(super) fn is_line(shown: &Shown) -> bool {
    matches!(&shown.value, Value::Number(_))
}

/// One of a view's own columns.
fn default(name: &str) -> Operand {
    match name.strip_suffix(')').and_then(|name| name.split_once('(')) {
        Some(("each", key)) => Operand::Each(key.into()),
        Some(("min", key)) => Operand::Below(Reduction::Min, key.into()),
        Some(("median", key)) => Operand::Below(Reduction::Median, key.into()),
        Some(("mad", key)) => Operand::Below(Reduction::Mad, key.into()),
        _ => Operand::Key(name.into()),
    }
}

/// The position of the level that a question about energy names; the widest, where it names none. By user and the like,
/// energy is known of the widest level only.
fn energy_level(query: &Query, keys: &Keys<'_>) -> Result<usize, Complaint> {
    let named = RefCell::new(Vec::new());
    let see = |operand: &Operand| {
        if let Operand::Key(word) = operand {
            named.borrow_mut().push(word.clone());
        }
        false
    };
    named.borrow_mut().extend(query.by.iter().cloned());
    query.sort.iter().any(|key| see(&key.operand));
    if let Show::These(operands) = &query.show {
        operands.iter().any(see);
    }
    if let Some(filter) = &query.filter {
        mentions(filter, &see);
    }
    let named = named.into_inner();
    let is = |word: &Word, field| keys.find(word).is_ok_and(|key| key == Key::Field(field));
    let levels = || {
        let places = named.iter().filter(|word| is(word, Field::EnergyPlace));
        places.filter_map(|word| Some((keys.levels.position(word)?, word)))
    };
    let Some((level, _)) = levels().next() else { return Ok(0) };
    if let Some((_, other)) = levels().find(|(position, _)| *position != level) {
        return Err(complain("energy is known by the places of one level at a time", other.spot));
    }
    let whose = |word: &&Word| {
        [Field::EnergyUser, Field::EnergyAccount, Field::EnergyPartition].into_iter().any(|field| is(word, field))
    };
    match named.iter().find(whose) {
        Some(word) if level > 0 => {
            let widest = keys.levels.names().first().map_or("", String::as_str);
            Err(complain(format!("energy by {} is known by {widest} only", word.text), word.spot))
        }
        _ => Ok(level),
    }
}

/// Whether the query names the key `mig`, which asks for MIG instances, too.
fn names_mig(query: &Query) -> bool {
    let is_mig = |word: &Word| word == "mig" || word == "gpu.mig";
    let in_operand = |operand: &Operand| matches!(operand, Operand::Key(word) if is_mig(word));
    let shown = match &query.show {
        Show::These(operands) => operands.iter().any(in_operand),
        _ => false,
    };
    shown
        || query.by.iter().any(is_mig)
        || query.sort.iter().any(|key| in_operand(&key.operand))
        || query.filter.as_ref().is_some_and(|filter| mentions(filter, &in_operand))
}

/// Whether a condition about the row itself holds an operand.
fn mentions(expr: &Expr, is: &dyn Fn(&Operand) -> bool) -> bool {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(|part| mentions(part, is)),
        Expr::Not(inner) | Expr::Held(inner, ..) => mentions(inner, is),
        Expr::Compare(left, _, right) => is(left) || is(right),
        Expr::Match(operand, _) | Expr::In(operand, _) | Expr::IsUnknown(operand, _) => is(operand),
        Expr::Quantified(..) | Expr::Word(_) => false,
    }
}
