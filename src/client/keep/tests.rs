//! Questions kept fresh over memory streams, with paused time: slow, hung, lost and refusing hubs, slow screens.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    task::JoinHandle,
    time::{advance, timeout},
};

use super::*;
use crate::{
    client::HELLO_WITHIN,
    link::{Incoming, Outgoing, memory},
    model::question::Complaint,
    wire::{Codec, Hello, Role},
};

/// A viewer's task, what it says, and the far ends of the streams that it dials.
struct Scene {
    questions: watch::Sender<Vec<Question>>,
    news: mpsc::Receiver<News>,
    dialled: UnboundedReceiver<Stream>,
    task: JoinHandle<()>,
}

impl Scene {
    fn new(questions: Vec<Question>) -> Scene {
        let (questions, asked) = watch::channel(questions);
        let (told, news) = mpsc::channel(4);
        let (far, dialled) = mpsc::unbounded_channel();
        let dial = move || {
            let (near, other) = memory();
            let sent = far.send(other);
            async move { sent.map(|()| near).map_err(|_| DialError::NotThere("/hub.sock".into())) }
        };
        Scene { questions, news, dialled, task: tokio::spawn(keep(dial, asked, mpsc::unbounded_channel().1, told)) }
    }

    async fn hub(&mut self) -> Hub {
        Hub::greet(soon(self.dialled.recv()).await.expect("it dials"), Hello::of(Role::Hub, "head")).await
    }

    async fn link(&mut self) -> Link {
        match soon(self.news.recv()).await {
            Some(News::Link(link)) => link,
            other => panic!("not about the link: {other:?}"),
        }
    }

    async fn reply(&mut self) -> Reply {
        match soon(self.news.recv()).await {
            Some(News::Reply(reply)) => *reply,
            other => panic!("not a reply: {other:?}"),
        }
    }
}

/// The other end.
struct Hub {
    incoming: Incoming,
    outgoing: Outgoing,
}

impl Hub {
    async fn greet(stream: Stream, hello: Hello) -> Hub {
        let (mut incoming, mut outgoing) = stream.split(Codec::new());
        let first = soon(incoming.next()).await.unwrap().unwrap().message;
        assert!(matches!(first, Message::Hello(hello) if hello.role == Role::Viewer));
        outgoing.send(Frame::of(Message::from(hello))).await.unwrap();
        Hub { incoming, outgoing }
    }

    async fn asked(&mut self) -> Ask {
        match soon(self.incoming.next()).await.unwrap().unwrap().message {
            Message::Ask(ask) => ask,
            other => panic!("not a question: {other:?}"),
        }
    }

    /// Whether nothing is asked for so long.
    async fn is_left_alone(&mut self, time: Duration) -> bool {
        timeout(time, self.incoming.next()).await.is_err()
    }

    async fn answer(&mut self, ask: &Ask) {
        let answer = Err(Complaint { message: "as you asked".into(), ..Complaint::default() });
        let reply = Reply { slot: ask.slot, query: ask.query.clone(), answer };
        self.outgoing.send(Frame::of(Message::from(reply))).await.unwrap();
    }
}

/// What never comes fails the test instead of hanging it; time is paused, so nobody waits.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_mins(1), future).await.expect("comes soon")
}

