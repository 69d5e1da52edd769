//! Streams a source's reports to a hub, for ever: Hello, inventory, samples by the clock, events until they are
//! acknowledged; and dials again, with backoff, whenever the link is lost.

use std::{
    collections::{HashSet, VecDeque, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    time::Duration,
};

use futures_util::StreamExt as _;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    agent::Source,
    link::{Backoff, DialError, Full, Outgoing, Stream},
    model::{report::Event, time::Time},
    wire::{Codec, CodecError, Frame, Hello, Message, sample},
};

/// How often an unchanged inventory is sent again.
const INVENTORY_EVERY: Duration = Duration::from_mins(1);
/// How long a hub may take to answer a Hello.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events of one node that wait for their acknowledgement before more are dropped and counted.
const MOST_PENDING: usize = 10_000;

/// Why a session ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The link could not be made.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// What came is not what a hub says, or the link broke.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The hub will not have this agent.
    #[error("the hub refuses: {0}")]
    Refused(String),
    /// The hub went away.
    #[error("the hub closed the link")]
    Closed,
    /// The hub accepted the link and then said nothing that a hub says.
    #[error("no answer within {} s: is that a supertop hub?", PATIENCE.as_secs())]
    Silent,
}

/// How a session paces itself, and where its time comes from.
pub struct Pace<'a> {
    /// The wall clock.
    pub clock: &'a dyn Fn() -> Time,
    /// How often processes are sent.
    pub processes_every: Duration,
    /// Turns true when the session is to end cleanly.
    pub stop: watch::Receiver<bool>,
}

/// What one node still owes its hub, kept over reconnects.
#[derive(Default)]
struct Debt {
    pending: VecDeque<Event>,
    dropped: u64,
}

impl Debt {
    fn add(&mut self, events: Vec<Event>) {
        for event in events {
            if self.pending.len() < MOST_PENDING {
                self.pending.push_back(event);
            } else {
                self.dropped += 1;
            }
        }
    }
}

/// Reports to the hub that `dial` reaches until `pace.stop` turns true.
pub async fn keep<S: Source>(source: &mut S, dial: impl AsyncFn() -> Result<Stream, DialError>, mut pace: Pace<'_>) {
    let mut debts: Vec<Debt> = (0..source.nodes()).map(|_| Debt::default()).collect();
    let seed = (0..source.nodes().min(1)).map(|n| hash(&source.introduction(n).node)).sum();
    let mut backoff = Backoff::new(seed);
    let mut last_reason = String::new();
    while !*pace.stop.borrow() {
        let began = Instant::now();
        let error = match dial().await {
            Ok(stream) => match Session::run(source, &mut debts, stream, &mut pace).await {
                Ok(()) => return,
                Err(error) => error,
            },
            Err(error) => error.into(),
        };
        let reason = error.to_string();
        if reason != last_reason {
            tracing::warn!("{reason}; trying again until it works");
            last_reason = reason;
        }
        if began.elapsed() > INVENTORY_EVERY {
            backoff.reset();
        }
        let wait = Instant::now() + backoff.wait();
        while !*pace.stop.borrow() && Instant::now() < wait {
            collect_while_waiting(source, &mut debts, (pace.clock)());
            let turn = (Instant::now() + source.interval()).min(wait);
            tokio::select! {
                () = sleep_until(turn) => {}
                _ = pace.stop.changed() => return,
            }
        }
    }
}

/// Without a hub the collectors still run, so that no event is missed meanwhile.
fn collect_while_waiting<S: Source>(source: &mut S, debts: &mut [Debt], now: Time) {
    // A simulation makes its events from the time that it is asked about; only a live node has to be watched.
    if source.nodes() == 1 {
        source.look(0, now);
        if let Some(debt) = debts.first_mut() {
            debt.add(source.take_events(0, now));
        }
    }
}

/// One node's part of a session.
struct Channel {
    number: u32,
    phase: Duration,
    encoder: sample::Encoder,
    revision: Option<u64>,
    inventory_due: Instant,
    processes_due: Instant,
    events_sent: usize,
}

/// One link's life.
struct Session<'a, S> {
    source: &'a mut S,
    debts: &'a mut [Debt],
    channels: Vec<Channel>,
    outgoing: Outgoing,
}

