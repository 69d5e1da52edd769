//! From what happened to what changes: keys become actions, actions and news change the state, and what the state cannot do
//! itself is handed back as effects.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::{
    model::{Time, hostlist::Hostlist, incident::Remark, question::News},
    tui::{
        action::Action,
        app::App,
        errand::What,
        frame,
        keymap::Meaning,
        prompt::{Kind, Typed},
        screen::Step,
    },
};

/// Rows that one notch of the wheel moves by.
const WHEEL: usize = 3;
/// Lines above a screen.
const HEAD: u16 = 2;

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has another size.
    Resize(u16, u16),
    /// A second went by.
    Tick,
    /// The hub said something.
    News(News),
}

/// What is to be done outside of the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// What is to be drawn.
    pub(crate) draw: Draw,
    /// Suspend the process.
    pub(crate) suspend: bool,
    /// Put this on the clipboard.
    pub(crate) copy: Option<String>,
    /// Tell this to the hub.
    pub(crate) say: Option<Remark>,
    /// Quit.
    pub(crate) quit: bool,
}

/// How much is to be drawn, least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Draw {
    /// Nothing on screen changed.
    #[default]
    Nothing,
    /// What changed.
    Changes,
    /// Everything, onto an empty screen.
    All,
}

impl Effects {
    fn redraw(changed: bool) -> Self {
        Effects { draw: if changed { Draw::Changes } else { Draw::Nothing }, ..Effects::default() }
    }

    /// Adds what `more` asks for.
    pub(crate) fn add(&mut self, more: Effects) {
        self.draw = self.draw.max(more.draw);
        self.suspend |= more.suspend;
        self.quit |= more.quit;
        self.copy = more.copy.or(self.copy.take());
        self.say = more.say.or(self.say.take());
    }
}

impl App {
    /// Takes one event in.
    pub(crate) fn update(&mut self, input: Input, now: Time) -> Effects {
        self.shared.now = now;
        match input {
            Input::Key(key) if key.kind != KeyEventKind::Release => self.key(key),
            Input::Key(_) => Effects::default(),
            Input::Mouse(_) if !self.settings.mouse => Effects::default(),
            Input::Mouse(event) => self.mouse(event),
            Input::Paste(text) => Effects::redraw(self.paste(&text)),
            Input::Resize(width, height) => {
                self.shared.size = (width, height);
                self.arrange();
                Effects::redraw(true)
            }
            Input::Tick => {
                self.forget_notice();
                self.forget_errand();
                // The clock of the header goes on.
                Effects::redraw(true)
            }
            Input::News(news) => {
                let changed = self.hear(news);
                Effects { copy: self.clip.take(), ..Effects::redraw(changed) }
            }
        }
    }

    /// The wheel moves as keys do; a click is the screen's to understand.
    fn mouse(&mut self, MouseEvent { kind, column, row, .. }: MouseEvent) -> Effects {
        let scrolls = |action| (0..WHEEL).map(move |_| action);
        let actions = match kind {
            _ if self.prompt.is_some() => return Effects::default(),
            MouseEventKind::ScrollUp => scrolls(Action::Up),
            MouseEventKind::ScrollDown => scrolls(Action::Down),
            MouseEventKind::Down(MouseButton::Left) if row == 0 => {
                let Some(view) = frame::tab_at(self, column) else { return Effects::default() };
                self.go(&view);
                return Effects::redraw(true);
            }
            MouseEventKind::Down(MouseButton::Left) => {
                let Some(y) = row.checked_sub(HEAD).filter(|y| *y < self.shared.body().1) else {
                    return Effects::default();
                };
                let (screen, shared) = self.screen_mut();
                let step = screen.click((column, y), shared);
                return Effects::redraw(self.take(step));
            }
            _ => return Effects::default(),
        };
        let mut effects = Effects::default();
        actions.for_each(|action| effects.add(self.act(action)));
        effects
    }

    fn key(&mut self, key: KeyEvent) -> Effects {
        if self.prompt.is_some() {
            return self.typed(key);
        }
        if self.screen().wants_letter() {
            let letter = match key.code {
                KeyCode::Char(c) if !key.modifiers.contains(KeyModifiers::CONTROL) => Some(c),
                _ => None,
            };
            let (screen, shared) = self.screen_mut();
            let step = screen.letter(letter, shared);
            return Effects::redraw(self.take(step));
        }
        match self.keymap.press(key) {
            Meaning::Action(action) => self.act(action),
            Meaning::Pending | Meaning::Nothing => Effects::default(),
        }
    }

