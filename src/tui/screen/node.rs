//! One node: what it is, its GPUs, its load along time, its cores, ports, disks, processes and last events.
//! A machine without GPUs gives their room to the rest.

mod facts;
mod layout;

use std::ops::Range;

use ratatui::layout::Rect;

use super::{Asked, Screen, Step, ledger::Ledger, replace_series, replace_table, table::TableScreen};
use crate::{
    model::{
        question::{Answer, Complaint},
        series::Series,
        table::Table,
    },
    tui::{
        action::Action,
        ask::quoted,
        draw::{Pen, bar::block, chart::Chart, rows::SPARK, width},
        past,
        shared::Shared,
        theme::Role,
        views::{Target, target},
    },
};
use layout::{Layout, Place};

/// The tables of a node's screen, in the order in which `p` goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Panel {
    /// Its GPUs.
    Gpus,
    /// Its processes.
    Processes,
    /// Its network ports.
    Nics,
    /// Its filesystems.
    Mounts,
    /// What happened on it.
    Events,
}

impl Panel {
    const ALL: [Panel; 5] = [Panel::Gpus, Panel::Processes, Panel::Nics, Panel::Mounts, Panel::Events];

    const fn title(self) -> &'static str {
        match self {
            Panel::Gpus => "GPUS",
            Panel::Processes => "PROCESSES",
            Panel::Nics => "PORTS",
            Panel::Mounts => "DISKS",
            Panel::Events => "EVENTS",
        }
    }
}

const FACTS: u32 = 5;
const CORES: u32 = 6;
const LOAD: u32 = 7;
const SPARKS: u32 = 8;

/// The screen of one node.
pub(crate) struct Node {
    name: String,
    facts: Option<Table>,
    cores: Option<Table>,
    load: Option<Series>,
    sparks: Option<Series>,
    panels: [Ledger; 5],
    focus: Panel,
    chosen: bool,
    layout: Layout,
    trouble: Option<String>,
}

impl Node {
    /// The screen of the node with this name.
    pub(crate) fn new(name: &str, shared: &Shared) -> Self {
        let condition = || format!("node = {}", quoted(name));
        let mut gpus = Ledger::panel("gpus", condition(), &["node"], shared);
        let at = gpus.wanted.iter().position(|(key, _)| key == "gpu.util").map_or(0, |at| at + 1);
        gpus.wanted.insert(at, (format!("{SPARK}gpu.util").into(), 2));
        gpus.ask.sort = crate::tui::ask::parse_sort("index");
        let mut nics = Ledger::panel("nics", condition(), &["node"], shared);
        nics.ask.sort = crate::tui::ask::parse_sort("nic.name");
        let mut panels = [
            gpus,
            Ledger::panel("processes", condition(), &["node"], shared),
            nics,
            Ledger::panel("mounts", condition(), &["node"], shared),
            Ledger::panel("events", condition(), &[], shared),
        ];
        // Here, and only here, a silent node shows what it said last.
        for panel in panels.iter_mut().filter(|panel| panel.ask.view != "events") {
            panel.ask.when = "at last".into();
        }
        Node {
            name: name.into(),
            facts: None,
            cores: None,
            load: None,
            sparks: None,
            panels,
            focus: Panel::Gpus,
            chosen: false,
            layout: Layout::default(),
            trouble: None,
        }
    }

    fn panel(&self, panel: Panel) -> &Ledger {
        &self.panels[panel as usize]
    }

    fn focused(&mut self) -> &mut Ledger {
        &mut self.panels[self.focus as usize]
    }

    fn has_gpus(&self) -> bool {
        self.panel(Panel::Gpus).list.total() > 0
    }

    /// Goes to the next panel that has rows, or the one before.
    fn move_focus(&mut self, back: bool) {
        let n = Panel::ALL.len();
        let here = self.focus as usize;
        let order = (1..n).map(|step| if back { (here + n - step) % n } else { (here + step) % n });
        let next = order.map(|at| Panel::ALL[at]).find(|panel| self.panel(*panel).list.total() > 0);
        self.chosen = true;
        self.focus = next.unwrap_or(self.focus);
    }

