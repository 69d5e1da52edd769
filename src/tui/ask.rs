//! The text of a screen's question, put together from its parts and taken apart again.
//! Screens keep the parts; the hub gets text, and its complaints point into that text.

use std::{fmt::Write as _, ops::Range};

/// Words that begin a clause of a query.
const CLAUSES: [&str; 10] = ["where", "by", "sort", "show", "limit", "offset", "over", "step", "since", "at"];

/// One key of a sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    /// What to sort by.
    pub(crate) key: String,
    /// Largest first.
    pub(crate) descending: bool,
}

/// The parts of a question that a table screen asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ask {
    /// The view: `gpus`.
    pub(crate) view: String,
    /// Conditions that say where one is: `rack = 'r12'`.
    pub(crate) scope: Vec<String>,
    /// The user's own condition; empty for none.
    pub(crate) filter: String,
    /// The condition of faulty rows, while only those are wanted.
    pub(crate) faults: Option<String>,
    /// Keys to group by, as written.
    pub(crate) by: String,
    /// What to sort by, first key first.
    pub(crate) sort: Vec<Sort>,
    /// Which columns, as written; empty for the view's own.
    pub(crate) show: String,
    /// At most so many rows in all.
    pub(crate) limit: Option<u64>,
    /// `since …` or `at …`, as written.
    pub(crate) when: String,
}

/// A question's text, and where in it the user's condition stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Worded {
    /// The query.
    pub(crate) text: String,
    /// The bytes of it that are [`Ask::filter`].
    pub(crate) filter: Range<usize>,
}

impl Ask {
    /// All of it, as a user would write it.
    pub(crate) fn query(&self) -> String {
        self.told(self.limit, 0).text
    }

    /// The question for `limit` rows from `offset` on.
    pub(crate) fn worded(&self, offset: u64, limit: u64) -> Worded {
        let limit = self.limit.map_or(limit, |most| limit.min(most.saturating_sub(offset)));
        self.told(Some(limit), offset)
    }

    fn told(&self, limit: Option<u64>, offset: u64) -> Worded {
        // Writing to a string cannot fail.
        let mut text = self.view.clone();
        let mut filter = 0..0;
        let mut link = " where ";
        for condition in &self.scope {
            let _ = write!(text, "{link}{condition}");
            link = " and ";
        }
        if let Some(faults) = &self.faults {
            let _ = write!(text, "{link}({faults})");
            link = " and ";
        }
        if !self.filter.trim().is_empty() {
            text.push_str(link);
            // Alone it needs no parentheses, and an unbalanced one in it is then complained of where it stands.
            let alone = link == " where ";
            text.push_str(if alone { "" } else { "(" });
            filter = text.len()..text.len() + self.filter.len();
            text.push_str(&self.filter);
            text.push_str(if alone { "" } else { ")" });
        }
        if !self.by.is_empty() {
            let _ = write!(text, " by {}", self.by);
        }
        if !self.sort.is_empty() {
            let _ = write!(text, " sort {}", sorted(&self.sort));
        }
        if !self.show.is_empty() {
            let _ = write!(text, " show {}", self.show);
        }
        if let Some(limit) = limit {
            let _ = write!(text, " limit {limit}");
        }
        if offset > 0 {
            let _ = write!(text, " offset {offset}");
        }
        if !self.when.is_empty() {
            let _ = write!(text, " {}", self.when);
        }
        Worded { text, filter }
    }

    /// The parts of a query as a user wrote it. What is no clause goes to the view's name, for the hub to complain of.
    pub(crate) fn parse(text: &str) -> Ask {
        let mut ask = Ask::default();
        for (clause, words) in clauses(text) {
            match clause {
                "" => words.clone_into(&mut ask.view),
                "where" => words.clone_into(&mut ask.filter),
                "by" => words.clone_into(&mut ask.by),
                "sort" => ask.sort = parse_sort(words),
                "show" => words.clone_into(&mut ask.show),
                "limit" => ask.limit = words.parse().ok(),
                // A table's own window decides where it begins, and tables have no time axis.
                "offset" | "over" | "step" => {}
                _ => ask.when = format!("{clause} {words}"),
            }
        }
        ask
    }
}

/// The keys of a `sort` clause.
pub(crate) fn parse_sort(words: &str) -> Vec<Sort> {
    let keys = words.split(',').map(str::trim).filter(|key| !key.is_empty());
    keys.map(|key| match key.strip_prefix('-') {
        Some(key) => Sort { key: key.trim().into(), descending: true },
        None => Sort { key: key.into(), descending: false },
    })
    .collect()
}

/// As a `sort` clause has them.
pub(crate) fn sorted(sort: &[Sort]) -> String {
    let keys = sort.iter().map(|s| format!("{}{}", if s.descending { "-" } else { "" }, s.key));
    keys.collect::<Vec<_>>().join(",")
}

/// `text` cut at the words that begin clauses: pairs of such a word and what follows it.
fn clauses(text: &str) -> Vec<(&str, &str)> {
    let mut cuts: Vec<(usize, usize)> = vec![(0, 0)];
    let (mut quote, mut depth, mut start) = (None, 0_usize, None);
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, _) if c.is_whitespace() => {
                let word = start.take().map(|from: usize| (from, at));
                let clause = word.filter(|(from, to)| CLAUSES.contains(&&text[*from..*to]));
                cuts.extend(clause.filter(|_| depth == 0));
                continue;
            }
            _ => {}
        }
        start.get_or_insert(at);
    }
    let ends = cuts.iter().skip(1).map(|(from, _)| *from).chain([text.len()]);
    cuts.iter().zip(ends).map(|(&(from, to), end)| (&text[from..to], text[to..end].trim())).collect()
}

/// `text` as a literal of the query language.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_parts_are_inverse() {
        let check = |text: &str| assert_eq!(Ask::parse(text).worded(0, 50).text, format!("{text} limit 50"));
        check("gpus");
        check("gpus where temp > 85 sort -gpu.power,node show node,index");
        check("nodes where node = 'sort by' by rack show max(gpu.temp)");
        check("nodes where temp > median(temp by job)");
    }

    #[test]
    fn a_query_is_told_as_it_was_written() {
        let check = |text: &str| assert_eq!(Ask::parse(text).query(), text);
        check("gpus");
        check("gpus where temp > 85 sort -power limit 20");
        check("nodes by rack show max(gpu.temp)");
        check("events since -1h");
    }

    #[test]
    fn the_filter_is_found_again() {
        let mut ask = Ask::parse("gpus where temp > 85");
        ask.scope.push("node = 'gpu017'".into());
        ask.faults = Some("xid != none".into());
        let worded = ask.worded(100, 50);
        assert_eq!(worded.text, "gpus where node = 'gpu017' and (xid != none) and (temp > 85) limit 50 offset 100");
        assert_eq!(&worded.text[worded.filter], "temp > 85");
    }

    #[test]
    fn a_limit_of_the_users_own_holds() {
        let ask = Ask::parse("gpus sort -power limit 20");
        assert_eq!(ask.worded(0, 50).text, "gpus sort -power limit 20");
        assert_eq!(ask.worded(10, 50).text, "gpus sort -power limit 10 offset 10");
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted("gpu'17"), "'gpu''17'");
    }
}
