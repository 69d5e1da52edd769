//! What an incident's subject did along time, beside what its peers did: a GPU's are those of its node, a node's those
//! of its narrowest place. Events of the subject are marked under the curves.

use jiff::Timestamp;

use crate::{
    model::{
        question::Answer,
        series::{Line, Series},
        table::{Cell, Row, Table},
        unit::Unit,
    },
    tui::{
        ask::quoted,
        draw::{Pen, chart::Chart, graph},
        screen::{Asked, replace_series, replace_table},
        shared::Shared,
        verdict::Health,
        views::{Target, plural},
    },
};

/// Its questions' numbers on the screen.
const CURVES: u32 = 1;
const EVENTS: u32 = 2;
const PLACE: u32 = 3;

/// Peers of one thing at most.
const PEERS: usize = 64;
/// Events that are marked at most.
const MARKS: usize = 200;
/// Lines that a curve takes at most.
const TALL: u16 = 12;

/// What is shown of each kind of subject: keys and titles.
const OF_GPU: [(&str, &str); 4] =
    [("gpu.util", "UTIL"), ("gpu.power", "POWER"), ("gpu.clock.sm", "SM CLOCK"), ("gpu.temp", "TEMP")];
const OF_NODE: [(&str, &str); 4] =
    [("gpu.util", "GPU UTIL"), ("gpu.power", "GPU POWER"), ("node.cpu", "CPU"), ("node.mem.util", "MEMORY")];
const OF_JOB: [(&str, &str); 4] = [
    ("gpu.util", "GPU UTIL"),
    ("gpu.power", "GPU POWER"),
    ("gpu.tensor.active", "TENSOR"),
    ("gpu.clock.sm", "SM CLOCK"),
];

/// The curves and the events of a subject.
#[derive(Default)]
pub(super) struct Evidence {
    curves: Option<Series>,
    events: Option<Table>,
    /// A node's narrowest place.
    place: Option<String>,
}

impl Evidence {
    /// What is asked of the subject.
    pub(super) fn asks(&self, of: Option<&Target>, shared: &Shared) -> Vec<Asked> {
        let Some((view, condition)) = of.and_then(|of| self.of(of, shared)) else { return Vec::new() };
        let keys = keys(of).map(|(key, _)| key).join(",");
        let curves = format!("{view} where {condition} show {keys} {} limit {PEERS}", shared.over());
        let mut asks = vec![Asked::every(shared.pace().as_secs().max(2), CURVES, curves)];
        if let Some(Target::Node(node)) = of
            && let Some(level) = shared.levels.last()
        {
            asks.push(Asked::every(60, PLACE, format!("nodes where node = {} show {level} limit 1", quoted(node))));
        }
        let about = match of {
            Some(Target::Gpu(node, index)) => format!("event.subject = {}", quoted(&format!("{node}:{index}"))),
            Some(Target::Node(node)) => format!("node = {}", quoted(node)),
            _ => return asks,
        };
        let events = format!("events where {about} sort -event.time show event.time,event.kind limit {MARKS}");
        asks.push(Asked::every(5, EVENTS, events));
        asks
    }

    /// The view and the condition of the subject and its peers.
    fn of(&self, of: &Target, shared: &Shared) -> Option<(String, String)> {
        let one = |view: &str, key: &str, value: &str| Some((view.to_owned(), format!("{key} = {}", quoted(value))));
        match of {
            Target::Gpu(node, _) => one("gpus", "node", node),
            Target::Node(node) => match (&self.place, shared.levels.last()) {
                (Some(place), Some(level)) => one("nodes", level, place),
                _ => one("nodes", "node", node),
            },
            Target::Job(job) => one("jobs", "job", job),
            Target::Place(level, place) => one(&plural(level), level, place),
            _ => None,
        }
    }

