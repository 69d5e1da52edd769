//! Marks: what somebody chose to do something with, under names that mean the same on every screen.

use crate::{
    model::table::{Cell, Row, Table},
    tui::{action::Action, app::App, draw::Pen, shared::Shared, theme::Role},
};

/// The name that a row is marked by: its own, or of an incident what it is about.
pub(crate) fn name<'a>(table: &'a Table, row: &'a Row) -> &'a str {
    let subject = table.column("incident.subject").and_then(|at| row.cells.get(at)).and_then(Cell::text);
    subject.map_or(&*row.id, of_subject)
}

/// The node or the GPU that an incident of this subject is about: of a node's port or disk, the node.
pub(crate) fn of_subject(subject: &str) -> &str {
    subject.split_once('/').map_or(subject, |(node, _)| node)
}

/// A star at the left of the line of what is marked.
pub(crate) fn draw(pen: &mut Pen<'_>, y: u16, name: &str, shared: &Shared) {
    if shared.marks.contains(name) {
        pen.text(0, y, "*", Role::TableRowMarked);
    }
}

impl App {
    /// Marks what is under the cursor and moves on, or takes its mark away. Says whether anything changed.
    pub(super) fn mark(&mut self) -> bool {
        if let Some(changed) = self.on_top(Action::Mark) {
            return changed;
        }
        let Some(name) = self.screen().mark() else {
            self.say("nothing to mark here");
            return true;
        };
        if !self.shared.marks.remove(&name) {
            self.shared.marks.insert(name);
        }
        if let Some(onward) = self.screen().onward() {
            self.on_top(onward);
        }
        true
    }

    /// Takes all marks away. Says whether anything changed.
    pub(super) fn unmark(&mut self) -> bool {
        self.on_top(Action::Unmark).unwrap_or_else(|| !std::mem::take(&mut self.shared.marks).is_empty())
    }
}
