//! One-line pictures of numbers: a bar for a share, a spark for a few values along time, a block for one.

use ratatui::style::Style;

use super::Pen;
use crate::tui::theme::Role;

/// Blocks by their height in eighths, less one.
pub(crate) const EIGHTHS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// The block whose height stands for a share from 0 to 1: never none, so that 0 is not nothing, and never the whole cell,
/// so that rows below one another stay apart.
pub(crate) fn block(share: f64) -> &'static str {
    let at = (share.clamp(0.0, 1.0) * 6.999) as usize;
    EIGHTHS.get(at).copied().unwrap_or(" ")
}

/// The newest of `values` as blocks over `cells` cells, between `low` and `high`; a dot where nothing is known.
pub(crate) fn spark(
    pen: &mut Pen<'_>,
    (x, y, cells): (u16, u16, u16),
    values: &[Option<f64>],
    (low, high): (f64, f64),
    style: Style,
) {
    let columns = resample(values, usize::from(cells));
    let faint = pen.style(Role::Faint);
    for (at, value) in columns.into_iter().enumerate() {
        let x = x + at as u16;
        match value {
            Some(value) => pen.styled(x, y, block(share(value, low, high)), style),
            None => pen.styled(x, y, "·", faint),
        };
    }
}

/// Where `value` lies between `low` and `high`, from 0 to 1.
pub(crate) fn share(value: f64, low: f64, high: f64) -> f64 {
    if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 }
}

/// `values` spread or condensed over `columns`: the highest of those that share a column, so that a peak shows.
pub(crate) fn resample(values: &[Option<f64>], columns: usize) -> Vec<Option<f64>> {
    let n = values.len();
    if n == 0 || columns == 0 {
        return vec![None; columns];
    }
    let column = |at: usize| {
        let from = at * n / columns;
        let to = ((at + 1) * n).div_ceil(columns).clamp(from + 1, n);
        values.get(from..to).unwrap_or(&[]).iter().flatten().copied().reduce(f64::max)
    };
    (0..columns).map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_has_a_height() {
        let check = |share, expected| assert_eq!(block(share), expected, "{share}");
        check(0.0, "▁");
        check(0.5, "▄");
        check(1.0, "▇");
        check(7.0, "▇");
        check(f64::NAN, "▁");
    }

    #[test]
    fn peaks_survive_condensing_and_gaps_stay_gaps() {
        let values: Vec<_> = (0..100).map(|n| Some(f64::from(u8::from(n == 37)))).collect();
        assert_eq!(resample(&values, 10).iter().flatten().filter(|value| **value > 0.5).count(), 1);
        assert_eq!(resample(&[Some(1.0), None], 4), [Some(1.0), Some(1.0), None, None]);
        assert_eq!(resample(&[], 2), [None, None]);
    }
}
