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

/// The job that a pod with these labels is of.
pub(super) fn job(labels: &HashMap<String, String>) -> Option<&String> {
    first(labels, &JOBS)
}

/// The queue that it was submitted to.
pub(super) fn queue(labels: &HashMap<String, String>) -> Option<&str> {
    first(labels, &QUEUES).map(String::as_str)
}

fn first<'a>(labels: &'a HashMap<String, String>, keys: &[&str]) -> Option<&'a String> {
    keys.iter().find_map(|key| labels.get(*key).filter(|value| !value.is_empty()))
}
