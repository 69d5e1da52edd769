//! One GPU: its values along time, all its metrics by what they are about, its processes and its events.

mod sheet;

use ratatui::layout::Rect;

use super::{Asked, Screen, Step, ledger::Ledger, replace_series, replace_table};
use crate::{
    model::{
        question::{Answer, Complaint},
        series::Series,
        table::{Cell, Table},
    },
    tui::{
        action::Action,
        ask::{parse_sort, quoted},
        draw::{Pen, chart::Chart, cut_end, width},
        mark,
        shared::Shared,
        theme::Role,
        verdict::{Health, grade_word, verdict},
        views::{Target, target},
    },
};

const FACTS: u32 = 2;
const CURVES: u32 = 3;

/// The curves: key, title, and the key of the limit that tops the scale.
const GRAPHS: [(&str, &str, &str); 6] = [
    ("gpu.util", "UTIL", ""),
    ("gpu.power", "POWER", "gpu.power.limit"),
    ("gpu.temp", "TEMP", ""),
    ("gpu.tensor.active", "TENSOR", ""),
    ("gpu.mem.used", "MEMORY", "gpu.mem.total"),
    ("gpu.clock.sm", "SM CLOCK", "gpu.clock.sm.max"),
];

/// The screen of one GPU.
pub(crate) struct Gpu {
    node: String,
    index: String,
    facts: Option<Table>,
    curves: Option<Series>,
    processes: Ledger,
    events: Ledger,
    focus: Focus,
    /// Lines of the metrics that are scrolled away.
    scrolled: usize,
    trouble: Option<String>,
}

/// Where the cursor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Focus {
    Processes,
    Events,
    Metrics,
}

impl Gpu {
    /// The screen of the GPU or MIG instance `index` of `node`.
    pub(crate) fn new(node: &str, index: &str, shared: &Shared) -> Self {
        // A process lists its GPUs as `0,3`.
        let pattern = quoted(&format!("(^|,){}(,|$)", index.replace('.', "[.]")));
        let uses = format!("node = {} and proc.gpu ~ {pattern}", quoted(node));
        let mut processes = Ledger::panel("processes", uses, &["node", "proc.gpu"], shared);
        processes.ask.sort = parse_sort("-proc.mem.gpu");
        processes.ask.when = "at last".into();
        let about = format!("event.subject = {}", quoted(&format!("{node}:{index}")));
        let events = Ledger::panel("events", about, &["event.subject"], shared);
        Gpu {
            node: node.into(),
            index: index.into(),
            facts: None,
            curves: None,
            processes,
            events,
            focus: Focus::Processes,
            scrolled: 0,
            trouble: None,
        }
    }

    fn condition(&self) -> String {
        format!("node = {} and index = {}", quoted(&self.node), quoted(&self.index))
    }

    fn focused(&mut self) -> &mut Ledger {
        if self.focus == Focus::Events { &mut self.events } else { &mut self.processes }
    }

    /// Cells of the table that the cursor is in.
    fn wide(&self, shared: &Shared) -> u16 {
        let layout = Layout::of(shared.body());
        if self.focus == Focus::Events { layout.events.width } else { layout.processes.width }
    }

    fn open(&self, shared: &Shared) -> Step {
        let id = self.processes.list.selected_id().filter(|_| self.focus == Focus::Processes);
        match id.and_then(|id| target("processes", id, &shared.levels)) {
            Some(Target::Process(node, pid)) => Step::Open(super::of(Target::Process(node, pid), &[], shared)),
            _ => Step::Same,
        }
    }

    fn scroll(&mut self, action: Action) -> bool {
        let last = sheet::lines(self.facts.as_ref()).saturating_sub(1);
        self.scrolled = match action {
            Action::Down => self.scrolled + 1,
            Action::Up => self.scrolled.saturating_sub(1),
            Action::PageDown | Action::HalfDown => self.scrolled + 10,
            Action::PageUp | Action::HalfUp => self.scrolled.saturating_sub(10),
            Action::Top => 0,
            Action::Bottom => last,
            _ => return false,
        };
        self.scrolled = self.scrolled.min(last);
        true
    }

    fn fact(&self, key: &str) -> Option<&Cell> {
        self.facts.as_ref()?.cell(0, key)
    }