fn question(slot: u32, query: &str, every: u64) -> Question {
    Question { slot, query: query.into(), every: Duration::from_secs(every) }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_question_is_asked_again_and_again_and_one_of_no_interval_once() {
    let mut scene = Scene::new(vec![question(1, "nodes", 2), question(2, "metrics", 0)]);
    let mut hub = scene.hub().await;
    assert_eq!((scene.link().await, scene.link().await), (Link::Connecting, Link::Up));
    let begin = Instant::now();
    for slot in 1..=2 {
        let ask = hub.asked().await;
        assert_eq!(ask.slot, slot);
        hub.answer(&ask).await;
        assert_eq!(scene.reply().await.query, ask.query);
    }
    for round in 1..=3 {
        let ask = hub.asked().await;
        assert_eq!((ask.slot, ask.query.as_str()), (1, "nodes"));
        assert_eq!(begin.elapsed().as_secs(), 2 * round);
        hub.answer(&ask).await;
        scene.reply().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_hub_is_never_asked_the_same_slot_twice() {
    let mut scene = Scene::new(vec![question(1, "nodes", 1)]);
    let mut hub = scene.hub().await;
    let ask = hub.asked().await;
    assert!(hub.is_left_alone(SECOND * 10).await);
    hub.answer(&ask).await;
    let again = hub.asked().now_or_never();
    assert!(again.is_none(), "the answer is on its way");
    assert_eq!((scene.link().await, scene.link().await), (Link::Connecting, Link::Up));
    scene.reply().await;
    let late = Instant::now();
    hub.asked().await;
    assert!(late.elapsed() < SECOND, "what is overdue is asked at once");
    assert!(hub.is_left_alone(SECOND * 10).await, "and not once for every interval that was missed");
}

#[tokio::test(start_paused = true)]
async fn a_changed_set_is_asked_at_once_and_old_answers_are_left_out() {
    let mut scene = Scene::new(vec![question(1, "nodes", 10), question(2, "gpus", 10)]);
    let mut hub = scene.hub().await;
    assert_eq!((scene.link().await, scene.link().await), (Link::Connecting, Link::Up));
    let (nodes, gpus) = (hub.asked().await, hub.asked().await);
    hub.answer(&gpus).await;
    scene.reply().await;
    advance(SECOND).await;
    let change = Instant::now();
    scene.questions.send(vec![question(1, "racks", 10), question(2, "gpus limit 5", 10)]).unwrap();
    assert_eq!(hub.asked().await.query, "gpus limit 5");
    assert!(hub.is_left_alone(SECOND).await, "slot 1 has an answer outstanding");
    hub.answer(&nodes).await;
    assert_eq!(hub.asked().await.query, "racks");
    assert_eq!(change.elapsed().as_secs(), 1, "nobody waited for the interval");
    let racks = Ask { slot: 1, query: "racks".into() };
    hub.answer(&racks).await;
    assert_eq!(scene.reply().await.query, "racks", "nobody wants to hear of nodes any more");
}

#[tokio::test(start_paused = true)]
async fn what_left_the_set_is_neither_asked_nor_heard() {
    let mut scene = Scene::new(vec![question(1, "nodes", 1), question(2, "gpus", 1)]);
    let mut hub = scene.hub().await;
    assert_eq!((scene.link().await, scene.link().await), (Link::Connecting, Link::Up));
    let (nodes, gpus) = (hub.asked().await, hub.asked().await);
    scene.questions.send(vec![question(2, "gpus", 1)]).unwrap();
    assert!(hub.is_left_alone(SECOND).await);
    hub.answer(&nodes).await;
    hub.answer(&gpus).await;
    assert_eq!(scene.reply().await.query, "gpus");
    assert_eq!(hub.asked().await.query, "gpus");
}

#[tokio::test(start_paused = true)]
async fn a_slow_screen_asks_less_and_piles_up_nothing() {
    let mut scene = Scene::new(vec![question(1, "nodes", 1)]);
    let mut hub = scene.hub().await;
    let mut answers = 0;
    while let Ok(Some(Ok(Frame { message: Message::Ask(ask), .. }))) = timeout(SECOND * 60, hub.incoming.next()).await {
        hub.answer(&ask).await;
        answers += 1;
        assert!(answers < 20, "the screen reads nothing, so asking must come to an end");
    }
    assert_eq!((scene.link().await, scene.link().await), (Link::Connecting, Link::Up));
    for _ in 0..answers {
        scene.reply().await;
    }
    hub.asked().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_hub_is_dialled_again_and_asked_everything() {
    let mut scene = Scene::new(vec![question(1, "nodes", 0)]);
    let mut hub = scene.hub().await;
    assert_eq!((scene.link().await, scene.link().await), (Link::Connecting, Link::Up));
    let ask = hub.asked().await;
    hub.answer(&ask).await;
    scene.reply().await;
    hub.outgoing.close().await.unwrap();
    drop(hub);
    assert!(matches!(scene.link().await, Link::Lost(why) if why.contains("closed")));
    let mut hub = scene.hub().await;
    assert_eq!(scene.link().await, Link::Up);
    assert_eq!(hub.asked().await.query, "nodes");
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_hangs_is_given_up() {
    let mut scene = Scene::new(vec![question(1, "nodes", 1)]);
    assert_eq!(scene.link().await, Link::Connecting);
    let silent = soon(scene.dialled.recv()).await.unwrap();
    let begin = Instant::now();
    assert!(matches!(scene.link().await, Link::Lost(why) if why.contains("5 s")));
    assert!(begin.elapsed() <= HELLO_WITHIN + SECOND);
    drop(silent);
    let mut hub = scene.hub().await;
    assert_eq!(scene.link().await, Link::Up);
    hub.asked().await;
    let begin = Instant::now();
    assert!(matches!(scene.link().await, Link::Lost(why) if why.contains("30 s")));
    assert!(begin.elapsed() <= ANSWER_WITHIN + SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_and_a_wrong_version_are_told_in_the_hubs_words() {
    let mut scene = Scene::new(Vec::new());
    let stream = soon(scene.dialled.recv()).await.unwrap();
    let (_incoming, mut outgoing) = stream.split(Codec::new());
    outgoing.send(Frame::of(Message::Refuse("not on Sundays".into()))).await.unwrap();
    assert_eq!(scene.link().await, Link::Connecting);
    assert!(matches!(scene.link().await, Link::Lost(why) if why.contains("not on Sundays")));
    let stream = soon(scene.dialled.recv()).await.unwrap();
    Hub::greet(stream, Hello { version: 99, ..Hello::of(Role::Hub, "head") }).await;
    assert!(matches!(scene.link().await, Link::Lost(why) if why.contains("99")));
}

#[tokio::test(start_paused = true)]
async fn a_query_that_no_hub_takes_is_answered_here() {
    let mut scene = Scene::new(vec![question(1, &"x".repeat(100_000), 1), question(2, "nodes", 1)]);
    let mut hub = scene.hub().await;
    assert_eq!(hub.asked().await.slot, 2);
    assert_eq!((scene.link().await, scene.link().await), (Link::Connecting, Link::Up));
    assert!(matches!(scene.reply().await, Reply { slot: 1, answer: Err(_), .. }));
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_when_nobody_listens() {
    for connected in [true, false] {
        let mut scene = Scene::new(vec![question(1, "nodes", 1)]);
        let _hub = if connected { Some(scene.hub().await) } else { None };
        drop(scene.news);
        soon(scene.task).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_asks_once_and_passes_over_what_it_did_not_ask() {
    let (near, far) = memory();
    let (client, mut hub) = tokio::join!(Client::attach(near), Hub::greet(far, Hello::of(Role::Hub, "head")));
    let mut client = client.unwrap();
    assert_eq!(client.hub().introduction.node, "head");
    let serve = async {
        let ask = hub.asked().await;
        hub.answer(&Ask { slot: ask.slot + 7, query: "gpus".into() }).await;
        hub.answer(&ask).await;
    };
    let (reply, ()) = tokio::join!(client.ask("nodes"), serve);
    assert_eq!(reply.unwrap().query, "nodes");
    let lost = tokio::join!(client.ask("nodes"), async { hub.outgoing.close().await.unwrap() }).0;
    assert!(matches!(lost, Err(ClientError::Closed)), "{lost:?}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_no_hub() {
    let (near, far) = memory();
    let agent = Hello::agent(crate::model::report::Introduction { node: "gpu1".into(), ..Default::default() });
    let (client, _) = tokio::join!(Client::attach(near), Hub::greet(far, agent));
    assert!(matches!(client, Err(ClientError::NoHub("agent"))));
}
