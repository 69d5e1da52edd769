//! Many viewers at once: connections that ask each second what screens ask.

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
    pub(crate) fn enter(socket: &Path, viewers: usize) -> Crowd {
        let (stop, stopped) = watch::channel(false);
        let answers = Arc::new(AtomicU64::new(0));
        let (address, count) = (Address::Path(socket.to_owned()), answers.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut all = JoinSet::new();
                for viewer in 0..viewers {
                    all.spawn(watch_on(address.clone(), viewer, stopped.clone(), count.clone()));
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

async fn watch_on(address: Address, viewer: usize, stopped: watch::Receiver<bool>, answers: Arc<AtomicU64>) {
    let mut client = Client::attach(dial(&address).await.unwrap()).await.unwrap();
    // Each looks at another place of the same list.
    let own = format!("gpus sort -temp limit 45 offset {}", viewer * 100);
    let mut seconds = interval(Duration::from_secs(1));
    while !*stopped.borrow() {
        seconds.tick().await;
        for query in SHARED.into_iter().chain([&*own]) {
            client.ask(query).await.unwrap().answer.unwrap();
            answers.fetch_add(1, Relaxed);
        }
    }
}
