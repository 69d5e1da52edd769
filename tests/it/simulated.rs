//! A cluster over streams in memory, on paused time: partitions, slow and bad peers, restarts, clocks that differ.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use supertop::{
    agent::{Source as _, simulated::Simulated},
    client::Client,
    collect::sim::{Ailment, FIRST, Fault, Faults, Plan, Sim, Subject},
    hub::Settings,
    link::{Incoming, Outgoing, Stream, memory_of},
    model::{
        report::Introduction,
        table::{Cell, Table},
        time::Time,
    },
    wire::{Ask, Codec, Frame, Hello, Message, Role, VERSION, sample::Encoder},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, sleep, timeout},
};

use crate::memory::{Cable, Cluster, Node, START, ask, event, number, on_paused_time, soon};

/// Says Hello, and hears the hub's.
async fn greet(stream: Stream, hello: Hello) -> (Incoming, Outgoing) {
    let (mut incoming, mut outgoing) = stream.split(Codec::viewer());
    outgoing.send(Frame { channel: 1, message: Message::from(hello) }).await.unwrap();
    let reply = soon(incoming.next()).await.unwrap().unwrap();
    assert!(matches!(reply.message, Message::Hello(hub) if hub.role == Role::Hub));
    (incoming, outgoing)
}

fn all_up(nodes: u64) -> impl Fn(&Table) -> bool {
    move |table| table.total == nodes && table.stale == 0
}

fn is(state: &str) -> impl Fn(&Table) -> bool {
    let state = state.to_owned();
    move |table| table.rows.iter().all(|row| row.state.word() == state) && table.total > 0
}

#[test]
fn a_partition_ages_its_nodes_and_loses_no_event() {
    on_paused_time(async {
        let cluster = Cluster::start();
        let (near, far) = (Node::new("gpu001"), Node::new("gpu002"));
        let (_near, behind) = (cluster.agent(&near), cluster.agent(&far));
        cluster.until("nodes", all_up(2)).await;
        behind.cable.send_replace(Cable::Silent);
        far.happens("boot-1/1");
        sleep(Duration::from_secs(4)).await;
        assert!(is("stale")(&cluster.ask("nodes where node = gpu002").await), "though nobody closed its link");
        assert!(is("up")(&cluster.ask("nodes where node = gpu001").await));
        assert_eq!(cluster.ask("events").await.total, 0);
        sleep(Duration::from_mins(1)).await;
        behind.cable.send_replace(Cable::Cut);
        let both = cluster.until("nodes", |table| table.stale == 1).await;
        assert_eq!((both.total, both.census.down), (2, 1), "it keeps its place");
        far.happens("boot-1/2");
        sleep(Duration::from_secs(20)).await;
        behind.cable.send_replace(Cable::Whole);
        cluster.until("nodes", all_up(2)).await;
        cluster.until("events where node = gpu002", |table| table.total == 2).await;
        sleep(Duration::from_mins(2)).await;
        assert_eq!(cluster.ask("events").await.total, 2, "each once");
    });
}

#[test]
fn a_hung_node_is_stale_and_then_down_though_connected() {
    on_paused_time(async {
        let cluster = Cluster::start();
        let node = Node::new("gpu001");
        let _agent = cluster.agent(&node);
        cluster.until("gpus", all_up(1)).await;
        node.hangs.set(true);
        sleep(Duration::from_secs(5)).await;
        let stale = cluster.ask("gpus show gpu.util").await;
        assert!(is("stale")(&stale));
        assert_eq!(number(&stale, "gpu.util"), None, "nobody knows it any more");
        sleep(Duration::from_mins(1)).await;
        assert!(is("down")(&cluster.ask("gpus").await));
        node.hangs.set(false);
        cluster.until("gpus", all_up(1)).await;
    });
}