    /// Until somebody chose a panel, the first that has rows is it.
    fn settle_focus(&mut self) {
        if !self.chosen {
            let first = Panel::ALL.into_iter().find(|panel| self.panel(*panel).list.total() > 0);
            self.focus = first.unwrap_or(Panel::Processes);
        }
    }

    /// Moves the cursor; past the last GPU it goes on in the processes below.
    fn step(&mut self, action: Action, width: u16) -> bool {
        let leaves = action == Action::Down && self.focus == Panel::Gpus && self.focused().list.is_at_end();
        if leaves && self.panel(Panel::Processes).list.total() > 0 {
            self.focus = Panel::Processes;
            self.focused().list.first();
            self.chosen = true;
            return true;
        }
        let acted = self.focused().act(action, width);
        self.chosen |= acted;
        acted
    }

    fn open(&self, shared: &Shared) -> Step {
        let ledger = self.panel(self.focus);
        let Some(id) = ledger.list.selected_id() else { return Step::Same };
        match target(&ledger.ask.view, id, &shared.levels) {
            Some(Target::Node(_)) | None => Step::Same,
            Some(target) => Step::Open(super::of(target, &[], shared)),
        }
    }

    /// Cells of the panel that the cursor is in.
    fn wide(&self, shared: &Shared) -> u16 {
        let its = |(place, area): &(Place, Rect)| {
            matches!(place, Place::Panel(panel, _) if *panel == self.focus).then_some(area.width)
        };
        self.layout.places().iter().find_map(its).unwrap_or(shared.size.0)
    }

    fn title(&self, panel: Panel) -> String {
        match self.panel(panel).list.total() {
            0 => panel.title().to_owned(),
            n => format!("{} {n}", panel.title()),
        }
    }

    /// The tables that have no room, as the title of the one that has names them: where, and in which words.
    fn tabs(&self, panel: Panel) -> impl Iterator<Item = (Panel, Range<u16>, String)> {
        let mut end = width(&self.title(panel)) + 3;
        Panel::ALL.into_iter().filter(move |other| *other != panel && *other != Panel::Gpus).map(move |other| {
            let words = format!("│ {} ", self.title(other).to_lowercase());
            let from = end;
            end += width(&words);
            (other, from..end, words)
        })
    }

    fn draw_panel(&self, pen: &mut Pen<'_>, panel: Panel, tabs: bool, shared: &Shared) {
        let focused = panel == self.focus;
        let ledger = self.panel(panel);
        pen.rule(0, &self.title(panel), focused);
        for (_, at, words) in self.tabs(panel).filter(|_| tabs) {
            pen.text(at.start, 0, &words, Role::Faint);
        }
        let (wide, high) = (pen.width(), pen.height());
        let mut body = pen.part(0, 1, wide, high.saturating_sub(1));
        if ledger.list.total() == 0 && ledger.list.table().is_some() {
            body.text(2, 0, "none", Role::Faint);
            return;
        }
        ledger.draw(&mut body, shared, self.sparks.as_ref(), focused);
    }

    fn draw_load(&self, pen: &mut Pen<'_>, which: usize, shared: &Shared) {
        let line =
            |key: &str| self.load.as_ref().and_then(|load| load.lines.iter().find(|line| line.column.key == key));
        let fact = |key: &str| {
            self.facts.as_ref().and_then(|facts| facts.cell(0, key)).and_then(crate::model::table::Cell::number)
        };
        let note = match which {
            0 => fact("node.load1").map(|load| format!("load {load:.2}")),
            1 => fact("node.mem.total").map(|total| format!("of {}", crate::model::Unit::Bytes.text(total))),
            _ => None,
        };
        let limit = fact("node.mem.total").filter(|_| which == 1);
        let (title, lines) = match which {
            0 => ("CPU", vec![("", line("node.cpu"))]),
            1 => ("MEMORY", vec![("", line("node.mem.used"))]),
            2 => ("NET", vec![("↓ ", line("node.net.rx")), ("↑ ", line("node.net.tx"))]),
            // What waits for a job's neighbours says more than what waits for a disk, where there is such.
            _ if fact("node.ib.ports").is_some_and(|ports| ports > 0.0) => {
                ("RDMA", vec![("↓ ", line("node.ib.rx")), ("↑ ", line("node.ib.tx"))])
            }
            _ => ("DISK", vec![("read ", line("node.disk.read")), ("write ", line("node.disk.write"))]),
        };
        Chart { title, lines, note: note.unwrap_or_default(), limit, span: shared.span_words() }.draw(pen);
    }

