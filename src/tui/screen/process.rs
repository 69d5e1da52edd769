//! One process: everything that is known of it.

use super::{Asked, Screen, Step, replace_table};
use crate::{
    model::{
        question::{Answer, Complaint},
        raw::Gap,
        table::{Cell, Table},
    },
    tui::{
        action::Action,
        ask::quoted,
        draw::{Pen, cell, cut_end, width},
        mark, past,
        shared::Shared,
        theme::Role,
        views::Target,
    },
};

/// The screen of one process.
pub(crate) struct Process {
    node: String,
    pid: String,
    facts: Option<Table>,
    trouble: Option<String>,
}

impl Process {
    /// The screen of the process `pid` of `node`.
    pub(crate) fn new(node: &str, pid: &str) -> Self {
        Process { node: node.into(), pid: pid.into(), facts: None, trouble: None }
    }
}

impl Screen for Process {
    fn crumb(&self) -> String {
        format!("{}/{}", self.node, self.pid)
    }

    fn asks(&self, _: &Shared) -> Vec<Asked> {
        let condition = format!("node = {} and proc.pid = {}", quoted(&self.node), self.pid);
        vec![Asked::every(2, 0, format!("processes where {condition} show * at last"))]
    }

    fn heard(&mut self, _: u32, answer: Result<Answer, Complaint>, _: &Shared) -> Step {
        Step::when(match answer {
            Ok(Answer::Table(table)) => replace_table(&mut self.facts, table),
            Ok(Answer::Series(_)) => false,
            Err(complaint) => {
                let trouble = Some(complaint.message);
                std::mem::replace(&mut self.trouble, trouble.clone()) != trouble
            }
        })
    }

    fn act(&mut self, action: Action, shared: &Shared) -> Step {
        match action {
            Action::Faults => super::troubles(Target::Process(self.node.clone(), self.pid.clone()), shared),
            _ => Step::Unhandled,
        }
    }

    fn arrange(&mut self, _: &Shared) {}

    fn draw(&self, pen: &mut Pen<'_>, shared: &Shared) {
        mark::draw(pen, 0, &self.crumb(), shared);
        let x = pen.text(1, 0, &format!("{} on {}", self.pid, self.node), Role::Strong);
        if shared.then.is_some() {
            pen.text(x + 2, 0, &past::gone("processes"), Role::Dim);
            return;
        }
        let row = self.facts.as_ref().and_then(|table| table.rows.first().map(|row| (table, row)));
        let Some((table, row)) = row else {
            let gone = if self.facts.is_some() {
                "has ended, or is no longer among the busiest"
            } else {
                "asking the hub …"
            };
            pen.text(x + 2, 0, self.trouble.as_deref().unwrap_or(gone), Role::Dim);
            return;
        };
        if let Some(name) = table.cell(0, "proc.name").and_then(Cell::text) {
            let room = pen.width().saturating_sub(x + 3);
            pen.text(x + 2, 0, &cut_end(name, room), Role::Accent);
        }
        let reading = shared.reading();
        let names = table.columns.iter().map(|column| width(short(&column.key))).max().unwrap_or(0);
        for (y, (column, cell)) in table.columns.iter().zip(&row.cells).enumerate() {
            let y = y as u16 + 2;
            pen.text(3, y, short(&column.key), Role::Dim);
            let (text, role) = match (cell, column.unit) {
                (Cell::Gap(gap), _) if *gap != Gap::Absent => (gap.word().to_owned(), Role::Faint),
                (Cell::Number(value), Some(unit)) if column.key != "proc.pid" => (unit.text(*value), Role::Table),
                _ => (cell::text(column, cell, &reading), Role::Table),
            };
            let room = pen.width().saturating_sub(names + 6);
            pen.text(names + 5, y, &cut_end(&text, room), role);
        }
    }

    fn hints(&self) -> &'static [Action] {
        &[Action::Back, Action::Command, Action::Copy, Action::NextView, Action::Help]
    }

    fn subject(&self) -> Option<String> {
        Some(self.pid.clone())
    }

    fn mark(&self) -> Option<String> {
        Some(self.crumb())
    }
}

fn short(key: &str) -> &str {
    key.strip_prefix("proc.").unwrap_or(key)
}
