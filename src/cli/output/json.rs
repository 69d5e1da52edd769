//! Answers as JSON: `{"query","time","total","stale","rows":[…]}`, rows keyed by full keys, unknown null. What the hub
//! dropped or refused since it started is beside them as `drops`, by reason, once there is any.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::model::{
    json::{self, number},
    metric::{Kind, MetricId, Scope, gpu, node as metric},
    question::Answer,
    raw::Raw,
    report::{Inventory, Values},
    series::Series,
    state::Scheduler,
    table::Table,
};

/// Writes an answer as one JSON object and a newline.
pub(crate) fn write(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let value = match answer {
        Answer::Table(answer) => table(answer),
        Answer::Series(answer) => series(answer),
    };
    serde_json::to_writer_pretty(&mut *out, &value)?;
    writeln!(out)
}

fn table(table: &Table) -> Value {
    let mut answer = json!({
        "query": table.query,
        "time": table.time.to_string(),
        "total": table.total,
        "stale": table.stale,
        "rows": json::rows(table),
    });
    if !table.census.drops.is_empty() {
        answer["drops"] = table.census.drops.iter().map(|(reason, n)| (reason.clone(), Value::from(*n))).collect();
    }
    if let Some(Scheduler { name, heard, problem, strangers }) = &table.census.scheduler {
        answer["scheduler"] = json!({ "name": name, "heard": heard.map(|time| time.to_string()), "problem": problem, "strangers": strangers });
    }
    answer
}

fn series(series: &Series) -> Value {
    let lines: Vec<Value> = series
        .lines
        .iter()
        .map(|line| {
            let values: Vec<Value> = line.values.iter().map(|v| v.map_or(Value::Null, number)).collect();
            json!({ "id": line.id, "key": line.column.key, "values": values })
        })
        .collect();
    json!({
        "query": series.query,
        "time": series.time.to_string(),
        "total": series.total,
        "start": series.start.to_string(),
        "step": series.step.as_secs_f64(),
        "history": series.census.history.map(|time| time.to_string()),
        "lines": lines,
    })
}

/// A node's values, scope by scope, for `agent --once`. What has no number says why.
pub(crate) fn values(values: &Values, inventory: &Inventory) -> Value {
    let mut all = Map::new();
    all.insert("node".into(), slot(values, Scope::Node, 0));
    let gpus = inventory.gpus.iter().enumerate();
    all.insert("gpus".into(), gpus.map(|(n, gpu)| named("index", &gpu.index, slot(values, Scope::Gpu, n))).collect());
    let nics = inventory.nics.iter().enumerate();
    all.insert("nics".into(), nics.map(|(n, nic)| named("nic.name", &nic.name, slot(values, Scope::Nic, n))).collect());
    Value::Object(all)
}

fn named(key: &str, name: &str, value: Value) -> Value {
    let mut object = Map::new();
    object.insert(key.into(), name.into());
    if let Value::Object(rest) = value {
        object.extend(rest);
    }
    Value::Object(object)
}

fn slot(values: &Values, scope: Scope, slot: usize) -> Value {
    let ids = (0..).map(|row| MetricId { scope, row }).zip(scope.metrics());
    let pairs =
        ids.filter(|(id, _)| !metric::OF_THE_HUB.contains(id) && !gpu::OF_THE_HUB.contains(id)).map(|(id, metric)| {
            let raw: Raw = values.get(id, slot);
            let value = match (raw.gap(), metric.kind) {
                (Some(gap), _) => gap.word().into(),
                (None, Kind::Flags(names)) => {
                    let bits = raw.steps().unwrap_or(0);
                    names.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, name)| *name).collect()
                }
                (None, Kind::Choice(names)) => {
                    raw.steps().and_then(|n| names.get(n as usize)).map_or(Value::Null, |name| (*name).into())
                }
                (None, _) => raw.value(metric.quantum).map_or(Value::Null, number),
            };
            (metric.key.to_string(), value)
        });
    Value::Object(pairs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        metric::Direction,
        raw::Gap,
        state::State,
        table::{Cell, Column, Row},
        time::Time,
        unit::Unit,
    };

    #[test]
    fn rows_are_keyed_and_unknown_is_null() {
        let column = |key: &str| Column {
            key: key.into(),
            title: String::new(),
            width: 4,
            unit: Some(Unit::One),
            kind: Some(Kind::Gauge),
            direction: Direction::Neutral,
        };
        let cells = vec![
            Cell::Number(50.0),
            Cell::Gap(Gap::Unsupported),
            Cell::Flags(vec!["hw_thermal".into()]),
            Cell::Number(0.1 + 0.2),
        ];
        let answer = Table {
            query: "gpus show util,fan,throttle,power".into(),
            time: Time::from_millis(0),
            total: 7,
            stale: 1,
            columns: ["gpu.util", "gpu.fan", "gpu.throttle", "gpu.power"].map(column).to_vec(),
            rows: vec![Row { id: "gpu017:3".into(), state: State::Up, cells }],
            ..Table::default()
        };
        let expected = json!({
            "query": "gpus show util,fan,throttle,power",
            "time": "1970-01-01T00:00:00.000Z",
            "total": 7,
            "stale": 1,
            "rows": [{
                "node": "gpu017", "index": "3",
                "gpu.util": 50, "gpu.fan": null, "gpu.throttle": ["hw_thermal"], "gpu.power": 0.3,
            }],
        });
        assert_eq!(table(&answer), expected);
    }

    #[test]
    fn a_report_says_why_a_value_is_missing() {
        let mut report = Values::new(1, 0);
        report.set(gpu::UTIL, 0, Raw::new(97.0, 1.0));
        report.set(gpu::FAN, 0, Raw::UNSUPPORTED);
        report.set(gpu::THROTTLE, 0, Raw::new(68.0, 1.0));
        let got = slot(&report, Scope::Gpu, 0);
        assert_eq!(got["gpu.util"], 97);
        assert_eq!(got["gpu.fan"], "unsupported");
        assert_eq!(got["gpu.temp"], "unknown");
        assert_eq!(got["gpu.throttle"], json!(["power_cap", "hw_thermal"]));
    }
}
