//! This machine as a source: its collectors, run by the clock, and what they have said so far.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    agent::Source,
    collect::{
        Board, JobMap, Runner, Watchlist, host,
        kmsg::Kmsg,
        kubernetes::{Kubernetes, Sockets},
        nvml::{Gate, Nvml},
    },
    model::{
        place::Label,
        report::{Event, Introduction, Inventory, Processes, Sample, Values},
        time::Time,
    },
};

/// What an operator decides about an agent.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node's name.
    pub name: String,
    /// Places and other labels.
    pub labels: Vec<Label>,
    /// Time between samples.
    pub interval: Duration,
    /// The folder in which it is noted which job has which GPU.
    pub job_map: Option<PathBuf>,
    /// Where the kubelet and the container runtime listen.
    pub sockets: Sockets,
    /// Labels of pods that say who made one.
    pub owner_labels: Vec<String>,
    /// The NVML library to load instead of the driver's own.
    pub nvml_library: Option<PathBuf>,
}

/// This machine.
pub struct Live {
    settings: Settings,
    introduction: Introduction,
    runner: Runner,
    board: Board,
    gate: Gate,
    sample: Sample,
    revision: u64,
}

impl Live {
    /// Starts the collectors. `now` is when the agent started. Fails when the system has no more threads, or is none
    /// that can be read.
    pub fn new(settings: Settings, now: Time) -> io::Result<Live> {
        let root = Path::new("/");
        let watchlist = Watchlist::default();
        let gpus = Nvml::new(settings.nvml_library.clone());
        let gate = gpus.gate();
        let mut collectors = host::collectors(root, &watchlist).map_err(io::Error::other)?;
        collectors.push(Box::new(Kmsg::new("/dev/kmsg").sharing(gpus.xids())));
        collectors.push(Box::new(gpus));
        if let Some(folder) = &settings.job_map {
            collectors.push(Box::new(JobMap::new(folder.clone())));
        }
        collectors.push(Box::new(Kubernetes::new(settings.sockets.clone(), settings.owner_labels.clone())));
        let introduction = Introduction {
            node: settings.name.clone(),
            boot_id: host::boot_id(root),
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            started: now,
            interval_ms: u32::try_from(settings.interval.as_millis()).unwrap_or(u32::MAX),
        };
        Ok(Live {
            settings,
            introduction,
            runner: Runner::new(collectors)?,
            board: Board::new(root, watchlist),
            gate,
            sample: Sample { time: now, generation: 0, values: Values::new(0, 0) },
            revision: 0,
        })
    }

    /// Lets go of the NVIDIA driver and takes it again.
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// What each part of each collector took when it last ran: collector, part, time.
    pub fn costs(&self) -> Vec<(&'static str, &'static str, Duration)> {
        self.board.costs()
    }
}

impl Source for Live {
    fn nodes(&self) -> usize {
        1
    }

    fn interval(&self) -> Duration {
        self.settings.interval
    }

    fn introduction(&self, _node: usize) -> Introduction {
        self.introduction.clone()
    }

    fn look(&mut self, _node: usize, now: Time) -> bool {
        for (name, outcome) in self.runner.tick(now) {
            self.board.apply(name, outcome);
        }
        self.revision += u64::from(self.board.take_change());
        self.sample = self.board.sample(now);
        true
    }

    fn sample(&mut self, _node: usize) -> &Sample {
        &self.sample
    }

    fn inventory(&mut self, _node: usize, _now: Time) -> Inventory {
        self.board.inventory(&self.settings.labels)
    }

    fn revision(&self, _node: usize) -> u64 {
        self.revision
    }

    fn processes(&mut self, _node: usize, now: Time) -> Processes {
        self.board.processes(now)
    }

    fn take_events(&mut self, _node: usize, _now: Time) -> Vec<Event> {
        self.board.take_events()
    }
}
