//! Answers of the terminal that come when nobody waits for them any more: the reader of events takes them for keys, and
//! here they are left out. And keys that came while the answer was waited for.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tokio::time::{Instant, sleep_until};

use super::ground::{Answer, Heard, Reading, read};

/// How long a key that may begin an answer is held back. The rest of an answer comes at once.
const HOLD: Duration = Duration::from_millis(50);

/// Holds keys back that may be an answer, while one is owed.
#[derive(Debug, Default)]
pub(crate) struct Late {
    owes_ground: bool,
    owes_attributes: bool,
    held: Vec<KeyEvent>,
    /// When what is held is let go, if a person may have pressed it.
    until: Option<Instant>,
}

impl Late {
    /// What is still owed after this much was heard; and the keys that came in between.
    pub(crate) fn new(heard: &Heard) -> (Late, Vec<KeyEvent>) {
        let mut late =
            Late { owes_ground: heard.owes_ground, owes_attributes: heard.owes_attributes, ..Late::default() };
        let mut keys = pressed(&heard.keys);
        for byte in &heard.rest {
            keys.extend(late.pass(key(char::from(*byte))));
        }
        (late, keys)
    }

    /// Takes a key in, and gives those that a person pressed: none, this one, or some that were held back as well.
    pub(crate) fn pass(&mut self, key: KeyEvent) -> Vec<KeyEvent> {
        self.until = None;
        let is_first = self.held.is_empty();
        self.held.push(key);
        match self.reading() {
            Reading::Maybe => {
                self.until = Some(Instant::now() + HOLD);
                Vec::new()
            }
            Reading::Sure => Vec::new(),
            Reading::Whole(answer, length) => {
                let is_broken = text(&self.held).is_none_or(|text| length < text.len());
                self.held.clear();
                match answer {
                    Answer::Ground(_) => self.owes_ground = false,
                    Answer::Attributes => self.owes_attributes = false,
                }
                if is_broken { self.pass(key) } else { Vec::new() }
            }
            Reading::No if is_first => std::mem::take(&mut self.held),
            Reading::No => {
                self.held.pop();
                let mut keys = std::mem::take(&mut self.held);
                keys.extend(self.pass(key));
                keys
            }
        }
    }

    /// What is held, as far as it may be something that is owed.
    fn reading(&self) -> Reading {
        let Some(text) = text(&self.held) else {
            // Within an answer, a key that no answer has is a person's, and the answer is given up.
            let before = text(&self.held[..self.held.len() - 1]).map_or(Reading::No, |text| read(&text));
            return if before == Reading::Sure { Reading::Whole(Answer::Ground(None), 0) } else { Reading::No };
        };
        // An escape alone is held only as long as nothing is sure: the reader of events cuts where a packet ends. Once
        // attributes came, the ground should have come before; some multiplexers answer the one and pass on the other.
        let is_owed = if text.get(1) == Some(&b']') { self.owes_ground } else { self.owes_attributes };
        if is_owed { read(&text) } else { Reading::No }
    }

