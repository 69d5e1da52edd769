//! The top of a node's screen: how it is, what it runs, where it stands, and what its agent cannot read.

use crate::{
    model::{
        Unit,
        table::{Cell, Table},
    },
    tui::{
        ask::quoted,
        draw::{Pen, cut_end, width},
        mark,
        shared::Shared,
        theme::Role,
        verdict::{Health, verdict},
    },
};

/// The question for everything that is shown here.
pub(super) fn query(name: &str, levels: &[String]) -> String {
    let keys = "node,state,os,kernel,cpu.model,driver,cuda,agent,notes,node.age,node.uptime,node.cpu.cores,node.load1,\
                node.mem.total,node.mem.util,node.swap.used,node.temp,node.procs,node.gpus,node.gpus.expected,node.disk.used,\
                node.mounts.bad,node.ib.ports,node.psi.cpu,node.psi.mem,node.psi.io,node.clock.skew,gpu.power,\
                node.total.power,node.cpu.power,gpu.xid,gpu.xid.age";
    let keys = [keys].into_iter().chain(levels.iter().map(String::as_str)).collect::<Vec<_>>().join(",");
    format!("nodes where node = {} show {keys} at last", quoted(name))
}

/// Draws the facts in up to three lines.
pub(super) fn draw(pen: &mut Pen<'_>, name: &str, table: Option<&Table>, trouble: Option<&str>, shared: &Shared) {
    let Some((table, row)) = table.and_then(|table| table.rows.first().map(|row| (table, row))) else {
        let words = match (trouble, table) {
            (Some(trouble), _) => trouble.to_owned(),
            (None, Some(_)) => "no node of this name".to_owned(),
            (None, None) => "asking the hub …".to_owned(),
        };
        let x = pen.text(1, 0, name, Role::Strong);
        pen.text(x + 2, 0, &words, Role::Dim);
        return;
    };
    let found = verdict(table, row);
    mark::draw(pen, 0, name, shared);
    let mut x = pen.text(1, 0, found.health.mark(), found.health.role());
    x = pen.text(x + 1, 0, name, Role::Strong);
    let state = row.state.word();
    x = pen.text(x + 2, 0, state, Health::of_state(row.state).role());
    if !found.why.is_empty() {
        let room = pen.width().saturating_sub(x + 3);
        x = pen.text(x + 2, 0, &cut_end(&found.why, room), found.health.role());
    }
    let seen = Seen { table };
    let first = [
        seen.number("node.uptime", |up| format!("booted {} ago", Unit::Seconds.text(up))),
        seen.number("node.age", |age| format!("heard {} ago", Unit::Seconds.text(age))),
        seen.number("node.load1", |load| format!("load {load:.2}")),
        seen.number("node.procs", |n| format!("{n:.0} processes")),
        seen.number("node.temp", |t| Unit::Celsius.text(t)),
        seen.number("gpu.power", |w| format!("GPUs {}", Unit::Watts.text(w))),
        seen.number("node.cpu.power", |w| format!("CPUs {}", Unit::Watts.text(w))),
        seen.number("node.total.power", |w| format!("machine {}", Unit::Watts.text(w))),
    ];
    parts(pen, x + 2, 0, first.into_iter().flatten());
    let second = [
        seen.text("os"),
        seen.text("kernel"),
        seen.text("cpu.model"),
        seen.number("node.cpu.cores", |n| format!("{n:.0} cores")),
        seen.number("node.mem.total", |b| format!("{} memory", Unit::Bytes.text(b))),
        seen.text("driver").map(|driver| format!("driver {driver}")),
        seen.text("cuda").map(|cuda| format!("CUDA {cuda}")),
    ];
    parts(pen, 1, 1, second.into_iter().flatten());
    let places = shared.levels.iter().filter_map(|level| seen.text(level).map(|place| format!("{level} {place}")));
    let third = places.chain(seen.text("agent").map(|agent| format!("agent {agent}"))).chain(pressure(&seen));
    let x = parts(pen, 1, 2, third);
    if let Some(notes) = seen.text("notes") {
        let room = pen.width().saturating_sub(x + 3);
        if room > 12 {
            let x = pen.text(x + 1, 2, "▲", Role::Warn);
            pen.text(x + 1, 2, &cut_end(&notes, room.saturating_sub(2)), Role::Dim);
        }
    }
}

fn pressure(seen: &Seen<'_>) -> Option<String> {
    let share = |key: &str| seen.number(key, |p| format!("{p:.0}"));
    let parts = [("cpu", share("node.psi.cpu")), ("mem", share("node.psi.mem")), ("io", share("node.psi.io"))];
    let known: Vec<String> = parts.into_iter().filter_map(|(name, p)| Some(format!("{name} {}", p?))).collect();
    (!known.is_empty()).then(|| format!("pressure {} %", known.join(" ")))
}

/// Writes the parts one after another as far as they fit as a whole; says where they ended.
fn parts(pen: &mut Pen<'_>, from: u16, y: u16, parts: impl Iterator<Item = String>) -> u16 {
    let mut x = from;
    for part in parts {
        let gap = if x > from { 3 } else { 0 };
        if x + gap + width(&part) > pen.width() {
            continue;
        }
        if gap > 0 {
            pen.text(x + 1, y, "·", Role::Faint);
        }
        x = pen.text(x + gap, y, &part, Role::Dim);
    }
    x
}

struct Seen<'a> {
    table: &'a Table,
}

impl Seen<'_> {
    fn text(&self, key: &str) -> Option<String> {
        self.table.cell(0, key).and_then(Cell::text).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn number(&self, key: &str, words: impl Fn(f64) -> String) -> Option<String> {
        self.table.cell(0, key).and_then(Cell::number).map(words)
    }
}
