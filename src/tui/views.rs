//! The views that tables show: their columns and which of them give way first, how they are sorted at first, what counts
//! as faulty in them, and where Enter goes.

use std::borrow::Cow;

pub(crate) use crate::query::plural;
use crate::tui::ask::{Ask, parse_sort};

/// A column of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its key, as `show` takes it.
    pub(crate) key: &'static str,
    /// How soon it gives way when there is no room: 0 never, 9 first. [`HIDDEN`] ones are asked for and not shown.
    pub(crate) rank: u8,
}

/// The rank of columns that only the verdict on a row needs.
pub(crate) const HIDDEN: u8 = 99;

/// The key of the column with the reason for a row's health, which no hub sends.
pub(crate) const WHY: &str = "why";

const fn col(key: &'static str, rank: u8) -> Wanted {
    Wanted { key, rank }
}

const fn hidden(key: &'static str) -> Wanted {
    Wanted { key, rank: HIDDEN }
}

/// Columns of jobs that have this in common.
const fn of_jobs(key: &'static str) -> [Wanted; 17] {
    [
        col(key, 0),
        col("count", 6),
        col("job.running", 1),
        col("job.waiting", 2),
        col("job.held", 0),
        col("job.unused", 2),
        col("job.idle", 4),
        col("job.outliers", 6),
        col("gpu.util", 0),
        col("min(gpu.util)", 6),
        col("gpu.tensor.active", 4),
        col("gpu.power", 1),
        col("job.energy", 5),
        col("job.energy.today", 3),
        col("job.energy.idle", 5),
        col("gpu.mem.util", 5),
        col("gpu.clock.sm", 7),
    ]
}

/// One view.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// Its name in queries; `places` stands for the place levels.
    pub(crate) name: &'static str,
    /// Its columns, in their order. Without any, the hub chooses.
    pub(crate) columns: &'static [Wanted],
    /// How it is sorted at first.
    pub(crate) sort: &'static str,
    /// The condition of faulty rows; empty where there are none.
    pub(crate) faults: &'static str,
}

