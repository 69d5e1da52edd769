//! An agent's session against a hub that a test plays, on paused time: what it says again, and how it ends.

use std::{cell::RefCell, time::Duration};

use futures_util::StreamExt as _;
use supertop::{
    agent::session::{self, Pace},
    link::{DialError, Incoming, Outgoing, Stream, memory_of},
    wire::{Codec, Frame, Hello, Message, Role},
};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, spawn_local},
    time::{Instant, sleep, timeout},
};

use crate::memory::{Node, clock, on_paused_time, soon};

/// A running session, and the streams that it dials.
struct Scene {
    dialled: mpsc::UnboundedReceiver<Stream>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Scene {
    fn new(node: &Node) -> Scene {
        Scene::narrow(node, 64 * 1024)
    }

    /// Over links that hold so many bytes which were not read.
    fn narrow(node: &Node, bytes: usize) -> Scene {
        let (far, dialled) = mpsc::unbounded_channel();
        let dial = async move || {
            let (near, other) = memory_of(bytes);
            far.send(other).expect("the test goes on");
            Ok(near)
        };
        Scene::with(node, dial, dialled)
    }

    fn with(
        node: &Node,
        dial: impl AsyncFn() -> Result<Stream, DialError> + 'static,
        dialled: mpsc::UnboundedReceiver<Stream>,
    ) -> Scene {
        let (stop, stopped) = watch::channel(false);
        let mut node = node.clone();
        let clock = clock();
        let task = spawn_local(async move {
            let pace = Pace::new(&clock, stopped);
            session::keep(&mut node, dial, pace).await;
        });
        Scene { dialled, stop, task }
    }

    /// Takes the next link, and answers its Hello.
    async fn hub(&mut self) -> (Incoming, Outgoing) {
        let (mut incoming, mut outgoing) = soon(self.dialled.recv()).await.expect("it dials").split(Codec::new());
        let first = soon(incoming.next()).await.unwrap().unwrap();
        assert!(matches!(first.message, Message::Hello(hello) if hello.role == Role::Agent));
        outgoing.send(Frame::of(Message::from(Hello::of(Role::Hub, "head")))).await.unwrap();
        (incoming, outgoing)
    }

    /// Stops it, and says how long it took.
    async fn stopped_within(self) -> Duration {
        let before = Instant::now();
        self.stop.send_replace(true);
        soon(self.task).await.unwrap();
        before.elapsed()
    }
}

/// The ids of the events that come within `time`.
async fn events(incoming: &mut Incoming, time: Duration) -> Vec<String> {
    let ids = RefCell::new(Vec::new());
    let listen = async {
        while let Some(frame) = incoming.next().await {
            if let Message::Event(event) = frame.unwrap().message {
                ids.borrow_mut().push(event.id);
            }
        }
    };
    let _ = timeout(time, listen).await;
    ids.into_inner()
}

#[test]
fn events_are_sent_again_until_they_are_acknowledged() {
    on_paused_time(async {
        let node = Node::new("gpu001");
        let mut scene = Scene::new(&node);
        let (mut incoming, outgoing) = scene.hub().await;
        node.happens("a");
        node.happens("b");
        assert_eq!(events(&mut incoming, Duration::from_secs(10)).await, ["a", "b"], "once at first");
        assert_eq!(events(&mut incoming, Duration::from_secs(30)).await, ["a", "b"], "again on the same link");
        drop((incoming, outgoing));
        let (mut incoming, mut outgoing) = scene.hub().await;
        assert_eq!(events(&mut incoming, Duration::from_secs(10)).await, ["a", "b"], "and on the next");
        outgoing.send(Frame { channel: 1, message: Message::Ack(vec!["a".into()]) }).await.unwrap();
        node.happens("c");
        assert_eq!(events(&mut incoming, Duration::from_secs(10)).await, ["c"]);
        assert_eq!(events(&mut incoming, Duration::from_secs(30)).await, ["b", "c"]);
        let rest = vec!["b".into(), "c".into(), "never sent".into()];
        outgoing.send(Frame { channel: 1, message: Message::Ack(rest) }).await.unwrap();
        assert_eq!(events(&mut incoming, Duration::from_mins(5)).await, [""; 0], "what is acknowledged is done");
        drop((incoming, outgoing));
        let (mut incoming, _outgoing) = scene.hub().await;
        assert_eq!(events(&mut incoming, Duration::from_secs(10)).await, [""; 0]);
    });
}

#[test]
fn a_stop_is_heard_whatever_the_session_waits_for() {
    on_paused_time(async {
        let node = Node::new("gpu001");
        let (_, nobody) = mpsc::unbounded_channel();
        let scene = Scene::with(&node, async || std::future::pending().await, nobody);
        sleep(Duration::from_secs(3)).await;
        assert_eq!(scene.stopped_within().await, Duration::ZERO, "while it dials");

        let mut scene = Scene::new(&node);
        let _silent = soon(scene.dialled.recv()).await.unwrap();
        sleep(Duration::from_secs(3)).await;
        assert_eq!(scene.stopped_within().await, Duration::ZERO, "while the hub owes its Hello");

        let mut scene = Scene::narrow(&node, 1024);
        let _deaf = scene.hub().await;
        sleep(Duration::from_secs(3)).await;
        assert!(scene.stopped_within().await <= Duration::from_secs(1), "while the hub reads nothing");

        let mut scene = Scene::new(&node);
        let (mut incoming, outgoing) = scene.hub().await;
        sleep(Duration::from_secs(3)).await;
        // A hub that has heard a goodbye leaves, too.
        let until_bye = async {
            while !matches!(incoming.next().await.unwrap().unwrap().message, Message::Bye) {}
            drop((incoming, outgoing));
        };
        let (took, ()) = tokio::join!(scene.stopped_within(), until_bye);
        assert_eq!(took, Duration::ZERO, "while all is well");
    });
}

#[test]
fn nobody_left_to_stop_it_is_no_order_to_stop() {
    on_paused_time(async {
        let node = Node::new("gpu001");
        let mut scene = Scene::new(&node);
        let (mut incoming, _outgoing) = scene.hub().await;
        drop(scene.stop);
        node.happens("a");
        let before = node.looks.get();
        assert_eq!(events(&mut incoming, Duration::from_secs(10)).await, ["a"]);
        assert!((9..=12).contains(&(node.looks.get() - before)), "it looks once per second, as before");
    });
}

#[test]
fn a_node_is_watched_while_there_is_no_hub() {
    on_paused_time(async {
        let node = Node::new("gpu001");
        let (_, nobody) = mpsc::unbounded_channel();
        let scene = Scene::with(&node, async || std::future::pending().await, nobody);
        sleep(Duration::from_secs(10)).await;
        assert!((9..=11).contains(&node.looks.get()), "{} looks", node.looks.get());
        scene.stopped_within().await;
    });
}

#[test]
fn samples_that_a_slow_hub_cost_are_counted_and_said() {
    on_paused_time(async {
        let node = Node::new("gpu001");
        let mut scene = Scene::narrow(&node, 256);
        let (mut incoming, _outgoing) = scene.hub().await;
        sleep(Duration::from_secs(28)).await;
        let notes = async {
            loop {
                if let Message::Inventory(inventory) = incoming.next().await.unwrap().unwrap().message
                    && let Some(note) = inventory.notes.into_iter().find(|note| note.contains("skipped"))
                {
                    return note;
                }
            }
        };
        let note = timeout(Duration::from_mins(3), notes).await.expect("the note comes with the next inventory");
        let count: u64 = note.split(' ').next().and_then(|n| n.parse().ok()).expect("a count");
        assert!((15..=29).contains(&count), "{note}");
    });
}

#[test]
fn a_hub_that_reads_nothing_for_long_is_dialled_anew() {
    on_paused_time(async {
        let node = Node::new("gpu001");
        let mut scene = Scene::narrow(&node, 1024);
        let (_deaf, _outgoing) = scene.hub().await;
        let began = Instant::now();
        let again = timeout(Duration::from_mins(1), scene.dialled.recv()).await.expect("it dials again");
        assert!(again.is_some() && began.elapsed() > Duration::from_secs(29), "{:?}", began.elapsed());
    });
}
