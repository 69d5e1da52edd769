//! Rows as JSON: objects keyed by full keys, with what says which thing each is about; unknown is null.

use serde_json::{Map, Number, Value};

use super::table::{Cell, Row, Table};

/// The rows of an answer, one object each.
pub fn rows(table: &Table) -> Vec<Value> {
    let view = table.query.split_whitespace().next().unwrap_or_default();
    let row = |row: &Row| {
        let mut object = Map::new();
        for (key, value) in identity(view, &row.id) {
            object.insert(key.into(), value.into());
        }
        for (column, cell) in table.columns.iter().zip(&row.cells) {
            object.insert(column.key.clone(), self::cell(&column.key, cell));
        }
        Value::Object(object)
    };
    table.rows.iter().map(row).collect()
}

/// What says which thing a row is about, whether or not the query shows it.
fn identity<'a>(view: &str, id: &'a str) -> Vec<(&'static str, &'a str)> {
    match view {
        "gpus" => match id.rsplit_once(':') {
            Some((node, index)) => vec![("node", node), ("index", index)],
            None => vec![],
        },
        "nodes" => vec![("node", id)],
        "jobs" => vec![("job", id)],
        "processes" | "nics" | "cores" | "mounts" => {
            id.split_once('/').map(|(node, _)| ("node", node)).into_iter().collect()
        }
        _ => vec![],
    }
}

fn cell(key: &str, cell: &Cell) -> Value {
    match cell {
        Cell::Gap(_) => Value::Null,
        Cell::Number(value) => number(*value),
        // An XID is a number wherever it stands; a field of an event is text.
        Cell::Text(text) if key == "event.xid" => text.parse().map_or_else(|_| text.as_str().into(), number),
        Cell::Text(text) => text.as_str().into(),
        Cell::Flags(names) => names.clone().into(),
        Cell::List(values) => values.iter().map(|v| v.map_or(Value::Null, number)).collect(),
    }
}

/// Whole numbers without a point; others without the noise of their quantum.
pub fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return Value::from(value as i64);
    }
    Number::from_f64((value * 1e6).round() / 1e6).map_or(Value::Null, Value::Number)
}
