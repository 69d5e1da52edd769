//! The screen of one table: a caption that says what it shows, and its rows.
//! Every view of the query language is shown by it: nodes, GPUs, jobs, places, processes, ports, events, metrics.

mod group;

use group::{in_common, is};

use super::{Asked, Objection, Screen, Step, bench, incident, job::APART, ledger::Ledger};
use crate::{
    model::{
        question::{Answer, Complaint},
        state::Scheduler,
        table::{Cell, Table},
        unit::{Unit, grouped},
    },
    tui::{
        action::Action,
        ask::{Ask, parse_sort, quoted, sorted},
        draw::{Pen, cut_end, width},
        habits::Habit,
        mark,
        orders::Commands,
        shared::Shared,
        theme::Role,
        views::{self, target},
    },
};

/// A table over the whole screen.
pub(crate) struct TableScreen {
    crumb: String,
    ledger: Ledger,
    /// Whether its columns and its sort are those of its view, as a person wants them.
    is_plain: bool,
    objection: Option<Objection>,
    /// Whether it is the bench, of which commands are copied.
    is_bench: bool,
    /// What was said of the marked nodes, of the bench.
    marked: Option<Table>,
}

/// Its questions.
const ROWS: u32 = 0;
const MARKED: u32 = 1;

impl TableScreen {
    /// The table that answers `ask`.
    pub(crate) fn new(ask: Ask, shared: &Shared) -> Self {
        let is_plain = ask.by.is_empty() && ask.show == views::ask(&ask.view, &shared.levels).show;
        TableScreen {
            is_plain,
            crumb: ask.view.clone(),
            ledger: Ledger::new(ask, shared),
            objection: None,
            is_bench: false,
            marked: None,
        }
    }

    /// The view `name` as it begins.
    pub(crate) fn view_of(name: &str, shared: &Shared) -> Self {
        let mut ask = views::ask(name, &shared.levels);
        ask.sort = shared.habits.sort(name).unwrap_or(ask.sort);
        Self::new(ask, shared)
    }

    /// What is inside a place: the places of the next narrower level, or nodes.
    pub(crate) fn inside(level: &str, place: &str, scope: &[String], shared: &Shared) -> Self {
        let below = shared.levels.iter().skip_while(|l| *l != level).nth(1);
        let view = below.map_or_else(|| "nodes".to_owned(), |level| views::plural(level));
        let mut ask = views::ask(&view, &shared.levels);
        ask.scope = scope.to_vec();
        ask.scope.push(format!("{level} = {}", quoted(place)));
        TableScreen { crumb: place.into(), ..Self::new(ask, shared) }
    }

    /// The jobs that have this key's value in common.
    pub(crate) fn jobs_of(key: &str, value: &str, scope: &[String], shared: &Shared) -> Self {
        let mut ask = views::ask("jobs", &shared.levels);
        ask.scope = scope.to_vec();
        ask.scope.push(is(key, value));
        TableScreen { crumb: value.into(), ..Self::new(ask, shared) }
    }

    /// The GPUs of a job, those first that are furthest from its middle.
    pub(super) fn of_job(job: &str, shared: &Shared) -> Self {
        let mut ask = views::ask("gpus", &shared.levels);
        ask.scope.push(format!("job = {}", quoted(job)));
        ask.sort = parse_sort(&format!("-{APART},node,index"));
        ask.show = ask.show.replacen("index,", &format!("index,{APART},verdict,"), 1);
        let mut wanted = views::columns("gpus", &shared.levels);
        wanted.retain(|(key, _)| !["job", "job.user"].contains(&&**key));
        wanted.insert(2, (APART.into(), 0));
        wanted.insert(3, ("verdict".into(), 1));
        let mut screen = TableScreen { crumb: format!("job {job}"), ..Self::new(ask, shared) };
        screen.ledger.wanted = wanted;
        screen.is_plain = false;
        screen
    }

