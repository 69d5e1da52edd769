//! What pods' labels say of the jobs that they are of.

use std::collections::HashMap;

/// Labels with the name of the job, as operators put them on its pods: the widest thing first, since what is made of
/// Jobs has pods that carry a Job's label, too.
const JOBS: [&str; 9] = [
    // Kubeflow's PyTorchJob, MPIJob and kin.
    "training.kubeflow.org/job-name",
    "jobset.sigs.k8s.io/jobset-name",
    "volcano.sh/job-name",
    "ray.io/cluster",
    "leaderworkerset.sigs.k8s.io/name",
    // Kueue's groups of plain pods.
    "kueue.x-k8s.io/pod-group-name",
    "workflows.argoproj.io/workflow",
    // Job, since Kubernetes 1.27, and before.
    "batch.kubernetes.io/job-name",
    "job-name",
];
/// Labels with the name of its queue.
const QUEUES: [&str; 2] = ["kueue.x-k8s.io/queue-name", "volcano.sh/queue-name"];

/// Labels with the name of who made the pod. Few have one of these; most sites have labels of their own for it.
const OWNERS: [&str; 1] = ["hub.jupyter.org/username"];

/// The job that a pod with these labels is of.
pub(super) fn job(labels: &HashMap<String, String>) -> Option<&String> {
    first(labels, &JOBS)
}

/// The queue that it was submitted to.
pub(super) fn queue(labels: &HashMap<String, String>) -> Option<&str> {
    first(labels, &QUEUES).map(String::as_str)
}

/// Who made the pod: what labels of the site's own say, or else well-known ones.
pub(super) fn owner<'a>(labels: &'a HashMap<String, String>, own: &[String]) -> Option<&'a String> {
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    first(labels, &own).or_else(|| first(labels, &OWNERS))
}

fn first<'a>(labels: &'a HashMap<String, String>, keys: &[&str]) -> Option<&'a String> {
    keys.iter().find_map(|key| labels.get(*key).filter(|value| !value.is_empty()))
}
