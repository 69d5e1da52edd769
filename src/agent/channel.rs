//! One node's part of a link: what was said on it, and what is due.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use tokio::time::Instant;

use crate::{agent::Source, wire::sample};

/// Events that no acknowledgement came for are sent again, as when the hub's disk was full.
pub(super) const RESEND_AFTER: Duration = Duration::from_secs(30);
/// Nodes of one link that report in one go: the system's work for each write, at both ends, is worth several samples.
const TOGETHER: usize = 8;

/// One node's part of a session.
pub(super) struct Channel {
    pub(super) number: u32,
    pub(super) phase: Duration,
    /// Which of the node's starts it is of.
    pub(super) boots: u64,
    pub(super) encoder: sample::Encoder,
    pub(super) revision: Option<u64>,
    pub(super) inventory_due: Instant,
    pub(super) processes_due: Instant,
    /// Parts of the time until the second inventory and until the second processes by which these come early: nodes
    /// of one link that began together do not send what is long together for ever. It would fill the socket.
    pub(super) inventory_early: f64,
    pub(super) processes_early: f64,
    /// How many of the node's pending events were sent.
    pub(super) events_sent: usize,
    /// When they are sent again, if no acknowledgement comes.
    pub(super) resend_due: Instant,
}

impl Channel {
    /// One on which nothing was said yet but who the node is.
    pub(super) fn new<S: Source>(source: &S, node: usize, phase: Duration) -> Channel {
        let (now, hash) = (Instant::now(), hash(&source.introduction(node).node));
        Channel {
            number: number(node),
            phase,
            boots: source.boots(node),
            encoder: sample::Encoder::with_phase(hash),
            revision: None,
            inventory_due: now,
            processes_due: now,
            inventory_early: (hash >> 16 & 0xff) as f64 / 256.0,
            processes_early: (hash >> 24 & 0xff) as f64 / 256.0,
            events_sent: 0,
            resend_due: now + RESEND_AFTER,
        }
    }
}

/// The channels of all nodes of a source.
pub(super) fn channels<S: Source>(source: &S) -> Vec<Channel> {
    let interval = source.interval();
    let hashes: Vec<u64> = (0..source.nodes()).map(|node| hash(&source.introduction(node).node)).collect();
    // Agents spread over the interval, so that a hub does not hear all of them at once.
    let phase = |node: usize| interval.mul_f64((hashes[node / TOGETHER * TOGETHER] % 65_536) as f64 / 65_536.0);
    (0..hashes.len()).map(|node| Channel::new(source, node, phase(node))).collect()
}

/// When something that is sent `every` so often is due next, the first time early.
pub(super) fn next(now: Instant, every: Duration, early: &mut f64) -> Instant {
    now + every.mul_f64(1.0 - std::mem::take(early))
}

/// The channel of a node. 0 is not a node's.
pub(super) fn number(node: usize) -> u32 {
    node as u32 + 1
}

/// A number that is a text's own, and the same on every machine.
pub(super) fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
