//! What is copied and has to be asked for first: marked rows as JSON, and the command that drains their nodes. It is asked
//! once, and copied when the hub has answered.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    model::{
        Time, command,
        hostlist::Hostlist,
        json,
        question::{Answer, Complaint},
        state::Census,
        table::{Cell, Table},
        unit::Unit,
    },
    tui::{
        app::App,
        ask::{Ask, quoted},
        mark,
        orders::{Commands, Order, Orders, SLURM},
        screen::{Asked, bench},
        verdict::verdict,
        views,
    },
};

/// How long an answer may take: what is copied later than that surprises.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The rows, as `supertop get -o json` has them.
    Json,
    /// The command that drains the nodes.
    Drain,
}

/// Something that is copied once the hub has answered.
pub(super) struct Errand {
    what: What,
    /// The names of the rows that are wanted.
    names: BTreeSet<String>,
    since: Time,
    /// The questions, and what was answered.
    parts: Vec<(String, Option<Table>)>,
}

impl App {
    /// What is asked for it, from this part on.
    pub(super) fn errand_asks(&self, from: u32) -> Vec<Asked> {
        let parts = self.errand.iter().flat_map(|errand| &errand.parts);
        let asks = (from..).zip(parts).filter(|(_, (_, table))| table.is_none());
        asks.map(|(part, (text, _))| Asked {
            part,
            text: text.clone(),
            every: Duration::ZERO,
            // What is drained is drained now.
            is_dated: self.errand.as_ref().is_some_and(|errand| errand.what == What::Drain),
        })
        .collect()
    }

    /// Begins to copy the marked things, or the one under the cursor.
    pub(super) fn fetch(&mut self, what: What) {
        let marks = &self.shared.marks;
        let here = || if what == What::Drain { self.screen().mark() } else { self.screen().subject() };
        let names = if marks.is_empty() { here().into_iter().collect() } else { marks.clone() };
        let parts = match what {
            _ if names.is_empty() => Err("there is nothing to copy here"),
            What::Json => match self.screen().sheet() {
                Some(ask) => Ok(vec![rows_of(ask, &names)]),
                None => Err("only rows of tables are copied as JSON"),
            },
            What::Drain => self.drains(&names),
        };
        match parts {
            Ok(parts) => {
                let parts = parts.into_iter().map(|text| (text, None)).collect();
                self.errand = Some(Errand { what, names, since: self.shared.now, parts });
            }
            Err(words) => self.say(words),
        }
    }

    /// The questions for draining these nodes, or those that these things are in.
    fn drains(&self, names: &BTreeSet<String>) -> Result<Vec<String>, &'static str> {
        let nodes: BTreeSet<&str> = names.iter().filter_map(|name| node_of(name)).collect();
        let list = Hostlist::fold(nodes.iter().copied()).to_string();
        if nodes.is_empty() {
            return Err("there is no node to drain");
        }
        let mut parts = vec![format!("nodes where node in {list} show {} limit {}", bench::show(), bench::MARKED)];
        if self.shared.scheduler().is_none() {
            // Whose nodes they are is then told by their pods.
            parts.push(format!("gpus where node in {list} and given.to != none limit 0"));
        }
        Ok(parts)
    }

    /// Takes an answer in. Says whether anything on screen changed; what is to be copied waits to be taken.
    pub(super) fn errand_heard(&mut self, query: &str, answer: Result<Answer, Complaint>) -> bool {
        let then = self.shared.then;
        let Some(errand) = &mut self.errand else { return false };
        let then = then.filter(|_| errand.what == What::Json);
        let asked = |text: &str| then.map_or_else(|| text.to_owned(), |then| super::past::at(text, then));
        let Some((_, open)) = errand.parts.iter_mut().find(|(text, _)| asked(text) == query) else { return false };
        match answer {
            Ok(Answer::Table(table)) => *open = Some(table),
            // What asks for pods may be more than an old hub understands.
            Err(_) | Ok(Answer::Series(_)) if errand.what == What::Drain && query.starts_with("gpus ") => {
                *open = Some(Table::default());
            }
            Ok(Answer::Series(_)) => return false,
            Err(complaint) => {
                self.errand = None;
                self.say(format!("nothing was copied: {}", complaint.message));
                return true;
            }
        }
        let Some(errand) = self.errand.take_if(|errand| errand.parts.iter().all(|(_, table)| table.is_some())) else {
            return false;
        };
        let tables: Vec<Table> = errand.parts.into_iter().filter_map(|(_, table)| table).collect();
        let found = match (errand.what, tables.as_slice()) {
            (What::Json, [table, ..]) => as_json(table.clone(), &errand.names),
            (What::Drain, [table, others @ ..]) => {
                let scheduler = scheduler(&table.census, others.first());
                drain(table, scheduler, &self.settings.commands)
            }
            (_, []) => return false,
        };
        match found {
            Ok((text, words)) => {
                self.clip = Some(text);
                self.say(words);
            }
            Err(words) => self.say(words),
        }
        true
    }

    /// Gives up what was not answered for too long. Says whether there was such.
    pub(super) fn forget_errand(&mut self) -> bool {
        let is_late = |errand: &mut Errand| self.shared.now.since(errand.since) >= PATIENCE;
        let late = self.errand.take_if(is_late).is_some();
        if late {
            self.say("the hub does not answer: nothing was copied");
        }
        late
    }
}