    /// Takes an answer in. Says whether anything changed.
    pub(super) fn heard(&mut self, part: u32, answer: Answer) -> bool {
        match (part, answer) {
            (CURVES, Answer::Series(series)) => replace_series(&mut self.curves, series),
            (EVENTS, Answer::Table(table)) => replace_table(&mut self.events, table),
            (PLACE, Answer::Table(table)) => {
                let place = table.rows.first().and_then(|row| row.cells.first()).and_then(Cell::text);
                let place = place.map(str::to_owned);
                std::mem::replace(&mut self.place, place.clone()) != place
            }
            _ => false,
        }
    }

    /// Titles and curves of the subject and of its peers, where there is something to show.
    fn shown(&self, of: Option<&Target>) -> Vec<(&'static str, Option<&Line>, Option<Line>)> {
        let Some(curves) = &self.curves else { return Vec::new() };
        let id = of.map(name).unwrap_or_default();
        let known = keys(of).map(|(key, title)| {
            let own = curves.lines.iter().find(|line| line.column.key == key && (line.id == id || curves.total == 1));
            (title, own, peers(curves, key, &id))
        });
        let tells = |own: Option<&Line>, peers: Option<&Line>| own.into_iter().chain(peers).any(has_values);
        known.into_iter().filter(|(_, own, peers)| tells(*own, peers.as_ref())).collect()
    }

    /// Lines that the curves take at least: one each, and one for marks under them where there are any.
    pub(super) fn lines(&self, of: Option<&Target>) -> u16 {
        let has_marks = self.curves.as_ref().is_some_and(|curves| !self.marks(curves).is_empty());
        let curves = self.shown(of).len() as u16;
        curves + u16::from(curves > 0 && has_marks)
    }

    /// Where along the curves, from 0 to 1, something happened, and how bad it is: the newest last.
    fn marks(&self, curves: &Series) -> Vec<(f64, Health)> {
        let Some(events) = &self.events else { return Vec::new() };
        let (Some(time), Some(kind)) = (events.column("event.time"), events.column("event.kind")) else {
            return Vec::new();
        };
        let steps = curves.lines.first().map_or(0, |line| line.values.len());
        let span = curves.step.as_secs_f64() * steps as f64;
        let mark = |row: &Row| {
            let text = |at: usize| row.cells.get(at).and_then(Cell::text).unwrap_or_default();
            let moment: Timestamp = text(time).parse().ok()?;
            let share = (moment.as_millisecond() - curves.start.as_millis()) as f64 / 1000.0 / span;
            let health = if ["xid", "sxid"].contains(&text(kind)) { Health::Crit } else { Health::Warn };
            (0.0..1.0).contains(&share).then_some((share, health))
        };
        events.rows.iter().rev().filter_map(mark).collect()
    }

