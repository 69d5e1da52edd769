//! Whether the terminal's ground is light: it is asked, once, before its keys are read; or else the environment says it.
//! What it answers to is found here among the keys, so that no answer is taken for keys.

use std::{
    io::{self, IsTerminal as _, Write as _, stdin, stdout},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

/// What is behind the text where nothing is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// Paper.
    Light,
    /// Night.
    Dark,
}

/// Asks for the ground, and then for what every terminal answers to: one that does not know the first is known by that.
const QUESTION: &[u8] = b"\x1b]11;?\x1b\\\x1b[c";
/// How long the answer may take. A later one is left out of the keys by [`super::late::Late`].
const PATIENCE: Duration = Duration::from_millis(100);
/// What an answer with a colour begins with, and its most bytes; xterm's has 25.
const COLOUR: &[u8] = b"\x1b]11;";
const MOST: usize = 64;
/// What an answer of attributes begins with.
const ATTRIBUTES: &[u8] = b"\x1b[?";

/// What was heard of the terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// What its answer or the environment says of the ground.
    pub(crate) ground: Option<Ground>,
    /// Whether an answer with the ground may still come.
    pub(crate) owes_ground: bool,
    /// Whether that of attributes may still come, before which nothing is sure.
    pub(crate) owes_attributes: bool,
    /// Keys that came in between.
    pub(crate) keys: Vec<u8>,
    /// The beginning of something whose end did not come yet.
    pub(crate) rest: Vec<u8>,
}

/// Asks the terminal, which is to be in raw mode with nobody else reading from it, and then the environment. Terminals
/// that do not answer are not asked. What cannot be had is not known, which is no reason to stop.
pub(crate) fn detect(var: impl Fn(&str) -> Option<String>) -> Heard {
    let term = var("TERM").unwrap_or_default();
    let is_asked = !matches!(term.as_str(), "" | "dumb" | "linux") && stdin().is_terminal() && stdout().is_terminal();
    let mut heard = if is_asked { ask() } else { Heard::default() };
    heard.ground = heard.ground.or_else(|| var("COLORFGBG").and_then(|value| named(&value)));
    heard
}

/// What `COLORFGBG` says: the last of its numbers is the ground, one of the sixteen colours.
fn named(colours: &str) -> Option<Ground> {
    match colours.rsplit(';').next()?.trim().parse().ok()? {
        7u8 | 9..=15 => Some(Ground::Light),
        0..=6 | 8 => Some(Ground::Dark),
        _ => None,
    }
}

fn ask() -> Heard {
    let mut out = stdout();
    if out.write_all(QUESTION).and_then(|()| out.flush()).is_err() {
        return Heard::default();
    }
    let deadline = Instant::now() + PATIENCE;
    let mut bytes = Vec::new();
    loop {
        let heard = hear(&bytes);
        if !heard.owes_attributes || !matches!(more(&mut bytes, deadline), Ok(true)) {
            return heard;
        }
    }
}

/// Takes in what comes until the deadline; says whether anything came.
fn more(bytes: &mut Vec<u8>, deadline: Instant) -> io::Result<bool> {
    let stdin = stdin();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Ok(false),
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut buffer = [0; 1024];
    let count = rustix::io::read(&stdin, &mut buffer)?;
    bytes.extend(&buffer[..count]);
    Ok(count > 0)
}

/// Sorts what came into answers, keys, and what is not whole yet.
fn hear(bytes: &[u8]) -> Heard {
    let mut heard = Heard { owes_ground: true, owes_attributes: true, ..Heard::default() };
    let mut left = bytes;
    while let Some((first, after)) = left.split_first() {
        match read(left) {
            Reading::No => {
                heard.keys.push(*first);
                left = after;
            }
            Reading::Maybe | Reading::Sure => {
                heard.rest = left.to_vec();
                break;
            }
            Reading::Whole(answer, length) => {
                match answer {
                    Answer::Ground(ground) => (heard.ground, heard.owes_ground) = (ground, false),
                    Answer::Attributes => heard.owes_attributes = false,
                }
                left = &left[length..];
            }
        }
    }
    heard
}

/// What the terminal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Which ground it has, if that could be read.
    Ground(Option<Ground>),
    /// What it can do; of no interest but for when it comes.
    Attributes,
}

/// What the beginning of some input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// No answer.
    No,
    /// The beginning of an answer, or something that a person pressed.
    Maybe,
    /// The beginning of an answer, and nothing else.
    Sure,
    /// An answer, with its length.
    Whole(Answer, usize),
}

/// Reads what `input` begins with. An answer that breaks off is whole, too, and says nothing.
pub(super) fn read(input: &[u8]) -> Reading {
    if let Some(text) = input.strip_prefix(COLOUR) {
        let Some(end) = text.iter().take(MOST).position(|byte| !(b' '..=b'~').contains(byte)) else {
            return if text.len() < MOST {
                Reading::Sure
            } else {
                Reading::Whole(Answer::Ground(None), COLOUR.len() + MOST)
            };
        };
        let closing = match &text[end..] {
            [0x07, ..] => 1,
            [0x1b, b'\\', ..] => 2,
            [0x1b] => return Reading::Sure,
            _ => return Reading::Whole(Answer::Ground(None), COLOUR.len() + end),
        };
        return Reading::Whole(Answer::Ground(ground(&text[..end])), COLOUR.len() + end + closing);
    }
    if let Some(text) = input.strip_prefix(ATTRIBUTES) {
        return match text.iter().take(MOST).position(|byte| !matches!(byte, b'0'..=b'9' | b';')) {
            Some(end) if text[end] == b'c' => Reading::Whole(Answer::Attributes, ATTRIBUTES.len() + end + 1),
            None if text.len() < MOST => Reading::Sure,
            _ => Reading::No,
        };
    }
    let is_begun = [COLOUR, ATTRIBUTES].iter().any(|whole| whole.starts_with(input));
    if is_begun && !input.is_empty() { Reading::Maybe } else { Reading::No }
}

