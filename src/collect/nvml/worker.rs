//! The one thread that makes NVML calls: it opens the driver, does a round whenever it is told to, and closes the driver
//! when nobody tells it any more.

use std::{
    ffi::OsStr,
    io,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nvml_wrapper::{Nvml, error::NvmlError};

use super::{
    call::{Caller, Stop, Trouble, UnderWay, Watch},
    news::{End, News},
    session::{Order, Session},
    settings::Paces,
};
use crate::model::report::Gpu;

/// What the thread begins with.
pub(super) struct Start {
    /// The library; nothing for the one that the loader finds.
    pub(super) library: Option<PathBuf>,
    /// `/sys`.
    pub(super) sys: PathBuf,
    pub(super) paces: Paces,
    /// The whole GPUs that are known already, by slot.
    pub(super) known: Vec<Gpu>,
}

/// The thread, from outside.
pub(super) struct Worker {
    orders: Sender<Order>,
    news: Receiver<News>,
    watch: Arc<Watch>,
    thread: JoinHandle<()>,
    busy: bool,
}

/// What came of waiting for news.
pub(super) enum Heard {
    News(News),
    /// Nothing has come for as long as was to be waited.
    Nothing,
    /// The thread has ended without a word.
    End,
}

/// A thread that was given up, because a call that it made does not return.
pub(super) struct Abandoned {
    thread: JoinHandle<()>,
    /// The call.
    pub(super) call: UnderWay,
}

impl Worker {
    /// Starts the thread.
    pub(super) fn start(start: Start) -> io::Result<Worker> {
        let (orders, ordered) = channel();
        let (tell, news) = channel();
        let watch = Arc::new(Watch::default());
        let its = Arc::clone(&watch);
        let thread = thread::Builder::new().name("nvml".into()).spawn(move || run(&start, &ordered, &tell, &its))?;
        Ok(Worker { orders, news, watch, thread, busy: false })
    }

    /// Has it do a round, unless it is still at the last one.
    pub(super) fn order(&mut self, order: Order) {
        if !self.busy {
            // A thread that has ended says so by its news.
            self.busy = self.orders.send(order).is_ok();
        }
    }

    /// Waits for a piece of news.
    pub(super) fn hear(&mut self, patience: Duration) -> Heard {
        match self.news.recv_timeout(patience) {
            Ok(news) => {
                self.busy &= !matches!(news, News::Done);
                Heard::News(news)
            }
            Err(RecvTimeoutError::Timeout) => Heard::Nothing,
            Err(RecvTimeoutError::Disconnected) => Heard::End,
        }
    }

    /// The call under way.
    pub(super) fn under_way(&self) -> Option<UnderWay> {
        self.watch.under_way()
    }

    /// Gives it up with this call.
    pub(super) fn abandon(self, call: UnderWay) -> Abandoned {
        self.watch.cancel();
        Abandoned { thread: self.thread, call }
    }

    /// Has it close the driver. Nothing when it has within `patience`, else the thread that still holds it open.
    pub(super) fn close(self, patience: Duration) -> Option<Abandoned> {
        self.watch.cancel();
        let Worker { orders, thread, watch, .. } = self;
        drop(orders);
        let deadline = Instant::now() + patience;
        while !thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        let unnamed = UnderWay { call: "nvmlShutdown", slot: None, since: Instant::now(), opens: true };
        (!thread.is_finished()).then(|| Abandoned { call: watch.under_way().unwrap_or(unnamed), thread })
    }
}

impl Abandoned {
    /// Whether the call has returned after all, and the thread has ended.
    pub(super) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }
}

fn run(start: &Start, orders: &Receiver<Order>, news: &Sender<News>, watch: &Watch) {
    let library = start.library.as_deref().map(std::path::Path::as_os_str);
    let opened = watch.open("nvmlInit_v2", || {
        // Without a path, the loader knows where to look.
        Nvml::builder().lib_path(library.unwrap_or(OsStr::new("libnvidia-ml.so.1"))).init()
    });
    let end = match opened {
        Ok(nvml) => {
            let end = serve(&nvml, start, orders, news, watch);
            watch.open("nvmlShutdown", || drop(nvml));
            end
        }
        Err(error) => Some(failure(error)),
    };
    if let Some(end) = end {
        drop(news.send(News::Ended(end)));
    }
}

/// Does rounds until nobody orders any more, or there is no point in more.
fn serve(nvml: &Nvml, start: &Start, orders: &Receiver<Order>, news: &Sender<News>, watch: &Watch) -> Option<End> {
    let mut session = Session::new(nvml, watch, &start.sys, start.paces, news, start.known.clone());
    let mut end = session.introduce().err();
    while end.is_none() {
        let Ok(order) = orders.recv() else { break };
        end = session.round(&order).err();
        if end.is_none() {
            drop(news.send(News::Done));
        }
    }
    watch.open("nvmlEventSetFree", || drop(session));
    match end? {
        Stop::Over(why) => Some(End::Failed(why)),
        Stop::Lost => Some(End::Failed(Caller { nvml, watch, slot: None }.lost())),
        Stop::Cancelled => None,
    }
}

impl Caller<'_> {
    /// What is said when the driver as a whole answers as a lost GPU does.
    fn lost(self) -> String {
        match self.sort("nvml", NvmlError::GpuLost) {
            Trouble::Failed(why) => why,
            _ => "the driver says that a GPU is lost, and not which".into(),
        }
    }
}

/// Why the driver could not be opened.
fn failure(error: NvmlError) -> End {
    match error {
        NvmlError::LibloadingError(error) => End::NoLibrary(error.to_string()),
        NvmlError::FailedToLoadSymbol(why) => End::NoLibrary(format!("not an NVML library: {why}")),
        NvmlError::DriverNotLoaded | NvmlError::NotFound | NvmlError::LibraryNotFound => {
            End::NoDriver(format!("nvmlInit_v2: {error}"))
        }
        error => End::Failed(format!("nvmlInit_v2: {error}")),
    }
}
