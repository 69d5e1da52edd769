//! From keys to actions: chords parsed from the action table, one or two keys long.
//! The first key of two is remembered until the second comes or something else is pressed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::tui::action::{ACTIONS, Action};

/// One key with its modifiers. Shift is part of the character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Chord {
    code: KeyCode,
    control: bool,
    alt: bool,
}

impl Chord {
    /// The chord of a key event.
    pub(crate) fn of(key: KeyEvent) -> Chord {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        Chord { code: key.code, control, alt: key.modifiers.contains(KeyModifiers::ALT) }
    }

    /// The chord that `text` names: `k`, `ctrl-d`, `alt-x`, `enter`, `pageup`.
    pub(crate) fn parse(text: &str) -> Option<Chord> {
        if let Some(rest) = text.strip_prefix("ctrl-") {
            return Chord::parse(rest).map(|c| Chord { control: true, ..c });
        }
        if let Some(rest) = text.strip_prefix("alt-") {
            return Chord::parse(rest).map(|c| Chord { alt: true, ..c });
        }
        let mut chars = text.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) => KeyCode::Char(c),
            _ => NAMED.iter().find(|(name, _, _)| *name == text).map(|(_, _, code)| *code)?,
        };
        Some(Chord { code, control: false, alt: false })
    }
}

/// Keys with names: in the action table, on screen, and to the terminal.
const NAMED: &[(&str, &str, KeyCode)] = &[
    ("up", "↑", KeyCode::Up),
    ("down", "↓", KeyCode::Down),
    ("left", "←", KeyCode::Left),
    ("right", "→", KeyCode::Right),
    ("enter", "Enter", KeyCode::Enter),
    ("esc", "Esc", KeyCode::Esc),
    ("space", "Space", KeyCode::Char(' ')),
    ("tab", "Tab", KeyCode::Tab),
    ("backtab", "Shift-Tab", KeyCode::BackTab),
    ("backspace", "Backspace", KeyCode::Backspace),
    ("home", "Home", KeyCode::Home),
    ("end", "End", KeyCode::End),
    ("pageup", "PgUp", KeyCode::PageUp),
    ("pagedown", "PgDn", KeyCode::PageDown),
];

/// One of an action's key sequences as people read it: `gg`, `^d`, `Enter`.
pub(crate) fn shown(keys: &str) -> String {
    let one = |key: &str| {
        if let Some(rest) = key.strip_prefix("ctrl-") {
            return format!("^{rest}");
        }
        NAMED
            .iter()
            .find(|(name, _, _)| *name == key)
            .map_or_else(|| key.to_owned(), |(_, shown, _)| (*shown).to_owned())
    };
    // `,` itself is no action's key, so that a sequence can be split by it.
    keys.split(',').map(one).collect()
}

/// What a key led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// An action.
    Action(Action),
    /// The first key of a sequence: the next one decides.
    Pending,
    /// Nothing.
    Nothing,
}

/// Which keys do what.
#[derive(Clone, Debug)]
pub(crate) struct Keymap {
    bindings: Vec<(Vec<Chord>, Action)>,
    pending: Option<Chord>,
}

impl Default for Keymap {
    fn default() -> Self {
        let mut bindings = Vec::new();
        for row in ACTIONS {
            for keys in row.keys.split(' ') {
                // A test parses every key of the table, so that none is lost here.
                let chords: Option<Vec<Chord>> = keys.split(',').map(Chord::parse).collect();
                bindings.extend(chords.map(|chords| (chords, row.action)));
            }
        }
        Keymap { bindings, pending: None }
    }
}

impl Keymap {
    /// What this key means after the one before it.
    pub(crate) fn press(&mut self, key: KeyEvent) -> Meaning {
        let chord = Chord::of(key);
        let sequence = self.pending.take().and_then(|first| self.find(&[first, chord]));
        if let Some(action) = sequence.or_else(|| self.find(&[chord])) {
            return Meaning::Action(action);
        }
        if self.bindings.iter().any(|(chords, _)| chords.len() > 1 && chords.first() == Some(&chord)) {
            self.pending = Some(chord);
            return Meaning::Pending;
        }
        Meaning::Nothing
    }

    fn find(&self, chords: &[Chord]) -> Option<Action> {
        self.bindings.iter().find(|(bound, _)| bound == chords).map(|(_, action)| *action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> KeyEvent {
        let chord = Chord::parse(text).unwrap();
        let modifiers = if chord.control { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
        KeyEvent::new(chord.code, modifiers)
    }

    #[test]
    fn each_key_of_the_table_means_its_action() {
        for row in ACTIONS {
            for keys in row.keys.split(' ') {
                let mut keymap = Keymap::default();
                let last = keys.split(',').map(|k| keymap.press(key(k))).last();
                assert_eq!(last, Some(Meaning::Action(row.action)), "{keys}");
            }
        }
    }

    #[test]
    fn a_sequence_broken_off_does_no_harm() {
        let mut keymap = Keymap::default();
        assert_eq!(keymap.press(key("g")), Meaning::Pending);
        assert_eq!(keymap.press(key("j")), Meaning::Action(Action::Down));
        assert_eq!(keymap.press(key("g")), Meaning::Pending);
        assert_eq!(keymap.press(key("g")), Meaning::Action(Action::Top));
        assert_eq!(keymap.press(key("ctrl-y")), Meaning::Nothing);
    }

    #[test]
    fn keys_are_shown_as_people_write_them() {
        let check = |keys, expected: &str| assert_eq!(shown(keys), expected);
        check("g,g", "gg");
        check("ctrl-d", "^d");
        check("enter", "Enter");
        check("G", "G");
    }
}
