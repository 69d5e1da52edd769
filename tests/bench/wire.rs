//! What the codec costs: packing a node's sample, taking packed samples into fleets of 1,000 and of 62,500 nodes, and
//! whole frames of a node with 8 GPUs. `cargo bench --bench wire`

use std::{cell::RefCell, time::Duration};

use bytes::BytesMut;
use divan::{
    Bencher, black_box_drop,
    counter::{BytesCount, ItemsCount},
};
use supertop::{
    collect::sim::{Plan, Sim},
    fleet::{Fleet, Session, Settings},
    model::{report::Sample, time::Time},
    wire::{
        Codec, Encoded, Frame, Hello, Message, Outcome,
        sample::{Decoder, Encoder},
    },
};
use tokio_util::codec::Decoder as _;

/// The program's own: most of what an inventory costs is its lists and texts.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    print_sizes();
    divan::main();
}

/// How a sample is packed.
#[derive(Clone, Copy, Debug)]
enum How {
    Changes,
    Keyframe,
}

impl How {
    const ALL: [How; 2] = [How::Changes, How::Keyframe];

    fn pack(self, encoder: &mut Encoder, sample: &Sample) -> Encoded {
        encoder.encode(sample, matches!(self, How::Keyframe))
    }
}

/// Packs a busy node's samples of a minute, forth and back: each is a second from the one before.
#[divan::bench(args = How::ALL)]
fn encode(bencher: Bencher<'_, '_>, how: How) {
    let sim = sim(256);
    let node = busy(&sim)[0];
    let minute: Vec<Sample> = (0..60).chain((1..59).rev()).map(|second| sample(&sim, node, second)).collect();
    let mut samples = minute.iter().cycle();
    let mut encoder = Encoder::new();
    bencher.bench_local(|| samples.next().map(|sample| how.pack(&mut encoder, sample)));
}

/// Decodes the samples of ten seconds into a fleet and has it take them, its history among the rest. An item is a sample.
#[divan::bench(args = How::ALL)]
fn take_1k_nodes(bencher: Bencher<'_, '_>, how: How) {
    take(bencher, 1000, how);
}

#[divan::bench(args = How::ALL, sample_count = 5)]
fn take_62k_nodes(bencher: Bencher<'_, '_>, how: How) {
    take(bencher, 62_500, how);
}

fn take(bencher: Bencher<'_, '_>, nodes: u32, how: How) {
    thread_local! {
        static HUB: RefCell<Option<Hub>> = const { RefCell::new(None) };
    }
    HUB.with_borrow_mut(|known| {
        let hub = match known.take().filter(|hub| hub.nodes.len() == nodes as usize) {
            Some(hub) => known.insert(hub),
            None => known.insert(Hub::new(nodes)),
        };
        bencher.counter(ItemsCount::new(10 * nodes)).bench_local(|| (0..10).for_each(|_| hub.second(how)));
    });
}

/// A fleet, and what its nodes say. Many nodes say the same: as in a hub, what has just come is near, and the values that
/// it goes to are far.
struct Hub {
    fleet: Fleet,
    nodes: Vec<(Session, Decoder)>,
    /// The nodes in the order in which they send, which is not that of their names.
    order: Vec<usize>,
    said: Vec<Said>,
    seconds: u32,
}

/// What a busy node says in even and in odd seconds, as changes and as keyframes.
struct Said {
    packed: [[Encoded; 2]; How::ALL.len()],
}

impl Hub {
    fn new(nodes: u32) -> Hub {
        let sim = sim(nodes);
        let mut fleet = Fleet::new(Settings::default());
        let join = |n| {
            let hello = Hello::agent(sim.introduction(n, sim.plan().start));
            let metrics = hello.metrics.iter().map(|m| (m.scope, m.key.as_str(), m.unit, m.quantum));
            let session = fleet.join(&hello.introduction, metrics, sim.plan().start).expect("room");
            fleet.inventory(session, &sim.inventory(n, sim.plan().start), sim.plan().start);
            (session, Decoder::new())
        };
        let sessions = (0..nodes).map(join).collect();
        // A prime: every node has its turn.
        let order = (0..nodes as usize).map(|at| at * 2_654_435_761 % nodes as usize).collect();
        let said = busy(&sim).into_iter().take(256).map(|n| Said::of(&sim, n)).collect();
        let mut hub = Hub { fleet, nodes: sessions, order, said, seconds: 0 };
        hub.second(How::Keyframe);
        hub.fleet.tick(hub.now());
        hub
    }

    fn now(&self) -> Time {
        Plan::default().start + Duration::from_secs(self.seconds.into())
    }

