//! The terminal interface: of a hub, of this machine, or of a simulated cluster.

use std::{path::Path, process::ExitCode, sync::Arc, thread, time::Duration};

use anyhow::Result;
use tokio::sync::{mpsc, watch};

use super::{
    Usage,
    args::{Demo, Global, Watch},
    attach::{self, Inside, Target},
    block_on,
    config::{Config, tables_path},
    lenient::Places,
    runtime, scenario, warn,
};
use crate::{
    agent::simulated::Simulated,
    client,
    collect::sim::{Plan, Queue, Sim},
    fleet::Fleet,
    hub::{self, wall_clock},
    link,
    model::{Time, job::Scheduler},
    query,
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
    let mut settings = settings(args.theme.as_deref(), config)?;
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
    let inside = Inside::start(hub_settings(config))?;
    inside.watch_this_machine(attach::this_machine(config, global.nvml_library)?, PROCESSES_EVERY)?;
    show(Target::Inside(inside), settings)
}

/// `supertop demo`: a simulated cluster.
pub(super) fn demo(args: &Demo, config: &Config) -> Result<ExitCode> {
    let mut settings = settings(args.theme.as_deref(), config)?;
    settings.title = "supertop demo".into();
    let faults = args.scenario.as_deref().map(scenario::read).transpose()?.unwrap_or_default();
    let plan = Plan { nodes: args.nodes, seed: args.seed, start: wall_clock(), faults, ..Plan::default() };
    let sim = Arc::new(Sim::new(plan));
    let queue: Arc<dyn Scheduler> = Arc::new(Queue::new(sim.clone(), wall_clock));
    let inside = Inside::start(hub::Settings { scheduler: Some((queue, ASK_EVERY)), ..hub_settings(config) })?;
    for share in Simulated::spread(&sim, 1) {
        inside.simulate(share)?;
    }
    show(Target::Inside(inside), settings)
}

fn hub_settings(config: &Config) -> hub::Settings {
    let mut settings = hub::Settings { rules: config.rules().0, ..hub::Settings::default() };
    settings.fleet.levels = config.levels();
    settings
}

/// What the interface runs with. What of it is wrong is said, here and on its first screen.
fn settings(theme: Option<&str>, config: &Config) -> Result<tui::Settings> {
    let (keys, levels, mouse) = (config.keys.clone(), config.levels().names().to_vec(), config.mouse.unwrap_or(true));
    let views = config.view.iter().map(|view| (view.name.clone(), view.query.clone())).collect();
    let (rules, mut wrong) = config.rules();
    let commands = rules.commands().clone();
    let (habits, notice) = remembered();
    let mut settings = tui::Settings { keys, habits, commands, views, mouse, levels, ..tui::Settings::default() };
    for tui::WrongKeys { action, what } in settings.wrong_keys() {
        settings.keys.remove(&action);
        wrong.push(config.tell(&format!("keys.{action}"), &format!("{what} (the keys stay as they were)")));
    }
    let empty = Fleet::new(hub_settings(config).fleet);
    let doubt = |text: &str| Some(query::answer(&empty, &query::parse(text).ok()?, Time::default()).err()?.message);
    for (at, what) in settings.wrong_views(doubt) {
        let place = format!("view.{at}.query");
        wrong.push(config.tell(&place, &format!("view {}: {what} (the others work)", settings.views[at].0)));
    }
    wrong.extend(match (theme, config.theme.as_deref()) {
        // A theme that is asked for here and now and is not there is a mistake of the command line.
        (Some(theme), _) => choose(theme, &mut settings).map_err(Usage)?,
        (None, Some(theme)) => choose(theme, &mut settings).unwrap_or_else(|what| Some(config.tell("theme", &what))),
        (None, None) => None,
    });
    warn(&wrong);
    let all: Vec<&str> = config.left_out().iter().chain(&wrong).chain([&notice]).map(String::as_str).collect();
    settings.notice = noted(&all);
    Ok(settings)
}

/// What is wrong, in the one line that there is for it.
fn noted(wrong: &[&str]) -> String {
    let said: Vec<&&str> = wrong.iter().filter(|it| !it.is_empty()).collect();
    match said[..] {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first, ..] => format!("{} mistakes, first {first}", said.len()),
    }
}

/// Chooses a theme that comes along, or a file. One with a mistake is left aside, and that is said.
///
/// # Errors
/// There is none.
fn choose(theme: &str, settings: &mut tui::Settings) -> Result<Option<String>, String> {
    let is_file = theme.contains(['/', '.']);
    let path = Path::new(theme);
    let mut text = String::new();
    if is_file {
        text = std::fs::read_to_string(path).map_err(|error| format!("cannot read the theme {theme}: {error}"))?;
        let name = path.file_stem().map_or_else(|| theme.to_owned(), |stem| stem.to_string_lossy().into_owned());
        settings.themes.push((name.clone(), text.clone()));
        settings.theme = Some(name);
    } else {
        settings.theme = Some(theme.to_owned());
    }
    let Err(error) = settings.check_theme() else { return Ok(None) };
    settings.theme = None;
    settings.themes.clear();
    let what = error.to_string();
    if !is_file {
        return Err(what);
    }
    let places = Places::of(&text, path);
    Ok(Some(
        match error.place() {
            tui::ThemePlace::Line(line) => places.tell_line(line, &what),
            tui::ThemePlace::Key(key) => places.tell(&key, &what),
        } + " (the usual theme is taken)",
    ))
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
        Err(error @ (tui::TuiError::Theme(_) | tui::TuiError::Keys(_))) => Err(Usage(error.to_string()).into()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_with_a_mistake_is_left_aside_and_one_that_is_not_there_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("own.toml");
        let name = path.to_str().unwrap();
        let check = |text: &str, line: usize, said: &str| {
            std::fs::write(&path, text).unwrap();
            let mut settings = tui::Settings { depth: tui::Depth::True, ..tui::Settings::default() };
            let told = choose(name, &mut settings).unwrap().expect(text);
            assert!(told.starts_with(&format!("{name}:{line}: ")) && told.contains(said), "{told}");
            assert_eq!((settings.theme, settings.themes.len()), (None, 0));
        };
        check("inherits = 'dark'\n\n[roles]\n'table.rwo' = 'red'", 4, "did you mean \"table.row\"?");
        check("[roles]\nwarn = 'red'\ncrit = 'rot'", 3, "\"rot\"");
        check("inherits = 'dark'\n[rolse]", 2, "did you mean `roles`?");
        check("inherits = 'dark'\nroles", 2, "theme own: ");
        let mut settings = tui::Settings::default();
        assert_eq!(choose("nord", &mut settings), Ok(None));
        assert_eq!(settings.theme.as_deref(), Some("nord"));
        assert!(choose("nrod", &mut settings).unwrap_err().contains("did you mean \"nord\"?"));
        assert!(choose("./nowhere.toml", &mut settings).unwrap_err().contains("cannot read the theme ./nowhere.toml"));
    }
}
