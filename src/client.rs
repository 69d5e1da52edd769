//! A viewer's end of a link: attaches to a hub and asks it.
//! [`keep`] holds a screen's questions fresh for as long as somebody looks.

mod keep;

use std::{io, time::Duration};

use futures_util::StreamExt;
use tokio::time::timeout;

pub use keep::keep;

use crate::{
    link::{DialError, Full, Incoming, Outgoing, Stream},
    model::{incident::Remark, question::Reply},
    wire::{Ask, Codec, CodecError, Frame, Hello, Message, Role, Say},
};

/// Time for a hub to say Hello.
pub const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// Time for a hub to answer a question.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A link to a hub that has said Hello.
#[derive(Debug)]
pub struct Client {
    incoming: Incoming,
    outgoing: Outgoing,
    hub: Hello,
    asked: u32,
}

/// Why a hub is not asked any more.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The connection or what came over it is broken.
    #[error("link to the hub: {0}")]
    Link(#[from] CodecError),
    /// The hub does not want this viewer, for this reason.
    #[error("the hub refuses: {0}")]
    Refused(String),
    /// The hub has stopped, or closed the link.
    #[error("the hub closed the link")]
    Closed,
    /// The hub is connected and says nothing.
    #[error("the hub has not answered for {} s", .0.as_secs())]
    Silent(Duration),
    /// Something else than a hub is there.
    #[error("not a hub: an {0} answers there")]
    NoHub(&'static str),
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        ClientError::Link(error.into())
    }
}

impl From<Full> for ClientError {
    fn from(full: Full) -> Self {
        match full {
            Full::Frame(error) => ClientError::Link(error),
            Full::Waiting(_) => io::Error::new(io::ErrorKind::WouldBlock, full).into(),
        }
    }
}

impl Client {
    /// Exchanges Hellos over `stream`.
    pub async fn attach(stream: Stream) -> Result<Client, ClientError> {
        let (mut incoming, mut outgoing) = stream.split(Codec::viewer());
        let exchange = async {
            outgoing.send(Frame::of(Message::from(Hello::of(Role::Viewer, "")))).await?;
            match hear(&mut incoming).await? {
                Message::Hello(hello) => Ok(hello),
                other => Err(ClientError::NoHub(other.word())),
            }
        };
        let hub = timeout(HELLO_WITHIN, exchange).await.unwrap_or(Err(ClientError::Silent(HELLO_WITHIN)))?;
        if let Some(reason) = hub.refusal() {
            return Err(ClientError::Refused(reason));
        }
        match hub.role {
            Role::Hub => Ok(Client { incoming, outgoing, hub: *hub, asked: 0 }),
            other => Err(ClientError::NoHub(other.word())),
        }
    }

    /// What the hub says of itself.
    pub fn hub(&self) -> &Hello {
        &self.hub
    }

    /// Says something of an incident, and waits for the incident as it is, or for why not.
    pub async fn say(&mut self, remark: Remark) -> Result<Reply, ClientError> {
        self.asked = self.asked.wrapping_add(1);
        let slot = self.asked;
        self.exchange(slot, Message::Say(Box::new(Say { slot, remark }))).await
    }

    /// Asks once, and waits for the answer.
    pub async fn ask(&mut self, query: &str) -> Result<Reply, ClientError> {
        self.asked = self.asked.wrapping_add(1);
        let slot = self.asked;
        let ask = Ask { slot, query: query.to_owned() };
        if let Some(complaint) = ask.complaint() {
            return Ok(Reply { slot, query: ask.query, answer: Err(complaint) });
        }
        self.exchange(slot, Message::Ask(ask)).await
    }

    /// Sends something to which a reply comes, and waits for it.
    async fn exchange(&mut self, slot: u32, message: Message) -> Result<Reply, ClientError> {
        let exchange = async {
            self.outgoing.send(Frame::of(message)).await?;
            loop {
                match hear(&mut self.incoming).await? {
                    Message::Answer(reply) if reply.slot == slot => return Ok(*reply),
                    // An answer to an earlier question that was given up, or something for agents.
                    _ => {}
                }
            }
        };
        timeout(ANSWER_WITHIN, exchange).await.unwrap_or(Err(ClientError::Silent(ANSWER_WITHIN)))
    }
}

/// The hub's next message. Its farewells are errors.
async fn hear(incoming: &mut Incoming) -> Result<Message, ClientError> {
    match incoming.next().await {
        None => Err(ClientError::Closed),
        Some(Err(error)) => Err(error.into()),
        Some(Ok(frame)) => match frame.message {
            Message::Bye => Err(ClientError::Closed),
            Message::Refuse(reason) => Err(ClientError::Refused(reason)),
            message => Ok(message),
        },
    }
}
