//! The collector `kubernetes`: which pod has which GPU, as the kubelet says over its pod-resources socket, and which job
//! a pod is of, as its labels say, which the container runtime knows over its CRI socket. Both are on this machine: the
//! cluster's API server is not asked.

mod grpc;
mod labels;
mod messages;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};

use super::{Collector, Findings, clock::Clock};
use crate::model::{Time, text::clean};
use messages::{Nothing, PodResources, Resources, Sandboxes, WhichSandboxes};

/// How often both are asked.
const EVERY: Duration = Duration::from_secs(10);
/// How long one may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pods with GPUs that are taken of a node, and characters of a name.
const MOST_PODS: usize = 1024;
const LONGEST: usize = 253;
/// Whose devices are GPUs that the driver knows: `nvidia.com/gpu`, `nvidia.com/mig-1g.10gb`, `nvidia.com/gpu.shared`.
const VENDOR: &str = "nvidia.com/";

/// Where the sockets are.
#[derive(Clone, Debug)]
pub struct Sockets {
    /// The kubelet's pod-resources socket.
    pub kubelet: PathBuf,
    /// The container runtime's CRI socket: the first of these that is there.
    pub runtimes: Vec<PathBuf>,
}

impl Default for Sockets {
    /// Where kubelets, containerd, CRI-O, k3s and cri-dockerd have them if nobody says otherwise.
    fn default() -> Self {
        let runtimes = [
            "/run/containerd/containerd.sock",
            "/run/crio/crio.sock",
            "/run/k3s/containerd/containerd.sock",
            "/run/cri-dockerd.sock",
        ];
        Sockets {
            kubelet: "/var/lib/kubelet/pod-resources/kubelet.sock".into(),
            runtimes: runtimes.map(PathBuf::from).into(),
        }
    }
}

/// A pod of this node, and what it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its UID, which is in its processes' cgroups. Empty where the runtime does not say.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// The job that it is of, or else its own name.
    pub job: String,
    /// The queue that the job was submitted to, if its labels say.
    pub queue: String,
    /// Its GPUs, as the device plugin calls them: `GPU-…`, `MIG-…`, or an index.
    pub devices: Vec<String>,
}

/// The collector.
#[derive(Debug)]
pub struct Kubernetes {
    sockets: Sockets,
    clock: Clock,
    next: Duration,
    /// Whether a kubelet's socket was ever there: most machines have none, and on others it may come later.
    is_node: bool,
    given: Resources,
    sandboxes: Sandboxes,
    runtime: Option<Runtime>,
    /// What is wrong, as it was said last.
    noted: Vec<String>,
}

impl Kubernetes {
    /// Asks these sockets, as far as they are there.
    pub fn new(sockets: Sockets) -> Kubernetes {
        Kubernetes::with(sockets, Clock::monotonic())
    }

    fn with(sockets: Sockets, clock: Clock) -> Kubernetes {
        let (given, sandboxes) = Default::default();
        Kubernetes {
            sockets,
            clock,
            next: Duration::ZERO,
            is_node: false,
            given,
            sandboxes,
            runtime: None,
            noted: Vec::new(),
        }
    }

    /// Asks both. What one does not answer stays as it said last; why goes to the notes.
    fn ask(&mut self, notes: &mut Vec<String>) {
        let Sockets { kubelet, runtimes } = self.sockets.clone();
        match self.call(&kubelet, "/v1.PodResourcesLister/List", &Nothing {}) {
            Ok(given) => self.given = given,
            Err(why) => notes.push(format!("which pod has which GPU is not told: {}: {why}", kubelet.display())),
        }
        let runtime = runtimes.into_iter().find(|path| path.exists());
        let Some(runtime) = runtime else {
            return notes.push("which job a pod is of is not told: no container runtime's socket is there".to_owned());
        };
        match self.call(&runtime, "/runtime.v1.RuntimeService/ListPodSandbox", &WhichSandboxes::ready()) {
            Ok(sandboxes) => self.sandboxes = sandboxes,
            Err(why) => notes.push(format!("which job a pod is of is not told: {}: {why}", runtime.display())),
        }
    }

    fn call<A: prost::Message + Default>(
        &mut self,
        socket: &Path,
        method: &str,
        question: &impl prost::Message,
    ) -> Result<A, String> {
        if self.runtime.is_none() {
            let built = Builder::new_current_thread().enable_io().enable_time().build();
            self.runtime = Some(built.map_err(|error| error.to_string())?);
        }
        let Some(runtime) = &self.runtime else { return Err("no runtime".to_owned()) };
        let answer = runtime.block_on(async { timeout(PATIENCE, grpc::call(socket, method, question)).await });
        answer.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
    }
}

impl Collector for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    fn collect(&mut self, _: Time) -> Findings {
        let mut findings = Findings::default();
        let at = self.clock.now();
        if at < self.next {
            return findings;
        }
        self.next = at + EVERY;
        self.is_node |= self.sockets.kubelet.exists();
        if !self.is_node {
            return findings;
        }
        let (began, mut notes) = (Instant::now(), Vec::new());
        self.ask(&mut notes);
        findings.pods = Some(pods(&self.given, &self.sandboxes));
        if notes != self.noted {
            findings.notes = Some(notes.clone());
            self.noted = notes;
        }
        findings.costs.push(("kubernetes", began.elapsed()));
        findings
    }
}

/// Joins what the kubelet and the runtime say of the same pods. Those with GPUs come first.
fn pods(given: &Resources, sandboxes: &Sandboxes) -> Vec<Pod> {
    let name = |text: &str| clean(text, LONGEST).into_owned();
    let known = sandboxes.items.iter().filter_map(|sandbox| Some((sandbox.metadata.as_ref()?, &sandbox.labels)));
    let mut known: BTreeMap<(&str, &str), Pod> = known
        .map(|(pod, labels)| {
            let of = Pod {
                uid: name(&pod.uid),
                namespace: name(&pod.namespace),
                job: name(labels::job(labels).unwrap_or(&pod.name)),
                queue: name(labels::queue(labels).unwrap_or_default()),
                devices: Vec::new(),
            };
            ((&*pod.namespace, &*pod.name), of)
        })
        .collect();
    let mut all: Vec<Pod> = Vec::new();
    for PodResources { name: pod, namespace, containers } in &given.pod_resources {
        let devices = containers.iter().flat_map(|container| &container.devices);
        let gpus = devices.filter(|some| some.resource_name.starts_with(VENDOR)).flat_map(|some| &some.device_ids);
        let devices: Vec<String> = gpus.map(|id| name(id)).collect();
        if !devices.is_empty() {
            let unknown = || Pod { namespace: name(namespace), job: name(pod), ..Pod::default() };
            all.push(Pod { devices, ..known.remove(&(&**namespace, &**pod)).unwrap_or_else(unknown) });
        }
    }
    // A pod may use GPUs that no device plugin gave it: by a resource claim, or as a privileged one.
    all.extend(known.into_values());
    all.truncate(MOST_PODS);
    all
}

#[cfg(test)]
mod tests;
