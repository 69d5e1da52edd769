//! Text from other machines is data: what a terminal would act on never reaches it. And which word was meant.

use std::borrow::Cow;

/// `text` with control characters (escape sequences, newlines, bidirectional overrides) replaced by `\u{fffd}`,
/// and cut to `max` characters.
pub fn clean(text: &str, max: usize) -> Cow<'_, str> {
    let harmless = text.len() <= max && text.bytes().all(|b| (0x20..0x7f).contains(&b));
    if harmless {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().take(max).map(|c| if is_hostile(c) { char::REPLACEMENT_CHARACTER } else { c }).collect())
}

/// Whether a terminal may act on `c`, or lay out the rest of the line by it, instead of showing it.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The one of the `known` words that is spelt most like `word`; empty where none is known.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> &'a str {
    known.into_iter().min_by_key(|known| edits(word, known)).unwrap_or_default()
}

/// What serde says of a word that is not known, with the one that was meant instead of all that are known; anything else
/// as it is, in one line.
pub fn meant(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = ["unknown field", "unknown variant"].into_iter().find(|it| message.starts_with(it));
    match (unknown, quoted.next()) {
        (Some(unknown), Some(word)) => match nearest(word, quoted) {
            "" => format!("{unknown} `{word}`"),
            near => format!("{unknown} `{word}`; did you mean `{near}`?"),
        },
        _ => message.replace('\n', " "),
    }
}

/// How many letters one must add, drop or change to make `b` of `a`.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = corner + usize::from(ca != *cb);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_on_is_left() {
        let check = |text, expected: &str| assert_eq!(clean(text, 10), expected);
        check("gpu017", "gpu017");
        check("a\u{1b}[2Jb", "a\u{fffd}[2Jb");
        check("a\nb\u{9b}c", "a\u{fffd}b\u{fffd}c");
        check("\u{202e}gpu", "\u{fffd}gpu");
        check("größe", "größe");
        check("0123456789abc", "0123456789");
    }

    #[test]
    fn the_word_that_was_meant_is_found() {
        let check = |word, expected| assert_eq!(nearest(word, ["hbm", "sram", "switch"]), expected, "{word}");
        check("hmb", "hbm");
        check("swich", "switch");
        check("ram", "sram");
        assert_eq!(nearest("hbm", []), "");
    }

    #[test]
    fn what_serde_does_not_know_is_told_with_what_was_meant() {
        let check = |message, expected: &str| assert_eq!(meant(message), expected);
        check("unknown field `hubb`, expected one of `theme`, `hub`", "unknown field `hubb`; did you mean `hub`?");
        check("unknown variant `inf`, expected `info` or `warn`", "unknown variant `inf`; did you mean `info`?");
        check("unknown field `x`, there are no fields", "unknown field `x`");
        check("invalid type: integer `3`,\nexpected a string", "invalid type: integer `3`, expected a string");
    }
}
