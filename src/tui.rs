//! The terminal interface: it says which questions it wants kept fresh, hears news, and draws.
//!
//! `Event → keymap → Action → update(App) → Effects → view`: whatever happened is taken in first, all of it; then the screen is
//! drawn once, and only if something on it changed. Nothing here knows of links, hubs or collectors: what it shows it gets by
//! asking, through a [`Port`].

mod action;
mod app;
mod ask;
mod command;
mod complete;
mod draw;
mod errand;
mod frame;
mod habits;
mod keymap;
mod list;
mod mark;
mod orders;
mod past;
mod prompt;
mod run;
mod screen;
mod shared;
mod still;
mod terminal;
mod theme;
mod update;
mod verdict;
mod views;

use std::{
    collections::BTreeMap,
    future::{poll_fn, ready},
    io,
    task::Poll,
    time::Duration,
};

use crossterm::event::{Event, EventStream, KeyEvent};
use futures_util::StreamExt;
use jiff::{Timestamp, tz::TimeZone};
use libc::{SIGCONT, SIGTSTP};
use ratatui::Terminal;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};

use crate::model::{
    Time,
    incident::Remark,
    place::Levels,
    question::{News, Question},
};
pub use action::keys_as_markdown;
use app::App;
pub use draw::Symbols;
pub use habits::Habits;
pub use keymap::Wrong as WrongKeys;
pub use still::Still;
use terminal::{
    Guard, Paper,
    clipboard::{self, Way},
    ground::{self, Ground, Heard},
    late::Late,
};
pub use theme::{BUILTIN as THEMES, Depth, Place as ThemePlace, ThemeError};
use update::{Draw, Effects, Input};

/// How the interface asks and hears.
#[derive(Debug)]
pub struct Port {
    /// What it wants kept fresh. A change is to be answered at once.
    pub questions: watch::Sender<Vec<Question>>,
    /// What the user says of incidents.
    pub remarks: mpsc::UnboundedSender<Remark>,
    /// Replies, and how the link is.
    pub news: mpsc::Receiver<News>,
}

/// What a user can choose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the header calls the program.
    pub title: String,
    /// Name of the theme, if one was chosen: the ground of the terminal chooses otherwise.
    pub theme: Option<String>,
    /// The user's own themes: name and TOML text.
    pub themes: Vec<(String, String)>,
    /// Other keys for some actions, by their names.
    pub keys: BTreeMap<String, String>,
    /// What is wanted of tables, as it was when this ended the last time.
    pub habits: Habits,
    /// What drains a node and the like, by name: a template for each line, with `{node}` and `{reason}` in it.
    pub commands: BTreeMap<String, Vec<String>>,
    /// Saved views: name and query, for `alt-1` on.
    pub views: Vec<(String, String)>,
    /// Whether clicks and the wheel are taken; the terminal then selects text with Shift only.
    pub mouse: bool,
    /// How many colours the terminal shows.
    pub depth: Depth,
    /// Which characters it shows.
    pub symbols: Symbols,
    /// The zone that times are shown in.
    pub zone: TimeZone,
    /// Place levels, widest first.
    pub levels: Vec<String>,
    /// Whether one machine is all that is watched: its own screen is the first.
    pub alone: bool,
    /// Who looks, so that own jobs are found; empty when nobody knows.
    pub user: String,
    /// A command to begin with, as after `:`.
    pub start: Option<String>,
    /// What is to be said at first; empty for nothing.
    pub notice: String,
}

impl Default for Settings {
    /// What the environment says of the terminal, and the usual place levels.
    fn default() -> Self {
        let var = |name: &str| std::env::var(name).ok();
        Settings {
            title: "supertop".into(),
            theme: None,
            themes: Vec::new(),
            keys: BTreeMap::new(),
            habits: Habits::default(),
            commands: BTreeMap::new(),
            views: Vec::new(),
            mouse: true,
            depth: Depth::detect(var),
            symbols: Symbols::detect(var),
            zone: TimeZone::system(),
            levels: Levels::default().names().to_vec(),
            alone: false,
            // Who became root to look is still who has jobs.
            user: var("SUDO_USER").or_else(|| var("USER")).unwrap_or_default(),
            start: None,
            notice: String::new(),
        }
    }
}

impl Settings {
    /// What of the keys cannot be. Without it the others can.
    pub fn wrong_keys(&self) -> Vec<WrongKeys> {
        keymap::Keys::wrong(&self.keys)
    }

