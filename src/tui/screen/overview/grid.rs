//! Everything of a place at a glance: one cell per GPU, or per node, rack or pod where those don't fit, grouped by what
//! holds them. A cell's character and colour say the same thing.

use std::collections::BTreeMap;

use ratatui::style::{Modifier, Style};

use crate::{
    model::{
        Unit,
        table::{Cell, Row, Table},
    },
    tui::{
        action::Action,
        draw::{
            Pen,
            bar::{block, share},
            cut_end, cut_middle, width,
        },
        mark,
        screen::Step,
        shared::Shared,
        theme::Role,
        verdict::{Health, verdict},
        views::{self, Target, target},
    },
};

/// What the cells can be coloured by: a word, the key, the ends of its scale, and whether the upper end is bad.
const METRICS: [(&str, &str, f64, f64, bool); 7] = [
    ("health", "", 0.0, 0.0, false),
    ("util", "gpu.util", 0.0, 100.0, false),
    ("power", "gpu.power", 0.0, 0.0, false),
    ("temp", "gpu.temp", 30.0, 95.0, true),
    ("HBM", "gpu.mem.util", 0.0, 100.0, false),
    ("CPU", "node.cpu", 0.0, 100.0, false),
    ("RAM", "node.mem.util", 0.0, 100.0, true),
];

/// What the verdict on a cell needs.
const HEALTH_KEYS: &str = "node.age,node.gpus,node.gpus.expected,gpu.xid,gpu.xid.age,gpu.remap.failed,gpu.remap.pending,\
                           gpu.ecc.dbe,gpu.temp,gpu.throttle,node.mounts.bad,node.disk.used,node.mem.util,\
                           node.incidents";

/// As [`HEALTH_KEYS`], for a cell that is a GPU: its node's troubles are the node's.
const GPU_HEALTH_KEYS: &str = "node.age,fault,gpu.xid,gpu.xid.age,gpu.remap.failed,gpu.remap.pending,gpu.ecc.dbe,gpu.ecc.sram,\
                               gpu.temp,gpu.throttle,gpu.pcie.width,gpu.pcie.width.max,verdict";

/// What a cell can be, closest first: a GPU, a node, the narrowest place, and so on.
const GPUS: usize = 0;
const NODES: usize = 1;

/// Most cells that are asked for.
const MOST: usize = 4000;

/// The grid and the cursor in it.
#[derive(Debug, Default)]
pub(super) struct Grid {
    table: Option<Table>,
    /// Conditions of the place that is shown; none for everything.
    inside: Vec<String>,
    /// What a cell is, at the closest and at the widest.
    closest: usize,
    widest: usize,
    /// What a cell is: [`GPUS`], [`NODES`], the narrowest place, and so on.
    level: usize,
    metric: usize,
    capacity: usize,
    size: (u16, u16),
    placed: Placed,
    cursor: usize,
    pinned: Option<String>,
}

/// Where the cells stand.
#[derive(Debug, Default, PartialEq)]
struct Placed {
    /// One for each row of the table.
    cells: Vec<(u16, u16)>,
    /// Names of groups, at the line where each begins.
    labels: BTreeMap<u16, String>,
    /// Cells that a label takes.
    label_width: u16,
    /// Cells that each takes, without the blank after it.
    cell_width: u16,
    lines: u16,
}

impl Grid {
    /// Of the whole fleet: its nodes, or the narrowest places of which there is room for all.
    pub(super) fn of_all(shared: &Shared) -> Grid {
        Grid { closest: NODES, level: NODES, widest: NODES + shared.levels.len(), ..Grid::default() }
    }

    /// Of a place of the level at `position` (0 is the widest), which holds what the conditions `inside` say.
    pub(super) fn inside(position: usize, inside: Vec<String>, shared: &Shared) -> Grid {
        let closest = if shared.no_gpus() { NODES } else { GPUS };
        let widest = (NODES + shared.levels.len()).saturating_sub(position + 1).max(NODES);
        Grid { inside, closest, level: closest, widest, ..Grid::default() }
    }

