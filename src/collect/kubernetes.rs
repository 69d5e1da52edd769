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
use messages::{ContainerResources, Nothing, PodResources, Resources, Sandboxes, WhichSandboxes};

/// How often both are asked.
const EVERY: Duration = Duration::from_secs(10);
/// How long one may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pods with GPUs that are taken of a node, and characters of a name.
const MOST_PODS: usize = 1024;
const LONGEST: usize = 253;
/// Resources whose devices are GPUs or their instances: `nvidia.com/gpu`, `nvidia.com/gpu.shared`,
/// `nvidia.com/mig-1g.10gb`; and how devices of resources with other names are called then.
const RESOURCES: [&str; 2] = ["nvidia.com/gpu", "nvidia.com/mig-"];
const UUIDS: [&str; 2] = ["GPU-", "MIG-"];
/// The driver of resource claims whose devices are GPUs.
const CLAIMS: &str = "gpu.nvidia.com";

/// Where the sockets are.
#[derive(Clone, Debug)]
pub struct Sockets {
    /// The kubelet's pod-resources socket.
    pub kubelet: PathBuf,
    /// The container runtime's CRI socket: the first of these that tells of pods.
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
    /// Its UID, which is in its processes' cgroups, and that of another of the same name that has yet to go. None where the
    /// runtime does not say.
    pub uids: Vec<String>,
    /// Its namespace.
    pub namespace: String,
    /// Its own name.
    pub name: String,
    /// Who made it, if its labels say.
    pub owner: String,
    /// The job that it is of, or else its own name.
    pub job: String,
    /// The queue that the job was submitted to, if its labels say.
    pub queue: String,
    /// Its GPUs.
    pub devices: Vec<Device>,
}

/// A GPU that a pod was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// As the device plugin calls it: `GPU-…`, `MIG-…`, or an index.
    pub id: String,
    /// The pod's container that it was given to.
    pub container: String,
}

/// A pod's namespace and name.
type Key = (String, String);

/// The collector.
#[derive(Debug)]
pub struct Kubernetes {
    sockets: Sockets,
    /// Labels of the site's own that say who made a pod.
    owner_labels: Vec<String>,
    clock: Clock,
    next: Duration,
    /// Whether a kubelet's socket was ever there: most machines have none, and on others it may come later.
    is_node: bool,
    /// What the kubelet said last; nothing until then.
    given: Option<Resources>,
    /// The pods that the runtime knows, and those that it knew and that the kubelet still lists; nothing until it answers.
    named: Option<BTreeMap<Key, Pod>>,
    runtime: Option<Runtime>,
}

impl Kubernetes {
    /// Asks these sockets, as far as they are there. Who made a pod is in these of its labels, first ones first.
    pub fn new(sockets: Sockets, owner_labels: Vec<String>) -> Kubernetes {
        Kubernetes::with(sockets, owner_labels, Clock::monotonic())
    }

    fn with(sockets: Sockets, owner_labels: Vec<String>, clock: Clock) -> Kubernetes {
        let (given, named) = Default::default();
        Kubernetes { sockets, owner_labels, clock, next: Duration::ZERO, is_node: false, given, named, runtime: None }
    }

    /// Asks both. What one does not answer stays as it said last; why goes to the notes.
    fn ask(&mut self, notes: &mut Vec<String>) {
        let kubelet = self.sockets.kubelet.clone();
        let problem = match self.call(&kubelet, "/v1.PodResourcesLister/List", &Nothing {}) {
            Ok(given) => {
                self.given = Some(given);
                None
            }
            Err(why) => Some(format!("which pod has which GPU is not told: {}: {why}", kubelet.display())),
        };
        match self.sandboxes() {
            Ok(sandboxes) => {
                let ready = name(&sandboxes, &self.owner_labels);
                // A pod that ended meanwhile has nothing any more, though no kubelet says so.
                if let Some(given) = self.given.as_mut().filter(|_| problem.is_some()) {
                    given.pod_resources.retain(|pod| ready.keys().any(|key| is(pod, key)));
                }
                let lists =
                    |key: &Key| self.given.iter().flat_map(|given| &given.pod_resources).any(|pod| is(pod, key));
                let mut named = self.named.take().unwrap_or_default();
                named.retain(|key, _| lists(key));
                named.extend(ready);
                self.named = Some(named);
            }
            Err(why) => notes.push(format!("which job a pod is of is not told: {why}")),
        }
        notes.extend(problem);
    }

