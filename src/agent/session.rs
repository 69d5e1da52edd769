//! Streams a source's reports to a hub, for ever: Hello, inventory, samples by the clock, events until they are
//! acknowledged; and dials again, with backoff, whenever the link is lost.

use std::{
    collections::{HashSet, VecDeque},
    convert::Infallible,
    pin::pin,
    time::Duration,
};

use futures_util::StreamExt as _;
use tokio::{
    sync::watch,
    task::yield_now,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    agent::{
        Source, Tally,
        channel::{Channel, RESEND_AFTER, channels, hash, next, number},
        rounds::Rounds,
    },
    link::{Backoff, DialError, Full, Incoming, Outgoing, Stream},
    model::{report::Event, time::Time},
    wire::{Codec, CodecError, Frame, Hello, Message},
};

/// How often an unchanged inventory is sent again.
const INVENTORY_EVERY: Duration = Duration::from_mins(1);
/// How long a hub may take to answer a Hello.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often processes are sent, where nobody says otherwise.
const PROCESSES_EVERY: Duration = Duration::from_secs(10);
/// How long a hub may take to hear a goodbye, where nobody says otherwise: whoever stops an agent waits for it.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long a hub may read nothing of what waits for it. Its kernel may be alive, and another connection do better.
const STUCK: Duration = Duration::from_secs(30);
/// Events of one node that wait for their acknowledgement before more are dropped and counted.
const MOST_PENDING: usize = 10_000;
/// A link that lasted so long was a good one: the next is dialled without delay.
const GOOD_LINK: Duration = Duration::from_mins(1);

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
    /// Where what was sent is counted, if anybody wants to know.
    pub tally: Option<&'a Tally>,
    /// How long the hub may take to hear a goodbye. One that does not sees the link's end.
    pub goodbye: Duration,
    /// Turns true when the session is to end cleanly. A sender that is gone never ends it.
    pub stop: watch::Receiver<bool>,
}

impl<'a> Pace<'a> {
    /// The pace of one agent.
    pub fn new(clock: &'a dyn Fn() -> Time, stop: watch::Receiver<bool>) -> Self {
        Pace { clock, processes_every: PROCESSES_EVERY, tally: None, goodbye: GOODBYE, stop }
    }
}

/// What one node still owes its hub, kept over reconnects.
#[derive(Default)]
struct Debt {
    pending: VecDeque<Event>,
    dropped: u64,
    /// Samples that were left out because the link still held earlier words.
    skipped: u64,
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

    /// What had to be left out since the agent started, for the node's notes.
    fn notes(&self) -> impl Iterator<Item = String> {
        let dropped = (self.dropped > 0).then(|| format!("{} events dropped: no hub acknowledged them", self.dropped));
        let skipped = (self.skipped > 0).then(|| format!("{} samples skipped: the hub was slow to read", self.skipped));
        dropped.into_iter().chain(skipped)
    }

    /// Strikes what was acknowledged, and says how many of the first `sent` that were.
    fn settle(&mut self, acknowledged: Vec<String>, sent: usize) -> usize {
        let ids: HashSet<String> = acknowledged.into_iter().collect();
        let (mut at, mut settled) = (0, 0);
        self.pending.retain(|event| {
            let is_settled = ids.contains(&event.id);
            settled += usize::from(is_settled && at < sent);
            at += 1;
            !is_settled
        });
        settled
    }
}

/// Reports to the hub that `dial` reaches until `pace.stop` turns true.
pub async fn keep<S: Source>(source: &mut S, dial: impl AsyncFn() -> Result<Stream, DialError>, mut pace: Pace<'_>) {
    let seed = (0..source.nodes().min(1)).map(|n| hash(&source.introduction(n).node)).sum();
    let mut reports = Reports::new(source, &pace);
    let mut backoff = Backoff::new(seed);
    let mut last_reason = String::new();
    loop {
        let began = Instant::now();
        let (boots, hello) = (reports.source.boots(0), Hello::agent(reports.source.introduction(0)));
        let connected = tokio::select! {
            biased;
            () = stopped(&mut pace.stop) => return,
            connected = reports.meanwhile(connect(&dial, hello)) => connected,
        };
        let lost = match connected {
            Ok(link) => Session::run(&mut reports, link, boots, &mut pace).await,
            Err(error) => Err(error),
        };
        let Err(error) = lost else { return };
        if began.elapsed() > GOOD_LINK {
            backoff.reset();
            last_reason.clear();
        }
        let reason = error.to_string();
        if reason != last_reason {
            tracing::warn!("{reason}; trying again until it works");
            last_reason = reason;
        }
        tokio::select! {
            biased;
            () = stopped(&mut pace.stop) => return,
            () = reports.meanwhile(sleep(backoff.wait())) => {}
        }
    }
}

