//! The state of the interface: stacks of screens, what they share, the prompt, and the questions that follow from all that.
//! Nothing here draws, and nothing here waits.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    model::{
        Time, Unit,
        question::{Answer, News, Question, Reply},
    },
    tui::{
        Settings, TuiError,
        draw::Look,
        errand::Errand,
        keymap::{Keymap, Keys},
        past,
        prompt::{Kind, Prompt},
        screen::{Asked, Screen, Step, overview::Overview, table::TableScreen},
        shared::Shared,
        theme::Theme,
        views,
    },
};

/// Most stacks of screens that the history of views holds.
const HISTORY: usize = 20;
/// The least that one goes back in time at once: history of large fleets is kept in such steps.
const LEAST_STEP: Duration = Duration::from_secs(10);
/// How long a notice stands.
const NOTICE: Duration = Duration::from_secs(4);

/// A screen on the stack.
pub(super) struct Layer {
    /// Its own number: questions and answers find each other by it.
    serial: u32,
    pub(super) screen: Box<dyn Screen>,
    /// Which of its questions have been answered, with their texts.
    answered: BTreeMap<u32, String>,
}

/// All state.
pub(crate) struct App {
    pub(super) shared: Shared,
    pub(super) keymap: Keymap,
    pub(super) prompt: Option<Prompt>,
    stacks: Vec<Vec<Layer>>,
    at: usize,
    serial: u32,
    notice: Option<(String, Time)>,
    pub(super) errand: Option<Errand>,
    /// What is to be copied now.
    pub(super) clip: Option<String>,
    pub(super) settings: Settings,
}

/// The questions of the second line.
const FLEET: u32 = 0;
const TREND: u32 = 1;
const IDLE: u32 = 2;
const WAS: u32 = 3;
const NODES: &str = "nodes limit 0";
/// The first of those for what is to be copied.
const ERRAND: u32 = 4;

impl App {
    /// The interface as it begins.
    pub(crate) fn new(settings: Settings, size: (u16, u16), now: Time) -> Result<App, TuiError> {
        let theme = Theme::load(settings.theme_name(), &settings.themes, settings.depth)?;
        let look = Look { theme, symbols: settings.symbols };
        let mut shared = Shared::new(now, size, look, settings.zone.clone(), settings.levels.clone());
        shared.keys = Keys::with(&settings.keys).map_err(|wrong| TuiError::Keys(wrong.what))?;
        let keymap = Keymap::new(&shared.keys);
        shared.habits = settings.habits.clone();
        let first = Box::new(Overview::new(settings.alone, &shared));
        let mut app = App {
            shared,
            keymap,
            prompt: None,
            stacks: vec![Vec::new()],
            at: 0,
            serial: 0,
            notice: None,
            errand: None,
            clip: None,
            settings,
        };
        app.push(first);
        if !app.settings.notice.is_empty() {
            app.say(app.settings.notice.clone());
        }
        if let Some(start) = app.settings.start.clone() {
            app.run(&start);
        }
        Ok(app)
    }

    /// What all screens share.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The program's name, or what it watches.
    pub(crate) fn title(&self) -> &str {
        &self.settings.title
    }

    /// The line being typed.
    pub(crate) fn prompt(&self) -> Option<&Prompt> {
        self.prompt.as_ref()
    }

    /// What just happened, in words.
    pub(crate) fn notice(&self) -> Option<&str> {
        self.notice.as_ref().map(|(words, _)| words.as_str())
    }

    /// The screen on top.
    pub(crate) fn screen(&self) -> &dyn Screen {
        // A stack is never empty: it begins with a screen, and its last one is never taken away.
        &*self.stack()[self.stack().len() - 1].screen
    }

    pub(super) fn screen_mut(&mut self) -> (&mut dyn Screen, &Shared) {
        let stack = &mut self.stacks[self.at];
        let top = stack.len() - 1;
        (&mut *stack[top].screen, &self.shared)
    }

    fn stack(&self) -> &[Layer] {
        &self.stacks[self.at]
    }

    /// Whether the screen on top is the root of its view.
    pub(super) fn at_root(&self) -> bool {
        self.stack().len() == 1
    }

