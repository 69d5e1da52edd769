//! From keys to actions: chords parsed from the action table, one or two keys long.
//! The first key of two is remembered until the second comes or something else is pressed.

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::{
    model::text::nearest,
    tui::action::{ACTIONS, Action},
};

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

    /// What whoever wrote `text`, which names no chord, may have meant.
    fn nearest(text: &str) -> String {
        let names = || NAMED.iter().map(|(name, _, _)| *name);
        match text.rsplit_once('-') {
            Some((held, key)) if !key.is_empty() => {
                let key = if Chord::parse(key).is_some() { key } else { nearest(key, names()) };
                format!("{}-{key}", nearest(held, ["ctrl", "alt"]))
            }
            _ => nearest(text, names()).to_owned(),
        }
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

/// A change of keys that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The name of the action whose keys it changes.
    pub action: String,
    /// Why not, in a line for whoever wants it.
    pub what: String,
}

/// The keys of each action, as the table has them or as a person wants them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys(Vec<String>);

impl Default for Keys {
    fn default() -> Self {
        Keys(ACTIONS.iter().map(|row| row.keys.to_owned()).collect())
    }
}

impl Keys {
    /// The table's, with other ones for some actions by their names. Empty ones take an action's keys away.
    ///
    /// # Errors
    /// What is wrong: no such action, no such key, or a key that means two actions.
    pub(crate) fn with(changes: &BTreeMap<String, String>) -> Result<Keys, Wrong> {
        let mut keys = Keys::default();
        for (name, wanted) in changes {
            let wrong = |what: String| Wrong { action: name.clone(), what };
            let Some(row) = ACTIONS.iter().find(|row| row.name == name) else {
                let nearest = nearest(name, ACTIONS.iter().map(|row| row.name));
                return Err(wrong(format!("no action is called {name:?}; did you mean {nearest:?}?")));
            };
            let is_no_key = |key: &&str| Chord::parse(key).is_none();
            if let Some(key) = sequences(wanted).flat_map(|it| it.split(',')).find(is_no_key) {
                return Err(wrong(format!("{name}: {key:?} is no key; did you mean {:?}?", Chord::nearest(key))));
            }
            if let Some(long) = sequences(wanted).find(|it| it.split(',').count() > 2) {
                return Err(wrong(format!("{name}: {long:?} is more than two keys")));
            }
            wanted.clone_into(&mut keys.0[row.action as usize]);
        }
        keys.conflict(changes).map_or(Ok(keys), Err)
    }

    /// What of these changes cannot be. Without it the others can.
    pub(crate) fn wrong(changes: &BTreeMap<String, String>) -> Vec<Wrong> {
        let (mut left, mut wrong) = (changes.clone(), Vec::new());
        while let Err(next) = Keys::with(&left) {
            left.remove(&next.action);
            wrong.push(next);
        }
        wrong
    }

    /// The keys of an action, as the table writes them.
    pub(crate) fn of(&self, action: Action) -> &str {
        &self.0[action as usize]
    }

    /// What is said of an action's first key, as people read it; nothing where it has no key.
    pub(crate) fn told(&self, action: Action, words: impl FnOnce(String) -> String) -> String {
        sequences(self.of(action)).next().map(|keys| words(shown(keys))).unwrap_or_default()
    }

    fn bindings(&self) -> impl Iterator<Item = (Vec<Chord>, Action)> {
        let each = ACTIONS.iter().flat_map(|row| sequences(self.of(row.action)).map(|keys| (keys, row.action)));
        // A test parses every key of the table, and what a person wants is read before it is taken.
        each.filter_map(|(keys, action)| Some((keys.split(',').map(Chord::parse).collect::<Option<_>>()?, action)))
    }

    /// Two actions of which one's keys are the other's, or begin so: then only one of them could be meant. It is the fault
    /// of one that was changed, for the table has no conflicts.
    fn conflict(&self, changes: &BTreeMap<String, String>) -> Option<Wrong> {
        let all: Vec<(Vec<Chord>, Action)> = self.bindings().collect();
        let clash = |a: &[Chord], b: &[Chord]| b.starts_with(a);
        all.iter().enumerate().find_map(|(at, (keys, action))| {
            let others = all.iter().enumerate().filter(|(other, _)| *other != at);
            let (_, (_, other)) = others.into_iter().find(|(_, (its, _))| clash(keys, its))?;
            let [first, second] = [action, other].map(|action| action.row().name);
            let written = sequences(self.of(*action))
                .find(|it| it.split(',').map(Chord::parse).collect::<Option<Vec<Chord>>>().as_deref() == Some(keys));
            let what = format!(
                "{:?} means {first}, and {second} as well; give one of them another key, or none: \"\"",
                written?
            );
            let changed = [second, first].into_iter().find(|name| changes.contains_key(*name))?;
            Some(Wrong { action: changed.into(), what })
        })
    }
}