    /// Does an action: what belongs to the whole program here, the rest on the screen on top.
    pub(crate) fn act(&mut self, action: Action) -> Effects {
        let changed = match action {
            Action::QuitNow => return Effects { quit: true, ..Effects::default() },
            Action::Quit if self.at_root() => return Effects { quit: true, ..Effects::default() },
            Action::Suspend => return Effects { suspend: true, draw: Draw::All, ..Effects::default() },
            Action::Redraw => return Effects { draw: Draw::All, ..Effects::default() },
            Action::Copy => return self.copy(),
            Action::CopyJson | Action::CopyDrain => {
                self.fetch(if action == Action::CopyJson { What::Json } else { What::Drain });
                true
            }
            Action::Quit => self.pop(),
            Action::Back => self.back(),
            Action::Command => self.open_prompt(Kind::Command),
            Action::Blast => {
                self.show_blast();
                true
            }
            Action::Columns => {
                self.choose_columns();
                true
            }
            Action::Compare => {
                self.compare(None);
                true
            }
            Action::Acknowledge => self.open_acknowledgement(),
            Action::Filter => self.open_prompt(Kind::Filter),
            Action::Save => self.open_save(),
            Action::Help => {
                self.help();
                true
            }
            Action::Freeze => {
                self.shared.frozen = if self.shared.frozen.is_some() { None } else { Some(self.shared.now) };
                true
            }
            Action::Earlier | Action::Later => {
                self.scrub(action == Action::Earlier);
                true
            }
            Action::ZoomIn | Action::ZoomOut => self.zoom(action == Action::ZoomOut),
            Action::NextView | Action::PreviousView => self.turn(action == Action::PreviousView),
            Action::HistoryBack | Action::HistoryForward => self.travel(action == Action::HistoryBack),
            Action::Mark => self.mark(),
            Action::Unmark => self.unmark(),
            _ if let Some(at) = Action::SAVED.iter().position(|saved| *saved == action) => {
                let mut effects = self.saved(at);
                effects.add(Effects::redraw(true));
                return effects;
            }
            _ => match Action::VIEWS.iter().position(|view| *view == action) {
                Some(at) => {
                    let view = self.views().swap_remove(at);
                    self.go(&view);
                    true
                }
                None => self.on_screen(action),
            },
        };
        Effects::redraw(changed)
    }

    fn on_screen(&mut self, action: Action) -> bool {
        if let Some(changed) = self.on_top(action) {
            return changed;
        }
        let lacks = match action {
            Action::Faults => "nothing here can be faulty",
            Action::SortBy => "nothing to sort here",
            Action::Metric | Action::MetricBack => "nothing to colour here",
            _ => return false,
        };
        self.say(lacks);
        true
    }

    /// Does an action on the screen on top. Says whether anything changed; nothing where the screen has no such action.
    pub(super) fn on_top(&mut self, action: Action) -> Option<bool> {
        let (screen, shared) = self.screen_mut();
        match screen.act(action, shared) {
            Step::Unhandled => None,
            step => Some(self.take(step)),
        }
    }

    /// Back to where one came from: out of a filter first, then out of the screen.
    fn back(&mut self) -> bool {
        if self.screen().filter().is_some_and(|filter| !filter.is_empty()) {
            self.screen_mut().0.set_filter("");
            return true;
        }
        self.pop()
    }

    fn turn(&mut self, back: bool) -> bool {
        let tabs = self.tabs();
        let n = tabs.len();
        let next = match (tabs.iter().position(|(_, here)| *here), back) {
            (Some(at), false) => (at + 1) % n,
            (Some(at), true) => (at + n - 1) % n,
            (None, _) => 0,
        };
        let view = tabs[next].0.clone();
        self.go(&view);
        true
    }

    /// Copies what is marked, or what is under the cursor.
    pub(super) fn copy(&mut self) -> Effects {
        let marks: Vec<&str> = self.shared.marks.iter().map(String::as_str).collect();
        match self.screen().copies(&marks, &self.settings.commands) {
            Some(Ok(text)) => {
                self.say(format!("copied {}", text.replace('\n', "; ")));
                return Effects { draw: Draw::Changes, copy: Some(text), ..Effects::default() };
            }
            Some(Err(words)) => {
                self.say(words);
                return Effects { draw: Draw::Changes, ..Effects::default() };
            }
            None => {}
        }
        let plain = |name: &&str| !name.contains([':', '/', '=']);
        let text = match marks.as_slice() {
            [] => self.screen().subject(),
            names if names.iter().all(plain) => Some(Hostlist::fold(names.iter().copied()).to_string()),
            names => Some(names.join(" ")),
        };
        let Some(text) = text else { return Effects::default() };
        let lacks = self.screen().lacks(&self.shared).filter(|_| marks.is_empty()).map(|words| format!(": {words}"));
        self.say(format!("copied {text}{}", lacks.unwrap_or_default()));
        Effects { draw: Draw::Changes, copy: Some(text), ..Effects::default() }
    }

    fn open_prompt(&mut self, kind: Kind) -> bool {
        if kind == Kind::Filter && self.screen().filter().is_none() {
            if !self.at_root() {
                self.say("nothing to filter here");
                return true;
            }
            // A filter from the overview looks for nodes.
            self.go("nodes");
        }
        self.ask_for(kind);
        true
    }

    fn paste(&mut self, text: &str) -> bool {
        let Some(prompt) = &mut self.prompt else { return false };
        prompt.insert(text);
        self.live();
        true
    }

    /// A filter holds while it is being typed.
    fn live(&mut self) {
        if let Some(prompt) = self.prompt.as_ref().filter(|prompt| prompt.kind == Kind::Filter) {
            let text = prompt.text().to_owned();
            self.screen_mut().0.set_filter(&text);
        }
    }

    fn typed(&mut self, key: KeyEvent) -> Effects {
        let Some(prompt) = &mut self.prompt else { return Effects::default() };
        match prompt.press(key, self.shared.habits.typed(prompt.kind)) {
            Typed::Edited => self.live(),
            Typed::Moved => {}
            Typed::Complete => {
                self.complete();
                self.live();
            }
            Typed::Cancelled => {
                if let Some(prompt) = self.prompt.take().filter(|prompt| prompt.kind == Kind::Filter) {
                    self.screen_mut().0.set_filter(&prompt.before);
                }
            }
            Typed::Done => {
                let Some(prompt) = self.prompt.take() else { return Effects::default() };
                self.shared.habits.keep(prompt.kind, prompt.text());
                if prompt.kind == Kind::Command {
                    return Effects { draw: Draw::Changes, ..self.run(prompt.text()) };
                }
            }
        }
        Effects::redraw(true)
    }
}