/// Waits for the order to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Dials, and exchanges Hellos for the first node.
async fn connect(
    dial: &impl AsyncFn() -> Result<Stream, DialError>,
    hello: Hello,
) -> Result<(Incoming, Outgoing), Error> {
    let (mut incoming, mut outgoing) = dial().await?.split(Codec::new());
    let exchange = async {
        outgoing.send(Frame { channel: number(0), message: Message::from(hello) }).await?;
        incoming.next().await.ok_or(Error::Closed)?.map_err(Error::from)
    };
    match timeout(PATIENCE, exchange).await.unwrap_or(Err(Error::Silent))?.message {
        Message::Hello(hub) => match hub.refusal() {
            None => Ok((incoming, outgoing)),
            Some(why) => Err(Error::Refused(why)),
        },
        Message::Refuse(why) => Err(Error::Refused(why)),
        _ => Err(Error::Silent),
    }
}

/// What outlives a link: where reports come from, and what is still owed.
struct Reports<'a, S> {
    source: &'a mut S,
    debts: Vec<Debt>,
    clock: &'a dyn Fn() -> Time,
    processes_every: Duration,
    tally: Option<&'a Tally>,
    /// When to look next while there is no hub.
    look_due: Instant,
}

impl<'a, S: Source> Reports<'a, S> {
    fn new(source: &'a mut S, pace: &Pace<'a>) -> Reports<'a, S> {
        let debts = (0..source.nodes()).map(|_| Debt::default()).collect();
        let &Pace { clock, processes_every, tally, .. } = pace;
        Reports { source, debts, clock, processes_every, tally, look_due: Instant::now() }
    }

    /// Takes a look at a node, and keeps what happened there. False when it has nothing to say.
    fn look(&mut self, node: usize, now: Time) -> bool {
        let speaks = self.source.look(node, now);
        self.debts[node].add(self.source.take_events(node, now));
        self.look_due = Instant::now() + self.source.interval();
        speaks
    }

    /// Waits for something other than a hub's reports. The collectors run meanwhile, so that no event is missed and
    /// the driver can be let go of. A simulation makes its events from the time that it is asked about; only a live
    /// node has to be watched.
    async fn meanwhile<T>(&mut self, wait: impl Future<Output = T>) -> T {
        let mut wait = pin!(wait);
        loop {
            tokio::select! {
                biased;
                done = &mut wait => return done,
                () = sleep_until(self.look_due), if self.source.nodes() == 1 => {
                    self.look(0, (self.clock)());
                    yield_now().await;
                }
            }
        }
    }
}

/// One link's life.
struct Session<'a, 'b, S> {
    reports: &'a mut Reports<'b, S>,
    channels: Vec<Channel>,
    outgoing: Outgoing,
}

