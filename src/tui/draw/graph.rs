//! Values along time as an area: Braille dots where the font has them, blocks otherwise.
//! The edge is bright and what lies under it is quiet, so that the line is what one sees.

use super::{
    Pen, Symbols,
    bar::{EIGHTHS, resample, share},
};
use crate::{model::Unit, tui::theme::Role};

/// What a graph shows.
pub(crate) struct Graph<'a> {
    /// Oldest first.
    pub(crate) values: &'a [Option<f64>],
    /// What the values measure.
    pub(crate) unit: Unit,
    /// The values at its lower and upper edge.
    pub(crate) range: (f64, f64),
    /// The style of its edge.
    pub(crate) edge: Role,
}

impl Graph<'_> {
    /// Draws it over the whole of `pen`, with the scale at its right where there is room for one.
    pub(crate) fn draw(&self, pen: &mut Pen<'_>) {
        let (width, height) = (pen.width(), pen.height());
        let (scale, plot) = (self.scale(), self.plot(width));
        if plot < width && height > 0 {
            pen.right(width, 0, &scale[0], Role::GraphAxis);
            if height > 1 {
                pen.right(width, height - 1, &scale[1], Role::GraphAxis);
            }
        }
        let mut plot = pen.part(0, 0, plot, height);
        if pen_uses_braille(&plot) { self.braille(&mut plot) } else { self.blocks(&mut plot) }
    }

    /// What of so many columns the values take.
    pub(crate) fn plot(&self, width: u16) -> u16 {
        let scale = self.scale().iter().map(|s| super::width(s)).max().unwrap_or(0) + 1;
        if width > scale + 10 { width - scale } else { width }
    }

    fn scale(&self) -> [String; 2] {
        [self.unit.cell(self.range.1), self.unit.cell(self.range.0)]
    }

    fn shares(&self, columns: usize) -> Vec<Option<f64>> {
        let values = resample(self.values, columns);
        values.into_iter().map(|v| v.map(|v| share(v, self.range.0, self.range.1))).collect()
    }

    /// Two columns and four rows of dots to a cell.
    fn braille(&self, pen: &mut Pen<'_>) {
        let (width, height) = (pen.width(), pen.height());
        let dots = usize::from(height) * 4;
        let shares = self.shares(usize::from(width) * 2);
        // At least one dot for what is known: a line on the floor is not a gap.
        let filled =
            |column: usize| shares.get(column).copied().flatten().map(|s| ((s * dots as f64).round() as usize).max(1));
        for x in 0..width {
            let pair = [filled(usize::from(x) * 2), filled(usize::from(x) * 2 + 1)];
            for y in 0..height {
                let below = usize::from(height - 1 - y) * 4;
                let part = pair.map(|n| n.map_or(0, |n| n.saturating_sub(below).min(4)));
                if part == [0, 0] {
                    continue;
                }
                let on_edge = pair.iter().flatten().any(|n| *n <= below + 4);
                let role = if on_edge { self.edge } else { Role::GraphUnder };
                let mut bytes = [0; 4];
                pen.text(x, y, braille(part).encode_utf8(&mut bytes), role);
            }
        }
    }

    /// One column and eight heights to a cell.
    fn blocks(&self, pen: &mut Pen<'_>) {
        let (width, height) = (pen.width(), pen.height());
        let eighths = f64::from(height) * 8.0;
        for (x, share) in self.shares(usize::from(width)).into_iter().enumerate() {
            let Some(share) = share else { continue };
            let filled = ((share * eighths).round() as u16).max(1);
            for y in 0..height {
                let below = (height - 1 - y) * 8;
                match filled.saturating_sub(below) {
                    0 => {}
                    n @ 1..=8 => {
                        let block = EIGHTHS.get(usize::from(n) - 1).copied().unwrap_or("█");
                        pen.text(x as u16, y, block, self.edge);
                    }
                    _ => {
                        pen.text(x as u16, y, "█", Role::GraphUnder);
                    }
                }
            }
        }
    }
}

fn pen_uses_braille(pen: &Pen<'_>) -> bool {
    pen.look().symbols == Symbols::Braille
}

/// The Braille cell whose left and right column are filled from below to these heights.
fn braille([left, right]: [usize; 2]) -> char {
    const LEFT: [u32; 5] = [0, 0x40, 0x44, 0x46, 0x47];
    const RIGHT: [u32; 5] = [0, 0x80, 0xa0, 0xb0, 0xb8];
    let bits = LEFT.get(left).unwrap_or(&0) | RIGHT.get(right).unwrap_or(&0);
    char::from_u32(0x2800 + bits).unwrap_or(' ')
}

/// A range for values of `unit` that are not all on a fixed scale: from zero to a round number above the highest.
pub(crate) fn range(unit: Unit, lines: &[&[Option<f64>]]) -> (f64, f64) {
    let highest = lines.iter().flat_map(|l| l.iter()).flatten().copied().fold(0.0, f64::max);
    match unit {
        Unit::Percent if highest <= 100.0 => (0.0, 100.0),
        Unit::Celsius => (20.0, if highest > 100.0 { round_up(highest, 10.0) } else { 100.0 }),
        Unit::Bytes => (0.0, round_up(highest, 1024.0).max(1024.0)),
        _ => (0.0, round_up(highest, 10.0).max(1.0)),
    }
}

/// The next of 1, 2, 5 times a power of `base` that is not below `value`.
fn round_up(value: f64, base: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let power = base.powf(value.log(base).floor());
    let steps: &[f64] = if base > 10.0 {
        &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0]
    } else {
        &[1.0, 2.0, 5.0, 10.0]
    };
    steps.iter().map(|s| s * power).find(|limit| *limit >= value * 0.999_999).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_on_round_numbers() {
        let check = |unit, highest: f64, expected| {
            assert_eq!(range(unit, &[&[Some(highest), None]]), expected, "{highest}");
        };
        check(Unit::Percent, 3.0, (0.0, 100.0));
        check(Unit::Percent, 1312.0, (0.0, 2000.0));
        check(Unit::Watts, 640.0, (0.0, 1000.0));
        check(Unit::Watts, 500.0, (0.0, 500.0));
        check(Unit::Bytes, 1.5 * 1_048_576.0, (0.0, 2.0 * 1_048_576.0));
        check(Unit::BytesPerSecond, 0.0, (0.0, 1.0));
        check(Unit::Celsius, 61.0, (20.0, 100.0));
    }

    #[test]
    fn dots_fill_from_below() {
        assert_eq!(braille([0, 0]), '\u{2800}');
        assert_eq!(braille([4, 4]), '⣿');
        assert_eq!(braille([1, 2]), '⣠');
    }
}
