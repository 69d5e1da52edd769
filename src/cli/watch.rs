//! The terminal interface: of a hub, of this machine, or of a simulated cluster.

use std::{path::Path, process::ExitCode, sync::Arc, thread, time::Duration};

use anyhow::{Context as _, Result};
use tokio::sync::{mpsc, watch};

use super::{
    Usage,
    args::{Demo, Global, Watch},
    attach::{self, Inside, Target},
    block_on,
    config::{Config, tables_path},
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
    tui::{self, Exit, Habits, Port},
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
    settings.rules = rules(config)?;
    Ok(settings)
}

fn rules(config: &Config) -> Result<Rules, Usage> {
    Rules::read(&config.rules()).map_err(|problem| Usage(format!("config.toml: {problem}")))
}

fn settings(theme: Option<String>, config: &Config) -> Result<tui::Settings> {
    let (keys, levels, mouse) = (config.keys.clone(), config.levels().names().to_vec(), config.mouse.unwrap_or(true));
    let views = config.view.iter().map(|view| (view.name.clone(), view.query.clone())).collect();
    let commands = rules(config)?.commands().clone();
    let (habits, notice) = remembered();
    let mut settings =
        tui::Settings { keys, habits, commands, views, mouse, levels, notice, ..tui::Settings::default() };
    let Some(theme) = theme else { return Ok(settings) };
    if !theme.contains(['/', '.']) {
        settings.theme = Some(theme);
        return Ok(settings);
    }
    let path = Path::new(&theme);
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the theme {theme}"))?;
    let name = path.file_stem().map_or_else(|| theme.clone(), |stem| stem.to_string_lossy().into_owned());
    settings.theme = Some(name.clone());
    settings.themes.push((name, text));
    Ok(settings)
}

/// What was wanted of tables the last time; and what is wrong with the file that has it, which is no reason to stop.
fn remembered() -> (Habits, String) {
    let Some(path) = tables_path() else { return Default::default() };
    match std::fs::read_to_string(&path).map(|text| Habits::from_toml(&text)) {
        Ok(Ok(habits)) => (habits, String::new()),
        Ok(Err(problem)) => (Habits::default(), format!("{} is left aside: {problem}", path.display())),
        // There is none yet, or it is nobody's to read.
        Err(_) => Default::default(),
    }
}

/// Keeps what is wanted of tables. Where that cannot be, it is said.
fn remember(habits: &Habits) {
    let Some(path) = tables_path() else { return };
    let new = path.with_extension("new");
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = folder.and_then(|()| std::fs::write(&new, habits.to_toml()));
    if let Err(error) = written.and_then(|()| std::fs::rename(&new, &path)) {
        eprintln!("supertop: what you chose of tables is not remembered: {}: {error}", path.display());
    }
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
    let before = settings.habits.clone();
    let end = runtime()?.block_on(tui::run(Port { questions, remarks, news }, settings));
    if let Ok(tui::End { habits, .. }) = &end
        && *habits != before
    {
        remember(habits);
    }
    match end.map(|end| end.exit) {
        Ok(Exit::Quit) => Ok(ExitCode::SUCCESS),
        Ok(Exit::Signal(signal)) => Ok(ExitCode::from(128_u8.saturating_add(signal as u8))),
        Err(error @ (tui::TuiError::Theme(_) | tui::TuiError::Keys(_) | tui::TuiError::View(..))) => {
            Err(Usage(error.to_string()).into())
        }
        Err(error) => Err(error.into()),
    }
}