#[test]
fn a_viewer_that_never_reads_holds_up_nobody_and_is_read_no_further() {
    on_paused_time(async {
        let cluster = Cluster::start();
        let _agents = (1..=8).map(|n| cluster.agent(&Node::new(&format!("gpu{n:03}")))).collect::<Vec<_>>();
        cluster.until("nodes", all_up(8)).await;
        let (near, far) = memory_of(4096);
        cluster.let_in(far);
        let (_unread, mut outgoing) = greet(near, Hello::of(Role::Viewer, "")).await;
        let mut asked = 0;
        let ask_on = async {
            loop {
                let ask = Ask { slot: asked, query: "gpus show *".into() };
                outgoing.send(Frame::of(Message::Ask(ask))).await.unwrap();
                asked += 1;
            }
        };
        let _ = timeout(Duration::from_secs(10), ask_on).await;
        // What is in the pipe and in the reader's buffer, at 20 bytes each, and no more.
        assert!((2..400).contains(&asked), "{asked} questions were taken from it");
        let mut other = Client::attach(cluster.dial()).await.unwrap();
        let before = Instant::now();
        for _ in 0..100 {
            assert!(all_up(8)(&ask(&mut other, "nodes").await));
        }
        assert_eq!(before.elapsed(), Duration::ZERO, "no answer had to wait");
    });
}

#[test]
fn an_agent_with_much_to_tell_makes_no_other_wait() {
    const MANY: u32 = 5000;
    on_paused_time(async {
        let cluster = Cluster::start();
        let (near, far) = memory_of(1 << 20);
        cluster.let_in(far);
        let (_incoming, mut outgoing) = greet(near, hello("gpu001", 0)).await;
        let mut viewer = Client::attach(cluster.dial()).await.unwrap();
        let mut node = Node::new("gpu001");
        let mut say = |message| outgoing.put(Frame { channel: 1, message }).unwrap();
        say(Message::from(node.inventory(0, START)));
        let mut encoder = Encoder::new();
        for _ in 0..MANY {
            say(Message::Sample(encoder.encode(node.sample(0), false)));
        }
        outgoing.flush().await.unwrap();
        let _other = cluster.agent(&Node::new("gpu002"));
        while number(&ask(&mut viewer, "nodes where node = gpu002 show samples").await, "node.samples") != Some(1.0) {}
        let query = "nodes where node = gpu001 show samples";
        let taken = number(&ask(&mut viewer, query).await, "node.samples").unwrap();
        assert!((1.0..f64::from(MANY) / 2.0).contains(&taken), "{taken} samples of another were taken first");
        cluster.until(query, |table| number(table, "node.samples") == Some(f64::from(MANY))).await;
    });
}

#[test]
fn a_bad_peer_harms_itself_only_and_is_counted() {
    on_paused_time(async {
        let cluster = Cluster::start();
        let _agent = cluster.agent(&Node::new("gpu001"));
        cluster.until("nodes", all_up(1)).await;
        let torn = [&[0, 0, 1, 0][..], &[7; 100]].concat();
        let bad = [
            (&b"GET / HTTP/1.1\r\nHost: head\r\n\r\n"[..], "peer speaks HTTP"),
            (&[0xff; 512], "not a supertop frame"),
            (&[0, 0x20, 0, 0, 1, 2, 3, 4], "oversized frame"),
            (&[0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff], "bad message"),
            (&torn, "torn frame"),
            (&[0, 0, 0, 0], "said nothing"),
        ];
        for (bytes, reason) in bad {
            let mut peer = cluster.dial();
            peer.write_all(bytes).await.unwrap();
            if reason == "torn frame" {
                peer.shutdown().await.unwrap();
            }
            let mut rest = Vec::new();
            soon(peer.read_to_end(&mut rest)).await.unwrap();
            assert_eq!(cluster.drops(reason).await, 1, "{reason}");
        }
        let known = cluster.dial();
        let (mut incoming, mut outgoing) = greet(known, hello("gpu009", 0)).await;
        outgoing.send(Frame { channel: 7, message: Message::Event(event("1")) }).await.unwrap();
        let last = soon(incoming.next()).await.unwrap().unwrap().message;
        assert!(matches!(&last, Message::Refuse(why) if why.contains("before its Hello")), "{last:?}");
        assert!(soon(incoming.next()).await.is_none());
        assert!(is("up")(&cluster.ask("nodes where node = gpu001").await));
    });
}

