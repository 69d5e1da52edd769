//! A job, as `squeue --json` prints it.

use std::time::Duration;

use serde::Deserialize;

use super::{
    gres,
    lenient::{Number, Text, Words},
};
use crate::model::{
    hostlist::Hostlist,
    job::{Job, Phase, Share},
    time::Time,
};

/// Nodes of one job that are taken at most.
const NODES: usize = 1 << 18;

/// A job as Slurm writes it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Entry {
    job_id: Number,
    array_job_id: Number,
    array_task_id: Number,
    array_task_string: Text,
    het_job_id: Number,
    het_job_offset: Number,
    name: Text,
    user_name: Text,
    user_id: Number,
    account: Text,
    partition: Text,
    qos: Text,
    job_state: Words,
    state_reason: Text,
    comment: Text,
    submit_time: Number,
    start_time: Number,
    end_time: Number,
    /// In minutes.
    time_limit: Number,
    restart_cnt: Number,
    nodes: Text,
    /// Of each node, in the order of `nodes`.
    gres_detail: Words,
}

impl Entry {
    /// The job, unless it has no id.
    pub(super) fn job(self) -> Option<Job> {
        let id = self.job_id.0.filter(|id| *id > 0)?;
        let known = |number: Number| number.0.filter(|n| *n > 0);
        let time = |number| known(number).map(|seconds| Time::from_millis(seconds.saturating_mul(1000)));
        let nodes = self.hosts();
        let phase = phase(&self.job_state.0, !nodes.is_empty());
        let array = match (known(self.array_job_id), self.array_task_id.0) {
            (Some(all), Some(task)) => format!("{all}_{task}"),
            (Some(all), None) if !self.array_task_string.0.is_empty() => {
                format!("{all}_[{}]", self.array_task_string.0)
            }
            _ => String::new(),
        };
        let het = known(self.het_job_id).map(|all| format!("{all}+{}", self.het_job_offset.0.unwrap_or(0)));
        let user = match self.user_name.0 {
            name if name.is_empty() => self.user_id.0.map(|id| id.to_string()).unwrap_or_default(),
            name => name,
        };
        let mut details = self.gres_detail.0.iter();
        let shares = nodes.into_iter().map(|node| Share { node, gpus: details.next().and_then(|it| gres::gpus(it)) });
        Some(Job {
            id: id.to_string(),
            array,
            het: het.unwrap_or_default(),
            name: self.name.0,
            user,
            account: self.account.0,
            partition: self.partition.0,
            qos: self.qos.0,
            phase,
            state: self.job_state.0.join("+").to_lowercase(),
            reason: if self.state_reason.0 == "None" { String::new() } else { self.state_reason.0 },
            comment: self.comment.0,
            submitted: time(self.submit_time),
            // Of a job that waits it is when it is expected to start, and to end.
            started: time(self.start_time).filter(|_| phase != Phase::Waiting),
            ended: time(self.end_time).filter(|_| phase == Phase::Ended),
            limit: known(self.time_limit).map(|minutes| Duration::from_secs(minutes.unsigned_abs().saturating_mul(60))),
            restarts: known(self.restart_cnt).and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            shares: shares.collect(),
        })
    }

    /// Its nodes. A list that cannot be read is none.
    fn hosts(&self) -> Vec<String> {
        if self.nodes.0.is_empty() {
            return Vec::new();
        }
        let list = Hostlist::parse(&self.nodes.0).ok();
        list.and_then(|list| list.expand(NODES).ok()).unwrap_or_default()
    }
}

/// How far a job in these states has come. Newer versions may have words that are not known here.
fn phase(states: &[String], has_nodes: bool) -> Phase {
    let is = |words: &[&str]| states.iter().any(|state| words.iter().any(|word| state.eq_ignore_ascii_case(word)));
    if is(&["RUNNING", "SUSPENDED", "STOPPED", "CONFIGURING", "COMPLETING", "STAGE_OUT", "SIGNALING", "RESIZING"]) {
        Phase::Running
    } else if is(&["PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"]) {
        Phase::Waiting
    } else if is(&[
        "COMPLETED",
        "CANCELLED",
        "FAILED",
        "TIMEOUT",
        "NODE_FAIL",
        "PREEMPTED",
        "BOOT_FAIL",
        "DEADLINE",
        "OUT_OF_MEMORY",
        "REVOKED",
        "LAUNCH_FAILED",
        "RECONFIG_FAIL",
    ]) {
        Phase::Ended
    } else if has_nodes {
        Phase::Running
    } else {
        Phase::Waiting
    }
}
