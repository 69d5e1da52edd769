//! Answers as aligned columns for people. Nothing is clipped: a long line is better than a wrong one.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr as _;

use crate::model::{
    question::Answer,
    series::Series,
    table::{Cell, Table},
    unit::grouped,
};

/// Blocks of an eighth to a whole cell, for lines along time.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Writes an answer as columns.
pub(crate) fn write(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    match answer {
        Answer::Table(answer) => table(out, answer),
        Answer::Series(answer) => series(out, answer),
    }
}

fn table(out: &mut impl Write, table: &Table) -> io::Result<()> {
    let titles: Vec<String> = table.columns.iter().map(|c| c.title.clone()).collect();
    let rows: Vec<Vec<String>> = table
        .rows
        .iter()
        .map(|row| row.cells.iter().zip(&table.columns).map(|(cell, column)| cell.show(column)).collect())
        .collect();
    let numeric: Vec<bool> = (0..titles.len())
        .map(|at| table.columns[at].unit.is_some() && !table.rows.iter().any(|r| matches!(r.cells[at], Cell::Text(_))))
        .collect();
    align(out, &titles, &rows, &numeric)?;
    let shown = table.rows.len() as u64;
    if shown < table.total || table.stale > 0 {
        writeln!(out, "{} of {} rows; {} not up", grouped(shown as i64), grouped(table.total as i64), table.stale)?;
    }
    Ok(())
}

fn series(out: &mut impl Write, series: &Series) -> io::Result<()> {
    let titles = ["ID", "KEY", "FIRST", "LAST", "MIN", "MAX", "LINE"].map(String::from);
    let rows: Vec<Vec<String>> = series
        .lines
        .iter()
        .map(|line| {
            let show = |value: Option<f64>| value.map_or("–".into(), |v| Cell::Number(v).show(&line.column));
            let known = || line.values.iter().flatten().copied();
            let (low, high) = (known().reduce(f64::min), known().reduce(f64::max));
            vec![
                line.id.clone(),
                line.column.key.clone(),
                show(line.values.first().copied().flatten()),
                show(line.values.last().copied().flatten()),
                show(low),
                show(high),
                blocks(&line.values, low.unwrap_or(0.0), high.unwrap_or(0.0)),
            ]
        })
        .collect();
    align(out, &titles, &rows, &[false, false, true, true, true, true, false])
}

fn blocks(values: &[Option<f64>], low: f64, high: f64) -> String {
    let span = (high - low).max(f64::MIN_POSITIVE);
    let block = |value: f64| BLOCKS[(((value - low) / span * 7.0).round() as usize).min(7)];
    values.iter().map(|value| value.map_or(' ', block)).collect()
}

fn align(out: &mut impl Write, titles: &[String], rows: &[Vec<String>], numeric: &[bool]) -> io::Result<()> {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.width());
        cells.chain(std::iter::once(titles[at].width())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    for row in std::iter::once(titles).chain(rows.iter().map(Vec::as_slice)) {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let padding = " ".repeat(widths[at].saturating_sub(cell.width()));
            let (before, after) = if numeric[at] { (padding.as_str(), "") } else { ("", padding.as_str()) };
            line.extend([if at == 0 { "" } else { "  " }, before, cell.as_str(), after]);
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_align_right_and_wide_characters_count_double() {
        let mut out = Vec::new();
        let rows = [vec!["größe".into(), "5".into()], vec!["日本".into(), "1,024".into()]];
        align(&mut out, &["NAME".into(), "N".into()], &rows, &[false, true]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "NAME       N\ngröße      5\n日本   1,024\n");
    }

    #[test]
    fn a_line_spans_its_own_range() {
        assert_eq!(blocks(&[Some(0.0), None, Some(7.0)], 0.0, 7.0), "▁ █");
        assert_eq!(blocks(&[Some(3.0)], 3.0, 3.0), "▁");
    }
}