    /// The GPUs that a job had which has ended, and how they are now.
    pub(super) fn of_ended_job(job: &str, shared: &Shared) -> Self {
        let mut ask = views::ask("gpus", &shared.levels);
        ask.scope.push(format!("ran = {}", quoted(job)));
        TableScreen { crumb: format!("job {job}"), ..Self::new(ask, shared) }
    }

    /// The nodes of which the scheduler and we say different things, or agree on what is bad.
    pub(crate) fn bench(shared: &Shared) -> Self {
        let ask = Ask {
            view: "nodes".into(),
            scope: vec!["bench != none".into()],
            sort: parse_sort("-bench,node"),
            show: bench::show(),
            ..Ask::default()
        };
        let mut screen = TableScreen { crumb: "bench".into(), is_bench: true, ..Self::new(ask, shared) };
        screen.is_plain = false;
        screen.ledger.wanted = bench::COLUMNS.map(|(key, rank)| (key.into(), rank)).into();
        screen
    }

    /// The nodes whose names have this in them.
    pub(crate) fn named(part: &str, shared: &Shared) -> Self {
        let mut ask = views::ask("nodes", &shared.levels);
        ask.filter = quoted(part);
        Self::new(ask, shared)
    }

    /// The faulty rows of a view that these conditions describe; none for those of the whole fleet.
    pub(crate) fn faulty(view: &str, scope: &[String], shared: &Shared) -> Self {
        let mut screen = Self::view_of(view, shared);
        screen.ledger.ask.scope = scope.to_vec();
        screen.toggle_faults(shared);
        screen
    }

    /// Narrows the view to faulty rows, or shows all again. Says whether the view knows faults.
    fn toggle_faults(&mut self, shared: &Shared) -> bool {
        let ask = &mut self.ledger.ask;
        let known = views::find(&ask.view, &shared.levels).map(|view| view.faults).filter(|faults| !faults.is_empty());
        match (ask.faults.is_some(), known) {
            (true, _) => ask.faults = None,
            (false, Some(faults)) => ask.faults = Some(faults.into()),
            (false, None) => return false,
        }
        self.ledger.list.restart();
        true
    }

    /// What is wanted of its view from now on: to be sorted as somebody sorted it by hand, now that this could be answered.
    fn wish(&mut self, shared: &Shared) -> Option<Step> {
        // Inside of something, one sorts for once.
        if !std::mem::take(&mut self.ledger.is_sorted_anew) || !self.ledger.ask.scope.is_empty() {
            return None;
        }
        let view = self.manner()?.to_owned();
        let (sort, usual) = (&self.ledger.ask.sort, views::ask(&view, &shared.levels).sort);
        let sort = if *sort == usual { String::new() } else { sorted(sort) };
        let habit = Habit { sort, ..shared.habits.of(&view) };
        Some(Step::Wish(view, habit))
    }

    /// Takes note of so many lines' room.
    pub(super) fn arrange_in(&mut self, lines: u16) {
        self.ledger.set_height(lines.saturating_sub(1));
    }

    fn open(&self, shared: &Shared) -> Step {
        let ask = &self.ledger.ask;
        let Some(id) = self.ledger.list.selected_id() else { return Step::Same };
        if !ask.by.is_empty() {
            // Into a group: the rows that it was made of.
            let mut inner = Ask { by: String::new(), show: String::new(), sort: Vec::new(), ..ask.clone() };
            inner.scope.extend(in_common(&ask.by, id));
            return Step::Open(Box::new(TableScreen {
                crumb: id.into(),
                ..TableScreen::new(views::complete(inner, &shared.levels), shared)
            }));
        }
        // An event's own name says nothing; what it is about does.
        let subject = self.ledger.cell("event.subject").and_then(Cell::text).filter(|subject| !subject.contains(' '));
        match target(&ask.view, subject.unwrap_or(id), &shared.levels) {
            Some(target) => Step::Open(super::of(target, &ask.scope, shared)),
            None => Step::Same,
        }
    }

