//! The views: what the rows of each are, and which columns it shows when nobody says.
//! Each place level is a view by its plural.

use crate::model::{metric::Scope, place::Levels, question::Complaint, syntax::Word};

use super::{lexer::complain, suggest::hint};

/// What one row of an ungrouped view is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Node,
    Gpu,
    Nic,
    Process,
    Core,
    Mount,
    Job,
    Energy,
    Incident,
    Rule,
    Event,
    Metric,
}

impl Kind {
    /// The scope of the metrics that such a row has of its own.
    pub(super) fn scope(self) -> Option<Scope> {
        Some(match self {
            Kind::Node => Scope::Node,
            Kind::Gpu => Scope::Gpu,
            Kind::Nic => Scope::Nic,
            Kind::Process => Scope::Process,
            Kind::Core => Scope::Core,
            Kind::Mount => Scope::Mount,
            Kind::Job => Scope::Job,
            Kind::Energy => Scope::Energy,
            Kind::Incident => Scope::Incident,
            Kind::Rule => Scope::Rule,
            Kind::Event | Kind::Metric => return None,
        })
    }

    /// What the metrics of `scope` are measured on.
    pub(super) fn of(scope: Scope) -> Kind {
        match scope {
            Scope::Node => Kind::Node,
            Scope::Gpu => Kind::Gpu,
            Scope::Nic => Kind::Nic,
            Scope::Process => Kind::Process,
            Scope::Core => Kind::Core,
            Scope::Mount => Kind::Mount,
            Scope::Job => Kind::Job,
            Scope::Energy => Kind::Energy,
            Scope::Incident => Kind::Incident,
            Scope::Rule => Kind::Rule,
        }
    }

    /// The first part of its own keys.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Kind::Event => "event",
            Kind::Metric => "metric",
            _ => self.scope().map_or("", Scope::prefix),
        }
    }

    /// Whether each has a node.
    pub(super) fn has_a_node(self) -> bool {
        !matches!(self, Kind::Job | Kind::Energy | Kind::Incident | Kind::Rule | Kind::Metric)
    }

    /// Whether things of this kind are nodes', or are nodes themselves.
    pub(super) fn is_of_nodes(self) -> bool {
        self.has_a_node() && self != Kind::Event
    }

    /// Whether such a row has anything to do with things of `scope`: its node, its GPUs, the processes on it.
    pub(super) fn reaches(self, scope: Scope) -> bool {
        match (self, scope) {
            (Kind::Metric, _) => false,
            // Accounts outlive what they were spent on, and reach nothing.
            (Kind::Energy | Kind::Rule, _) | (_, Scope::Energy | Scope::Incident | Scope::Rule) => {
                self.scope() == Some(scope)
            }
            (Kind::Node, _)
            | (_, Scope::Node)
            | (Kind::Gpu, Scope::Process | Scope::Nic | Scope::Job)
            | (Kind::Process | Kind::Incident, Scope::Job)
            | (Kind::Process | Kind::Nic | Kind::Event | Kind::Job | Kind::Incident, Scope::Gpu) => true,
            _ => self.scope() == Some(scope),
        }
    }
}

/// How a view's things become its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// Each is a row.
    Each,
    /// All nodes are one row.
    Fleet,
    /// The nodes of each place of this level are a row.
    Places(usize),
}

/// A view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// Its name, as the query writes it.
    pub(super) name: String,
    /// What it is about.
    pub(super) kind: Kind,
    pub(super) rows: Rows,
}

/// The views of things, and their columns when nobody says: what fits on 80 columns comes first.
const VIEWS: &[(&str, Kind, &[&str])] = &[
    (
        "gpus",
        Kind::Gpu,
        &[
            "node",
            "index",
            "state",
            "gpu.util",
            "gpu.sm.active",
            "gpu.tensor.active",
            "gpu.dram.active",
            "gpu.mem.used",
            "gpu.mem.util",
            "gpu.power",
            "gpu.temp",
            "gpu.clock.sm",
            "gpu.throttle",
            "gpu.xid",
            "gpu.procs",
            "job",
            "proc.user",
        ],
    ),
    (
        "nodes",
        Kind::Node,
        &[
            "node",
            "state",
            "each(gpu.util)",
            "gpu.util",
            "gpu.sm.active",
            "gpu.tensor.active",
            "gpu.mem.util",
            "gpu.power",
            "gpu.temp",
            "node.cpu",
            "node.mem.used",
            "node.net.rx",
            "node.net.tx",
            "node.ib.rx",
            "node.ib.tx",
            "node.disk.used",
            "node.age",
        ],
    ),
    (
        "nics",
        Kind::Nic,
        &[
            "node",
            "nic.name",
            "nic.kind",
            "nic.state",
            "nic.rate",
            "nic.rx",
            "nic.tx",
            "nic.errors",
            "nic.link.downed",
            "nic.gpu",
        ],
    ),
    (
        "processes",
        Kind::Process,
        &[
            "node",
            "proc.pid",
            "proc.user",
            "proc.job",
            "proc.name",
            "proc.state",
            "proc.gpu",
            "proc.mem.gpu",
            "proc.sm",
            "proc.cpu",
            "proc.mem",
            "proc.age",
        ],
    ),
    (
        "jobs",
        Kind::Job,
        &[
            "job",
            "job.user",
            "job.name",
            "job.state",
            "job.nodes",
            "job.gpus",
            "job.age",
            "gpu.util",
            "min(gpu.util)",
            "median(gpu.util)",
            "mad(gpu.util)",
            "gpu.tensor.active",
            "gpu.power",
            "job.energy",
            "gpu.mem.util",
            "gpu.temp",
            "gpu.clock.sm",
            "node.ib.rx",
            "job.unused",
            "job.idle",
            "job.outliers",
            "job.partition",
            "job.account",
        ],
    ),
    ("energy", Kind::Energy, OF_ENERGY),
    ("users", Kind::Job, OF_JOBS),
    ("accounts", Kind::Job, OF_JOBS),
    ("partitions", Kind::Job, OF_JOBS),
    (
        "incidents",
        Kind::Incident,
        &[
            "incident",
            "incident.severity",
            "incident.stage",
            "incident.subject",
            "incident.reason",
            "incident.age",
            "incident.count",
            "incident.nodes",
            "incident.rule",
            "incident.since",
            "incident.note",
            "incident.action",
        ],
    ),
    (
        "rules",
        Kind::Rule,
        &[
            "rule",
            "rule.severity",
            "rule.view",
            "rule.when",
            "rule.hold",
            "rule.clear",
            "rule.clear.hold",
            "rule.state",
            "rule.open",
            "rule.reason",
            "rule.action",
            "rule.under",
            "rule.basis",
        ],
    ),
    ("events", Kind::Event, &["event.time", "node", "event.kind", "event.xid", "event.subject", "event.text"]),
    ("cores", Kind::Core, &["node", "core.index", "core.util"]),
    (
        "mounts",
        Kind::Mount,
        &["node", "mount.path", "mount.kind", "mount.state", "mount.used", "mount.free", "mount.size", "mount.inodes"],
    ),
    (
        "metrics",
        Kind::Metric,
        &[
            "metric.key",
            "metric.title",
            "metric.unit",
            "metric.aggregate",
            "metric.direction",
            "metric.help",
            "metric.source",
        ],
    ),
];