    /// A second goes by, and each node says something.
    fn second(&mut self, how: How) {
        self.seconds += 1;
        let (now, odd) = (self.now(), self.seconds as usize % 2);
        for said in &mut self.said {
            let packed = &mut said.packed[how as usize][odd];
            (packed.seq, packed.time) = (self.seconds, now);
        }
        let metrics = supertop::model::Scope::SAMPLED.map(|scope| scope.metrics().len());
        for node in &self.order {
            let (session, decoder) = &mut self.nodes[*node];
            let packed = &self.said[node % self.said.len()].packed[how as usize][odd];
            let mut writer = self.fleet.writer(*session).expect("the session is current");
            let outcome = decoder.decode(packed, metrics, &mut writer).expect("a sample");
            assert_eq!(outcome, Outcome::Applied);
            self.fleet.sampled(*session, packed.time, now);
        }
    }
}

impl Said {
    fn of(sim: &Sim, n: u32) -> Said {
        let (even, odd) = (sample(sim, n, 0), sample(sim, n, 1));
        let mut encoder = Encoder::new();
        How::Keyframe.pack(&mut encoder, &odd);
        let mut pack = |how: How| [how.pack(&mut encoder, &even), how.pack(&mut encoder, &odd)];
        Said { packed: How::ALL.map(&mut pack) }
    }
}

/// What a frame holds.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Inventory,
    Processes,
    Changes,
    Keyframe,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Inventory, Kind::Processes, Kind::Changes, Kind::Keyframe];

    fn frame(self, sim: &Sim, n: u32) -> Frame {
        let start = sim.plan().start;
        let packed = |how: How| Said::of(sim, n).packed[how as usize][1].clone();
        Frame::of(match self {
            Kind::Inventory => sim.inventory(n, start).into(),
            Kind::Processes => Message::Processes(sim.processes(n, start)),
            Kind::Changes => Message::Sample(packed(How::Changes)),
            Kind::Keyframe => Message::Sample(packed(How::Keyframe)),
        })
    }
}

#[divan::bench(args = Kind::ALL)]
fn frame_out(bencher: Bencher<'_, '_>, kind: Kind) {
    let sim = sim(256);
    let frame = kind.frame(&sim, busy(&sim)[0]);
    let mut out = BytesMut::new();
    let bencher = bencher.counter(BytesCount::new(bytes(&frame).len()));
    bencher.with_inputs(|| frame.clone()).bench_local_values(|frame| {
        out.clear();
        Codec::append(frame, &mut out).expect("a frame within the limit");
    });
}

/// Reads a frame from a connection's buffer and is done with it.
#[divan::bench(args = Kind::ALL)]
fn frame_in(bencher: Bencher<'_, '_>, kind: Kind) {
    let sim = sim(256);
    let came = bytes(&kind.frame(&sim, busy(&sim)[0]));
    let (mut codec, mut buffer) = (Codec::new(), BytesMut::new());
    bencher.counter(BytesCount::new(came.len())).bench_local(|| {
        buffer.extend_from_slice(&came);
        black_box_drop(codec.decode(&mut buffer).expect("a frame").expect("all of it"));
        // As a connection does before it waits: the buffer is made ready for what comes next.
        assert!(codec.decode(&mut buffer).expect("no more").is_none());
    });
}

fn sim(nodes: u32) -> Sim {
    Sim::new(Plan { nodes, ..Plan::default() })
}

/// The nodes that a job runs on.
fn busy(sim: &Sim) -> Vec<u32> {
    (0..sim.plan().nodes).filter(|n| sim.job(*n, sim.plan().start).is_some()).collect()
}

/// A node's sample after some seconds. It says the time at which the simulation began, so that no keyframe is due.
fn sample(sim: &Sim, n: u32, second: u64) -> Sample {
    let start = sim.plan().start;
    let mut values = sim.values();
    sim.sample(n, start + Duration::from_secs(second), &mut values);
    Sample { time: start, generation: 1, values }
}

fn bytes(frame: &Frame) -> BytesMut {
    let mut out = BytesMut::new();
    Codec::append(frame.clone(), &mut out).expect("a frame within the limit");
    out
}

/// Mean bytes of the frames of busy nodes.
fn print_sizes() {
    let sim = sim(256);
    let busy = busy(&sim);
    println!("bytes of a busy node's frames");
    for kind in Kind::ALL {
        let sum: usize = busy.iter().map(|n| bytes(&kind.frame(&sim, *n)).len()).sum();
        println!("  {kind:?}: {}", sum / busy.len());
    }
}
