//! The agent: reads this node's collectors by the clock and streams what they say to a hub.
//! The simulator streams many nodes by the same session.

mod channel;
pub mod control;
pub mod live;
mod rounds;
pub mod session;
pub mod simulated;
pub mod source;
mod tally;

pub use source::Source;
pub use tally::Tally;