    /// Draws the curves over the whole of `pen`, as far as there is room for them.
    pub(super) fn draw(&self, pen: &mut Pen<'_>, of: Option<&Target>, shared: &Shared) {
        let Some(curves) = self.curves.as_ref().filter(|curves| !curves.lines.is_empty()) else { return };
        let (wide, high) = (pen.width(), pen.height());
        let (shown, marks) = (self.shown(of), self.marks(curves));
        let lines = shown.len().max(1) as u16;
        // A line of marks under each curve, and one between one curve and the next.
        let tall = (high / lines).min(TALL);
        // Sparks are one above the other, and share a line of marks.
        let column = shown.iter().map(|(title, ..)| title.len()).max().unwrap_or(0);
        for (at, (title, own, peers)) in (0..).zip(&shown) {
            let peers = peers.as_ref().filter(|peers| has_values(peers));
            let chart =
                |title, lines, limit| Chart { title, lines, note: String::new(), limit, span: shared.span_words() };
            if tall < 5 {
                let both = [("", *own)].into_iter().chain(peers.map(|peers| ("peers ", Some(peers))));
                let title = format!("{title:column$}");
                let spark = chart(&title, both.collect(), None);
                spark.draw(&mut pen.part(0, at, wide, 1));
                if own.is_some() && at + 1 == lines && lines < high {
                    let (x, cells) = spark.spark(wide);
                    draw_marks(&mut pen.part(x, lines, cells, 1), &marks, cells);
                }
                continue;
            }
            // Beside each other, on one scale.
            let known: Vec<&Line> = own.iter().copied().chain(peers).collect();
            let values: Vec<&[Option<f64>]> = known.iter().map(|line| line.values.as_slice()).collect();
            let unit = known.first().and_then(|line| line.column.unit).unwrap_or(Unit::One);
            let limit = Some(graph::range(unit, &values).1);
            let each = wide / if peers.is_some() { 2 } else { 1 };
            let of_own = chart(title, vec![("", *own)], limit);
            of_own.draw(&mut pen.part(0, at * tall, each.saturating_sub(2), tall - 2));
            if let Some(own) = own {
                let mut part = pen.part(0, (at + 1) * tall - 2, each.saturating_sub(2), 1);
                let plot = of_own.graph(own).plot(part.width());
                draw_marks(&mut part, &marks, plot);
            }
            if peers.is_some() {
                let mut part = pen.part(each, at * tall, each.saturating_sub(1), tall - 2);
                chart("peers", vec![("", peers)], limit).draw(&mut part);
            }
        }
    }
}

/// A mark below the moment of each event, under curves over `plot` cells.
fn draw_marks(pen: &mut Pen<'_>, marks: &[(f64, Health)], plot: u16) {
    for (share, health) in marks {
        pen.text((share * f64::from(plot)) as u16, 0, health.mark(), health.role());
    }
}

fn keys(of: Option<&Target>) -> [(&'static str, &'static str); 4] {
    match of {
        Some(Target::Gpu(..)) => OF_GPU,
        Some(Target::Job(_)) => OF_JOB,
        _ => OF_NODE,
    }
}

/// The id of the subject's own lines.
fn name(of: &Target) -> String {
    match of {
        Target::Gpu(node, index) => format!("{node}:{index}"),
        Target::Node(name) | Target::Job(name) => name.clone(),
        Target::Place(level, place) => format!("{level}={place}"),
        _ => String::new(),
    }
}

fn has_values(line: &Line) -> bool {
    line.values.iter().any(Option::is_some)
}

/// The middle of what the others did; nothing where there are none.
fn peers(curves: &Series, key: &str, id: &str) -> Option<Line> {
    let others: Vec<&Line> = curves.lines.iter().filter(|line| line.column.key == key && line.id != id).collect();
    let first = others.first().filter(|_| curves.total > 1)?;
    let middle = |at: usize| {
        let mut values: Vec<f64> = others.iter().filter_map(|line| line.values.get(at).copied().flatten()).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let values = (0..first.values.len()).map(middle).collect();
    Some(Line { id: String::new(), column: first.column.clone(), values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{metric::Direction, table::Column};

    #[test]
    fn peers_are_the_middle_of_the_others() {
        let line = |id: &str, values: &[Option<f64>]| Line {
            id: id.into(),
            column: Column {
                key: "gpu.power".into(),
                title: "POWER".into(),
                width: 6,
                unit: None,
                kind: None,
                direction: Direction::Neutral,
            },
            values: values.to_vec(),
        };
        let lines = vec![
            line("a:0", &[Some(9.0), Some(9.0)]),
            line("a:1", &[Some(1.0), None]),
            line("a:2", &[Some(3.0), None]),
            line("a:3", &[Some(2.0), Some(7.0)]),
        ];
        let curves = Series { total: 4, lines, ..Series::default() };
        let middle = |key| peers(&curves, key, "a:0").map(|line| line.values);
        assert_eq!(middle("gpu.power"), Some(vec![Some(2.0), Some(7.0)]));
        assert_eq!(middle("gpu.temp"), None);
    }
}
