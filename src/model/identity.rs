//! Fields that say what a thing is rather than how it does: names, serials, versions, states.
//! Like metrics, each is defined once, here; labels and places are fields too, by their own names.

use crate::model::metric::Scope;

/// What a query can show or filter by that is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// The node's name.
    Node,
    /// A GPU's, core's or NIC's number on its node: `3`, or `3.0` for a MIG instance.
    Index,
    /// `up`, `stale`, `down` or `missing`.
    State,
    /// A GPU's UUID.
    Uuid,
    /// A GPU's model.
    Model,
    /// A GPU's serial number, as an RMA asks for it.
    Serial,
    /// A GPU's VBIOS version.
    Vbios,
    /// A GPU's PCI address: `0000:9b:00.0`.
    Bus,
    /// The NUMA node nearest to a GPU.
    Numa,
    /// A GPU's MIG mode, or a MIG instance's profile.
    Mig,
    /// Whether the GPU's own processor runs the driver's firmware.
    Gsp,
    /// The NVIDIA driver's version.
    Driver,
    /// The CUDA version that the driver offers.
    Cuda,
    /// The operating system's name and version.
    Os,
    /// The kernel's release.
    Kernel,
    /// The CPU's model.
    CpuModel,
    /// The agent's version.
    Agent,
    /// What the agent cannot read, and why.
    Notes,
    /// Why a GPU does not answer: lost, released, driver hung.
    Fault,
    /// What is made of a GPU: `free`, `used`, `idle`, `unused`, `ungiven`, `hollow` or `zombie`.
    Use,
    /// What a GPU is to its job: `slow`, `waiting`, `gone`, `link`, `host` or `fine`.
    Verdict,
    /// Jobs that had a GPU and have ended.
    Ran,
    /// The pod and container that a GPU was given to.
    GivenTo,
    /// A node's states in its scheduler's words.
    Sched,
    /// What its scheduler calls a node.
    SchedNode,
    /// Why its scheduler gives a node no jobs.
    SchedReason,
    /// Who took a node from its scheduler.
    SchedBy,
    /// Since when that is so.
    SchedSince,
    /// What a node's scheduler says of it against what we see: `healthy`, `broken`, `again`, `sick`, `exposed`, `planned`.
    Bench,
    /// A NIC's name: `mlx5_0`, `eth0`.
    NicName,
    /// What a NIC speaks: `infiniband`, `roce`, `efa`, `ethernet`.
    NicKind,
    /// The GPU nearest to a NIC.
    NicGpu,
    /// The user that owns a process.
    ProcUser,
    /// A process's name.
    ProcName,
    /// The scheduler's job that a process belongs to.
    ProcJob,
    /// The step of that job.
    ProcStep,
    /// UID of the Kubernetes pod that a process runs in.
    ProcPod,
    /// Id of the container that a process runs in.
    ProcContainer,
    /// A process's state letter, as `ps` prints it.
    ProcState,
    /// The GPUs that a process uses: `0,1`.
    ProcGpu,
    /// Where a filesystem is mounted.
    MountPath,
    /// A filesystem's type.
    MountKind,
    /// `ok`, `hung`, `missing`, `failed`, `read-only` or `unknown`.
    MountState,
    /// The id of a scheduler's job.
    Job,
    /// Which task of an array a job is.
    JobArray,
    /// Which component of a heterogeneous job a job is.
    JobHet,
    /// What its user calls a job.
    JobName,
    /// Who submitted a job.
    JobUser,
    /// Who pays for a job.
    JobAccount,
    /// A job's partition or queue.
    JobPartition,
    /// A job's quality of service.
    JobQos,
    /// A job's state in its scheduler's own word.
    JobState,
    /// Why a job waits, or how it ended.
    JobReason,
    /// What was noted of a job.
    JobComment,
    /// A job's nodes as a hostlist.
    JobHosts,
    /// The hour in which energy was spent.
    EnergyHour,
    /// For whom.
    EnergyUser,
    /// Who pays for it.
    EnergyAccount,
    /// The partition or queue of its job.
    EnergyPartition,
    /// Where: the place of the widest level.
    EnergyPlace,
    /// An incident's number.
    Incident,
    /// The rule that raised it.
    IncidentRule,
    /// What it is about.
    IncidentSubject,
    /// Its nodes as a hostlist.
    IncidentHosts,
    /// Since when its condition holds.
    IncidentSince,
    /// Why, in words.
    IncidentReason,
    /// What else speaks for it.
    IncidentEvidence,
    /// What to do.
    IncidentAction,
    /// Commands that do it.
    IncidentCommands,
    /// What somebody said of it.
    IncidentNote,
    /// A rule's id.
    Rule,
    /// The view whose rows it judges.
    RuleView,
    /// Its condition.
    RuleWhen,
    /// The condition under which it ends.
    RuleClear,
    /// Its words for why.
    RuleReason,
    /// Its words for what to do.
    RuleAction,
    /// Rules whose incidents explain this one's.
    RuleUnder,
    /// Where thresholds come from.
    RuleBasis,
    /// Whether it is in force, and who says it.
    RuleState,
    /// When an event happened.
    EventTime,
    /// What kind of event: `xid`, `sxid`, `link`, `boot`.
    EventKind,
    /// The number of an XID or SXid.
    EventXid,
    /// What an event is about: `gpu017:3`.
    EventSubject,
    /// The event's own words, the kernel's where there are some.
    EventText,
}

