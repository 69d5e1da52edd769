//! The line that is typed into at the bottom: a filter or a command, with its editing keys, history and completion.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::tui::screen::Objection;

/// What is being typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A condition: it holds as soon as it is typed.
    Filter,
    /// A command, run by Enter.
    Command,
}

/// The prompt.
#[derive(Clone, Debug)]
pub(crate) struct Prompt {
    /// What for.
    pub(crate) kind: Kind,
    /// What stood there before, for Esc to bring back.
    pub(crate) before: String,
    /// What is wrong with it, as far as is known without the hub.
    pub(crate) objection: Option<Objection>,
    text: String,
    /// Byte position of the cursor.
    cursor: usize,
    recalled: Option<usize>,
}

/// What a key did to the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// The text changed.
    Edited,
    /// The cursor moved, or nothing happened.
    Moved,
    /// Enter.
    Done,
    /// Esc, or Backspace in an empty line.
    Cancelled,
    /// Tab: the word before the cursor is to be completed.
    Complete,
}

impl Prompt {
    /// A prompt that holds `text`.
    pub(crate) fn new(kind: Kind, text: &str) -> Self {
        let (before, text, cursor) = (text.to_owned(), text.to_owned(), text.len());
        Prompt { kind, before, objection: None, text, cursor, recalled: None }
    }

    /// What has been typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The text before the cursor.
    pub(crate) fn left(&self) -> &str {
        self.text.get(..self.cursor).unwrap_or(&self.text)
    }

    /// Puts `text` in, with the cursor behind it.
    pub(crate) fn set(&mut self, text: String) {
        self.cursor = text.len();
        self.text = text;
    }

    /// Types `text`, without what a line cannot hold.
    pub(crate) fn insert(&mut self, text: &str) {
        let clean: String = text.chars().filter(|c| !c.is_control()).collect();
        self.text.insert_str(self.cursor, &clean);
        self.cursor += clean.len();
    }

    /// Takes a key; `history` is what was run before, oldest first.
    pub(crate) fn press(&mut self, key: KeyEvent, history: &[String]) -> Typed {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (key.code, control) {
            (KeyCode::Enter, _) => return Typed::Done,
            (KeyCode::Esc, _) | (KeyCode::Char('c' | 'g'), true) => return Typed::Cancelled,
            (KeyCode::Tab, _) => return Typed::Complete,
            (KeyCode::Backspace, false) if self.text.is_empty() => return Typed::Cancelled,
            (KeyCode::Up, _) | (KeyCode::Char('p'), true) => return self.recall(history, true),
            (KeyCode::Down, _) | (KeyCode::Char('n'), true) => return self.recall(history, false),
            (KeyCode::Left, _) | (KeyCode::Char('b'), true) => self.cursor = self.before(self.cursor),
            (KeyCode::Right, _) | (KeyCode::Char('f'), true) => self.cursor = self.after(self.cursor),
            (KeyCode::Home, _) | (KeyCode::Char('a'), true) => self.cursor = 0,
            (KeyCode::End, _) | (KeyCode::Char('e'), true) => self.cursor = self.text.len(),
            (KeyCode::Backspace, false) | (KeyCode::Char('h'), true) => self.cut(self.before(self.cursor)),
            (KeyCode::Char('w') | KeyCode::Backspace, true) => self.cut(self.word_before()),
            (KeyCode::Char('u'), true) => self.cut(0),
            (KeyCode::Char('k'), true) => self.text.truncate(self.cursor),
            (KeyCode::Delete, _) | (KeyCode::Char('d'), true) => {
                let to = self.after(self.cursor);
                self.text.replace_range(self.cursor..to, "");
            }
            (KeyCode::Char(c), false) => {
                self.insert(c.encode_utf8(&mut [0; 4]));
            }
            _ => return Typed::Moved,
        }
        match (key.code, control) {
            (KeyCode::Left | KeyCode::Right | KeyCode::Home | KeyCode::End, _)
            | (KeyCode::Char('a' | 'b' | 'e' | 'f'), true) => Typed::Moved,
            _ => {
                self.objection = None;
                Typed::Edited
            }
        }
    }

    fn cut(&mut self, from: usize) {
        self.text.replace_range(from..self.cursor, "");
        self.cursor = from;
    }

    fn before(&self, at: usize) -> usize {
        self.text[..at].char_indices().next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self, at: usize) -> usize {
        self.text[at..].chars().next().map_or(at, |c| at + c.len_utf8())
    }

    fn word_before(&self) -> usize {
        let left = self.left().trim_end();
        left.rfind(char::is_whitespace).map_or(0, |at| at + 1)
    }

    fn recall(&mut self, history: &[String], older: bool) -> Typed {
        let at = match (self.recalled, older) {
            (None, true) => history.len().checked_sub(1),
            (None, false) => return Typed::Moved,
            (Some(at), true) => Some(at.saturating_sub(1)),
            (Some(at), false) => Some(at + 1).filter(|at| *at < history.len()),
        };
        if older && at.is_none() {
            return Typed::Moved;
        }
        self.recalled = at;
        let text = at.and_then(|at| history.get(at)).cloned().unwrap_or_default();
        self.set(text);
        self.objection = None;
        Typed::Edited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(prompt: &mut Prompt, code: KeyCode) -> Typed {
        prompt.press(KeyEvent::new(code, KeyModifiers::NONE), &["first".into(), "second".into()])
    }

    fn control(prompt: &mut Prompt, c: char) -> Typed {
        prompt.press(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL), &[])
    }

    #[test]
    fn a_line_is_edited_by_characters() {
        let mut prompt = Prompt::new(Kind::Filter, "temp > ß8");
        press(&mut prompt, KeyCode::Left);
        press(&mut prompt, KeyCode::Backspace);
        press(&mut prompt, KeyCode::Char('9'));
        assert_eq!(prompt.text(), "temp > 98");
        control(&mut prompt, 'w');
        assert_eq!(prompt.text(), "temp > 8");
        control(&mut prompt, 'e');
        assert_eq!(control(&mut prompt, 'u'), Typed::Edited);
        assert_eq!(prompt.text(), "");
        assert_eq!(press(&mut prompt, KeyCode::Backspace), Typed::Cancelled);
    }

    #[test]
    fn history_goes_both_ways() {
        let mut prompt = Prompt::new(Kind::Command, "");
        for (code, expected) in [
            (KeyCode::Up, "second"),
            (KeyCode::Up, "first"),
            (KeyCode::Up, "first"),
            (KeyCode::Down, "second"),
            (KeyCode::Down, ""),
        ] {
            press(&mut prompt, code);
            assert_eq!(prompt.text(), expected);
        }
    }

    #[test]
    fn pasted_text_loses_what_a_line_cannot_hold() {
        let mut prompt = Prompt::new(Kind::Filter, "");
        prompt.insert("temp\n\u{1b}[2J > 85");
        assert_eq!(prompt.text(), "temp[2J > 85");
    }
}
