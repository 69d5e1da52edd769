//! The protobuf messages. Nothing outside `wire` sees them: each turns into a type of [`crate::model`] or fails.
//! Tags are for ever: a field that goes leaves its number unused, and a new field takes the next one.

use bytes::Bytes;
use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Frame {
    #[prost(uint32, tag = "1")]
    pub(super) channel: u32,
    #[prost(oneof = "Body", tags = "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12")]
    pub(super) body: Option<Body>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Body {
    #[prost(message, boxed, tag = "2")]
    Hello(Box<Hello>),
    #[prost(message, boxed, tag = "3")]
    Inventory(Box<Inventory>),
    #[prost(message, tag = "4")]
    Sample(Sample),
    #[prost(message, tag = "5")]
    Processes(Processes),
    #[prost(message, tag = "6")]
    Event(Event),
    #[prost(message, tag = "7")]
    Ack(Ack),
    #[prost(message, tag = "8")]
    Ask(Ask),
    #[prost(message, boxed, tag = "9")]
    Answer(Box<Answer>),
    #[prost(message, tag = "10")]
    Refuse(Refuse),
    #[prost(message, tag = "11")]
    Bye(Bye),
    #[prost(message, boxed, tag = "12")]
    Say(Box<Say>),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Say {
    #[prost(uint32, tag = "1")]
    pub(super) slot: u32,
    #[prost(uint64, tag = "2")]
    pub(super) incident: u64,
    /// 1 acknowledge, 2 silence, 3 reopen.
    #[prost(uint32, tag = "3")]
    pub(super) verb: u32,
    /// For how long it is silenced.
    #[prost(uint64, tag = "4")]
    pub(super) span_ms: u64,
    #[prost(string, tag = "5")]
    pub(super) text: String,
    #[prost(string, tag = "6")]
    pub(super) by: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Hello {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    /// 1 agent, 2 viewer, 3 hub.
    #[prost(uint32, tag = "2")]
    pub(super) role: u32,
    #[prost(string, tag = "3")]
    pub(super) node: String,
    #[prost(string, tag = "4")]
    pub(super) boot_id: String,
    #[prost(string, tag = "5")]
    pub(super) agent: String,
    #[prost(sint64, tag = "6")]
    pub(super) started: i64,
    #[prost(uint32, tag = "7")]
    pub(super) interval_ms: u32,
    #[prost(message, repeated, tag = "8")]
    pub(super) metrics: Vec<Declared>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Declared {
    /// The position in `Scope::SAMPLED`.
    #[prost(uint32, tag = "1")]
    pub(super) scope: u32,
    #[prost(string, tag = "2")]
    pub(super) key: String,
    /// The unit's symbol.
    #[prost(string, tag = "3")]
    pub(super) unit: String,
    #[prost(double, tag = "4")]
    pub(super) quantum: f64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Inventory {
    #[prost(uint32, tag = "1")]
    pub(super) generation: u32,
    #[prost(string, tag = "2")]
    pub(super) os: String,
    #[prost(string, tag = "3")]
    pub(super) kernel: String,
    #[prost(string, tag = "4")]
    pub(super) cpu_model: String,
    #[prost(string, tag = "5")]
    pub(super) driver: String,
    #[prost(string, tag = "6")]
    pub(super) cuda: String,
    #[prost(message, repeated, tag = "7")]
    pub(super) labels: Vec<Label>,
    #[prost(uint32, optional, tag = "8")]
    pub(super) gpus_on_bus: Option<u32>,
    #[prost(message, repeated, tag = "9")]
    pub(super) gpus: Vec<Gpu>,
    #[prost(message, repeated, tag = "10")]
    pub(super) nics: Vec<Nic>,
    #[prost(string, repeated, tag = "11")]
    pub(super) notes: Vec<String>,
    #[prost(message, repeated, tag = "12")]
    pub(super) faults: Vec<Fault>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Label {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Gpu {
    #[prost(string, tag = "1")]
    pub(super) index: String,
    #[prost(string, tag = "2")]
    pub(super) uuid: String,
    #[prost(string, tag = "3")]
    pub(super) bus: String,
    #[prost(string, tag = "4")]
    pub(super) model: String,
    #[prost(string, tag = "5")]
    pub(super) serial: String,
    #[prost(string, tag = "6")]
    pub(super) vbios: String,
    #[prost(uint32, optional, tag = "7")]
    pub(super) numa: Option<u32>,
    #[prost(string, tag = "8")]
    pub(super) mig: String,
    #[prost(uint32, optional, tag = "9")]
    pub(super) parent: Option<u32>,
    #[prost(string, tag = "10")]
    pub(super) gsp: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Nic {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) kind: String,
    #[prost(string, tag = "3")]
    pub(super) bus: String,
    #[prost(uint32, optional, tag = "4")]
    pub(super) gpu: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Fault {
    #[prost(uint32, optional, tag = "1")]
    pub(super) gpu: Option<u32>,
    #[prost(string, tag = "2")]
    pub(super) metric: String,
    #[prost(string, tag = "3")]
    pub(super) reason: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Sample {
    #[prost(uint32, tag = "1")]
    pub(super) seq: u32,
    #[prost(sint64, tag = "2")]
    pub(super) time: i64,
    #[prost(uint32, tag = "3")]
    pub(super) generation: u32,
    /// Present in a keyframe only.
    #[prost(message, optional, tag = "4")]
    pub(super) slots: Option<Slots>,
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) payload: Bytes,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Slots {
    #[prost(uint32, tag = "1")]
    pub(super) gpus: u32,
    #[prost(uint32, tag = "2")]
    pub(super) nics: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Processes {
    #[prost(sint64, tag = "1")]
    pub(super) time: i64,
    #[prost(message, repeated, tag = "2")]
    pub(super) list: Vec<Process>,
    /// One byte per logical CPU.
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) cores: Bytes,
    #[prost(message, repeated, tag = "4")]
    pub(super) mounts: Vec<Mount>,
    #[prost(message, repeated, tag = "5")]
    pub(super) grants: Vec<Grant>,
    /// Whether they are known.
    #[prost(bool, tag = "6")]
    pub(super) grants_known: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Grant {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(string, tag = "3")]
    pub(super) account: String,
    #[prost(string, tag = "4")]
    pub(super) partition: String,
    #[prost(uint32, repeated, tag = "5")]
    pub(super) slots: Vec<u32>,
    #[prost(string, tag = "6")]
    pub(super) user: String,
    #[prost(message, repeated, tag = "7")]
    pub(super) containers: Vec<Container>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Container {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(uint32, repeated, tag = "2")]
    pub(super) slots: Vec<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Process {
    #[prost(uint32, tag = "1")]
    pub(super) pid: u32,
    #[prost(string, tag = "2")]
    pub(super) user: String,
    #[prost(string, tag = "3")]
    pub(super) name: String,
    #[prost(uint32, tag = "4")]
    pub(super) state: u32,
    #[prost(double, optional, tag = "5")]
    pub(super) cpu: Option<f64>,
    #[prost(uint64, optional, tag = "6")]
    pub(super) mem: Option<u64>,
    #[prost(sint64, optional, tag = "7")]
    pub(super) started: Option<i64>,
    /// These three go together, GPU by GPU; `mem` and `sm` are one more than what they say, and 0 is nothing.
    #[prost(uint32, repeated, tag = "8")]
    pub(super) gpu_slots: Vec<u32>,
    #[prost(uint64, repeated, tag = "9")]
    pub(super) gpu_mem: Vec<u64>,
    #[prost(uint32, repeated, tag = "10")]
    pub(super) gpu_sm: Vec<u32>,
    #[prost(string, tag = "11")]
    pub(super) job: String,
    #[prost(string, tag = "12")]
    pub(super) step: String,
    #[prost(string, tag = "13")]
    pub(super) pod: String,
    #[prost(string, tag = "14")]
    pub(super) container: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Mount {
    #[prost(string, tag = "1")]
    pub(super) path: String,
    #[prost(string, tag = "2")]
    pub(super) kind: String,
    #[prost(string, tag = "3")]
    pub(super) state: String,
    #[prost(uint64, optional, tag = "4")]
    pub(super) size: Option<u64>,
    #[prost(uint64, optional, tag = "5")]
    pub(super) free: Option<u64>,
    #[prost(double, optional, tag = "6")]
    pub(super) used: Option<f64>,
    #[prost(double, optional, tag = "7")]
    pub(super) inodes: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(sint64, tag = "2")]
    pub(super) time: i64,
    /// 1 node, 2 GPU, 3 NIC, 4 NVSwitch.
    #[prost(uint32, tag = "3")]
    pub(super) subject: u32,
    /// The subject's PCI address or name.
    #[prost(string, tag = "4")]
    pub(super) name: String,
    /// 1 XID, 2 SXid, 3 link up, 4 link down, 5 boot.
    #[prost(uint32, tag = "5")]
    pub(super) kind: u32,
    /// The XID or SXid.
    #[prost(uint32, tag = "6")]
    pub(super) code: u32,
    #[prost(string, tag = "7")]
    pub(super) text: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Ack {
    #[prost(string, repeated, tag = "1")]
    pub(super) ids: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Ask {
    #[prost(uint32, tag = "1")]
    pub(super) slot: u32,
    #[prost(string, tag = "2")]
    pub(super) query: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Refuse {
    #[prost(string, tag = "1")]
    pub(super) reason: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Bye {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Answer {
    #[prost(uint32, tag = "1")]
    pub(super) slot: u32,
    #[prost(string, tag = "2")]
    pub(super) query: String,
    #[prost(oneof = "Content", tags = "3, 4, 5")]
    pub(super) content: Option<Content>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Content {
    #[prost(message, tag = "3")]
    Table(Table),
    #[prost(message, tag = "4")]
    Series(Series),
    #[prost(message, tag = "5")]
    Complaint(Complaint),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Complaint {
    #[prost(string, tag = "1")]
    pub(super) message: String,
    #[prost(uint64, tag = "2")]
    pub(super) at: u64,
    #[prost(uint64, tag = "3")]
    pub(super) len: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Table {
    #[prost(string, tag = "1")]
    pub(super) query: String,
    #[prost(sint64, tag = "2")]
    pub(super) time: i64,
    #[prost(uint64, tag = "3")]
    pub(super) total: u64,
    #[prost(uint64, tag = "4")]
    pub(super) stale: u64,
    #[prost(uint64, tag = "5")]
    pub(super) offset: u64,
    #[prost(message, repeated, tag = "6")]
    pub(super) columns: Vec<Column>,
    #[prost(uint64, tag = "7")]
    pub(super) row_count: u64,
    /// Every row: id, state, and one cell per column, as [`super::cells`] packs them.
    #[prost(bytes = "bytes", tag = "8")]
    pub(super) rows: Bytes,
    #[prost(message, optional, tag = "9")]
    pub(super) census: Option<Census>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Column {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(string, tag = "2")]
    pub(super) title: String,
    #[prost(uint32, tag = "3")]
    pub(super) width: u32,
    /// The unit's symbol.
    #[prost(string, optional, tag = "4")]
    pub(super) unit: Option<String>,
    /// 0 text, 1 gauge, 2 counter, 3 flags, 4 choice, 5 code.
    #[prost(uint32, tag = "5")]
    pub(super) kind: u32,
    /// 0 neutral, 1 high is bad, 2 low is bad.
    #[prost(uint32, tag = "6")]
    pub(super) direction: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Series {
    #[prost(string, tag = "1")]
    pub(super) query: String,
    #[prost(sint64, tag = "2")]
    pub(super) time: i64,
    #[prost(sint64, tag = "3")]
    pub(super) start: i64,
    #[prost(uint64, tag = "4")]
    pub(super) step_ms: u64,
    #[prost(uint64, tag = "5")]
    pub(super) total: u64,
    #[prost(message, repeated, tag = "6")]
    pub(super) lines: Vec<Line>,
    #[prost(message, optional, tag = "7")]
    pub(super) census: Option<Census>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Line {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(message, optional, tag = "2")]
    pub(super) column: Option<Column>,
    /// A list cell, as [`super::cells`] packs it.
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) values: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Census {
    #[prost(uint64, tag = "1")]
    pub(super) up: u64,
    #[prost(uint64, tag = "2")]
    pub(super) stale: u64,
    #[prost(uint64, tag = "3")]
    pub(super) down: u64,
    #[prost(uint64, tag = "4")]
    pub(super) missing: u64,
    #[prost(uint64, tag = "5")]
    pub(super) gpus: u64,
    #[prost(message, repeated, tag = "6")]
    pub(super) drops: Vec<Drop>,
    #[prost(sint64, optional, tag = "7")]
    pub(super) history: Option<i64>,
    #[prost(message, optional, tag = "8")]
    pub(super) scheduler: Option<Scheduler>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Scheduler {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(sint64, optional, tag = "2")]
    pub(super) heard: Option<i64>,
    #[prost(string, tag = "3")]
    pub(super) problem: String,
    #[prost(string, tag = "4")]
    pub(super) strangers: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Drop {
    #[prost(string, tag = "1")]
    pub(super) reason: String,
    #[prost(uint64, tag = "2")]
    pub(super) count: u64,
}
