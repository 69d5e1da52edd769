//! The metric catalogue: one row per metric, and everything that names a metric reads it from here.
//! Columns, sorting, filter words, JSON, the help screen and the README's metrics page all come from these rows.

mod rows;

use std::{borrow::Cow, fmt};

pub use rows::{core, energy, gpu, incident, job, mount, nic, node, process, rule};

use crate::model::unit::Unit;

/// What a metric is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// A machine.
    Node,
    /// A GPU or a MIG instance of one.
    Gpu,
    /// A network port.
    Nic,
    /// A process.
    Process,
    /// A logical CPU.
    Core,
    /// A mounted filesystem.
    Mount,
    /// A scheduler's job.
    Job,
    /// What GPUs spent in an hour.
    Energy,
    /// Something that is wrong.
    Incident,
    /// By what an incident is raised.
    Rule,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 10] = [
        Scope::Node,
        Scope::Gpu,
        Scope::Nic,
        Scope::Process,
        Scope::Core,
        Scope::Mount,
        Scope::Job,
        Scope::Energy,
        Scope::Incident,
        Scope::Rule,
    ];
    /// The scopes whose values come in samples, in the order in which a sample lists them.
    pub const SAMPLED: [Scope; 3] = [Scope::Node, Scope::Gpu, Scope::Nic];

    /// The first part of the keys of this scope's metrics.
    pub const fn prefix(self) -> &'static str {
        match self {
            Scope::Node => "node",
            Scope::Gpu => "gpu",
            Scope::Nic => "nic",
            Scope::Process => "proc",
            Scope::Core => "core",
            Scope::Mount => "mount",
            Scope::Job => "job",
            Scope::Energy => "energy",
            Scope::Incident => "incident",
            Scope::Rule => "rule",
        }
    }

    /// The scope that a key's first part names.
    pub fn from_prefix(prefix: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|s| s.prefix() == prefix)
    }

    /// The metrics that this build knows of this scope, in catalogue order.
    pub fn metrics(self) -> &'static [Metric] {
        match self {
            Scope::Node => node::METRICS,
            Scope::Gpu => gpu::METRICS,
            Scope::Nic => nic::METRICS,
            Scope::Process => process::METRICS,
            Scope::Core => core::METRICS,
            Scope::Mount => mount::METRICS,
            Scope::Job => job::METRICS,
            Scope::Energy => energy::METRICS,
            Scope::Incident => incident::METRICS,
            Scope::Rule => rule::METRICS,
        }
    }
}

/// How several values become one: GPUs into their node, nodes into their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// All of them added up.
    Sum,
    /// Their arithmetic mean.
    Mean,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// Flags: those that any of them has.
    Union,
    /// The middle one.
    Median,
    /// The median distance from the median.
    Mad,
}

/// Which end of a metric is the bad one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Neither.
    Neutral,
    /// High values are bad, and a first click on the column sorts them up.
    HighIsBad,
    /// Low values are bad.
    LowIsBad,
}

/// How the number is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A level that goes up and down.
    Gauge,
    /// A count that only grows, until it is reset.
    Counter,
    /// A set of named bits, the lowest first.
    Flags(&'static [&'static str]),
    /// One of these names, by number.
    Choice(&'static [&'static str]),
    /// A number that names something: an XID.
    Code,
}

/// One row of the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The full key: `gpu.util`.
    pub key: Cow<'static, str>,
    /// The column's title.
    pub title: Cow<'static, str>,
    /// What it is measured on.
    pub scope: Scope,
    /// What its number measures.
    pub unit: Unit,
    /// Cells that a column of it takes.
    pub width: u8,
    /// The step in which it is stored and sent, in its unit.
    pub quantum: f64,
    /// How several become one.
    pub aggregate: Aggregate,
    /// Which end is bad.
    pub direction: Direction,
    /// How to read it.
    pub kind: Kind,
    /// What it means, in a sentence.
    pub help: Cow<'static, str>,
    /// Where it is read: the NVML call, the file under /proc or /sys.
    pub source: Cow<'static, str>,
}

impl Metric {
    /// The key without its scope: `util`.
    pub fn short(&self) -> &str {
        self.key.split_once('.').map_or(&*self.key, |(_, short)| short)
    }
}

/// A metric's place in the catalogue: its scope, and its row among the metrics of that scope.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetricId {
    /// The scope whose list it is in.
    pub scope: Scope,
    /// The row in that list.
    pub row: u16,
}

impl MetricId {
    /// The built-in metric with this full key.
    pub fn find(key: &str) -> Option<MetricId> {
        let scope = Scope::from_prefix(key.split_once('.')?.0)?;
        let row = scope.metrics().iter().position(|m| m.key == key)?;
        Some(MetricId { scope, row: row as u16 })
    }

    /// The built-in row, or nothing for a metric that only the hub's own catalogue knows.
    pub fn builtin(self) -> Option<&'static Metric> {
        self.scope.metrics().get(usize::from(self.row))
    }
}

impl fmt::Debug for MetricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.builtin() {
            Some(metric) => f.write_str(&metric.key),
            None => write!(f, "{}.#{}", self.scope.prefix(), self.row),
        }
    }
}

