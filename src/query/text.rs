//! Texts of rows: fields, labels, places; and the names by which a bare word finds a row.

use crate::{
    fleet::{Account, NOWHERE, Name, NodeId, Trouble, natural},
    model::{
        identity::Field,
        metric::{Aggregate, Direction, Kind as Reading, Scope},
        state::State,
    },
};

use super::{
    evaluate::spelled,
    field::{gpu_name, minute, nodes as nodes_of, write_field},
    key::{About, is_of_event},
    row::{Item, Row, count},
    snapshot::Snapshot,
    value::{Reach, Text},
    view::Kind,
};

/// Most different texts that one cell joins.
const JOINED: usize = 4;

impl Text {
    /// Calls `visit` with each text of the row; several where the row reaches several things. Empty ones are left out.
    pub(super) fn each(&self, snapshot: &Snapshot<'_>, row: Row<'_>, visit: &mut dyn FnMut(&str)) {
        if snapshot.is_then && (self.is_of_now() || self.is_forgotten(snapshot)) {
            return;
        }
        let mut visit = |text: &str| {
            if !text.is_empty() {
                visit(text);
            }
        };
        match (self, row) {
            (Text::Field(field, Reach::Own), Row::Item(_, item)) => write_field(snapshot, *field, item, &mut visit),
            (Text::Field(field, Reach::Node), Row::Item(_, Item { node, .. })) => {
                write_field(snapshot, *field, Item { node, slot: 0 }, &mut visit);
            }
            (Text::Field(field, _), Row::Group(Kind::Event, group)) if is_of_event(*field) => {
                group.members.iter().for_each(|item| write_field(snapshot, *field, *item, &mut visit));
            }
            (Text::Field(field, _), row) => row.reach(snapshot, field.row().scope, &mut |node, slots| {
                slots.for_each(|slot| write_field(snapshot, *field, Item { node, slot }, &mut visit));
            }),
            (Text::Label(label), row) => nodes(snapshot, row, &mut |node| {
                snapshot.fleet.node(node).label(label).into_iter().for_each(|value| visit(value));
            }),
            (Text::Level(level), row) => {
                // Nodes of a group are mostly of one place, or several in turn.
                let mut last = None;
                nodes(snapshot, row, &mut |node| {
                    let at = snapshot.fleet.places_of(node).get(*level);
                    if last.replace(at) != Some(at)
                        && let Some(place) = place(snapshot, *level, node).filter(|place| &***place != NOWHERE)
                    {
                        visit(place);
                    }
                });
            }
            (Text::All(texts), row) => together(texts, snapshot, row, &mut String::new(), &mut visit),
            (Text::About(about), Row::Item(_, item)) => visit(&about.text(snapshot, item)),
            (Text::About(about), Row::Group(_, group)) => {
                group.members.iter().for_each(|item| visit(&about.text(snapshot, *item)));
            }
            (Text::Of(numeric), row) => {
                if let Some(text) = spelled(numeric.num.number(snapshot, row), numeric.reading) {
                    visit(&text);
                }
            }
        }
    }

    /// Whether it changes from hour to hour, and only what it is now is known.
    fn is_of_now(&self) -> bool {
        if let Text::All(texts) = self {
            return texts.iter().any(Text::is_of_now);
        }
        let Text::Field(field, _) = self else { return false };
        matches!(
            field,
            Field::Fault
                | Field::Use
                | Field::Verdict
                | Field::GivenTo
                | Field::Notes
                | Field::Bench
                | Field::Sched
                | Field::SchedReason
                | Field::SchedBy
                | Field::SchedSince
                | Field::JobReason
                | Field::JobComment
        )
    }

    /// Whether it is of jobs, at a time of which those that have ended may be forgotten.
    fn is_forgotten(&self, snapshot: &Snapshot<'_>) -> bool {
        let is_of_job =
            matches!(self, Text::Field(field, _) if field.row().scope == Scope::Job || *field == Field::Ran);
        is_of_job && snapshot.then().is_some_and(|then| then < snapshot.fleet.jobs_reach(snapshot.now))
    }

    /// The row's different texts as one; nothing where there is none.
    pub(super) fn joined(&self, snapshot: &Snapshot<'_>, row: Row<'_>) -> Option<String> {
        let mut texts: Vec<String> = Vec::new();
        let mut more = false;
        self.each(snapshot, row, &mut |text| {
            if !texts.iter().any(|known| known == text) {
                if texts.len() < JOINED { texts.push(text.to_owned()) } else { more = true }
            }
        });
        // In an order of their own, so that the cell does not change with what comes first.
        texts.sort_unstable_by(|a, b| natural(a, b));
        if more {
            texts.push("…".into());
        }
        (!texts.is_empty()).then(|| texts.join(","))
    }

