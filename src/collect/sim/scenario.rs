//! Scenarios: what goes wrong in a simulated fleet, when and with what, by name or as a TOML file.

use std::time::Duration;

use serde::Deserialize;

use super::{
    Ailment, FIRST, Fault, Faults, Subject, event,
    mix::{self, Mix},
};
use crate::model::{MetricId, Raw, Scope, time::span};

/// What has no ailment's name.
const NONE: &str = "none";
const DEAD_RACK: &str = "dead-rack";
const LEMON: &str = "lemon";
const BAD_GPU: &str = "bad-gpu";
/// What interrupted a published run, at its rate.
const PUBLISHED: &str = "published";
/// The kind of fault that is a metric and a value.
const READS: &str = "reads";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    fault: Option<Vec<Entry>>,
    mix: Option<mix::Table>,
}

/// `[[fault]]`: what, when, and with what. Nodes and racks count from 1, GPUs and ports from 0, as in names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: String,
    #[serde(default = "first")]
    at: String,
    node: Option<u32>,
    gpu: Option<u16>,
    port: Option<u16>,
    rack: Option<u32>,
    /// A node whose job it befalls.
    job_of: Option<u32>,
    /// What `reads` what, in the metric's unit.
    metric: Option<String>,
    value: Option<f64>,
}

/// What goes wrong, in a file's words.
#[derive(Debug, Deserialize)]
pub(super) struct Words {
    kind: String,
    metric: Option<String>,
    value: Option<f64>,
}

fn first() -> String {
    format!("{}s", FIRST.as_secs())
}

/// The names of the scenarios that come along.
pub fn names() -> impl Iterator<Item = &'static str> {
    Ailment::ALL.into_iter().map(Ailment::word).chain([DEAD_RACK, LEMON, BAD_GPU, PUBLISHED, NONE])
}

/// The scenario of this name: one fault, on something that will be at work when it begins, or what interrupted a
/// published run.
pub fn named(name: &str) -> Option<Faults> {
    match name {
        NONE => Some(Faults::Given(Vec::new())),
        DEAD_RACK => {
            Some(Faults::Given(vec![Fault { ailment: Ailment::Silent, subject: Subject::Rack(1), at: FIRST }]))
        }
        LEMON => Some(Faults::Lemon),
        BAD_GPU => Some(Faults::BadGpu),
        PUBLISHED => Some(Faults::Mix(Mix::default())),
        _ => known(name).ok().map(Faults::One),
    }
}

/// The scenario that a file's text tells.
///
/// # Errors
/// What cannot be read, with its line.
pub fn parse(text: &str) -> Result<Faults, String> {
    let file: File = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        format!("line {line}: {}", error.message().replace('\n', " "))
    })?;
    match (&file.mix, &file.fault) {
        (Some(mix), None) => mix.read().map(Faults::Mix),
        (None, Some(faults)) => faults.iter().map(fault).collect::<Result<_, _>>().map(Faults::Given),
        (Some(_), Some(_)) => Err("it has a [mix] or [[fault]]s, not both".into()),
        (None, None) => Err("it has neither a [mix] nor a [[fault]]".into()),
    }
}

fn fault(entry: &Entry) -> Result<Fault, String> {
    let Entry { kind, at, node, gpu, port, rack, job_of, metric, value } = entry;
    let ailment = ailment(&Words { kind: kind.clone(), metric: metric.clone(), value: *value })?;
    let from_one = |n: u32| n.checked_sub(1).ok_or_else(|| "nodes and racks count from 1".to_owned());
    let subject = match (node, gpu, port, rack, job_of) {
        (None, None, None, Some(rack), None) => Subject::Rack(from_one(*rack)?),
        (None, None, None, None, Some(node)) => Subject::JobOf(from_one(*node)?),
        (Some(node), Some(gpu), None, None, None) => Subject::Gpu(from_one(*node)?, *gpu),
        (Some(node), None, Some(port), None, None) => Subject::Port(from_one(*node)?, *port),
        (Some(node), None, None, None, None) => Subject::Node(from_one(*node)?),
        _ => return Err(format!("{kind}: its subject is a node, a node's gpu or port, a rack, or the job_of a node")),
    };
    let at: Duration = span(at).map_err(|problem| format!("{kind}: at {at}: {problem}"))?;
    Ok(Fault { ailment, subject, at })
}

/// What goes wrong in these words.
pub(super) fn ailment(words: &Words) -> Result<Ailment, String> {
    if words.kind == READS { reading(words) } else { known(&words.kind) }
}

