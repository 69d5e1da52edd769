//! The first screen: is the fleet healthy? A grid of everything, what is wrong worst first, and the load along time.
//! Into a place the same screen shows that place alone, its cells one step closer. Where the fleet is one machine, its
//! own screen says more and takes this one's place.

mod grid;
mod problems;

use ratatui::layout::Rect;

use super::{Asked, Screen, Step, incident, ledger::Ledger, node::Node, replace_series};
use crate::{
    model::{
        question::{Answer, Complaint},
        series::Series,
        table::Cell,
    },
    tui::{
        action::Action,
        ask::quoted,
        draw::{Pen, chart::Chart},
        mark,
        orders::Commands,
        shared::Shared,
        theme::Role,
        views::{self, Target},
    },
};
use grid::Grid;
use problems::Problems;

const GRID: u32 = 0;
const LOAD: u32 = 1;
const PROBLEMS: u32 = 2;
const TOP: u32 = 3;
const PLACES: u32 = 4;

/// The place that an overview is of.
#[derive(Default)]
struct Inside {
    /// Level and name; nothing for the whole fleet.
    place: Option<(String, String)>,
    /// Conditions of what is in it.
    conditions: Vec<String>,
}

/// The overview, of everything or of one place.
pub(crate) struct Overview {
    inside: Inside,
    grid: Grid,
    problems: Problems,
    load: Option<Series>,
    top: Ledger,
    top_is_gpus: bool,
    places: Option<Ledger>,
    in_problems: bool,
    /// Whether the screen of the only node may take this one's place.
    yields: bool,
    trouble: Option<String>,
}

impl Overview {
    /// The overview. Where one machine is all that is watched, it `yields` to that machine's screen.
    pub(crate) fn new(yields: bool, shared: &Shared) -> Self {
        Overview { yields, ..Overview::of(Inside::default(), Grid::of_all(shared), shared) }
    }

    /// The overview of one place, reached through places that `conditions` name.
    fn inside(level: &str, place: &str, mut conditions: Vec<String>, shared: &Shared) -> Self {
        conditions.push(format!("{level} = {}", quoted(place)));
        let position = shared.levels.iter().position(|other| other == level).unwrap_or_default();
        let grid = Grid::inside(position, conditions.clone(), shared);
        Overview::of(Inside { place: Some((level.into(), place.into())), conditions }, grid, shared)
    }

    fn of(inside: Inside, grid: Grid, shared: &Shared) -> Self {
        Overview {
            grid,
            problems: Problems::default(),
            load: None,
            top: top_table(true, &inside, shared),
            top_is_gpus: true,
            places: places_table(&inside, shared),
            in_problems: false,
            yields: false,
            trouble: None,
            inside,
        }
    }

    /// Where its parts are.
    fn layout(&self, body: (u16, u16)) -> Layout {
        // The widest part that the grid could have says how many lines it needs.
        let widest = Layout::of(body, u16::MAX / 4);
        Layout::of(body, self.grid.lines(widest.grid.width, widest.grid.height.saturating_sub(2)))
    }

    fn open(&self, shared: &Shared) -> Step {
        let incident = || self.problems.chosen().map(|id| Target::Incident(id.into()));
        match if self.in_problems { incident() } else { self.grid.target(shared) } {
            None => Step::Same,
            Some(Target::Place(level, place)) => {
                Step::Open(Box::new(Overview::inside(&level, &place, self.inside.conditions.clone(), shared)))
            }
            Some(target) => Step::Open(super::of(target, &[], shared)),
        }
    }