/// The ground of a colour as X11 writes it: `rgb:RRRR/GGGG/BBBB`, with one to four digits each, or `rgba:` with one more.
fn ground(text: &[u8]) -> Option<Ground> {
    let (kind, parts) = std::str::from_utf8(text).ok()?.split_once(':')?;
    let parts = parts.split('/').map(share).collect::<Option<Vec<f64>>>()?;
    let (("rgb", [red, green, blue]) | ("rgba", [red, green, blue, _])) = (kind, parts.as_slice()) else { return None };
    let luminance = 0.2126 * linear(*red) + 0.7152 * linear(*green) + 0.0722 * linear(*blue);
    Some(if luminance > 0.5 { Ground::Light } else { Ground::Dark })
}

/// A part of a colour, from 0 to 1.
fn share(digits: &str) -> Option<f64> {
    let is_hex = (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = is_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()?;
    let most = (1_u32 << (4 * digits.len())) - 1;
    Some(f64::from(value) / f64::from(most))
}

/// The light of a part of a colour, as sRGB has it.
fn linear(share: f64) -> f64 {
    if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIGHT: &[u8] = b"\x1b]11;rgb:fdfd/f6f6/e3e3\x1b\\";

    #[test]
    fn colours_are_light_or_dark() {
        let check = |text: &str, expected| assert_eq!(ground(text.as_bytes()), expected, "{text}");
        for text in ["rgb:ffff/ffff/ffff", "rgb:fd/f6/e3", "rgb:f/f/f", "rgb:FFF/FFF/FFF", "rgba:eeee/eeee/eeee/8000"] {
            check(text, Some(Ground::Light));
        }
        for text in ["rgb:0000/0000/0000", "rgb:0e/12/18", "rgb:8080/8080/8080", "rgb:f/0/f", "rgba:0/0/0/f"] {
            check(text, Some(Ground::Dark));
        }
        for text in [
            "",
            "rgb:",
            "rgb:0/f/0/",
            "rgb:ff/ff",
            "rgb:fffff/0/0",
            "rgb:ff/ff/fg",
            "rgb:+f/ff/ff",
            "rgb:ff/ff/ff/ff",
            "?",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn the_environment_names_the_ground() {
        let check = |text: &str, expected| assert_eq!(named(text), expected, "{text}");
        for text in ["0;15", "0;default;7", "15", "0;9"] {
            check(text, Some(Ground::Light));
        }
        for text in ["15;0", "7;default;6", "15;8"] {
            check(text, Some(Ground::Dark));
        }
        for text in ["", "0;default", "0;16", "0;-1", "15;"] {
            check(text, None);
        }
    }

    #[test]
    fn answers_are_found_among_keys() {
        let check = |input: &[u8], expected: Heard| assert_eq!(hear(input), expected, "{input:?}");
        let all = Heard { owes_ground: true, owes_attributes: true, ..Heard::default() };
        let none = Heard::default();
        let light = Some(Ground::Light);
        check(b"", all.clone());
        check(&[LIGHT, b"\x1b[?62;22c"].concat(), Heard { ground: light, ..none.clone() });
        check(b"\x1b]11;rgb:ff/ff/ff\x07\x1b[?6c", Heard { ground: light, ..none.clone() });
        check(b"\x1b[?1;2c", Heard { owes_ground: true, ..none.clone() });
        check(LIGHT, Heard { ground: light, owes_attributes: true, ..none.clone() });
        let keys = b"2j\x1b[Aq".to_vec();
        check(&[b"2j", LIGHT, b"\x1b[A", b"\x1b[?c", b"q"].concat(), Heard { ground: light, keys, ..none.clone() });
        check(b"\x1b]11;what\x07\x1b[?c", none.clone());
        check(b"\x1b]11;rgb:f\r\x1b[?c", Heard { keys: b"\r".to_vec(), ..none });
        check(b"\x1b]12;x", Heard { keys: b"\x1b]12;x".to_vec(), ..all.clone() });
        check(b"\x1b[?1u", Heard { keys: b"\x1b[?1u".to_vec(), ..all });
    }

    #[test]
    fn what_is_not_whole_is_kept_for_later() {
        for answer in [LIGHT, b"\x1b]11;rgb:0/0/0\x07", b"\x1b[?62;22c"] {
            for end in 1..answer.len() {
                let heard = hear(&[b"k", &answer[..end]].concat());
                assert_eq!((heard.keys.as_slice(), heard.rest.as_slice()), (&b"k"[..], &answer[..end]));
                assert!(heard.owes_ground && heard.owes_attributes && heard.ground.is_none());
            }
        }
    }

    #[test]
    fn an_answer_without_an_end_is_given_up() {
        let endless = [COLOUR, &[b'f'; 200]].concat();
        assert!(matches!(read(&endless), Reading::Whole(Answer::Ground(None), _)));
        assert_eq!(read(&[ATTRIBUTES, &[b'1'; 200]].concat()), Reading::No);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_or_made_up(input: Vec<u8>) {
            let heard = hear(&input);
            prop_assert!(heard.keys.len() + heard.rest.len() <= input.len());
            prop_assert!(input.ends_with(&heard.rest));
        }
    }
}