    /// Whether each cell is a node.
    pub(super) fn shows_nodes(&self) -> bool {
        self.level == NODES
    }

    /// The keys of what a cell can be, closest first.
    fn keys(shared: &Shared) -> impl Iterator<Item = &str> {
        ["index", "node"].into_iter().chain(shared.levels.iter().rev().map(String::as_str))
    }

    /// Keys of what is wider than a cell, narrowest first.
    fn wider<'a>(&self, shared: &'a Shared) -> Vec<&'a str> {
        Self::keys(shared).skip(self.level + 1).collect()
    }

    fn view(&self, shared: &Shared) -> String {
        match self.level {
            GPUS => "gpus".to_owned(),
            NODES => "nodes".to_owned(),
            level => Self::keys(shared).nth(level).map_or_else(String::new, views::plural),
        }
    }

    /// The question for the cells.
    pub(super) fn query(&self, shared: &Shared) -> String {
        let places: Vec<&str> = self.wider(shared).into_iter().rev().collect();
        let own = Self::keys(shared).nth(self.level).unwrap_or("node");
        let values = match METRICS[self.metric].1 {
            "" if self.level == GPUS => GPU_HEALTH_KEYS,
            "" => HEALTH_KEYS,
            key => key,
        };
        let inside =
            if self.inside.is_empty() { String::new() } else { format!(" where {}", self.inside.join(" and ")) };
        let sort: Vec<&str> = places.iter().copied().chain([own]).collect();
        let sort = sort.join(",");
        let limit = self.capacity.clamp(64, MOST);
        format!("{}{inside} sort {sort} show {sort},{values} limit {limit}", self.view(shared))
    }

    /// Takes the cells in. Says whether anything changed.
    pub(super) fn heard(&mut self, table: Table, shared: &Shared) -> bool {
        let can_widen = self.level < self.widest;
        if self.capacity > 0 && table.total > self.capacity.min(MOST) as u64 && can_widen {
            self.level += 1;
            self.cursor = 0;
            self.pinned = None;
            return true;
        }
        let same = self.table.as_ref().is_some_and(|old| old.rows == table.rows && old.columns == table.columns);
        self.table = Some(table);
        if !same {
            self.arrange_cells(shared);
            let rows = self.table.as_ref().map_or(&[][..], |t| t.rows.as_slice());
            let at = self.pinned.as_ref().and_then(|id| rows.iter().position(|row| row.id == *id));
            self.cursor = at.unwrap_or(self.cursor).min(rows.len().saturating_sub(1));
        }
        !same
    }

    /// Lines that the cells would take on this width; no more than `height`.
    pub(super) fn lines(&self, width: u16, height: u16) -> u16 {
        if self.size.0 == width && self.placed.lines > 0 { self.placed.lines } else { height }
    }

    /// Takes note of the room.
    pub(super) fn place(&mut self, width: u16, height: u16, shared: &Shared) {
        let capacity = usize::from(width.saturating_sub(12)) * usize::from(height);
        if self.size.0 != width || capacity > self.capacity {
            // With more room, closer cells may fit again.
            self.capacity = capacity;
            self.size = (width, height);
            self.level = self.closest;
            self.arrange_cells(shared);
        }
    }

    fn arrange_cells(&mut self, shared: &Shared) {
        let Some(table) = &self.table else { return };
        let (width, height) = (self.size.0, self.size.1.max(1));
        let named = |level: &&str| {
            let at = table.column(level)?;
            let labels = table.rows.iter().map(|row| row.cells.get(at).and_then(Cell::text).unwrap_or("–").to_owned());
            Some(labels.collect::<Vec<String>>())
        };
        let wider = self.wider(shared);
        let mut groupings = wider.iter().filter_map(named).filter(|labels| labels.iter().any(|label| label != "–"));
        // A rack's nodes are too many for a line each, and eight GPUs too few.
        let apart = wider.first().filter(|_| self.level == GPUS).and_then(named);
        let apart = apart.and_then(|labels| Placed::apart(&labels, width, height));
        let placed = apart.or_else(|| groupings.find_map(|labels| Placed::grouped(&labels, width, height)));
        self.placed = placed.unwrap_or_else(|| Placed::flowing(table.rows.len(), width));
    }

    /// Colours by the next metric that the fleet can have.
    pub(super) fn next_metric(&mut self, back: bool, shared: &Shared) {
        let n = METRICS.len();
        let step = if back { n - 1 } else { 1 };
        loop {
            self.metric = (self.metric + step) % n;
            if !(shared.no_gpus() && METRICS[self.metric].1.starts_with("gpu.")) {
                break;
            }
        }
    }

    /// Moves the cursor.
    pub(super) fn act(&mut self, action: Action) -> Step {
        let last = self.placed.cells.len().saturating_sub(1);
        let to = match action {
            Action::Left => self.cursor.saturating_sub(1),
            Action::Right => (self.cursor + 1).min(last),
            Action::Up => self.across(-1),
            Action::Down => self.across(1),
            Action::Top => 0,
            Action::Bottom => last,
            _ => return Step::Unhandled,
        };
        let moved = to != self.cursor;
        self.cursor = to;
        self.pinned = self.row().map(|row| row.id.clone());
        Step::when(moved)
    }

    /// Puts the cursor on the cell that is drawn here, below the title. Says whether there is one.
    pub(super) fn click(&mut self, x: u16, y: u16) -> bool {
        let width = self.placed.cell_width.max(1);
        let is_it = |cell: &(u16, u16)| cell.1 == y && (cell.0..cell.0 + width).contains(&x);
        let Some(at) = self.placed.cells.iter().position(is_it) else { return false };
        self.cursor = at;
        self.pinned = self.row().map(|row| row.id.clone());
        true
    }

    /// The cell nearest to the cursor on the next line up or down that has one.
    fn across(&self, by: i32) -> usize {
        let Some(&(x, y)) = self.placed.cells.get(self.cursor) else { return self.cursor };
        let line = i32::from(y) + by;
        let there = self.placed.cells.iter().enumerate().filter(|(_, cell)| i32::from(cell.1) == line);
        there.min_by_key(|(_, cell)| cell.0.abs_diff(x)).map_or(self.cursor, |(at, _)| at)
    }

    fn row(&self) -> Option<&Row> {
        self.table.as_ref()?.rows.get(self.cursor)
    }

    /// What the cell under the cursor stands for.
    pub(super) fn target(&self, shared: &Shared) -> Option<Target> {
        target(&self.view(shared), &self.row()?.id, &shared.levels)
    }

    /// Its name.
    pub(super) fn subject(&self) -> Option<String> {
        self.row().map(|row| row.id.clone())
    }

    /// Draws title, cells, and a line on the cell under the cursor.
    pub(super) fn draw(&self, pen: &mut Pen<'_>, focused: bool, shared: &Shared) {
        let (name, ..) = METRICS[self.metric];
        let x = pen.rule(0, &self.view(shared).to_uppercase(), focused);
        pen.text(x, 0, &format!("by {name} "), Role::Accent);
        let Some(table) = &self.table else {
            pen.text(2, 1, "asking the hub …", Role::Dim);
            return;
        };
        Self::legend(pen, table);
        let last = pen.height().saturating_sub(1);
        for (line, label) in &self.placed.labels {
            if line + 1 < last {
                let label = cut_middle(label, self.placed.label_width);
                pen.text(1, line + 1, &label, Role::Dim);
            }
        }
        let range = self.range(table);
        for (at, (row, (x, y))) in table.rows.iter().zip(&self.placed.cells).enumerate() {
            if y + 1 >= last {
                break;
            }
            let (symbol, style) = self.cell(pen, table, row, range);
            let style = if focused && at == self.cursor { pen.style(Role::GridCursor) } else { style };
            let is_marked = shared.marks.contains(&row.id);
            let style = if is_marked { style.add_modifier(Modifier::UNDERLINED) } else { style };
            // A mark stands once in its cell, a block fills it.
            let filled =
                if matches!(symbol, "▲" | "✖" | "⋯" | "▼" | "○" | "·") { 1 } else { self.placed.cell_width };
            let blank = if filled < self.placed.cell_width { " " } else { "" };
            let symbol = symbol.repeat(usize::from(filled));
            pen.styled(*x, y + 1, &format!("{symbol}{blank}"), style);
        }
        if let Some(row) = self.row() {
            let mut line = pen.part(0, last, u16::MAX, 1);
            mark::draw(&mut line, 0, &row.id, shared);
            self.detail(&mut line, table, row);
        }
    }

    fn range(&self, table: &Table) -> (f64, f64) {
        let (_, key, low, high, _) = METRICS[self.metric];
        if high > low {
            return (low, high);
        }
        let at = table.column(key);
        let values = table.rows.iter().filter_map(|row| row.cells.get(at?)?.number());
        (0.0, values.fold(0.0, f64::max))
    }

    fn cell(&self, pen: &Pen<'_>, table: &Table, row: &Row, range: (f64, f64)) -> (&'static str, Style) {
        let (_, key, _, _, hot) = METRICS[self.metric];
        let state = Health::of_state(row.state);
        let value = table.column(key).and_then(|at| row.cells.get(at)).and_then(Cell::number);
        if key.is_empty() || state != Health::Fine {
            let health = verdict(table, row).health;
            let symbol = if health == Health::Fine { "■" } else { health.mark() };
            return (symbol, pen.style(health.role()));
        }
        let Some(value) = value else { return ("·", pen.style(Role::Faint)) };
        let share = share(value, range.0, range.1);
        let theme = &pen.look().theme;
        let colour = if hot { theme.heat(share) } else { theme.neutral(share) };
        (block(share), Style::new().fg(colour))
    }

    /// How many are how, at the right of the title.
    fn legend(pen: &mut Pen<'_>, table: &Table) {
        let mut counts: BTreeMap<Health, usize> = BTreeMap::new();
        for row in &table.rows {
            *counts.entry(verdict(table, row).health).or_default() += 1;
        }
        let mut end = pen.width().saturating_sub(1);
        for (health, count) in counts {
            let text = format!(" {} {count} ", health.mark());
            if end < 40 {
                break;
            }
            end = pen.right(end, 0, &text, health.role());
        }
    }

    fn detail(&self, pen: &mut Pen<'_>, table: &Table, row: &Row) {
        let found = verdict(table, row);
        let mut x = pen.text(1, 0, found.health.mark(), found.health.role());
        x = pen.text(x + 1, 0, &row.id, Role::Strong);
        let (name, key, ..) = METRICS[self.metric];
        if let Some(at) = table.column(key)
            && let Some(value) = row.cells.get(at).and_then(Cell::number)
        {
            let unit = table.columns[at].unit.unwrap_or(Unit::One);
            x = pen.text(x + 2, 0, &format!("{name} {}", unit.text(value)), Role::Table);
        }
        let room = pen.width().saturating_sub(x + 3);
        let words = if found.why.is_empty() { "fine" } else { &found.why };
        pen.text(x + 2, 0, &cut_end(words, room), Role::Dim);
    }
}