    fn caption(&self, pen: &mut Pen<'_>, shared: &Shared) {
        let is_gone = self.ledger.gone(shared).is_some();
        let end = if is_gone { pen.width() } else { self.position(pen) };
        let ask = &self.ledger.ask;
        let mut x = pen.text(1, 0, &ask.view.to_uppercase(), Role::PanelTitle);
        let mut part = |role, text: &str| {
            if x + 3 < end {
                x = pen.text(x + 1, 0, &cut_end(text, end.saturating_sub(x + 2)), role);
            }
        };
        for scope in &ask.scope {
            part(Role::Dim, &format!("· {scope}"));
        }
        if ask.faults.is_some() {
            part(Role::Warn, &format!("▲ {} only", self.faulty_word()));
        }
        if !ask.filter.is_empty() {
            part(Role::Dim, "· where");
            part(Role::Accent, &ask.filter);
        }
        if !ask.by.is_empty() {
            part(Role::Dim, &format!("· by {}", ask.by));
        }
        if ask.view == "energy" {
            let table = self.ledger.list.table();
            let has_hosts = table.is_some_and(|table| table.column("energy.host").is_some());
            let of =
                if has_hosts { "GPUs; HOSTS are the rest of metered machines, or their CPUs" } else { "GPUs only" };
            part(Role::Dim, &format!("· of {of} · hours and days are UTC"));
        }
        if (self.is_bench || ["jobs", "users", "accounts", "partitions"].contains(&&*ask.view))
            && let Some(table) = self.ledger.list.table()
        {
            let (role, words) = source(table);
            part(role, &words);
            if table.column("job.energy").is_some() {
                part(Role::Dim, "· energy is of GPUs only");
            }
        }
        if let Some(id) = self.ledger.list.strayed() {
            part(Role::Warn, &format!("· {id} has moved out of these rows"));
        }
    }

    /// The commands of the incident under the cursor.
    fn orders(&self) -> Option<&str> {
        self.incident().and_then(|_| self.ledger.cell("incident.commands")).and_then(Cell::text)
    }

    /// What is left of the view while only faults are wanted.
    fn faulty_word(&self) -> &'static str {
        if self.ledger.ask.view == "incidents" { "open" } else { "faulty" }
    }

    /// Which rows of how many, at the right; says where it begins.
    fn position(&self, pen: &mut Pen<'_>) -> u16 {
        let Some(table) = self.ledger.list.table() else { return pen.width() };
        let (top, rows) = self.ledger.list.visible();
        let shown = rows.count() as u64;
        let count = |n: u64| grouped(i64::try_from(n).unwrap_or(i64::MAX));
        let text = if shown < table.total {
            format!("{}–{} of {}", count(top + 1), count(top + shown), count(table.total))
        } else {
            count(table.total)
        };
        let end = pen.width().saturating_sub(1);
        let mut x = pen.right(end, 0, &text, Role::Strong);
        if table.stale > 0 {
            let silent = format!("{} not up · ", count(table.stale));
            x = pen.right(x, 0, &silent, Role::Stale);
        }
        x
    }

    /// What is to be said instead of rows.
    fn instead(&self) -> Option<(String, Role)> {
        if let Some(objection) = &self.objection {
            // What is wrong with the user's own words stands in the last line, below the rows of the last good ones.
            return objection.word.is_none().then(|| (objection.message.clone(), Role::Crit));
        }
        let Some(table) = self.ledger.list.table() else { return Some(("asking the hub …".into(), Role::Dim)) };
        if table.total > 0 {
            return None;
        }
        let ask = &self.ledger.ask;
        let words = match (ask.faults.is_some(), ask.filter.is_empty()) {
            (true, true) => format!("● no {} {}", self.faulty_word(), ask.view),
            (_, false) => format!("no {} where {}", ask.view, ask.filter),
            (false, true) => format!("no {}", ask.view),
        };
        Some((words, if ask.faults.is_some() { Role::Fine } else { Role::Dim }))
    }
}

