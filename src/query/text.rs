//! Texts of rows: fields, labels, places; and the names by which a bare word finds a row.

use crate::{
    fleet::{Account, NOWHERE, Name, Node, NodeId, Process, Trouble, Workload, natural},
    model::{
        hostlist::Hostlist,
        identity::Field,
        metric::{Aggregate, Direction, Kind as Reading, Scope},
        report::{EventKind, Subject},
        state::State,
        time::Time,
    },
};

use super::{
    bench::bench,
    evaluate::spelled,
    key::{About, is_of_event},
    row::{Item, Row, count, subject_gpu},
    snapshot::Snapshot,
    usage::usage,
    value::{Reach, Text},
    view::Kind,
};

/// Most different texts that one cell joins.
const JOINED: usize = 4;

impl Text {
    /// Calls `visit` with each text of the row; several where the row reaches several things. Empty ones are left out.
    pub(super) fn each(&self, snapshot: &Snapshot<'_>, row: Row<'_>, visit: &mut dyn FnMut(&str)) {
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
            (Text::Label(label), row) => row.reach(snapshot, Scope::Node, &mut |node, _| {
                snapshot.fleet.node(node).label(label).into_iter().for_each(|value| visit(value));
            }),
            (Text::Level(level), row) => {
                // Nodes of a group are mostly of one place, or several in turn.
                let mut last = None;
                row.reach(snapshot, Scope::Node, &mut |node, _| {
                    let at = snapshot.fleet.places_of(node).get(*level);
                    if last.replace(at) != Some(at)
                        && let Some(place) = place(snapshot, *level, node).filter(|place| &***place != NOWHERE)
                    {
                        visit(place);
                    }
                });
            }
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
            Text::Of(_) | Text::Field(Field::Use, _) => None,
            // The scheduler says it, whether the node was heard of or not.
            Text::Field(Field::Bench, _) => Some(true),
            _ => (row.state(snapshot) != State::Missing).then_some(true),
        }
    }
}

/// The place of a level in which a node stands.
pub(super) fn place<'a>(snapshot: &Snapshot<'a>, level: usize, node: NodeId) -> Option<&'a Name> {
    let at = *snapshot.fleet.places_of(node).get(level)?;
    snapshot.fleet.places(level).get(at as usize).map(|place| &place.name)
}

/// Calls `visit` with a field of a thing of the field's own kind.
fn write_field(snapshot: &Snapshot<'_>, field: Field, item: Item, visit: &mut dyn FnMut(&str)) {
    if field == Field::Node {
        return visit(snapshot.fleet.name(item.node));
    }
    if field.row().scope == Scope::Energy {
        return snapshot
            .fleet
            .accounts_of(item.node.index())
            .get(item.slot as usize)
            .into_iter()
            .for_each(|it| account_field(field, it, visit));
    }
    if field.row().scope == Scope::Incident {
        return incident_field(snapshot, field, item.slot, visit);
    }
    if field.row().scope == Scope::Rule {
        return rule_field(snapshot, field, item.slot, visit);
    }
    if field.row().scope == Scope::Job {
        return job_field(snapshot, field, item.slot, visit);
    }
    let node = snapshot.fleet.node(item.node);
    let slot = item.slot as usize;
    match field.row().scope {
        _ if field == Field::Bench => bench(snapshot, item.node).into_iter().for_each(visit),
        _ if is_of_event(field) => event_field(snapshot, field, node, slot, visit),
        Scope::Node => node_field(field, node, visit),
        _ if field == Field::Model => snapshot.fleet.model(item.node, slot).into_iter().for_each(|model| visit(model)),
        _ if field == Field::Use => usage(snapshot, item.node, item.slot).into_iter().for_each(visit),
        _ if field == Field::Ran => {
            let had = snapshot.fleet.jobs_that_had(item.node);
            had.filter(|(_, share)| share.slots.contains(slot as u16)).for_each(|(job, _)| visit(&job.id));
        }
        _ if field == Field::Fault && !snapshot.fleet.has_faults(item.node) => {}
        Scope::Gpu => gpu_field(field, node, slot, visit),
        Scope::Nic => {
            let Some(nic) = node.inventory.nics.get(slot) else { return };
            match field {
                Field::NicName => visit(&nic.name),
                Field::NicKind => visit(&nic.kind),
                Field::NicGpu => {
                    let gpu = nic.gpu.and_then(|gpu| node.inventory.gpus.get(usize::from(gpu)));
                    if let Some(gpu) = gpu {
                        visit(&gpu.index);
                    }
                }
                _ => {}
            }
        }
        Scope::Process => process_field(field, node, slot, visit),
        Scope::Mount => {
            let Some(mount) = node.processes.mounts.get(slot) else { return };
            match field {
                Field::MountPath => visit(&mount.path),
                Field::MountKind => visit(&mount.kind),
                Field::MountState => visit(&mount.state),
                _ => {}
            }
        }
        Scope::Core | Scope::Job | Scope::Energy | Scope::Incident | Scope::Rule => {}
    }
}