    /// The way here. Behind its node, a GPU or process needs no more than its number.
    pub(crate) fn crumbs(&self) -> Vec<String> {
        let names: Vec<String> = self.stack().iter().map(|layer| layer.screen.crumb()).collect();
        let short = |(at, name): (usize, &String)| {
            let number = |sign: char| {
                let (node, number) = name.rsplit_once(sign)?;
                names[..at].iter().any(|before| before == node).then_some(number)
            };
            let gpu = number(':').map(|index| format!("GPU {index}"));
            gpu.or_else(|| number('/').map(|pid| format!("pid {pid}"))).unwrap_or_else(|| name.clone())
        };
        names.iter().enumerate().map(short).collect()
    }

    /// The views behind `1` to `9`, and which of them is shown.
    pub(crate) fn tabs(&self) -> Vec<(String, bool)> {
        let here = self.stack().first().and_then(|layer| layer.screen.view().map(str::to_owned));
        self.views().into_iter().map(|view| (view.clone(), here.as_ref() == Some(&view))).collect()
    }

    /// Names of the views behind `1` to `9`.
    pub(super) fn views(&self) -> Vec<String> {
        let places = self.shared.levels.last().map_or_else(|| "fleet".to_owned(), |level| views::plural(level));
        ["overview", "nodes", "gpus", "jobs", &places, "processes", "nics", "events", "mounts"]
            .map(String::from)
            .to_vec()
    }

    /// Everything that is to be kept fresh for what is on screen.
    pub(crate) fn questions(&self) -> Vec<Question> {
        let top = &self.stack()[self.stack().len() - 1];
        let can_ask = |asked: &Asked| {
            self.shared.then.is_none() || asked.is_dated || past::can_ask(&asked.text, &self.shared.levels)
        };
        let own = top.screen.asks(&self.shared).into_iter().filter(can_ask).map(|asked| self.about(asked));
        let errand = self.errand_asks(ERRAND).into_iter().map(|asked| question(0, self.about(asked)));
        if self.shared.frozen.is_some() {
            // Held still: only what was never answered, in these words, is asked, once.
            let open = own.filter(|asked| top.answered.get(&asked.part) != Some(&asked.text));
            let once = |asked| Asked { every: Duration::ZERO, ..asked };
            return open.map(|asked| question(top.serial, once(asked))).chain(errand).collect();
        }
        let totals = self.totals().into_iter().map(|asked| question(0, self.about(asked)));
        totals.chain(own.map(|asked| question(top.serial, asked))).chain(errand).collect()
    }

    /// What is asked, about the time that screens are about. What was does not change: it is asked once.
    fn about(&self, asked: Asked) -> Asked {
        match self.shared.then {
            Some(_) if asked.is_dated => asked,
            Some(then) => Asked { text: past::at(&asked.text, then), every: Duration::ZERO, ..asked },
            None => asked,
        }
    }

    /// Shows everything as it was at a time, or as it is now; what was held still goes on. Says how far back that can be.
    pub(super) fn show_then(&mut self, then: Option<Time>) {
        self.shared.frozen = None;
        self.shared.totals.was = None;
        let reach = self.shared.census.as_ref().and_then(|census| census.history);
        self.shared.then = match (then.filter(|then| *then < self.shared.now), reach) {
            (Some(then), Some(reach)) if then < reach => {
                let ago = Unit::Seconds.text(self.shared.now.since(reach).as_secs_f64());
                self.say(format!("history reaches back {ago} only"));
                Some(reach)
            }
            (then, _) => then,
        };
        self.arrange();
    }

    /// Goes back in time by a tenth of what graphs show, or on by as much.
    pub(super) fn scrub(&mut self, back: bool) {
        let step = (self.shared.span() / 10).max(LEAST_STEP);
        let from = self.shared.then.unwrap_or(self.shared.now);
        if back || self.shared.then.is_some() {
            self.show_then(Some(if back { from - step } else { from + step }));
        }
    }

