//! Drawing: a pen that cannot leave its rectangle, and the small pictures made with it.
//! Coordinates are the rectangle's own; what does not fit is not drawn.

pub(crate) mod bar;
pub(crate) mod cell;
pub(crate) mod chart;
pub(crate) mod fit;
pub(crate) mod graph;
pub(crate) mod rows;
pub(crate) mod symbols;

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use crate::tui::theme::{Role, Theme};
pub use symbols::Symbols;

/// How things look: the theme and the characters that the terminal can show.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// Styles by role.
    pub(crate) theme: Theme,
    /// Characters.
    pub(crate) symbols: Symbols,
}

/// Draws into one rectangle of the screen.
pub(crate) struct Pen<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    look: &'a Look,
}

impl<'a> Pen<'a> {
    /// A pen for `area`, or what of it lies on the screen.
    pub(crate) fn new(buffer: &'a mut Buffer, area: Rect, look: &'a Look) -> Self {
        let area = area.intersection(buffer.area);
        Pen { buffer, area, look }
    }

    /// Columns that it can draw on.
    pub(crate) fn width(&self) -> u16 {
        self.area.width
    }

    /// Lines that it can draw on.
    pub(crate) fn height(&self) -> u16 {
        self.area.height
    }

    /// The theme and the characters.
    pub(crate) fn look(&self) -> &'a Look {
        self.look
    }

    /// The style of a role.
    pub(crate) fn style(&self, role: Role) -> Style {
        self.look.theme.style(role)
    }

    /// A pen for a part of this one's rectangle.
    pub(crate) fn part(&mut self, x: u16, y: u16, width: u16, height: u16) -> Pen<'_> {
        let wanted = Rect::new(self.area.x.saturating_add(x), self.area.y.saturating_add(y), width, height);
        let area = if x >= self.area.width || y >= self.area.height {
            Rect::new(self.area.x, self.area.y, 0, 0)
        } else {
            wanted.intersection(self.area)
        };
        Pen { buffer: self.buffer, area, look: self.look }
    }

    /// Writes `text` at (`x`, `y`) and says where it ended.
    pub(crate) fn text(&mut self, x: u16, y: u16, text: &str, role: Role) -> u16 {
        let style = self.style(role);
        self.styled(x, y, text, style)
    }

    /// As [`Pen::text`], with a style.
    pub(crate) fn styled(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        if x >= self.area.width || y >= self.area.height {
            return x;
        }
        let room = usize::from(self.area.width - x);
        let (end, _) = self.buffer.set_stringn(self.area.x + x, self.area.y + y, text, room, style);
        end.saturating_sub(self.area.x)
    }

    /// Writes `text` so that it ends before `end`, or not at all when there is no room for the whole.
    /// Says where it began.
    pub(crate) fn right(&mut self, end: u16, y: u16, text: &str, role: Role) -> u16 {
        let style = self.style(role);
        self.right_styled(end, y, text, style)
    }

    /// As [`Pen::right`], with a style.
    pub(crate) fn right_styled(&mut self, end: u16, y: u16, text: &str, style: Style) -> u16 {
        let end = end.min(self.area.width);
        match end.checked_sub(width(text)) {
            Some(x) => {
                self.styled(x, y, text, style);
                x
            }
            None => end,
        }
    }

    /// Lays a role's style over a rectangle.
    pub(crate) fn wash(&mut self, x: u16, y: u16, width: u16, height: u16, role: Role) {
        let style = self.style(role);
        let part = self.part(x, y, width, height);
        part.buffer.set_style(part.area, style);
    }

    /// Blanks everything, in a role's style.
    pub(crate) fn clear(&mut self, role: Role) {
        let style = self.style(role);
        for y in self.area.top()..self.area.bottom() {
            for x in self.area.left()..self.area.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                    cell.set_style(style);
                }
            }
        }
    }

    /// A horizontal line over the whole width, with a title set into it.
    pub(crate) fn rule(&mut self, y: u16, title: &str, focused: bool) -> u16 {
        let line = "─".repeat(usize::from(self.area.width));
        self.text(0, y, &line, Role::PanelLine);
        if title.is_empty() {
            return 0;
        }
        let role = if focused { Role::PanelFocus } else { Role::PanelTitle };
        self.text(1, y, &format!(" {title} "), role)
    }
}

/// Cells that `text` takes.
pub(crate) fn width(text: &str) -> u16 {
    UnicodeWidthStr::width(text).min(usize::from(u16::MAX)) as u16
}

/// `text` in at most `room` cells, its end replaced by `…` where it is too long.
pub(crate) fn cut_end(text: &str, room: u16) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut out = take_cells(text.chars(), room.saturating_sub(1));
    if room > 0 {
        out.push('…');
    }
    out
}

/// `name` in at most `room` cells, its middle replaced by `…` where it is too long: the end of a
/// node's name tells more than its middle.
pub(crate) fn cut_middle(name: &str, room: u16) -> String {
    if width(name) <= room {
        return name.to_owned();
    }
    if room < 4 {
        return cut_end(name, room);
    }
    let tail = (room - 1) / 2;
    let head = take_cells(name.chars(), room - 1 - tail);
    let back: String = take_cells(name.chars().rev(), tail).chars().rev().collect();
    // An accent without its letter would stand on the dots.
    let back = back.trim_start_matches(|c: char| width(c.encode_utf8(&mut [0; 4])) == 0);
    format!("{head}…{back}")
}

fn take_cells(chars: impl Iterator<Item = char>, room: u16) -> String {
    let mut out = String::new();
    let mut left = usize::from(room);
    for c in chars {
        let mut bytes = [0; 4];
        let cells = UnicodeWidthStr::width(&*c.encode_utf8(&mut bytes));
        if cells > left {
            break;
        }
        left -= cells;
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_by_cells() {
        let check = |text, room, end: &str, middle: &str| {
            assert_eq!(cut_end(text, room), end);
            assert_eq!(cut_middle(text, room), middle);
            assert!(width(end) <= room && width(middle) <= room);
        };
        check("gpu017", 6, "gpu017", "gpu017");
        check("aws-use1-gpu0421", 9, "aws-use1…", "aws-…0421");
        check("日本語日本語", 7, "日本語…", "日…語");
        check("e\u{301}a\u{301}i\u{301}o\u{301}u\u{301}", 4, "e\u{301}a\u{301}i\u{301}…", "e\u{301}a\u{301}…u\u{301}");
        check("gpu017", 1, "…", "…");
        check("gpu017", 0, "", "");
    }
}