fn job_field(snapshot: &Snapshot<'_>, field: Field, number: u32, visit: &mut dyn FnMut(&str)) {
    let Some(job) = snapshot.fleet.job(number as usize) else { return };
    match field {
        Field::Job => visit(&job.id),
        Field::JobArray => visit(&job.array),
        Field::JobHet => visit(&job.het),
        Field::JobName => visit(&job.name),
        Field::JobUser => visit(&job.user),
        Field::JobAccount => visit(&job.account),
        Field::JobPartition => visit(&job.partition),
        Field::JobQos => visit(&job.qos),
        Field::JobState => visit(&job.state),
        Field::JobReason => visit(&job.reason),
        Field::JobComment => visit(&job.comment),
        Field::JobHosts => {
            let known = job.shares.iter().map(|share| snapshot.fleet.name(share.node));
            visit(&Hostlist::fold(known.chain(job.strangers.iter().map(|name| &**name))).to_string());
        }
        _ => {}
    }
}

fn incident_field(snapshot: &Snapshot<'_>, field: Field, number: u32, visit: &mut dyn FnMut(&str)) {
    let Some(Trouble { incident, .. }) = snapshot.fleet.troubles().get(number as usize) else { return };
    match field {
        Field::Incident => visit(&incident.id.to_string()),
        Field::IncidentRule => visit(&incident.rule),
        Field::IncidentSubject => visit(&incident.subject.to_string()),
        Field::IncidentHosts => visit(&Hostlist::fold(incident.nodes.iter().map(String::as_str)).to_string()),
        Field::IncidentSince => visit(&incident.since.to_string()),
        Field::IncidentReason => visit(&incident.reason),
        Field::IncidentEvidence => visit(&incident.evidence.join("; ")),
        Field::IncidentAction => visit(&incident.action),
        Field::IncidentCommands => visit(&incident.commands.join("; ")),
        _ => {}
    }
}

fn rule_field(snapshot: &Snapshot<'_>, field: Field, number: u32, visit: &mut dyn FnMut(&str)) {
    let Some(rule) = snapshot.fleet.rules().get(number as usize) else { return };
    match field {
        Field::Rule => visit(&rule.id),
        Field::RuleView => visit(&rule.view),
        Field::RuleWhen => visit(&rule.when),
        Field::RuleClear => visit(&rule.clear),
        Field::RuleReason => visit(&rule.reason),
        Field::RuleAction => visit(&rule.action),
        Field::RuleUnder => visit(&rule.under.join(",")),
        Field::RuleBasis => visit(&rule.basis),
        Field::RuleState if !rule.problem.is_empty() => visit(&rule.problem),
        Field::RuleState if rule.is_muted => visit("muted"),
        Field::RuleState => visit(if rule.is_of_site { "of the site" } else { "built in" }),
        _ => {}
    }
}

fn node_field(field: Field, node: &Node, visit: &mut dyn FnMut(&str)) {
    let inventory = &node.inventory;
    match field {
        Field::Driver => visit(&inventory.driver),
        Field::Cuda => visit(&inventory.cuda),
        Field::Os => visit(&inventory.os),
        Field::Kernel => visit(&inventory.kernel),
        Field::CpuModel => visit(&inventory.cpu_model),
        Field::Agent => visit(&node.agent),
        Field::Sched => node.standing.iter().flat_map(|it| &it.states).for_each(|state| visit(state)),
        Field::SchedNode => node.standing.iter().for_each(|it| visit(&it.name)),
        Field::SchedReason => node.standing.iter().for_each(|it| visit(&it.reason)),
        Field::SchedBy => node.standing.iter().for_each(|it| visit(&it.by)),
        Field::SchedSince => {
            if let Some(since) = node.standing.as_ref().and_then(|it| it.since) {
                visit(&minute(since));
            }
        }
        Field::Notes => {
            inventory.notes.iter().for_each(|note| visit(note));
            let faults = inventory.faults.iter().filter(|fault| fault.gpu.is_none());
            faults.for_each(|fault| match &*fault.metric {
                "" => visit(&fault.reason),
                metric => visit(&format!("{metric}: {}", fault.reason)),
            });
        }
        _ => {}
    }
}