/// Every view with columns of its own.
pub(crate) static VIEWS: &[View] = &[
    View {
        name: "nodes",
        columns: &[
            col("node", 0),
            col("state", 1),
            col("each(gpu.util)", 3),
            col("gpu.util", 1),
            col("gpu.sm.active", 8),
            col("gpu.tensor.active", 6),
            col("gpu.mem.util", 4),
            col("gpu.power", 3),
            col("gpu.temp", 2),
            col("node.cpu", 4),
            col("node.mem.util", 5),
            col("node.load1", 9),
            col("node.total.power", 9),
            col("node.ib.rx", 6),
            col("node.ib.tx", 6),
            col("node.net.rx", 7),
            col("node.net.tx", 7),
            col("node.disk.used", 8),
            col("sched", 8),
            col("sched.reason", 9),
            col("node.age", 5),
            col(WHY, 2),
            hidden("bench"),
            hidden("node.gpus"),
            hidden("node.gpus.expected"),
            hidden("gpu.xid"),
            hidden("gpu.xid.age"),
            hidden("gpu.throttle"),
            hidden("gpu.remap.pending"),
            hidden("gpu.remap.failed"),
            hidden("gpu.ecc.dbe"),
            hidden("node.mounts.bad"),
            hidden("node.incidents"),
        ],
        sort: "-state,node",
        faults: "(state != up or gpus < gpus.expected or gpu.xid != none or gpu.remap.failed > 0 or gpu.remap.pending > 0 \
                 or gpu.ecc.dbe > 0 or gpu.temp >= 85 or mounts.bad > 0 or disk.used >= 90 or mem.util >= 92 or incidents > 0) \
                 and bench != planned",
    },
    View {
        name: "gpus",
        columns: &[
            col("node", 0),
            col("index", 0),
            col("gpu.util", 0),
            col("gpu.sm.active", 7),
            col("gpu.tensor.active", 4),
            col("gpu.dram.active", 8),
            col("gpu.mem.util", 2),
            col("gpu.mem.used", 6),
            col("gpu.power", 1),
            col("gpu.temp", 1),
            col("gpu.temp.mem", 6),
            col("gpu.clock.sm", 4),
            col("gpu.nvlink.rx", 8),
            col("gpu.nvlink.tx", 8),
            col("gpu.pcie.rx", 9),
            col("gpu.pcie.tx", 9),
            col("gpu.procs", 9),
            col("job", 3),
            col("job.user", 7),
            col("model", 7),
            col(WHY, 2),
            hidden("node.age"),
            hidden("gpu.throttle"),
            hidden("gpu.xid"),
            hidden("gpu.xid.age"),
            hidden("gpu.remap.pending"),
            hidden("gpu.remap.failed"),
            hidden("gpu.ecc.dbe"),
            hidden("gpu.ecc.sram"),
            hidden("gpu.pcie.width"),
            hidden("gpu.pcie.width.max"),
            hidden("fault"),
            hidden("verdict"),
        ],
        sort: "-util,node,index",
        faults: GPU_FAULTS,
    },
    View {
        name: "places",
        columns: &[
            col("{level}", 0),
            col("nodes", 2),
            col("up", 4),
            col("node.gpus", 3),
            col("gpu.util", 0),
            col("gpu.tensor.active", 5),
            col("gpu.mem.util", 3),
            col("gpu.power", 1),
            col("gpu.temp", 2),
            col("node.cpu", 4),
            col("node.mem.util", 5),
            col("node.ib.rx", 6),
            col("node.ib.tx", 6),
            col("node.net.rx", 7),
            col("node.net.tx", 7),
            col("node.disk.used", 8),
            col(WHY, 3),
            hidden("node.gpus.expected"),
            hidden("gpu.xid"),
            hidden("gpu.remap.failed"),
            hidden("gpu.ecc.dbe"),
            hidden("node.mounts.bad"),
            hidden("node.incidents"),
        ],
        sort: "{level}",
        faults: "gpus < gpus.expected or gpu.xid != none or gpu.remap.failed > 0 or gpu.ecc.dbe > 0 or mounts.bad > 0 \
                 or incidents > 0",
    },
    View {
        name: "jobs",
        columns: &[
            col("job", 0),
            col("job.user", 0),
            col("job.name", 3),
            col("job.state", 2),
            col("job.nodes", 4),
            col("job.gpus", 0),
            col("job.unused", 4),
            col("job.idle", 4),
            col("job.silent", 4),
            col("job.outliers", 3),
            col("gpu.util", 0),
            col("min(gpu.util)", 3),
            col("median(gpu.util)", 8),
            col("mad(gpu.util)", 8),
            col("gpu.tensor.active", 5),
            col("gpu.power", 1),
            col("job.energy", 3),
            col("gpu.mem.util", 6),
            col("gpu.temp", 6),
            col("gpu.clock.sm", 7),
            col("node.ib.rx", 8),
            col("node.ib.tx", 9),
            col("node.net.rx", 9),
            col("node.net.tx", 9),
            col("min(gpu.tensor.active)", 9),
            col("median(gpu.tensor.active)", 9),
            col("mad(gpu.tensor.active)", 9),
            col("min(gpu.power)", 9),
            col("median(gpu.power)", 9),
            col("mad(gpu.power)", 9),
            col("min(gpu.clock.sm)", 9),
            col("median(gpu.clock.sm)", 9),
            col("mad(gpu.clock.sm)", 9),
            col("min(gpu.mem.util)", 9),
            col("median(gpu.mem.util)", 9),
            col("mad(gpu.mem.util)", 9),
            col("job.age", 1),
            col("job.limit", 8),
            col("job.partition", 7),
            col("job.account", 8),
            col("job.reason", 9),
        ],
        sort: "job.phase,-job.gpus,job",
        faults: "job.unused > 0 or job.ungiven > 0 or job.silent > 0",
    },
    View { name: "users", columns: &of_jobs("job.user"), sort: "-job.held,job.user", faults: "" },
    View { name: "accounts", columns: &of_jobs("job.account"), sort: "-job.held,job.account", faults: "" },
    View { name: "partitions", columns: &of_jobs("job.partition"), sort: "-job.held,job.partition", faults: "" },
    View {
        name: "processes",
        columns: &[
            col("node", 1),
            col("proc.pid", 0),
            col("proc.user", 2),
            col("proc.job", 3),
            col("proc.state", 7),
            col("proc.gpu", 3),
            col("proc.sm", 3),
            col("proc.mem.gpu", 4),
            col("proc.cpu", 0),
            col("proc.mem", 2),
            col("proc.age", 5),
            col("proc.name", 0),
        ],
        sort: "-proc.sm,-proc.cpu",
        faults: "proc.state = D or proc.state = Z",
    },
    View {
        name: "nics",
        columns: &[
            col("node", 0),
            col("nic.name", 0),
            col("nic.kind", 4),
            col("nic.state", 1),
            col("nic.rate", 3),
            col("nic.rx", 1),
            col("nic.tx", 1),
            col("nic.errors", 2),
            col("nic.link.downed", 4),
            col("nic.gpu", 5),
        ],
        sort: "-nic.rx",
        faults: "nic.errors > 0 or nic.link.downed > 0 or (nic.state != active and majority(nic.state by nic.name) = active)",
    },
    View {
        name: "events",
        columns: &[col("event.time", 0), col("event.kind", 2), col("event.subject", 0), col("event.text", 0)],
        sort: "-event.time",
        faults: "event.kind = xid or event.kind = sxid",
    },
    View {
        name: "mounts",
        columns: &[
            col("node", 0),
            col("mount.path", 0),
            col("mount.kind", 4),
            col("mount.state", 1),
            col("mount.used", 0),
            col("mount.free", 2),
            col("mount.size", 3),
            col("mount.inodes", 5),
        ],
        sort: "-mount.used",
        faults: "mount.state = hung or mount.state = missing or mount.state = failed or mount.used >= 90 or mount.inodes >= 90",
    },
    View {
        name: "incidents",
        columns: &[
            col("incident", 2),
            col("incident.severity", 0),
            col("incident.subject", 0),
            col("incident.reason", 0),
            col("incident.age", 1),
            col("incident.stage", 3),
            col("incident.count", 5),
            col("incident.nodes", 5),
            col("incident.rule", 6),
            col("incident.note", 4),
            col("job", 7),
            col("incident.action", 8),
            hidden("incident.commands"),
        ],
        sort: "incident.stage,-incident.severity,incident.age",
        faults: "incident.stage = open and incident.severity != info",
    },
    View {
        name: "rules",
        columns: &[
            col("rule", 0),
            col("rule.severity", 0),
            col("rule.open", 0),
            col("rule.view", 2),
            col("rule.when", 1),
            col("rule.hold", 2),
            col("rule.clear.hold", 6),
            col("rule.state", 3),
            col("rule.basis", 7),
            col("rule.action", 8),
        ],
        sort: "-rule.open,rule",
        faults: "rule.open > 0",
    },
    // What is shown of energy depends on what the site says that it costs.
    View { name: "energy", columns: &[], sort: "-energy.hour,-energy.used", faults: "" },
    View { name: "metrics", columns: &[], sort: "", faults: "" },
];