    fn draw_head(&self, pen: &mut Pen<'_>, shared: &Shared) {
        let name = format!("GPU {}", self.index);
        mark::draw(pen, 0, &self.crumb(), shared);
        let Some((table, row)) = self.facts.as_ref().and_then(|table| table.rows.first().map(|row| (table, row)))
        else {
            let x = pen.text(1, 0, &name, Role::Strong);
            let asked = if self.facts.is_some() { "no GPU of this number" } else { "asking the hub …" };
            pen.text(x + 2, 0, self.trouble.as_deref().unwrap_or(asked), Role::Dim);
            return;
        };
        let found = verdict(table, row);
        let mut x = pen.text(1, 0, found.health.mark(), found.health.role());
        x = pen.text(x + 1, 0, &name, Role::Strong);
        if let Some(model) = self.fact("model").and_then(Cell::text) {
            x = pen.text(x + 2, 0, model, Role::Totals);
        }
        let room = pen.width().saturating_sub(x + 3);
        pen.text(x + 2, 0, &cut_end(&found.why, room), found.health.role());
        let mut x = 1;
        for (key, title) in [
            ("verdict", "verdict"),
            ("given.to", "given to"),
            ("bus", "bus"),
            ("serial", "serial"),
            ("numa", "NUMA"),
            ("mig", "MIG"),
            ("vbios", "VBIOS"),
            ("uuid", ""),
            ("gsp", "GSP"),
        ] {
            let Some(text) = self.fact(key).and_then(Cell::text).filter(|text| !text.is_empty()) else { continue };
            if (key, text) == ("verdict", "fine") {
                continue;
            }
            let words = format!("{title} {text}");
            if x + width(words.trim()) + 3 <= pen.width() {
                let role = match grade_word(key, text) {
                    Health::Fine => Role::Dim,
                    health => health.role(),
                };
                x = pen.text(x, 1, words.trim(), role) + 3;
            }
        }
    }

    fn draw_graphs(&self, pen: &mut Pen<'_>, (columns, tall): (u16, u16), shared: &Shared) {
        let each = pen.width() / columns.max(1);
        for (at, (key, title, limit)) in GRAPHS.iter().enumerate() {
            let at = at as u16;
            let line = self.curves.as_ref().and_then(|curves| curves.lines.iter().find(|line| line.column.key == *key));
            let limit = self.fact(limit).and_then(Cell::number);
            let mut part = pen.part(at % columns * each + 1, at / columns * tall, each.saturating_sub(2), tall);
            // A blank line between one row of graphs and the next.
            let (wide, high) = (part.width(), if tall > 3 { tall - 1 } else { tall });
            let note = limit.zip(line).map_or_else(String::new, |(limit, line)| {
                format!("of {}", line.column.unit.unwrap_or(crate::model::Unit::One).text(limit))
            });
            Chart { title, lines: vec![("", line)], note, limit, span: shared.span_words() }
                .draw(&mut part.part(0, 0, wide, high));
        }
    }

    fn draw_panel(&self, pen: &mut Pen<'_>, events: bool, shared: &Shared) {
        let (ledger, title) = if events { (&self.events, "EVENTS") } else { (&self.processes, "PROCESSES") };
        let focused = self.focus == if events { Focus::Events } else { Focus::Processes };
        pen.rule(0, title, focused);
        let (wide, high) = (pen.width(), pen.height());
        let mut body = pen.part(0, 1, wide, high.saturating_sub(1));
        if ledger.list.total() == 0 {
            body.text(2, 0, "none", Role::Faint);
        } else {
            ledger.draw(&mut body, shared, None, focused);
        }
    }
}

/// Where the parts stand.
struct Layout {
    graphs: Rect,
    columns: u16,
    tall: u16,
    metrics: Rect,
    processes: Rect,
    events: Rect,
}

impl Layout {
    fn of((width, height): (u16, u16)) -> Layout {
        let columns = if width >= 120 { 3 } else { 2 };
        let lines = 6_u16.div_ceil(columns);
        let rest = height.saturating_sub(2);
        let tall = match rest / 2 / lines {
            0..=3 => 1,
            n => n.min(9),
        };
        let graphs = Rect::new(0, 2, width, (tall * lines).min(rest));
        let rest = height.saturating_sub(graphs.bottom());
        if width >= 130 {
            let left = width / 2;
            let metrics = Rect::new(0, graphs.bottom(), left - 1, rest);
            let half = rest / 2;
            let processes = Rect::new(left, graphs.bottom(), width - left, half);
            let events = Rect::new(left, graphs.bottom() + half, width - left, rest - half);
            return Layout { graphs, columns, tall, metrics, processes, events };
        }
        // On a narrow screen the metrics take what they need and the panels share what is left.
        let below = (rest / 3).clamp(rest.min(3), 8);
        let metrics = Rect::new(0, graphs.bottom(), width, rest - below);
        let half = width / 2;
        let processes = Rect::new(0, metrics.bottom(), half.saturating_sub(1), below);
        let events = Rect::new(half, metrics.bottom(), width - half, below);
        Layout { graphs, columns, tall, metrics, processes, events }
    }
}

impl Screen for Gpu {
    fn crumb(&self) -> String {
        format!("{}:{}", self.node, self.index)
    }

