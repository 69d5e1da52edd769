//! Keeps questions fresh: asks each as often as it wants, never twice before it is answered, and dials again when
//! the hub is lost. What a slow hub or a slow screen cannot keep up with is asked less often; nothing piles up.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, btree_map::Entry, hash_map::RandomState},
    future::Future,
    hash::BuildHasher,
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{ANSWER_WITHIN, Client, ClientError, hear};
use crate::{
    link::{Backoff, DialError, Stream},
    model::{
        incident::Remark,
        question::{Link, News, Question, Reply},
    },
    wire::{Ask, Frame, Message, Say},
};

/// The slot of remarks. Questions have others: those of screens count from 0.
const SAID: u32 = u32::MAX;

/// Asks `questions` of the hub that `dial` reaches, and sends what comes back to `news`, along with every change of
/// the link. A changed set is asked at once. What is said of incidents goes to the hub as it comes. A hub that is lost is dialled again for ever. Ends when nobody reads
/// `news` any more.
pub async fn keep<F, D>(
    dial: F,
    mut questions: watch::Receiver<Vec<Question>>,
    mut remarks: mpsc::UnboundedReceiver<Remark>,
    news: mpsc::Sender<News>,
) where
    F: Fn() -> D,
    D: Future<Output = Result<Stream, DialError>>,
{
    let mut teller = Teller { news: news.clone(), said: None };
    let mut backoff = Backoff::new(RandomState::new().hash_one(()));
    let watching = async {
        teller.say(Link::Connecting).await?;
        loop {
            let lost = match attach(&dial).await {
                Err(error) => error,
                Ok(client) => {
                    teller.say(Link::Up).await?;
                    let since = Instant::now();
                    let end = Session::new(client).run(&mut questions, &mut remarks, &teller.news).await;
                    // A hub that takes viewers in and loses them at once is not dialled without pause.
                    if since.elapsed() >= Backoff::LONGEST {
                        backoff.reset();
                    }
                    match end {
                        End::NobodyListens => return None::<()>,
                        End::Lost(error) => error,
                    }
                }
            };
            teller.say(Link::Lost(lost.to_string())).await?;
            sleep(backoff.wait()).await;
        }
    };
    tokio::select! {
        _ = watching => {}
        () = news.closed() => {}
    }
}

async fn attach<D>(dial: impl Fn() -> D) -> Result<Client, ClientError>
where
    D: Future<Output = Result<Stream, DialError>>,
{
    Client::attach(dial().await?).await
}

/// Says how the link is, once per change.
struct Teller {
    news: mpsc::Sender<News>,
    said: Option<Link>,
}

impl Teller {
    /// Nothing when nobody listens any more.
    async fn say(&mut self, link: Link) -> Option<()> {
        if self.said.as_ref() != Some(&link) {
            self.said = Some(link.clone());
            self.news.send(News::Link(link)).await.ok()?;
        }
        Some(())
    }
}

/// Why a session ended.
enum End {
    NobodyListens,
    Lost(ClientError),
}

impl<E: Into<ClientError>> From<E> for End {
    fn from(error: E) -> Self {
        End::Lost(error.into())
    }
}

/// The questions of one connection.
struct Session {
    client: Client,
    slots: BTreeMap<u32, Slot>,
}

/// One question, and where it stands.
struct Slot {
    /// What is wanted; nothing once it has left the set.
    wanted: Option<Question>,
    /// When to ask it next; nothing for one that is asked once and was.
    due: Option<Instant>,
    /// What was asked and is not answered, and when.
    asked: Option<(String, Instant)>,
}

impl Session {
    fn new(client: Client) -> Session {
        Session { client, slots: BTreeMap::new() }
    }