fn gpu_field(field: Field, node: &Node, slot: usize, visit: &mut dyn FnMut(&str)) {
    let Some(gpu) = node.inventory.gpus.get(slot) else { return };
    match field {
        Field::Index => visit(&gpu.index),
        Field::Uuid => visit(&gpu.uuid),
        Field::Serial => visit(&gpu.serial),
        Field::Vbios => visit(&gpu.vbios),
        Field::Bus => visit(&gpu.bus),
        Field::Numa => gpu.numa.into_iter().for_each(|numa| visit(&numa.to_string())),
        Field::Mig => visit(&gpu.mig),
        Field::GivenTo => {
            let containers = node.containers.iter().filter(|(_, slots)| slots.contains(slot as u16));
            containers.for_each(|(name, _)| visit(name));
        }
        Field::Fault => {
            if let Some(fault) = node.inventory.gpu_fault(slot) {
                return visit(&fault.reason);
            }
            let own = node.inventory.faults.iter().filter(|fault| fault.gpu.map(usize::from) == Some(slot));
            own.for_each(|fault| visit(&format!("{}: {}", fault.metric, fault.reason)));
        }
        _ => {}
    }
}

fn process_field(field: Field, node: &Node, slot: usize, visit: &mut dyn FnMut(&str)) {
    let Some(process) = node.processes.list.get(slot) else { return };
    match field {
        Field::ProcUser => visit(&process.user),
        Field::ProcName => visit(&process.name),
        Field::ProcJob => of_workload(process, |workload| &workload.job, visit),
        Field::ProcStep => of_workload(process, |workload| &workload.step, visit),
        Field::ProcPod => of_workload(process, |workload| &workload.pod, visit),
        Field::ProcContainer => of_workload(process, |workload| &workload.container, visit),
        Field::ProcState => process.state.into_iter().for_each(|state| visit(state.encode_utf8(&mut [0; 4]))),
        Field::ProcGpu => {
            let index = |slot: u16| node.inventory.gpus.get(usize::from(slot)).map(|gpu| &*gpu.index);
            let gpus: Vec<&str> = process.gpus.iter().filter_map(|gpu| index(gpu.slot)).collect();
            visit(&gpus.join(","));
        }
        _ => {}
    }
}

fn of_workload(process: &Process, of: fn(&Workload) -> &Name, visit: &mut dyn FnMut(&str)) {
    process.workload.iter().for_each(|workload| visit(of(workload)));
}

fn event_field(snapshot: &Snapshot<'_>, field: Field, node: &Node, slot: usize, visit: &mut dyn FnMut(&str)) {
    let Some(happening) = snapshot.events.get(slot) else { return };
    let event = &happening.event;
    match field {
        Field::EventTime => visit(&event.time.to_string()),
        Field::EventKind => visit(event.kind.word()),
        Field::EventXid => {
            if let EventKind::Xid(code) | EventKind::Sxid(code) = event.kind {
                visit(&code.to_string());
            }
        }
        Field::EventSubject => match &event.subject {
            Subject::Node => visit(&node.name),
            Subject::Nic { name } => visit(&format!("{}/{name}", node.name)),
            Subject::Switch { bus } => visit(&format!("{} switch {bus}", node.name)),
            Subject::Gpu { bus } => match subject_gpu(node, &event.subject) {
                Some(slot) => visit(&gpu_name(node, slot)),
                None => visit(&format!("{} {bus}", node.name)),
            },
        },
        Field::EventText => visit(&event.text),
        _ => {}
    }
}

/// `gpu017:3`.
pub(super) fn gpu_name(node: &Node, slot: usize) -> String {
    match node.inventory.gpus.get(slot).filter(|gpu| !gpu.index.is_empty()) {
        Some(gpu) => format!("{}:{}", node.name, gpu.index),
        None => format!("{}:{slot}", node.name),
    }
}

fn account_field(field: Field, account: &Account, visit: &mut dyn FnMut(&str)) {
    match field {
        Field::EnergyHour => visit(&minute(account.hour)),
        Field::EnergyUser => visit(&account.user),
        Field::EnergyAccount => visit(&account.account),
        Field::EnergyPartition => visit(&account.partition),
        Field::EnergyPlace => visit(&account.place),
        _ => {}
    }
}

/// A time to the minute: `2026-11-26T14:02Z`.
fn minute(time: Time) -> String {
    let text = time.to_string();
    text.get(..16).map_or(text.clone(), |text| format!("{text}Z"))
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