impl<S: Source> Session<'_, S> {
    async fn run(source: &mut S, debts: &mut [Debt], stream: Stream, pace: &mut Pace<'_>) -> Result<(), Error> {
        let (mut incoming, outgoing) = stream.split(Codec::new());
        let channels = channels(source);
        let mut session = Session { source, debts, channels, outgoing };
        session.hello(0).await?;
        match timeout(PATIENCE, incoming.next()).await {
            Err(_) => return Err(Error::Silent),
            Ok(None) => return Err(Error::Closed),
            Ok(Some(frame)) => match frame?.message {
                Message::Hello(_) => {}
                Message::Refuse(why) => return Err(Error::Refused(why)),
                _ => return Err(Error::Silent),
            },
        }
        tracing::info!("connected");
        for node in 1..session.channels.len() {
            session.hello(node).await?;
        }
        for node in 0..session.channels.len() {
            session.turn(node, (pace.clock)(), pace.processes_every)?;
            session.flush().await?;
        }
        let mut rounds = Rounds::new(&session.channels, session.source.interval());
        loop {
            let waits = !session.outgoing.is_empty();
            tokio::select! {
                biased;
                _ = pace.stop.changed() => {
                    // A hub that takes no goodbye sees the link's end.
                    let _ = timeout(PATIENCE, session.outgoing.close()).await;
                    return Ok(());
                }
                frame = incoming.next() => session.hear(frame.ok_or(Error::Closed)??)?,
                node = rounds.next(&session.channels) => {
                    session.turn(node, (pace.clock)(), pace.processes_every)?;
                    session.outgoing.try_flush().map_err(CodecError::Io)?;
                }
                flushed = session.outgoing.flush(), if waits => flushed.map_err(CodecError::Io)?,
            }
        }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        Ok(self.outgoing.flush().await.map_err(CodecError::Io)?)
    }

    /// What the hub has to say: acknowledgements, or that it will not have us.
    fn hear(&mut self, frame: Frame) -> Result<(), Error> {
        match frame.message {
            Message::Ack(ids) => {
                let Some(node) = (frame.channel as usize).checked_sub(1) else { return Ok(()) };
                if let (Some(debt), Some(channel)) = (self.debts.get_mut(node), self.channels.get_mut(node)) {
                    let ids: HashSet<String> = ids.into_iter().collect();
                    let before = debt.pending.len();
                    debt.pending.retain(|event| !ids.contains(&event.id));
                    channel.events_sent = channel.events_sent.saturating_sub(before - debt.pending.len());
                }
                Ok(())
            }
            Message::Refuse(why) => Err(Error::Refused(why)),
            // A newer hub may say more than this agent knows of.
            _ => Ok(()),
        }
    }

    async fn hello(&mut self, node: usize) -> Result<(), Error> {
        let hello = Hello::agent(self.source.introduction(node));
        let frame = Frame { channel: self.channels[node].number, message: Message::Hello(hello) };
        Ok(self.outgoing.send(frame).await?)
    }

    /// One node's turn: it looks at itself and says what is due. While the link still holds what was said before,
    /// it says nothing: the newest sample goes next, and none waits behind another.
    fn turn(&mut self, node: usize, now: Time, processes_every: Duration) -> Result<(), Error> {
        let speaks = self.source.look(node, now);
        self.debts[node].add(self.source.take_events(node, now));
        if !speaks {
            return Ok(());
        }
        if self.outgoing.ready() && !self.say_what_is_kept(node, now)? {
            return Ok(());
        }
        let (source, channel) = (&*self.source, &mut self.channels[node]);
        if !self.outgoing.offer(channel.number, || channel.encoder.encode(source.sample(node), false)) {
            tracing::debug!("the hub is slow: {} samples skipped so far", self.outgoing.skipped());
            return Ok(());
        }
        let instant = Instant::now();
        if instant >= self.channels[node].processes_due {
            let processes = self.source.processes(node, now);
            if self.put(node, Message::Processes(processes))? {
                self.channels[node].processes_due = instant + processes_every;
            }
        }
        Ok(())
    }

    /// The inventory when it is due, and events that were not sent on this link. False when the link is full.
    fn say_what_is_kept(&mut self, node: usize, now: Time) -> Result<bool, Error> {
        let (instant, revision) = (Instant::now(), self.source.revision(node));
        if self.channels[node].revision != Some(revision) || instant >= self.channels[node].inventory_due {
            let mut inventory = self.source.inventory(node, now);
            if self.debts[node].dropped > 0 {
                inventory.notes.push(format!("{} events dropped: no hub acknowledged them", self.debts[node].dropped));
            }
            if !self.put(node, Message::Inventory(inventory))? {
                return Ok(false);
            }
            self.channels[node].revision = Some(revision);
            self.channels[node].inventory_due = instant + INVENTORY_EVERY;
        }
        while let Some(event) = self.debts[node].pending.get(self.channels[node].events_sent) {
            let event = event.clone();
            if !self.put(node, Message::Event(event))? {
                return Ok(false);
            }
            self.channels[node].events_sent += 1;
        }
        Ok(true)
    }

    /// Puts a message that must not be lost. False when it has to wait because the link is full.
    fn put(&mut self, node: usize, message: Message) -> Result<bool, Error> {
        match self.outgoing.put(Frame { channel: self.channels[node].number, message }) {
            Ok(()) => Ok(true),
            Err(Full::Waiting(_)) => Ok(false),
            Err(Full::Frame(error)) => Err(error.into()),
        }
    }
}

fn channels<S: Source>(source: &S) -> Vec<Channel> {
    let interval = source.interval();
    let now = Instant::now();
    (0..source.nodes())
        .map(|node| (node, hash(&source.introduction(node).node)))
        .map(|(node, hash)| Channel {
            number: node as u32 + 1,
            // Agents spread over the interval, so that a hub does not hear all of them at once.
            phase: interval.mul_f64((hash % 65_536) as f64 / 65_536.0),
            encoder: sample::Encoder::with_phase(hash),
            revision: None,
            inventory_due: now,
            processes_due: now,
            events_sent: 0,
        })
        .collect()
}

/// Whose turn it is: every node once per interval, at its phase.
struct Rounds {
    order: Vec<usize>,
    interval: Duration,
    began: Instant,
    at: usize,
}

impl Rounds {
    fn new(channels: &[Channel], interval: Duration) -> Rounds {
        let mut order: Vec<usize> = (0..channels.len()).collect();
        order.sort_by_key(|node| channels[*node].phase);
        Rounds { order, interval, began: Instant::now(), at: 0 }
    }

    /// Waits for the next turn and says whose it is. Rounds that were slept through are left out.
    async fn next(&mut self, channels: &[Channel]) -> usize {
        if self.at == self.order.len() {
            self.at = 0;
            self.began += self.interval;
            while self.began + self.interval < Instant::now() {
                self.began += self.interval;
            }
        }
        let Some(node) = self.order.get(self.at).copied() else {
            return std::future::pending().await;
        };
        sleep_until(self.began + channels[node].phase).await;
        self.at += 1;
        node
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
