//! What drawing costs, of fleets of 1,000 and of 62,500 nodes with 8 GPUs each: a screen as it stands, and a screen that
//! first hears what a second brought. `cargo bench --bench draw`

use std::{cell::RefCell, fmt, time::Duration};

use crossterm::event::KeyCode;
use divan::Bencher;
use ratatui::{buffer::Buffer, layout::Rect};
use supertop::{
    collect::sim::{Plan, Sim},
    fleet::{self, Fleet, Session},
    model::{
        question::{Question, Reply},
        report::Sample,
        time::Time,
    },
    query,
    tui::{Depth, Settings, Still, Symbols},
    wire::Hello,
};

fn main() {
    divan::main();
}

/// A screen at one size, and the key that leads to it.
#[derive(Clone, Copy)]
struct View {
    name: &'static str,
    key: char,
    size: (u16, u16),
}

impl View {
    const SCREENS: [(&str, char); 3] = [("overview", '1'), ("gpus", '3'), ("nodes", '2')];
    const SIZES: [(u16, u16); 2] = [(200, 50), (80, 24)];

    fn all() -> impl Iterator<Item = View> {
        Self::SCREENS.into_iter().flat_map(|(name, key)| Self::SIZES.map(|size| View { name, key, size }))
    }

    /// The screen with all its questions answered.
    fn open(self, hub: &Hub) -> Still {
        let settings = Settings { depth: Depth::True, symbols: Symbols::Braille, ..Settings::default() };
        let mut still = Still::new(settings, self.size, hub.now()).expect("a theme");
        still.press(KeyCode::Char(self.key).into(), hub.now());
        while hub.answers(&still.questions()).into_iter().fold(false, |news, reply| still.hear(reply, hub.now()) | news)
        {
        }
        still
    }

    fn buffer(self) -> Buffer {
        Buffer::empty(Rect::new(0, 0, self.size.0, self.size.1))
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}x{}", self.name, self.size.0, self.size.1)
    }
}

#[divan::bench(args = View::all(), consts = [1000, 62_500])]
fn draw<const NODES: u32>(bencher: Bencher<'_, '_>, view: View) {
    let (still, mut buffer) = (with_hub(NODES, |hub| view.open(hub)), view.buffer());
    bencher.bench_local(|| still.draw(&mut buffer));
}

/// All of a screen's questions are answered anew and it is drawn once, as after the worst second.
#[divan::bench(args = View::all(), consts = [1000, 62_500])]
fn hear_and_draw<const NODES: u32>(bencher: Bencher<'_, '_>, view: View) {
    let (mut still, replies, now) = with_hub(NODES, |hub| {
        let still = view.open(hub);
        let questions = still.questions();
        let before = hub.answers(&questions);
        hub.second();
        (still, [hub.answers(&questions), before], hub.now())
    });
    let (mut buffer, mut turns) = (view.buffer(), replies.iter().cycle());
    bencher.with_inputs(|| turns.next().cloned().unwrap_or_default()).bench_local_values(|replies| {
        assert!(replies.into_iter().fold(false, |news, reply| still.hear(reply, now) | news), "a second brings news");
        still.draw(&mut buffer);
    });
}

/// A hub with a simulated fleet and a minute's memory.
struct Hub {
    sim: Sim,
    fleet: Fleet,
    sessions: Vec<Session>,
    seconds: u64,
}

/// Hands the hub of so many nodes over; the last one is kept, as making it takes a while.
fn with_hub<T>(nodes: u32, use_it: impl FnOnce(&mut Hub) -> T) -> T {
    thread_local! {
        static HUBS: RefCell<Vec<Hub>> = const { RefCell::new(Vec::new()) };
    }
    HUBS.with_borrow_mut(|hubs| {
        let at = hubs.iter().position(|hub| hub.sessions.len() == nodes as usize).unwrap_or_else(|| {
            hubs.push(Hub::new(nodes));
            hubs.len() - 1
        });
        use_it(&mut hubs[at])
    })
}

impl Hub {
    fn new(nodes: u32) -> Hub {
        let sim = Sim::new(Plan { nodes, ..Plan::default() });
        let mut fleet = Fleet::new(fleet::Settings::default());
        let start = sim.plan().start;
        let join = |n| {
            let hello = Hello::agent(sim.introduction(n, sim.plan().start));
            let metrics = hello.metrics.iter().map(|m| (m.scope, m.key.as_str(), m.unit, m.quantum));
            let session = fleet.join(&hello.introduction, metrics, start).expect("room");
            fleet.inventory(session, &sim.inventory(n, start), start);
            session
        };
        let sessions = (0..nodes).map(join).collect();
        let mut hub = Hub { sim, fleet, sessions, seconds: 0 };
        (0..60).for_each(|_| hub.second());
        hub
    }

    fn now(&self) -> Time {
        self.sim.plan().start + Duration::from_secs(self.seconds)
    }

    /// A second goes by: every node that is not hung sends a sample.
    fn second(&mut self) {
        self.seconds += 1;
        let now = self.now();
        let mut sample = Sample { time: now, generation: 1, values: self.sim.values() };
        for (n, session) in (0..).zip(&self.sessions) {
            if !self.sim.silent(n, now) {
                self.sim.sample(n, now, &mut sample.values);
                assert!(self.fleet.sample(*session, &sample, now), "a sample that fits");
            }
        }
        self.fleet.tick(now);
    }

    fn answers(&self, questions: &[Question]) -> Vec<Reply> {
        let answer = |question: &Question| {
            let answer = query::parse(&question.query).and_then(|query| query::answer(&self.fleet, &query, self.now()));
            Reply { slot: question.slot, query: question.query.clone(), answer }
        };
        questions.iter().map(answer).collect()
    }
}
