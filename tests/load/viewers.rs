//! Many viewers at once: connections that ask each second what screens ask. All have the header and the overview's
//! parts; most look at a node of their own besides, and every fifth at a place of its own in the list of all GPUs.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use supertop::{
    client::Client,
    link::{Address, dial},
};
use tokio::{sync::watch, task::JoinSet, time::interval};

/// What every viewer asks: the header, and what the overview is made of.
const SHARED: [&str; 4] = [
    "fleet show nodes,up,gpus,gpu.util,gpu.power,gpu.mem.util,gpu.temp,node.cpu",
    "nodes where state != up or gpus < gpus.expected sort -state,node limit 40",
    "gpus where xid != none or remap.failed > 0 or ecc.dbe > 0 or temp >= 85 sort -gpu.xid,node,index limit 40",
    "racks sort -power limit 12",
];

/// Viewers on a thread of their own.
pub(crate) struct Crowd {
    thread: JoinHandle<()>,
    stop: watch::Sender<bool>,
    answers: Arc<AtomicU64>,
}

impl Crowd {
    pub(crate) fn enter(socket: &Path, viewers: usize, nodes: u32) -> Crowd {
        let (stop, stopped) = watch::channel(false);
        let answers = Arc::new(AtomicU64::new(0));
        let (address, count) = (Address::Path(socket.to_owned()), answers.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut all = JoinSet::new();
                for viewer in 0..viewers {
                    all.spawn(watch_on(address.clone(), own(viewer, nodes), stopped.clone(), count.clone()));
                }
                all.join_all().await;
            });
        });
        Crowd { thread, stop, answers }
    }

    /// How many answers they got.
    pub(crate) fn leave(self) -> f64 {
        self.stop.send_replace(true);
        self.thread.join().unwrap();
        self.answers.load(Relaxed) as f64
    }
}

/// What nobody else asks.
fn own(viewer: usize, nodes: u32) -> Vec<String> {
    if viewer.is_multiple_of(5) {
        return vec![format!("gpus sort -temp limit 45 offset {}", viewer * 100)];
    }
    let width = nodes.to_string().len().max(3);
    let node = format!("gpu{:0width$}", viewer + 1);
    let ask = |view: &str| format!("{view} where node = '{node}' show * limit 40");
    vec![ask("nodes"), ask("gpus"), ask("processes")]
}

async fn watch_on(address: Address, own: Vec<String>, stopped: watch::Receiver<bool>, answers: Arc<AtomicU64>) {
    let mut client = Client::attach(dial(&address).await.unwrap()).await.unwrap();
    let mut seconds = interval(Duration::from_secs(1));
    while !*stopped.borrow() {
        seconds.tick().await;
        for query in SHARED.into_iter().chain(own.iter().map(String::as_str)) {
            client.ask(query).await.unwrap().answer.unwrap();
            answers.fetch_add(1, Relaxed);
        }
    }
}
