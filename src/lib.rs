//! `top` for GPU superclusters: what a fleet of up to half a million GPUs is doing, what is sick, and why.
//!
//! # Six ideas
//! 1. The **metric catalogue** ([`model::metric`]) defines each metric once; columns, sorting, filter words, JSON and
//!    help are read from it.
//! 2. A **report** ([`model::report`]) is what a node says: inventory, sample, processes, event. Live, remote and
//!    simulated reports are one and the same stream.
//! 3. The **fleet** is the hub's memory: one row per GPU and per node, short history, roll-ups per place.
//! 4. A **query** ([`model::syntax`]) asks every question: a view is a query, a filter is its `where`.
//! 5. A **table** or **series** ([`model::table`], [`model::series`]) answers it.
//! 6. An **incident** ([`model::incident`]) is a rule that has held for long enough ([`health`]).
//!
//! # Floors
//! Imports only point down, and rooms on one floor do not import each other; `tests/it/floors.rs` holds the rooms to
//! this table.
//!
//! | floor | rooms |
//! |---|---|
//! | 0 | [`model`] |
//! | 1 | [`collect`], [`feed`], [`fleet`], [`wire`] |
//! | 2 | [`link`], [`query`] |
//! | 3 | [`agent`], [`client`], [`health`] |
//! | 4 | [`hub`], [`tui`] |
//! | 5 | [`cli`] |
//!
//! # Invariants
//! 1. Unknown is unknown, never 0. What the hardware lacks is *unsupported*, what failed is *failed with a reason*.
//! 2. A silent node is shown stale with its age and keeps its place; it never looks healthy and never vanishes.
//! 3. No row is dropped silently: every queue is bounded, every drop is counted and shown.
//! 4. Decoding never panics and never allocates past the frame limit. A bad peer harms only itself.
//! 5. Text from other machines is data: control characters never reach a terminal.
//! 6. The UI thread never waits for I/O and never computes per row of the fleet; it draws windows.
//! 7. Agents only read. Nothing received over a link makes an agent run a command or write a file.
//! 8. A counter that resets yields no negative and no giant rate. Clock skew is measured and shown.
//! 9. A GPU is keyed by UUID and PCI address; its index is a label that may change over a reboot.
//! 10. What a fleet should have outlives a hub restart: what does not come back is *missing*, not forgotten.
//! 11. Collectors may hang or panic: each runs apart, has a deadline, and its failure costs its own metrics only.

pub mod agent;
pub mod cli;
pub mod client;
pub mod collect;
pub mod feed;
pub mod fleet;
pub mod health;
pub mod hub;
pub mod link;
pub mod model;
pub mod query;
#[cfg(feature = "tui")]
pub mod tui;
pub mod wire;
