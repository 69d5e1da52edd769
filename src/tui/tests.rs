//! The interface over a hub that makes its answers up: keys in, screens out.

mod actions;
mod burst;
mod copies;
mod every;
mod faults;
mod frozen;
mod hub;
mod incidents;
mod keys;
mod looks;
mod marks;
mod mouse;
mod palette;
mod saved;
mod screens;
mod sorts;

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use jiff::tz::TimeZone;
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};

use super::{
    Depth, Settings, Symbols,
    app::App,
    frame,
    update::{Draw, Effects, Input},
};
use crate::model::{
    Time,
    question::{Link, News, Question},
};
use hub::Hub;

/// The interface and its hub.
struct Stage {
    app: App,
    hub: Hub,
    /// What was copied last without a key's doing: once the hub had answered.
    copied: Option<String>,
}

/// The size of a terminal that shows enough of everything.
const SIZE: (u16, u16) = (120, 40);
/// What drains a node.
const DRAIN: &str = "scontrol update nodename={node} state=drain reason=\"{reason}\"";
const RESUME: &str = "scontrol update nodename={node} state=resume";

fn settings() -> Settings {
    Settings {
        title: "supertop".into(),
        theme: None,
        themes: Vec::new(),
        keys: BTreeMap::new(),
        commands: [("drain.slurm", DRAIN), ("resume.slurm", RESUME)]
            .map(|(name, line)| (name.to_owned(), vec![line.to_owned()]))
            .into(),
        views: vec![("hot".into(), "gpus where temp > 80 sort -temp".into())],
        mouse: true,
        depth: Depth::True,
        symbols: Symbols::Braille,
        zone: TimeZone::UTC,
        levels: ["region", "pod", "rack"].map(String::from).to_vec(),
        alone: false,
        user: "u1042".into(),
        start: None,
        habits: crate::tui::Habits::default(),
        notice: String::new(),
    }
}

/// A fleet of 256 nodes on a terminal of that size.
fn stage() -> Stage {
    Stage::new(256, 8, SIZE)
}

/// Where one is, from the first screen on.
fn trail(stage: &Stage) -> String {
    stage.app.crumbs().join(" › ")
}

impl Stage {
    fn new(nodes: usize, gpus: usize, size: (u16, u16)) -> Stage {
        Stage::with(Settings { alone: nodes == 1, ..settings() }, nodes, gpus, size)
    }

    fn with(settings: Settings, nodes: usize, gpus: usize, size: (u16, u16)) -> Stage {
        let hub = Hub::new(nodes, gpus);
        let mut app = App::new(settings, size, hub.now).unwrap();
        app.update(Input::News(News::Link(Link::Up)), hub.now);
        let mut stage = Stage { app, hub, copied: None };
        stage.settle();
        stage
    }

    /// Answers everything until no answer leads to another question. Says whether anything on screen changed.
    fn settle(&mut self) -> bool {
        let mut changed = false;
        let mut before: Vec<Question> = Vec::new();
        for _ in 0..9 {
            let questions = self.app.questions();
            if questions == before {
                return changed;
            }
            for question in questions.iter().filter(|question| !before.contains(question)) {
                changed |= self.hear(question);
            }
            before = questions;
        }
        panic!("questions never come to an end: {before:?}");
    }

    fn hear(&mut self, question: &Question) -> bool {
        let reply = self.hub.answer(question);
        let effects = self.app.update(Input::News(News::Reply(Box::new(reply))), self.hub.now);
        self.copied = effects.copy.or(self.copied.take());
        effects.draw > Draw::Nothing
    }

    /// A second goes by, and everything is answered anew.
    fn second(&mut self) -> bool {
        self.hub.now = Time::from_millis(self.hub.now.as_millis() + 1000);
        let questions = self.app.questions();
        questions.iter().fold(false, |changed, question| self.hear(question) | changed)
    }

    fn press(&mut self, keys: &str) -> Effects {
        let mut effects = Effects::default();
        for key in keys.split(' ') {
            let held = [("ctrl-", KeyModifiers::CONTROL), ("alt-", KeyModifiers::ALT)];
            let held = held.into_iter().find_map(|(word, it)| Some((key.strip_prefix(word)?, it)));
            let (name, modifiers) = held.unwrap_or((key, KeyModifiers::NONE));
            let mut chars = name.chars();
            let code = match (name, chars.next(), chars.next()) {
                ("space", ..) => KeyCode::Char(' '),
                ("enter", ..) => KeyCode::Enter,
                ("esc", ..) => KeyCode::Esc,
                ("tab", ..) => KeyCode::Tab,
                ("backtab", ..) => KeyCode::BackTab,
                ("up", ..) => KeyCode::Up,
                ("down", ..) => KeyCode::Down,
                ("left", ..) => KeyCode::Left,
                ("right", ..) => KeyCode::Right,
                ("home", ..) => KeyCode::Home,
                ("end", ..) => KeyCode::End,
                ("pageup", ..) => KeyCode::PageUp,
                ("pagedown", ..) => KeyCode::PageDown,
                ("backspace", ..) => KeyCode::Backspace,
                (_, Some(c), None) => KeyCode::Char(c),
                _ => panic!("no key is called {name}"),
            };
            effects.add(self.app.update(Input::Key(KeyEvent::new(code, modifiers)), self.hub.now));
            self.settle();
        }
        effects
    }

    fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) {
        let modifiers = KeyModifiers::NONE;
        self.app.update(Input::Mouse(MouseEvent { kind, column, row, modifiers }), self.hub.now);
        self.settle();
    }

    fn click(&mut self, column: u16, row: u16) {
        self.mouse(MouseEventKind::Down(MouseButton::Left), column, row);
    }

    fn write(&mut self, text: &str) {
        for c in text.chars() {
            self.app.update(Input::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)), self.hub.now);
        }
        self.settle();
    }

    fn buffer(&self) -> Buffer {
        let (width, height) = self.app.shared().size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal
            .draw(|frame| {
                frame::draw(&self.app, frame.buffer_mut());
            })
            .unwrap();
        terminal.backend().buffer().clone()
    }

    fn screen(&self) -> String {
        cells(&self.buffer())
    }
}

/// What the cells show, line by line.
fn cells(buffer: &Buffer) -> String {
    let lines = buffer.content.chunks(usize::from(buffer.area.width).max(1)).map(|line| {
        let mut text = String::new();
        let mut covered = 0;
        for cell in line {
            if covered > 0 {
                covered -= 1;
                continue;
            }
            covered = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
            text.push_str(cell.symbol());
        }
        text.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}