    fn draw_load(&self, pen: &mut Pen<'_>, columns: u16, shared: &Shared) {
        let line =
            |key: &str| self.load.as_ref().and_then(|load| load.lines.iter().find(|line| line.column.key == key));
        let charts: [(&str, Vec<(&str, &str)>); 4] = if shared.no_gpus() {
            [
                ("CPU", vec![("", "node.cpu")]),
                ("MEMORY", vec![("", "node.mem.used")]),
                ("NET", vec![("↓ ", "node.net.rx"), ("↑ ", "node.net.tx")]),
                ("RDMA", vec![("↓ ", "node.ib.rx"), ("↑ ", "node.ib.tx")]),
            ]
        } else {
            [
                ("UTIL", vec![("", "gpu.util")]),
                ("POWER", vec![("", "gpu.power")]),
                ("HBM", vec![("", "gpu.mem.util")]),
                ("HOTTEST", vec![("", "gpu.temp")]),
            ]
        };
        let rows = 4_u16.div_ceil(columns);
        let (each, tall) = (pen.width() / columns, pen.height() / rows);
        for (at, (title, keys)) in charts.into_iter().enumerate() {
            let at = at as u16;
            let lines: Vec<_> = keys.iter().map(|(sign, key)| (*sign, line(key))).collect();
            let (x, y) = (at % columns * each + 1, at / columns * tall);
            let blank = u16::from(tall > 3);
            let limit =
                fleet_number(shared, "gpu.power.limit").filter(|_| title == "POWER" && self.inside.place.is_none());
            let note = limit.map_or_else(String::new, |limit| format!("of {}", crate::model::Unit::Watts.text(limit)));
            Chart { title, lines, note, limit, span: shared.span_words() }.draw(&mut pen.part(
                x,
                y,
                each.saturating_sub(2),
                tall.saturating_sub(blank),
            ));
        }
    }

    fn draw_places(&self, pen: &mut Pen<'_>, shared: &Shared) {
        let Some(places) = &self.places else { return };
        pen.rule(0, &places.ask.view.to_uppercase(), false);
        let (wide, high) = (pen.width(), pen.height());
        places.draw(&mut pen.part(0, 1, wide, high.saturating_sub(1)), shared, None, false);
    }

    fn draw_top(&self, pen: &mut Pen<'_>, shared: &Shared) {
        pen.rule(0, if self.top_is_gpus { "HOTTEST GPUS" } else { "BUSIEST NODES" }, false);
        let (wide, high) = (pen.width(), pen.height());
        self.top.draw(&mut pen.part(0, 1, wide, high.saturating_sub(1)), shared, None, false);
    }
}

/// A number of the row that stands for the whole fleet.
fn fleet_number(shared: &Shared, key: &str) -> Option<f64> {
    shared.totals.fleet.as_ref()?.cell(0, key).and_then(Cell::number)
}

fn top_table(gpus: bool, inside: &Inside, shared: &Shared) -> Ledger {
    let (view, sort, show) = if gpus {
        ("gpus", "-gpu.temp", "node,index,gpu.temp,gpu.power,gpu.util,gpu.temp.mem")
    } else {
        ("nodes", "-node.cpu", "node,node.cpu,node.mem.util,node.load1,node.net.rx")
    };
    let mut ask = views::ask(view, &shared.levels);
    ask.sort = crate::tui::ask::parse_sort(sort);
    ask.show = show.into();
    ask.scope.clone_from(&inside.conditions);
    Ledger::new(ask, shared)
}

/// The narrowest places, or the nodes of such a place; those that draw most power first.
fn places_table(inside: &Inside, shared: &Shared) -> Option<Ledger> {
    let narrowest = shared.levels.last()?;
    let is_narrowest = inside.place.as_ref().is_some_and(|(level, _)| level == narrowest);
    let view = if is_narrowest { "nodes".to_owned() } else { views::plural(narrowest) };
    let mut ask = views::ask(&view, &shared.levels);
    ask.scope.clone_from(&inside.conditions);
    ask.sort = crate::tui::ask::parse_sort(if shared.no_gpus() { "-node.cpu" } else { "-gpu.power" });
    Some(Ledger::new(ask, shared))
}

/// Where the parts stand.
struct Layout {
    grid: Rect,
    load: Rect,
    columns: u16,
    problems: Rect,
    top: Rect,
    places: Rect,
}

