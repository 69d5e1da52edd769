//! Whose work a process is: the job, pod and container that its cgroup names, or else the job that its environment
//! names. What is not a job's, such as a daemon, belongs to none.

use std::{fs::File, io::Read, path::Path};

use crate::model::{report::Workload, text::clean};

/// How much of `/proc/PID/cgroup` and of `/proc/PID/environ` is read: most are far shorter, and one that is not costs no
/// more.
const CGROUP: u64 = 64 << 10;
const ENVIRON: u64 = 256 << 10;
/// How much of a job's id is kept.
const LONGEST: usize = 64;
/// Variables that schedulers set for every process of a job, with the job's id: Slurm, its older name, PBS, LSF, Flux.
const JOBS: [&str; 5] = ["SLURM_JOB_ID", "SLURM_JOBID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID"];

/// What the cgroup of the process whose folder under `/proc` is `folder` says.
pub(super) fn of_cgroup(folder: &Path) -> Workload {
    workload(&String::from_utf8_lossy(&read(&folder.join("cgroup"), CGROUP)))
}

/// The job that the environment of a process names; empty where there is none, or this agent may not read it. Other
/// variables may hold secrets, and are looked at by nobody.
pub(super) fn job_of_environ(folder: &Path) -> String {
    let environ = read(&folder.join("environ"), ENVIRON);
    let value = |name: &str| {
        let is = |entry: &&[u8]| entry.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'='));
        let entry = environ.split(|b| *b == 0).find(is)?;
        let value = String::from_utf8_lossy(&entry[name.len() + 1..]).into_owned();
        (!value.is_empty()).then(|| clean(&value, LONGEST).into_owned())
    };
    JOBS.into_iter().find_map(value).unwrap_or_default()
}

fn read(path: &Path, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Of a process that just ended, or that is not ours to read, there is nothing to say.
    let _ = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    bytes
}

/// What the lines of `/proc/PID/cgroup` say: one line for cgroup v2, one for each controller for v1.
fn workload(lines: &str) -> Workload {
    let mut found = Workload::default();
    for path in lines.lines().filter_map(|line| line.splitn(3, ':').nth(2)) {
        let (mut in_slurm, mut in_kubernetes) = (false, false);
        // containerd joins slice, prefix and id with colons where it makes no scope of its own.
        for part in path.split(['/', ':']) {
            in_slurm |= part.ends_with("slurmstepd.scope") || part == "slurm" || part.starts_with("slurm_");
            in_kubernetes |= part.contains("kubepods");
            if in_slurm {
                keep(&mut found.job, part.strip_prefix("job_"));
                keep(&mut found.step, part.strip_prefix("step_"));
            }
            if in_kubernetes {
                keep(&mut found.pod, pod(part).as_deref());
            }
            keep(&mut found.container, container(part));
        }
    }
    found
}

fn keep(known: &mut String, new: Option<&str>) {
    if let Some(new) = new.filter(|_| known.is_empty()) {
        *known = clean(new, LONGEST).into_owned();
    }
}

/// The UID in `pod<UID>` or `kubepods-burstable-pod<UID>.slice`, where systemd has underscores for dashes.
fn pod(part: &str) -> Option<String> {
    let part = part.strip_suffix(".slice").unwrap_or(part);
    let uid = match part.strip_prefix("pod") {
        Some(uid) => uid,
        None => part.rsplit_once("-pod")?.1,
    };
    let is_uid = uid.len() >= 32 && uid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-' || b == b'_');
    is_uid.then(|| uid.replace('_', "-"))
}

