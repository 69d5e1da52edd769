//! Incidents and the rules that raised them, as the hub's health engine has them; queries read them here.

use std::{collections::HashMap, ops::Range};

use super::{Fleet, jobs::Share, node::NodeId};
use crate::model::{
    incident::{Incident, Record, Rule, Severity, Stage, Subject},
    verdict::Verdict,
};

/// An incident, and the things of this fleet that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The incident.
    pub incident: Incident,
    /// Its nodes.
    pub nodes: Vec<NodeId>,
    /// The slot of the one GPU that it is about, on the one node.
    gpu: Option<u32>,
    /// The one job that it is about.
    job: Option<u32>,
}

impl Trouble {
    /// The GPUs that it is about, by node: all of a node's where it is about no one GPU and no one job.
    pub fn gpus(&self, fleet: &Fleet) -> Vec<(NodeId, Range<u32>)> {
        if let Some(job) = self.job.and_then(|number| fleet.job(number as usize)) {
            return job.held().flat_map(|share| share.runs().map(|slots| (share.node, slots))).collect();
        }
        let slots = |node: NodeId| match self.gpu {
            Some(slot) => slot..slot + 1,
            None => 0..fleet.whole_gpus(node) as u32,
        };
        self.nodes.iter().map(|node| (*node, slots(*node))).collect()
    }

    /// Whether it is open, matters, and is about its nodes rather than about a job that has them, or about the hub.
    fn is_of_nodes(&self) -> bool {
        let Incident { stage, severity, subject, .. } = &self.incident;
        let is_of_nodes = !matches!(subject, Subject::Job { .. } | Subject::Fleet);
        is_of_nodes && *stage == Stage::Open && *severity != Severity::Info
    }

    /// The jobs that have something of it.
    pub fn jobs(&self, fleet: &Fleet) -> Vec<u32> {
        if let Some(job) = self.job {
            return vec![job];
        }
        let mut jobs = Vec::new();
        for (node, slots) in self.gpus(fleet) {
            let is_its = |share: &Share| share.slots.iter().any(|slot| slots.contains(&u32::from(slot)));
            let its = fleet.jobs_of(node).filter(|(_, share)| slots.is_empty() || is_its(share));
            jobs.extend(its.map(|(number, _)| number));
        }
        jobs.sort_unstable();
        jobs.dedup();
        jobs
    }
}

/// What the health engine has said last.
#[derive(Debug, Default)]
pub(super) struct Health {
    troubles: Vec<Trouble>,
    /// How many of them are open, matter and are about a node; nothing before the engine has looked.
    of_nodes: Option<HashMap<NodeId, u32>>,
    /// Of GPUs that are not fine to their jobs, in order.
    verdicts: Vec<((NodeId, u16), Verdict)>,
    /// Whether a node, by its index, has such GPUs.
    judged: Vec<bool>,
    rules: Vec<Rule>,
    /// What the hub before this one had, until the engine takes it.
    kept: Vec<Record>,
}

impl Fleet {
    /// Incidents that are open or were cleared lately, in the order in which they were raised.
    pub fn troubles(&self) -> &[Trouble] {
        &self.health.troubles
    }

    /// The rules in force.
    pub fn rules(&self) -> &[Rule] {
        &self.health.rules
    }

    /// Takes the incidents as they are now.
    pub fn set_incidents(&mut self, incidents: Vec<Incident>) {
        let troubles: Vec<Trouble> = incidents.into_iter().map(|incident| self.trouble(incident)).collect();
        let mut of_nodes = HashMap::new();
        for node in troubles.iter().filter(|trouble| trouble.is_of_nodes()).flat_map(|trouble| &trouble.nodes) {
            *of_nodes.entry(*node).or_default() += 1;
        }
        self.health.of_nodes = Some(of_nodes);
        self.health.troubles = troubles;
    }

    /// How many incidents are open, matter and are about a node, a part of it, or a place that it is in. Nothing where
    /// nobody has looked yet.
    pub fn incidents_of(&self, id: NodeId) -> Option<u32> {
        self.health.of_nodes.as_ref().map(|all| all.get(&id).copied().unwrap_or(0))
    }

    /// Takes what GPUs are to jobs that hang or are slow: those that are not fine. Where two jobs share one, the graver
    /// word counts.
    pub fn set_verdicts(&mut self, verdicts: &[((NodeId, u16), Verdict)]) {
        self.health.verdicts = verdicts.to_vec();
        self.health.verdicts.sort_unstable_by_key(|(gpu, verdict)| (*gpu, std::cmp::Reverse(*verdict)));
        self.health.verdicts.dedup_by_key(|(gpu, _)| *gpu);
        self.health.judged.clear();
        self.health.judged.resize(self.nodes.len(), false);
        for ((node, _), _) in verdicts {
            self.health.judged[node.index()] = true;
        }
    }

    /// Whether anything but fine is said of some of a node's GPUs.
    pub fn has_verdicts(&self, node: NodeId) -> bool {
        self.health.judged.get(node.index()).is_some_and(|judged| *judged)
    }

    /// What a GPU is to its job, as far as anything is known against it.
    pub fn verdict(&self, node: NodeId, slot: u16) -> Verdict {
        let verdicts = &self.health.verdicts;
        let found = verdicts.binary_search_by_key(&(node, slot), |(gpu, _)| *gpu);
        found.map_or(Verdict::Fine, |at| verdicts[at].1)
    }

    /// Takes an incident that the hub before this one had.
    pub fn restore_incident(&mut self, record: Record) {
        self.health.kept.push(record);
    }

    /// The incidents that the hub before this one had; they are taken once.
    pub fn take_kept_incidents(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.health.kept)
    }

    /// Takes the rules in force.
    pub fn set_rules(&mut self, rules: Vec<Rule>) {
        self.health.rules = rules;
    }

    fn trouble(&self, incident: Incident) -> Trouble {
        let nodes: Vec<NodeId> = incident.nodes.iter().filter_map(|name| self.find(name)).collect();
        let gpu = match (&incident.subject, nodes.first()) {
            (Subject::Gpu { index, .. }, Some(node)) => {
                let gpus = &self.node(*node).inventory.gpus;
                gpus.iter().position(|gpu| *gpu.index == **index).map(|slot| slot as u32)
            }
            _ => None,
        };
        let job = match &incident.subject {
            Subject::Job { job } => self.find_job(job),
            _ => None,
        };
        Trouble { incident, nodes, gpu, job }
    }
}
