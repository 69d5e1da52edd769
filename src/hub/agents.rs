//! Agents report: what they say goes into the fleet, and events are acknowledged once the journal has them.

use std::{collections::HashMap, future::poll_fn};

use futures_util::{StreamExt as _, future::LocalBoxFuture, stream::FuturesOrdered};

use tokio::task::yield_now;

use super::{Shared, connection::Error, state::Entry};
use crate::{
    fleet::{NodeId, Session},
    link::{Full, Incoming, Outgoing},
    model::{report::Event, text},
    wire::{self, Frame, Hello, Message, Role, sample},
};

/// Nodes that one link may carry.
const MOST_CHANNELS: usize = 65_536;
/// How many samples of one link are taken before others have their turns. A link may have as much to tell as a socket
/// holds, and where all do, an agent that comes would wait for all of that.
const TURN: u32 = 8;
/// Messages of all other kinds take as long as so many samples.
const LONG: u32 = 2;
/// Events of one link that may be on their way to the journal before the link is read on.
const MOST_WRITING: usize = 256;

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
    /// Events on their way to the journal. Samples do not wait for the disk.
    writing: FuturesOrdered<LocalBoxFuture<'static, Written>>,
}

/// An event that the journal has, or could not take.
struct Written {
    channel: u32,
    node: NodeId,
    event: Event,
    is_safe: bool,
}

/// Takes reports until the agent leaves or breaks the rules.
pub(super) async fn serve(
    first: (u32, Hello),
    outgoing: &mut Outgoing,
    incoming: Incoming,
    shared: &Shared,
) -> Result<(), Error> {
    let mut agents = Agents { shared, channels: HashMap::new(), writing: FuturesOrdered::new() };
    let (number, hello) = first;
    agents.hello(number, &hello)?;
    // As long as the link lives, this would take eight kilobytes.
    drop(hello);
    let end = agents.serve(outgoing, incoming).await;
    // What an agent said last, before its node went down, is what matters most.
    while let Some(written) = agents.writing.next().await {
        agents.keep(written);
    }
    end
}

impl Agents<'_> {
    async fn serve(&mut self, outgoing: &mut Outgoing, mut incoming: Incoming) -> Result<(), Error> {
        let mut taken = 0;
        loop {
            let waits = !outgoing.is_empty();
            tokio::select! {
                biased;
                Some(written) = self.writing.next(), if !self.writing.is_empty() => {
                    if let Some(ack) = self.keep(written) {
                        put(outgoing, ack)?;
                    }
                }
                flushed = outgoing.flush(), if waits => flushed.map_err(wire::CodecError::Io)?,
                frame = poll_fn(|cx| {
                    let next = incoming.poll_next_unpin(cx);
                    if next.is_pending() {
                        taken = 0;
                    }
                    next
                }), if self.writing.len() < MOST_WRITING => match frame {
                    Some(frame) => {
                        let Frame { channel, message } = frame?;
                        if matches!(message, Message::Bye) {
                            return Ok(());
                        }
                        taken += if matches!(message, Message::Sample(_)) { 1 } else { LONG };
                        if let Some(ack) = self.take(channel, message)? {
                            put(outgoing, ack)?;
                        }
                        if taken >= TURN {
                            taken = 0;
                            yield_now().await;
                        }
                    }
                    None => return Ok(()),
                },
            }
        }
    }

    /// Takes one report. The answer to it, if there is one already.
    fn take(&mut self, channel: u32, message: Message) -> Result<Option<Frame>, Error> {
        match message {
            Message::Hello(hello) => self.hello(channel, &hello)?,
            Message::Inventory(inventory) => {
                let session = self.channel(channel)?.session;
                let mut core = self.shared.borrow_mut();
                let now = core.now();
                core.fleet.inventory(session, &inventory, now);
            }
            Message::Sample(encoded) => self.sample(channel, &encoded)?,
            Message::Processes(processes) => {
                let session = self.channel(channel)?.session;
                let mut core = self.shared.borrow_mut();
                let now = core.now();
                core.fleet.processes(session, &processes, now);
            }
            Message::Event(event) => {
                let node = self.channel(channel)?.session.node;
                return Ok(self.event(channel, node, event));
            }
            // A newer agent may say more than this hub knows of.
            _ => {}
        }
        Ok(None)
    }

    /// Has an event written to the journal, unless it came before or there is no journal: the acknowledgement then.
    fn event(&mut self, channel: u32, node: NodeId, event: Event) -> Option<Frame> {
        let core = self.shared.borrow();
        if core.fleet.knows_event(node, &event.id) {
            return Some(ack(channel, event.id));
        }
        let Some(state) = &core.state else {
            drop(core);
            return self.keep(Written { channel, node, event, is_safe: true });
        };
        let written = state.append(Entry { node: core.fleet.node(node).name.to_string(), event: event.clone() });
        self.writing.push_back(Box::pin(async move { Written { channel, node, event, is_safe: written.await } }));
        None
    }

    /// Enters an event that is safe, and says so to its agent. One that is not is left to the agent, which sends it
    /// again.
    fn keep(&self, written: Written) -> Option<Frame> {
        let Written { channel, node, event, is_safe } = written;
        let id = event.id.clone();
        is_safe.then(|| {
            let mut core = self.shared.borrow_mut();
            let now = core.now();
            core.fleet.event(node, event, now);
            ack(channel, id)
        })
    }

    fn hello(&mut self, number: u32, hello: &Hello) -> Result<(), Error> {
        if hello.role != Role::Agent {
            return Err(Error::Rule("mixed roles on one link"));
        }
        if self.channels.len() >= MOST_CHANNELS && !self.channels.contains_key(&number) {
            return Err(Error::Rule("too many nodes on one link"));
        }
        if hello.introduction.node.is_empty() {
            return Err(Error::Rule("a node without a name"));
        }
        self.leave(number);
        let metrics = hello.metrics.iter().map(|m| (m.scope, m.key.as_str(), m.unit, m.quantum));
        let session = {
            let mut core = self.shared.borrow_mut();
            let now = core.now();
            core.fleet.join(&hello.introduction, metrics, now)
        };
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
        let mut core = shared.borrow_mut();
        let now = core.now();
        let Some(mut writer) = core.fleet.writer(channel.session) else {
            // A newer connection speaks for this node now. Once that is gone, this one is wanted again, from its Hello on.
            let is_wanted = !core.fleet.is_connected(channel.session.node);
            core.fleet.drop("sample over a replaced link");
            return if is_wanted { Err(Error::Rule("an agent whose successor left")) } else { Ok(()) };
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
            let mut core = self.shared.borrow_mut();
            let now = core.now();
            core.fleet.leave(session, now);
        }
    }
}

fn ack(channel: u32, id: String) -> Frame {
    Frame { channel, message: Message::Ack(vec![id]) }
}

/// Puts an acknowledgement. A peer for whom a million bytes of them wait never reads.
fn put(outgoing: &mut Outgoing, ack: Frame) -> Result<(), Error> {
    outgoing.put(ack).map_err(|full| match full {
        Full::Waiting(_) => Error::Rule("an agent that does not read"),
        Full::Frame(error) => error.into(),
    })
}

impl Drop for Agents<'_> {
    fn drop(&mut self) {
        let numbers: Vec<u32> = self.channels.keys().copied().collect();
        for number in numbers {
            self.leave(number);
        }
    }
}