fn sequences(keys: &str) -> impl Iterator<Item = &str> {
    keys.split(' ').filter(|it| !it.is_empty())
}

impl Default for Keymap {
    fn default() -> Self {
        Keymap::new(&Keys::default())
    }
}

impl Keymap {
    /// With these keys.
    pub(crate) fn new(keys: &Keys) -> Keymap {
        Keymap { bindings: keys.bindings().collect(), pending: None }
    }

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
        let held = [(chord.control, KeyModifiers::CONTROL), (chord.alt, KeyModifiers::ALT)];
        let modifiers = held.into_iter().filter(|(is, _)| *is).map(|(_, it)| it).collect();
        KeyEvent::new(chord.code, modifiers)
    }

    #[test]
    fn nothing_is_told_of_an_action_without_keys() {
        let keys = Keys::with(&BTreeMap::from([("freeze".to_owned(), String::new())])).unwrap();
        let told = |action| keys.told(action, |key| format!("{key} does it"));
        assert_eq!(
            (told(Action::Up), told(Action::Top), told(Action::Freeze)),
            ("k does it".into(), "gg does it".into(), String::new())
        );
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
    fn a_person_gives_actions_other_keys() {
        let with = |changes: &[(&str, &str)]| {
            Keys::with(&changes.iter().map(|(name, keys)| ((*name).to_owned(), (*keys).to_owned())).collect())
        };
        let keys = with(&[("acknowledge", "ctrl-a"), ("copy", "a y,y"), ("quit", "")]).unwrap();
        let mut keymap = Keymap::new(&keys);
        assert_eq!(keymap.press(key("ctrl-a")), Meaning::Action(Action::Acknowledge));
        assert_eq!(keymap.press(key("a")), Meaning::Action(Action::Copy));
        assert_eq!((keymap.press(key("y")), keymap.press(key("y"))), (Meaning::Pending, Meaning::Action(Action::Copy)));
        assert_eq!(keymap.press(key("q")), Meaning::Nothing);
        assert_eq!((keys.of(Action::Copy), keys.of(Action::Up)), ("a y,y", "k up"));
        let check = |changes: &[(&str, &str)], said: &str| {
            let problem = with(changes).expect_err("a mistake").what;
            assert!(problem.contains(said), "{problem}");
        };
        check(&[("aknowledge", "a")], "did you mean \"acknowledge\"?");
        check(&[("copy", "ctl-a")], "copy: \"ctl-a\" is no key; did you mean \"ctrl-a\"?");
        check(&[("copy", "y,pagup")], "copy: \"pagup\" is no key; did you mean \"pageup\"?");
        check(&[("top", "g,g,t")], "top: \"g,g,t\" is more than two keys");
        check(&[("copy", "a")], "\"a\" means acknowledge, and copy as well");
        check(&[("copy", "g")], "\"g\" means copy, and top as well");
        assert_eq!(with(&[]), Ok(Keys::default()), "the table has no conflicts");
    }

    #[test]
    fn what_cannot_be_is_named_and_without_it_the_rest_can() {
        let changes = [
            ("acknowledge", "A"),
            ("copy", "j"),
            ("nonsense", "x"),
            ("quit", "ctl-q"),
            ("top", "G"),
            ("bottom", "g,g"),
        ];
        let mut changes = changes.map(|(name, keys)| (name.to_owned(), keys.to_owned())).into();
        let wrong: Vec<String> = Keys::wrong(&changes).into_iter().map(|wrong| wrong.action).collect();
        assert_eq!(wrong, ["nonsense", "quit", "copy"]);
        changes.retain(|name, _| !wrong.contains(name));
        let keys = Keys::with(&changes).expect("the rest");
        assert_eq!([Action::Acknowledge, Action::Copy, Action::Top].map(|action| keys.of(action)), ["A", "y", "G"]);
        assert_eq!(keys.of(Action::Quit), Keys::default().of(Action::Quit));
        let both = [("copy", "x"), ("help", "x")].map(|(name, keys)| (name.to_owned(), keys.to_owned())).into();
        assert_eq!(Keys::wrong(&both).len(), 1, "one of them can have it");
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
