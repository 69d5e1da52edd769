//! Hostlists as schedulers write them, `gpu[001-128,130],login1`: parsed, printed, matched, expanded and folded.
//! Nothing is expanded unless asked, and then only up to a limit.

use std::{collections::BTreeMap, fmt};

/// Names, some of them by ranges of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hostlist {
    patterns: Vec<Pattern>,
}

/// One name or one family of names: text and ranges in turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pattern {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Ranges(Vec<Range>),
}

/// Numbers from `first` to `last`, printed with at least `width` digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u64,
    last: u64,
    width: usize,
}

/// What is wrong with a hostlist, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HostlistError {
    /// What is wrong.
    pub message: String,
    /// Byte offset of the part that is wrong.
    pub at: usize,
    /// Its length in bytes.
    pub len: usize,
}

/// More names than the caller can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the list names {names} hosts, and at most {limit} are taken")]
pub struct TooMany {
    /// How many names the list stands for.
    pub names: u64,
    /// How many were allowed.
    pub limit: usize,
}

/// Longest text of a hostlist, in bytes.
const LONGEST: usize = 65_536;
/// Most brackets in one name, and most digits of a number.
const BRACKETS: usize = 8;
const DIGITS: usize = 18;

impl Hostlist {
    /// The list that `text` spells: names apart by commas or blanks, ranges of numbers in brackets.
    pub fn parse(text: &str) -> Result<Hostlist, HostlistError> {
        if text.len() > LONGEST {
            return Err(wrong(format!("a hostlist has at most {LONGEST} bytes"), 0, text.len()));
        }
        let mut patterns = Vec::new();
        for (at, name) in names(text) {
            patterns.push(Pattern::parse(name, at)?);
        }
        if patterns.is_empty() {
            return Err(wrong("expected a host name such as gpu001 or gpu[001-128]", 0, text.len()));
        }
        Ok(Hostlist { patterns })
    }

    /// The shortest list that stands for exactly these names; order and repeats are not kept.
    pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> Hostlist {
        // Families of names that differ in their last number only, each with its numbers and their digits.
        let mut families: BTreeMap<(&str, &str), Vec<(u64, usize)>> = BTreeMap::new();
        let mut plain = Vec::new();
        for name in names {
            match split_number(name) {
                Some((before, digits, after)) => {
                    let number = digits.parse().unwrap_or(0);
                    families.entry((before, after)).or_default().push((number, digits.len()));
                }
                None => plain.push(name),
            }
        }
        plain.sort_unstable();
        plain.dedup();
        let plain = plain.into_iter().map(|name| Pattern { pieces: vec![Piece::Text(name.into())] });
        let folded = families.into_iter().map(|((before, after), numbers)| fold_family(before, after, numbers));
        Hostlist { patterns: folded.chain(plain).collect() }
    }

    /// Whether the list has this name. A fully qualified name is matched by its short form too, and a short one by
    /// its fully qualified form.
    pub fn matches(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(name))
    }

    /// How many names the list stands for, repeats counted.
    pub fn len(&self) -> u64 {
        self.patterns.iter().fold(0, |sum, pattern| sum.saturating_add(pattern.len()))
    }

    /// Bytes that none of its names exceeds.
    pub fn width(&self) -> usize {
        self.patterns.iter().map(Pattern::width).max().unwrap_or(0)
    }

    /// Whether the list is empty: that of no names is.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The names, in the order of the list; an error when there are more than `limit`.
    pub fn expand(&self, limit: usize) -> Result<Vec<String>, TooMany> {
        if self.len() > limit as u64 {
            return Err(TooMany { names: self.len(), limit });
        }
        Ok(self.patterns.iter().flat_map(Pattern::expand).collect())
    }

    /// This list and the other one's names after it.
    pub fn and(mut self, other: Hostlist) -> Hostlist {
        self.patterns.extend(other.patterns);
        self
    }

    /// The names that stand alone, without brackets, and a list of the others: so that a long list of names can be
    /// looked up rather than walked.
    pub fn split_plain(self) -> (Vec<String>, Hostlist) {
        let (mut plain, mut rest) = (Vec::new(), Vec::new());
        for pattern in self.patterns {
            match pattern.pieces.as_slice() {
                [Piece::Text(text)] => plain.push(text.clone()),
                _ => rest.push(pattern),
            }
        }
        (plain, Hostlist { patterns: rest })
    }
}

/// A name without its domain: `gpu017` of `gpu017.example.org`.
pub fn short(name: &str) -> &str {
    name.split_once('.').map_or(name, |(short, _)| short)
}

