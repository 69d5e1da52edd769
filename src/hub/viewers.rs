//! Viewers ask, the hub answers: one answer per question, in order. Whoever reads slowly asks less often,
//! so a slow viewer is skipped ahead by itself and never waited for.

use futures_util::StreamExt as _;
use tokio::task::yield_now;

use super::{Shared, connection::Error};
use crate::{
    link::{Incoming, Outgoing},
    model::question::Reply,
    wire::{Ask, Frame, Message},
};

/// Answers until the viewer leaves.
pub(super) async fn serve(outgoing: &mut Outgoing, mut incoming: Incoming, shared: &Shared) -> Result<(), Error> {
    while let Some(frame) = incoming.next().await {
        match frame?.message {
            Message::Ask(ask) => {
                let reply = answer(ask, shared);
                outgoing.send(Frame::of(Message::Answer(reply))).await?;
                // Whoever asks much at once takes turns with everybody else.
                yield_now().await;
            }
            Message::Bye => return Ok(()),
            // A newer viewer may say more than this hub knows of.
            _ => {}
        }
    }
    Ok(())
}

fn answer(ask: Ask, shared: &Shared) -> Reply {
    let mut core = shared.borrow_mut();
    let (now, core) = (core.now(), &mut *core);
    let answer = core.answers.to(&ask.query, &core.fleet, now);
    Reply { slot: ask.slot, query: ask.query, answer }
}