impl Placed {
    /// One group after another, each beginning on a line of its own; nothing when that takes more than `height` lines.
    fn grouped(labels: &[String], width: u16, height: u16) -> Option<Placed> {
        let label_width = labels.iter().map(|label| self::width(label)).max()?.min(14);
        let from = label_width + 2;
        let room = width.checked_sub(from + 1).filter(|room| *room >= 8)?;
        // Larger cells, a blank apart, are easier to tell from one another, where that costs no line.
        [3, 2, 1].into_iter().find_map(|stride| {
            let per_line = usize::from((room + 1) / stride);
            let cell_width = if stride == 3 { 2 } else { 1 };
            let mut placed = Placed { label_width, cell_width, ..Placed::default() };
            let (mut line, mut column) = (0_u16, 0_usize);
            for (at, label) in labels.iter().enumerate() {
                let begins = at == 0 || labels[at - 1] != *label;
                if at > 0 && (begins || column >= per_line) {
                    line = line.saturating_add(1);
                    column = 0;
                }
                if begins {
                    placed.labels.insert(line, label.clone());
                }
                placed.cells.push((from + column as u16 * stride, line));
                column += 1;
            }
            placed.lines = line + 1;
            let one_line_each = usize::from(placed.lines) == placed.labels.len();
            (placed.lines <= height && (one_line_each || stride == 1)).then_some(placed)
        })
    }