    /// Whether the row has no text; nothing where that is not known, because its node was not heard of yet.
    pub(super) fn is_absent(&self, snapshot: &Snapshot<'_>, row: Row<'_>) -> Option<bool> {
        let mut seen = false;
        self.each(snapshot, row, &mut |_| seen = true);
        match self {
            _ if seen => Some(false),
            _ if snapshot.is_then && (self.is_of_now() || self.is_forgotten(snapshot)) => None,
            Text::Of(_) | Text::Field(Field::Use, _) => None,
            Text::Field(Field::Verdict, _) => (row.state(snapshot) == State::Up).then_some(true),
            // The scheduler says it, whether the node was heard of or not.
            Text::Field(Field::Bench, _) => Some(true),
            _ => (row.state(snapshot) != State::Missing).then_some(true),
        }
    }
}

/// Calls `visit` with each row of texts that the row has, one of each, after `before`.
fn together(texts: &[Text], snapshot: &Snapshot<'_>, row: Row<'_>, before: &mut String, visit: &mut dyn FnMut(&str)) {
    let Some((first, others)) = texts.split_first() else { return visit(before) };
    first.each(snapshot, row, &mut |text| {
        let length = before.len();
        before.push_str(text);
        before.push('\n');
        together(others, snapshot, row, before, visit);
        before.truncate(length);
    });
}

/// Calls `visit` with the nodes that the row reaches; of a job that has ended, with those that it had last.
fn nodes(snapshot: &Snapshot<'_>, row: Row<'_>, visit: &mut dyn FnMut(NodeId)) {
    match row {
        Row::Item(Kind::Job, item) => {
            if let Some(job) = snapshot.fleet.job(item.slot as usize) {
                nodes_of(snapshot, job, visit);
            }
        }
        row => row.reach(snapshot, Scope::Node, &mut |node, _| visit(node)),
    }
}

/// The place of a level in which a node stands.
pub(super) fn place<'a>(snapshot: &Snapshot<'a>, level: usize, node: NodeId) -> Option<&'a Name> {
    let at = *snapshot.fleet.places_of(node).get(level)?;
    snapshot.fleet.places(level).get(at as usize).map(|place| &place.name)
}

/// What a row is called in every answer.
pub(super) fn id(snapshot: &Snapshot<'_>, row: Row<'_>) -> String {
    let (kind, item) = match row {
        Row::Item(kind, item) => (kind, item),
        Row::Group(_, group) => return group.id.clone(),
    };
    match kind {
        Kind::Metric => return About::Key.text(snapshot, item),
        Kind::Job => return snapshot.fleet.job(item.slot as usize).map_or_else(String::new, |job| job.id.to_string()),
        Kind::Incident => {
            let trouble = snapshot.fleet.troubles().get(item.slot as usize);
            return trouble.map_or_else(String::new, |trouble| trouble.incident.id.to_string());
        }
        Kind::Rule => {
            return snapshot.fleet.rules().get(item.slot as usize).map_or_else(String::new, |rule| rule.id.clone());
        }
        Kind::Energy => {
            let account = snapshot.fleet.accounts_of(item.node.index()).get(item.slot as usize);
            return account.map_or_else(String::new, |Account { hour, place, user, account, partition, .. }| {
                [&*minute(*hour), place, user, account, partition].join(" ")
            });
        }
        _ => {}
    }
    let node = snapshot.fleet.node(item.node);
    let slot = item.slot as usize;
    let name = &node.name;
    match kind {
        Kind::Node | Kind::Metric | Kind::Job | Kind::Energy | Kind::Incident | Kind::Rule => name.to_string(),
        Kind::Gpu => gpu_name(node, slot),
        Kind::Nic => format!("{name}/{}", node.inventory.nics.get(slot).map_or("", |nic| &nic.name)),
        Kind::Process => format!("{name}/{}", node.processes.list.get(slot).map_or(0, |process| process.pid)),
        Kind::Core => format!("{name}/{slot}"),
        Kind::Mount => format!("{name}{}", node.processes.mounts.get(slot).map_or("", |mount| &mount.path)),
        Kind::Event => format!("{name}/{}", snapshot.events.get(slot).map_or("", |happening| &happening.event.id)),
    }
}