fn hello(node: &str, started_ms: i64) -> Hello {
    Hello::agent(Introduction {
        node: node.into(),
        boot_id: "boot-1".into(),
        agent: "0.1.0".into(),
        started: Time::from_millis(started_ms),
        interval_ms: 1000,
    })
}

#[test]
fn another_protocol_version_is_refused_in_words() {
    on_paused_time(async {
        let cluster = Cluster::start();
        let (mut incoming, mut outgoing) = cluster.dial().split(Codec::new());
        let old = Hello { version: VERSION + 1, ..hello("gpu001", 0) };
        outgoing.send(Frame { channel: 1, message: Message::from(old) }).await.unwrap();
        let reply = soon(incoming.next()).await.unwrap().unwrap().message;
        assert!(matches!(&reply, Message::Refuse(why) if why.contains("upgrade")), "{reply:?}");
        assert!(soon(incoming.next()).await.is_none(), "and closed");
        assert_eq!(cluster.drops("other protocol version").await, 1);
        assert_eq!(cluster.ask("nodes").await.total, 0);
    });
}

#[test]
fn an_agent_that_never_reads_is_closed() {
    on_paused_time(async {
        let cluster = Cluster::start();
        let _agent = cluster.agent(&Node::new("gpu001"));
        let (near, far) = memory_of(4096);
        cluster.let_in(far);
        let (_unread, mut outgoing) = greet(near, hello("gpu002", 0)).await;
        let long = "x".repeat(200);
        let mut sent = 0;
        let reason = loop {
            let event = event(&format!("{long}/{sent}"));
            match outgoing.send(Frame { channel: 1, message: Message::Event(event) }).await {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 20_000, "what waits for it has a limit");
        };
        assert_eq!(cluster.drops("an agent that does not read").await, 1, "{reason}");
        cluster.until("nodes where node = gpu001", all_up(1)).await;
    });
}

#[test]
fn a_restarted_hub_misses_its_nodes_until_they_are_back() {
    on_paused_time(async {
        let dir = tempfile::tempdir().unwrap();
        let settings = || Settings { state: Some(dir.path().into()), ..Settings::default() };
        let cluster = Cluster::with(settings());
        let nodes = ["gpu001", "gpu002"].map(Node::new);
        let agents = nodes.each_ref().map(|node| cluster.agent(node));
        cluster.until("gpus", all_up(2)).await;
        nodes[1].happens("boot-1/7");
        cluster.until("events", |table| table.total == 1).await;
        for agent in &agents {
            agent.cable.send_replace(Cable::Cut);
        }
        let cluster = cluster.restart(settings()).await;
        let missing = cluster.ask("gpus").await;
        assert_eq!((missing.total, missing.census.missing, missing.census.gpus), (2, 2, 2));
        assert!(is("missing")(&missing));
        assert_eq!(cluster.ask("events where node = gpu002").await.total, 1, "what happened is remembered");
        agents[0].cable.send_replace(Cable::Whole);
        let one = cluster.until("gpus", |table| table.stale == 1).await;
        assert_eq!(one.census.missing, 1);
        agents[1].cable.send_replace(Cable::Whole);
        cluster.until("gpus", all_up(2)).await;
    });
}

#[test]
fn a_killed_hub_loses_no_node_that_it_had_for_a_while() {
    on_paused_time(async {
        let dir = tempfile::tempdir().unwrap();
        let settings = || Settings { state: Some(dir.path().into()), ..Settings::default() };
        let cluster = Cluster::with(settings());
        let _agent = cluster.agent(&Node::new("gpu001"));
        cluster.until("nodes", all_up(1)).await;
        let path = dir.path().join("roster.jsonl");
        let written = async {
            while !std::fs::read_to_string(&path).unwrap().contains("GPU-gpu001") {
                sleep(Duration::from_secs(1)).await;
            }
        };
        soon(written).await;
    });
}

