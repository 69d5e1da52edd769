//! What is made of the answers. The calls themselves are tested against a real gRPC server, from the published interfaces.

use std::collections::HashMap;

use super::*;
use messages::{ClaimResource, ContainerDevices, DynamicResource, Sandbox, SandboxMetadata};

fn given(pods: &[(&str, &str, &[&str])]) -> Resources {
    let pod = |(name, resource, ids): &(&str, &str, &[&str])| PodResources {
        name: (*name).into(),
        namespace: "ml".into(),
        containers: vec![ContainerResources {
            name: "main".into(),
            devices: vec![ContainerDevices {
                resource_name: (*resource).into(),
                device_ids: ids.iter().map(|id| (*id).into()).collect(),
            }],
            ..ContainerResources::default()
        }],
    };
    Resources { pod_resources: pods.iter().map(pod).collect() }
}

fn sandbox(name: &str, labels: &[(&str, &str)]) -> Sandbox {
    let labels: HashMap<String, String> = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let metadata = SandboxMetadata { name: name.into(), uid: format!("uid-{name}"), namespace: "ml".into() };
    Sandbox { metadata: Some(metadata), labels, created_at: 0 }
}

fn kubernetes(given: Resources, named: Option<&Sandboxes>) -> Kubernetes {
    let mut kubernetes =
        Kubernetes::new(Sockets::default(), vec!["example.com/team".into(), "example.com/user".into()]);
    (kubernetes.given, kubernetes.named) = (Some(given), named.map(|all| name(all, &kubernetes.owner_labels)));
    kubernetes
}

fn told(pods: &[Pod]) -> Vec<(String, &str, usize)> {
    pods.iter().map(|pod| (pod.uids.join(" "), &*pod.job, pod.devices.len())).collect()
}

#[test]
fn a_pods_job_is_what_its_labels_say_or_else_itself() {
    let given = given(&[
        ("llama-0", "nvidia.com/gpu", &["GPU-1", "GPU-2"]),
        ("notebook", "nvidia.com/mig-1g.10gb", &["MIG-3"]),
        ("compress", "intel.com/qat", &["0000:6b:00.1"]),
        ("renamed", "nvidia.com/h100", &["GPU-4"]),
        ("machine", "nvidia.com/GH100_H100_SXM5", &["2"]),
        ("new", "nvidia.com/gpu", &["GPU-4"]),
    ]);
    let of_job = [("batch.kubernetes.io/job-name", "llama-workers"), ("jobset.sigs.k8s.io/jobset-name", "llama")];
    let old = Sandbox { created_at: -1, metadata: sandbox("renamed", &[]).metadata, ..sandbox("old", &of_job) };
    let items = vec![
        sandbox("llama-0", &of_job),
        sandbox("notebook", &[("app", "jupyter"), ("job-name", "")]),
        sandbox("renamed", &[]),
        sandbox("privileged", &[]),
        sandbox("compress", &[]),
        Sandbox::default(),
        old,
    ];
    let kubernetes = self::kubernetes(given.clone(), Some(&Sandboxes { items }));
    let pods = kubernetes.pods().expect("known");
    let expected = [
        ("uid-llama-0".to_owned(), "llama", 2),
        ("uid-notebook".to_owned(), "notebook", 1),
        // Two had that name lately.
        ("uid-renamed uid-renamed".to_owned(), "renamed", 1),
        // What is new, and the runtime does not know yet, is left out: nobody can say whose it is.
        ("uid-compress".to_owned(), "compress", 0),
        ("uid-privileged".to_owned(), "privileged", 0),
    ];
    assert_eq!(told(&pods), expected);
    // Where no runtime answers, each is its own.
    let pods = self::kubernetes(given, None).pods().expect("known");
    let expected = ["llama-0", "notebook", "renamed", "new"];
    assert_eq!(pods.iter().map(|pod| &*pod.job).collect::<Vec<_>>(), expected);
}

#[test]
fn a_pods_owner_is_what_the_sites_labels_say() {
    let given = given(&[("a", "nvidia.com/gpu", &["GPU-1"]), ("b", "nvidia.com/gpu", &["GPU-2", "GPU-3"])]);
    let jupyter = ("hub.jupyter.org/username", "carol");
    let items = vec![
        sandbox("a", &[jupyter, ("example.com/user", "ann"), ("example.com/team", "")]),
        sandbox("b", &[jupyter]),
        sandbox("c", &[("user", "whoever")]),
    ];
    let pods = kubernetes(given, Some(&Sandboxes { items })).pods().expect("known");
    let told: Vec<_> = pods.iter().map(|pod| (&*pod.name, &*pod.owner, pod.devices.len())).collect();
    assert_eq!(told, [("a", "ann", 1), ("b", "carol", 2), ("c", "", 0)]);
    assert_eq!(pods[1].devices[1], Device { id: "GPU-3".into(), container: "main".into() });
}

#[test]
fn gpus_of_resource_claims_are_told_by_their_numbers() {
    let claim = |driver: &str, device: &str| ClaimResource { driver_name: driver.into(), device_name: device.into() };
    let claim_resources = vec![
        claim("gpu.nvidia.com", "gpu-3"),
        claim("gpu.nvidia.com", "gpu-0-mig-1g10gb-19-0"),
        claim("compute-domain.nvidia.com", "channel-0"),
        claim("example.com", "gpu-5"),
    ];
    let mut given = given(&[("claims", "", &[])]);
    given.pod_resources[0].containers[0].dynamic_resources = vec![DynamicResource { claim_resources }];
    let pods = kubernetes(given, Some(&Sandboxes { items: vec![sandbox("claims", &[])] })).pods().expect("known");
    assert_eq!(pods[0].devices, [Device { id: "3".into(), container: "main".into() }]);
}

#[test]
fn hostile_names_are_cleaned_and_cut() {
    let long = "x".repeat(2 * LONGEST);
    let items = vec![sandbox("a\u{1b}[31m", &[("job-name", &long), ("kueue.x-k8s.io/queue-name", "q\n")])];
    let pods = kubernetes(Resources::default(), Some(&Sandboxes { items })).pods().expect("known");
    let Pod { uids, job, queue, .. } = &pods[0];
    assert!(job.chars().count() <= LONGEST && !uids[0].contains('\u{1b}') && !queue.contains('\n'));
}

#[test]
fn where_there_is_no_kubelet_nothing_is_said() {
    let dir = tempfile::tempdir().expect("a folder");
    let sockets = Sockets { kubelet: dir.path().join("kubelet.sock"), runtimes: vec![dir.path().join("cri.sock")] };
    let (clock, hand) = Clock::by_hand();
    let mut kubernetes = Kubernetes::with(sockets.clone(), Vec::new(), clock);
    let mut look = |after: Duration| {
        hand.advance(after);
        kubernetes.collect(Time::from_millis(0))
    };
    let first = look(Duration::ZERO);
    assert_eq!((first.pods, first.notes), (Some(Vec::new()), None), "nobody gives GPUs to pods here");
    // What is there and does not listen is told, and no pod is made up.
    std::fs::write(&sockets.kubelet, "").expect("written");
    assert_eq!(look(EVERY / 2), Findings::default(), "not so soon");
    let findings = look(EVERY);
    let notes = findings.notes.expect("notes");
    assert!(notes.len() == 2 && notes[1].contains("which pod has which GPU"), "{notes:?}");
    assert_eq!(findings.pods, None, "not known yet");
    assert_eq!(look(EVERY).notes, Some(notes), "as long as it is so, in the same words");
}