/// The id in `<id>`, `docker-<id>.scope`, `cri-containerd-<id>.scope`, `crio-<id>.scope` or `libpod-<id>.scope`. Monitors
/// (`libpod-conmon-<id>.scope`) stand outside their container.
fn container(part: &str) -> Option<&str> {
    let name = part.strip_suffix(".scope").unwrap_or(part);
    let (before, id) = name.rsplit_once('-').unwrap_or(("", name));
    let is_id = id.len() == 64 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (is_id && !before.ends_with("conmon")).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f1c0a9be4d2578896af01c3de5b7a9041f2e3d4c5b6a79881726354f0e1d2c3";
    const UID: &str = "8c4d1f2e-9a3b-4c5d-8e7f-0a1b2c3d4e5f";

    /// Paths as each system makes them.
    #[test]
    fn a_cgroup_names_job_pod_and_container() {
        let check = |lines: &str, job: &str, step: &str, pod: &str, container: &str| {
            let lines = lines.replace("UID_", &UID.replace('-', "_")).replace("UID-", UID).replace("ID", ID);
            let expected = Workload {
                job: job.into(),
                step: step.into(),
                pod: pod.replace("UID", UID),
                container: container.replace("ID", ID),
            };
            assert_eq!(workload(&lines), expected, "{lines}");
        };
        // Slurm with cgroup v2; with several slurmd on one host; a batch script; an sshd that pam_slurm_adopt moved.
        check("0::/system.slice/slurmstepd.scope/job_4711/step_0/user/task_3\n", "4711", "0", "", "");
        check("0::/system.slice/n1_slurmstepd.scope/job_12/step_batch/user/task_0", "12", "batch", "", "");
        check("0::/system.slice/slurmstepd.scope/job_4711/step_extern/user/task_special", "4711", "extern", "", "");
        // Slurm with cgroup v1.
        check(
            "11:cpuset:/slurm/uid_1000/job_42/step_7\n5:memory:/slurm/uid_1000/job_42/step_7/task_0\n1:name=systemd:/x",
            "42",
            "7",
            "",
            "",
        );
        check("4:freezer:/slurm_n17/uid_0/job_9/step_interactive", "9", "interactive", "", "");
        // Slurm's own daemons belong to no job.
        check("0::/system.slice/slurmstepd.scope/system", "", "", "", "");
        check("0::/system.slice/slurmd.service", "", "", "", "");
        // Kubernetes: containerd and CRI-O with systemd, cgroupfs, kind, and containerd's joined names.
        let slice = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID_.slice";
        check(&format!("0::{slice}/cri-containerd-ID.scope"), "", "", "UID", "ID");
        check(&format!("0::{slice}/crio-ID.scope/container"), "", "", "UID", "ID");
        check(&format!("0::{slice}/crio-conmon-ID.scope"), "", "", "UID", "");
        check("0::/kubepods.slice/kubepods-podUID_.slice/docker-ID.scope", "", "", "UID", "ID");
        check("9:devices:/kubepods/besteffort/podUID-/ID", "", "", "UID", "ID");
        check(
            "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podUID_.slice/cri-containerd-ID.scope",
            "",
            "",
            "UID",
            "ID",
        );
        check("3:cpu:/system.slice/containerd.service/kubepods-podUID_.slice:cri-containerd:ID", "", "", "UID", "ID");
        // Docker and Podman.
        check("0::/system.slice/docker-ID.scope", "", "", "", "ID");
        check("7:pids:/docker/ID", "", "", "", "ID");
        check("0::/machine.slice/libpod-ID.scope/container", "", "", "", "ID");
        let user = "/user.slice/user-1000.slice/user@1000.service/user.slice";
        check(&format!("0::{user}/libpod-ID.scope"), "", "", "", "ID");
        check(&format!("0::{user}/libpod-conmon-ID.scope"), "", "", "", "");
        // Podman within a job.
        check("0::/system.slice/slurmstepd.scope/job_5/step_0/user/task_0/libpod-ID.scope", "5", "0", "", "ID");
    }

    #[test]
    fn what_fits_no_pattern_is_nobodys() {
        let check = |lines: &str| assert_eq!(workload(lines), Workload::default(), "{lines}");
        check("");
        check("0::/");
        check("garbage\n::\n0:x");
        check("0::/user.slice/user-1000.slice/session-3.scope");
        check("0::/job_5/step_0");
        check("0::/podinfo/tripod.slice/x-pod.service");
        check(&format!("0::/system.slice/docker-{}.scope", &ID[1..]));
        check(&format!("0::/system.slice/docker-{}.scope", ID.to_uppercase()));
    }

    #[test]
    fn hostile_names_are_made_harmless() {
        let found = workload(&format!("0::/slurm/job_5\x1b[2J{}/step_\u{202e}", "9".repeat(500)));
        assert!(found.job.chars().count() <= LONGEST + 1 && !found.job.contains('\x1b'), "{found:?}");
        assert!(!found.step.contains('\u{202e}'), "{found:?}");
    }

    #[test]
    fn an_environment_names_the_job_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let check = |environ: &str, expected: &str| {
            std::fs::write(dir.path().join("environ"), environ).unwrap();
            assert_eq!(job_of_environ(dir.path()), expected, "{environ:?}");
        };
        check("HOME=/root\0SLURM_JOB_ID=4711\0SECRET=x\0", "4711");
        check("MY_SLURM_JOB_ID=1\0SLURM_JOB_ID_OLD=2\0", "");
        check("SLURM_JOB_ID=\0PBS_JOBID=17.server\0", "17.server");
        check("SLURM_JOBID=8", "8");
        check("", "");
        assert_eq!(job_of_environ(Path::new("/nonexistent")), "");
        assert_eq!(of_cgroup(Path::new("/nonexistent")), Workload::default());
    }
}