/// The node that a name is of: a node's own, a GPU's, a port's, a process's.
fn node_of(name: &str) -> Option<&str> {
    let node = match name.split_once('/') {
        Some((node, _)) => node,
        None => name.rsplit_once(':').map_or(name, |(node, _)| node),
    };
    command::is_plain(node).then_some(node)
}

/// The question for the rows with these names, wherever in the view they are.
fn rows_of(ask: Ask, names: &BTreeSet<String>) -> String {
    let condition = match ask.view.as_str() {
        // A group's rows are what its conditions make of it.
        _ if !ask.by.is_empty() => None,
        "nodes" | "gpus" | "processes" | "nics" | "mounts" | "cores" => of_nodes(names),
        "jobs" => Some(any("job", names)),
        // They are marked by what they are about.
        "incidents" => {
            let those = [of_nodes(names), Some(any("incident", names)), Some(any("incident.subject", names))];
            Some(those.into_iter().flatten().collect::<Vec<_>>().join(" or "))
        }
        _ => None,
    };
    let ask = match condition {
        Some(condition) => Ask { scope: vec![format!("({condition})")], filter: String::new(), faults: None, ..ask },
        None => ask,
    };
    Ask { limit: None, ..ask }.worded(0, bench::MARKED as u64).text
}

/// The condition of what is of the nodes of these names; nothing where none is a node's.
fn of_nodes(names: &BTreeSet<String>) -> Option<String> {
    let nodes: BTreeSet<&str> = names.iter().filter_map(|name| node_of(name)).collect();
    (!nodes.is_empty()).then(|| format!("node in {}", Hostlist::fold(nodes.iter().copied())))
}

/// The condition of what has one of these values.
fn any(key: &str, values: &BTreeSet<String>) -> String {
    values.iter().map(|value| format!("{key} = {}", quoted(value))).collect::<Vec<_>>().join(" or ")
}

type Copied = Result<(String, String), String>;

/// Those of the rows that are wanted, and what is said of them.
fn as_json(mut table: Table, names: &BTreeSet<String>) -> Copied {
    let view = table.query.split_whitespace().next().unwrap_or_default().to_owned();
    let rows = std::mem::take(&mut table.rows).into_iter();
    table.rows = rows.filter(|row| names.contains(&row.id) || names.contains(mark::name(&table, row))).collect();
    let rows = json::rows(&table);
    if rows.is_empty() {
        return Err(format!("nothing that is marked is among these {view}"));
    }
    let text = serde_json::to_string_pretty(&rows).map_err(|error| format!("nothing was copied: {error}"))?;
    let of = if rows.len() < names.len() { format!(" of {} marked", names.len()) } else { String::new() };
    let words = format!("copied {}{of} {view} as JSON, {}", rows.len(), Unit::Bytes.text(text.len() as f64));
    Ok((text, words))
}

/// Who is told of a drain: the scheduler that is asked, which is Slurm or plays it, or the one that gave GPUs to pods.
fn scheduler(census: &Census, pods: Option<&Table>) -> Option<&'static str> {
    let asked = census.scheduler.is_some().then_some(SLURM);
    asked.or_else(|| pods.is_some_and(|pods| pods.total > 0).then_some("kubernetes"))
}