/// Columns of what was spent. Of groups, those that say what they have in common stay away.
const OF_ENERGY: &[&str] = &[
    "energy.hour",
    "energy.user",
    "energy.account",
    "energy.place",
    "energy.used",
    "energy.host",
    "energy.idle",
    "energy.gpu.time",
    "energy.cost",
    "energy.carbon",
    "energy.estimated",
];

/// Columns of groups of jobs, after what they have in common.
const OF_JOBS: &[&str] = &[
    "job.running",
    "job.waiting",
    "job.held",
    "job.unused",
    "job.idle",
    "job.outliers",
    "gpu.util",
    "min(gpu.util)",
    "gpu.sm.active",
    "gpu.tensor.active",
    "gpu.power",
    "job.energy",
    "job.energy.today",
    "job.energy.idle",
    "gpu.mem.util",
    "gpu.clock.sm",
];

/// What the rows of a view are grouped by when nobody says: `users` are jobs by their users.
pub(super) fn grouping(view: &str) -> Option<&'static str> {
    Some(match view {
        "users" => "job.user",
        "accounts" => "job.account",
        "partitions" => "job.partition",
        _ => return None,
    })
}

/// Columns of places and of the fleet, after the place's name.
const PLACE: &[&str] = &[
    "nodes",
    "up",
    "node.gpus",
    "gpu.util",
    "gpu.sm.active",
    "gpu.mem.util",
    "gpu.power",
    "gpu.temp",
    "node.cpu",
    "node.mem.util",
    "node.ib.rx",
    "node.ib.tx",
    "node.net.rx",
    "node.net.tx",
];

impl View {
    /// The view that `word` names.
    pub(super) fn find(word: &Word, levels: &Levels) -> Result<View, Complaint> {
        let name = word.text.clone();
        if word == "fleet" {
            return Ok(View { name, kind: Kind::Node, rows: Rows::Fleet });
        }
        if let Some((_, kind, _)) = VIEWS.iter().find(|(view, ..)| word == view) {
            return Ok(View { name, kind: *kind, rows: Rows::Each });
        }
        if let Some(level) = levels.names().iter().position(|level| plural(level) == name) {
            return Ok(View { name, kind: Kind::Node, rows: Rows::Places(level) });
        }
        let levels: Vec<String> = levels.names().iter().map(|level| plural(level)).collect();
        let names = VIEWS.iter().map(|(view, ..)| *view).chain(["fleet"]).chain(levels.iter().map(String::as_str));
        let near = hint(word, names.clone());
        let all = names.collect::<Vec<_>>().join(", ");
        let tail = if near.is_empty() { format!("; views are {all}") } else { near };
        Err(complain(format!("unknown view `{}`{tail}", crate::model::text::clean(word, 40)), word.spot))
    }

    /// The columns that it shows when nobody says, without a place's own name.
    pub(super) fn columns(&self) -> &'static [&'static str] {
        match self.rows {
            Rows::Each => VIEWS.iter().find(|(view, ..)| *view == self.name).map_or(&[], |(_, _, columns)| columns),
            Rows::Fleet | Rows::Places(_) => PLACE,
        }
    }
}

/// A level's name for several: `racks`, `cities`.
pub fn plural(level: &str) -> String {
    let vowel = |c: char| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u');
    match level.strip_suffix('y') {
        Some(stem) if !stem.ends_with(vowel) => format!("{stem}ies"),
        _ if level.ends_with(['s', 'x', 'z']) || level.ends_with("ch") || level.ends_with("sh") => format!("{level}es"),
        _ => format!("{level}s"),
    }
}