/// Who says what jobs there are, and how long ago.
fn source(table: &Table) -> (Role, String) {
    let Some(Scheduler { name, heard, problem, strangers, .. }) = &table.census.scheduler else {
        return (Role::Dim, "· as nodes tell of processes and pods; no scheduler is asked".into());
    };
    // It was heard since the time that the table is of.
    if heard.is_some_and(|heard| heard > table.time) {
        return (Role::Dim, format!("· {name}"));
    }
    let ago = heard.map(|heard| Unit::Seconds.cell(table.time.seconds_after(heard)));
    match (ago, problem.is_empty()) {
        (Some(ago), true) if strangers.is_empty() => (Role::Dim, format!("· {name} {ago} ago")),
        (Some(ago), true) => (Role::Dim, format!("· {name} {ago} ago · it has nodes without an agent: {strangers}")),
        (Some(ago), false) => (Role::Warn, format!("▲ {name} has not answered for {ago}: {problem}")),
        (None, true) => (Role::Dim, format!("· {name} is being asked")),
        (None, false) => (Role::Warn, format!("▲ {name} does not answer: {problem}")),
    }
}

impl Screen for TableScreen {
    fn crumb(&self) -> String {
        self.crumb.clone()
    }

    fn view(&self) -> Option<&str> {
        Some(&self.ledger.ask.view)
    }

    fn asks(&self, shared: &Shared) -> Vec<Asked> {
        let rows = Asked::every(1, ROWS, self.ledger.text(shared));
        let marked = self.is_bench.then(|| bench::ask(&shared.marks)).flatten();
        std::iter::once(rows).chain(marked.map(|text| Asked::every(2, MARKED, text))).collect()
    }

    fn heard(&mut self, part: u32, answer: Result<Answer, Complaint>, shared: &Shared) -> Step {
        match answer {
            Ok(Answer::Table(table)) if part == MARKED => {
                self.marked = Some(table);
                Step::Same
            }
            Err(_) if part == MARKED => Step::Same,
            Ok(Answer::Table(table)) => {
                let objected = self.objection.take().is_some();
                let changed = self.ledger.heard(table, shared) || objected;
                self.wish(shared).unwrap_or_else(|| Step::when(changed))
            }
            Ok(Answer::Series(_)) => Step::Same,
            Err(complaint) => {
                let (offset, limit) = self.ledger.list.window();
                let filter = self.ledger.ask.worded(offset, limit).filter;
                let objection = Some(object(complaint, &filter));
                Step::when(std::mem::replace(&mut self.objection, objection.clone()) != objection)
            }
        }
    }

    fn act(&mut self, action: Action, shared: &Shared) -> Step {
        match action {
            Action::Open => self.open(shared),
            Action::Faults if self.toggle_faults(shared) => Step::Changed,
            Action::Faults => Step::Say(format!("no faults are known of {}", self.ledger.ask.view)),
            _ if self.ledger.act(action, shared.size.0) => Step::Changed,
            _ => Step::Unhandled,
        }
    }

    fn click(&mut self, (x, y): (u16, u16), shared: &Shared) -> Step {
        let Some(y) = y.checked_sub(1) else { return Step::Same };
        if self.ledger.click((x, y), shared.size.0) { self.open(shared) } else { Step::Changed }
    }

    fn arrange(&mut self, shared: &Shared) {
        if self.is_plain {
            self.ledger.take_on(shared);
        }
        self.arrange_in(shared.body().1);
    }

    fn draw(&self, pen: &mut Pen<'_>, shared: &Shared) {
        self.caption(pen, shared);
        let (wide, high) = (pen.width(), pen.height());
        self.ledger.draw(&mut pen.part(0, 1, wide, high.saturating_sub(1)), shared, None, true);
        if let Some((words, role)) = self.instead().filter(|_| self.ledger.gone(shared).is_none()) {
            let x = wide.saturating_sub(width(&words)) / 2;
            pen.text(x, (high / 2).max(2), &words, role);
        }
        // The rows are the last good question's: what is wrong with this one must not go unsaid.
        if let Some(objection) = self.objection.as_ref().filter(|o| o.word.is_some() && high > 2) {
            let mut line = pen.part(0, high - 1, wide, 1);
            line.clear(Role::Prompt);
            line.text(1, 0, &cut_end(&format!("✖ {}", objection.message), wide.saturating_sub(2)), Role::Crit);
        }
    }