/// The commands that drain these nodes, each with why, and what is said of them.
fn drain(table: &Table, scheduler: Option<&str>, commands: &Commands) -> Copied {
    let orders = Orders::of(Order::Drain, scheduler, commands)?;
    let cell = |row: usize, key: &str| table.cell(row, key).and_then(Cell::text).unwrap_or_default();
    let mut by_reason: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut drained = 0;
    for (at, row) in table.rows.iter().enumerate() {
        let called = cell(at, "sched.node");
        let node = if called.is_empty() { &*row.id } else { called };
        let is_held = cell(at, "sched").split(',').any(|state| state.starts_with("drain"));
        if is_held {
            drained += 1;
        } else if command::is_plain(node) {
            by_reason.entry(bench::reason(&verdict(table, row))).or_default().push(node);
        }
    }
    let lines: Vec<String> = by_reason.iter().flat_map(|(reason, nodes)| orders.lines(nodes, reason)).collect();
    match (lines.is_empty(), drained) {
        (true, 0) => Err("none of them is a node that the hub knows".into()),
        (true, _) => Err("what is marked is drained already".into()),
        (false, 0) => Ok((lines.join("\n"), format!("copied {}", lines.join("; ")))),
        (false, _) => Ok((lines.join("\n"), format!("copied {}; {drained} more drained already", lines.join("; ")))),
    }
}

/// Keys of the columns of a view that are shown, and not only asked for.
pub(crate) fn shown<'a>(wanted: impl IntoIterator<Item = (&'a str, u8)>) -> String {
    let keys = wanted.into_iter().filter(|(key, rank)| *rank != views::HIDDEN && *key != views::WHY);
    keys.map(|(key, _)| key).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        State,
        metric::Direction,
        state::Scheduler,
        table::{Column, Row},
    };

    fn table(rows: &[(&str, &str, &str)]) -> Table {
        let column = |key: &str| Column {
            key: key.into(),
            title: key.into(),
            width: 8,
            unit: None,
            kind: None,
            direction: Direction::Neutral,
        };
        let text = |text: &&str| Cell::Text((*text).to_owned());
        let row = |(id, sched, name): &(&str, &str, &str)| Row {
            id: (*id).into(),
            state: State::Up,
            cells: [sched, name].map(text).into(),
        };
        Table {
            query: "nodes".into(),
            columns: ["sched", "sched.node"].map(column).into(),
            rows: rows.iter().map(row).collect(),
            ..Table::default()
        }
    }

    fn commands(of: &[(&str, &str)]) -> Commands {
        of.iter().map(|(name, line)| ((*name).to_owned(), vec![(*line).to_owned()])).collect()
    }

    #[test]
    fn what_is_drained_is_what_is_not_yet() {
        let table = table(&[("gpu001.x", "idle", "gpu001"), ("gpu002", "idle", ""), ("gpu003", "drain,idle", "")]);
        let known = commands(&[("drain.slurm", "our-drain {node} \"{reason}\"")]);
        let (text, words) = drain(&table, Some(SLURM), &known).expect("two are to be drained");
        assert_eq!(text, "our-drain 'gpu[001-002]' \"supertop: unhealthy\"");
        assert!(words.contains("1 more drained already"), "{words}");
        let told = drain(&table, None, &known).expect_err("nobody knows how");
        assert!(told.contains("no drain command without a scheduler"), "{told}");
        // As of incidents: who plays Slurm is told what Slurm is told.
        let asked = Scheduler { name: "simulated scheduler".into(), ..Scheduler::default() };
        assert_eq!(super::scheduler(&Census { scheduler: Some(asked), ..Census::default() }, None), Some(SLURM));
        assert_eq!(super::scheduler(&Census::default(), None), None);
    }

    #[test]
    fn what_others_chose_does_nothing_in_a_shell() {
        let table = table(&[("gpu001$(reboot)", "idle", "")]);
        let told = drain(&table, None, &commands(&[("drain", "our-drain {node}")]));
        assert_eq!(told, Err("none of them is a node that the hub knows".into()));
        let check = |name: &str, node: Option<&str>| assert_eq!(node_of(name), node, "{name}");
        check("gpu001:3", Some("gpu001"));
        check("gpu001/mlx5_0", Some("gpu001"));
        check("rack=r01", None);
        check("job 4711", None);
        check("", None);
    }

    #[test]
    fn rows_are_asked_for_by_their_names() {
        let check = |view: &str, names: &[&str], expected: &str| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            let ask = Ask { filter: "temp > 80".into(), show: "node".into(), ..Ask::parse(view) };
            assert_eq!(rows_of(ask, &names), expected);
        };
        check("gpus", &["gpu001:3", "gpu002:0"], "gpus where (node in gpu[001-002]) show node limit 10000");
        check(
            "incidents",
            &["gpu017:3", "job 7"],
            "incidents where (node in gpu017 or incident = 'gpu017:3' or incident = 'job 7' or incident.subject = \
             'gpu017:3' or incident.subject = 'job 7') show node limit 10000",
        );
        check("jobs", &["7", "8"], "jobs where (job = '7' or job = '8') show node limit 10000");
        check("racks", &["rack=r01"], "racks where temp > 80 show node limit 10000");
    }
}
