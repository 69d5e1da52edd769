//! What travels between agents, hubs and viewers: messages, the frames that hold them, and the packing of samples.
//! The same frames go over TCP, a Unix socket, the stdio of `ssh` and memory; see [`crate::link`] for those.
//!
//! A frame is a length (four bytes, big-endian) and a protobuf message of that length. Its fields are tagged, so old
//! and new builds mix: a field that the receiver does not know is skipped, and so is a whole message of an unknown kind.

mod answer;
mod bits;
mod cells;
mod codec;
mod hello;
mod limit;
mod proto;
mod report;
pub mod sample;
#[cfg(test)]
mod tests;

pub use codec::{ANSWER_LIMIT, Codec, CodecError, INITIAL_BUFFER, LIMIT};
pub use hello::{Ask, Declared, Hello, Role, Say, VERSION};
pub use limit::{DecodeError, check_node_name};
pub use sample::{Encoded, Outcome, Slots};

use crate::model::{question::Reply, report as model};

/// One message, and which node of its link it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Numbers the nodes of one link, each of which says its own [`Hello`]. Viewers and hubs say 0.
    pub channel: u32,
    /// The message.
    pub message: Message,
}

/// What can be said. What is large and rare is boxed: samples pass through many hands.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Who speaks; the first message of each channel, in both directions.
    Hello(Box<Hello>),
    /// What a node is and has.
    Inventory(Box<model::Inventory>),
    /// A node's numbers.
    Sample(Encoded),
    /// A node's processes, cores and mounts.
    Processes(model::Processes),
    /// Something that happened on a node.
    Event(model::Event),
    /// Ids of events that the hub has safely; they need not be sent again.
    Ack(Vec<String>),
    /// A viewer's question.
    Ask(Ask),
    /// What somebody says of an incident.
    Say(Box<Say>),
    /// The hub's reply to one question.
    Answer(Box<Reply>),
    /// Why the link is about to be closed by the peer.
    Refuse(String),
    /// The sender goes in good order: not a failure.
    Bye,
}

impl Frame {
    /// A message of channel 0: from or to a viewer, or of a link that carries one node.
    pub fn of(message: Message) -> Frame {
        Frame { channel: 0, message }
    }
}

impl From<Hello> for Message {
    fn from(hello: Hello) -> Self {
        Message::Hello(Box::new(hello))
    }
}

impl From<model::Inventory> for Message {
    fn from(inventory: model::Inventory) -> Self {
        Message::Inventory(Box::new(inventory))
    }
}

impl From<Reply> for Message {
    fn from(reply: Reply) -> Self {
        Message::Answer(Box::new(reply))
    }
}

impl Message {
    /// The word for its kind in logs and counters.
    pub const fn word(&self) -> &'static str {
        match self {
            Message::Hello(_) => "hello",
            Message::Inventory(_) => "inventory",
            Message::Sample(_) => "sample",
            Message::Processes(_) => "processes",
            Message::Event(_) => "event",
            Message::Ack(_) => "ack",
            Message::Ask(_) => "ask",
            Message::Say(_) => "say",
            Message::Answer(_) => "answer",
            Message::Refuse(_) => "refuse",
            Message::Bye => "bye",
        }
    }
}
