//! Where the parts of a node's screen stand, for every size and for nodes with and without GPUs.

use ratatui::layout::Rect;

use super::Panel;

/// A part of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// What the node is.
    Facts,
    /// A table; whether the other tables that have no room are named in its title.
    Panel(Panel, bool),
    /// A graph: CPU, memory, network, disk, RDMA.
    Load(usize),
    /// The cores.
    Cores,
}

/// All parts with their rectangles.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    places: Vec<(Place, Rect)>,
}

/// Takes lines off the top of what is left of the screen.
struct Cutter {
    width: u16,
    y: u16,
    left: u16,
}

impl Cutter {
    fn take(&mut self, lines: u16) -> Rect {
        let lines = lines.min(self.left);
        let area = Rect::new(0, self.y, self.width, lines);
        self.y += lines;
        self.left -= lines;
        area
    }
}

impl Layout {
    /// The parts, for a body of this size, so many rows in each panel, so many cores, and the cursor in `focus`.
    pub(super) fn of((width, height): (u16, u16), rows: [u64; 5], cores: usize, focus: Panel) -> Layout {
        let mut layout = Layout::default();
        let mut cut = Cutter { width, y: 0, left: height };
        let gpus = few(rows, Panel::Gpus);
        layout.push(Place::Facts, cut.take(if height > 12 { 3 } else { 1 }));
        if gpus > 0 {
            // All of them while that leaves some room for the rest, and half the screen in any case.
            let wanted = gpus + 2;
            let most = (cut.left / 2).max(cut.left.saturating_sub(8));
            let area = cut.take(wanted.min(most));
            layout.push(Place::Panel(Panel::Gpus, false), area);
        }
        let tables = Layout::table_lines(width, rows);
        layout.graphs(&mut cut, tables);
        let core_width = width.saturating_sub(8).max(1);
        let core_lines = (cores as u16).div_ceil(core_width).min(4);
        if cores > 0 && cut.left > core_lines + 6 {
            let area = cut.take(core_lines);
            layout.push(Place::Cores, inset(area));
        }
        layout.tables(&cut, rows, focus);
        layout
    }

    /// The parts.
    pub(super) fn places(&self) -> &[(Place, Rect)] {
        &self.places
    }

    fn push(&mut self, place: Place, area: Rect) {
        if area.width > 0 && area.height > 0 {
            self.places.push((place, area));
        }
    }

    /// The load along time: side by side when there is room, one line each when there is little.
    fn graphs(&mut self, cut: &mut Cutter, tables: u16) {
        if cut.left < 8 {
            return;
        }
        let columns = match cut.width {
            150.. => 4,
            76.. => 2,
            _ => 1,
        };
        let bands = 4 / columns;
        // What the tables leave over, but no less than they can spare and no more than reads well.
        let spare = cut.left.saturating_sub(tables + 4).max(cut.left * 2 / 5);
        let tall = match spare / bands {
            0..=3 => 1,
            n => n.min(10),
        };
        let area = cut.take(tall * bands);
        self.split(area, columns, 4, tall);
    }

    /// Lines that the tables below would fill.
    fn table_lines(width: u16, rows: [u64; 5]) -> u16 {
        let lines = |panel: Panel| few(rows, panel) + 2;
        let processes = lines(Panel::Processes);
        if width < 130 { processes } else { processes.max(lines(Panel::Nics) + lines(Panel::Mounts) + 6) }
    }

    fn split(&mut self, area: Rect, columns: u16, count: u16, tall: u16) {
        let each = area.width / columns;
        for n in 0..count {
            let (column, line) = (n % columns, n / columns);
            let part = Rect::new(column * each, area.y + line * tall, each, tall).intersection(area);
            self.push(Place::Load(usize::from(n)), inset(part));
        }
    }

    /// Processes and the rest: beside each other on a wide screen, else the one with the cursor.
    fn tables(&mut self, cut: &Cutter, rows: [u64; 5], focus: Panel) {
        let area = Rect::new(0, cut.y, cut.width, cut.left);
        if area.height < 2 {
            return;
        }
        if area.width < 130 || area.height < 12 {
            let shown = if focus == Panel::Gpus { Panel::Processes } else { focus };
            self.push(Place::Panel(shown, true), area);
            return;
        }
        let left = area.width * 11 / 20;
        self.push(Place::Panel(Panel::Processes, false), Rect { width: left - 1, ..area });
        let side = [Panel::Nics, Panel::Mounts, Panel::Events];
        let mut y = area.y;
        for (at, panel) in side.into_iter().enumerate() {
            let rest = area.bottom() - y;
            let waiting = side.len() as u16 - at as u16;
            let lines = if waiting == 1 { rest } else { (few(rows, panel) + 2).min(rest / waiting).max(3) };
            let part = Rect::new(left, y, area.width - left, lines).intersection(area);
            self.push(Place::Panel(panel, false), part);
            y = part.bottom();
        }
    }
}

/// Rows of a panel, as far as they can matter on a screen.
fn few(rows: [u64; 5], panel: Panel) -> u16 {
    rows[panel as usize].min(500) as u16
}

/// One blank cell at each side.
fn inset(area: Rect) -> Rect {
    Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_never_overlap_nor_leave_the_screen() {
        for width in 0..220 {
            for height in 0..70 {
                for (gpus, focus) in [(0, Panel::Processes), (8, Panel::Gpus), (16, Panel::Events)] {
                    let layout = Layout::of((width, height), [gpus, 50, 9, 4, 20], 128, focus);
                    let screen = Rect::new(0, 0, width, height);
                    for (at, (place, area)) in layout.places().iter().enumerate() {
                        assert_eq!(area.intersection(screen), *area, "{width}×{height} {place:?}");
                        let others = layout.places().iter().skip(at + 1);
                        for (other, theirs) in others {
                            assert!(!area.intersects(*theirs), "{width}×{height} {place:?} {other:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_small_screen_still_shows_the_processes() {
        let layout = Layout::of((80, 21), [8, 50, 2, 4, 20], 128, Panel::Gpus);
        let (_, area) =
            layout.places().iter().find(|(p, _)| matches!(p, Place::Panel(Panel::Processes, true))).unwrap();
        assert!(area.height >= 5, "{area:?}");
    }
}
