//! What the made-up hub says of metrics: some of the catalogue's, so that new ones change no screen.

use super::facts::{Facts, Thing, text};
use crate::model::{MetricId, State, metric::Direction};

const KEYS: [&str; 7] =
    ["gpu.util", "gpu.power", "gpu.temp", "gpu.ecc.dbe", "gpu.nvlink.rx", "node.mem.util", "mount.used"];

pub(super) fn metrics() -> Vec<Thing> {
    let metric = |key: &str| {
        let row = MetricId::find(key).and_then(MetricId::builtin).expect(key);
        let facts: Facts = [
            ("metric.key", row.key.to_string()),
            ("metric.title", row.title.to_string()),
            ("metric.unit", row.unit.symbol().to_string()),
            ("metric.aggregate", format!("{:?}", row.aggregate).to_lowercase()),
            ("metric.direction", bad(row.direction).to_owned()),
            ("metric.help", row.help.to_string()),
            ("metric.source", row.source.to_string()),
        ]
        .map(|(key, words)| (key.to_owned(), text(words)))
        .into();
        Thing { id: key.into(), state: State::Up, facts }
    };
    KEYS.into_iter().map(metric).collect()
}

/// Which end is bad.
fn bad(direction: Direction) -> &'static str {
    match direction {
        Direction::Neutral => "",
        Direction::HighIsBad => "high",
        Direction::LowIsBad => "low",
    }
}

/// The title of a column of the catalogue.
pub(super) fn title(key: &str) -> Option<String> {
    Some(match key.strip_prefix("metric.")? {
        "aggregate" => "AGG".into(),
        "direction" => "BAD".into(),
        other => other.to_uppercase(),
    })
}