    /// All cores, one block each.
    fn draw_cores(&self, pen: &mut Pen<'_>, shared: &Shared) {
        let Some(table) = &self.cores else { return };
        if shared.then.is_some() {
            pen.text(1, 0, &past::gone("cores"), Role::Dim);
            return;
        }
        let Some(at) = table.column("core.util") else { return };
        let (wide, high) = (pen.width().saturating_sub(7).max(1), pen.height());
        pen.text(0, 0, "CORES", Role::PanelTitle);
        // Few cores have room for their numbers.
        let each = if table.rows.len() * 7 <= usize::from(wide) { 7 } else { 1 };
        for (n, row) in table.rows.iter().enumerate() {
            let n = n * each;
            let (x, y) = (7 + (n % usize::from(wide)) as u16, (n / usize::from(wide)) as u16);
            if y >= high {
                break;
            }
            match row.cells.get(at).and_then(crate::model::table::Cell::number) {
                Some(util) => {
                    pen.text(x, y, block(util / 100.0), if util < 2.0 { Role::Faint } else { Role::Bar });
                    if each > 1 {
                        pen.right(x + 6, y, &crate::model::Unit::Percent.cell(util), Role::Dim);
                    }
                }
                None => {
                    pen.text(x, y, "░", Role::Faint);
                }
            }
        }
    }
}

impl Screen for Node {
    fn crumb(&self) -> String {
        self.name.clone()
    }

    fn asks(&self, shared: &Shared) -> Vec<Asked> {
        let node = quoted(&self.name);
        let over = shared.over();
        let pace = shared.pace().as_secs();
        let mut asks = vec![
            Asked::every(1, FACTS, facts::query(&self.name, &shared.levels)),
            Asked::every(
                2,
                CORES,
                format!("cores where node = {node} sort core.index show core.index,core.util limit 500 at last"),
            ),
            Asked::every(
                pace,
                LOAD,
                format!(
                    "nodes where node = {node} show node.cpu,node.mem.used,node.net.rx,node.net.tx,node.disk.read,\
                     node.disk.write,node.ib.rx,node.ib.tx {over}"
                ),
            ),
        ];
        if self.has_gpus() {
            asks.push(Asked::every(pace, SPARKS, format!("gpus where node = {node} show gpu.util {over}")));
        }
        for panel in Panel::ALL {
            let every = if panel == Panel::Gpus { 1 } else { 2 };
            asks.push(Asked::every(every, panel as u32, self.panel(panel).text(shared)));
        }
        asks
    }

    fn heard(&mut self, part: u32, answer: Result<Answer, Complaint>, shared: &Shared) -> Step {
        let step = match (part, answer) {
            (_, Err(complaint)) => {
                let trouble = Some(complaint.message);
                return Step::when(std::mem::replace(&mut self.trouble, trouble.clone()) != trouble);
            }
            // Whoever went to a node by a part of its name is shown all that have it.
            (FACTS, Ok(Answer::Table(table))) if table.total == 0 && self.facts.is_none() => {
                return Step::Replace(Box::new(TableScreen::named(&self.name, shared)));
            }
            (FACTS, Ok(Answer::Table(table))) => replace_table(&mut self.facts, table),
            (CORES, Ok(Answer::Table(table))) => replace_table(&mut self.cores, table),
            (LOAD, Ok(Answer::Series(series))) => replace_series(&mut self.load, series),
            (SPARKS, Ok(Answer::Series(series))) => replace_series(&mut self.sparks, series),
            (part, Ok(Answer::Table(table))) => {
                let Some(panel) = self.panels.get_mut(part as usize) else { return Step::Same };
                panel.heard(table, shared)
            }
            _ => false,
        };
        if step {
            self.settle_focus();
            self.arrange(shared);
        }
        Step::when(step)
    }

