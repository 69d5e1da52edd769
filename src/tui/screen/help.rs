//! The keys: those of the screen that one came from first, then all others, from the action table.

use super::{Asked, Screen, Step};
use crate::{
    model::question::{Answer, Complaint},
    tui::{
        action::{ACTIONS, Action, Row},
        command::COMMANDS,
        draw::{Pen, cut_end},
        keymap::shown,
        shared::Shared,
        theme::Role,
    },
};

/// The help screen.
pub(crate) struct Help {
    here: &'static [Action],
    top: u16,
    lines: u16,
    height: u16,
}

enum Line {
    Blank,
    Title(&'static str),
    Key(&'static Row),
    Command(&'static str, &'static str),
}

impl Help {
    /// Help for a screen that answers to these actions.
    pub(crate) fn new(here: &'static [Action]) -> Self {
        let mut help = Help { here, top: 0, lines: 0, height: 0 };
        help.lines = help.all().len() as u16;
        help
    }

    fn all(&self) -> Vec<Line> {
        let mut lines = vec![Line::Title("HERE")];
        lines.extend(self.here.iter().map(|action| Line::Key(action.row())));
        lines.extend([Line::Blank, Line::Title("EVERYWHERE")]);
        lines.extend(ACTIONS.iter().filter(|row| !self.here.contains(&row.action)).map(Line::Key));
        lines.extend([Line::Blank, Line::Title("COMMANDS, AFTER :")]);
        lines.extend(COMMANDS.iter().map(|command| Line::Command(command.usage, command.help)));
        lines
    }

    fn go(&mut self, to: i32) -> Step {
        let most = self.lines.saturating_sub(self.height);
        let top = to.clamp(0, i32::from(most)) as u16;
        Step::when(std::mem::replace(&mut self.top, top) != top)
    }
}

impl Screen for Help {
    fn crumb(&self) -> String {
        "keys".into()
    }

    fn asks(&self, _: &Shared) -> Vec<Asked> {
        Vec::new()
    }

    fn heard(&mut self, _: u32, _: Result<Answer, Complaint>, _: &Shared) -> Step {
        Step::Same
    }

    fn act(&mut self, action: Action, _: &Shared) -> Step {
        let (top, page) = (i32::from(self.top), i32::from(self.height));
        match action {
            Action::Up => self.go(top - 1),
            Action::Down => self.go(top + 1),
            Action::HalfUp => self.go(top - page / 2),
            Action::HalfDown => self.go(top + page / 2),
            Action::PageUp => self.go(top - page),
            Action::PageDown => self.go(top + page),
            Action::Top => self.go(0),
            Action::Bottom => self.go(i32::MAX),
            _ => Step::Unhandled,
        }
    }

    fn arrange(&mut self, shared: &Shared) {
        self.height = shared.body().1;
        self.go(i32::from(self.top));
    }

    fn draw(&self, pen: &mut Pen<'_>, shared: &Shared) {
        let wide = pen.width();
        let names = if wide >= 60 { 20 } else { 12 };
        for (y, line) in self.all().iter().skip(usize::from(self.top)).take(usize::from(pen.height())).enumerate() {
            let y = y as u16;
            let (left, right) = match line {
                Line::Blank => continue,
                Line::Title(title) => {
                    pen.text(1, y, title, Role::PanelTitle);
                    continue;
                }
                Line::Key(row) => {
                    let keys = shared.keys.of(row.action);
                    (keys.split(' ').map(shown).collect::<Vec<_>>().join(" "), row.help)
                }
                Line::Command(usage, help) => ((*usage).to_owned(), *help),
            };
            pen.text(2, y, &cut_end(&left, names), Role::Accent);
            pen.text(names + 3, y, &cut_end(right, wide.saturating_sub(names + 4)), Role::Base);
        }
    }

    fn hints(&self) -> &'static [Action] {
        &[Action::Back, Action::Down, Action::Up, Action::PageDown, Action::PageUp]
    }
}