/// The built-in rows, and the metrics that agents newer than this build have brought.
#[derive(Clone, Debug)]
pub struct Catalogue {
    scopes: [Vec<Metric>; Scope::ALL.len()],
    learnt: usize,
    refused: Vec<String>,
}

impl Catalogue {
    /// How many metrics a catalogue learns from agents before it refuses more.
    pub const LEARNS: usize = 64;

    /// The metrics of a scope, built-in ones first.
    pub fn scope(&self, scope: Scope) -> &[Metric] {
        &self.scopes[scope as usize]
    }

    /// The row behind an id.
    pub fn get(&self, id: MetricId) -> Option<&Metric> {
        self.scope(id.scope).get(usize::from(id.row))
    }

    /// The metric with this full key.
    pub fn find(&self, key: &str) -> Option<MetricId> {
        let scope = Scope::from_prefix(key.split_once('.')?.0)?;
        let row = self.scope(scope).iter().position(|m| m.key == key)?;
        Some(MetricId { scope, row: row as u16 })
    }

    /// Every metric with its id, scope by scope.
    pub fn iter(&self) -> impl Iterator<Item = (MetricId, &Metric)> {
        Scope::ALL.into_iter().flat_map(|scope| {
            self.scope(scope).iter().enumerate().map(move |(row, m)| (MetricId { scope, row: row as u16 }, m))
        })
    }

    /// The id of an agent's metric, learnt now if it is new. Nothing once [`Catalogue::LEARNS`] were
    /// learnt: the key is then among [`Catalogue::refused`].
    pub fn learn(&mut self, scope: Scope, key: &str, unit: Unit, quantum: f64) -> Option<MetricId> {
        if let Some(id) = self.find(key) {
            return (id.scope == scope).then_some(id);
        }
        let named = key.strip_prefix(scope.prefix()).and_then(|k| k.strip_prefix('.'));
        let wellformed = named.is_some_and(|k| !k.is_empty() && k.len() <= 48) && quantum.is_finite() && quantum > 0.0;
        if !wellformed || self.learnt >= Self::LEARNS {
            if self.refused.len() < Self::LEARNS && !self.refused.iter().any(|k| k == key) {
                self.refused.push(crate::model::text::clean(key, 64).into_owned());
            }
            return None;
        }
        self.learnt += 1;
        let short = named.unwrap_or(key);
        let rows = &mut self.scopes[scope as usize];
        rows.push(Metric {
            key: crate::model::text::clean(key, 64).into_owned().into(),
            title: short.to_uppercase().into(),
            scope,
            unit,
            width: short.chars().count().clamp(6, 12) as u8,
            quantum,
            aggregate: Aggregate::Mean,
            direction: Direction::Neutral,
            kind: Kind::Gauge,
            help: "Sent by an agent that is newer than this hub.".into(),
            source: "the agent".into(),
        });
        Some(MetricId { scope, row: (rows.len() - 1) as u16 })
    }

    /// Keys that agents offered and that found no room, or were no keys.
    pub fn refused(&self) -> &[String] {
        &self.refused
    }
}

impl Default for Catalogue {
    fn default() -> Self {
        Catalogue { scopes: Scope::ALL.map(|s| s.metrics().to_vec()), learnt: 0, refused: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_begin_with_their_scope() {
        let mut keys = Vec::new();
        for (id, metric) in Catalogue::default().iter() {
            assert!(metric.key.starts_with(&format!("{}.", id.scope.prefix())), "{}", metric.key);
            assert_eq!(MetricId::find(&metric.key), Some(id));
            keys.push(metric.key.clone());
        }
        let n = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), n);
    }

    #[test]
    fn every_row_is_complete() {
        for (_, m) in Catalogue::default().iter() {
            assert!(m.quantum > 0.0 && m.width >= 2, "{}", m.key);
            assert!(m.title.chars().count() <= usize::from(m.width), "{}: title wider than its column", m.key);
            assert!(m.help.ends_with('.') && m.help.len() > 10, "{}: help is a sentence", m.key);
            assert!(!m.source.is_empty(), "{}", m.key);
        }
    }

    #[test]
    fn learns_what_is_new_up_to_a_limit() {
        let mut catalogue = Catalogue::default();
        let known = catalogue.learn(Scope::Gpu, "gpu.util", Unit::Percent, 1.0);
        assert_eq!(known, Some(gpu::UTIL));
        assert_eq!(catalogue.learn(Scope::Node, "gpu.util", Unit::Percent, 1.0), None, "a key of another scope");
        for n in 0..Catalogue::LEARNS {
            let key = format!("gpu.new{n}");
            let id = catalogue.learn(Scope::Gpu, &key, Unit::One, 1.0).expect("room");
            assert_eq!(catalogue.get(id).map(|m| &*m.key), Some(&*key));
            assert_eq!(catalogue.learn(Scope::Gpu, &key, Unit::One, 1.0), Some(id), "learnt once");
        }
        assert_eq!(catalogue.learn(Scope::Gpu, "gpu.more", Unit::One, 1.0), None);
        assert_eq!(catalogue.learn(Scope::Gpu, "\u{1b}[2J", Unit::One, 1.0), None);
        assert_eq!(catalogue.refused().len(), 2);
        assert!(catalogue.refused().iter().all(|k| !k.contains('\u{1b}')));
    }
}