impl Layout {
    /// `lines` is what the grid needs of lines to show everything.
    fn of((width, height): (u16, u16), lines: u16) -> Layout {
        if width >= 110 && height >= 14 {
            let left = width * 29 / 50;
            let high = (lines + 2).clamp(5, (height * 3 / 5).max(5));
            let grid = Rect::new(0, 0, left - 1, high);
            // Graphs read well up to nine lines each; what is left below them lists places.
            let rest = height.saturating_sub(high + 1);
            let places = rest.saturating_sub(18);
            let places = if places >= 5 { places } else { 0 };
            let load = Rect::new(0, high + 1, left - 1, rest - places);
            let places = Rect::new(0, height - places, left - 1, places);
            let top = if height > 24 { height * 2 / 5 } else { 0 };
            let problems = Rect::new(left, 0, width - left, height - top);
            let top = Rect::new(left, height - top, width - left, top);
            return Layout { grid, load, columns: 2, problems, top, places };
        }
        let columns = if width >= 76 { 2 } else { 1 };
        let load = if height >= 10 { 4 / columns } else { 0 };
        let rest = height - load;
        let high = (lines + 2).clamp(rest.min(3), (rest * 3 / 5).max(rest.min(3)));
        Layout {
            load: Rect::new(0, 0, width, load),
            columns,
            grid: Rect::new(0, load, width, high),
            problems: Rect::new(0, load + high, width, rest - high),
            top: Rect::default(),
            places: Rect::default(),
        }
    }
}

impl Screen for Overview {
    fn crumb(&self) -> String {
        self.inside.place.as_ref().map_or_else(|| "overview".into(), |(_, place)| place.clone())
    }

    fn view(&self) -> Option<&str> {
        Some("overview")
    }

    fn asks(&self, shared: &Shared) -> Vec<Asked> {
        let load = if shared.no_gpus() {
            "node.cpu,node.mem.used,node.net.rx,node.net.tx,node.ib.rx,node.ib.tx"
        } else {
            "gpu.util,gpu.power,gpu.mem.util,gpu.temp"
        };
        let whole = self.inside.place.as_ref().map_or_else(
            || "fleet".to_owned(),
            |(level, _)| format!("{} where {}", views::plural(level), self.inside.conditions.join(" and ")),
        );
        let mut asks = vec![
            Asked::every(2, GRID, self.grid.query(shared)),
            Asked::every(shared.pace().as_secs(), LOAD, format!("{whole} show {load} {}", shared.over())),
            Asked::every(1, PROBLEMS, problems::query(&self.inside.conditions)),
            Asked::every(2, TOP, self.top.text(shared)),
        ];
        if let Some(places) = &self.places {
            asks.push(Asked::every(2, PLACES, places.text(shared)));
        }
        asks
    }

    fn heard(&mut self, part: u32, answer: Result<Answer, Complaint>, shared: &Shared) -> Step {
        let changed = match (part, answer) {
            (GRID, Ok(Answer::Table(table))) => {
                let only = table.rows.first().filter(|_| table.total == 1 && self.grid.shows_nodes());
                if let Some(row) = only.filter(|_| self.yields) {
                    return Step::Replace(Box::new(Node::new(&row.id, shared)));
                }
                self.yields &= table.total == 0;
                self.grid.heard(table, shared)
            }
            (LOAD, Ok(Answer::Series(series))) => replace_series(&mut self.load, series),
            (PROBLEMS, Ok(Answer::Table(table))) => self.problems.heard(&table),
            (TOP, Ok(Answer::Table(table))) => self.top.heard(table, shared),
            (PLACES, Ok(Answer::Table(table))) => {
                self.places.as_mut().is_some_and(|places| places.heard(table, shared))
            }
            (_, Err(complaint)) => {
                let trouble = Some(complaint.message);
                std::mem::replace(&mut self.trouble, trouble.clone()) != trouble
            }
            _ => false,
        };
        if changed {
            self.arrange(shared);
        }
        Step::when(changed)
    }

