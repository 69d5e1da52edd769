//! What is said over the two sockets, as far as it is needed here. The numbers are those of the kubelet's
//! `podresources/v1/api.proto` and of CRI's `runtime/v1/api.proto`.

use std::collections::HashMap;

use prost::Message;

/// `ListPodResourcesRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Nothing {}

/// `ListPodResourcesResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Resources {
    #[prost(message, repeated, tag = "1")]
    pub(super) pod_resources: Vec<PodResources>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PodResources {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) namespace: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) containers: Vec<ContainerResources>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ContainerResources {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) devices: Vec<ContainerDevices>,
    #[prost(message, repeated, tag = "5")]
    pub(super) dynamic_resources: Vec<DynamicResource>,
}

/// What a resource claim gave.
#[derive(Clone, PartialEq, Message)]
pub(super) struct DynamicResource {
    #[prost(message, repeated, tag = "4")]
    pub(super) claim_resources: Vec<ClaimResource>,
}

/// Kubelets say so since 1.34.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ClaimResource {
    #[prost(string, tag = "2")]
    pub(super) driver_name: String,
    #[prost(string, tag = "4")]
    pub(super) device_name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ContainerDevices {
    #[prost(string, tag = "1")]
    pub(super) resource_name: String,
    #[prost(string, repeated, tag = "2")]
    pub(super) device_ids: Vec<String>,
}

/// `ListPodSandboxRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct WhichSandboxes {
    #[prost(message, optional, tag = "1")]
    filter: Option<SandboxFilter>,
}

impl WhichSandboxes {
    /// Those that run.
    pub(super) fn ready() -> Self {
        WhichSandboxes { filter: Some(SandboxFilter { state: Some(SandboxState { state: READY }) }) }
    }
}

#[derive(Clone, PartialEq, Message)]
struct SandboxFilter {
    #[prost(message, optional, tag = "2")]
    state: Option<SandboxState>,
}

#[derive(Clone, PartialEq, Message)]
struct SandboxState {
    #[prost(int32, tag = "1")]
    state: i32,
}

/// `SANDBOX_READY`.
const READY: i32 = 0;

/// `ListPodSandboxResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Sandboxes {
    #[prost(message, repeated, tag = "1")]
    pub(super) items: Vec<Sandbox>,
}

/// `PodSandbox`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Sandbox {
    #[prost(message, optional, tag = "2")]
    pub(super) metadata: Option<SandboxMetadata>,
    /// Nanoseconds since 1970.
    #[prost(int64, tag = "4")]
    pub(super) created_at: i64,
    #[prost(map = "string, string", tag = "5")]
    pub(super) labels: HashMap<String, String>,
}

/// `PodSandboxMetadata`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SandboxMetadata {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) uid: String,
    #[prost(string, tag = "3")]
    pub(super) namespace: String,
}
