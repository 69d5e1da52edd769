//! One copy of the mock, and the collector over it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use supertop::{
    collect::{
        Collector, Findings,
        nvml::{Nvml, Settings},
    },
    model::{
        Gap, MetricId, Raw, Scope, Time,
        metric::gpu,
        report::{Event, Fault, Gpu, GpuUse},
    },
};
use tempfile::TempDir;

/// When every test begins.
pub(crate) const BEGIN: Time = Time::from_millis(1_795_442_671_250);
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A copy of the mock with a control file and a log of calls of its own.
pub(crate) struct Library(TempDir);

impl Library {
    /// A copy that is told this, before anything is asked of it.
    pub(crate) fn new(control: &str) -> Library {
        let library = Library(tempfile::tempdir().unwrap());
        fs::copy(built(), library.path()).unwrap();
        library.tell(control);
        library
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("libnvml.so")
    }

    /// Tells the mock what to do from now on.
    pub(crate) fn tell(&self, control: &str) {
        // Renamed into place, so that the mock never reads half of it.
        let path = self.0.path().join("libnvml.so.control");
        fs::write(path.with_extension("new"), control).unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    }

    /// The calls that the mock was asked to log, and a fresh log.
    pub(crate) fn calls(&self) -> Vec<String> {
        let path = self.0.path().join("libnvml.so.calls");
        let text = fs::read_to_string(&path).unwrap_or_default();
        fs::remove_file(path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// A library of its own, and what the collector has said so far, put together as an agent does it.
pub(crate) struct Bench {
    library: Library,
    pub(crate) nvml: Nvml,
    pub(crate) now: Time,
    pub(crate) gpus: Vec<Gpu>,
    pub(crate) last: Findings,
    pub(crate) events: Vec<Event>,
}

/// The library. Cargo builds examples with the tests unless it is told which tests to build; what it left out, or
/// built from other sources, is built here.
fn built() -> PathBuf {
    let profile = Path::new(env!("CARGO_BIN_EXE_supertop")).parent().unwrap();
    let library = profile.join("examples/libnvml_mock.so");
    let changed = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = fs::read_dir(root.join("tests/nvml_mock")).unwrap().map(|entry| entry.unwrap().path());
    if changed(&library) < sources.filter_map(|path| changed(&path)).max() {
        let name = profile.file_name().unwrap().to_str().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--locked", "--quiet", "--example", "nvml_mock", "--target-dir"]);
        cargo.arg(profile.parent().unwrap()).args(["--profile", if name == "debug" { "dev" } else { name }]);
        let output = cargo.current_dir(root).output().unwrap();
        assert!(output.status.success(), "the NVML mock is not built: {}", String::from_utf8_lossy(&output.stderr));
        // Cargo leaves a library alone whose sources were touched and are the same.
        fs::File::options().append(true).open(&library).unwrap().set_modified(SystemTime::now()).unwrap();
    }
    library
}

/// Limits that a test need not wait for long.
fn settings(library: PathBuf, sys: PathBuf) -> Settings {
    Settings {
        library: Some(library),
        sys,
        patience: Duration::from_secs(5),
        call_limit: Duration::from_secs(1),
        open_limit: Duration::from_secs(2),
        backoff: Duration::from_millis(200),
        ..Settings::default()
    }
}

impl Bench {
    /// A collector over a mock that is told this, before anything was asked of it.
    pub(crate) fn new(control: &str) -> Bench {
        Bench::with(control, |settings| settings)
    }

    /// As [`Bench::new`], with other settings.
    pub(crate) fn with(control: &str, change: impl FnOnce(Settings) -> Settings) -> Bench {
        let library = Library::new(control);
        let nvml = Nvml::with(change(settings(library.path(), library.0.path().join("sys"))));
        Bench { library, nvml, now: BEGIN, gpus: Vec::new(), last: Findings::default(), events: Vec::new() }
    }

    /// Tells the mock what to do from now on.
    pub(crate) fn tell(&self, control: &str) {
        self.library.tell(control);
    }

    /// The calls that the mock was asked to log, and a fresh log.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.library.calls()
    }

    /// Where the collector looks for `/sys`.
    pub(crate) fn sys(&self) -> PathBuf {
        self.library.0.path().join("sys")
    }

    /// One round, `seconds` after the last.
    pub(crate) fn round(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        self.last = self.nvml.collect(self.now);
        if let Some(gpus) = &self.last.gpus {
            self.gpus.clone_from(gpus);
        }
        self.events.append(&mut self.last.events);
    }

    /// Does rounds, one a second, until something is true.
    pub(crate) fn until(&mut self, what: &str, is: impl Fn(&Bench) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.round(1);
            if is(self) {
                return;
            }
            assert!(Instant::now() < deadline, "{what} never came; faults: {:?}", self.faults());
        }
    }

    /// Does rounds until every value that comes at all has come: rates need two looks, and GPM a tenth of a second.
    pub(crate) fn settle(&mut self) {
        self.round(0);
        self.round(6);
        self.until("every value", |bench| bench.all(Scope::Gpu).all(|(_, _, raw)| raw.gap() != Some(Gap::Unknown)));
    }

    /// As [`Bench::settle`], when nobody knows of the XIDs of this GPU.
    pub(crate) fn settle_but_xids(&mut self, deaf: u16) {
        self.round(0);
        self.round(6);
        self.until("every value", |bench| {
            let expected = |metric, slot| slot == deaf && [gpu::XID, gpu::XID_AGE].contains(&metric);
            bench.all(Scope::Gpu).all(|(metric, slot, raw)| raw.gap() != Some(Gap::Unknown) || expected(metric, slot))
        });
    }

    /// The value of a metric at a slot.
    pub(crate) fn raw(&self, metric: MetricId, slot: u16) -> Raw {
        let mut of = self.last.readings.iter().filter(|r| r.metric == metric && r.slot == slot);
        let raw = of.next_back().unwrap_or_else(|| panic!("{metric:?} of slot {slot} was not told")).raw;
        assert!(of.next().is_none(), "{metric:?} of slot {slot} was told twice");
        raw
    }

    /// The value of a metric at a slot, in its unit.
    pub(crate) fn value(&self, metric: MetricId, slot: u16) -> f64 {
        let raw = self.raw(metric, slot);
        let value = raw.value(metric.builtin().unwrap().quantum);
        value.unwrap_or_else(|| panic!("{metric:?} of slot {slot} is {raw:?}; faults: {:?}", self.faults()))
    }

    /// Why there is no value.
    pub(crate) fn gap(&self, metric: MetricId, slot: u16) -> Option<Gap> {
        self.raw(metric, slot).gap()
    }

    /// All values of a scope.
    pub(crate) fn all(&self, scope: Scope) -> impl Iterator<Item = (MetricId, u16, Raw)> {
        self.last.readings.iter().filter(move |r| r.metric.scope == scope).map(|r| (r.metric, r.slot, r.raw))
    }

    /// All faults.
    pub(crate) fn faults(&self) -> &[Fault] {
        self.last.faults.as_deref().unwrap()
    }

    /// The fault of a GPU as a whole.
    pub(crate) fn fault(&self, slot: u16) -> Option<&str> {
        let fault = self.faults().iter().find(|fault| fault.gpu == Some(slot) && fault.metric.is_empty());
        fault.map(|fault| fault.reason.as_str())
    }

    /// The reason for which a metric failed.
    pub(crate) fn reason(&self, metric: MetricId, slot: u16) -> Option<&str> {
        let key = &metric.builtin().unwrap().key;
        let fault = self.faults().iter().find(|fault| fault.gpu == Some(slot) && fault.metric == *key);
        fault.map(|fault| fault.reason.as_str())
    }

    /// What a process uses.
    pub(crate) fn uses(&self, pid: u32) -> Vec<GpuUse> {
        let uses = self.last.gpu_uses.iter().flatten();
        uses.filter(|(of, _)| *of == pid).map(|(_, found)| found.clone()).collect()
    }
}