    /// What the runtime says. Others may listen on this machine, and know no pods.
    fn sandboxes(&mut self) -> Result<Sandboxes, String> {
        let (mut none, mut problem) = (None, "no container runtime's socket is there".to_owned());
        for socket in self.sockets.runtimes.clone() {
            if !socket.try_exists().unwrap_or(true) {
                continue;
            }
            let ready = WhichSandboxes::ready();
            match self.call::<Sandboxes>(&socket, "/runtime.v1.RuntimeService/ListPodSandbox", &ready) {
                Ok(some) if !some.items.is_empty() => return Ok(some),
                Ok(empty) => none = Some(empty),
                Err(why) => problem = format!("{}: {why}", socket.display()),
            }
        }
        none.ok_or(problem)
    }

    /// The pods with GPUs, and then the others that the runtime knows. Nothing before the kubelet has said anything.
    fn pods(&self) -> Option<Vec<Pod>> {
        let mut named = self.named.clone();
        let mut all: Vec<Pod> = Vec::new();
        for PodResources { name, namespace, containers } in &self.given.as_ref()?.pod_resources {
            let devices = containers.iter().flat_map(|it| it.devices.iter().map(|some| (&it.name, some)));
            let ids = devices.flat_map(|(name, some)| some.device_ids.iter().map(move |id| (name, some, id)));
            let starts = |text: &str, with: [&str; 2]| with.iter().any(|start| text.starts_with(start));
            let gpus = ids.filter(|(_, some, id)| starts(&some.resource_name, RESOURCES) || starts(id, UUIDS));
            let given = gpus.map(|(container, _, id)| (container, &**id));
            let claimed = containers.iter().flat_map(|it| claimed(it).map(|id| (&it.name, id)));
            let devices: Vec<Device> = given
                .chain(claimed)
                .map(|(container, id)| Device { id: shown(id), container: shown(container) })
                .collect();
            if devices.is_empty() {
                continue;
            }
            let itself = || {
                let (namespace, name) = (shown(namespace), shown(name));
                Some(Pod { namespace, job: name.clone(), name, ..Pod::default() })
            };
            let key = || (namespace.clone(), name.clone());
            let of = named.as_mut().map_or_else(itself, |named| named.remove(&key()));
            // One that the runtime does not know yet has GPUs, and runs nothing.
            all.extend(of.map(|of| Pod { devices, ..of }));
        }
        // A pod may use GPUs that no device plugin gave it: by a resource claim of which an older kubelet
        // does not tell, or as a privileged one.
        all.extend(named.into_iter().flat_map(BTreeMap::into_values));
        all.truncate(MOST_PODS);
        Some(all)
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
        // What may not be looked at is there.
        self.is_node |= self.sockets.kubelet.try_exists().unwrap_or(true);
        if !self.is_node {
            findings.pods = Some(Vec::new());
            return findings;
        }
        let (began, mut notes) = (Instant::now(), Vec::new());
        self.ask(&mut notes);
        findings.pods = self.pods();
        findings.notes = Some(notes);
        findings.costs.push(("kubernetes", began.elapsed()));
        findings
    }
}

/// Whether this is the pod with this name.
fn is(pod: &PodResources, (namespace, name): &Key) -> bool {
    pod.name == *name && pod.namespace == *namespace
}

/// The numbers of the GPUs that resource claims gave to a container: NVIDIA's driver calls them `gpu-3`. Its MIG instances
/// are made when they are claimed, and which they are it does not say.
fn claimed(container: &ContainerResources) -> impl Iterator<Item = &str> {
    let claims = container.dynamic_resources.iter().flat_map(|resource| &resource.claim_resources);
    let claims = claims.filter(|claim| claim.driver_name == CLAIMS);
    claims
        .filter_map(|claim| claim.device_name.strip_prefix("gpu-"))
        .filter(|id| id.bytes().all(|c| c.is_ascii_digit()))
}

/// The pods of these sandboxes. Of two with one name the newer one is meant.
fn name(sandboxes: &Sandboxes, owner_labels: &[String]) -> BTreeMap<Key, Pod> {
    let mut named: BTreeMap<Key, Pod> = BTreeMap::new();
    let mut sandboxes: Vec<_> = sandboxes.items.iter().collect();
    sandboxes.sort_by_key(|sandbox| sandbox.created_at);
    for sandbox in sandboxes {
        let (Some(pod), labels) = (&sandbox.metadata, &sandbox.labels) else { continue };
        let of = named.entry((pod.namespace.clone(), pod.name.clone())).or_default();
        of.namespace = shown(&pod.namespace);
        of.name = shown(&pod.name);
        of.owner = shown(labels::owner(labels, owner_labels).map_or("", String::as_str));
        of.job = shown(labels::job(labels).unwrap_or(&pod.name));
        of.queue = shown(labels::queue(labels).unwrap_or_default());
        of.uids.extend(Some(shown(&pod.uid)).filter(|uid| !uid.is_empty()));
    }
    named
}

fn shown(text: &str) -> String {
    clean(text, LONGEST).into_owned()
}

#[cfg(test)]
mod tests;
