//! `supertop agent`: this node's reports, to a hub or once to standard output.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{
    Usage,
    args::{self, Agent, Gate, Global, ReportFormat},
    block_on,
    config::Config,
    output, stop_signal,
};
use crate::{
    agent::{
        Source as _,
        control::{self, Order, Socket},
        live::{Live, Settings},
        session::{self, Pace},
    },
    collect::{kubernetes::Sockets, nvml},
    hub::wall_clock,
    link::{self, Address},
    model::place::Label,
    wire,
};

/// `--once` looks twice, so that rates have something to compare.
const ONCE_BETWEEN: Duration = Duration::from_secs(1);

pub(super) fn run(args: Agent, global: Global, config: Config) -> Result<ExitCode> {
    let control = args.control.unwrap_or_else(control::default_path);
    if let Some(gate) = args.command {
        return order(gate, &control);
    }
    let settings = settings(args.name, args.interval, &args.labels, &config, global.nvml_library)?;
    if args.once {
        return match args.output {
            ReportFormat::Json => once(settings),
        };
    }
    let hub = args.hub.or(config.hub).unwrap_or_else(|| "127.0.0.1:7077".into());
    let hub = Address::parse(&hub).map_err(|e| Usage(e.to_string()))?;
    block_on(async {
        let stop = stop_signal()?;
        let mut live = Live::new(settings, wall_clock())?;
        match Socket::bind(&control).await {
            Ok(socket) => drop(tokio::spawn(socket.serve(live.gate()))),
            Err(error) => tracing::warn!("{error}"),
        }
        let pace = Pace::new(&wall_clock, stop);
        session::keep(&mut live, async || link::dial(&hub).await, pace).await;
        Ok(ExitCode::SUCCESS)
    })
}

/// What an agent runs with: flags first, then configuration, then what the machine says.
pub(super) fn settings(
    name: Option<String>,
    interval: Option<Duration>,
    labels: &[(String, String)],
    config: &Config,
    nvml_library: Option<PathBuf>,
) -> Result<Settings> {
    let name = name
        .or_else(|| config.agent.name.clone())
        .or_else(|| std::env::var("NODE_NAME").ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
    wire::check_node_name(&name).map_err(|e| Usage(e.to_string()))?;
    let interval = match (interval, &config.agent.interval) {
        (Some(interval), _) => interval,
        (None, Some(text)) => {
            args::interval(text).map_err(|e| Usage(config.tell("agent.interval", &format!("agent.interval: {e}"))))?
        }
        (None, None) => Duration::from_secs(1),
    };
    if let Some(library) = &nvml_library {
        nvml::check_library(library).map_err(|e| Usage(e.to_string()))?;
    }
    let mut all = config.agent.labels.clone();
    all.extend(labels.iter().cloned());
    let labels = all.into_iter().map(|(key, value)| Label { key, value }).collect();
    let job_map = config.agent.job_map.clone();
    let mut sockets = Sockets::default();
    if let Some(kubelet) = &config.agent.kubelet {
        sockets.kubelet.clone_from(kubelet);
    }
    if let Some(runtime) = &config.agent.container_runtime {
        sockets.runtimes = vec![runtime.clone()];
    }
    let owner_labels = config.agent.owner_labels.clone();
    Ok(Settings { name, labels, interval, job_map, sockets, owner_labels, nvml_library })
}

fn order(gate: Gate, control: &Path) -> Result<ExitCode> {
    let (order, done) = match gate {
        Gate::Release => (Order::Release, "released: the agent has closed the NVIDIA driver"),
        Gate::Resume => (Order::Resume, "resumed: the agent opens the NVIDIA driver again"),
    };
    block_on(async { Ok(control::order(control, order).await?) })?;
    writeln!(std::io::stdout(), "{done}")?;
    Ok(ExitCode::SUCCESS)
}

/// Prints one report, as JSON, and what each collector cost.
fn once(settings: Settings) -> Result<ExitCode> {
    let mut live = Live::new(settings, wall_clock())?;
    live.look(0, wall_clock());
    std::thread::sleep(ONCE_BETWEEN);
    live.look(0, wall_clock());
    let inventory = live.inventory(0, wall_clock());
    let mut costs = serde_json::Map::new();
    for (collector, part, cost) in live.costs() {
        costs.insert(format!("{collector} {part}"), json!((cost.as_secs_f64() * 1e6).round() / 1e3));
    }
    let report = json!({
        "node": live.introduction(0).node,
        "time": live.sample(0).time.to_string(),
        "sample": output::json::values(&live.sample(0).values, &inventory),
        "notes": inventory.notes,
        "cost_ms": costs,
    });
    let text = serde_json::to_string_pretty(&report).context("cannot print the report")?;
    writeln!(std::io::stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}