#[test]
fn a_clock_that_is_off_is_measured_and_believed_for_nothing() {
    on_paused_time(async {
        let cluster = Cluster::start();
        for (name, skew_ms) in [("gpu001", 90_000), ("gpu002", -3_600_000)] {
            let _agent = cluster.agent_off_by(&Node::new(name), skew_ms);
            let query = format!("nodes where node = {name} show node.clock.skew,node.age");
            let table = cluster.until(&query, all_up(1)).await;
            let (skew, age) = (number(&table, "node.clock.skew").unwrap(), number(&table, "node.age").unwrap());
            assert!((skew - skew_ms as f64 / 1000.0).abs() < 0.05, "{skew}");
            assert!((0.0..1.5).contains(&age), "{age}");
        }
    });
}

#[test]
fn the_newest_agent_of_a_name_wins_and_the_older_takes_over_again() {
    on_paused_time(async {
        let cluster = Cluster::start();
        let older = Node::new("gpu001").busy(10.0);
        let mut newer = Node::new("gpu001").busy(90.0);
        newer.introduction.boot_id = "boot-2".into();
        let util = |util: f64| move |table: &Table| table.total == 1 && number(table, "gpu.util") == Some(util);
        let _older = cluster.agent(&older);
        cluster.until("gpus show gpu.util", util(10.0)).await;
        let newest = cluster.agent(&newer);
        cluster.until("gpus show gpu.util", util(90.0)).await;
        for _ in 0..50 {
            sleep(Duration::from_millis(100)).await;
            assert!(util(90.0)(&cluster.ask("gpus show gpu.util").await), "the older is not heard");
        }
        assert!(cluster.drops("report of a replaced agent").await >= 5, "and that is counted");
        newest.stop().await;
        cluster.until("gpus show gpu.util", util(10.0)).await;
    });
}

#[test]
fn an_event_is_one_event_over_an_agent_s_restart() {
    on_paused_time(async {
        let cluster = Cluster::start();
        let node = Node::new("gpu001");
        node.happens("boot-1/kmsg/17");
        let agent = cluster.agent(&node);
        cluster.until("events", |table| table.total == 1).await;
        agent.stop().await;
        let mut again = node.clone();
        again.introduction.started = again.introduction.started + Duration::from_mins(1);
        again.happens("boot-1/kmsg/17");
        again.happens("boot-1/kmsg/18");
        let _agent = cluster.agent(&again);
        cluster.until("events", |table| table.total == 2).await;
        sleep(Duration::from_mins(2)).await;
        assert_eq!(cluster.ask("events").await.total, 2);
    });
}

#[test]
fn a_node_that_starts_anew_says_who_it_is_on_the_link_that_it_shares() {
    on_paused_time(async {
        let cluster = Cluster::start();
        let fault = Fault { ailment: Ailment::Reboot, subject: Subject::Node(1), at: FIRST };
        let plan = Plan { nodes: 4, gpus: 1, start: START, faults: Faults::Given(vec![fault]), ..Plan::default() };
        let source = Simulated::spread(&Arc::new(Sim::new(plan)), 1).remove(0);
        let _agent = cluster.reports(source, 0);
        cluster.until("nodes", all_up(4)).await;
        cluster.until("nodes where state = down", |table| table.total == 1).await;
        let back = cluster.until("nodes where reboots > 0 show node,uptime", all_up(1)).await;
        assert_eq!(back.cell(0, "node"), Some(&Cell::Text("gpu002".into())));
        assert!(number(&back, "node.uptime").is_some_and(|seconds| seconds < 30.0), "{back:?}");
        cluster.until("nodes", all_up(4)).await;
        assert_eq!(cluster.drops("sample before its keyframe").await, 0);
    });
}
