//! Answers as CSV: one header of full keys, numbers in the metric's unit, nothing where there is no value.

use std::io::{self, Write};

use crate::model::{
    question::Answer,
    series::Series,
    table::{Cell, Table},
};

/// Writes an answer as CSV.
pub(crate) fn write(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let mut out = csv::Writer::from_writer(out);
    match answer {
        Answer::Table(answer) => table(&mut out, answer),
        Answer::Series(answer) => series(&mut out, answer),
    }
    .map_err(|error| match error.into_kind() {
        // As what it is, so that a reader who has had enough is told from a full disk.
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    })?;
    out.flush()
}

fn table(out: &mut csv::Writer<impl Write>, table: &Table) -> csv::Result<()> {
    out.write_record(std::iter::once("id").chain(table.columns.iter().map(|c| c.key.as_str())))?;
    for row in &table.rows {
        out.write_field(&row.id)?;
        for cell in &row.cells {
            out.write_field(field(cell))?;
        }
        out.write_record(None::<&[u8]>)?;
    }
    Ok(())
}

/// One record per line and time: id, key, time, value.
fn series(out: &mut csv::Writer<impl Write>, series: &Series) -> csv::Result<()> {
    out.write_record(["id", "key", "time", "value"])?;
    for line in &series.lines {
        for (step, value) in (0u32..).zip(&line.values) {
            let time = (series.start + series.step * step).to_string();
            out.write_record([&line.id, &line.column.key, &time, &value.map_or_else(String::new, number)])?;
        }
    }
    Ok(())
}

fn field(cell: &Cell) -> String {
    match cell {
        Cell::Gap(_) => String::new(),
        Cell::Number(value) => number(*value),
        Cell::Text(text) => text.clone(),
        Cell::Flags(names) => names.join("+"),
        Cell::List(values) => values.iter().map(|v| v.map_or_else(String::new, number)).collect::<Vec<_>>().join(" "),
    }
}

fn number(value: f64) -> String {
    ((value * 1e6).round() / 1e6).to_string()
}
