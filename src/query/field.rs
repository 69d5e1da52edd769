//! Fields of things: their names, serials, versions, states, and what else is text of them.

use crate::{
    fleet::{Account, Job, Name, Node, NodeId, Process, Share, Trouble, Workload},
    model::{
        hostlist::Hostlist,
        identity::Field,
        job::Phase,
        metric::Scope,
        report::{EventKind, Subject},
        time::Time,
    },
};

use super::{
    bench::bench,
    key::is_of_event,
    row::{Item, subject_gpu},
    snapshot::Snapshot,
    usage::{usage, verdict},
};

/// Calls `visit` with a field of a thing of the field's own kind.
pub(super) fn write_field(snapshot: &Snapshot<'_>, field: Field, item: Item, visit: &mut dyn FnMut(&str)) {
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
        _ if field == Field::Verdict => verdict(snapshot, item).into_iter().for_each(visit),
        _ if field == Field::Ran => {
            let had = snapshot.fleet.jobs_that_had(item.node);
            let by_then = |job: &Job| snapshot.then().is_none_or(|then| job.ended.is_some_and(|ended| ended <= then));
            let its = had.filter(|(job, share)| share.slots.contains(slot as u16) && by_then(job));
            its.for_each(|(job, _)| visit(&job.id));
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
        // Its scheduler's own word of another time is known only where it is the last one.
        Field::JobState => match snapshot.then().map(|then| job.phase_at(then)) {
            None | Some(Some(Phase::Ended)) => visit(&job.state),
            Some(phase) => visit(phase.map_or("", Phase::word)),
        },
        Field::JobReason => visit(&job.reason),
        Field::JobComment => visit(&job.comment),
        Field::JobHosts => {
            let mut names: Vec<&str> = Vec::new();
            nodes(snapshot, job, &mut |node| names.push(snapshot.fleet.name(node)));
            let waits = snapshot.then().is_some_and(|then| job.phase_at(then) == Some(Phase::Waiting));
            names.extend(job.strangers.iter().filter(|_| !waits).map(|name| &**name));
            visit(&Hostlist::fold(names).to_string());
        }
        _ => {}
    }
}

/// Calls `visit` with the nodes that a job has, or that it had at the time that is asked about; of one that has ended, with
/// those that it had last.
pub(super) fn nodes(snapshot: &Snapshot<'_>, job: &Job, visit: &mut dyn FnMut(NodeId)) {
    let (then, mut has_any) = (snapshot.then(), false);
    let has = |share: &&Share| then.map_or(share.is_held, |then| job.had_at(share, then));
    for share in job.shares.iter().filter(has) {
        has_any = true;
        visit(share.node);
    }
    let is_over = then.map_or(Some(job.phase), |then| job.phase_at(then)) == Some(Phase::Ended);
    if is_over && !has_any {
        job.shares.iter().for_each(|share| visit(share.node));
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
        Field::IncidentNote => {
            if let Some(note) = &incident.note {
                visit(&if note.text.is_empty() { note.by.clone() } else { format!("{}: {}", note.by, note.text) });
            }
        }
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
        Field::Gsp => visit(&gpu.gsp),
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
pub(super) fn minute(time: Time) -> String {
    let text = time.to_string();
    text.get(..16).map_or(text.clone(), |text| format!("{text}Z"))
}