    fn hints(&self) -> &'static [Action] {
        if self.ledger.ask.view == "incidents" {
            return &[
                Action::Open,
                Action::Back,
                Action::Acknowledge,
                Action::Filter,
                Action::SortBy,
                Action::Faults,
                Action::Command,
                Action::NextView,
                Action::Help,
            ];
        }
        &[
            Action::Open,
            Action::Back,
            Action::Filter,
            Action::SortBy,
            Action::Faults,
            Action::Command,
            Action::Mark,
            Action::Compare,
            Action::Columns,
            Action::Copy,
            Action::NextView,
            Action::Help,
        ]
    }

    fn incident(&self) -> Option<&str> {
        let is_of_incidents = self.ledger.ask.view == "incidents" && self.ledger.ask.by.is_empty();
        self.ledger.list.selected_id().filter(|_| is_of_incidents)
    }

    fn subject(&self) -> Option<String> {
        self.ledger.list.selected_id().map(str::to_owned)
    }

    fn mark(&self) -> Option<String> {
        let list = &self.ledger.list;
        match list.table().zip(list.selected()) {
            Some((table, row)) => Some(mark::name(table, row).to_owned()),
            // What an incident is about is not known of one that has moved out of these rows.
            None => self.subject().filter(|_| self.incident().is_none()),
        }
    }

    fn onward(&self) -> Option<Action> {
        Some(Action::Down)
    }

    fn copies(&self, marks: &[&str], commands: &Commands) -> Option<Result<String, String>> {
        let list = &self.ledger.list;
        if !self.is_bench {
            return self.orders().filter(|_| marks.is_empty()).and_then(incident::pasted).map(Ok);
        }
        let tables: Vec<&Table> = list.table().into_iter().chain(&self.marked).collect();
        let one: Vec<&str> = list.selected_id().into_iter().collect();
        bench::commands(&tables, if marks.is_empty() { &one } else { marks }, commands)
    }

    fn lacks(&self, shared: &Shared) -> Option<&'static str> {
        self.orders().map(|_| incident::lack(shared))
    }

    fn sheet(&self) -> Option<Ask> {
        Some(self.ledger.shown())
    }

    fn command(&self) -> Option<String> {
        let ask = &self.ledger.ask;
        if self.is_bench && ask.filter.is_empty() {
            return Some("bench".into());
        }
        // Its columns are then those that are wanted of its view.
        let show = if self.is_plain { String::new() } else { ask.show.clone() };
        Some(Ask { show, ..ask.clone() }.query())
    }

    fn wants_letter(&self) -> bool {
        self.ledger.letters
    }

    fn letter(&mut self, letter: Option<char>, shared: &Shared) -> Step {
        self.ledger.letter(letter, shared.size.0);
        Step::Changed
    }

    fn filter(&self) -> Option<&str> {
        Some(&self.ledger.ask.filter)
    }

    fn set_filter(&mut self, text: &str) {
        if self.ledger.ask.filter != text {
            text.clone_into(&mut self.ledger.ask.filter);
            self.objection = None;
            self.ledger.list.restart();
        }
    }

    fn objection(&self) -> Option<&Objection> {
        self.objection.as_ref()
    }

    fn manner(&self) -> Option<&str> {
        self.is_plain.then_some(&*self.ledger.ask.view)
    }

    fn sort(&mut self, words: &str) -> bool {
        self.ledger.sort(words);
        true
    }
}

/// The complaint, with the word of the user's condition that it points at.
fn object(complaint: Complaint, filter: &std::ops::Range<usize>) -> Objection {
    let (from, to) = (complaint.at, complaint.at + complaint.len);
    let inside = !filter.is_empty() && from >= filter.start && from <= filter.end;
    let word = inside.then(|| from - filter.start..to.min(filter.end).max(from) - filter.start);
    Objection { message: complaint.message, word }
}