    /// Which of the views cannot be gone to, by their positions, and why: `doubt` says what is wrong with a query. Whoever goes
    /// to one is told so, and can mend it there.
    pub fn wrong_views(&self, doubt: impl Fn(&str) -> Option<String>) -> Vec<(usize, String)> {
        let said = |query: &String| match command::parse(query, &self.levels) {
            Ok(command::Command::Query(query)) => doubt(&query),
            Ok(_) => None,
            Err(objection) => Some(objection.message),
        };
        let views = self.views.iter().enumerate();
        views.filter_map(|(at, (_, query))| Some((at, said(query)?))).collect()
    }

    /// Whether the theme can be used.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_theme(&self) -> Result<(), ThemeError> {
        theme::Theme::load(self.theme_name(), &self.themes, self.depth).map(drop)
    }

    /// The theme that was chosen, or else the usual one.
    fn theme_name(&self) -> &str {
        let usual = if self.depth == Depth::Sixteen { theme::SIXTEEN } else { theme::USUAL };
        self.theme.as_deref().unwrap_or(usual)
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The user quit.
    Quit,
    /// A signal asked for it: its number.
    Signal(i32),
}

/// How it ended, and what is to be kept for the next time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// How.
    pub exit: Exit,
    /// What is wanted of tables now.
    pub habits: Habits,
}