    /// Waits until what is held is to be let go, for ever if there is no such thing; and lets it go.
    pub(crate) async fn let_go(&mut self) -> Vec<KeyEvent> {
        match self.until {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
        self.until = None;
        std::mem::take(&mut self.held)
    }
}

/// The bytes that these keys were read from; nothing if no answer has such keys.
fn text(keys: &[KeyEvent]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    for key in keys {
        let (is_alt, is_control) =
            (key.modifiers.contains(KeyModifiers::ALT), key.modifiers.contains(KeyModifiers::CONTROL));
        match key.code {
            KeyCode::Esc if key.modifiers.is_empty() => text.push(0x1b),
            KeyCode::Char('g') if is_control && !is_alt => text.push(0x07),
            KeyCode::Char(c) if c.is_ascii_graphic() && !is_control => {
                text.extend(is_alt.then_some(0x1b));
                text.push(c as u8);
            }
            _ => return None,
        }
    }
    Some(text)
}

/// The keys that these bytes are. Those that are more than a character are known by their last, or else left out.
fn pressed(bytes: &[u8]) -> Vec<KeyEvent> {
    let text = String::from_utf8_lossy(bytes);
    let (mut keys, mut left) = (Vec::new(), text.as_ref());
    while let Some(first) = left.chars().next() {
        let sequence = left.strip_prefix("\x1b[").or_else(|| left.strip_prefix("\x1bO"));
        if let Some(sequence) = sequence {
            let Some(end) = sequence.find(|c: char| ('@'..='~').contains(&c)) else { break };
            let code = match &sequence[..=end] {
                "A" => Some(KeyCode::Up),
                "B" => Some(KeyCode::Down),
                "C" => Some(KeyCode::Right),
                "D" => Some(KeyCode::Left),
                "H" => Some(KeyCode::Home),
                "F" => Some(KeyCode::End),
                "Z" => Some(KeyCode::BackTab),
                "5~" => Some(KeyCode::PageUp),
                "6~" => Some(KeyCode::PageDown),
                _ => None,
            };
            keys.extend(code.map(KeyEvent::from));
            left = &sequence[end + 1..];
        } else {
            keys.push(key(first));
            left = &left[first.len_utf8()..];
        }
    }
    keys
}

/// The key of a character, as a terminal sends it.
fn key(c: char) -> KeyEvent {
    let code = match c {
        '\r' => KeyCode::Enter,
        '\t' => KeyCode::Tab,
        '\x1b' => KeyCode::Esc,
        '\x7f' => KeyCode::Backspace,
        '\x01'..='\x1a' => {
            return KeyEvent::new(KeyCode::Char(char::from(c as u8 - 1 + b'a')), KeyModifiers::CONTROL);
        }
        c => KeyCode::Char(c),
    };
    KeyEvent::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the reader of events gives them: a character after an escape has Alt.
    fn events(input: &str) -> Vec<KeyEvent> {
        let mut chars = input.chars();
        let mut keys = Vec::new();
        while let Some(c) = chars.next() {
            match (c, chars.clone().next()) {
                ('\x1b', Some(next @ (']' | '\\' | 'x'))) => {
                    chars.next();
                    keys.push(KeyEvent::new(KeyCode::Char(next), KeyModifiers::ALT));
                }
                _ => keys.push(key(c)),
            }
        }
        keys
    }

    fn owing() -> Late {
        Late { owes_ground: true, owes_attributes: true, ..Late::default() }
    }

    fn passed(late: &mut Late, keys: Vec<KeyEvent>) -> Vec<KeyEvent> {
        keys.into_iter().flat_map(|key| late.pass(key)).collect()
    }

    #[test]
    fn a_late_answer_is_no_keys() {
        for answer in ["\x1b]11;rgb:fFff/ffff/ffff\x1b\\", "\x1b]11;rgb:0/0/0\x07"] {
            let mut late = owing();
            assert_eq!(passed(&mut late, events(&format!("2{answer}j"))), events("2j"));
            assert!(!late.owes_ground && late.held.is_empty());
            // However it is cut: an escape that comes last is a key of its own.
            let split = answer.chars().map(key).collect();
            assert_eq!(passed(&mut owing(), split), []);
        }
        assert_eq!(passed(&mut owing(), "\x1b[?62;22c".chars().map(key).collect()), []);
    }

    #[test]
    fn the_end_of_an_answer_that_began_in_time_is_no_keys() {
        let answer = "\x1b]11;rgb:ffff/ffff/ffff\x1b\\";
        for at in 1..answer.len() {
            let rest = answer.as_bytes()[..at].to_vec();
            let heard =
                Heard { owes_ground: true, owes_attributes: true, keys: b"k".to_vec(), rest, ..Heard::default() };
            let (mut late, keys) = Late::new(&heard);
            assert_eq!(keys, events("k"));
            let left: Vec<KeyEvent> = answer[at..].chars().map(key).collect();
            assert_eq!(passed(&mut late, left), [], "{at}");
            assert_eq!(passed(&mut late, events("q")), events("q"));
        }
    }

    #[test]
    fn what_is_no_answer_goes_through_whole() {
        for keys in ["\x1b]x", "\x1b]1q", "\x1bx", "\x1b[1;2", "]11;rgb:", "\x1b\x1b]2"] {
            let keys = events(keys);
            assert_eq!(passed(&mut owing(), keys.clone()), keys);
        }
        let (mut late, keys) = (owing(), [KeyEvent::from(KeyCode::F(1)), KeyEvent::from(KeyCode::Up)]);
        assert_eq!(passed(&mut late, keys.to_vec()), keys);
    }

    #[test]
    fn a_key_within_an_answer_gives_the_answer_up() {
        for key in [KeyEvent::from(KeyCode::Up), KeyEvent::from(KeyCode::Enter)] {
            let mut late = owing();
            assert_eq!(passed(&mut late, [events("\x1b]11;rgb:f"), vec![key]].concat()), [key]);
            assert_eq!(passed(&mut late, events("2")), events("2"));
        }
    }

    #[test]
    fn nothing_is_held_when_nothing_is_owed() {
        let (mut late, keys) = Late::new(&Heard::default());
        assert_eq!(keys, []);
        for keys in ["\x1b", "\x1b]", "1", "\x1b]11;rgb:0/0/0\x07"] {
            let keys = events(keys);
            assert_eq!(passed(&mut late, keys.clone()), keys);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_escape_waits_for_a_moment_only() {
        let mut late = owing();
        let began = Instant::now();
        assert_eq!(late.pass(key('\x1b')), []);
        assert_eq!(late.let_go().await, events("\x1b"));
        assert!(began.elapsed() < HOLD * 2);
        assert!(late.held.is_empty() && late.until.is_none());
    }

    #[test]
    fn keys_that_came_while_it_was_waited_for_are_kept() {
        let codes = |input: &str| pressed(input.as_bytes()).into_iter().map(|key| key.code).collect::<Vec<_>>();
        let expected = [KeyCode::Char('2'), KeyCode::Down, KeyCode::Enter, KeyCode::PageDown, KeyCode::Char('ü')];
        assert_eq!(codes("2\x1b[B\r\x1b[6~\x1b[200~ü"), expected);
        assert_eq!(pressed(b"\x03"), [KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)]);
        assert_eq!(codes("\x1b["), []);
    }
}