/// The condition of faulty GPUs.
pub(crate) const GPU_FAULTS: &str = "(fault != none and not fault ~ '^gpu[.]') or xid != none or remap.failed > 0 or remap.pending > 0 or ecc.dbe > 0 \
                                     or ecc.sram > 0 or temp >= 85 or throttle = hw_thermal or throttle = hw_slowdown \
                                     or throttle = power_brake or pcie.width < pcie.width.max \
                                     or verdict = slow or verdict = link or verdict = host or verdict = gone";

/// The names of all views, those included that show what the hub chooses, or nothing yet.
pub(crate) fn names(levels: &[String]) -> Vec<String> {
    const OTHERS: [&str; 2] = ["cores", "fleet"];
    let own = VIEWS.iter().map(|view| view.name).filter(|name| *name != "places");
    own.chain(OTHERS).map(String::from).chain(levels.iter().map(|level| plural(level))).collect()
}

/// The view with this name; any place level is `places`.
pub(crate) fn find(name: &str, levels: &[String]) -> Option<&'static View> {
    let name = if level_of(name, levels).is_some() { "places" } else { name };
    VIEWS.iter().find(|view| view.name == name)
}

/// The place level whose view is called `name`: `racks` shows the level `rack`.
pub(crate) fn level_of<'a>(name: &str, levels: &'a [String]) -> Option<&'a str> {
    levels.iter().map(String::as_str).find(|level| plural(level) == name)
}

/// The columns of the view `name`, in their order.
pub(crate) fn columns(name: &str, levels: &[String]) -> Vec<(Cow<'static, str>, u8)> {
    let level = level_of(name, levels).unwrap_or_default();
    let wanted = find(name, levels).map_or(&[][..], |view| view.columns);
    wanted.iter().map(|w| (fill(w.key, level), w.rank)).collect()
}

