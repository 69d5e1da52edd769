//! Agents report: what they say goes into the fleet, and events are acknowledged once the journal has them.

use std::collections::HashMap;

use futures_util::StreamExt as _;

use super::{Shared, connection::Error, state::Entry, wall_clock};
use crate::{
    fleet::{NodeId, Session},
    link::{Incoming, Outgoing},
    model::{report::Event, text},
    wire::{self, Frame, Hello, Message, Role, sample},
};

/// Nodes that one link may carry.
const MOST_CHANNELS: usize = 65_536;

/// One node of a link.
struct Channel {
    session: Session,
    metrics: [usize; 3],
    decoder: sample::Decoder,
}

/// All nodes that one link carries.
struct Agents<'a> {
    shared: &'a Shared,
    channels: HashMap<u32, Channel>,
}

/// Takes reports until the agent leaves or breaks the rules.
pub(super) async fn serve(
    first: (u32, Hello),
    mut outgoing: Outgoing,
    mut incoming: Incoming,
    shared: &Shared,
) -> Result<(), Error> {
    let mut agents = Agents { shared, channels: HashMap::new() };
    agents.hello(first.0, &first.1)?;
    while let Some(frame) = incoming.next().await {
        let Frame { channel, message } = frame?;
        match message {
            Message::Hello(hello) => agents.hello(channel, &hello)?,
            Message::Inventory(inventory) => {
                let session = agents.channel(channel)?.session;
                shared.borrow_mut().fleet.inventory(session, &inventory, wall_clock());
            }
            Message::Sample(encoded) => agents.sample(channel, &encoded)?,
            Message::Processes(processes) => {
                let session = agents.channel(channel)?.session;
                shared.borrow_mut().fleet.processes(session, &processes);
            }
            Message::Event(event) => {
                let node = agents.channel(channel)?.session.node;
                if let Some(id) = event_kept(shared, node, event).await {
                    outgoing.send(Frame { channel, message: Message::Ack(vec![id]) }).await?;
                }
            }
            Message::Bye => return Ok(()),
            // A newer agent may say more than this hub knows of.
            _ => {}
        }
    }
    Ok(())
}

/// Keeps an event, in the journal first. Its id, to be acknowledged, once it is safe.
async fn event_kept(shared: &Shared, node: NodeId, event: Event) -> Option<String> {
    let id = event.id.clone();
    let written = {
        let core = shared.borrow();
        if core.fleet.knows_event(node, &id) {
            return Some(id);
        }
        let name = core.fleet.node(node).name.to_string();
        core.state.as_ref().map(|state| state.append(Entry { node: name, event: event.clone() }))
    };
    if let Some(written) = written
        && !written.await
    {
        return None;
    }
    shared.borrow_mut().fleet.event(node, event, wall_clock());
    Some(id)
}

impl Agents<'_> {
    fn hello(&mut self, number: u32, hello: &Hello) -> Result<(), Error> {
        if hello.role != Role::Agent {
            return Err(Error::Rule("mixed roles on one link"));
        }
        if self.channels.len() >= MOST_CHANNELS {
            return Err(Error::Rule("too many nodes on one link"));
        }
        if hello.introduction.node.is_empty() {
            return Err(Error::Rule("a node without a name"));
        }
        self.leave(number);
        let metrics = hello.metrics.iter().map(|m| (m.scope, m.key.as_str(), m.unit, m.quantum));
        let session = self.shared.borrow_mut().fleet.join(&hello.introduction, metrics, wall_clock());
        let Some(session) = session else {
            return Err(Error::Rule("a node beyond the fleet's limit"));
        };
        let channel = Channel { session, metrics: hello.counts(), decoder: sample::Decoder::new() };
        self.channels.insert(number, channel);
        tracing::debug!("node {}", text::clean(&hello.introduction.node, 64));
        Ok(())
    }

    fn channel(&mut self, number: u32) -> Result<&mut Channel, Error> {
        self.channels.get_mut(&number).ok_or(Error::Rule("a report before its Hello"))
    }

    fn sample(&mut self, number: u32, encoded: &sample::Encoded) -> Result<(), Error> {
        let shared = self.shared;
        let channel = self.channel(number)?;
        let now = wall_clock();
        let mut core = shared.borrow_mut();
        let Some(mut writer) = core.fleet.writer(channel.session) else {
            // A newer connection speaks for this node now.
            return Ok(());
        };
        let outcome = channel.decoder.decode(encoded, channel.metrics, &mut writer).map_err(wire::CodecError::from)?;
        match outcome {
            sample::Outcome::Applied => core.fleet.sampled(channel.session, encoded.time, now),
            sample::Outcome::AwaitingKeyframe => core.fleet.drop("sample before its keyframe"),
            sample::Outcome::Repeated => core.fleet.drop("sample out of order"),
        }
        Ok(())
    }

    fn leave(&mut self, number: u32) {
        if let Some(Channel { session, .. }) = self.channels.remove(&number) {
            self.shared.borrow_mut().fleet.leave(session, wall_clock());
        }
    }
}

impl Drop for Agents<'_> {
    fn drop(&mut self) {
        let numbers: Vec<u32> = self.channels.keys().copied().collect();
        for number in numbers {
            self.leave(number);
        }
    }
}
