//! Incidents: what is wrong with what, since when, why, and what to do about it. And the rules by which they are raised.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::model::time::Time;

/// How much an incident matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    #[default]
    Info,
    /// Somebody should look at it.
    Warn,
    /// Somebody has to do something.
    Crit,
}

impl Severity {
    /// The words of all severities, the least one first.
    pub const WORDS: &[&str] = &["info", "warn", "crit"];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Crit => "crit",
        }
    }
}

/// How far an incident has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Its rule holds.
    #[default]
    Open,
    /// Its rule holds, and somebody has taken note of it.
    Acknowledged,
    /// Its rule holds, and for some time nobody wants to hear of it.
    Silenced,
    /// Its rule holds no longer, and what was mended has yet to prove itself under load.
    Verifying,
    /// It is over.
    Cleared,
}

impl Stage {
    /// The words of all stages, in their order.
    pub const WORDS: &[&str] = &["open", "acknowledged", "silenced", "verifying", "cleared"];
}

/// What somebody says of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// That somebody sees to it.
    Acknowledge,
    /// That nobody wants to hear of it for so long.
    Silence(Duration),
    /// That what was said of it holds no longer.
    Reopen,
}

/// A remark of a person on an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The incident's number.
    pub incident: u64,
    /// What is said of it.
    pub verb: Verb,
    /// In the person's words.
    pub text: String,
    /// Who says so, as they call themselves.
    pub by: String,
}

/// A remark as the incident keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Time,
    /// In which words.
    pub text: String,
    /// Until when nobody wants to hear of it; nothing for one that was acknowledged.
    pub until: Option<Time>,
}

/// What an incident is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// All of the fleet, or its hub.
    Fleet,
    /// A place of a level.
    Place {
        /// The level: `rack`.
        level: String,
        /// The place's name.
        name: String,
    },
    /// A node, or several of its GPUs.
    Node {
        /// The node's name.
        node: String,
    },
    /// A GPU.
    Gpu {
        /// The node's name.
        node: String,
        /// Its number there, which may change over a reboot.
        index: String,
        /// Its PCI address, which does not; empty where it is not known.
        bus: String,
    },
    /// A network port, a mount: something else of a node.
    Part {
        /// The node's name.
        node: String,
        /// The port's name, or the mount's path.
        part: String,
    },
    /// A scheduler's job.
    Job {
        /// Its id.
        job: String,
    },
}

impl Subject {
    /// The node that it is, or is of.
    pub fn node(&self) -> Option<&str> {
        match self {
            Subject::Node { node } | Subject::Gpu { node, .. } | Subject::Part { node, .. } => Some(node),
            Subject::Fleet | Subject::Place { .. } | Subject::Job { .. } => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Fleet => f.write_str("fleet"),
            Subject::Place { level, name } => write!(f, "{level} {name}"),
            Subject::Node { node } => f.write_str(node),
            Subject::Gpu { node, index, .. } => write!(f, "{node}:{index}"),
            Subject::Part { node, part } if part.starts_with('/') => write!(f, "{node}{part}"),
            Subject::Part { node, part } => write!(f, "{node}/{part}"),
            Subject::Job { job } => write!(f, "job {job}"),
        }
    }
}

/// Something that is wrong, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number: incidents of one hub count from 1.
    pub id: u64,
    /// The rule that raised it.
    pub rule: String,
    /// How much it matters.
    pub severity: Severity,
    /// How far it has come.
    pub stage: Stage,
    /// What it is about.
    pub subject: Subject,
    /// The nodes that have it, in their natural order.
    pub nodes: Vec<String>,
    /// Since when its condition holds.
    pub since: Time,
    /// When it held last.
    pub seen: Time,
    /// When it was cleared.
    pub cleared: Option<Time>,
    /// How many things have it, or how many reports there were of it.
    pub count: u32,
    /// Why, in words, with the numbers.
    pub reason: String,
    /// What else is known that speaks for it.
    pub evidence: Vec<String>,
    /// What to do, in plain words.
    pub action: String,
    /// Commands that do it, to be pasted: supertop runs none of them.
    pub commands: Vec<String>,
    /// What somebody said of it.
    #[serde(default)]
    pub note: Option<Note>,
}

impl Incident {
    /// How far one that is not over has come at `now`, by what was said of it.
    pub fn stage_at(&self, now: Time) -> Stage {
        match &self.note {
            Some(Note { until: Some(until), .. }) if *until > now => Stage::Silenced,
            Some(Note { until: None, .. }) => Stage::Acknowledged,
            _ => Stage::Open,
        }
    }
}

/// An incident as it is kept over a restart of its hub, with what has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The incident's number, by which a newer line replaces this one.
    pub id: String,
    /// The incident.
    pub incident: Incident,
    /// Each thing that has it.
    pub parts: Vec<Subject>,
    /// The number of the incident that it has become a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<u64>,
}

/// By what an incident is raised.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    /// Its id: `gpu.remap.failed`.
    pub id: String,
    /// The view whose rows it judges; empty for what comes as events.
    pub view: String,
    /// The condition, in the query language.
    pub when: String,
    /// How long the condition has to hold before an incident is raised.
    pub hold: Duration,
    /// How often it is asked; nothing leaves it to its hold and to what it takes.
    pub every: Option<Duration>,
    /// How long it may be false in between without beginning anew.
    pub gap: Duration,
    /// Of which share of its peers it can be so: what more of them have is no exception, and raises nothing.
    pub rare: Option<f64>,
    /// The condition under which it ends; empty for the opposite of `when`.
    pub clear: String,
    /// How long that has to hold before it is cleared.
    pub clear_hold: Duration,
    /// For how long its thing has to work under load, once that is over, before it counts as mended.
    pub verify: Duration,
    /// How much it matters.
    pub severity: Severity,
    /// Why, with keys of the view in braces: `memory at {gpu.temp.mem}`.
    pub reason: String,
    /// What to do, in plain words.
    pub action: String,
    /// Commands that do it, with `{node}`, `{bus}` and `{reason}` in braces.
    pub commands: Vec<String>,
    /// Ids of the rules whose incidents explain this one: on the same GPU or node, or on what alone holds the job up.
    pub under: Vec<String>,
    /// Where thresholds come from.
    pub basis: String,
    /// Whether the site muted it.
    pub is_muted: bool,
    /// Whether the site's configuration says it, or a part of it.
    pub is_of_site: bool,
    /// What is wrong with it; a rule that cannot be read raises nothing.
    pub problem: String,
}