    fn totals(&self) -> Vec<Asked> {
        let keys = "gpu.util,gpu.mem.util,gpu.power,gpu.power.limit,gpu.tensor.active,gpu.temp,node.cpu,node.mem.util,\
                    node.net.rx,node.net.tx,node.disk.used";
        let trend = if self.shared.no_gpus() { "node.cpu" } else { "gpu.util" };
        let mut asks = vec![
            Asked::every(1, FLEET, format!("fleet show {keys}")),
            Asked::every(10, TREND, format!("fleet show {trend} over 5m step 30s")),
        ];
        if self.shared.then.is_some() {
            asks.push(Asked::every(5, WAS, NODES));
        }
        if !self.shared.no_gpus() {
            asks.push(Asked::every(5, IDLE, "gpus where util < 1 limit 0"));
        }
        asks
    }

    /// Takes news in. Says whether anything on screen changed.
    pub(super) fn hear(&mut self, news: News) -> bool {
        match news {
            News::Link(link) => {
                let changed = self.shared.link.0 != link;
                if changed {
                    self.shared.link = (link, self.shared.now);
                }
                changed
            }
            News::Reply(reply) => self.reply(*reply),
            News::Said(said) => {
                self.say(said.map_or_else(|complaint| complaint.message, |()| "taken note of".into()));
                true
            }
        }
    }

    fn reply(&mut self, reply: Reply) -> bool {
        let (serial, part) = (reply.slot / Asked::MOST, reply.slot % Asked::MOST);
        let layer = self.stack().len() - 1;
        let top = &self.stack()[layer];
        let frozen = self.shared.frozen.is_some();
        if serial == 0 && part >= ERRAND {
            return self.errand_heard(&reply.query, reply.answer);
        }
        if serial == 0 {
            return !frozen && self.total(part, reply);
        }
        // An answer to what was asked a moment ago, on another screen or for another window, is of no use any more.
        let wanted = top.serial == serial
            && top
                .screen
                .asks(&self.shared)
                .into_iter()
                .map(|asked| self.about(asked))
                .any(|it| it.part == part && it.text == reply.query);
        if !wanted || (frozen && top.answered.get(&part) == Some(&reply.query)) {
            return false;
        }
        self.shared.heard = Some(self.shared.now);
        let census = self.census(&reply);
        let layer = &mut self.stacks[self.at][layer];
        layer.answered.insert(part, reply.query);
        if let Ok(Answer::Series(series)) = &reply.answer {
            self.shared.follow(series);
        }
        let step = layer.screen.heard(part, reply.answer, &self.shared);
        self.take(step) || census
    }

    /// Takes the states of all nodes in. Says whether they changed.
    fn census(&mut self, reply: &Reply) -> bool {
        let census = match &reply.answer {
            Ok(Answer::Table(table)) => &table.census,
            Ok(Answer::Series(series)) => &series.census,
            Err(_) => return false,
        };
        let changed = self.shared.census.as_ref() != Some(census);
        if changed {
            self.shared.census = Some(census.clone());
            let (screen, shared) = self.screen_mut();
            screen.arrange(shared);
        }
        changed
    }

    fn total(&mut self, part: u32, reply: Reply) -> bool {
        self.shared.heard = Some(self.shared.now);
        let changed = self.census(&reply);
        let then = self.shared.then;
        let totals = &mut self.shared.totals;
        match (part, reply.answer) {
            (FLEET, Ok(Answer::Table(table))) => {
                let same = totals.fleet.as_ref().is_some_and(|old| old.rows == table.rows);
                totals.fleet = Some(table);
                !same || changed
            }
            (TREND, Ok(Answer::Series(series))) => {
                let same = totals.trend.as_ref().is_some_and(|old| old.lines == series.lines);
                totals.trend = Some(series);
                !same || changed
            }
            (WAS, Ok(Answer::Table(table))) if then.is_some_and(|then| past::at(NODES, then) == reply.query) => {
                let was = Some((table.total.saturating_sub(table.stale), table.stale));
                std::mem::replace(&mut totals.was, was) != was || changed
            }
            (IDLE, Ok(Answer::Table(table))) => totals.idle.replace(table.total) != Some(table.total) || changed,
            _ => changed,
        }
    }

    /// Does what a screen asked for. Says whether anything on screen changed.
    pub(super) fn take(&mut self, step: Step) -> bool {
        match step {
            Step::Same | Step::Unhandled => return false,
            Step::Changed => {}
            Step::Open(screen) => self.push(screen),
            Step::Replace(screen) => {
                self.stacks[self.at].pop();
                self.push(screen);
            }
            Step::Back => return self.pop(),
            Step::Wish(view, habit) => {
                self.shared.habits.set(&view, habit);
                self.arrange();
            }
            Step::Say(words) => self.say(words),
        }
        true
    }