/// Whether two names may be one host's: equal but for case, or one is the other's short form.
pub fn same(a: &str, b: &str) -> bool {
    match (a.contains('.'), b.contains('.')) {
        (true, false) => short(a).eq_ignore_ascii_case(b),
        (false, true) => a.eq_ignore_ascii_case(short(b)),
        _ => a.eq_ignore_ascii_case(b),
    }
}

fn wrong(message: impl Into<String>, at: usize, len: usize) -> HostlistError {
    HostlistError { message: message.into(), at, len }
}

/// The names of a list with their offsets: split at commas and blanks that stand outside brackets.
fn names(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let (mut depth, mut at) = (0usize, 0);
    let separates = |c: char| c == ',' || c.is_whitespace();
    let pieces = text.split_inclusive(move |c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && separates(c)
    });
    let names = pieces.map(move |piece| {
        at += piece.len();
        (at - piece.len(), piece.trim_end_matches(separates))
    });
    names.filter(|(_, name)| !name.is_empty())
}

/// What stands before, in and after a name's last number; a domain's digits don't count.
fn split_number(name: &str) -> Option<(&str, &str, &str)> {
    let host = short(name);
    let end = host.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = host[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + host[at..].chars().next().map_or(1, char::len_utf8));
    (end - start <= DIGITS).then(|| (&name[..start], &name[start..end], &name[end..]))
}

fn fold_family(before: &str, after: &str, mut numbers: Vec<(u64, usize)>) -> Pattern {
    // By digits first, so that 01 and 1 are never taken for one another.
    numbers.sort_unstable_by_key(|(number, digits)| (*number, *digits));
    numbers.dedup();
    let mut ranges: Vec<Range> = Vec::new();
    for (number, digits) in numbers {
        match ranges.iter_mut().rev().take(2 * DIGITS).find(|r| r.last + 1 == number && r.digits(number) == digits) {
            Some(range) => range.last = number,
            None => ranges.push(Range { first: number, last: number, width: digits }),
        }
    }
    let text = |text: &str| Piece::Text(text.to_owned());
    let pieces = match ranges.as_slice() {
        [one] if one.first == one.last => vec![text(&format!("{before}{:0w$}{after}", one.first, w = one.width))],
        _ => [text(before), Piece::Ranges(ranges), text(after)].into_iter().filter(|p| !p.is_empty()).collect(),
    };
    Pattern { pieces }
}

impl Piece {
    fn is_empty(&self) -> bool {
        matches!(self, Piece::Text(text) if text.is_empty())
    }
}

impl Range {
    /// How many digits `number` is printed with.
    fn digits(self, number: u64) -> usize {
        self.width.max(number.checked_ilog10().map_or(1, |log| log as usize + 1))
    }

    fn matches(self, digits: &str) -> bool {
        digits.parse().is_ok_and(|n| (self.first..=self.last).contains(&n) && self.digits(n) == digits.len())
    }

    fn parse(text: &str, at: usize) -> Result<Range, HostlistError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |digits: &str| {
            let fine = (1..=DIGITS).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            fine.then(|| digits.parse::<u64>().ok()).flatten()
        };
        match (number(first), number(last)) {
            (Some(from), Some(to)) if from <= to => Ok(Range { first: from, last: to, width: first.len() }),
            (Some(_), Some(_)) => Err(wrong(format!("the range {text} runs backwards"), at, text.len())),
            _ => Err(wrong(format!("expected a range of numbers such as 001-128, found `{text}`"), at, text.len())),
        }
    }
}

impl Pattern {
    fn parse(name: &str, at: usize) -> Result<Pattern, HostlistError> {
        let (mut pieces, mut rest, mut from) = (Vec::new(), name, at);
        while !rest.is_empty() {
            let open = rest.find(['[', ']']).unwrap_or(rest.len());
            if open > 0 {
                pieces.push(Piece::Text(rest[..open].to_owned()));
            } else {
                let close = rest.find(']').filter(|_| rest.starts_with('['));
                let close = close.ok_or_else(|| wrong("a bracket of the hostlist has no partner", from, 1))?;
                let mut ranges = Vec::new();
                let mut start = from + 1;
                for range in rest[1..close].split(',') {
                    ranges.push(Range::parse(range, start)?);
                    start += range.len() + 1;
                }
                pieces.push(Piece::Ranges(ranges));
                if pieces.len() > 2 * BRACKETS {
                    return Err(wrong(format!("a name has at most {BRACKETS} brackets"), at, name.len()));
                }
                from += close + 1;
                rest = &rest[close + 1..];
                continue;
            }
            from += open;
            rest = &rest[open..];
        }
        Ok(Pattern { pieces })
    }