    fn act(&mut self, action: Action, shared: &Shared) -> Step {
        match action {
            Action::Open => return self.open(shared),
            Action::Faults => return super::troubles(Target::Node(self.name.clone()), shared),
            Action::NextPanel | Action::Right => self.move_focus(false),
            Action::PreviousPanel | Action::Left => self.move_focus(true),
            _ => {
                let wide = self.wide(shared);
                return if self.step(action, wide) { Step::Changed } else { Step::Unhandled };
            }
        }
        self.arrange(shared);
        Step::Changed
    }

    fn click(&mut self, (x, y): (u16, u16), shared: &Shared) -> Step {
        let panel = |(place, area): &(Place, Rect)| match place {
            Place::Panel(panel, tabs) if area.contains((x, y).into()) => Some((*panel, *tabs, *area)),
            _ => None,
        };
        let Some((panel, tabs, area)) = self.layout.places().iter().find_map(panel) else { return Step::Same };
        let (x, y) = (x - area.x, y - area.y);
        let named = self.tabs(panel).find(|(_, at, _)| tabs && y == 0 && at.contains(&x));
        let to = named.map_or(panel, |(other, ..)| other);
        if self.panel(to).list.total() == 0 {
            return Step::Same;
        }
        let was = std::mem::replace(&mut self.focus, to);
        self.chosen = true;
        let again = y > 0 && self.focused().click((x, y - 1), area.width);
        self.arrange(shared);
        if again && was == to { self.open(shared) } else { Step::Changed }
    }

    fn arrange(&mut self, shared: &Shared) {
        let rows = Panel::ALL.map(|panel| self.panel(panel).list.total());
        let cores = self.cores.as_ref().map_or(0, |table| table.rows.len());
        self.layout = Layout::of(shared.body(), rows, cores, self.focus);
        for (place, area) in self.layout.places() {
            if let Place::Panel(panel, _) = place {
                self.panels[*panel as usize].set_height(area.height.saturating_sub(1));
            }
        }
    }

    fn draw(&self, pen: &mut Pen<'_>, shared: &Shared) {
        for (place, area) in self.layout.places() {
            let mut part = pen.part(area.x, area.y, area.width, area.height);
            match place {
                Place::Facts => {
                    facts::draw(&mut part, &self.name, self.facts.as_ref(), self.trouble.as_deref(), shared);
                }
                Place::Panel(panel, tabs) => self.draw_panel(&mut part, *panel, *tabs, shared),
                Place::Load(which) => self.draw_load(&mut part, *which, shared),
                Place::Cores => self.draw_cores(&mut part, shared),
            }
        }
    }

    fn hints(&self) -> &'static [Action] {
        &[
            Action::Open,
            Action::Back,
            Action::NextPanel,
            Action::Faults,
            Action::SortBy,
            Action::ZoomOut,
            Action::Command,
            Action::Copy,
            Action::NextView,
            Action::Help,
        ]
    }

    fn subject(&self) -> Option<String> {
        match self.focus {
            Panel::Gpus => self.panel(Panel::Gpus).list.selected_id().map(str::to_owned),
            _ => Some(self.name.clone()),
        }
    }

    fn onward(&self) -> Option<Action> {
        let is_more = self.focus == Panel::Gpus && !self.panel(Panel::Gpus).list.is_at_end();
        is_more.then_some(Action::Down)
    }

    fn command(&self) -> Option<String> {
        Some(format!("node {}", self.name))
    }

    fn wants_letter(&self) -> bool {
        self.panel(self.focus).letters
    }

    fn letter(&mut self, letter: Option<char>, shared: &Shared) -> Step {
        let wide = self.wide(shared);
        self.focused().letter(letter, wide);
        Step::Changed
    }

    fn sort(&mut self, words: &str) -> bool {
        self.focused().sort(words);
        true
    }
}
