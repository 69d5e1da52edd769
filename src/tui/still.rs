//! The interface without a terminal: for whoever wants to see what it shows, or to know what drawing that costs.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;

use crate::{
    model::{
        Time,
        question::{Link, News, Question, Reply},
    },
    tui::{
        Settings, TuiError,
        app::App,
        frame,
        update::{Draw, Input},
    },
};

/// The interface without a terminal. Whoever has it plays the hub and the user: answers its questions, presses its keys,
/// and has it drawn. It has no clock: `now` is an argument, and never earlier than before.
pub struct Still {
    app: App,
}

impl Still {
    /// The first screen of a terminal with so many columns and lines, linked to a hub that said nothing so far.
    ///
    /// # Errors
    /// A theme or a key with a mistake.
    pub fn new(settings: Settings, size: (u16, u16), now: Time) -> Result<Still, TuiError> {
        let mut app = App::new(settings, size, now)?;
        app.update(Input::News(News::Link(Link::Up)), now);
        Ok(Still { app })
    }

    /// What it wants kept fresh now. Answers and keys change that.
    pub fn questions(&self) -> Vec<Question> {
        self.app.questions()
    }

    /// Takes a reply in. Says whether there is something new to draw.
    pub fn hear(&mut self, reply: Reply, now: Time) -> bool {
        self.take(Input::News(News::Reply(Box::new(reply))), now)
    }

    /// Takes a key in. Says whether there is something new to draw. What goes beyond the screen (quit, suspend, copy) is
    /// not done.
    pub fn press(&mut self, key: KeyEvent, now: Time) -> bool {
        self.take(Input::Key(key), now)
    }

    fn take(&mut self, input: Input, now: Time) -> bool {
        self.app.update(input, now).draw > Draw::Nothing
    }

    /// Draws all of it over whatever is in `buffer`, which is to be of the size that it was made for.
    pub fn draw(&self, buffer: &mut Buffer) {
        frame::draw(&self.app, buffer);
    }
}