impl<S: Source> Session<'_, '_, S> {
    /// Reports over `link`, on which the first node has said Hello as of one of its starts. Ends well only when it is
    /// stopped.
    async fn run(
        reports: &mut Reports<'_, S>,
        (mut incoming, outgoing): (Incoming, Outgoing),
        boots: u64,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        tracing::info!("connected");
        let mut session = Session { channels: channels(reports.source), reports, outgoing };
        session.channels.first_mut().into_iter().for_each(|first| first.boots = boots);
        let end = tokio::select! {
            biased;
            () = stopped(&mut pace.stop) => Ok(()),
            lost = session.report(&mut incoming) => lost.map(|never| match never {}),
        };
        if end.is_ok() {
            let goodbye = async {
                session.outgoing.close().await?;
                // What the hub has said and nobody has read would make the system throw away what we said last.
                while incoming.next().await.is_some_and(|frame| frame.is_ok()) {}
                std::io::Result::Ok(())
            };
            match timeout(pace.goodbye, goodbye).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!("the hub may not have heard the last report: {error}"),
                Err(_) => tracing::warn!("the hub may not have heard the last report: it did not close the link"),
            }
        }
        end
    }

    async fn report(&mut self, incoming: &mut Incoming) -> Result<Infallible, Error> {
        for node in 0..self.channels.len() {
            if node > 0 {
                let hello = Hello::agent(self.reports.source.introduction(node));
                self.put(node, Message::from(hello))?;
            }
            self.turn(node)?;
            self.drain(incoming).await?;
        }
        let mut rounds = Rounds::new(&self.channels, self.reports.source.interval());
        loop {
            let waits = !self.outgoing.is_empty();
            tokio::select! {
                biased;
                frame = incoming.next() => self.hear(frame.ok_or(Error::Closed)??)?,
                together = rounds.next(&self.channels) => {
                    for at in together {
                        self.turn(rounds.order[at])?;
                    }
                    self.outgoing.try_flush().map_err(CodecError::Io)?;
                    // Turns that take longer than the interval must not keep an order to stop waiting.
                    yield_now().await;
                }
                flushed = self.outgoing.flush_within(STUCK), if waits => flushed.map_err(CodecError::Io)?,
            }
        }
    }

    /// Waits until all has left, and hears meanwhile what the hub says: of two ends that only write, neither would
    /// ever be done.
    async fn drain(&mut self, incoming: &mut Incoming) -> Result<(), Error> {
        while !self.outgoing.is_empty() {
            tokio::select! {
                biased;
                flushed = self.outgoing.flush_within(STUCK) => flushed.map_err(CodecError::Io)?,
                frame = incoming.next() => self.hear(frame.ok_or(Error::Closed)??)?,
            }
        }
        Ok(())
    }

    /// What the hub has to say: acknowledgements, or that it will not have us.
    fn hear(&mut self, frame: Frame) -> Result<(), Error> {
        match frame.message {
            Message::Ack(ids) => {
                let Some(node) = (frame.channel as usize).checked_sub(1) else { return Ok(()) };
                if let (Some(debt), Some(channel)) = (self.reports.debts.get_mut(node), self.channels.get_mut(node)) {
                    channel.events_sent -= debt.settle(ids, channel.events_sent);
                    channel.resend_due = Instant::now() + RESEND_AFTER;
                }
                Ok(())
            }
            Message::Refuse(why) => Err(Error::Refused(why)),
            // A newer hub may say more than this agent knows of.
            _ => Ok(()),
        }
    }

    /// One node's turn: it looks at itself and says what is due. While the link still holds what was said before,
    /// it says nothing: the newest sample goes next, and none waits behind another.
    fn turn(&mut self, node: usize) -> Result<(), Error> {
        let now = (self.reports.clock)();
        // A sample counts by the inventory before it, so without room for the one there is none for the other.
        if !self.reports.look(node, now) {
            return Ok(());
        }
        let room = self.outgoing.ready() && self.say_who_starts(node)? && self.say_what_is_kept(node, now)?;
        if !room || !self.offer_sample(node) {
            self.reports.debts[node].skipped += 1;
            self.reports.tally.into_iter().for_each(Tally::skipped);
            return Ok(());
        }
        let instant = Instant::now();
        if instant >= self.channels[node].processes_due {
            let processes = self.reports.source.processes(node, now);
            if self.put(node, Message::Processes(processes))? {
                let channel = &mut self.channels[node];
                channel.processes_due = next(instant, self.reports.processes_every, &mut channel.processes_early);
            }
        }
        Ok(())
    }

    /// A node that was started anew says who it is, and then all that it would say over a new link. False when the link is
    /// full.
    fn say_who_starts(&mut self, node: usize) -> Result<bool, Error> {
        let boots = self.reports.source.boots(node);
        if self.channels[node].boots == boots {
            return Ok(true);
        }
        let introduction = self.reports.source.introduction(node);
        let fresh = Channel::new(self.reports.source, node, self.channels[node].phase);
        let is_said = self.put(node, Message::from(Hello::agent(introduction)))?;
        if is_said {
            self.channels[node] = fresh;
        }
        Ok(is_said)
    }

    /// Packs and puts the newest sample, unless the link still holds what was said before.
    fn offer_sample(&mut self, node: usize) -> bool {
        let sample = self.reports.source.sample(node);
        let Channel { number, encoder, .. } = &mut self.channels[node];
        let (bytes, changed, mut is_keyframe) = (self.outgoing.len(), encoder.changed(), false);
        let taken = self.outgoing.offer(*number, || {
            let packed = encoder.encode(sample, false);
            is_keyframe = packed.keyframe.is_some();
            packed
        });
        if let Some(tally) = self.reports.tally.filter(|_| taken) {
            tally.sent(sample, self.outgoing.len() - bytes, (!is_keyframe).then(|| encoder.changed() - changed));
        }
        taken
    }

    /// The inventory when it is due, and events that were not sent on this link. False when the link is full.
    fn say_what_is_kept(&mut self, node: usize, now: Time) -> Result<bool, Error> {
        let (instant, revision) = (Instant::now(), self.reports.source.revision(node));
        if self.channels[node].revision != Some(revision) || instant >= self.channels[node].inventory_due {
            let mut inventory = self.reports.source.inventory(node, now);
            inventory.notes.extend(self.reports.debts[node].notes());
            if !self.put(node, Message::from(inventory))? {
                return Ok(false);
            }
            self.channels[node].revision = Some(revision);
            let channel = &mut self.channels[node];
            channel.inventory_due = next(instant, INVENTORY_EVERY, &mut channel.inventory_early);
        }
        if instant >= self.channels[node].resend_due {
            self.channels[node].events_sent = 0;
        }
        while let Some(event) = self.reports.debts[node].pending.get(self.channels[node].events_sent) {
            let event = event.clone();
            if !self.put(node, Message::Event(event))? {
                return Ok(false);
            }
            if self.channels[node].events_sent == 0 {
                self.channels[node].resend_due = instant + RESEND_AFTER;
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
