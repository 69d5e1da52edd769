//! Viewers ask, the hub answers, each question once. What is quickly answered does not wait for what is not. Whoever
//! reads slowly is asked less: a slow viewer is skipped ahead by itself, never waited for, and holds nobody up.

use std::collections::VecDeque;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::task::yield_now;

use super::{Shared, answers, connection::Error, health};
use crate::{
    link::{Full, Incoming, Outgoing},
    model::question::{Complaint, Reply},
    query,
    wire::{Ask, CodecError, Frame, Message, Say},
};

/// Questions of one viewer that may be open, or answered and not sent, before the next is read.
const MOST_OPEN: usize = 16;

/// Answers until the viewer leaves.
pub(super) async fn serve(
    outgoing: &mut Outgoing,
    mut incoming: Incoming,
    shared: &Shared,
    may_say: bool,
) -> Result<(), Error> {
    let (mut open, mut answered) = (FuturesUnordered::new(), VecDeque::new());
    loop {
        if outgoing.is_empty()
            && let Some(reply) = answered.pop_front()
        {
            put(outgoing, reply)?;
        }
        let has_room = open.len() + answered.len() < MOST_OPEN;
        tokio::select! {
            biased;
            flushed = outgoing.flush(), if !outgoing.is_empty() => {
                flushed.map_err(CodecError::Io)?;
                // Whoever asks much at once takes turns with everybody else.
                yield_now().await;
            }
            // Others may wait for what is made here, so it goes on whether or not this viewer reads.
            Some(reply) = open.next(), if !open.is_empty() => answered.push_back(reply),
            frame = incoming.next(), if has_room => match frame {
                None => return Ok(()),
                Some(frame) => match frame?.message {
                    Message::Ask(ask) => open.push(reply(Wish::Ask(ask), shared)),
                    Message::Say(say) => open.push(reply(Wish::Say(say, may_say), shared)),
                    Message::Bye => return Ok(()),
                    // A newer viewer may say more than this hub knows of.
                    _ => {}
                },
            },
        }
    }
}

fn put(outgoing: &mut Outgoing, reply: Reply) -> Result<(), Error> {
    outgoing.put(Frame::of(Message::from(reply))).map_err(|full| match full {
        Full::Waiting(_) => Error::Rule("a viewer that does not read"),
        Full::Frame(error) => error.into(),
    })
}

/// What a viewer wants a reply to.
enum Wish {
    Ask(Ask),
    /// What is said of an incident, and whether whoever says so may.
    Say(Box<Say>, bool),
}

async fn reply(wish: Wish, shared: &Shared) -> Reply {
    match wish {
        Wish::Ask(Ask { slot, query }) => {
            let answer = answers::answer(shared, &query).await;
            Reply { slot, query, answer }
        }
        Wish::Say(say, may_say) => {
            let Say { slot, remark } = *say;
            let query = format!("incidents where incident = '{}'", remark.incident);
            let answer = match health::take(shared, remark, may_say) {
                Ok(()) => query::parse(&query).and_then(|asked| {
                    let core = shared.borrow();
                    query::answer(&core.fleet, &asked, core.now())
                }),
                Err(message) => Err(Complaint { message, ..Complaint::default() }),
            };
            Reply { slot, query, answer }
        }
    }
}