fn fill(text: &'static str, level: &str) -> Cow<'static, str> {
    if text.contains("{level}") { Cow::Owned(text.replace("{level}", level)) } else { Cow::Borrowed(text) }
}

/// The question with which the view `name` begins.
pub(crate) fn ask(name: &str, levels: &[String]) -> Ask {
    let level = level_of(name, levels).unwrap_or_default();
    let keys: Vec<_> = columns(name, levels).into_iter().map(|(key, _)| key).filter(|key| *key != WHY).collect();
    let sort = find(name, levels).map_or(Cow::Borrowed(""), |view| fill(view.sort, level));
    Ask { view: name.into(), sort: parse_sort(&sort), show: keys.join(","), ..Ask::default() }
}

/// What a user's query leaves out is as in its view: columns, and the sort where no columns are given.
pub(crate) fn complete(mut ask: Ask, levels: &[String]) -> Ask {
    let plain = self::ask(&ask.view, levels);
    if ask.by.is_empty() {
        if ask.sort.is_empty() && ask.show.is_empty() {
            ask.sort = plain.sort;
        }
        if ask.show.is_empty() {
            ask.show = plain.show;
        }
    } else if !ask.show.is_empty() && !ask.show.contains(&ask.by) {
        // A group without its name tells nothing.
        ask.show = format!("{},{}", ask.by, ask.show);
    }
    ask
}

/// What a row stands for, as far as one can go into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A node.
    Node(String),
    /// GPU or MIG instance of a node, by its index.
    Gpu(String, String),
    /// A process of a node, by its pid.
    Process(String, String),
    /// A place: level and name.
    Place(String, String),
    /// A scheduler's job.
    Job(String),
    /// Jobs that have this key's value in common.
    Jobs(String, String),
    /// Something that is wrong, by its number.
    Incident(String),
}

/// What the row `id` of the view `name` stands for.
pub(crate) fn target(name: &str, id: &str, levels: &[String]) -> Option<Target> {
    let owned = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
    match name {
        "metrics" | "energy" | "rules" => None,
        "incidents" => Some(Target::Incident(id.into())),
        "nodes" => Some(Target::Node(id.into())),
        "jobs" => Some(Target::Job(id.into())),
        "users" | "accounts" | "partitions" => id.split_once('=').map(owned).map(|(key, it)| Target::Jobs(key, it)),
        "processes" => id.split_once('/').map(owned).map(|(node, pid)| Target::Process(node, pid)),
        _ if level_of(name, levels).is_some() => {
            id.split_once('=').map(owned).map(|(level, place)| Target::Place(level, place))
        }
        _ => match id.split_once('/') {
            Some((node, _)) => Some(Target::Node(node.into())),
            None => Some(match id.rsplit_once(':') {
                Some((node, index)) => Target::Gpu(node.into(), index.into()),
                None => Target::Node(id.into()),
            }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MetricId, identity::Field};

    fn levels() -> Vec<String> {
        ["region", "pod", "rack"].map(String::from).to_vec()
    }

    #[test]
    fn columns_are_keys_of_the_catalogue() {
        for view in VIEWS {
            for wanted in view.columns {
                let key = wanted.key.split_once('(').map_or(wanted.key, |(_, key)| key.trim_end_matches(')'));
                let known = MetricId::find(key).is_some() || Field::find(key).is_some();
                assert!(known || [WHY, "{level}", "nodes", "up", "count"].contains(&key), "{}: {key}", view.name);
            }
        }
    }

    #[test]
    fn levels_are_views() {
        let ask = ask("racks", &levels());
        assert_eq!(find("cities", &["city".into()]).map(|view| view.name), Some("places"));
        assert!(ask.show.starts_with("rack,"), "{}", ask.show);
        assert_eq!(ask.sort[0].key, "rack");
        assert!(find("rows", &levels()).is_none());
    }

    #[test]
    fn a_users_query_is_completed_by_its_view() {
        let done = complete(Ask::parse("gpus where temp > 80"), &levels());
        assert_eq!(done.show, super::ask("gpus", &levels()).show);
        assert_eq!(done.filter, "temp > 80");
        let own = complete(Ask::parse("gpus sort power show node,power"), &levels());
        assert_eq!((own.show.as_str(), own.sort[0].key.as_str()), ("node,power", "power"));
        assert_eq!(complete(Ask::parse("gpus by model"), &levels()).show, "");
        assert_eq!(complete(Ask::parse("gpus by rack show power"), &levels()).show, "rack,power");
    }

    #[test]
    fn rows_lead_on() {
        let check = |view, id, expected| assert_eq!(target(view, id, &levels()), expected, "{id}");
        check("nodes", "gpu017", Some(Target::Node("gpu017".into())));
        check("gpus", "gpu017:3.0", Some(Target::Gpu("gpu017".into(), "3.0".into())));
        check("processes", "gpu017/4711", Some(Target::Process("gpu017".into(), "4711".into())));
        check("nics", "gpu017/mlx5_0/2", Some(Target::Node("gpu017".into())));
        check("jobs", "4711", Some(Target::Job("4711".into())));
        check("users", "job.user=u1042", Some(Target::Jobs("job.user".into(), "u1042".into())));
        check("racks", "rack=r12", Some(Target::Place("rack".into(), "r12".into())));
        check("metrics", "gpu.util", None);
    }
}