/// The fault of this name, or the XID of this number.
fn known(kind: &str) -> Result<Ailment, String> {
    let xids = || event::codes().map(|code| (format!("xid{code}"), Ailment::Xid(code)));
    let of_name = Ailment::ALL.into_iter().find(|it| it.word() == kind);
    of_name.or_else(|| xids().find(|(name, _)| name == kind).map(|(_, xid)| xid)).ok_or_else(|| {
        let names = Ailment::ALL.into_iter().map(|it| it.word().to_owned());
        let known: Vec<String> = names.chain(xids().map(|(name, _)| name)).chain([READS.to_owned()]).collect();
        format!("`{kind}` is no fault; these are: {}", known.join(", "))
    })
}

/// A single reading.
fn reading(Words { metric, value, .. }: &Words) -> Result<Ailment, String> {
    let (Some(key), Some(value)) = (metric, value) else {
        return Err(format!("{READS}: it needs a metric and a value"));
    };
    let found = MetricId::find(key).filter(|id| Scope::SAMPLED.contains(&id.scope));
    let told = found.and_then(|id| Some((id, id.builtin()?)));
    let (id, metric) = told.ok_or_else(|| format!("{READS}: `{key}` is no metric that nodes tell"))?;
    Ok(Ailment::Reads(id, Raw::new(*value, metric.quantum)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metric::node;

    #[test]
    fn scenarios_go_by_name() {
        assert!(names().all(|name| named(name).is_some()));
        assert_eq!(named("xid79"), Some(Faults::One(Ailment::OffBus)));
        assert_eq!(named("xid119"), Some(Faults::One(Ailment::Xid(119))));
        assert_eq!(named("published"), Some(Faults::Mix(Mix::default())));
        assert_eq!(named("none"), Some(Faults::Given(Vec::new())));
        assert_eq!(named("nonsense"), None);
    }

    #[test]
    fn a_file_tells_what_when_and_with_what() {
        let text = "[[fault]]\nkind = 'xid79'\nat = '1m'\nnode = 7\ngpu = 3\n[[fault]]\nkind = 'silent-node'\nrack = 2";
        let expected = [
            Fault { ailment: Ailment::OffBus, subject: Subject::Gpu(6, 3), at: Duration::from_mins(1) },
            Fault { ailment: Ailment::Silent, subject: Subject::Rack(1), at: FIRST },
        ];
        assert_eq!(parse(text), Ok(Faults::Given(expected.to_vec())));
        let text = "[[fault]]\nkind = 'reads'\nmetric = 'node.oom.hour'\nvalue = 3\nnode = 7";
        let reads = Ailment::Reads(node::OOM_HOUR, Raw::new(3.0, 1.0));
        let expected = Fault { ailment: reads, subject: Subject::Node(6), at: FIRST };
        assert_eq!(parse(text), Ok(Faults::Given(vec![expected])));
        let check = |text: &str, said: &str| {
            let problem = parse(text).expect_err(text);
            assert!(problem.contains(said), "{problem}");
        };
        check("[[fault]]\nkind = 'xid7'\nnode = 1", "`xid7` is no fault; these are: xid79");
        check("[[fault]]\nkind = 'reads'\nnode = 1", "needs a metric and a value");
        check("[[fault]]\nkind = 'reads'\nmetric = 'gpu.tmp'\nvalue = 1\nnode = 1", "`gpu.tmp` is no metric");
        check("[[fault]]\nkind = 'xid79'", "its subject is");
        check("[[fault]]\nkind = 'xid79'\nnode = 0\ngpu = 1", "count from 1");
        check("[[fault]]\nkind = 'xid79'\nnode = 1\nat = 'soon'", "at soon");
        check("[[fault]]\nkind = 'xid79'\nnodes = 1", "line 3: unknown field `nodes`");
    }

    #[test]
    fn a_file_tells_of_a_mix() {
        assert_eq!(parse("[mix]"), Ok(Faults::Mix(Mix::default())));
        let Ok(Faults::Mix(mix)) = parse("[mix]\nrate = 5000\nover = '2h'\ncauses = { hbm = 3, nic = 1 }") else {
            panic!("a mix is expected");
        };
        assert_eq!((mix.rate, mix.over), (5000, Duration::from_hours(2)));
        let come = mix::causes().iter().zip(&mix.weights).filter(|(_, weight)| **weight > 0);
        assert_eq!(come.map(|(cause, weight)| (&*cause.name, *weight)).collect::<Vec<_>>(), [("hbm", 3), ("nic", 1)]);
        let check = |text: &str, said: &str| {
            let problem = parse(text).expect_err(text);
            assert!(problem.contains(said), "{problem}");
        };
        check("[mix]\ncauses = { hmb = 1 }", "`hmb` is no cause; did you mean `hbm`?");
        check("[mix]\nrate = 1000001", "each GPU ten times a day");
        check("[mix]\nover = 'soon'", "over soon");
        check("[mix]\nrates = 3", "line 2: unknown field `rates`");
        check("[mix]\n[[fault]]\nkind = 'xid79'\nnode = 1", "not both");
        check("", "neither");
        assert_eq!(parse("fault = []"), Ok(Faults::Given(Vec::new())));
    }
}