/// Why it could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// The theme cannot be used.
    #[error(transparent)]
    Theme(#[from] ThemeError),
    /// A key cannot be what it is to be.
    #[error("keys: {0}")]
    Keys(String),
    /// The terminal cannot be used.
    #[error("terminal: {0}")]
    Terminal(#[from] io::Error),
}

/// Most events that are taken in before the screen is drawn.
const BATCH: usize = 1000;

/// Shows the interface until the user quits or a signal asks for its end. Writing to the terminal may block: give it a
/// thread of its own.
///
/// # Errors
/// A theme with a mistake, before the terminal is touched; a terminal that cannot be read or written.
pub async fn run(mut port: Port, settings: Settings) -> Result<End, TuiError> {
    let takes_mouse = settings.mouse;
    let has_choice = settings.theme.is_none() && settings.depth > Depth::Sixteen;
    let var = |name: &str| std::env::var(name).ok();
    let mut app = App::new(settings, crossterm::terminal::size()?, now())?;
    let mut signals = Signals::new()?;
    let guard = Guard::new(takes_mouse)?;
    let heard = if has_choice { ground::detect(var) } else { Heard::default() };
    if heard.ground == Some(Ground::Light) {
        app.change_theme(theme::LIGHT);
    }
    let (late, mut early) = Late::new(&heard);
    let paper = Paper::new(io::stdout(), crossterm::terminal::size()?);
    let mut face = Face { app, terminal: Terminal::new(paper)?, clipboard: Way::detect(var), late };
    face.ask(&port);
    face.redraw(true)?;
    let mut events = EventStream::new();
    let mut clock = interval(Duration::from_secs(1));
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut hub_talks = true;
    let exit = loop {
        let mut effects = Effects::default();
        tokio::select! {
            event = events.next() => match event {
                Some(event) => effects.add(face.event(event?)),
                None => break Exit::Signal(SignalKind::hangup().as_raw_value()),
            },
            news = port.news.recv(), if hub_talks => match news {
                Some(news) => effects.add(face.update(Input::News(news))),
                None => hub_talks = false,
            },
            () = ready(()), if !early.is_empty() => effects.add(face.press(std::mem::take(&mut early))),
            keys = face.late.let_go() => effects.add(face.press(keys)),
            _ = clock.tick() => effects.add(face.update(Input::Tick)),
            kind = signals.next() => match kind {
                kind if kind == SIGTSTP => effects.add(Effects { suspend: true, ..Effects::default() }),
                kind if kind == SIGCONT => effects.add(Effects { draw: Draw::All, ..Effects::default() }),
                kind => break Exit::Signal(kind),
            },
        }
        face.drain(&mut events, &mut port, &mut effects).await?;
        if effects.quit {
            break Exit::Quit;
        }
        face.ask(&port);
        if let Some(remark) = effects.say.take() {
            // Nobody takes it only once the link's thread has ended, which the screen shows.
            let _ = port.remarks.send(remark);
        }
        face.carry_out(&effects)?;
    };
    drop(guard);
    Ok(End { exit, habits: face.app.shared().habits.clone() })
}

fn now() -> Time {
    Time::from_millis(Timestamp::now().as_millisecond())
}

/// The state and the terminal that it is shown on.
struct Face {
    app: App,
    terminal: Terminal<Paper<io::Stdout>>,
    clipboard: Way,
    late: Late,
}

impl Face {
    fn update(&mut self, input: Input) -> Effects {
        self.app.update(input, now())
    }

    fn press(&mut self, keys: Vec<KeyEvent>) -> Effects {
        let mut effects = Effects::default();
        for key in keys {
            effects.add(self.update(Input::Key(key)));
        }
        effects
    }

    fn event(&mut self, event: Event) -> Effects {
        match event {
            Event::Key(key) => {
                let keys = self.late.pass(key);
                self.press(keys)
            }
            Event::Paste(text) => self.update(Input::Paste(text)),
            Event::Resize(width, height) => {
                self.terminal.backend_mut().resize((width, height));
                self.update(Input::Resize(width, height))
            }
            Event::Mouse(mouse) => self.update(Input::Mouse(mouse)),
            Event::FocusGained | Event::FocusLost => Effects::default(),
        }
    }

    /// Takes in all that is there already, so that it is drawn once.
    async fn drain(&mut self, events: &mut EventStream, port: &mut Port, effects: &mut Effects) -> io::Result<()> {
        for _ in 0..BATCH {
            // The stream wakes only who asked it first, so it is asked in this task's name: with `now_or_never` a key
            // would be seen when something else happens, up to a second later.
            let next = poll_fn(|cx| match events.poll_next_unpin(cx) {
                Poll::Ready(event) => Poll::Ready(event),
                Poll::Pending => Poll::Ready(None),
            });
            if let Some(event) = next.await {
                effects.add(self.event(event?));
            } else if let Ok(news) = port.news.try_recv() {
                effects.add(self.update(Input::News(news)));
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Says what is wanted, if that is something else than before.
    fn ask(&self, port: &Port) {
        let wanted = self.app.questions();
        port.questions.send_if_modified(|questions| {
            let changed = *questions != wanted;
            *questions = wanted;
            changed
        });
    }

    fn carry_out(&mut self, effects: &Effects) -> io::Result<()> {
        if let Some(text) = &effects.copy
            && let Err(words) = clipboard::copy(self.terminal.backend_mut().out(), self.clipboard, text)?
        {
            self.app.say(words);
        }
        if effects.suspend {
            terminal::give_back();
            // As the terminal itself does with ^Z: all of the job stops, and the shell goes on.
            rustix::process::kill_current_process_group(rustix::process::Signal::STOP)?;
            terminal::take()?;
            let (width, height) = crossterm::terminal::size()?;
            self.event(Event::Resize(width, height));
        }
        let draw = if effects.suspend { Draw::All } else { effects.draw };
        if draw > Draw::Nothing {
            self.redraw(draw == Draw::All)?;
        }
        Ok(())
    }

    fn redraw(&mut self, clear: bool) -> io::Result<()> {
        if clear {
            self.terminal.backend_mut().forget();
            self.terminal.clear()?;
        }
        let app = &self.app;
        self.terminal.draw(|frame| {
            if let Some(cursor) = frame::draw(app, frame.buffer_mut()) {
                frame.set_cursor_position(cursor);
            }
        })?;
        Ok(())
    }
}

/// The signals that a terminal program has to answer to.
struct Signals {
    signals: [Signal; 5],
}

impl Signals {
    fn new() -> io::Result<Self> {
        let at = |number: i32| signal(SignalKind::from_raw(number));
        let end =
            [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()].map(|kind| kind.as_raw_value());
        Ok(Signals { signals: [at(end[0])?, at(end[1])?, at(end[2])?, at(SIGTSTP)?, at(SIGCONT)?] })
    }

    /// The number of the next one.
    async fn next(&mut self) -> i32 {
        let [term, hang, int, stop, cont] = &mut self.signals;
        tokio::select! {
            _ = term.recv() => SignalKind::terminate().as_raw_value(),
            _ = hang.recv() => SignalKind::hangup().as_raw_value(),
            _ = int.recv() => SignalKind::interrupt().as_raw_value(),
            _ = stop.recv() => SIGTSTP,
            _ = cont.recv() => SIGCONT,
        }
    }
}

#[cfg(test)]
mod tests;
