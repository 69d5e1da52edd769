//! The terminal interface: of a hub, of this machine, or of a simulated cluster.

use std::{path::Path, process::ExitCode, sync::Arc, thread, time::Duration};

use anyhow::{Context as _, Result};
use tokio::sync::{mpsc, watch};

use super::{
    Usage,
    args::{Demo, Global, Watch},
    attach::{self, Inside, Target},
    block_on,
    config::Config,
    runtime,
};
use crate::{
    agent::simulated::Simulated,
    client,
    collect::sim::{Plan, Queue, Sim},
    health::Rules,
    hub::{self, wall_clock},
    link,
    model::job::Scheduler,
    tui::{self, Exit, Port},
};

/// Replies that may wait for the screen: a few per question.
const NEWS_WAITING: usize = 64;
/// Someone who watches one machine wants its processes fresher than a hub does.
const PROCESSES_EVERY: Duration = Duration::from_secs(2);

/// How often the simulated cluster's scheduler is asked.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// `supertop`: attaches to a hub, or else watches this machine.
pub(super) fn run(args: Watch, global: Global, config: &Config) -> Result<ExitCode> {
    let mut settings = settings(args.theme.or_else(|| config.theme.clone()), config)?;
    let named = args.hub.or_else(|| config.hub.clone());
    let hub = block_on(async {
        let Some(address) = attach::find(named.as_deref()).await? else { return Ok(None) };
        // A hub that is not there at the start is a mistake; one that goes away later is dialled again.
        link::dial(&address).await?;
        Ok(Some(address))
    })?;
    if let Some(address) = hub {
        return show(Target::Hub(address), settings);
    }
    settings.alone = true;
    let inside = Inside::start(hub_settings(config)?)?;
    inside.watch_this_machine(attach::this_machine(config, global.nvml_library)?, PROCESSES_EVERY)?;
    show(Target::Inside(inside), settings)
}

/// `supertop demo`: a simulated cluster.
pub(super) fn demo(args: Demo, config: &Config) -> Result<ExitCode> {
    let mut settings = settings(args.theme.or_else(|| config.theme.clone()), config)?;
    settings.title = "supertop demo".into();
    let plan = Plan { nodes: args.nodes, seed: args.seed, start: wall_clock(), ..Plan::default() };
    let sim = Arc::new(Sim::new(plan));
    let queue: Arc<dyn Scheduler> = Arc::new(Queue::new(sim.clone(), wall_clock));
    let inside = Inside::start(hub::Settings { scheduler: Some((queue, ASK_EVERY)), ..hub_settings(config)? })?;
    for share in Simulated::spread(&sim, 1) {
        inside.simulate(share)?;
    }
    show(Target::Inside(inside), settings)
}

fn hub_settings(config: &Config) -> Result<hub::Settings> {
    let mut settings = hub::Settings::default();
    settings.fleet.levels = config.levels();
    settings.rules = Rules::read(&config.rules()).map_err(|problem| Usage(format!("config.toml: {problem}")))?;
    Ok(settings)
}

fn settings(theme: Option<String>, config: &Config) -> Result<tui::Settings> {
    let (keys, levels, mouse) = (config.keys.clone(), config.levels().names().to_vec(), config.mouse.unwrap_or(true));
    let views = config.view.iter().map(|view| (view.name.clone(), view.query.clone())).collect();
    let mut settings = tui::Settings { keys, views, mouse, levels, ..tui::Settings::default() };
    let Some(theme) = theme else { return Ok(settings) };
    if !theme.contains(['/', '.']) {
        settings.theme = theme;
        return Ok(settings);
    }
    let path = Path::new(&theme);
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the theme {theme}"))?;
    let name = path.file_stem().map_or_else(|| theme.clone(), |stem| stem.to_string_lossy().into_owned());
    settings.theme.clone_from(&name);
    settings.themes.push((name, text));
    Ok(settings)
}

/// Draws on this thread; another one holds the link, so that a slow terminal holds up nothing else.
fn show(target: Target, settings: tui::Settings) -> Result<ExitCode> {
    let (questions, asked) = watch::channel(Vec::new());
    let (sender, news) = mpsc::channel(NEWS_WAITING);
    let (remarks, said) = mpsc::unbounded_channel();
    let link = runtime()?;
    thread::Builder::new().name("link".into()).spawn(move || {
        link.block_on(client::keep(|| target.dial(), asked, said, sender));
    })?;
    let exit = runtime()?.block_on(tui::run(Port { questions, remarks, news }, settings));
    match exit {
        Ok(Exit::Quit) => Ok(ExitCode::SUCCESS),
        Ok(Exit::Signal(signal)) => Ok(ExitCode::from(128_u8.saturating_add(signal as u8))),
        Err(error @ (tui::TuiError::Theme(_) | tui::TuiError::Keys(_) | tui::TuiError::View(..))) => {
            Err(Usage(error.to_string()).into())
        }
        Err(error) => Err(error.into()),
    }
}