/// One row: how a field is called, headed and explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Which field.
    pub field: Field,
    /// Its full key. Those of nodes and GPUs have no scope in front: `serial`.
    pub key: &'static str,
    /// The scope of the thing that has it.
    pub scope: Scope,
    /// The column's title.
    pub title: &'static str,
    /// Cells that a column of it takes.
    pub width: u8,
    /// What it means.
    pub help: &'static str,
}

macro_rules! fields {
    ($($field:ident $key:literal $scope:ident $title:literal $width:literal, $help:literal;)*) => {
        /// Every identity field, in the order of its definition.
        pub static FIELDS: &[Identity] = &[$(Identity {
            field: Field::$field, key: $key, scope: Scope::$scope, title: $title, width: $width, help: $help,
        }),*];
    };
}

fields! {
    Node "node" Node "NODE" 12, "The node's name.";
    Index "index" Gpu "GPU" 4, "The GPU's number on its node; a label that may change over a reboot.";
    State "state" Node "STATE" 7, "up, stale (no sample for 3 intervals), down (60 s) or missing (not seen since the hub started).";
    Uuid "uuid" Gpu "UUID" 40, "The GPU's UUID.";
    Model "model" Gpu "MODEL" 22, "The GPU's model.";
    Serial "serial" Gpu "SERIAL" 14, "The GPU's serial number, as an RMA asks for it.";
    Vbios "vbios" Gpu "VBIOS" 16, "The GPU's VBIOS version.";
    Bus "bus" Gpu "BUS" 12, "The GPU's PCI address.";
    Numa "numa" Gpu "NUMA" 4, "The NUMA node nearest to the GPU.";
    Mig "mig" Gpu "MIG" 8, "The GPU's MIG mode, or a MIG instance's profile.";
    Gsp "gsp" Gpu "GSP" 3, "Whether the GPU's system processor runs firmware of the driver: on or off.";
    Driver "driver" Node "DRIVER" 11, "The NVIDIA driver's version.";
    Cuda "cuda" Node "CUDA" 5, "The CUDA version that the driver offers.";
    Os "os" Node "OS" 20, "The operating system.";
    Kernel "kernel" Node "KERNEL" 18, "The kernel's release.";
    CpuModel "cpu.model" Node "CPU MODEL" 24, "The CPU's model.";
    Agent "agent" Node "AGENT" 8, "The agent's version.";
    Notes "notes" Node "NOTES" 30, "What the agent cannot read, and why.";
    Fault "fault" Gpu "FAULT" 24, "Why the GPU, or one of its metrics, does not answer.";
    Use "use" Gpu "USE" 7, "free, used, idle (processes are on it, and it does nothing), unused (given to a job, and no process is on it), ungiven (used, and given to no job), hollow (busy, and its SMs do nothing) or zombie (memory in use, and no process that could use it; a job that has just begun looks so for some seconds).";
    Verdict "verdict" Gpu "VERDICT" 7, "What the GPU is to its job, against its peers where that hangs or is slow: slow, link (badly linked), host (held up by it), gone, waiting (for others), or else fine.";
    Ran "ran" Gpu "RAN" 9, "Jobs that had the GPU and have ended, for a day.";
    GivenTo "given.to" Gpu "GIVEN TO" 28, "The pods and containers that the kubelet gave the GPU to: pod/container.";
    Sched "sched" Node "SCHED" 10, "The node's states in its scheduler's words: idle, allocated, drain, down.";
    SchedNode "sched.node" Node "SCHEDNODE" 12, "What the scheduler calls the node.";
    SchedReason "sched.reason" Node "REASON" 24, "Why the scheduler gives the node no jobs.";
    SchedBy "sched.by" Node "BY" 8, "Who took the node from the scheduler.";
    SchedSince "sched.since" Node "SINCE" 17, "Since when the scheduler gives the node no jobs.";
    Bench "bench" Node "BENCH" 7, "The scheduler's word against ours: healthy (held back, and nothing is wrong with it), broken (held back, and rightly), again (as broken, and not for the first time), sick (has jobs, and something is wrong), exposed (the next jobs may come) or planned.";
    NicName "nic.name" Nic "NIC" 10, "The port's name.";
    NicKind "nic.kind" Nic "KIND" 10, "What the port speaks: infiniband, roce, efa or ethernet.";
    NicGpu "nic.gpu" Nic "GPU" 4, "The GPU nearest to the port, by PCI topology.";
    ProcUser "proc.user" Process "USER" 10, "The user that owns the process.";
    ProcName "proc.name" Process "NAME" 20, "The process's name.";
    ProcJob "proc.job" Process "JOB" 10, "The scheduler's job that the process belongs to, by its cgroup or environment.";
    ProcStep "proc.job.step" Process "STEP" 8, "The step of that job.";
    ProcPod "proc.pod" Process "POD" 36, "UID of the Kubernetes pod that the process runs in.";
    ProcContainer "proc.container" Process "CONTAINER" 12, "Id of the container that the process runs in.";
    ProcState "proc.state" Process "S" 2, "The process's state letter, as ps prints it.";
    ProcGpu "proc.gpu" Process "GPU" 6, "The GPUs that the process uses.";
    MountPath "mount.path" Mount "MOUNT" 24, "Where the filesystem is mounted.";
    MountKind "mount.kind" Mount "TYPE" 8, "The filesystem's type.";
    MountState "mount.state" Mount "STATE" 9, "ok, hung, missing, failed, read-only or unknown.";
    Job "job" Job "JOB" 9, "The id of the scheduler's job, as its processes name it.";
    JobArray "job.array" Job "ARRAY" 10, "Which task of an array the job is.";
    JobHet "job.het" Job "HET" 8, "Which component of a heterogeneous job it is.";
    JobName "job.name" Job "NAME" 16, "What its user calls the job.";
    JobUser "job.user" Job "USER" 10, "Who submitted the job, or else who owns its processes.";
    JobAccount "job.account" Job "ACCOUNT" 10, "Who pays for the job.";
    JobPartition "job.partition" Job "PARTITION" 9, "The job's partition or queue.";
    JobQos "job.qos" Job "QOS" 8, "The job's quality of service.";
    JobState "job.state" Job "STATE" 10, "The job's state in its scheduler's own word.";
    JobReason "job.reason" Job "REASON" 20, "Why the job waits, or how it ended.";
    JobComment "job.comment" Job "COMMENT" 20, "What its user or an operator noted of the job.";
    JobHosts "job.hosts" Job "HOSTS" 24, "The nodes that the job has, or had last.";
    EnergyHour "energy.hour" Energy "HOUR" 17, "The hour in which the energy was spent, UTC.";
    EnergyUser "energy.user" Energy "USER" 10, "Whose job the GPUs had; nothing for GPUs without one.";
    EnergyAccount "energy.account" Energy "ACCOUNT" 10, "Who pays for that job.";
    EnergyPartition "energy.partition" Energy "PARTITION" 9, "That job's partition or queue.";
    EnergyPlace "energy.place" Energy "PLACE" 12, "The place of the GPUs: of the widest level, unless another is named.";
    Incident "incident" Incident "NO" 6, "The incident's number.";
    IncidentRule "incident.rule" Incident "RULE" 20, "The rule that raised it.";
    IncidentSubject "incident.subject" Incident "SUBJECT" 16, "What it is about: a GPU, a port, a node, a place, a job, or the fleet.";
    IncidentHosts "incident.hosts" Incident "HOSTS" 24, "The nodes that have it.";
    IncidentSince "incident.since" Incident "SINCE" 24, "Since when its condition holds, by the hub's clock.";
    IncidentReason "incident.reason" Incident "REASON" 40, "Why, in words, with the numbers as they were last.";
    IncidentEvidence "incident.evidence" Incident "EVIDENCE" 40, "What else is known that speaks for it: the kernel's lines, and what it explains.";
    IncidentAction "incident.action" Incident "ACTION" 40, "What to do, in plain words.";
    IncidentCommands "incident.commands" Incident "COMMANDS" 40, "Commands that do it, to be pasted: supertop runs none of them.";
    IncidentNote "incident.note" Incident "NOTE" 24, "What somebody said of it, and who.";
    Rule "rule" Rule "RULE" 24, "The rule's id.";
    RuleView "rule.view" Rule "VIEW" 8, "The view whose rows it judges; none for what comes as events.";
    RuleWhen "rule.when" Rule "WHEN" 40, "The condition under which it raises an incident.";
    RuleClear "rule.clear" Rule "CLEAR" 24, "The condition under which the incident ends, where it is not just the opposite.";
    RuleReason "rule.reason" Rule "REASON" 40, "Its words for why.";
    RuleAction "rule.action" Rule "ACTION" 40, "Its words for what to do.";
    RuleUnder "rule.under" Rule "UNDER" 24, "Rules whose incidents, on the same GPU or node, explain its own.";
    RuleBasis "rule.basis" Rule "BASIS" 40, "Where its threshold comes from.";
    RuleState "rule.state" Rule "STATE" 10, "built in, of the site, muted, or what is wrong with it.";
    EventTime "event.time" Node "TIME" 24, "When it happened, by the node's clock.";
    EventKind "event.kind" Node "KIND" 6, "What kind of event: xid, sxid, link or boot.";
    EventXid "event.xid" Node "XID" 4, "The number of an XID or SXid.";
    EventSubject "event.subject" Node "SUBJECT" 14, "What it is about.";
    EventText "event.text" Node "TEXT" 60, "Its own words, the kernel's where there are some.";
}

impl Field {
    /// The row of this field.
    pub fn row(self) -> &'static Identity {
        // `fields!` lists them in the order of the enum; the test below holds it to that.
        &FIELDS[self as usize]
    }

    /// The field with this full key.
    pub fn find(key: &str) -> Option<Field> {
        FIELDS.iter().find(|row| row.key == key).map(|row| row.field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_own_row() {
        for (at, row) in FIELDS.iter().enumerate() {
            assert_eq!(row.field as usize, at, "{}", row.key);
            assert_eq!(row.field.row(), row);
            assert_eq!(Field::find(row.key), Some(row.field));
            assert!(row.help.ends_with('.'), "{}", row.key);
        }
        assert_eq!(FIELDS.len(), Field::EventText as usize + 1);
    }
}