    fn matches(&self, name: &str) -> bool {
        match (self.domain(), name.contains('.')) {
            (Some(at), false) => self.without_domain(at).fits(name),
            (None, true) => self.fits(short(name)),
            _ => self.fits(name),
        }
    }

    fn fits(&self, name: &str) -> bool {
        let (before, ranges, after) = match self.pieces.as_slice() {
            [Piece::Text(text)] => return text.eq_ignore_ascii_case(name),
            [Piece::Text(before), Piece::Ranges(ranges)] => (before.as_str(), ranges, ""),
            [Piece::Text(before), Piece::Ranges(ranges), Piece::Text(after)] => {
                (before.as_str(), ranges, after.as_str())
            }
            _ => return self.fits_any(name),
        };
        // With one bracket, what it must match is what is left of the name.
        let Some(digits) = name.len().checked_sub(after.len()).and_then(|end| name.get(before.len()..end)) else {
            return false;
        };
        name[..before.len()].eq_ignore_ascii_case(before)
            && name[name.len() - after.len()..].eq_ignore_ascii_case(after)
            && (1..=DIGITS).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && ranges.iter().any(|range| range.matches(digits))
    }

    fn fits_any(&self, name: &str) -> bool {
        // All offsets of the name that the pieces so far can end at: no backtracking, whatever the pattern.
        let mut ends = vec![0];
        for piece in &self.pieces {
            ends = ends.iter().flat_map(|&at| piece.ends(name, at)).collect();
            ends.sort_unstable();
            ends.dedup();
        }
        ends.contains(&name.len())
    }

    /// The piece in which the domain begins.
    fn domain(&self) -> Option<usize> {
        self.pieces.iter().position(|piece| matches!(piece, Piece::Text(text) if text.contains('.')))
    }

    fn without_domain(&self, at: usize) -> Pattern {
        let mut pieces = self.pieces[..=at].to_vec();
        if let Some(Piece::Text(text)) = pieces.last_mut() {
            *text = short(text).to_owned();
        }
        Pattern { pieces }
    }

    fn width(&self) -> usize {
        let piece = |piece: &Piece| if let Piece::Text(text) = piece { text.len() } else { DIGITS };
        self.pieces.iter().map(piece).sum()
    }

    fn len(&self) -> u64 {
        self.pieces.iter().fold(1, |product, piece| match piece {
            Piece::Text(_) => product,
            Piece::Ranges(ranges) => {
                let numbers = ranges.iter().fold(0u64, |sum, r| sum.saturating_add(r.last - r.first + 1));
                product.saturating_mul(numbers)
            }
        })
    }

    fn expand(&self) -> Vec<String> {
        self.pieces.iter().fold(vec![String::new()], |heads, piece| match piece {
            Piece::Text(text) => heads.into_iter().map(|head| head + text).collect(),
            Piece::Ranges(ranges) => heads
                .iter()
                .flat_map(|head| {
                    let numbers = ranges.iter().flat_map(|r| (r.first..=r.last).map(|n| (n, r.width)));
                    numbers.map(move |(n, w)| format!("{head}{n:0w$}"))
                })
                .collect(),
        })
    }
}

impl Piece {
    /// Offsets of `name` at which this piece can end when it begins at `at`.
    fn ends(&self, name: &str, at: usize) -> Vec<usize> {
        let rest = &name.as_bytes()[at..];
        match self {
            Piece::Text(text) => {
                let fits = rest.get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text.as_bytes()));
                if fits { vec![at + text.len()] } else { Vec::new() }
            }
            Piece::Ranges(ranges) => {
                let digits = rest.iter().take(DIGITS).take_while(|b| b.is_ascii_digit()).count();
                let fits = |end: &usize| ranges.iter().any(|range| range.matches(&name[at..*end]));
                (at + 1..=at + digits).filter(fits).collect()
            }
        }
    }
}