    /// Puts a screen on top.
    pub(super) fn push(&mut self, mut screen: Box<dyn Screen>) {
        screen.arrange(&self.shared);
        // Serial 0 belongs to the second line.
        self.serial += 1;
        self.stacks[self.at].push(Layer { serial: self.serial, screen, answered: BTreeMap::new() });
    }

    /// Takes the screen on top away, unless it is the only one.
    pub(super) fn pop(&mut self) -> bool {
        if self.at_root() {
            return false;
        }
        self.stacks[self.at].pop();
        self.arrange();
        true
    }

    /// Begins a new stack with this screen; the one that is left can be come back to.
    pub(super) fn switch(&mut self, screen: Box<dyn Screen>) {
        self.stacks.truncate(self.at + 1);
        if self.stacks.len() >= HISTORY {
            self.stacks.remove(0);
        }
        self.stacks.push(Vec::new());
        self.at = self.stacks.len() - 1;
        self.push(screen);
    }

    /// Goes through the history of views. Says whether there was one.
    pub(super) fn travel(&mut self, back: bool) -> bool {
        let to = if back { self.at.checked_sub(1) } else { Some(self.at + 1).filter(|at| *at < self.stacks.len()) };
        let Some(to) = to else { return false };
        self.at = to;
        self.arrange();
        true
    }

    /// Lets the screen on top take note of what changed around it.
    pub(super) fn arrange(&mut self) {
        let (screen, shared) = self.screen_mut();
        screen.arrange(shared);
    }

    /// Tells the user something.
    pub(super) fn say(&mut self, words: impl Into<String>) {
        self.notice = Some((words.into(), self.shared.now));
    }

    /// Shows a longer or a shorter time, and says how much of it is known.
    pub(super) fn zoom(&mut self, out: bool) -> bool {
        let is_other = self.shared.zoom(out);
        let history = self.shared.census.as_ref().and_then(|census| census.history);
        if let Some(age) = history.map(|since| self.shared.now.since(since)) {
            let reach = Unit::Seconds.text(age.as_secs_f64());
            self.say(format!("{}; history reaches back {reach}", self.shared.span_words()));
        }
        is_other
    }

    /// Takes away what has been said for long enough. Says whether there was such.
    pub(super) fn forget_notice(&mut self) -> bool {
        let over = self.notice.as_ref().is_some_and(|(_, since)| self.shared.now.since(*since) >= NOTICE);
        if over {
            self.notice = None;
        }
        over
    }

    /// Goes to the view with this name.
    pub(super) fn go(&mut self, view: &str) {
        let screen: Box<dyn Screen> = match view {
            "overview" => Box::new(Overview::new(false, &self.shared)),
            _ => Box::new(TableScreen::view_of(view, &self.shared)),
        };
        self.switch(screen);
    }

    /// Opens the prompt.
    pub(super) fn ask_for(&mut self, kind: Kind) {
        let text = match kind {
            Kind::Filter => self.screen().filter().unwrap_or_default().to_owned(),
            Kind::Command => String::new(),
        };
        self.prompt = Some(Prompt::new(kind, &text));
    }

    /// Opens the prompt for the name to save what is on screen under. Says whether anything changed.
    pub(super) fn open_save(&mut self) -> bool {
        match self.screen().command() {
            Some(_) => self.prompt = Some(Prompt::new(Kind::Command, "save ")),
            None => self.say("nothing to save here"),
        }
        true
    }

    /// Opens the prompt to take note of the incident under the cursor. Says whether there is one.
    pub(super) fn open_acknowledgement(&mut self) -> bool {
        let Some(id) = self.screen().incident() else {
            self.say("no incident is under the cursor");
            return true;
        };
        let text = format!("ack {id} ");
        self.prompt = Some(Prompt::new(Kind::Command, &text));
        true
    }
}

fn question(serial: u32, asked: Asked) -> Question {
    Question { slot: serial.wrapping_mul(Asked::MOST) + asked.part, query: asked.text, every: asked.every }
}