    async fn run(
        mut self,
        questions: &mut watch::Receiver<Vec<Question>>,
        remarks: &mut mpsc::UnboundedReceiver<Remark>,
        news: &mpsc::Sender<News>,
    ) -> End {
        match self.turn(questions, remarks, news).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn turn(
        &mut self,
        questions: &mut watch::Receiver<Vec<Question>>,
        remarks: &mut mpsc::UnboundedReceiver<Remark>,
        news: &mpsc::Sender<News>,
    ) -> Result<std::convert::Infallible, End> {
        let mut is_changing = true;
        let mut is_talking = true;
        self.want(&questions.borrow_and_update());
        loop {
            self.ask_what_is_due(news).await?;
            let Session { client, slots } = self;
            let next = slots.values().filter_map(Slot::next).min();
            tokio::select! {
                // First what has come: after a pause, as of a viewer that was stopped, an answer may be late only here.
                biased;
                message = hear(&mut client.incoming) => {
                    match message? {
                        Message::Answer(reply) if reply.slot == SAID => {
                            let said = News::Said(reply.answer.map(drop));
                            news.send(said).await.map_err(|_| End::NobodyListens)?;
                        }
                        Message::Answer(reply) => {
                            if let Some(reply) = self.answered(*reply) {
                                send(news, reply).await?;
                            }
                        }
                        _ => {}
                    }
                }
                remark = remarks.recv(), if is_talking => match remark {
                    Some(remark) => {
                        let say = Say { slot: SAID, remark };
                        client.outgoing.put(Frame::of(Message::Say(Box::new(say))))?;
                    }
                    None => is_talking = false,
                },
                changed = questions.changed(), if is_changing => match changed {
                    Ok(()) => self.want(&questions.borrow_and_update()),
                    // The set stays as it is for as long as somebody reads.
                    Err(_) => is_changing = false,
                },
                flushed = client.outgoing.flush(), if !client.outgoing.is_empty() => flushed?,
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => self.check_answers()?,
            }
        }
    }

    /// Takes over a set of questions: what is new or reads otherwise is due now.
    fn want(&mut self, questions: &[Question]) {
        self.slots.values_mut().for_each(|slot| slot.wanted = slot.wanted.take().filter(|old| questions.contains(old)));
        for question in questions {
            let wanted = Some(question.clone());
            match self.slots.entry(question.slot) {
                Entry::Occupied(mut slot) if slot.get().wanted != wanted => {
                    slot.get_mut().wanted = wanted;
                    slot.get_mut().due = Some(Instant::now());
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(slot) => {
                    slot.insert(Slot { wanted, due: Some(Instant::now()), asked: None });
                }
            }
        }
        self.slots.retain(|_, slot| slot.wanted.is_some() || slot.asked.is_some());
    }

    /// Puts the questions whose time has come.
    async fn ask_what_is_due(&mut self, news: &mpsc::Sender<News>) -> Result<(), End> {
        let now = Instant::now();
        for (number, slot) in &mut self.slots {
            if slot.asked.is_some() || slot.due.is_none_or(|due| due > now) {
                continue;
            }
            let Some(question) = &slot.wanted else { continue };
            slot.due = (!question.every.is_zero()).then(|| now + question.every);
            let ask = Ask { slot: *number, query: question.query.clone() };
            if let Some(complaint) = ask.complaint() {
                slot.due = None;
                send(news, Reply { slot: *number, query: ask.query, answer: Err(complaint) }).await?;
                continue;
            }
            slot.asked = Some((ask.query.clone(), now));
            self.client.outgoing.put(Frame::of(Message::Ask(ask)))?;
        }
        Ok(())
    }

    /// Fails when a question has waited for its answer for too long.
    fn check_answers(&self) -> Result<(), End> {
        let is_late = |slot: &Slot| slot.asked.as_ref().is_some_and(|(_, since)| since.elapsed() >= ANSWER_WITHIN);
        if self.slots.values().any(is_late) { Err(End::Lost(ClientError::Silent(ANSWER_WITHIN))) } else { Ok(()) }
    }

    /// Notes that a slot was answered, and returns the reply if its question is still wanted.
    fn answered(&mut self, reply: Reply) -> Option<Reply> {
        let slot = self.slots.get_mut(&reply.slot)?;
        let (query, _) = slot.asked.take()?;
        let is_wanted = slot.wanted.as_ref().is_some_and(|question| question.query == query);
        if slot.wanted.is_none() {
            self.slots.remove(&reply.slot);
        }
        is_wanted.then_some(reply)
    }
}

async fn send(news: &mpsc::Sender<News>, reply: Reply) -> Result<(), End> {
    news.send(News::Reply(Box::new(reply))).await.map_err(|_| End::NobodyListens)
}

impl Slot {
    /// When something is to be done about it.
    fn next(&self) -> Option<Instant> {
        match &self.asked {
            Some((_, since)) => Some(*since + ANSWER_WITHIN),
            None => self.due,
        }
    }
}