    fn asks(&self, shared: &Shared) -> Vec<Asked> {
        let condition = self.condition();
        let keys: Vec<&str> = GRAPHS.iter().map(|(key, _, _)| *key).collect();
        let curves = format!("gpus where {condition} show {} {}", keys.join(","), shared.over());
        vec![
            Asked::every(2, 0, self.processes.text(shared)),
            Asked::every(2, 1, self.events.text(shared)),
            Asked::every(1, FACTS, format!("gpus where {condition} show * at last")),
            Asked::every(shared.pace().as_secs(), CURVES, curves),
        ]
    }

    fn heard(&mut self, part: u32, answer: Result<Answer, Complaint>, shared: &Shared) -> Step {
        Step::when(match (part, answer) {
            (0, Ok(Answer::Table(table))) => self.processes.heard(table, shared),
            (1, Ok(Answer::Table(table))) => self.events.heard(table, shared),
            (FACTS, Ok(Answer::Table(table))) => replace_table(&mut self.facts, table),
            (CURVES, Ok(Answer::Series(series))) => replace_series(&mut self.curves, series),
            (_, Err(complaint)) => {
                let trouble = Some(complaint.message);
                std::mem::replace(&mut self.trouble, trouble.clone()) != trouble
            }
            _ => false,
        })
    }

    fn act(&mut self, action: Action, shared: &Shared) -> Step {
        match action {
            Action::NextPanel | Action::Right => {
                self.focus = match self.focus {
                    Focus::Processes => Focus::Events,
                    Focus::Events => Focus::Metrics,
                    Focus::Metrics => Focus::Processes,
                };
                Step::Changed
            }
            Action::PreviousPanel | Action::Left => {
                self.focus = match self.focus {
                    Focus::Processes => Focus::Metrics,
                    Focus::Events => Focus::Processes,
                    Focus::Metrics => Focus::Events,
                };
                Step::Changed
            }
            _ if self.focus == Focus::Metrics && self.scroll(action) => Step::Changed,
            Action::Open => self.open(shared),
            Action::Faults => super::troubles(Target::Gpu(self.node.clone(), self.index.clone()), shared),
            _ => {
                let wide = self.wide(shared);
                if self.focused().act(action, wide) { Step::Changed } else { Step::Unhandled }
            }
        }
    }

    fn click(&mut self, (x, y): (u16, u16), shared: &Shared) -> Step {
        let Layout { metrics, processes, events, .. } = Layout::of(shared.body());
        let panels = [(Focus::Processes, processes), (Focus::Events, events), (Focus::Metrics, metrics)];
        let clicked = panels.into_iter().find(|(_, area)| area.contains((x, y).into()));
        let Some((focus, area)) = clicked else { return Step::Same };
        let was = std::mem::replace(&mut self.focus, focus);
        let is_row = focus != Focus::Metrics && y > area.y && self.focused().list.total() > 0;
        let again = is_row && self.focused().click((x - area.x, y - area.y - 1), area.width);
        if again && was == focus { self.open(shared) } else { Step::Changed }
    }

    fn arrange(&mut self, shared: &Shared) {
        let layout = Layout::of(shared.body());
        self.processes.set_height(layout.processes.height.saturating_sub(1));
        self.events.set_height(layout.events.height.saturating_sub(1));
    }

    fn draw(&self, pen: &mut Pen<'_>, shared: &Shared) {
        let layout = Layout::of((pen.width(), pen.height()));
        self.draw_head(pen, shared);
        let mut part =
            |area: Rect, draw: &dyn Fn(&mut Pen<'_>)| draw(&mut pen.part(area.x, area.y, area.width, area.height));
        part(layout.graphs, &|pen| self.draw_graphs(pen, (layout.columns, layout.tall), shared));
        part(layout.metrics, &|pen| {
            sheet::draw(pen, self.facts.as_ref(), self.scrolled, self.focus == Focus::Metrics);
        });
        part(layout.processes, &|pen| self.draw_panel(pen, false, shared));
        part(layout.events, &|pen| self.draw_panel(pen, true, shared));
    }

    fn hints(&self) -> &'static [Action] {
        &[
            Action::Open,
            Action::Back,
            Action::NextPanel,
            Action::Faults,
            Action::ZoomIn,
            Action::ZoomOut,
            Action::Command,
            Action::Copy,
            Action::NextView,
            Action::Help,
        ]
    }

    fn subject(&self) -> Option<String> {
        Some(format!("{}:{}", self.node, self.index))
    }

    fn command(&self) -> Option<String> {
        Some(format!("gpu {}:{}", self.node, self.index))
    }

    fn wants_letter(&self) -> bool {
        self.processes.letters || self.events.letters
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