    fn act(&mut self, action: Action, shared: &Shared) -> Step {
        match action {
            Action::Open => return self.open(shared),
            Action::NextPanel | Action::PreviousPanel => self.in_problems = !self.in_problems,
            Action::Metric => self.grid.next_metric(false, shared),
            Action::MetricBack => self.grid.next_metric(true, shared),
            Action::Faults => {
                let table = super::table::TableScreen::faulty("nodes", &self.inside.conditions, shared);
                return Step::Open(Box::new(table));
            }
            _ if self.in_problems => return self.problems.act(action),
            _ => return self.grid.act(action),
        }
        Step::Changed
    }

    fn click(&mut self, (x, y): (u16, u16), shared: &Shared) -> Step {
        let Layout { grid, problems, .. } = self.layout(shared.body());
        let is_in = |area: Rect| area.contains((x, y).into());
        let goes_in = match () {
            // A cell has no more to say than where it leads.
            () if is_in(grid) => self.grid.click(x - grid.x, (y - grid.y).wrapping_sub(1)),
            () if is_in(problems) => self.problems.click((y - problems.y).wrapping_sub(1)) && self.in_problems,
            () => return Step::Same,
        };
        self.in_problems = is_in(problems);
        if goes_in { self.open(shared) } else { Step::Changed }
    }

    fn arrange(&mut self, shared: &Shared) {
        if shared.no_gpus() == self.top_is_gpus {
            self.top_is_gpus = !shared.no_gpus();
            self.top = top_table(self.top_is_gpus, &self.inside, shared);
            self.places = places_table(&self.inside, shared);
        }
        let layout = self.layout(shared.body());
        self.grid.place(layout.grid.width, layout.grid.height.saturating_sub(2), shared);
        self.problems.set_height(layout.problems.height.saturating_sub(1));
        self.top.set_height(layout.top.height.saturating_sub(1));
        if let Some(places) = &mut self.places {
            places.set_height(layout.places.height.saturating_sub(1));
        }
    }

    fn draw(&self, pen: &mut Pen<'_>, shared: &Shared) {
        let layout = self.layout((pen.width(), pen.height()));
        let mut part = |area: Rect, draw: &dyn Fn(&mut Pen<'_>)| {
            if area.width > 0 && area.height > 0 {
                draw(&mut pen.part(area.x, area.y, area.width, area.height));
            }
        };
        part(layout.load, &|pen| self.draw_load(pen, layout.columns, shared));
        part(layout.grid, &|pen| self.grid.draw(pen, !self.in_problems, shared));
        part(layout.problems, &|pen| self.problems.draw(pen, self.in_problems, shared));
        part(layout.top, &|pen| self.draw_top(pen, shared));
        part(layout.places, &|pen| self.draw_places(pen, shared));
        if let Some(trouble) = &self.trouble {
            part(layout.grid, &|pen| {
                let last = pen.height().saturating_sub(1);
                pen.text(1, last, trouble, Role::Crit);
            });
        }
    }

    fn hints(&self) -> &'static [Action] {
        &[
            Action::Open,
            Action::NextPanel,
            Action::Metric,
            Action::Faults,
            Action::NextView,
            Action::Command,
            Action::ZoomOut,
            Action::Filter,
            Action::Help,
            Action::Quit,
        ]
    }

    fn incident(&self) -> Option<&str> {
        self.problems.chosen().filter(|_| self.in_problems)
    }

    fn subject(&self) -> Option<String> {
        if self.in_problems { self.problems.subject() } else { self.grid.subject() }
    }

    fn mark(&self) -> Option<String> {
        let about = |subject: String| mark::of_subject(&subject).to_owned();
        if self.in_problems { self.problems.subject().map(about) } else { self.grid.subject() }
    }

    fn onward(&self) -> Option<Action> {
        Some(if self.in_problems { Action::Down } else { Action::Right })
    }

    fn copies(&self, marks: &[&str], _: &Commands) -> Option<Result<String, String>> {
        let commands = self.problems.commands().filter(|_| self.in_problems && marks.is_empty());
        commands.and_then(incident::pasted).map(Ok)
    }

    fn lacks(&self, shared: &Shared) -> Option<&'static str> {
        self.incident().map(|_| incident::lack(shared))
    }
}