/// Whether `part`, in lower case, is a part of one of the row's names.
pub(super) fn holds_part(snapshot: &Snapshot<'_>, row: Row<'_>, part: &str) -> bool {
    let holds = |text: &str| contains(text, part);
    let (kind, item) = match row {
        Row::Item(kind, item) => (kind, item),
        Row::Group(_, group) => return group.texts.iter().any(|text| holds(text)),
    };
    if kind == Kind::Metric {
        return [About::Key, About::Title, About::Help].iter().any(|about| holds(&about.text(snapshot, item)));
    }
    if kind == Kind::Job {
        let job = snapshot.fleet.job(item.slot as usize);
        return job.is_some_and(|job| [&job.id, &job.array, &job.name, &job.user].into_iter().any(|text| holds(text)));
    }
    if kind == Kind::Incident {
        let trouble = snapshot.fleet.troubles().get(item.slot as usize);
        return trouble.is_some_and(|Trouble { incident, .. }| {
            holds(&incident.rule)
                || holds(&incident.reason)
                || holds(&incident.subject.to_string())
                || incident.nodes.iter().any(|node| holds(node))
        });
    }
    if kind == Kind::Rule {
        let rule = snapshot.fleet.rules().get(item.slot as usize);
        return rule.is_some_and(|rule| [&rule.id, &rule.when, &rule.reason].into_iter().any(|text| holds(text)));
    }
    if kind == Kind::Energy {
        let account = snapshot.fleet.accounts_of(item.node.index()).get(item.slot as usize);
        return account
            .is_some_and(|it| [&it.user, &it.account, &it.partition, &it.place].into_iter().any(|it| holds(it)));
    }
    if holds(snapshot.fleet.name(item.node)) {
        return true;
    }
    let node = snapshot.fleet.node(item.node);
    let slot = item.slot as usize;
    match kind {
        Kind::Node | Kind::Metric | Kind::Core | Kind::Job | Kind::Energy | Kind::Incident | Kind::Rule => false,
        Kind::Gpu => {
            let model = snapshot.fleet.model(item.node, slot).is_some_and(|model| holds(model));
            model || (part.contains(':') && holds(&gpu_name(node, slot)))
        }
        Kind::Nic => node.inventory.nics.get(slot).is_some_and(|nic| holds(&nic.name)),
        Kind::Process => {
            let process = node.processes.list.get(slot);
            process
                .is_some_and(|process| holds(&process.name) || holds(&process.user) || holds(&process.pid.to_string()))
        }
        Kind::Mount => node.processes.mounts.get(slot).is_some_and(|mount| holds(&mount.path)),
        Kind::Event => snapshot
            .events
            .get(slot)
            .is_some_and(|happening| holds(happening.event.kind.word()) || holds(&happening.event.text)),
    }
}

/// Whether `text` holds `part`, which is in lower case, in either case.
fn contains(text: &str, part: &str) -> bool {
    if !part.is_ascii() || !text.is_ascii() {
        return text.to_lowercase().contains(part);
    }
    let (text, part) = (text.as_bytes(), part.as_bytes());
    let Some(first) = part.first() else { return true };
    // The first letter alone rules out most places.
    let begins = |window: &&[u8]| window[0].to_ascii_lowercase() == *first;
    text.windows(part.len()).filter(begins).any(|window| window.eq_ignore_ascii_case(part))
}

impl About {
    /// This column's text of the metric in that slot.
    pub(super) fn text(self, snapshot: &Snapshot<'_>, item: Item) -> String {
        let Some((_, metric)) = snapshot.fleet.catalogue().iter().nth(item.slot as usize) else {
            return String::new();
        };
        match self {
            About::Key => metric.key.to_string(),
            About::Title => metric.title.to_string(),
            About::Scope => metric.scope.prefix().into(),
            About::Unit => metric.unit.symbol().into(),
            About::Aggregate => match metric.aggregate {
                Aggregate::Sum => "sum",
                Aggregate::Mean => "mean",
                Aggregate::Max => "max",
                Aggregate::Min => "min",
                Aggregate::Union => "union",
                Aggregate::Median => "median",
                Aggregate::Mad => "mad",
            }
            .into(),
            About::Direction => match metric.direction {
                Direction::Neutral => "",
                Direction::HighIsBad => "high",
                Direction::LowIsBad => "low",
            }
            .into(),
            About::Help => metric.help.to_string(),
            About::Source => metric.source.to_string(),
        }
    }
}

/// A number's words: the names of flags or of a choice, otherwise its digits.
pub(super) fn words(value: f64, reading: Reading) -> String {
    match reading {
        Reading::Flags(names) => {
            let set = flags(value, names);
            if set.is_empty() { "none".into() } else { set.join("+") }
        }
        Reading::Choice(names) => names.get(value as usize).map_or_else(|| value.to_string(), |name| (*name).into()),
        _ => value.to_string(),
    }
}

/// Names of the flags that are set; a bit without a name is called by its number.
pub(super) fn flags(value: f64, names: &[&str]) -> Vec<String> {
    let bits = value as u32;
    let set = (0..u32::BITS).filter(|bit| bits >> bit & 1 == 1);
    set.map(|bit| names.get(bit as usize).map_or_else(|| format!("bit{bit}"), |name| (*name).to_owned())).collect()
}

/// How many things of a kind a node has; GPUs with their instances where `mig` asks for them.
pub(super) fn slots(snapshot: &Snapshot<'_>, kind: Kind, node: NodeId, mig: bool) -> u32 {
    match kind.scope() {
        Some(Scope::Gpu) if mig => snapshot.fleet.node(node).inventory.gpus.len() as u32,
        Some(scope) => count(snapshot.fleet, node, scope),
        None => 0,
    }
}