impl fmt::Display for Hostlist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, pattern) in self.patterns.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            for piece in &pattern.pieces {
                match piece {
                    Piece::Text(text) => f.write_str(text)?,
                    Piece::Ranges(ranges) => {
                        for (at, Range { first, last, width }) in ranges.iter().enumerate() {
                            write!(f, "{}{first:0width$}", if at == 0 { "[" } else { "," })?;
                            if first != last {
                                write!(f, "-{last:0width$}")?;
                            }
                        }
                        f.write_str("]")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_expand_in_order() {
        let check = |text, expected: &[&str]| {
            let list = Hostlist::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(list.expand(100).unwrap(), expected, "{text}");
            assert_eq!(list.len(), expected.len() as u64);
            assert_eq!(Hostlist::parse(&list.to_string()), Ok(list), "{text}");
        };
        check("gpu017", &["gpu017"]);
        check("gpu[001-003,010]", &["gpu001", "gpu002", "gpu003", "gpu010"]);
        check("n[8-11]", &["n8", "n9", "n10", "n11"]);
        check("r[1-2]n[01-02]x,login1", &["r1n01x", "r1n02x", "r2n01x", "r2n02x", "login1"]);
        check("a, b c", &["a", "b", "c"]);
        check("[1-2].example.org", &["1.example.org", "2.example.org"]);
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let check = |text, at, len| {
            let error = Hostlist::parse(text).expect_err(text);
            assert_eq!((error.at, error.len), (at, len), "{text}: {error}");
        };
        check("", 0, 0);
        check("gpu[001-", 3, 1);
        check("a,gpu]", 5, 1);
        check("gpu[3-1]", 4, 3);
        check("gpu[1,x]", 6, 1);
        check("gpu[]", 4, 0);
        check("gpu[9999999999999999999]", 4, 19);
        check("a[1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1]", 0, 55);
    }

    #[test]
    fn nothing_is_expanded_past_the_limit() {
        let list = Hostlist::parse("a[0-999999999][0-999999999][0-999999999]").unwrap();
        assert_eq!(list.expand(1000), Err(TooMany { names: u64::MAX, limit: 1000 }));
    }

    #[test]
    fn names_match_by_short_and_full_form() {
        let check = |list, name, expected| {
            assert_eq!(Hostlist::parse(list).unwrap().matches(name), expected, "{name} in {list}");
        };
        check("gpu[001-128,130]", "gpu001", true);
        check("gpu[001-128,130]", "gpu130", true);
        check("gpu[001-128,130]", "gpu129", false);
        check("gpu[001-128]", "gpu17", false);
        check("gpu[001-128]", "gpu0017", false);
        check("gpu[1-128]", "gpu17", true);
        check("gpu[1-128]", "gpu017", false);
        check("gpu[001-128]", "gpu017.example.org", true);
        check("gpu[001-128].example.org", "gpu017", true);
        check("gpu[001-128].example.org", "gpu017.example.net", false);
        check("n[1-19]2", "n112", true);
        check("n[1-9]2", "n112", false);
        check("GPU001", "gpu001", true);
        assert!(same("gpu017", "GPU017.example.org") && !same("gpu017.a", "gpu017.b"));
    }

    #[test]
    fn names_fold_into_ranges() {
        let check = |names: &[&str], expected: &str| {
            assert_eq!(Hostlist::fold(names.iter().copied()).to_string(), expected);
        };
        check(&["gpu003", "gpu001", "gpu002", "gpu007"], "gpu[001-003,007]");
        check(&["gpu017"], "gpu017");
        check(&["n9", "n10", "n11"], "n[9-11]");
        check(&["n09", "n10", "n9"], "n[9,09-10]");
        check(&["login", "r1n2.hall7", "r1n1.hall7"], "r1n[1-2].hall7,login");
        check(&[], "");
    }

    proptest! {
        #[test]
        fn folding_keeps_every_name(names in prop::collection::btree_set("[a-c]{0,2}[0-9]{1,3}(\\.x)?", 1..40)) {
            let folded = Hostlist::fold(names.iter().map(String::as_str));
            let mut expanded = folded.expand(100).unwrap();
            expanded.sort();
            prop_assert_eq!(&expanded, &names.iter().cloned().collect::<Vec<_>>());
            prop_assert!(names.iter().all(|name| folded.matches(name)));
            prop_assert_eq!(Hostlist::parse(&folded.to_string()), Ok(folded));
        }

        #[test]
        fn a_list_matches_what_it_expands_to(text in "[a-b]?(\\[[0-9]{1,2}-[5-9][0-9]\\]){1,2}[0-9]?") {
            if let Ok(list) = Hostlist::parse(&text) {
                for name in list.expand(10_000).unwrap() {
                    prop_assert!(list.matches(&name), "{} in {}", name, list);
                }
            }
        }

        #[test]
        fn any_text_is_a_list_or_an_error(text in "\\PC*") {
            if let Ok(list) = Hostlist::parse(&text) {
                prop_assert!(list.expand(100).is_ok() || list.len() > 100);
                prop_assert_eq!(Hostlist::parse(&list.to_string()).map(|l| l.to_string()), Ok(list.to_string()));
            }
        }
    }
}
