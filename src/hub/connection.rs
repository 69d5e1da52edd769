//! One connection: who is it, and is it welcome? Agents and viewers then go their own ways.
//! A peer that breaks the rules is counted and closed; nobody else notices.

use std::{io, rc::Weak, time::Duration};

use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::{Lanes, Shared, agents, viewers};
use crate::{
    link::{Incoming, Outgoing, Stream},
    wire::{Codec, CodecError, Frame, Hello, Message, Role},
};

/// How long a peer may take to say Hello.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Wire(#[from] CodecError),
    #[error("{0}")]
    Version(String),
    #[error("{0}")]
    Rule(&'static str),
}

impl Error {
    /// The name under which the fleet counts it, if it is the peer's fault.
    fn reason(&self) -> Option<&'static str> {
        match self {
            Error::Wire(CodecError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Some("torn frame"),
            Error::Wire(CodecError::Io(_)) => None,
            Error::Wire(error) => Some(error.reason()),
            Error::Version(_) => Some("other protocol version"),
            Error::Rule(rule) => Some(rule),
        }
    }
}

/// Serves a peer until it leaves or breaks the rules.
pub(super) async fn serve(stream: Stream, shared: Shared, lanes: Weak<Lanes>) {
    let peer = stream.peer().name.clone();
    // Who came through a network may be anybody.
    let is_local = stream.peer().is_local();
    let (mut incoming, mut outgoing) = stream.split(Codec::new());
    let hello = match greet(&mut outgoing, &mut incoming).await {
        Ok(Some(hello)) => hello,
        Ok(None) => return,
        Err(error) => return part(Err(error), outgoing, &peer, &shared),
    };
    let Some(lanes) = lanes.upgrade() else { return };
    if hello.1.role == Role::Agent {
        lanes.agents.spawn_local(async move {
            let end = agents::serve(hello, &mut outgoing, incoming, &shared).await;
            part(end, outgoing, &peer, &shared);
        });
    } else {
        tracing::debug!("viewer: {peer}");
        lanes.front.spawn_local(async move {
            let end = viewers::serve(&mut outgoing, incoming, &shared, is_local).await;
            part(end, outgoing, &peer, &shared);
        });
    }
}

/// Counts a peer that broke the rules, and tells it why.
fn part(end: Result<(), Error>, mut outgoing: Outgoing, peer: &str, shared: &Shared) {
    if let Err(error) = end
        && let Some(reason) = error.reason()
    {
        tracing::info!("closed {peer}: {error}");
        shared.borrow_mut().fleet.drop(reason);
        // Whoever may understand it hears why, as far as it listens; nobody waits for that.
        let speaks_supertop = matches!(error, Error::Rule(_) | Error::Version(_) | Error::Wire(CodecError::Decode(_)));
        if speaks_supertop && outgoing.put(Frame::of(Message::Refuse(error.to_string()))).is_ok() {
            let _ = outgoing.try_flush();
        }
    }
}

/// Exchanges Hellos with an agent or a viewer. Nothing for a peer that left without a word.
async fn greet(outgoing: &mut Outgoing, incoming: &mut Incoming) -> Result<Option<(u32, Hello)>, Error> {
    let first = match timeout(PATIENCE, incoming.next()).await {
        Err(_) => return Err(Error::Rule("said nothing")),
        // A port scan or a health check of a load balancer connects and leaves: nobody's fault.
        Ok(None) => return Ok(None),
        Ok(Some(frame)) => frame?,
    };
    let Message::Hello(hello) = first.message else {
        return Err(Error::Rule("no Hello"));
    };
    if let Some(why) = hello.refusal() {
        return Err(Error::Version(why));
    }
    if hello.role == Role::Hub {
        return Err(Error::Rule("a hub takes agents and viewers, not hubs"));
    }
    outgoing.send(Frame::of(Message::from(Hello::of(Role::Hub, "")))).await?;
    Ok(Some((first.channel, *hello)))
}