    /// Groups side by side with a blank between them, none of them cut; nothing when that takes more than `height`
    /// lines.
    fn apart(labels: &[String], width: u16, height: u16) -> Option<Placed> {
        let room = usize::from(width.saturating_sub(2));
        let (mut cells, mut line, mut column) = (Vec::with_capacity(labels.len()), 0_u16, 0_usize);
        for group in labels.chunk_by(|a, b| a == b) {
            if column > 0 && column + group.len() > room {
                (line, column) = (line.saturating_add(1), 0);
            }
            cells.extend((0..group.len()).map(|at| ((1 + column + at) as u16, line)));
            column += group.len() + 1;
            if group.len() > room || line >= height {
                return None;
            }
        }
        Some(Placed { cells, lines: line + 1, cell_width: 1, ..Placed::default() })
    }

    /// All cells in one stream.
    fn flowing(count: usize, width: u16) -> Placed {
        let per_line = usize::from(width.saturating_sub(2).max(1));
        let cells = (0..count).map(|at| (1 + (at % per_line) as u16, (at / per_line) as u16));
        Placed { cells: cells.collect(), lines: count.div_ceil(per_line) as u16, cell_width: 1, ..Placed::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(groups: &[(&str, usize)]) -> Vec<String> {
        groups.iter().flat_map(|(label, n)| vec![(*label).to_owned(); *n]).collect()
    }

    #[test]
    fn groups_begin_on_lines_of_their_own() {
        let placed = Placed::grouped(&labels(&[("r1", 3), ("r2", 2)]), 40, 5).unwrap();
        assert_eq!(placed.cells, [(4, 0), (7, 0), (10, 0), (4, 1), (7, 1)]);
        assert_eq!(placed.labels.get(&1).map(String::as_str), Some("r2"));
    }

    #[test]
    fn small_groups_stand_side_by_side_and_whole() {
        let three = labels(&[("n1", 4), ("n2", 4), ("n3", 4)]);
        let placed = Placed::apart(&three, 12, 2).unwrap();
        assert_eq!([placed.cells[3], placed.cells[4], placed.cells[8]], [(4, 0), (6, 0), (1, 1)]);
        assert_eq!(placed.lines, 2);
        assert_eq!(Placed::apart(&three, 12, 1), None);
        assert_eq!(Placed::apart(&three, 5, 9), None, "a group is never cut");
    }

    #[test]
    fn cells_move_together_before_groups_give_way() {
        let two = labels(&[("r1", 32), ("r2", 32)]);
        assert_eq!(Placed::grouped(&two, 40, 2).unwrap().cells[1], (5, 0));
        assert_eq!(Placed::grouped(&two, 80, 2).unwrap().cells[1], (6, 0));
        assert_eq!(Placed::grouped(&two, 40, 1), None);
        assert_eq!(Placed::flowing(64, 34).cells[33], (2, 1));
    }
}
